// Lists of extended attributes: what is built is read again, and broken ones are refused.
#include "format/extended_attributes.h"

#include <string>
#include <utility>

#include <gtest/gtest.h>

#include "damage.h"
#include "format/bytes.h"
#include "format/layout.h"

namespace cim::format {
namespace {

ByteView view(std::string_view text) { return std::as_bytes(std::span(text)); }
std::string text(ByteView bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

Bytes build(std::initializer_list<std::pair<std::string_view, std::string_view>> attributes) {
  EaBuilder builder;
  for (const auto& [name, value] : attributes) {
    builder.add(name, view(value));
  }
  return to_bytes(builder.list());
}

// "NAME=VALUE " of each attribute of `list`.
std::string read_all(ByteView list) {
  std::string all;
  EaReader reader(list);
  while (const auto ea = reader.next()) {
    EXPECT_TRUE(is_within(view(ea->name), list));
    EXPECT_TRUE(is_within(ea->value, list));
    all += std::string(ea->name) + "=" + text(ea->value) + " ";
  }
  return all;
}

Errc add_error(std::string_view name, std::size_t value_size) {
  EaBuilder builder;
  try {
    builder.add(name, Bytes(value_size));
  } catch (const Error& error) {
    EXPECT_TRUE(builder.list().empty());
    return error.code();
  }
  ADD_FAILURE() << "no error for " << name << " and " << value_size;
  return Errc::io_error;
}

TEST(ExtendedAttributesTest, HoldTheDocumentedBytes) {
  const std::uint8_t expected[] = {
      16, 0, 0, 0, 0, 3, 3, 0, 'A', 'B', 'C', 0, 'x', 'y', 'z', 0,  // padded to 4 bytes
      0,  0, 0, 0, 0, 1, 1, 0, 'D', 0,   'v',
  };
  EXPECT_EQ(build({{"ABC", "xyz"}, {"D", "v"}}), to_bytes(std::as_bytes(std::span(expected))));
}

TEST(ExtendedAttributesTest, ComeBackInOrder) {
  EXPECT_EQ(read_all(build({{"$LXMOD", "1234"}, {"LX.user.a", "lxea"}, {"empty", ""}})),
            "$LXMOD=1234 LX.user.a=lxea empty= ");
}

TEST(ExtendedAttributesTest, AnEmptyListHasNone) { EXPECT_EQ(read_all({}), ""); }

TEST(ExtendedAttributesTest, FlagsAreKept) {
  Bytes list = build({{"A", "x"}});
  list[offsetof(FullEaInformation, flags)] = std::byte{0x80};
  EXPECT_EQ(EaReader(list).next()->flags, 0x80);
}

TEST(ExtendedAttributesTest, TheLastMayBePadded) {
  Bytes list = build({{"A", "x"}});
  list.resize(12);
  EXPECT_EQ(read_all(list), "A=x ");
}

TEST(ExtendedAttributesTest, AreFoundWithoutRegardToCase) {
  const Bytes list = build({{"$LXMOD", "1"}, {"$LXMODE", "2"}, {"$LXUID", "3"}});
  EXPECT_EQ(text(find_extended_attribute(list, "$lxUid").value()), "3");
  EXPECT_EQ(text(find_extended_attribute(list, "$LXMOD").value()), "1");
  EXPECT_FALSE(find_extended_attribute(list, "$LXGID"));
  EXPECT_FALSE(find_extended_attribute(list, "$LXMO"));
  EXPECT_FALSE(find_extended_attribute(list, "\x04LXMOD"));  // '$' is not a letter
}

TEST(ExtendedAttributesTest, ANameOf254BytesIsTheLongest) {
  const std::string longest(254, 'n');
  EXPECT_EQ(read_all(build({{longest, ""}})), longest + "= ");
  EXPECT_EQ(add_error(longest + "n", 0), Errc::limit_exceeded);
}

TEST(ExtendedAttributesTest, ANameIsNeeded) { EXPECT_EQ(add_error("", 1), Errc::invalid_argument); }

TEST(ExtendedAttributesTest, AListOf65535BytesIsTheLongest) {
  const std::size_t overhead = sizeof(FullEaInformation) + 2;
  EaBuilder builder;
  builder.add("A", Bytes(max_ea_list_length - overhead));
  EXPECT_EQ(builder.list().size(), max_ea_list_length);
  EXPECT_EQ(add_error("A", max_ea_list_length - overhead + 1), Errc::limit_exceeded);
  EXPECT_EQ(add_error("A", 65536 + 1), Errc::limit_exceeded);
}

TEST(ExtendedAttributesTest, AnAttributeTooManyLeavesTheListAsItWas) {
  EaBuilder builder;
  builder.add("A", view("x"));
  EXPECT_THROW(builder.add("B", Bytes(65520)), Error);
  builder.add("C", view("y"));
  EXPECT_EQ(read_all(builder.list()), "A=x C=y ");
}

TEST(ExtendedAttributesTest, AListCutOffAnywhereIsCorrupt) {
  for_each_prefix(build({{"ABC", "xyz"}, {"D", "v"}}), [](const Bytes& bytes) {
    if (!bytes.empty()) {
      EXPECT_TRUE(is_corrupt([&] { read_all(bytes); })) << bytes.size();
    }
  });
}

TEST(ExtendedAttributesTest, ANextThatIsNotAfterTheEntryIsCorrupt) {
  Bytes list = build({{"ABC", "xyz"}, {"D", "v"}, {"E", "w"}});
  for (const std::uint32_t next : {1U, 4U, 8U, 12U, 17U, 18U, 19U, 40U, 0x80000000U, 0xFFFFFFFCU}) {
    std::memcpy(list.data(), &next, sizeof(next));
    EXPECT_TRUE(is_corrupt([&] { read_all(list); })) << next;
  }
}

TEST(ExtendedAttributesTest, AnEntryWithinAnothersValueIsCorrupt) {
  const Bytes inner = build({{"D", "v"}});
  EaBuilder builder;
  builder.add("ABC", inner);
  Bytes list = to_bytes(builder.list());
  const std::uint32_t value_offset = sizeof(FullEaInformation) + 4;
  std::memcpy(list.data(), &value_offset, sizeof(value_offset));
  EXPECT_TRUE(is_corrupt([&] { read_all(list); }));
}

TEST(ExtendedAttributesTest, AnUnalignedEntryIsCorrupt) {
  Bytes list = build({{"A", "x"}});
  const auto next = static_cast<std::uint32_t>(list.size());
  ASSERT_NE(next % 4, 0U);
  append(list, build({{"D", "v"}}));
  std::memcpy(list.data(), &next, sizeof(next));
  EXPECT_TRUE(is_corrupt([&] { read_all(list); }));
}

TEST(ExtendedAttributesTest, ANameWithoutItsNulIsCorrupt) {
  Bytes list = build({{"ABC", "xyz"}});
  list[sizeof(FullEaInformation) + 3] = std::byte{'x'};
  EXPECT_TRUE(is_corrupt([&] { read_all(list); }));
}

TEST(ExtendedAttributesTest, AnEmptyNameIsCorrupt) {
  Bytes list(12);
  EXPECT_TRUE(is_corrupt([&] { read_all(list); }));
}

TEST(ExtendedAttributesTest, NoChangedFieldLeadsOutOfTheList) {
  for_each_changed_field(build({{"ABC", "xyz"}, {"D", "v"}, {"$LXUID", "1234"}}),
                         [](const Bytes& bytes) {
                           is_corrupt([&] { read_all(bytes); });
                           is_corrupt([&] { find_extended_attribute(bytes, "$LXUID"); });
                         });
}

}  // namespace
}  // namespace cim::format
