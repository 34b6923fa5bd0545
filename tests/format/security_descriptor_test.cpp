// Which security descriptors are well-formed.
#include "format/security_descriptor.h"

#include <gtest/gtest.h>

#include "damage.h"
#include "format/bytes.h"

namespace cim::format {
namespace {

// Offsets of fields in `descriptor`.
constexpr std::size_t revision = 0;
constexpr std::size_t control = 2;
constexpr std::size_t owner = 4;
constexpr std::size_t group = 8;
constexpr std::size_t sacl = 12;
constexpr std::size_t dacl = 16;
constexpr std::size_t owner_sid = 20;
constexpr std::size_t group_sid = 32;
constexpr std::size_t acl = 48;
constexpr std::size_t acl_size = acl + 2;
constexpr std::size_t ace_count = acl + 4;
constexpr std::size_t ace = 56;
constexpr std::size_t ace_size = ace + 2;

// O:SY G:BA D:(A;;FA;;;SY), each part right after the one before.
const Bytes descriptor = [] {
  const std::uint8_t bytes[] = {
      1,  0, 0x04, 0x80,  // DACL present, self-relative
      20, 0, 0,    0,    32,   0, 0,    0, 0,  0, 0, 0, 48,   0, 0, 0,  // owner, group, SACL, DACL
      1,  1, 0,    0,    0,    0, 0,    5, 18, 0, 0, 0,                 // S-1-5-18
      1,  2, 0,    0,    0,    0, 0,    5, 32, 0, 0, 0, 0x20, 2, 0, 0,  // S-1-5-32-544
      2,  0, 28,   0,    1,    0, 0,    0,                              // ACL of 28 bytes, 1 entry
      0,  0, 20,   0,    0xFF, 1, 0x1F, 0, 1,  1, 0, 0, 0,    0, 0, 5, 18, 0, 0, 0,
  };
  return to_bytes(std::as_bytes(std::span(bytes)));
}();

// Whether `descriptor` is still valid with the T at `offset` set to `value`.
template <typename T>
bool is_valid_with(std::size_t offset, T value, Bytes bytes = descriptor) {
  std::memcpy(bytes.data() + offset, &value, sizeof(value));
  return is_valid_security_descriptor(bytes);
}

template <typename T>
Bytes with(std::size_t offset, T value) {
  Bytes bytes = descriptor;
  std::memcpy(bytes.data() + offset, &value, sizeof(value));
  return bytes;
}

TEST(SecurityDescriptorTest, AWellFormedOneIsValid) {
  EXPECT_TRUE(is_valid_security_descriptor(descriptor));
}

TEST(SecurityDescriptorTest, OneWithoutPartsIsValid) {
  Bytes bytes(20);
  bytes[revision] = std::byte{1};
  EXPECT_TRUE(is_valid_with(control, std::uint16_t{0x8000}, bytes));
  EXPECT_TRUE(is_valid_with(control, std::uint16_t{0x8014}, bytes));  // null DACL and SACL
}

TEST(SecurityDescriptorTest, OneCutOffAnywhereIsNot) {
  for_each_prefix(descriptor, [](const Bytes& bytes) {
    EXPECT_FALSE(is_valid_security_descriptor(bytes)) << bytes.size();
  });
}

TEST(SecurityDescriptorTest, ItMustBeSelfRelativeAndOfRevision1) {
  EXPECT_FALSE(is_valid_with(control, std::uint16_t{0x0004}));
  EXPECT_FALSE(is_valid_with(revision, std::uint8_t{0}));
  EXPECT_FALSE(is_valid_with(revision, std::uint8_t{2}));
}

TEST(SecurityDescriptorTest, PartsMustLieBehindTheHeaderAndAligned) {
  for (const std::size_t part : {owner, group, dacl}) {
    for (const std::uint32_t offset : {1U, 4U, 16U, 21U, 72U, 76U, 80U, 0x80000000U, 0xFFFFFFFCU}) {
      EXPECT_FALSE(is_valid_with(part, offset)) << part << " " << offset;
    }
    EXPECT_TRUE(is_valid_with(part, 0U)) << part;
  }
}

TEST(SecurityDescriptorTest, AnOwnerWithinTheHeaderIsRefusedEvenIfItLooksLikeASid) {
  Bytes bytes = with(control, std::uint16_t{0x8000});
  const std::uint32_t revision_and_count = 0x0101;
  std::memcpy(bytes.data() + dacl, &revision_and_count, sizeof(revision_and_count));
  EXPECT_FALSE(is_valid_with(owner, static_cast<std::uint32_t>(dacl), bytes));
}

TEST(SecurityDescriptorTest, SidsMustBeOfRevision1AndFit) {
  for (const std::size_t sid : {owner_sid, group_sid}) {
    EXPECT_FALSE(is_valid_with(sid, std::uint8_t{0}));
    EXPECT_FALSE(is_valid_with(sid, std::uint8_t{2}));
    EXPECT_FALSE(is_valid_with(sid + 1, std::uint8_t{255}));
  }
}

TEST(SecurityDescriptorTest, ASidHasAtMost15SubAuthorities) {
  Bytes bytes = with(owner, static_cast<std::uint32_t>(descriptor.size()));
  bytes.resize(bytes.size() + 8 + 16 * sizeof(std::uint32_t));
  bytes[descriptor.size()] = std::byte{1};
  EXPECT_TRUE(is_valid_with(descriptor.size() + 1, std::uint8_t{15}, bytes));
  EXPECT_FALSE(is_valid_with(descriptor.size() + 1, std::uint8_t{16}, bytes));
}

TEST(SecurityDescriptorTest, AnAclMustFitAndBeOfAKnownRevision) {
  EXPECT_TRUE(is_valid_with(acl, std::uint8_t{4}));
  EXPECT_FALSE(is_valid_with(acl, std::uint8_t{1}));
  EXPECT_FALSE(is_valid_with(acl, std::uint8_t{5}));
  EXPECT_FALSE(is_valid_with(acl_size, std::uint16_t{32}));
  EXPECT_FALSE(is_valid_with(acl_size, std::uint16_t{0xFFFF}));
  EXPECT_FALSE(is_valid_with(acl_size, std::uint16_t{24}));  // the entry no longer fits
  EXPECT_FALSE(is_valid_with(acl_size, std::uint16_t{4}));
  EXPECT_FALSE(is_valid_with(acl_size, std::uint16_t{0}));
}

TEST(SecurityDescriptorTest, EntriesMustFitTheirAcl) {
  EXPECT_TRUE(is_valid_with(ace_count, std::uint16_t{0}));
  EXPECT_FALSE(is_valid_with(ace_count, std::uint16_t{2}));
  EXPECT_FALSE(is_valid_with(ace_count, std::uint16_t{0xFFFF}));
  for (const int size : {0, 1, 2, 3, 18, 19, 21, 24, 0xFFFC, 0xFFFF}) {
    EXPECT_FALSE(is_valid_with(ace_size, static_cast<std::uint16_t>(size))) << size;
  }
}

TEST(SecurityDescriptorTest, AnAclCountsOnlyIfItIsSaidToBePresent) {
  const Bytes broken = with(acl, std::uint8_t{9});
  EXPECT_FALSE(is_valid_security_descriptor(broken));
  EXPECT_TRUE(is_valid_with(control, std::uint16_t{0x8000}, broken));

  const Bytes broken_sacl = with(sacl, 0xFFFFFFF0U);
  EXPECT_TRUE(is_valid_security_descriptor(broken_sacl));
  EXPECT_FALSE(is_valid_with(control, std::uint16_t{0x8014}, broken_sacl));
}

// Nothing is claimed about the answer: some of these are well-formed. What counts is that no read
// leaves the bytes; a sanitizer sees those that do.
TEST(SecurityDescriptorTest, NoChangedFieldLeadsOutOfTheDescriptor) {
  std::size_t refused = 0;
  for_each_changed_field(descriptor, [&](const Bytes& bytes) {
    refused += is_valid_security_descriptor(bytes) ? 0 : 1;
  });
  EXPECT_GT(refused, 0U);
}

}  // namespace
}  // namespace cim::format
