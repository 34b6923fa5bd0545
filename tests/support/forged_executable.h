// Executables put together by hand, as sound or as broken as a test needs.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

namespace cim::test {

// A PE image that cannot run, but whose headers say where its sections are. Change its fields as
// needed, then take bytes().
struct ForgedExecutable {
  struct Section {
    std::uint32_t address;
    std::uint32_t memory_size;
    std::uint32_t offset;
    std::uint32_t size;
  };

  // Three sections have data: 0x600 bytes at 0x400, 0x1200 at 0xA00, 0x200 at 0x1C00. A fourth is
  // only in memory. `overlay` bytes follow the last section.
  explicit ForgedExecutable(std::size_t overlay = 0) : length(0x1E00 + overlay) {}

  std::string bytes() const {
    std::string text(length, '\0');
    for (std::size_t i = 0; i < length; ++i) text[i] = static_cast<char>(1 + i * 7919 % 251);
    const auto put = [&](std::size_t offset, auto value) {
      if (offset >= length) return;
      std::memcpy(&text[offset], &value, std::min(sizeof(value), length - offset));
    };
    put(0, dos_magic);
    put(60, pe_header);
    const std::size_t header = pe_header;
    put(header, pe_magic);
    put(header + 6, section_count());
    put(header + 20, optional_header_size);
    const std::size_t optional = header + 24;
    put(optional, optional_magic);
    put(optional + 32, section_alignment);
    put(optional + 36, file_alignment);
    put(optional + 56, image_size);
    put(optional + 60, headers_size);
    std::size_t entry = optional + optional_header_size;
    for (const Section& section : sections) {
      put(entry + 8, section.memory_size);
      put(entry + 12, section.address);
      put(entry + 16, section.size);
      put(entry + 20, section.offset);
      entry += 40;
    }
    return text;
  }

  // The length of the headers, including the section table.
  std::size_t head_length() const {
    return pe_header + 24 + optional_header_size + 40 * sections.size();
  }

  // Makes it a PE32 instead of a PE32+.
  void make_pe32() {
    optional_magic = 0x10B;
    optional_header_size = 224;
  }

  std::size_t length;
  std::uint16_t dos_magic = 0x5A4D;
  std::uint32_t pe_header = 0x80;
  std::uint32_t pe_magic = 0x4550;
  std::uint16_t optional_header_size = 240;
  std::uint16_t optional_magic = 0x20B;
  std::uint32_t section_alignment = 0x1000;
  std::uint32_t file_alignment = 0x200;
  std::uint32_t image_size = 0x6000;
  std::uint32_t headers_size = 0x400;
  std::vector<Section> sections = {{0x1000, 0x5F0, 0x400, 0x600},
                                   {0x2000, 0x1150, 0xA00, 0x1200},
                                   {0x4000, 0x100, 0, 0},
                                   {0x5000, 0x1F8, 0x1C00, 0x200}};

 private:
  std::uint16_t section_count() const { return static_cast<std::uint16_t>(sections.size()); }
};

}  // namespace cim::test
