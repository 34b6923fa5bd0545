// cim export --oci.
#include <cstdlib>
#include <map>

#include <boost/filesystem.hpp>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <nlohmann/json.hpp>
#include <sys/file.h>

#include "cli_test.h"
#include "faults.h"
#include "image/file_descriptor.h"
#include "support/digest.h"

namespace cim::cli {
namespace {

namespace fs = boost::filesystem;

using Json = nlohmann::json;
using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;

class OciExport : public CliTest {
 protected:
  // base.cim, and top.cim, which builds on it.
  OciExport() {
    write("base/a", "a");
    write("base/gone", "gone");
    write("base/d/x", "x");
    write("change/d/new", "new");
    succeed({"create", "base.cim", "base"});
    succeed({"create", "top.cim", "change", "--from", "base.cim"});
    succeed({"rm", "top.cim", "gone"});
  }

  std::string shell(const std::string& command) const {
    const std::string line = "cd '" + directory() + "' && " + command + " >output";
    EXPECT_EQ(std::system(line.c_str()), 0) << command;  // NOLINT(concurrency-mt-unsafe)
    return read("output");
  }

  static std::string digest(const std::string& bytes) {
    return "sha256:" + test::hex_digest(bytes, EVP_sha256());
  }

  std::string path_of(const Json& descriptor, const std::string& layout) const {
    return layout + "/blobs/sha256/" + descriptor["digest"].get<std::string>().substr(7);
  }

  // What a descriptor refers to; checks its digest and size.
  std::string blob(const Json& descriptor, const std::string& layout) const {
    std::string bytes = read(path_of(descriptor, layout));
    EXPECT_EQ(descriptor["digest"], digest(bytes));
    EXPECT_EQ(descriptor["size"], bytes.size());
    return bytes;
  }

  Json index(const std::string& layout = "layout") const {
    return Json::parse(read(layout + "/index.json"));
  }

  static std::string tag_of(const Json& entry) {
    return entry.value("annotations", Json::object())
        .value("org.opencontainers.image.ref.name", "");
  }

  std::vector<std::string> tags(const std::string& layout = "layout") const {
    std::vector<std::string> tags;
    const Json index = this->index(layout);
    for (const Json& entry : index["manifests"]) {
      tags.push_back(tag_of(entry));
    }
    return tags;
  }

  Json manifest(const std::string& tag, const std::string& layout = "layout") const {
    const Json index = this->index(layout);
    for (const Json& entry : index["manifests"]) {
      if (tag_of(entry) != tag) continue;
      EXPECT_EQ(entry["mediaType"], "application/vnd.oci.image.manifest.v1+json");
      return Json::parse(blob(entry, layout));
    }
    ADD_FAILURE() << "no tag " << tag;
    return {};
  }

  // The configuration of an image, of which all is checked.
  Json config(const std::string& tag, const std::string& layout = "layout") const {
    const Json manifest = this->manifest(tag, layout);
    Json config = Json::parse(blob(manifest["config"], layout));
    const Json& diff_ids = config["rootfs"]["diff_ids"];
    EXPECT_EQ(manifest["layers"].size(), diff_ids.size());
    for (std::size_t index = 0; index < diff_ids.size(); ++index) {
      const Json& layer = manifest["layers"][index];
      blob(layer, layout);
      const std::string type = layer["mediaType"];
      const bool is_zstd = type.ends_with("+zstd");
      EXPECT_EQ(type, "application/vnd.oci.image.layer.v1.tar" +
                          std::string(is_zstd ? "+zstd" : "+gzip"));
      if (!is_zstd) {  // no flags, so no name, and no time
        EXPECT_EQ(read(path_of(layer, layout)).substr(3, 5), std::string(5, '\0'));
      }
      const std::string unpack = is_zstd ? "zstd -dc " : "gzip -dc ";
      EXPECT_EQ(diff_ids[index], digest(shell(unpack + "<" + path_of(layer, layout))));
    }
    std::size_t layers_of_history = 0;
    for (const Json& entry : config["history"]) {
      if (!entry.value("empty_layer", false)) ++layers_of_history;
    }
    EXPECT_EQ(layers_of_history, diff_ids.size());
    return config;
  }

  // The names of the members of a layer.
  std::vector<std::string> members(const Json& layer) const {
    std::istringstream lines(shell("tar -tf " + path_of(layer, "layout")));
    std::vector<std::string> names;
    for (std::string line; std::getline(lines, line);) names.push_back(line);
    return names;
  }

  // All files of a layout, by their paths.
  std::map<std::string, std::string> contents(const std::string& name) const {
    std::map<std::string, std::string> files;
    if (!fs::exists(path(name))) return files;
    for (const auto& entry : fs::recursive_directory_iterator(path(name))) {
      const std::string file = fs::relative(entry.path(), path(name)).string();
      files[file] = fs::is_directory(entry.path()) ? "directory" : read(name + "/" + file);
    }
    return files;
  }

  // Changes the configuration of the image `tag`, as another program would.
  void change_config(const std::string& tag, const std::string& change) const {
    write("change.py", R"(
import hashlib, json, pathlib, sys
layout = pathlib.Path("layout")
def path(digest): return layout / "blobs/sha256" / digest[7:]
def store(value):
    text = json.dumps(value).encode()
    digest = "sha256:" + hashlib.sha256(text).hexdigest()
    path(digest).write_bytes(text)
    return {"digest": digest, "size": len(text)}
index = json.loads((layout / "index.json").read_text())
for entry in index["manifests"]:
    if entry["annotations"]["org.opencontainers.image.ref.name"] == ")" +
                           tag + R"(":
        manifest = json.loads(path(entry["digest"]).read_text())
        config = json.loads(path(manifest["config"]["digest"]).read_text())
        )" + change + R"(
        manifest["config"].update(store(config))
        entry.update(store(manifest))
(layout / "index.json").write_text(json.dumps(index))
)");
    shell("python3 change.py");
  }
};

TEST_F(OciExport, HasALayerOfEachImageThatTheImageBuildsOn) {
  succeed({"export", "top.cim", "--oci", "layout:v1"});
  EXPECT_THAT(tags(), ElementsAre("v1"));
  const Json config = this->config("v1");
  EXPECT_EQ(config["os"], "linux");
  const Json layers = manifest("v1")["layers"];
  ASSERT_EQ(layers.size(), 2U);
  EXPECT_THAT(members(layers[0]), ElementsAre("./", "a", "d/", "d/x", "gone"));
  EXPECT_THAT(members(layers[1]), ElementsAre("./", ".wh.gone", "d/", "d/new"));
  succeed({"import", "again.cim", "oci:layout:v1"});
  EXPECT_EQ(succeed({"diff", "top.cim", "again.cim"}), "");
}

TEST_F(OciExport, ALayerCoversAnImageThatIsNotThere) {
  succeed({"cp", "top.cim", "third.cim"});
  succeed({"rm", "third.cim", "a"});
  succeed({"export", "third.cim", "--oci", "layout:three"});
  fs::remove(path("top.cim"));
  succeed({"export", "third.cim", "--oci", "layout:two"});
  fs::remove(path("base.cim"));
  EXPECT_EQ(cim({"gc", "."}).status, 0);
  succeed({"export", "third.cim", "--oci", "layout:one"});
  const std::map<std::string, std::size_t> expected = {{"three", 3}, {"two", 2}, {"one", 1}};
  for (const auto& [tag, layers] : expected) {
    config(tag);
    EXPECT_EQ(manifest(tag)["layers"].size(), layers) << tag;
    succeed({"import", tag + ".cim", "oci:layout:" + tag});
    EXPECT_EQ(succeed({"diff", "third.cim", tag + ".cim"}), "") << tag;
  }
}

TEST_F(OciExport, CopiesOfAnImageAreNoLayers) {
  succeed({"cp", "top.cim", "copy.cim"});
  succeed({"cp", "base.cim", "copied-base.cim"});
  succeed({"create", "other.cim", "base", "--from", "base.cim"});
  succeed({"export", "top.cim", "--oci", "layout:v1"});
  EXPECT_EQ(manifest("v1")["layers"].size(), 2U);
}

TEST_F(OciExport, IsTheSameEachTime) {
  for (const std::string compression : {"gzip", "zstd"}) {
    succeed({"export", "top.cim", "--oci", "one:" + compression, "--compress", compression});
    config(compression, "one");
  }
  succeed({"cp", "top.cim", "elsewhere.cim"});
  fs::remove(path("top.cim"));
  for (const std::string compression : {"gzip", "zstd"}) {
    succeed(
        {"export", "elsewhere.cim", "--oci", "oci:two:" + compression, "--compress", compression});
  }
  EXPECT_EQ(contents("one"), contents("two"));
}

TEST_F(OciExport, ReplacesOnlyTheImageWithTheTag) {
  succeed({"export", "base.cim", "--oci", "layout:v1"});
  succeed({"export", "base.cim", "--oci", "layout:v2"});
  const Json before = manifest("v2");
  Json index = this->index();
  index["annotations"] = {{"note", "kept"}};
  index["manifests"].push_back({{"digest", digest("x")}, {"size", 1}, {"unknown", {1.5, "kept"}}});
  write("layout/index.json", index.dump());
  succeed({"export", "top.cim", "--oci", "layout:v1"});
  EXPECT_EQ(manifest("v1")["layers"].size(), 2U);
  EXPECT_EQ(manifest("v2"), before);
  const Json after = this->index();
  EXPECT_EQ(after["manifests"].size(), 3U);
  EXPECT_EQ(after["annotations"], index["annotations"]);
  EXPECT_EQ(after["manifests"][1], index["manifests"][2]);
}

TEST_F(OciExport, RepairsABlob) {
  succeed({"export", "top.cim", "--oci", "layout:v1"});
  const auto before = contents("layout");
  const std::string layer = path_of(manifest("v1")["layers"][0], "layout");
  write(layer, std::string(read(layer).size(), 'x'));
  succeed({"export", "top.cim", "--oci", "layout:v1"});
  EXPECT_EQ(contents("layout"), before);
}

TEST_F(OciExport, KeepsTheSettingsAndTheLayersOfItsBase) {
  succeed({"export", "top.cim", "--oci", "layout:v1", "--platform", "linux/arm64/v8"});
  change_config("v1", R"(config.update({
      "author": "somebody", "created": "2020-02-02T00:00:00Z",
      "config": {"Cmd": ["sh"], "Env": ["A=b"], "Healthcheck": {"Interval": 30000000000}},
      "history": [{"created_by": "one"}, {"created_by": "ENV", "empty_layer": True},
                  {"created_by": "two"}, {"created_by": "CMD", "empty_layer": True}]}))");
  const Json old_config = config("v1");
  succeed({"import", "app.cim", "oci:layout:v1"});
  succeed({"rm", "app.cim", "a"});
  succeed(
      {"export", "app.cim", "--oci", "layout:v2", "--base", "oci:layout:v1", "--compress", "zstd"});
  const Json old_layers = manifest("v1")["layers"];
  const Json layers = manifest("v2")["layers"];
  ASSERT_EQ(layers.size(), 3U);
  EXPECT_EQ(layers[0], old_layers[0]);
  EXPECT_EQ(layers[1], old_layers[1]);
  EXPECT_THAT(members(layers[2]), ElementsAre("./", ".wh.a"));
  Json expected = old_config;
  Json found = config("v2");
  const Json history = found["history"];
  ASSERT_EQ(history.size(), 5U);
  EXPECT_EQ(history[4]["created_by"], "cim export");
  found["history"].erase(4);
  found["rootfs"]["diff_ids"].erase(2);
  EXPECT_EQ(found, expected);
  EXPECT_EQ(found["variant"], "v8");
}

TEST_F(OciExport, TakesTheLayersOfItsBaseFromElsewhere) {
  succeed({"export", "top.cim", "--oci", "layout:v1"});
  succeed({"import", "app.cim", "layout"});
  succeed({"rm", "app.cim", "a"});
  shell("tar -C layout -cf layout.tar .");
  succeed({"export", "app.cim", "--oci", "new:v2", "--base", "layout.tar"});
  succeed({"export", "app.cim", "--oci", "layout:v2", "--base", "layout"});
  EXPECT_EQ(manifest("v2", "new"), manifest("v2"));
  config("v2", "new");
  shell("\"$CIM\" export app.cim --oci piped:v2 --base - <layout.tar");
  EXPECT_EQ(contents("piped"), contents("new"));
}

// Its archives are not compressed.
TEST_F(OciExport, CompressesTheLayersOfWhatDockerSaves) {
  shell("tar -C base -cf layer.tar a d gone");
  write("config.json", R"({"os": "linux", "architecture": "amd64", "config": {"Cmd": ["sh"]},
                           "rootfs": {"diff_ids": [")" +
                           digest(read("layer.tar")) + R"("]}})");
  write("manifest.json", R"([{"Config": "config.json", "Layers": ["layer.tar"]}])");
  shell("tar -cf saved.tar config.json layer.tar manifest.json");
  succeed({"import", "app.cim", "saved.tar"});
  succeed({"rm", "app.cim", "a"});
  succeed({"export", "app.cim", "--oci", "layout:v1", "--base", "saved.tar"});
  const Json config = this->config("v1");
  EXPECT_EQ(config["config"]["Cmd"], Json({"sh"}));
  EXPECT_EQ(config["rootfs"]["diff_ids"][0], digest(read("layer.tar")));
  succeed({"import", "again.cim", "layout"});
  EXPECT_EQ(succeed({"diff", "app.cim", "again.cim"}), "");
  shell("tar -C base -cf layer.tar a && tar -cf saved.tar config.json layer.tar manifest.json");
  EXPECT_THAT(fail({"export", "app.cim", "--oci", "layout:v2", "--base", "saved.tar"}),
              StartsWith("cim: app.cim: saved.tar: layer.tar: unpacked, its digest is sha256:"));
  EXPECT_THAT(tags(), ElementsAre("v1"));
}

// What is lost of the chain is made anew.
TEST_F(OciExport, TakesOverOnlyLayersWhoseImagesAreThere) {
  succeed({"export", "top.cim", "--oci", "layout:v1"});
  const Json old_layers = manifest("v1")["layers"];
  succeed({"import", "app.cim", "layout"});
  succeed({"rm", "app.cim", "a"});
  std::string lowest = config("v1")["rootfs"]["diff_ids"][0];
  lowest = "sha256-" + lowest.substr(7) + ".cim";
  for (const std::string& name : files()) {
    if (name.starts_with("sha256-") && name != lowest) fs::remove(path(name));
  }
  succeed({"export", "app.cim", "--oci", "layout:v2", "--base", "oci:layout:v1"});
  config("v2");
  const Json layers = manifest("v2")["layers"];
  ASSERT_EQ(layers.size(), 2U);
  EXPECT_EQ(layers[0], old_layers[0]);
  EXPECT_THAT(members(layers[1]), ElementsAre("./", ".wh.a", ".wh.gone", "d/", "d/new"));
  fs::remove(path(lowest));
  const auto before = contents("layout");
  EXPECT_THAT(fail({"export", "app.cim", "--oci", "layout:v3", "--base", "oci:layout:v1"}),
              StartsWith("cim: app.cim: builds on no layer of layout; the image of the topmost "
                         "one would be sha256-"));
  EXPECT_EQ(contents("layout"), before);
}

TEST_F(OciExport, NamesADamagedLayerOfItsBase) {
  succeed({"export", "top.cim", "--oci", "layout:v1"});
  succeed({"import", "app.cim", "layout"});
  const Json layer = manifest("v1")["layers"][0];
  const std::string file = path_of(layer, "layout");
  const std::string bytes = read(file);
  const std::string name = layer["digest"];
  write(file, std::string(bytes.size(), 'x'));
  EXPECT_THAT(fail({"export", "app.cim", "--oci", "new:v1", "--base", "layout"}),
              StartsWith("cim: app.cim: layout: " + name + ": its content has another digest"));
  EXPECT_THAT(fail({"export", "app.cim", "--oci", "layout:v2", "--base", "layout"}),
              StartsWith("cim: app.cim: layout: " + name + ": its content has another digest"));
  write(file, bytes + "x");
  EXPECT_THAT(fail({"export", "app.cim", "--oci", "new:v1", "--base", "layout"}),
              HasSubstr(" bytes instead of "));
  fs::remove(path(file));
  EXPECT_THAT(fail({"export", "app.cim", "--oci", "new:v1", "--base", "layout"}),
              EndsWith(name + ": is missing"));
  EXPECT_FALSE(fs::exists(path("new")));
}

TEST_F(OciExport, IsForAPlatform) {
  succeed({"export", "top.cim", "--oci", "layout:v1", "--platform", "linux/arm/v7"});
  const Json config = this->config("v1");
  EXPECT_EQ(config["architecture"], "arm");
  EXPECT_EQ(config["variant"], "v7");
  EXPECT_EQ(fail({"export", "top.cim", "--oci", "layout:v1", "--platform", "windows/amd64"}),
            "cim: top.cim: is for Linux, and cannot be for windows/amd64");
}

TEST_F(OciExport, KnowsAnImageForWindows) {
  write("windows/Files/a", "a");
  succeed({"create", "windows.cim", "windows", "--case-insensitive"});
  succeed({"export", "windows.cim", "--oci", "layout:v1"});
  EXPECT_EQ(config("v1")["os"], "windows");
  succeed(
      {"export", "windows.cim", "--oci", "layout:v1", "--platform", "windows/amd64:10.0.20348.1"});
  EXPECT_EQ(config("v1")["os.version"], "10.0.20348.1");
  EXPECT_EQ(fail({"export", "windows.cim", "--oci", "layout:v2", "--platform", "linux/amd64"}),
            "cim: windows.cim: is for Windows, and cannot be for linux/amd64");
  EXPECT_THAT(tags(), ElementsAre("v1"));
}

TEST_F(OciExport, SaysWhatALayerCannotHold) {
  write("odd/.wh.x", "x");
  succeed({"create", "odd.cim", "odd"});
  const Result result = cim({"export", "odd.cim", "--oci", "layout:v1"});
  EXPECT_EQ(result.status, 1);
  EXPECT_THAT(result.err, HasSubstr(".wh.x: a layer cannot hold such a name; left out\n"));
  EXPECT_THAT(result.err, EndsWith("cim: odd.cim: exported with 1 warning\n"));
  EXPECT_THAT(members(manifest("v1")["layers"][0]), ElementsAre("./"));
}

TEST_F(OciExport, SaysThatAnImageBesideItCannotBeRead) {
  write("broken.cim", "no image");
  const Result result = cim({"export", "top.cim", "--oci", "layout:v1"});
  EXPECT_EQ(result.status, 0);
  EXPECT_THAT(result.err, StartsWith("cim: top.cim: ./broken.cim: "));
  EXPECT_EQ(manifest("v1")["layers"].size(), 2U);
}

TEST_F(OciExport, AcceptsAnEmptyDirectoryAndALayoutWithoutAnIndex) {
  fs::create_directory(path("layout"));
  succeed({"export", "top.cim", "--oci", "layout:v1"});
  fs::remove(path("layout/index.json"));
  succeed({"export", "top.cim", "--oci", "layout:v2"});
  EXPECT_THAT(tags(), ElementsAre("v2"));
}

TEST_F(OciExport, TouchesNothingThatIsNoLayout) {
  const std::string before = all_contents();
  EXPECT_EQ(fail({"export", "top.cim", "--oci", "base:v1"}),
            "cim: top.cim: base: is no image layout, and is not empty");
  EXPECT_EQ(fail({"export", "top.cim", "--oci", "base/a:v1"}),
            "cim: top.cim: base/a: Not a directory");
  EXPECT_EQ(fail({"export", "top.cim", "--oci", ".:v1"}),
            "cim: top.cim: .: is no image layout, and is not empty");
  EXPECT_EQ(fail({"export", "top.cim", "--oci", "missing/layout:v1"}),
            "cim: top.cim: missing/layout: No such file or directory");
  write("layout/oci-layout", R"({"imageLayoutVersion": "2.0.0"})");
  EXPECT_EQ(fail({"export", "top.cim", "--oci", "layout:v1"}),
            "cim: top.cim: layout: oci-layout: is of version '2.0.0'; only 1 is known");
  write("layout/oci-layout", R"({"imageLayoutVersion": "1.0.0"})");
  for (const std::string index : {"x", "[]", R"({"manifests": 1})", R"({"manifests": [1]})",
                                  R"({"manifests": [{"annotations": 1}]})"}) {
    write("layout/index.json", index);
    EXPECT_THAT(fail({"export", "top.cim", "--oci", "layout:v1"}),
                StartsWith("cim: top.cim: layout: index.json: "));
    EXPECT_EQ(read("layout/index.json"), index);
  }
  EXPECT_EQ(all_contents(), before);
}

TEST_F(OciExport, WrongUseLeavesNothing) {
  const auto wrong = [this](std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"export", "top.cim"});
    const Result result = cim(arguments);
    EXPECT_EQ(result.status, 2);
    return result.err;
  };
  for (const std::string place : {"layout", ":v1", ""}) {
    EXPECT_EQ(wrong({"--oci", place}), "cim: --oci: '" + place + "' is not of the form DIR:TAG\n");
  }
  for (const std::string tag : {"", "a..b", "-a", "a-", "a---b", "a b", "a//b", "/a", "ö"}) {
    EXPECT_THAT(wrong({"--oci", "layout:" + tag}),
                StartsWith("cim: --oci: '" + tag + "' is no tag"));
  }
  EXPECT_THAT(wrong({"--oci", "layout:v1", "--tar", "x"}), HasSubstr("exclude each other"));
  EXPECT_THAT(wrong({"d", "--oci", "layout:v1"}), HasSubstr("exclude each other"));
  EXPECT_THAT(wrong({"--oci", "layout:v1", "--exclude", "x"}), HasSubstr("exclude each other"));
  EXPECT_THAT(wrong({"--base", "x"}), StartsWith("cim: '--base' needs '--oci'; see"));
  EXPECT_THAT(wrong({"--platform", "a/b"}), StartsWith("cim: '--platform' needs '--oci'; see"));
  EXPECT_THAT(wrong({"--compress", "zstd"}), StartsWith("cim: '--compress' needs '--oci'; see"));
  EXPECT_THAT(wrong({"--oci", "layout:v1", "--compress", "xz"}), HasSubstr("'xz' is not one of"));
  EXPECT_THAT(wrong({"--oci", "layout:v1", "--platform", "a"}), HasSubstr("not of the form"));
  EXPECT_THAT(fail({"export", "top.cim", "--oci", "layout:v1", "--base", "missing"}),
              HasSubstr("missing: No such file"));
  EXPECT_FALSE(fs::exists(path("layout")));
  for (const std::string tag : {"a--b", "1.0", "a/b:c@d", "A_b+c"}) {
    succeed({"export", "top.cim", "--oci", "layout:" + tag});
  }
  EXPECT_THAT(tags(), ElementsAre("a--b", "1.0", "a/b:c@d", "A_b+c"));
}

TEST_F(OciExport, NeedsTheRightToWrite) {
  succeed({"export", "base.cim", "--oci", "layout:v1"});
  fs::create_directory(path("closed"));
  const auto before = contents("layout");
  const Result existing = cim_as_nobody({"export", "top.cim", "--oci", "layout:v1"});
  EXPECT_EQ(existing.status, 1);
  EXPECT_EQ(existing.err, "cim: top.cim: layout: Permission denied\n");
  const Result fresh = cim_as_nobody({"export", "top.cim", "--oci", "closed/new:v1"});
  EXPECT_EQ(fresh.status, 1);
  EXPECT_EQ(fresh.err, "cim: top.cim: closed/new: Permission denied\n");
  EXPECT_EQ(contents("layout"), before);
}

TEST_F(OciExport, TwoDoNotWriteToALayoutAtOnce) {
  succeed({"export", "base.cim", "--oci", "layout:v1"});
  const auto before = contents("layout");
  const FileDescriptor fd(open(path("layout").c_str(), O_RDONLY | O_CLOEXEC));
  ASSERT_EQ(flock(fd.get(), LOCK_EX), 0);
  EXPECT_THAT(fail({"export", "top.cim", "--oci", "layout:v1"}),
              StartsWith("cim: top.cim: layout: "));
  EXPECT_EQ(contents("layout"), before);
}

TEST_F(OciExport, OfNoImageMakesNoLayout) {
  EXPECT_EQ(fail({"export", "missing.cim", "--oci", "layout:v1"}),
            "cim: missing.cim: No such file or directory");
  EXPECT_NE(fail({"export", "base/a", "--oci", "layout:v1"}).find("is not a composite image"),
            std::string::npos);
  EXPECT_FALSE(fs::exists(path("layout")));
}

// Each call that changes something is struck, one after the other.
class OciExportFaults : public OciExport, public testing::WithParamInterface<Strike> {
 protected:
  OciExportFaults() {
    if (std::getenv("FILE_FAULTS") == nullptr) throw std::runtime_error("FILE_FAULTS is not set");
  }

  // Runs cim with call `number` struck. Returns whether there was such a call.
  bool strike(int number, const std::vector<std::string>& arguments) {
    fs::remove(path("log"));
    const FileFault fault(GetParam(), number, path("log"));
    status_ = cim(arguments).status;
    return read("log").find("fault\n") != std::string::npos;
  }

  bool is_killed() const { return GetParam().kind == "kill"; }

  // The layout after a strike. A file that cannot be removed is left until the next export.
  std::map<std::string, std::string> found() const {
    auto files = contents("layout");
    if (read("log").find("fault\nunlink") != std::string::npos) {
      std::erase_if(files, [](const auto& file) { return file.first.ends_with(".tmp"); });
    }
    return files;
  }

  // Every blob is what its name says.
  void check_blobs() const {
    for (const auto& [name, content] : contents("layout")) {
      if (!name.starts_with("blobs/sha256/") || name.ends_with(".tmp")) continue;
      EXPECT_EQ(name, "blobs/sha256/" + digest(content).substr(7));
    }
  }

  int status_ = 0;
};

TEST_P(OciExportFaults, ALayoutIsTheOldOrTheNew) {
  succeed({"export", "base.cim", "--oci", "layout:v1"});
  shell("cp -a layout old");
  const auto before = contents("layout");
  succeed({"export", "top.cim", "--oci", "layout:v1"});
  const auto after = contents("layout");
  int number = 0;
  do {
    SCOPED_TRACE(++number);
    shell("rm -r layout && cp -a old layout");
    if (!strike(number, {"export", "top.cim", "--oci", "layout:v1"})) break;
    check_blobs();
    const auto found = this->found();
    const bool is_old = found.at("index.json") == before.at("index.json");
    EXPECT_TRUE(is_old || found.at("index.json") == after.at("index.json"));
    EXPECT_TRUE(!is_old || status_ != 0);
    EXPECT_TRUE(is_killed() || found == (is_old ? before : after));
    succeed({"export", "top.cim", "--oci", "layout:v1"});
    EXPECT_EQ(contents("layout"), after);
  } while (!HasFailure());
  EXPECT_EQ(status_, 0);
}

TEST_P(OciExportFaults, ANewLayoutIsCompleteOrNotThere) {
  succeed({"export", "top.cim", "--oci", "layout:v1"});
  const auto after = contents("layout");
  int number = 0;
  do {
    SCOPED_TRACE(++number);
    shell("rm -r layout");
    if (!strike(number, {"export", "top.cim", "--oci", "layout:v1"})) break;
    check_blobs();
    const auto found = this->found();
    const bool is_there = found.contains("index.json");
    EXPECT_TRUE(is_there || status_ != 0);
    EXPECT_TRUE(is_killed() || fs::exists(path("layout")) == is_there);
    EXPECT_TRUE(is_killed() || !is_there || found == after);
    succeed({"export", "top.cim", "--oci", "layout:v1"});
    EXPECT_EQ(contents("layout"), after);
  } while (!HasFailure());
  EXPECT_EQ(status_, 0);
}

INSTANTIATE_TEST_SUITE_P(Kinds, OciExportFaults,
                         testing::Values(Strike{"ENOSPC", true}, Strike{"interrupt", true},
                                         Strike{"kill", true}, Strike{"ENOSPC", false},
                                         Strike{"interrupt", false}, Strike{"kill", false}),
                         [](const auto& strike) { return name_of(strike.param); });

}  // namespace
}  // namespace cim::cli
