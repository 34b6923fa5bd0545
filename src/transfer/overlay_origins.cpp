// What the directories of an overlay's upper directory have below them.
#include "transfer/overlay_origins.h"

#include <cim/error.h>
#include <cim/name.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include "format/upcase.h"
#include "posix/attributes.h"

namespace cim::transfer {
namespace {

bool is_below(std::u16string_view path, std::u16string_view top) {
  return top.empty() ||
         (path.starts_with(top) && path.size() > top.size() && path[top.size()] == u'\\');
}

std::u16string join(const std::u16string& directory, std::u16string_view name) {
  return directory.empty() ? std::u16string(name) : (directory + u'\\').append(name);
}

// How `directory` of `image`, which ignores case, spells its entry `name`.
std::u16string spelling(const Image& image, const File& directory, std::u16string_view name) {
  const Directory entries = image.entries(directory);
  EntryName entry;
  std::uint32_t first = 0;
  for (std::uint32_t end = entries.size(); first < end;) {
    const std::uint32_t middle = first + (end - first) / 2;
    image.entry(entries, middle, entry);
    const auto order = format::compare_names(entry.view(), name, image.upcase_table());
    if (order == 0) return std::u16string(entry.view());
    if (order < 0) {
      first = middle + 1;
    } else {
      end = middle;
    }
  }
  return std::u16string(name);
}

}  // namespace

void OverlayOrigins::move_to(const std::u16string& path) {
  path_ = path;
  if (path.empty()) {
    counterpart_ = Origin{u"", base_.file(base_.root())};
    return;
  }
  while (!is_below(path, levels_.back().path)) levels_.pop_back();
  counterpart_.reset();
  const std::optional<Origin>& directory = levels_.back().origin;
  if (!directory) return;
  const std::u16string_view name = std::u16string_view(path).substr(path.rfind(u'\\') + 1);
  counterpart_ = find(*directory, name);
  if (!counterpart_ || base_.case_sensitive()) return;
  const std::u16string other = spelling(base_, directory->file, name);
  if (other == name) return;
  throw Error(Errc::already_exists,
              fmt::format("is '{}' in {}, where case does not matter; an overlay has both",
                          image_to_linux_name(other), base_.path()));
}

std::optional<Origin> OverlayOrigins::origin(const OverlayMarks& marks) const {
  if (!marks.redirect) return counterpart_;
  const std::optional<Origin> target = find_redirected(*marks.redirect);
  if (target) return target;
  throw Error(Errc::path_not_found,
              fmt::format("was {}, which is not in {}", *marks.redirect, base_.path()));
}

std::optional<Origin> OverlayOrigins::find(const Origin& directory,
                                           std::u16string_view name) const {
  if (!posix::is_directory(directory.file)) return std::nullopt;
  const auto id = base_.find(directory.file, name);
  if (!id) return std::nullopt;
  return Origin{join(directory.path, name), base_.file(*id)};
}

// An absolute path is that of the lower directory; a name is one beside the counterpart.
std::optional<Origin> OverlayOrigins::find_redirected(const std::string& redirect) const {
  if (!redirect.starts_with('/')) {
    const std::optional<Origin>& directory = levels_.back().origin;
    return directory ? find(*directory, linux_to_image_name(redirect)) : std::nullopt;
  }
  std::optional<Origin> found = Origin{u"", base_.file(base_.root())};
  for (std::string_view rest = redirect; found && !rest.empty();) {
    rest.remove_prefix(1);
    const std::string_view name = rest.substr(0, rest.find('/'));
    found = find(*found, linux_to_image_name(name));
    rest.remove_prefix(name.size());
  }
  return found;
}

bool is_merged(const std::optional<Origin>& origin) {
  return origin && posix::is_directory(origin->file);
}

bool is_regular(const Image& image, const File& file) {
  return S_ISREG(posix::attributes(image, file, {}).st_mode);
}

}  // namespace cim::transfer
