#include "writer/path.h"

#include <algorithm>

#include <cim/error.h>
#include <cim/name.h>
#include <fmt/format.h>

namespace cim {

namespace {

bool is_forbidden(char16_t unit) { return unit == 0 || unit == u'/' || unit == u'\\'; }

std::string quote(std::u16string_view text) { return "'" + image_to_linux_name(text) + "'"; }

}  // namespace

void check_name(std::u16string_view name) {
  if (name.empty()) throw Error(Errc::invalid_argument, "a name is empty");
  if (name.size() > max_name_units) {
    throw Error(Errc::name_too_long,
                fmt::format("the name has {} units, the limit is {}", name.size(), max_name_units))
        .with_object(quote(name));
  }
  if (name == u"." || name == u"..") {
    throw Error(Errc::invalid_argument, fmt::format("{} cannot name a file", quote(name)));
  }
  const auto forbidden = std::ranges::find_if(name, is_forbidden);
  if (forbidden != name.end()) {
    throw Error(Errc::invalid_argument, fmt::format("the name has the forbidden character U+{:04X}",
                                                    static_cast<unsigned>(*forbidden)))
        .with_object(quote(name));
  }
}

std::vector<std::u16string_view> split_path(std::u16string_view path) {
  if (path.size() > max_path_units) {
    throw Error(Errc::name_too_long,
                fmt::format("a path has {} units, the limit is {}", path.size(), max_path_units));
  }
  std::vector<std::u16string_view> names;
  if (path.empty()) return names;
  for (;;) {
    const std::size_t end = path.find(u'\\');
    names.push_back(path.substr(0, end));
    check_name(names.back());
    if (end == std::u16string_view::npos) return names;
    path.remove_prefix(end + 1);
  }
}

}  // namespace cim
