// GUIDs against their printed form.
#include "format/guid.h"

#include <cstring>

#include <gtest/gtest.h>

#include "format/bytes.h"

namespace cim::format {
namespace {

constexpr std::string_view text = "00c0ffee-1234-0abc-8def-0123456789ab";

TEST(GuidTest, PrintsInTheWindowsOrder) {
  const std::uint8_t stored[] = {0xee, 0xff, 0xc0, 0x00, 0x34, 0x12, 0xbc, 0x0a,
                                 0x8d, 0xef, 0x01, 0x23, 0x45, 0x67, 0x89, 0xab};
  EXPECT_EQ(to_string(load<Guid>(std::as_bytes(std::span(stored)), 0, "GUID")), text);
}

TEST(GuidTest, ParsesWhatItPrints) {
  const auto guid = parse_guid(text);
  ASSERT_TRUE(guid);
  EXPECT_EQ(to_string(*guid), text);
}

TEST(GuidTest, ParsesUpperCase) {
  const auto guid = parse_guid("00C0FFEE-1234-0ABC-8DEF-0123456789AB");
  ASSERT_TRUE(guid);
  EXPECT_EQ(to_string(*guid), text);
}

TEST(GuidTest, RefusesEveryOtherForm) {
  for (const char* wrong :
       {"", "00c0ffee", "{00c0ffee-1234-0abc-8def-0123456789ab}",
        "00c0ffee-1234-0abc-8def-0123456789a", "00c0ffee-1234-0abc-8def-0123456789abc",
        "00c0ffee-1234-0abc-8def-0123456789ag", "00c0ffee 1234-0abc-8def-0123456789ab",
        "00c0ffe-e1234-0abc-8def-0123456789ab", "-0c0ffee-1234-0abc-8def-0123456789ab",
        "+0c0ffee-1234-0abc-8def-0123456789ab", " 0c0ffee-1234-0abc-8def-0123456789ab",
        "0x00ffee-1234-0abc-8def-0123456789ab", "00c0ffee-1234-0abc-8def+0123456789ab"}) {
    EXPECT_FALSE(parse_guid(wrong)) << wrong;
  }
}

}  // namespace
}  // namespace cim::format
