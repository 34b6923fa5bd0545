// What the C API makes from known calls, byte by byte.
#include "support/golden_image.h"

#include <array>
#include <utility>

#include "fixture.h"

namespace cim::capi_test {
namespace {

constexpr INT64 some_time = 126256791060000000;  // 2001-02-03 04:05:06 UTC

// Administrators own it; nobody is denied anything.
constexpr std::array<std::uint8_t, 36> descriptor = {1, 0, 0, 0x80, 20, 0, 0, 0, 0,  0, 0, 0,
                                                     0, 0, 0, 0,    0,  0, 0, 0, 1,  2, 0, 0,
                                                     0, 0, 0, 5,    32, 0, 0, 0, 32, 2, 0, 0};

// A junction to `a`.
constexpr std::array<std::uint8_t, 22> junction = {0x03, 0, 0, 0xA0, 14, 0,   0, 0, 0, 0, 2,
                                                   0,    4, 0, 0,    0,  'a', 0, 0, 0, 0, 0};

// Two attributes, A with the value `one` and BB with none.
constexpr std::array<std::uint8_t, 27> attributes = {
    16, 0, 0, 0, 0, 1, 3, 0, 'A', 0, 'o', 'n', 'e', 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 'B', 'B', 0};

CIMFS_FILE_METADATA known_metadata(UINT32 attributes_of_file, INT64 size, INT64 time) {
  CIMFS_FILE_METADATA metadata = {};
  metadata.Attributes = attributes_of_file;
  metadata.FileSize = size;
  metadata.CreationTime.QuadPart = time;
  metadata.LastWriteTime.QuadPart = time + 1;
  metadata.ChangeTime.QuadPart = time + 2;
  metadata.LastAccessTime.QuadPart = time + 3;
  return metadata;
}

class GoldenImageTest : public OpenImageTest {
 protected:
  // Commits image(), which is called `name`.
  void expect_golden(const std::string& name, const test::GoldenDigests& expected) {
    ASSERT_EQ(S_OK, CimCommitImage(image()));
    image_.close();
    SCOPED_TRACE(name);
    test::expect_golden(expected, test::digests_of(directory(), name));
  }
};

TEST_F(GoldenImageTest, OfAllThatTheApiMakesAndItsFork) {
  auto directory_of_all = known_metadata(FILE_ATTRIBUTE_DIRECTORY | FILE_ATTRIBUTE_HIDDEN, 0, 0);
  directory_of_all.SecurityDescriptorBuffer = descriptor.data();
  directory_of_all.SecurityDescriptorSize = descriptor.size();
  ASSERT_EQ(S_OK, create_file(u"\\", known_metadata(FILE_ATTRIBUTE_DIRECTORY, 0, some_time)));
  ASSERT_EQ(S_OK, create_file(u"d", directory_of_all));
  auto with_attributes = known_metadata(FILE_ATTRIBUTE_READONLY, 24, some_time);
  with_attributes.EaBuffer = attributes.data();
  with_attributes.EaBufferSize = attributes.size();
  ASSERT_EQ(S_OK, create_file(u"d\\never written", with_attributes));
  auto to_a = known_metadata(FILE_ATTRIBUTE_DIRECTORY, 0, some_time);
  to_a.ReparseDataBuffer = junction.data();
  to_a.ReparseDataSize = junction.size();
  ASSERT_EQ(S_OK, create_file(u"d\\junction", to_a));
  for (const std::size_t size : {0, 24, 25, 20000}) {
    const std::string name = std::to_string(size);
    add_file(to_utf16(name).c_str(), std::string(size, name[0]));
  }
  const auto sparse =
      known_metadata(FILE_ATTRIBUTE_SPARSE_FILE | FILE_ATTRIBUTE_ARCHIVE, 5 << 20, some_time);
  StreamHandle stream;
  ASSERT_EQ(S_OK, CimCreateFile(image(), u"d\\\u00e4\u4e00", &sparse, stream.out()));
  ASSERT_EQ(S_OK, CimWriteStream(stream.get(), "start", 5));
  stream.close();
  add_stream(u"24:stream", "of a file");
  add_stream(u"24:another", std::string(17000, 's'));
  add_stream(u"d:stream", "of a directory");
  ASSERT_EQ(S_OK, CimCreateHardLink(image(), u"d\\Link", u"25"));
  ASSERT_EQ(S_OK, CimCreateHardLink(image(), u"another name", u"25"));
  ASSERT_EQ(S_OK, CimDeletePath(image(), u"another name"));
  expect_golden(
      "a.cim",
      {
          {"image", "22d6f4f4626f3ce90eddbaf39a4cc14ad7312fa44cfeceae03b41c2e6abbb4fa"},
          {"objectid_0", "6bca1a4f6660f45eed696130a9c0a7023f82ebfd65191bc3bb5ebd4419584798"},
          {"objectid_1", "3b54509e75718114eecc4ffe6d53938be45e3a22a2ac9d25a8ae047cded2b7cc"},
          {"objectid_2", "6c57f3b78c3baa110ed9508c412d7647dfa6e2aec4ba3e353fd660d66721ad59"},
          {"region_0", "d9adfd0ba80b65a26786ec1fcfc31dd4b27b674e4f367f8993542a41af449de0"},
          {"region_1", "e50d901284656936be91ce229efee4204a02060dc301b1f9410d345b91dc72d6"},
          {"region_2", "078a52ffd045530f82e5a17cc438a07908e984af055b7e1b970ab410eb7558a5"},
      });

  ASSERT_EQ(S_OK, create_image(u"a.cim", u"b.cim", image_));
  add_file(u"24", "replaced");
  add_file(u"d\\new", std::string(20000, '2'));
  ASSERT_EQ(S_OK, CimDeletePath(image(), u"d:stream"));
  ASSERT_EQ(S_OK, CimDeletePath(image(), u"25"));
  expect_golden(
      "b.cim",
      {
          {"image", "94f846587f96048a554fe09c6a6bf49db127cf9430dc9421951d1165ebc24c65"},
          {"objectid_0", "3d0672602eddf44d8384af75b0e450ae6acbfa4920cdddf3bc09b23827d50400"},
          {"objectid_1", "fefb03d37c244b630ca0a2e84696e0ccaffc766313e18e79e2a8f4567f334fa2"},
          {"region_0", "37c4f5281f00b063f8613460a572ad0ba8c7e6db9578e9ac99cd28a1905ec977"},
          {"region_1", "c08a3aa95371881bd6c9b9c1240f3007f1484032211d316a4c7ac7d5125da64b"},
      });
}

}  // namespace
}  // namespace cim::capi_test
