// Container images that are damaged, or made to do harm.
#include <gmock/gmock.h>

#include "fixture.h"
#include "oci/digest.h"

namespace cim::oci {
namespace {

using testing::AllOf;
using testing::HasSubstr;

class HostileImage : public OciTest {
 protected:
  // An image with the one layer that is sound, and the descriptor of its manifest.
  Json sound() { return layout_.image({tar({{"a", "a"}}), tar({{"b", "b"}})}); }

  Json parsed(const Json& descriptor) {
    return Json::parse(layout_.files[path_of_blob(descriptor)]);
  }

  // The descriptor of a manifest, or configuration, like that of `descriptor` but changed.
  template <class Change>
  Json changed(const Json& descriptor, const Change& change) {
    Json object = parsed(descriptor);
    change(object);
    return layout_.blob(object.dump());
  }

  // The failure of an image whose manifest is changed.
  template <class Change>
  std::string failure_with_manifest(const Change& change) {
    layout_.index({changed(sound(), change)});
    return failure(layout_);
  }

  std::string failure_with_digest(const std::string& digest) {
    layout_.index({{{"digest", digest}, {"size", 1}}});
    return failure(layout_);
  }

  Layout layout_;
};

TEST_F(HostileImage, ALayerWithOtherBytesIsNamed) {
  const Json manifest = sound();
  layout_.index({manifest});
  const Json layer = parsed(manifest)["layers"][1];
  std::string& bytes = layout_.files[path_of_blob(layer)];
  for (const std::size_t offset : {std::size_t{0}, bytes.size() / 2, bytes.size() - 1}) {
    bytes[offset] ^= 1;
    EXPECT_THAT(failure(layout_), HasSubstr("layout: " + layer["digest"].get<std::string>() +
                                            ": its content has another digest, sha256:"));
    bytes[offset] ^= 1;
  }
  bytes += "x";
  EXPECT_THAT(failure(layout_), HasSubstr(": has " + std::to_string(bytes.size()) +
                                          " bytes instead of " + std::to_string(bytes.size() - 1)));
  bytes.pop_back();
  import(layout_);
  EXPECT_EQ(read("b"), "b");
}

TEST_F(HostileImage, BytesAfterTheCompressedDataCountForTheDigest) {
  const std::string layer = tar({{"a", "a"}});
  const Json manifest = layout_.image({layer});
  Json object = parsed(manifest);
  object["layers"][0] = layout_.blob(compressed(layer, "gzip") + std::string(100, 'x'));
  layout_.index({layout_.blob(object.dump())});
  import(layout_);
  EXPECT_EQ(read("a"), "a");
}

TEST_F(HostileImage, ALayerWithAnotherDiffIdIsNamed) {
  const Json manifest = sound();
  const Json config = changed(parsed(manifest)["config"], [](Json& object) {
    object["rootfs"]["diff_ids"][1] = sha256("other");
  });
  layout_.index({changed(manifest, [&](Json& object) { object["config"] = config; })});
  EXPECT_THAT(failure(layout_),
              AllOf(HasSubstr(parsed(manifest)["layers"][1]["digest"].get<std::string>()),
                    HasSubstr(": unpacked, its digest is " + sha256(tar({{"b", "b"}})) +
                              " instead of " + sha256("other"))));
}

TEST_F(HostileImage, AManifestOrConfigurationWithOtherBytesIsNamed) {
  const Json manifest = sound();
  layout_.index({manifest});
  for (const Json& descriptor : {manifest, parsed(manifest)["config"]}) {
    std::string& bytes = layout_.files[path_of_blob(descriptor)];
    const std::string digest = descriptor["digest"];
    bytes.back() = ' ';
    EXPECT_THAT(failure(layout_), HasSubstr(digest + ": its content has another digest"));
    bytes.back() = '}';
    bytes += ' ';
    EXPECT_THAT(failure(layout_), HasSubstr(digest + ": has "));
    bytes.pop_back();
  }
}

TEST_F(HostileImage, AMissingLayerIsNamedWithWhereItIsToBeHad) {
  const Json layer = {
      {"digest", sha256("foreign")}, {"size", 7}, {"urls", {"https://example.com/layer"}}};
  EXPECT_THAT(failure_with_manifest([&](Json& object) { object["layers"][1] = layer; }),
              HasSubstr(sha256("foreign") +
                        ": is missing; it is to be had from https://example.com/layer, and "
                        "belongs at blobs/sha256/"));
}

TEST_F(HostileImage, MalformedDigestsDoNotBecomePaths) {
  for (const std::string& digest :
       {std::string("sha256:../../../etc/passwd"), std::string("../index.json"), std::string(),
        "sha256:" + std::string(64, 'A'), "sha256:" + std::string(63, 'a'),
        "sha256:" + std::string(65, 'a'), "md5:" + std::string(32, 'a')}) {
    EXPECT_THAT(failure_with_digest(digest),
                HasSubstr("layout: index.json: '" + digest + "' is no digest"));
  }
  EXPECT_THAT(failure_with_digest("sha512:" + std::string(128, 'a')),
              HasSubstr("is named by SHA-512; only SHA-256 is supported"));
}

TEST_F(HostileImage, MalformedManifestsAreNamed) {
  EXPECT_THAT(failure_with_manifest([](Json& object) { object["layers"].erase(0); }),
              HasSubstr(": has 1 layers, but its configuration has 2"));
  EXPECT_THAT(failure_with_manifest([](Json& object) { object["layers"] = 1; }),
              HasSubstr(": 'layers' is not an array"));
  EXPECT_THAT(failure_with_manifest([](Json& object) { object["layers"][0] = 1; }),
              HasSubstr(": an element of an array is not an object"));
  EXPECT_THAT(failure_with_manifest([](Json& object) { object["layers"][0]["size"] = -1; }),
              HasSubstr(": 'size' is not a size"));
  EXPECT_THAT(failure_with_manifest([](Json& object) { object.erase("config"); }),
              HasSubstr(": has no configuration"));
  EXPECT_THAT(failure_with_manifest([](Json& object) { object["manifests"] = Json::array(); }),
              HasSubstr(": is an index and a manifest at once"));
}

TEST_F(HostileImage, AConfigurationOfNoImageIsNamed) {
  const Json config = layout_.blob("{}");
  EXPECT_THAT(failure_with_manifest([&](Json& object) { object["config"] = config; }),
              HasSubstr(": lists no layers in rootfs.diff_ids, as an image does"));
}

TEST_F(HostileImage, BadJsonIsNamed) {
  const auto failure_of = [this](const std::string& text) {
    layout_.files["index.json"] = text;
    return failure(layout_);
  };
  EXPECT_THAT(failure_of(R"({"manifests": )"), HasSubstr("index.json: is not valid JSON at byte"));
  EXPECT_THAT(failure_of(R"({"manifests": [1e999]})"),
              HasSubstr("index.json: is JSON with a number"));
  EXPECT_THAT(failure_of("1"), HasSubstr("index.json: is JSON, but neither"));
  EXPECT_THAT(failure_of("{\"\xff\": 1}"), HasSubstr("index.json: is not valid JSON at byte"));
  EXPECT_THAT(failure_of(std::string(1'000'000, '[')), HasSubstr("too deep a structure"));
  EXPECT_THAT(failure_of(std::string((4 << 20) + 1, ' ')), HasSubstr("too many for JSON"));
  EXPECT_THAT(failure_of(R"({"manifests": []})"), HasSubstr("layout: has no image"));
  layout_.files["oci-layout"] = R"({"imageLayoutVersion": "2.0.0"})";
  EXPECT_THAT(failure(layout_), HasSubstr("oci-layout: is of version '2.0.0'; only 1 is known"));
}

TEST_F(HostileImage, IndexesThatReferToOneAnotherEndlesslyAreRefused) {
  Json descriptor = sound();
  for (int depth = 0; depth < 20; ++depth) {
    descriptor = layout_.blob(Json({{"manifests", {descriptor, descriptor}}}).dump());
  }
  layout_.index({descriptor});
  EXPECT_THAT(failure(layout_), HasSubstr("has too many manifests"));
}

TEST_F(HostileImage, ALayerWithMembersThatAnImageCannotHaveIsRefused) {
  layout_.index({layout_.image({tar({{"a", "a"}}), tar({{"../b", "b"}})})});
  EXPECT_THAT(failure(layout_), HasSubstr(": has members that an image cannot have"));
}

TEST_F(HostileImage, FilesThatAreNoneAreRefused) {
  layout_.files.clear();
  EXPECT_THAT(failure(layout_), HasSubstr("No such file"));
  layout_.files["other"] = "";
  EXPECT_THAT(failure(layout_), HasSubstr("has neither oci-layout nor manifest.json"));
}

TEST_F(HostileImage, AnArchiveThatIsCutShortIsRefused) {
  layout_.index({sound()});
  const std::string bytes = layout_.archive();
  for (const std::size_t size : {bytes.size() / 2, bytes.size() / 4, std::size_t{700}}) {
    EXPECT_THAT(archive_failure(bytes.substr(0, size)), HasSubstr("archive: "));
  }
  EXPECT_THAT(archive_failure(std::string(10'000, 'x')), HasSubstr("archive: "));
}

TEST_F(HostileImage, LinksInAnArchiveLeadNowhereElse) {
  EXPECT_THAT(archive_failure(tar({{"oci-layout->oci-layout", ""}})), HasSubstr("has neither"));
  EXPECT_THAT(archive_failure(tar({{"oci-layout->../../../etc/passwd", ""}})),
              HasSubstr("has neither"));
}

}  // namespace
}  // namespace cim::oci
