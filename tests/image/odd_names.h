// Names that no writer makes, in an image next to those that they must not be confused with.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include <cim/name.h>

#include "image/forged_image.h"

namespace cim::test {

// Raw characters that Windows forbids, surrogates that stand for nothing, the names that the
// mapping gives to Linux names like them, and names that look escaped. Sorted as an image has them.
inline std::vector<std::u16string> odd_names() {
  std::vector<std::u16string> names = {
      u"a\uf03ab",
      u"a:b",
      u"\u00e9",
      {0xDCC3, 0xDCA9},
      {0xD800},
      {0xD800, u'x'},
      {0xDBFF, 0xD800},
      {0xDC00},
      {0xDC80},
      {0xDCED, 0xDCA0, 0xDC80},
      {0xDD00},
      {0xDFFF},
      {0xDFFF, 0xDBFF},
      {0xDCEF, 0xDC80, 0xDCBA},
      u"\ufdd0",
      u"\ufdd0:",
      u"\ufdd0\uf03a",
      u"\ufdd0\ufdd0:",
      u"\ufdd0\ufdd0\uf03a",
      std::u16string(80, u':'),
      std::u16string(80, u'\uf03a'),
  };
  for (const char16_t unit : std::u16string_view(u"\x01\x02\t\n\x1f\"*:<>?|")) {
    names.push_back({unit});
    names.push_back({static_cast<char16_t>(0xF000 + unit)});
  }
  std::ranges::sort(names);
  return names;
}

// Makes the image forged.cim in `directory`, which has a file of each name in its root. Each file
// contains its Linux name. Returns its path.
inline std::string forge_odd_names(const std::string& directory) {
  ForgedImage forged;
  std::vector<std::pair<std::u16string, FileId>> entries;
  std::vector<format::File> files(1);
  for (const std::u16string& name : odd_names()) {
    files.push_back({.default_stream = forged.file_data(image_to_linux_name(name)), .parent = 1});
    entries.emplace_back(name, static_cast<FileId>(files.size()));
  }
  files[0] = {.default_stream = forged.directory(entries), .parent = 1};
  return forged.write(directory, files);
}

}  // namespace cim::test
