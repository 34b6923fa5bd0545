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
          {"image", "c328a2912cf46e2bd9fedc0f8d71dcb5cdc04f501ffac16da7c46e0d3d31dbe7"},
          {"objectid_0", "7ff2c4e46a6915b3dd2df6e32b093deccbe2aa4b3e649f3aac29c7f6d406a721"},
          {"objectid_1", "3b54509e75718114eecc4ffe6d53938be45e3a22a2ac9d25a8ae047cded2b7cc"},
          {"objectid_2", "6c57f3b78c3baa110ed9508c412d7647dfa6e2aec4ba3e353fd660d66721ad59"},
          {"region_0", "2ed65a7f6ba40a2505a00d7c73776fcf3578b3530b77cb667146e7a12e35882c"},
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
          {"image", "69cdc6942d13b89f83306f05cf79170928cff06289461885f8cf2f0b9b08f615"},
          {"objectid_0", "251378e427a67584e55fa7afa2ba5548f71888a230cd10f9f9b839630b0d66af"},
          {"objectid_1", "69b9c84b5dacd76d71fba1eaabc36c75bb0c70c7244d10b205fa70a82c00a2c4"},
          {"region_0", "5625c8d0d8d832be379853fb9cb66a558766c96cc412b8f00453a565bd1354e8"},
          {"region_1", "e5eb163089ea44f89fa89d642be2c894ec284689f7cae4b7a5b7eef15df527f7"},
      });
}

}  // namespace
}  // namespace cim::capi_test
