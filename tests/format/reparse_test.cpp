// Reparse buffers: links of Linux and Windows, and broken ones.
#include "format/reparse.h"

#include <gtest/gtest.h>

#include "damage.h"
#include "format/bytes.h"
#include "format/layout.h"

namespace cim::format {
namespace {

using namespace std::string_view_literals;

// A symbolic link as Windows makes it: the print name comes first in its buffer.
Bytes windows_symlink(std::u16string_view substitute, std::u16string_view print,
                      std::uint32_t flags) {
  Bytes payload;
  const auto print_size = static_cast<std::uint16_t>(2 * print.size());
  const auto substitute_size = static_cast<std::uint16_t>(2 * substitute.size());
  append(payload, bytes_of(print_size));
  append(payload, bytes_of(substitute_size));
  append(payload, bytes_of(std::uint16_t{0}));
  append(payload, bytes_of(print_size));
  append(payload, bytes_of(flags));
  append(payload, std::as_bytes(std::span(print)));
  append(payload, std::as_bytes(std::span(substitute)));
  return make_reparse_buffer(tag_symlink, payload);
}

// A junction as Windows makes it: both names end with a NUL.
Bytes junction(std::u16string_view substitute) {
  Bytes payload;
  const auto size = static_cast<std::uint16_t>(2 * substitute.size());
  append(payload, bytes_of(std::uint16_t{0}));
  append(payload, bytes_of(size));
  append(payload, bytes_of(static_cast<std::uint16_t>(size + 2)));
  append(payload, bytes_of(std::uint16_t{0}));
  append(payload, std::as_bytes(std::span(substitute)));
  payload.resize(payload.size() + 4);
  return make_reparse_buffer(tag_mount_point, payload);
}

// A Linux symbolic link with this payload after the header.
Bytes lx_symlink_of(std::uint32_t version, std::string_view target) {
  Bytes payload;
  append(payload, bytes_of(version));
  append(payload, std::as_bytes(std::span(target)));
  return make_reparse_buffer(tag_lx_symlink, payload);
}

TEST(ReparseTest, ALinuxSymlinkHoldsTheDocumentedBytes) {
  const std::uint8_t expected[] = {0x1D, 0, 0, 0xA0, 8, 0, 0, 0, 2, 0, 0, 0, 'a', '/', 'b', 'c'};
  EXPECT_EQ(make_lx_symlink("a/bc"), to_bytes(std::as_bytes(std::span(expected))));
}

TEST(ReparseTest, ALinuxSymlinkKeepsItsTarget) {
  for (const std::string_view target : {"../a"sv, "/usr/share"sv, "caf\xe9"sv}) {
    const Bytes buffer = make_lx_symlink(target);
    EXPECT_EQ(lx_symlink_target(buffer), target);
  }
}

TEST(ReparseTest, ALinuxSymlinkThatLinuxCouldNotHaveIsCorrupt) {
  EXPECT_TRUE(is_corrupt([] { lx_symlink_target(lx_symlink_of(2, "")); }));
  EXPECT_TRUE(is_corrupt([] { lx_symlink_target(lx_symlink_of(2, "a\0b"sv)); }));
  EXPECT_TRUE(is_corrupt([] { lx_symlink_target(lx_symlink_of(1, "a")); }));
}

TEST(ReparseTest, ABufferOf65535BytesIsTheLongest) {
  const Bytes longest = make_reparse_buffer(tag_lx_fifo, Bytes(65535 - 8));
  EXPECT_EQ(longest.size(), 65535U);
  EXPECT_EQ(reparse_payload(longest, tag_lx_fifo).size(), 65535U - 8);
  try {
    make_reparse_buffer(tag_lx_fifo, Bytes(65535 - 7));
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Errc::limit_exceeded);
  }
}

TEST(ReparseTest, ASpecialFileHasNoPayload) {
  EXPECT_TRUE(reparse_payload(make_reparse_buffer(tag_lx_fifo, {}), tag_lx_fifo).empty());
}

TEST(ReparseTest, AnotherTagIsCorrupt) {
  EXPECT_TRUE(is_corrupt([] { lx_symlink_target(junction(u"\\??\\C:\\x")); }));
  EXPECT_TRUE(is_corrupt([] { windows_link(make_lx_symlink("a")); }));
}

TEST(ReparseTest, AWindowsSymlinkHasItsSubstituteName) {
  const WindowsLink relative = windows_link(windows_symlink(u"..\\x", u"print", 1));
  EXPECT_EQ(relative.target, u"..\\x");
  EXPECT_TRUE(relative.relative);

  const WindowsLink absolute = windows_link(windows_symlink(u"\\??\\C:\\x", u"C:\\x", 0));
  EXPECT_EQ(absolute.target, u"\\??\\C:\\x");
  EXPECT_FALSE(absolute.relative);
}

TEST(ReparseTest, AJunctionIsAbsolute) {
  const WindowsLink link = windows_link(junction(u"\\??\\C:\\Users\\"));
  EXPECT_EQ(link.target, u"\\??\\C:\\Users\\");
  EXPECT_FALSE(link.relative);
}

TEST(ReparseTest, AWindowsLinkWithoutAProperTargetIsCorrupt) {
  EXPECT_TRUE(is_corrupt([] { windows_link(junction(u"")); }));
  EXPECT_TRUE(is_corrupt([] { windows_link(junction(std::u16string_view(u"a\0b", 3))); }));

  Bytes odd = junction(u"ab");
  odd[sizeof(ReparseDataBuffer) + 2] = std::byte{3};  // the substitute name's length
  EXPECT_TRUE(is_corrupt([&] { windows_link(odd); }));
}

TEST(ReparseTest, ABufferCutOffAnywhereIsCorrupt) {
  for_each_prefix(make_lx_symlink("a/bc"), [](const Bytes& bytes) {
    EXPECT_TRUE(is_corrupt([&] { lx_symlink_target(bytes); })) << bytes.size();
  });
  for (const Bytes& link : {windows_symlink(u"..\\x", u"print", 1), junction(u"\\??\\C:\\x")}) {
    for_each_prefix(link, [](const Bytes& bytes) {
      EXPECT_TRUE(is_corrupt([&] { windows_link(bytes); })) << bytes.size();
    });
  }
}

TEST(ReparseTest, NoChangedFieldLeadsOutOfTheBuffer) {
  for_each_changed_field(make_lx_symlink("a/bc"), [](const Bytes& bytes) {
    is_corrupt(
        [&] { EXPECT_TRUE(is_within(std::as_bytes(std::span(lx_symlink_target(bytes))), bytes)); });
  });
  for (const Bytes& link : {windows_symlink(u"..\\x", u"print", 1), junction(u"\\??\\C:\\x")}) {
    for_each_changed_field(link, [](const Bytes& bytes) {
      is_corrupt([&] { EXPECT_LE(2 * windows_link(bytes).target.size(), bytes.size()); });
    });
  }
}

}  // namespace
}  // namespace cim::format
