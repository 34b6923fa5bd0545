// From the same calls the C API makes the very bytes that Windows made: an image of 2022 whose
// contents are known.
#include <array>

#include "fixture.h"
#include "support/golden_image.h"

namespace cim::capi_test {
namespace {

// 2022-11-28, and what was done to the file afterwards.
constexpr INT64 created = 133141171103371877;
constexpr INT64 written = 133141171153239535;
constexpr INT64 changed = 133141171159620148;

// The descriptor of a file in the profile of an account.
constexpr std::array<std::uint8_t, 160> descriptor = {
    0x01, 0x00, 0x04, 0xa0, 0x14, 0x00, 0x00, 0x00, 0x24, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x40, 0x00, 0x00, 0x00, 0x01, 0x02, 0x00, 0x00, 0x00, 0x00, 0x00, 0x05, 0x20, 0x00, 0x00, 0x00,
    0x20, 0x02, 0x00, 0x00, 0x01, 0x05, 0x00, 0x00, 0x00, 0x00, 0x00, 0x05, 0x15, 0x00, 0x00, 0x00,
    0xc7, 0x35, 0x3a, 0x42, 0x8e, 0xd7, 0x3e, 0x0d, 0x55, 0x43, 0xde, 0x13, 0x01, 0x02, 0x00, 0x00,
    0x02, 0x00, 0x60, 0x00, 0x04, 0x00, 0x00, 0x00, 0x00, 0x10, 0x18, 0x00, 0xff, 0x01, 0x1f, 0x00,
    0x01, 0x02, 0x00, 0x00, 0x00, 0x00, 0x00, 0x05, 0x20, 0x00, 0x00, 0x00, 0x20, 0x02, 0x00, 0x00,
    0x00, 0x10, 0x14, 0x00, 0xff, 0x01, 0x1f, 0x00, 0x01, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x05,
    0x12, 0x00, 0x00, 0x00, 0x00, 0x10, 0x14, 0x00, 0xbf, 0x01, 0x13, 0x00, 0x01, 0x01, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x05, 0x0b, 0x00, 0x00, 0x00, 0x00, 0x10, 0x18, 0x00, 0xa9, 0x00, 0x12, 0x00,
    0x01, 0x02, 0x00, 0x00, 0x00, 0x00, 0x00, 0x05, 0x20, 0x00, 0x00, 0x00, 0x21, 0x02, 0x00, 0x00};

// A list of one attribute.
std::string extended_attributes() {
  constexpr std::size_t value_length = 1214;
  const std::string name = "$CIMFS.SAMPLE.ATTRIBUTE";
  std::string list(4, '\0');  // no next entry
  list += '\0';               // flags
  list += static_cast<char>(name.size());
  list += static_cast<char>(value_length & 0xFF);
  list += static_cast<char>(value_length >> 8);
  list += name + '\0';
  for (std::size_t i = 0; i < value_length; ++i) list += static_cast<char>((7 * i + 3) % 256);
  return list;
}

class WindowsImageTest : public CapiTest {};

TEST_F(WindowsImageTest, TheSameCallsMakeTheBytesThatWindowsMade) {
  const std::string attributes = extended_attributes();
  CIMFS_FILE_METADATA metadata = {};
  metadata.Attributes = FILE_ATTRIBUTE_ARCHIVE;
  metadata.FileSize = 12;
  metadata.CreationTime.QuadPart = created;
  metadata.LastWriteTime.QuadPart = written;
  metadata.ChangeTime.QuadPart = changed;
  metadata.LastAccessTime.QuadPart = written;
  metadata.SecurityDescriptorBuffer = descriptor.data();
  metadata.SecurityDescriptorSize = descriptor.size();
  metadata.EaBuffer = attributes.data();
  metadata.EaBufferSize = static_cast<UINT32>(attributes.size());
  ImageHandle image;
  ASSERT_EQ(S_OK, create_image(nullptr, u"test.cim", image));
  StreamHandle stream;
  ASSERT_EQ(S_OK, CimCreateFile(image.get(), u"\\hello.txt", &metadata, stream.out()));
  ASSERT_EQ(S_OK, CimWriteStream(stream.get(), "Hello world!", 12));
  stream.close();
  ASSERT_EQ(S_OK, CimCommitImage(image.get()));
  image.close();

  // The file of the image's name holds the GUID of the region set, which Windows makes up.
  test::GoldenDigests digests = test::digests_of(directory(), "test.cim");
  digests.erase("image");
  test::expect_golden(
      {{"region_0", "6699293935767945171506492f125a862f9d36dc69e706305b6ed33d60ba5776"},
       {"region_1", "0faff75a4268731c7e8d5d49562e541ee6e35315bca0e071e60be06d21d76503"},
       {"objectid_0", "d63af346aeb8f7533bf4acc9562ff240709f3efe159494eb612230d5653fcb88"},
       {"objectid_1", "b6e5e9d9f6cc2d6854444185e9fcfc6923dae70b843f8bcd324282047924c20b"}},
      digests);
}

}  // namespace
}  // namespace cim::capi_test
