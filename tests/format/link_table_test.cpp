// Link tables: what is built is found again, and broken ones are refused.
#include "format/link_table.h"

#include <algorithm>
#include <map>
#include <random>
#include <string>
#include <utility>

#include <cim/name.h>
#include <gtest/gtest.h>

#include "damage.h"
#include "format/bytes.h"
#include "format/upcase.h"

namespace cim::format {
namespace {

Bytes build(const std::vector<std::pair<std::u16string, std::uint32_t>>& entries) {
  LinkTableBuilder builder(sizeof(std::uint32_t));
  for (const auto& [name, id] : entries) {
    builder.add(name, bytes_of(id));
  }
  return builder.finish();
}

LinkTable open(const Bytes& bytes) { return LinkTable(bytes, sizeof(std::uint32_t)); }

std::u16string name_of(const LinkTable& table, std::uint32_t index) {
  char16_t units[max_name_units];
  return std::u16string(units, table.name(index, units));
}

// Whether a table whose one entry is called `name` is refused; no writer would make it.
bool is_refused(const std::u16string& name) {
  const Bytes bytes = build({{name, 1}});
  return is_corrupt([&] { name_of(open(bytes), 0); });
}

TEST(LinkTableTest, HoldsTheDocumentedBytes) {
  const std::uint8_t expected[] = {
      34, 0, 0,   0, 2,    0, 0, 0,  // length, count
      7,  0, 0,   0, 9,    0, 0, 0,  // values
      24, 0, 0,   0, 28,   0, 0, 0,  // offsets of names
      1,  0, 'a', 0,                 // names
      2,  0, 'b', 0, 0xE9, 0,
  };
  EXPECT_EQ(build({{u"a", 7}, {u"b\u00e9", 9}}), to_bytes(std::as_bytes(std::span(expected))));
}

TEST(LinkTableTest, EntriesAreEnumeratedInOrder) {
  const Bytes bytes = build({{u"a", 7}, {u"b\u00e9", 9}, {u"\U0001F600", 11}});
  const LinkTable table = open(bytes);
  ASSERT_EQ(table.size(), 3U);
  EXPECT_EQ(name_of(table, 0), u"a");
  EXPECT_EQ(name_of(table, 1), u"b\u00e9");
  EXPECT_EQ(name_of(table, 2), u"\U0001F600");
  EXPECT_EQ(table.value<std::uint32_t>(0), 7U);
  EXPECT_EQ(table.value<std::uint32_t>(2), 11U);
}

TEST(LinkTableTest, ATableOfStreamsHoldsThemWhole) {
  LinkTableBuilder builder(sizeof(Stream));
  builder.add(u"Zone.Identifier", bytes_of(Stream{make_region_offset(3, 4096), 26}));
  const Bytes bytes = builder.finish();
  const LinkTable table(bytes, sizeof(Stream));
  const auto found = table.find(u"zone.identifier", windows_upcase_table());
  ASSERT_TRUE(found);
  EXPECT_EQ(table.value<Stream>(*found).data, make_region_offset(3, 4096));
  EXPECT_EQ(table.value<Stream>(*found).length_and_type, 26U);
}

TEST(LinkTableTest, AnEmptyTableFindsNothing) {
  const Bytes bytes = build({});
  EXPECT_EQ(bytes.size(), sizeof(LinkTableHeader));
  EXPECT_EQ(open(bytes).size(), 0U);
  EXPECT_FALSE(open(bytes).find(u"a", identity_upcase_table()));
  EXPECT_FALSE(LinkTable().find(u"a", identity_upcase_table()));
}

TEST(LinkTableTest, CaseCountsAsTheUpcaseTableSays) {
  const Bytes exact = build({{u"MARK", 1}, {u"mark", 2}});
  EXPECT_EQ(open(exact).find(u"MARK", identity_upcase_table()), 0U);
  EXPECT_EQ(open(exact).find(u"mark", identity_upcase_table()), 1U);
  EXPECT_FALSE(open(exact).find(u"Mark", identity_upcase_table()));

  const Bytes caseless = build({{u"a", 1}, {u"MARK", 2}, {u"z", 3}});
  EXPECT_EQ(open(caseless).find(u"mArK", windows_upcase_table()), 1U);
}

TEST(LinkTableTest, EveryEntryOfALargeTableIsFoundAndNothingElse) {
  for (const UpcaseTable* upcase : {&identity_upcase_table(), &windows_upcase_table()}) {
    const auto before = [&](const std::u16string& a, const std::u16string& b) {
      return std::is_lt(compare_names(a, b, *upcase));
    };
    std::mt19937 random(4);
    std::map<std::u16string, std::uint32_t, decltype(before)> ids(before);
    while (ids.size() < 1000) {
      ids.emplace(linux_to_image_name(std::to_string(random())) + u"\U0001F600\uff01", ids.size());
    }
    const Bytes bytes = build({ids.begin(), ids.end()});
    const LinkTable table = open(bytes);
    for (const auto& [name, id] : ids) {
      const auto found = table.find(name, *upcase);
      ASSERT_TRUE(found);
      ASSERT_EQ(table.value<std::uint32_t>(*found), id);
      ASSERT_FALSE(table.find(name + u'x', *upcase));
      ASSERT_FALSE(table.find(name.substr(0, name.size() - 1), *upcase));
    }
  }
}

TEST(LinkTableTest, MayLieUnalignedAndBeforeOtherBytes) {
  const Bytes table_bytes = build({{u"a", 7}, {u"b\u00e9", 9}});
  Bytes bytes(1 + table_bytes.size() + 3, std::byte{0xFF});
  std::copy(table_bytes.begin(), table_bytes.end(), bytes.begin() + 1);
  const LinkTable table(ByteView(bytes).subspan(1), sizeof(std::uint32_t));
  EXPECT_EQ(name_of(table, 1), u"b\u00e9");
  EXPECT_EQ(table.value<std::uint32_t>(1), 9U);
  EXPECT_EQ(table.find(u"b\u00e9", identity_upcase_table()), 1U);
}

TEST(LinkTableTest, ANameOf255UnitsIsTheLongest) {
  const std::u16string longest(255, u'n');
  const Bytes bytes = build({{longest, 1}});
  EXPECT_EQ(name_of(open(bytes), 0), longest);
  EXPECT_TRUE(is_refused(longest + u'n'));
}

TEST(LinkTableTest, NamesThatNoFileMayHaveAreRefused) {
  EXPECT_TRUE(is_refused(u""));
  EXPECT_TRUE(is_refused(u"."));
  EXPECT_TRUE(is_refused(u".."));
  EXPECT_TRUE(is_refused(u"../etc/passwd"));
  EXPECT_TRUE(is_refused(u"a/b"));
  EXPECT_TRUE(is_refused(u"a\\b"));
  EXPECT_TRUE(is_refused(std::u16string(u"a\0b", 3)));
  EXPECT_FALSE(is_refused(u"..."));
  EXPECT_FALSE(is_refused(u".a"));
}

TEST(LinkTableTest, ATableCutOffAnywhereIsCorrupt) {
  for_each_prefix(build({{u"a", 7}, {u"b\u00e9", 9}}), [](const Bytes& bytes) {
    EXPECT_TRUE(is_corrupt([&] { open(bytes); })) << bytes.size();
  });
}

TEST(LinkTableTest, ACountThatDoesNotFitIsCorrupt) {
  Bytes bytes = build({{u"a", 7}});
  for (const std::uint32_t count : {3U, 0x1FFFFFFFU, 0x20000000U, 0x80000000U, 0xFFFFFFFFU}) {
    std::memcpy(bytes.data() + offsetof(LinkTableHeader, count), &count, sizeof(count));
    EXPECT_TRUE(is_corrupt([&] { open(bytes); })) << count;
    EXPECT_TRUE(is_corrupt([&] { LinkTable(bytes, sizeof(Stream)); })) << count;
  }
}

TEST(LinkTableTest, ANameOutsideOfTheTableIsCorruptAlsoForASearch) {
  Bytes bytes = build({{u"a", 7}});
  const std::size_t offset_at = sizeof(LinkTableHeader) + sizeof(std::uint32_t);
  for (const std::uint32_t offset : {static_cast<std::uint32_t>(bytes.size()) - 1,
                                     static_cast<std::uint32_t>(bytes.size()), 0xFFFFFFFFU}) {
    std::memcpy(bytes.data() + offset_at, &offset, sizeof(offset));
    EXPECT_TRUE(is_corrupt([&] { name_of(open(bytes), 0); })) << offset;
    EXPECT_TRUE(is_corrupt([&] { open(bytes).find(u"a", identity_upcase_table()); })) << offset;
  }
}

TEST(LinkTableTest, NoChangedFieldLeadsOutOfTheTable) {
  const Bytes original = build({{u"a", 7}, {u"b\u00e9", 9}, {u"\U0001F600", 11}});
  for_each_changed_field(original, [](const Bytes& bytes) {
    is_corrupt([&] {
      const LinkTable table = open(bytes);
      EXPECT_LE(table.size(), bytes.size() / 8);
      for (const char16_t* name : {u"a", u"b\u00e9", u"c", u"\U0001F600"}) {
        is_corrupt([&] {
          const auto found = table.find(name, identity_upcase_table());
          EXPECT_LT(found.value_or(0), std::max(table.size(), 1U));
        });
      }
      for (std::uint32_t i = 0; i < table.size(); ++i) {
        table.value<std::uint32_t>(i);
        is_corrupt([&] { EXPECT_FALSE(name_of(table, i).empty()); });
      }
    });
  });
}

}  // namespace
}  // namespace cim::format
