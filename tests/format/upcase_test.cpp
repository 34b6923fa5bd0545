// Case mapping and the order of names.
#include "format/upcase.h"

#include <algorithm>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "support/digest.h"

namespace cim::format {
namespace {

constexpr auto less = std::strong_ordering::less;
constexpr auto equal = std::strong_ordering::equal;
constexpr auto greater = std::strong_ordering::greater;

std::strong_ordering compare_exactly(std::u16string_view a, std::u16string_view b) {
  return compare_names(a, b, identity_upcase_table());
}

std::strong_ordering compare_caseless(std::u16string_view a, std::u16string_view b) {
  return compare_names(a, b, windows_upcase_table());
}

TEST(UpcaseTest, IdentityMapsNothing) {
  const UpcaseTable& table = identity_upcase_table();
  for (std::size_t c = 0; c < table.size(); ++c) {
    ASSERT_EQ(table[c], c);
  }
}

// The MD5 of the $UpCase file of NTFS volumes formatted by Windows 7 to 11.
TEST(UpcaseTest, TheWindowsTableIsThatOfWindows) {
  const auto* const bytes = reinterpret_cast<const char*>(windows_upcase_table().data());
  EXPECT_EQ(test::hex_digest({bytes, sizeof(UpcaseTable)}, EVP_md5()),
            "7ff498a44e45e77374cc7c962b1b92f2");
}

TEST(UpcaseTest, WindowsMapsLettersAndNotTheirLookalikes) {
  const UpcaseTable& table = windows_upcase_table();
  EXPECT_EQ(table[u'a'], u'A');
  EXPECT_EQ(table[u'z'], u'Z');
  EXPECT_EQ(table[u'A'], u'A');
  EXPECT_EQ(table[u'\u00e9'], u'\u00c9');
  EXPECT_EQ(table[u'\u00ff'], u'\u0178');
  EXPECT_EQ(table[u'\u044f'], u'\u042f');
  EXPECT_EQ(table[u'\u00df'], u'\u00df');  // sharp s
  EXPECT_EQ(table[u'\u00f7'], u'\u00f7');  // division sign
  EXPECT_EQ(table[u'\u00b5'], u'\u00b5');  // micro sign
  EXPECT_EQ(table[u'\u0131'], u'\u0131');  // dotless i
  EXPECT_EQ(table[u'\u017f'], u'\u017f');  // long s
}

TEST(CompareNamesTest, CaseCountsOnlyUnderIdentity) {
  EXPECT_EQ(compare_exactly(u"xt_MARK.h", u"xt_mark.h"), less);
  EXPECT_EQ(compare_caseless(u"xt_MARK.h", u"xt_mark.h"), equal);
  EXPECT_EQ(compare_caseless(u"\u00c9t\u00e9", u"\u00e9T\u00c9"), equal);
}

TEST(CompareNamesTest, OrderIsThatOfTheUpperCase) {
  EXPECT_EQ(compare_exactly(u"a", u"Z"), greater);
  EXPECT_EQ(compare_caseless(u"a", u"Z"), less);
  EXPECT_EQ(compare_caseless(u"_", u"z"), greater);  // '_' is between 'Z' and 'a'
}

TEST(CompareNamesTest, APrefixComesFirst) {
  EXPECT_EQ(compare_exactly(u"", u"a"), less);
  EXPECT_EQ(compare_exactly(u"a", u"ab"), less);
  EXPECT_EQ(compare_exactly(u"ab", u"a"), greater);
  EXPECT_EQ(compare_exactly(u"", u""), equal);
}

TEST(CompareNamesTest, PairsComeAfterTheWholeBmp) {
  EXPECT_EQ(compare_exactly(u"\uffff", u"\U00010000"), less);
  EXPECT_EQ(compare_exactly(u"\ue000", u"\U00010000"), less);
  EXPECT_EQ(compare_exactly(u"\U00010000", u"\U00010001"), less);
  EXPECT_EQ(compare_exactly(u"\U0001ffff", u"\U00020000"), less);
  EXPECT_EQ(compare_exactly(u"\U0001F600", u"\U0001F600"), equal);
  EXPECT_EQ(compare_exactly(u"\U0001F600a", u"\U0001F600b"), less);
}

TEST(CompareNamesTest, ALoneSurrogateIsItsOwnValue) {
  const std::u16string lone = {0xD83D};
  const std::u16string lone_low = {0xDC80};
  EXPECT_EQ(compare_exactly(lone, u"\ue000"), less);
  EXPECT_EQ(compare_exactly(lone, u"\U0001F600"), less);
  EXPECT_EQ(compare_exactly(lone, u"\ud7ff"), greater);
  EXPECT_EQ(compare_exactly(lone, lone_low), less);
  EXPECT_EQ(compare_exactly(lone_low, lone_low), equal);
}

TEST(CompareNamesTest, APairIsNotLookedForBehindTheEnd) {
  const std::u16string_view pair = u"\U0001F600";
  const std::u16string_view lone = pair.substr(0, 1);
  EXPECT_EQ(compare_exactly(lone, u"\ue000"), less);
  EXPECT_EQ(compare_exactly(u"\ue000", lone), greater);
  EXPECT_EQ(compare_names(u"\ue000", std::as_bytes(std::span(lone)), identity_upcase_table()),
            greater);
}

// The code points as which `name` is compared, decoded in the plainest way.
std::u32string decode(std::u16string_view name, const UpcaseTable& upcase) {
  std::u32string keys;
  for (std::size_t i = 0; i < name.size(); ++i) {
    const char32_t c = name[i];
    if (c >= 0xD800 && c < 0xDC00 && i + 1 < name.size() && name[i + 1] >= 0xDC00 &&
        name[i + 1] < 0xE000) {
      keys.push_back(0x10000 + (c - 0xD800) * 0x400 + (name[++i] - 0xDC00U));
    } else {
      keys.push_back(c >= 0xD800 && c < 0xE000 ? c : upcase[c]);
    }
  }
  return keys;
}

TEST(CompareNamesTest, RandomNamesCompareAsTheirCodePoints) {
  static constexpr char16_t units[] = {u'a',   u'A',   u'b',   0xD7FF, 0xD800, 0xDBFF,
                                       0xDC00, 0xDC80, 0xDFFF, 0xE000, 0xFF41, 0xFFFF};
  std::mt19937 random(3);
  const auto random_name = [&] {
    std::u16string name(random() % 5, u'\0');
    std::generate(name.begin(), name.end(), [&] { return units[random() % std::size(units)]; });
    return name;
  };
  for (const UpcaseTable* upcase : {&identity_upcase_table(), &windows_upcase_table()}) {
    for (int i = 0; i < 100000; ++i) {
      const std::u16string a = random_name();
      const std::u16string b = random_name();
      ASSERT_EQ(compare_names(a, b, *upcase), decode(a, *upcase) <=> decode(b, *upcase));
    }
  }
}

TEST(CompareNamesTest, StoredNamesMayBeUnaligned) {
  const std::u16string name = u"a\U0001F600";
  std::vector<std::byte> stored(1 + 2 * name.size());
  std::memcpy(stored.data() + 1, name.data(), 2 * name.size());
  const ByteView units = ByteView(stored).subspan(1);
  EXPECT_EQ(compare_names(u"A\U0001F600", units, windows_upcase_table()), equal);
  EXPECT_EQ(compare_names(u"A", units, windows_upcase_table()), less);
  EXPECT_EQ(compare_names(u"a\U0001F601", units, windows_upcase_table()), greater);
}

}  // namespace
}  // namespace cim::format
