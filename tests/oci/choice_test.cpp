// Which of several images is meant.
#include <gmock/gmock.h>

#include "fixture.h"
#include "oci/platform.h"
#include "support/error_of.h"

namespace cim::oci {
namespace {

using testing::HasSubstr;

class ChoiceOfImage : public OciTest {
 protected:
  // The descriptor of an image with the file `name`, with a platform as in an index.
  Json image_for(const std::string& platform, const std::string& name) {
    Json descriptor = layout_.image({tar({{name, name}})}, json_of(platform));
    descriptor["platform"] = json_of(platform);
    return descriptor;
  }

  Json image_tagged(const std::string& tag, const std::string& name) {
    Json descriptor = layout_.image({tar({{name, name}})});
    descriptor["annotations"]["org.opencontainers.image.ref.name"] = tag;
    return descriptor;
  }

  static Json json_of(const std::string& text) {
    const Platform platform = parse_platform(text);
    return {{"os", platform.os},
            {"architecture", platform.architecture},
            {"variant", platform.variant},
            {"os.version", platform.os_version}};
  }

  // Whether the image that is chosen is the one with the file `name`.
  bool chooses(const std::string& name, const Choice& choice) {
    const std::string image = std::to_string(count_++) + ".cim";
    import(layout_, image, choice);
    return read(name, image) == name;
  }

  Layout layout_;

 private:
  int count_ = 0;
};

TEST_F(ChoiceOfImage, IsByTag) {
  layout_.index({image_tagged("1", "one"), image_tagged("2", "two"), layout_.image({tar({})})});
  EXPECT_TRUE(chooses("one", tagged("1")));
  EXPECT_TRUE(chooses("two", tagged("2")));
  EXPECT_THAT(failure(layout_), HasSubstr("layout:TAG from: 1, 2"));
  EXPECT_THAT(failure(layout_, tagged("3")), HasSubstr("has no tag '3'; it has: 1, 2"));
}

TEST_F(ChoiceOfImage, NeedsNoTagIfOnlyOneImageHasAny) {
  layout_.index({image_tagged("1", "one"), image_tagged("latest", "one")});
  EXPECT_TRUE(chooses("one", {}));
}

// As docker save names images of several repositories.
TEST_F(ChoiceOfImage, IsByTheFullNameIfTheTagIsNotEnough) {
  Json one = image_tagged("1", "one");
  Json two = image_tagged("1", "two");
  one["annotations"]["io.containerd.image.name"] = "docker.io/library/one:1";
  two["annotations"]["io.containerd.image.name"] = "docker.io/library/two:1";
  layout_.index({one, two});
  EXPECT_TRUE(chooses("two", tagged("docker.io/library/two:1")));
  EXPECT_THAT(failure(layout_, tagged("1")),
              HasSubstr("from: docker.io/library/one:1, docker.io/library/two:1"));
}

TEST_F(ChoiceOfImage, IsByPlatform) {
  layout_.index({image_for("linux/amd64", "amd64"), image_for("linux/arm64/v8", "arm64"),
                 image_for("linux/arm/v6", "v6"), image_for("linux/arm/v7", "v7")});
  EXPECT_TRUE(chooses("amd64", for_platform("linux/amd64")));
  EXPECT_TRUE(chooses("arm64", for_platform("linux/arm64")));
  EXPECT_TRUE(chooses("arm64", for_platform("linux/arm64/v8")));
  EXPECT_TRUE(chooses("v7", for_platform("linux/arm/v7")));
  EXPECT_THAT(failure(layout_, for_platform("linux/arm")),
              HasSubstr("has several images for linux/arm; --platform can choose from: "));
  EXPECT_THAT(failure(layout_, for_platform("linux/s390x")),
              HasSubstr("has no image for linux/s390x; --platform can choose from: linux/amd64, "
                        "linux/arm/v6, linux/arm/v7, linux/arm64/v8"));
}

TEST_F(ChoiceOfImage, IsByTheVersionOfWindowsOrItsStart) {
  layout_.index({image_for("linux/amd64:10.0.20348.1", "2022"),
                 image_for("linux/amd64:10.0.26100.2", "2025"),
                 image_for("linux/amd64:10.0.203481.3", "other")});
  EXPECT_TRUE(chooses("2022", for_platform("linux/amd64:10.0.20348")));
  EXPECT_TRUE(chooses("2025", for_platform("linux/amd64:10.0.26100.2")));
  EXPECT_THAT(failure(layout_, for_platform("linux/amd64:10.0")), HasSubstr("several images"));
}

TEST_F(ChoiceOfImage, IsTheOneForThisMachineByDefault) {
  layout_.index({image_for(to_string(host_platform()), "host"), image_for("linux/none", "other")});
  EXPECT_TRUE(chooses("host", {}));
  layout_.index({image_for("linux/none", "one"), image_for("linux/other", "two")});
  EXPECT_THAT(failure(layout_), HasSubstr("--platform can choose from: linux/none, linux/other"));
}

TEST_F(ChoiceOfImage, IsTheOnlyOneForWhateverPlatformByDefault) {
  layout_.index({image_for("linux/none", "only")});
  EXPECT_TRUE(chooses("only", {}));
  EXPECT_THAT(failure(layout_, for_platform("linux/amd64")), HasSubstr("has no image for"));
}

TEST_F(ChoiceOfImage, IgnoresAttestations) {
  layout_.index({image_for("linux/none", "image"), image_for("unknown/unknown", "attestation")});
  EXPECT_TRUE(chooses("image", {}));
}

TEST_F(ChoiceOfImage, LooksIntoIndexesInIndexes) {
  const Json inner = {
      {"manifests", {image_for("linux/amd64", "a"), image_for("linux/arm64", "b")}}};
  const Json outer = {{"manifests", {layout_.blob(inner.dump())}}};
  layout_.index({layout_.blob(outer.dump())});
  EXPECT_TRUE(chooses("b", for_platform("linux/arm64")));
}

TEST_F(ChoiceOfImage, NeedsOnlyTheFilesOfTheChosenOne) {
  const Json missing = image_for("linux/arm64", "missing");
  layout_.index({image_for("linux/amd64", "a"), missing});
  layout_.files.erase(path_of_blob(missing));
  EXPECT_TRUE(chooses("a", for_platform("linux/amd64")));
  EXPECT_THAT(failure(layout_, for_platform("linux/arm64")),
              HasSubstr(missing["digest"].get<std::string>() + ": is missing"));
}

TEST(Platforms, AreReadAsTheyAreWritten) {
  for (const std::string text : {"linux/amd64", "linux/arm/v7", "windows/amd64:10.0.20348.1"}) {
    EXPECT_EQ(to_string(parse_platform(text)), text);
  }
}

TEST(Platforms, HaveASystemAndAnArchitecture) {
  for (const std::string text :
       {"", "linux", "linux/", "/amd64", "linux/arm/v7/x", "linux/amd64:", ":1"}) {
    EXPECT_EQ(test::message_of([&] { parse_platform(text); }),
              "'" + text + "' is not of the form OS/ARCH[/VARIANT][:OSVERSION]");
  }
}

}  // namespace
}  // namespace cim::oci
