// What is made of a container image.
#include <cim/image.h>
#include <gmock/gmock.h>

#include "fixture.h"
#include "oci/digest.h"

namespace cim::oci {
namespace {

using testing::Contains;
using testing::EndsWith;
using testing::HasSubstr;

const std::string lower = tar({{"a", "lower"}, {"b", "lower"}, {"d/x", "x"}});
const std::string middle = tar({{"a", "middle"}, {".wh.b", ""}});
const std::string upper = tar({{"c", "upper"}, {"d/.wh..wh..opq", ""}});

std::string name_of(const std::string& chain_id) {
  return "sha256-" + std::string(hex_of(chain_id)) + ".cim";
}

std::string chain_id(const std::string& below, const std::string& layer) {
  return sha256(below + " " + sha256(layer));
}

class ImageOfContainers : public OciTest {};

TEST_F(ImageOfContainers, BecomesAnImageOfEachLayerOnTheOneBelow) {
  Layout layout;
  layout.index({layout.image({lower, middle, upper})});
  import(layout);
  EXPECT_EQ(read("a"), "middle");
  EXPECT_EQ(read("b"), "(none)");
  EXPECT_EQ(read("c"), "upper");
  EXPECT_EQ(read("d/x"), "(none)");
  const std::string second = chain_id(sha256(lower), middle);
  EXPECT_EQ(read("b", name_of(sha256(lower))), "lower");
  EXPECT_EQ(read("d/x", name_of(second)), "x");
  EXPECT_EQ(read("c", name_of(chain_id(second, upper))), "upper");
  EXPECT_EQ(Image(path("app.cim")).region_sets().size(), 3U);
}

TEST_F(ImageOfContainers, SharesAllFilesWithItsTopmostLayer) {
  Layout layout;
  layout.index({layout.image({lower})});
  import(layout);
  const auto regions_of = [this](const std::string& image) {
    std::vector<std::string> paths;
    const Image opened(path(image));
    for (const auto& set : opened.region_sets()) {
      for (const auto& region : set.regions) paths.push_back(region.path);
    }
    return paths;
  };
  EXPECT_EQ(regions_of("app.cim"), regions_of(name_of(sha256(lower))));
}

TEST_F(ImageOfContainers, UsesLayersThatAreThereWithoutReadingThem) {
  Layout first;
  first.index({first.image({lower, middle})});
  import(first, "first.cim");
  Layout second;
  const Json manifest = second.image({lower, middle, upper});
  second.index({manifest});
  const Json layers = Json::parse(second.files[path_of_blob(manifest)])["layers"];
  second.files.erase(path_of_blob(layers[0]));
  second.files.erase(path_of_blob(layers[1]));
  import(second, "second.cim");
  EXPECT_EQ(read("a", "second.cim"), "middle");
  EXPECT_EQ(read("c", "second.cim"), "upper");
}

TEST_F(ImageOfContainers, TakesALayerOnAnotherBaseForAnotherImage) {
  Layout first;
  first.index({first.image({lower, upper})});
  import(first, "first.cim");
  Layout second;
  second.index({second.image({middle, upper})});
  import(second, "second.cim");
  EXPECT_EQ(read("a", "first.cim"), "lower");
  EXPECT_EQ(read("a", "second.cim"), "middle");
}

TEST_F(ImageOfContainers, ReadsLayersWithAnyCompression) {
  for (const std::string filter : {"none", "gzip", "zstd"}) {
    Layout layout;
    layout.index({layout.image({tar({{"file", filter}})}, Layout::linux_amd64(), filter)});
    import(layout, filter + ".cim");
    EXPECT_EQ(read("file", filter + ".cim"), filter);
  }
}

TEST_F(ImageOfContainers, IsOfTheSystemThatItsConfigurationNames) {
  Layout of_linux;
  of_linux.index({of_linux.image({tar({{"Files/x", "x"}})})});
  import(of_linux, "linux.cim");
  EXPECT_TRUE(Image(path("linux.cim")).case_sensitive());
  std::vector<std::pair<std::string, std::string>> hives;
  for (const char* hive : {"SYSTEM", "SOFTWARE", "SAM", "SECURITY", "DEFAULT"}) {
    hives.emplace_back(std::string("Files/Windows/System32/config/") + hive, "");
  }
  Layout of_windows;
  of_windows.index(
      {of_windows.image({tar(hives), tar({})}, {{"os", "windows"}, {"architecture", "amd64"}})});
  import(of_windows, "windows.cim");
  EXPECT_FALSE(Image(path("windows.cim")).case_sensitive());
}

TEST_F(ImageOfContainers, MayBeAnArchive) {
  Layout layout;
  layout.index({layout.image({lower, upper})});
  import_archive(layout.archive());
  EXPECT_EQ(read("c"), "upper");
}

TEST_F(ImageOfContainers, MayBeACompressedArchive) {
  Layout layout;
  layout.index({layout.image({lower, upper})});
  import_archive(compressed(layout.archive(), "gzip"));
  EXPECT_EQ(read("c"), "upper");
  EXPECT_THAT(files(), Not(Contains(EndsWith(".tmp"))));
}

TEST_F(ImageOfContainers, MayComeThroughAPipe) {
  Layout layout;
  layout.index({layout.image({lower, upper})});
  import_archive(layout.archive(), {}, true);
  EXPECT_EQ(read("c"), "upper");
}

// What docker save and podman save write.
class DockerArchive : public OciTest {
 protected:
  static std::string archive(const std::vector<Json>& manifests, const std::string& config) {
    return tar({{"shared.tar", lower},
                {"one/layer.tar->../shared.tar", ""},
                {"two/layer.tar", upper},
                {std::string(hex_of(sha256(config))) + ".json", config},
                {"manifest.json", Json(manifests).dump()}});
  }

  static Json manifest(const std::string& config, const std::vector<std::string>& tags) {
    return {{"Config", std::string(hex_of(sha256(config))) + ".json"},
            {"RepoTags", tags},
            {"Layers", {"one/layer.tar", "two/layer.tar"}}};
  }

  static std::string config(const std::string& top = upper) {
    Json config = Layout::linux_amd64();
    config["rootfs"]["diff_ids"] = {sha256(lower), sha256(top)};
    return config.dump();
  }
};

TEST_F(DockerArchive, IsReadThroughItsLinks) {
  import_archive(archive({manifest(config(), {"app:1"})}, config()));
  EXPECT_EQ(read("a"), "lower");
  EXPECT_EQ(read("c"), "upper");
}

TEST_F(DockerArchive, ALayerWithAnotherDigestIsNamed) {
  EXPECT_THAT(archive_failure(archive({manifest(config(middle), {})}, config(middle))),
              AllOf(HasSubstr("archive: two/layer.tar: unpacked, its digest is"),
                    HasSubstr(sha256(middle))));
}

TEST_F(DockerArchive, AConfigurationWithAnotherDigestIsNamed) {
  std::string bytes = archive({manifest(config(), {})}, config());
  bytes.replace(bytes.find("amd64"), 5, "arm64");
  EXPECT_THAT(archive_failure(bytes), HasSubstr(".json: its content has another digest"));
}

TEST_F(DockerArchive, HasTags) {
  const Json one = manifest(config(), {"app:1", "app:latest"});
  const std::string bytes = archive({one, manifest(config(), {"app:2"})}, config());
  EXPECT_EQ(archive_failure(bytes),
            "archive: has several images; choose with oci:archive:TAG from: app:1, app:2, "
            "app:latest");
  EXPECT_EQ(archive_failure(bytes, tagged("app:3")),
            "archive: has no tag 'app:3'; it has: app:1, app:2, app:latest");
  import_archive(bytes, tagged("app:latest"));
  EXPECT_EQ(read("c"), "upper");
}

TEST_F(DockerArchive, IsForOnePlatform) {
  const std::string bytes = archive({manifest(config(), {})}, config());
  EXPECT_EQ(archive_failure(bytes, for_platform("linux/arm64")),
            "archive: has no image for linux/arm64; --platform can choose from: "
            "linux/amd64");
}

TEST_F(DockerArchive, DoesNotLeadOutOfItself) {
  Json outside = manifest(config(), {});
  outside["Layers"][1] = "../two/layer.tar";
  EXPECT_THAT(archive_failure(archive({outside}, config())),
              HasSubstr("../two/layer.tar: leads out of there"));
  outside["Layers"][1] = "/etc/passwd";
  EXPECT_THAT(archive_failure(archive({outside}, config())),
              HasSubstr("/etc/passwd: leads out of there"));
}

}  // namespace
}  // namespace cim::oci
