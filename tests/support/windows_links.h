// Symbolic links as Windows makes them.
#pragma once

#include <string>
#include <vector>

#include "format/bytes.h"
#include "format/reparse.h"
#include "image/forged_image.h"
#include "support/image_content.h"

namespace cim::test {

// A REPARSE_DATA_BUFFER, which has flags only if `tag` is that of a symbolic link.
inline std::vector<std::byte> windows_link(std::uint32_t tag, std::u16string_view target) {
  const auto length = static_cast<std::uint16_t>(target.size() * sizeof(char16_t));
  std::string payload;
  const auto append = [&payload](const auto& value) {
    payload.append(reinterpret_cast<const char*>(&value), sizeof(value));
  };
  // Offset and length of the substitute name, then of the print name.
  for (const std::uint16_t field : {std::uint16_t{0}, length, length, std::uint16_t{0}}) {
    append(field);
  }
  if (tag == format::tag_symlink) append(std::uint32_t{target.front() == u'\\' ? 0U : 1U});
  payload.append(reinterpret_cast<const char*>(target.data()), length);
  return format::make_reparse_buffer(tag, bytes(payload));
}

// Writes an image of version `major` into `directory`: the file `d/file`, and the links `d/e/link`
// and `top` to `C:\d\file`. Returns its path. Before version 2 no record names the
// file's directory, on which the Linux target of such a link depends.
inline std::string forge_absolute_links(const std::string& directory, std::uint32_t major) {
  ForgedImage forged;
  forged.header.common.version_major = major;
  const std::vector<std::byte> link = windows_link(format::tag_symlink, u"\\??\\C:\\d\\file");
  std::vector<std::byte> counted;
  format::append(counted, format::bytes_of(static_cast<std::uint16_t>(link.size())));
  format::append(counted, link);
  const format::RegionOffset reparse_data = forged.add_metadata(counted);
  std::vector<format::File> files = {
      {.default_stream = forged.directory({{u"d", 2}, {u"top", 5}}), .parent = 1},
      {.default_stream = forged.directory({{u"e", 3}, {u"file", 6}}), .parent = 1},
      {.default_stream = forged.directory({{u"link", 4}}), .parent = 2},
      {.reparse_tag = format::tag_symlink, .reparse_data = reparse_data, .parent = 3},
      {.reparse_tag = format::tag_symlink, .reparse_data = reparse_data, .parent = 1},
      {.default_stream = forged.file_data("content"), .parent = 2}};
  // Not every file system has the year 1601.
  for (format::File& file : files) file.last_write_time = 126'227'808'000'000'000;
  return forged.write(directory, files);
}

}  // namespace cim::test
