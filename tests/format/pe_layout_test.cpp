// How sound executables are stored, and what does not count as one.
#include "format/pe_layout.h"

#include <functional>
#include <utility>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "damage.h"
#include "support/forged_executable.h"

namespace cim::format {

bool operator==(const PeImageMapping& a, const PeImageMapping& b) {
  return a.file_offset == b.file_offset && a.delta == b.delta;
}

namespace {

using test::ForgedExecutable;
using testing::ElementsAre;

using Mapping = PeImageMapping;

ByteView view(const std::string& text) { return std::as_bytes(std::span(text)); }

std::optional<PeLayout> layout_of(const ForgedExecutable& executable) {
  const std::string bytes = executable.bytes();
  return pe_layout(view(bytes), bytes.size());
}

// Whether there is no layout for a sound executable after `damage`.
bool is_plain(const std::function<void(ForgedExecutable&)>& damage) {
  ForgedExecutable executable(100);
  damage(executable);
  return !layout_of(executable);
}

TEST(PeLayoutTest, EachSectionAndTheOverlayStartAtThePageAfterThePartBefore) {
  const auto layout = layout_of(ForgedExecutable(100));
  ASSERT_TRUE(layout);
  // Stored: headers at 0, sections at 0x1000, 0x2000 and 0x4000, the overlay at 0x5000.
  EXPECT_THAT(layout->mappings, ElementsAre(Mapping{0x400, 0xC00}, Mapping{0xA00, 0x1600},
                                            Mapping{0x1C00, 0x2400}, Mapping{0x1E00, 0x3200}));
  EXPECT_EQ(0x5000u + 100, layout->stored_length);
  EXPECT_EQ(0x6000u, layout->image_length);
}

TEST(PeLayoutTest, WithoutAnOverlayTheLastSectionIsLast) {
  const auto layout = layout_of(ForgedExecutable());
  ASSERT_TRUE(layout);
  EXPECT_THAT(layout->mappings,
              ElementsAre(Mapping{0x400, 0xC00}, Mapping{0xA00, 0x1600}, Mapping{0x1C00, 0x2400}));
  EXPECT_EQ(0x4200u, layout->stored_length);
}

TEST(PeLayoutTest, Pe32IsLaidOutAlike) {
  ForgedExecutable executable(100);
  executable.make_pe32();
  const auto layout = layout_of(executable);
  ASSERT_TRUE(layout);
  EXPECT_EQ(4u, layout->mappings.size());
  EXPECT_EQ(0x5000u + 100, layout->stored_length);
}

TEST(PeLayoutTest, AMappingIsOnlyWhereTheDeltaChanges) {
  ForgedExecutable executable;
  executable.length = 0x3400;
  // The second already starts a page after the first, so it keeps its distance.
  executable.sections = {{0x1000, 0x1000, 0x400, 0x1000},
                         {0x2000, 0x1000, 0x1400, 0x1000},
                         {0x3000, 0xE00, 0x2400, 0xE00},
                         {0x4000, 0x200, 0x3200, 0x200}};
  const auto layout = layout_of(executable);
  ASSERT_TRUE(layout);
  EXPECT_THAT(layout->mappings, ElementsAre(Mapping{0x400, 0xC00}, Mapping{0x3200, 0xE00}));
}

TEST(PeLayoutTest, SectionsAreStoredInTheOrderOfTheFile) {
  ForgedExecutable executable;
  std::swap(executable.sections[0].offset, executable.sections[3].offset);
  executable.sections[0].size = 0x200;
  executable.sections[3].size = 0x600;
  const auto layout = layout_of(executable);
  ASSERT_TRUE(layout);
  EXPECT_THAT(layout->mappings,
              ElementsAre(Mapping{0x400, 0xC00}, Mapping{0xA00, 0x1600}, Mapping{0x1C00, 0x2400}));
}

TEST(PeLayoutTest, WhatIsBetweenSectionsStaysWithTheOneBefore) {
  ForgedExecutable executable;
  executable.sections[0].size = 0x200;  // 0x600 to 0xA00 belong to no section
  const auto layout = layout_of(executable);
  ASSERT_TRUE(layout);
  EXPECT_THAT(layout->mappings,
              ElementsAre(Mapping{0x400, 0xC00}, Mapping{0xA00, 0x1600}, Mapping{0x1C00, 0x2400}));
}

TEST(PeLayoutTest, AnExecutableThatIsAlignedAlreadyHasNothingToGain) {
  ForgedExecutable executable;
  executable.length = 0x3000;
  executable.headers_size = 0x1000;
  executable.sections = {{0x1000, 0x1000, 0x1000, 0x1000}, {0x2000, 0x1000, 0x2000, 0x1000}};
  EXPECT_FALSE(layout_of(executable));
  executable.length += 1;  // an overlay, aligned too
  EXPECT_FALSE(layout_of(executable));
}

TEST(PeLayoutTest, NeitherHasOneWithoutDataInSections) {
  EXPECT_TRUE(is_plain([](ForgedExecutable& e) { e.sections.clear(); }));
  EXPECT_TRUE(is_plain([](ForgedExecutable& e) {
    for (auto& section : e.sections) section.offset = 0;
  }));
  EXPECT_TRUE(is_plain([](ForgedExecutable& e) {
    for (auto& section : e.sections) section.size = 0;
  }));
}

TEST(PeLayoutTest, WhatWindowsWouldNotMapIsNone) {
  EXPECT_FALSE(is_plain([](ForgedExecutable&) {}));
  const std::function<void(ForgedExecutable&)> damages[] = {
      [](ForgedExecutable& e) { e.dos_magic = 0x4D5A; },
      [](ForgedExecutable& e) { e.pe_magic = 0x14550; },
      [](ForgedExecutable& e) { e.pe_header = 0x82; },
      [](ForgedExecutable& e) { e.pe_header = 0x3C; },
      [](ForgedExecutable& e) { e.pe_header = 0xFFFFFFFC; },
      [](ForgedExecutable& e) { e.optional_magic = 0x107; },
      [](ForgedExecutable& e) { e.optional_header_size = 111; },
      [](ForgedExecutable& e) { e.make_pe32(), e.optional_header_size = 95; },
      [](ForgedExecutable& e) { e.section_alignment = 0x200; },  // mapped as it is
      [](ForgedExecutable& e) { e.section_alignment = 0; },
      [](ForgedExecutable& e) { e.section_alignment = 0x1001; },
      [](ForgedExecutable& e) { e.section_alignment = 0x2000; },  // the sections are not aligned
      [](ForgedExecutable& e) { e.file_alignment = 0; },
      [](ForgedExecutable& e) { e.file_alignment = 0x100; },
      [](ForgedExecutable& e) { e.file_alignment = 0x300; },
      [](ForgedExecutable& e) { e.file_alignment = 0x2000; },  // more than in memory
      [](ForgedExecutable& e) { e.section_alignment = e.file_alignment = 0x20000; },
      [](ForgedExecutable& e) { e.headers_size = 0x200; },  // less than the section table
      [](ForgedExecutable& e) { e.headers_size = 0x401; },  // reaches into the first section
      [](ForgedExecutable& e) { e.headers_size = 0xFFFFFFFF; },
      [](ForgedExecutable& e) { e.image_size = 0x51F7; },
      [](ForgedExecutable& e) { e.image_size = 0; },
      [](ForgedExecutable& e) { e.sections[1].address = 0x1000; },
      [](ForgedExecutable& e) { e.sections[1].address = 0x2200; },
      [](ForgedExecutable& e) { e.sections[1].memory_size = 0x2001; },
      [](ForgedExecutable& e) { e.sections[3].memory_size = 0xFFFFFFFF; },
      [](ForgedExecutable& e) { e.sections[3].address = 0xFFFFF000; },
      [](ForgedExecutable& e) { e.sections[1].offset = 0x800; },  // overlaps the one before
      [](ForgedExecutable& e) { e.sections[1].offset = 0xA01; },
      [](ForgedExecutable& e) { e.sections[0].size = 0x601; },
      [](ForgedExecutable& e) { e.sections[3].size = 0x200 + 101; },  // past the end
      [](ForgedExecutable& e) { e.sections[3].size = 0xFFFFFFFF; },
      [](ForgedExecutable& e) { e.sections[3].offset = 0xFFFFFE00; },
      [](ForgedExecutable& e) { e.length = e.head_length(); },
  };
  for (const auto& damage : damages) {
    EXPECT_TRUE(is_plain(damage)) << "damage " << &damage - damages;
  }
}

TEST(PeLayoutTest, AnExecutableOf4GiBIsNone) {
  const std::string head = ForgedExecutable().bytes();
  EXPECT_TRUE(pe_layout(view(head), UINT32_MAX));
  EXPECT_FALSE(pe_layout(view(head), std::uint64_t{1} << 32));
}

TEST(PeLayoutTest, TheHeadIsAskedForStepByStep) {
  const ForgedExecutable executable;
  const std::string bytes = executable.bytes();
  std::size_t length = 0;
  int steps = 0;
  while (true) {
    const auto wanted = pe_head_length(view(bytes).first(length));
    ASSERT_TRUE(wanted);
    if (*wanted <= length) break;
    EXPECT_FALSE(pe_layout(view(bytes).first(length), bytes.size())) << length;
    length = *wanted;
    ++steps;
  }
  EXPECT_EQ(executable.head_length(), length);
  EXPECT_LE(steps, 3);
  EXPECT_TRUE(pe_layout(view(bytes).first(length), bytes.size()));
}

TEST(PeLayoutTest, TwoBytesTellThatAFileIsNoExecutable) {
  EXPECT_TRUE(pe_head_length(view("M")));
  EXPECT_TRUE(pe_head_length(view("MZ")));
  EXPECT_FALSE(pe_head_length(view("#!")));
}

TEST(PeLayoutTest, ASectionTableMayNotBeLongerThanTheHead) {
  ForgedExecutable executable;
  executable.headers_size = max_pe_head;
  executable.length = max_pe_head;
  executable.sections.clear();
  const std::size_t count = (max_pe_head - executable.head_length()) / 40;
  for (std::uint32_t i = 0; i < count; ++i) {
    const std::uint32_t size = 0x200;
    executable.sections.push_back({0x10000 + i * 0x1000, size, 0x10000 + i * size, size});
    executable.length += size;
  }
  executable.image_size = UINT32_MAX;
  const auto layout = layout_of(executable);
  ASSERT_TRUE(layout);
  EXPECT_EQ(count - 1, layout->mappings.size()) << "the first already starts at a page";
  EXPECT_EQ(max_pe_head + (count - 1) * 0x1000 + 0x200, layout->stored_length);
  executable.sections.push_back({0x10000 + static_cast<std::uint32_t>(count) * 0x1000, 1, 0, 0});
  EXPECT_FALSE(pe_head_length(view(executable.bytes())));
}

TEST(PeLayoutTest, PartsAreFoundByTheirMappings) {
  const Mapping mappings[] = {{0x400, 0xC00}, {0xA00, 0x1600}};
  const ByteView bytes = std::as_bytes(std::span(mappings));
  const auto part = [&](std::uint64_t offset, std::uint64_t length) {
    const PePart found = find_pe_part(bytes, offset, length);
    return std::pair(found.position, found.length);
  };
  EXPECT_EQ(part(0, 0x10000), std::pair(0ul, 0x400ul));
  EXPECT_EQ(part(0x3FF, 5), std::pair(0x3FFul, 1ul));
  EXPECT_EQ(part(0x400, 5), std::pair(0x1000ul, 5ul));
  EXPECT_EQ(part(0x9FF, 5), std::pair(0x15FFul, 1ul));
  EXPECT_EQ(part(0xA00, 0x10000), std::pair(0x2000ul, 0x10000ul));
  EXPECT_EQ(part(std::uint64_t{1} << 40, 7), std::pair((std::uint64_t{1} << 40) + 0x1600, 7ul));
  const PePart whole = find_pe_part({}, 3, 9);
  EXPECT_EQ(3u, whole.position);
  EXPECT_EQ(9u, whole.length);
}

// Whether each byte has a place of its own within what is stored.
bool is_one_to_one(const PeLayout& layout, std::uint64_t file_length) {
  const ByteView mappings = std::as_bytes(std::span(layout.mappings));
  std::uint64_t end = 0;
  for (std::uint64_t offset = 0; offset < file_length;) {
    const PePart part = find_pe_part(mappings, offset, file_length - offset);
    if (part.position < end || part.length == 0) return false;
    end = part.position + part.length;
    offset += part.length;
  }
  return end == layout.stored_length;
}

TEST(PeLayoutTest, NoChangedFieldLosesAByte) {
  ForgedExecutable executable(100);
  const std::string bytes = executable.bytes();
  int laid_out = 0;
  for_each_changed_field(view(bytes).first(executable.head_length()), [&](const Bytes& head) {
    const auto layout = pe_layout(head, bytes.size());
    if (!layout) return;
    ++laid_out;
    ASSERT_TRUE(is_one_to_one(*layout, bytes.size()));
  });
  EXPECT_GT(laid_out, 0);
}

TEST(PeLayoutTest, AHeadCutOffAnywhereIsNone) {
  const ForgedExecutable executable;
  const std::string bytes = executable.bytes();
  for_each_prefix(view(bytes).first(executable.head_length()), [&](const Bytes& head) {
    EXPECT_FALSE(pe_layout(head, bytes.size())) << head.size();
  });
}

}  // namespace
}  // namespace cim::format
