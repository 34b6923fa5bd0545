// cim gc: removes files that no image needs, and nothing else.
#include <sstream>

#include <boost/filesystem.hpp>
#include <cim/writer.h>
#include <nlohmann/json.hpp>
#include <sys/stat.h>

#include "cli_test.h"

namespace cim::cli {
namespace {

namespace fs = boost::filesystem;
using Json = nlohmann::json;
using Names = std::set<std::string>;

const std::string spare_set = "00112233-4455-6677-8899-aabbccddeeff";

class GcCommand : public CliTest {
 protected:
  GcCommand() { create_sample(); }

  // Makes an image, removes its filesystem file and returns the files left over.
  Names make_garbage() const {
    const Names before = files();
    write("other/file", std::string(50000, 'y'));
    succeed({"create", "other.cim", "other"});
    fs::remove(path("other.cim"));
    Names garbage;
    for (const std::string& name : files()) {
      if (!before.contains(name)) garbage.insert(name);
    }
    EXPECT_GE(garbage.size(), 4u);
    return garbage;
  }

  // Runs cim gc, which must succeed, and returns the names that it prints.
  Names collect(const std::vector<std::string>& options = {}) const {
    std::vector<std::string> arguments = {"gc", "."};
    arguments.insert(arguments.end(), options.begin(), options.end());
    const Result result = cim(arguments);
    EXPECT_EQ(result.status, 0) << result.err;
    err_ = result.err;
    Names names;
    std::istringstream lines(result.out);
    for (std::string line; std::getline(lines, line);) names.insert(line);
    return names;
  }

  // Runs cim gc, which must refuse and leave every file. Returns its message.
  std::string refuse() const {
    const Names before = files();
    const std::string message = fail({"gc", "."});
    EXPECT_EQ(files(), before);
    return message;
  }

  mutable std::string err_;  // of the last collect()
};

TEST_F(GcCommand, RemovesFilesThatNoImageNeeds) {
  const Names before = files();
  const Names garbage = make_garbage();
  EXPECT_EQ(collect(), garbage);
  EXPECT_EQ(files(), before);
  EXPECT_NE(err_.find(std::to_string(garbage.size()) + " files removed"), std::string::npos);
  EXPECT_EQ(cim({"check", "--data", "app.cim"}).status, 0);
}

TEST_F(GcCommand, FindsNothingAmongTheFilesOfAnImageAndItsForks) {
  write("more/file", std::string(50000, 'z'));
  succeed({"create", "fork.cim", "more", "--from", "app.cim"});
  fs::remove(path("app.cim"));  // the fork still needs its region files
  const Names before = files();
  EXPECT_EQ(collect(), Names());
  EXPECT_EQ(files(), before);
  EXPECT_NE(err_.find("0 files removed, 0 bytes freed"), std::string::npos) << err_;
}

TEST_F(GcCommand, ListsOnlyInADryRun) {
  const Names garbage = make_garbage();
  const Names before = files();
  EXPECT_EQ(collect({"--dry-run"}), garbage);
  EXPECT_EQ(collect({"-n"}), garbage);
  EXPECT_EQ(files(), before);
}

TEST_F(GcCommand, TellsProgramsWhatItRemoved) {
  const Names garbage = make_garbage();
  const Json report = Json::parse(succeed({"gc", "--json", "."}));
  EXPECT_EQ(report["directory"], ".");
  EXPECT_EQ(report["dry_run"], false);
  Names names;
  std::uint64_t bytes = 0;
  for (const Json& file : report["files"]) {
    names.insert(file["name"]);
    bytes += file["bytes"].get<std::uint64_t>();
  }
  EXPECT_EQ(names, garbage);
  EXPECT_GE(bytes, 50000u);
  EXPECT_EQ(report["bytes"], bytes);
}

TEST_F(GcCommand, RemovesTemporaryFilesWhateverTheyHold) {
  const std::string empty = ".cimfs-0123456789abcdef.tmp";
  const std::string half_an_image = ".cimfs-fedcba9876543210.tmp";
  write(empty, "");
  write(half_an_image, read("app.cim").substr(0, 40));
  for (const char* foreign : {".cimfs-0123456789abcde.tmp", ".cimfs-0123456789ABCDEF.tmp",
                              ".cimfs-0123456789abcdef.tmp~", "cimfs-0123456789abcdef.tmp"}) {
    write(foreign, "");
  }
  EXPECT_EQ(collect(), (Names{empty, half_an_image}));
}

TEST_F(GcCommand, KeepsFilesWithOtherNames) {
  const Names garbage = make_garbage();
  std::string region;
  for (const std::string& name : garbage) {
    if (name.starts_with("region_")) region = read(name);
  }
  const std::string upper_case = "00112233-4455-6677-8899-AABBCCDDEEFF";
  for (const std::string& name :
       {"region_" + spare_set + "_00", "region_" + spare_set + "_65536", "region_" + spare_set,
        "region_" + spare_set + "_0.bak", "region_" + upper_case + "_0",
        "region_" + spare_set + "_", "xregion_" + spare_set + "_0", std::string("region_0"),
        std::string("notes")}) {
    write(name, region);
  }
  EXPECT_EQ(collect(), garbage);
}

TEST_F(GcCommand, KeepsWhatIsNotWhatItsNameSays) {
  const std::string text = "region_" + spare_set + "_0";
  const std::string empty = "region_" + spare_set + "_1";
  const std::string other_type = "objectid_" + spare_set + "_0";
  const std::string link = "objectid_" + spare_set + "_1";
  std::string region;
  std::string object_ids;
  for (const std::string& name : make_garbage()) {
    (name.starts_with("region_") ? region : object_ids) = name;
  }
  write(text, "no region file");
  write(empty, "");
  write(other_type, read(region));
  fs::create_symlink(object_ids, path(link));
  fs::create_directory(path("region_" + spare_set + "_2"));
  const Names names = collect();
  for (const std::string& kept : {text, empty, other_type, link}) {
    EXPECT_FALSE(names.contains(kept));
    EXPECT_TRUE(files().contains(kept));
    EXPECT_NE(err_.find("cim: ./" + kept + ": "), std::string::npos) << err_;
  }
  EXPECT_TRUE(fs::exists(path("region_" + spare_set + "_2")));
}

TEST_F(GcCommand, RemovesRegionFilesPastTheCountOfASet) {
  std::string region;
  for (const std::string& name : files()) {
    if (name.starts_with("region_")) region = name;
  }
  const std::string past = region.substr(0, region.rfind('_')) + "_200";
  fs::copy_file(path(region), path(past));
  EXPECT_EQ(collect(), Names{past});
}

TEST_F(GcCommand, RefusesWhileAnImageCannotBeRead) {
  make_garbage();
  const std::string image = read("app.cim");
  write("broken.cim", image.substr(0, 50));
  EXPECT_NE(refuse().find("broken.cim"), std::string::npos);
  write("broken.cim", "nothing of an image");
  EXPECT_NE(refuse().find("broken.cim"), std::string::npos);
  fs::remove(path("broken.cim"));

  write("image-by-another-name", image.substr(0, 50));
  EXPECT_NE(refuse().find("image-by-another-name"), std::string::npos);
  fs::remove(path("image-by-another-name"));

  fs::create_symlink("nowhere", path("dangling.cim"));
  EXPECT_NE(refuse().find("dangling.cim"), std::string::npos);
}

TEST_F(GcCommand, RefusesWhileAFileIsUnreadable) {
  make_garbage();
  write("secret", read("app.cim"));
  fs::permissions(path("secret"), fs::no_perms);
  const Names before = files();
  const Result result = cim_as_nobody({"gc", "."});
  EXPECT_EQ(result.status, 1);
  EXPECT_NE(result.err.find("secret: Permission denied"), std::string::npos) << result.err;
  EXPECT_EQ(files(), before);
}

TEST_F(GcCommand, CountsImagesByAnyNameAndThroughLinks) {
  fs::rename(path("app.cim"), path("image"));
  EXPECT_EQ(collect(), Names());
  fs::create_directory(path("elsewhere"));
  fs::rename(path("image"), path("elsewhere/image"));
  fs::create_symlink("elsewhere/image", path("link"));
  EXPECT_EQ(collect(), Names());
  const Names files_before = files();
  fs::remove(path("link"));
  EXPECT_EQ(collect().size(), files_before.size() - 1);  // all but the link
}

TEST_F(GcCommand, PassesOverWhatCannotBeAnImage) {
  const Names garbage = make_garbage();
  fs::create_symlink("nowhere", path("dangling"));
  fs::create_directory(path("directory.cim"));
  ASSERT_EQ(mkfifo(path("fifo.cim").c_str(), 0600), 0);
  EXPECT_EQ(collect(), garbage);
}

TEST_F(GcCommand, RefusesWhileAnImageIsBeingWritten) {
  make_garbage();
  const Writer writer({.directory = directory(), .existing = {}, .name = "new.cim"});
  EXPECT_NE(refuse().find("is being written already"), std::string::npos);
  EXPECT_EQ(cim({"gc", "--dry-run", "."}).status, 1);
}

TEST_F(GcCommand, NamesADirectoryThatIsNotThere) {
  EXPECT_NE(fail({"gc", "missing"}).find("missing: no such directory"), std::string::npos);
  EXPECT_EQ(cim({"gc"}).status, 2);
}

}  // namespace
}  // namespace cim::cli
