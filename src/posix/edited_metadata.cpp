// The metadata of a file in an image, changed as Linux changes that of a file.
#include "posix/edited_metadata.h"

#include <map>
#include <string_view>

#include <cim/error.h>
#include <sys/stat.h>

#include "format/bytes.h"
#include "format/filetime.h"
#include "posix/attributes.h"

namespace cim::posix {
namespace {

std::string_view as_text(ByteView bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::string text_of(std::uint32_t value) { return std::string(as_text(format::bytes_of(value))); }

// The changes of a list of extended attributes, by their names; no value: it goes.
using Changes = std::map<std::string, std::optional<std::string>, std::less<>>;

mode_t without_set_id(mode_t mode) {
  mode &= ~mode_t{S_ISUID};
  return (mode & S_IXGRP) != 0 ? mode & ~mode_t{S_ISGID} : mode;
}

Changes changes_of(const struct stat& status, const MetadataEdit& edit) {
  Changes changes;
  mode_t mode = status.st_mode;
  if (edit.owner) changes["$LXUID"] = text_of(*edit.owner);
  if (edit.group) changes["$LXGID"] = text_of(*edit.group);
  if ((edit.owner || edit.group) && S_ISREG(mode)) {
    mode = without_set_id(mode);
    changes["LX.security.capability"] = std::nullopt;
  }
  if (edit.mode) mode = edit.mode(mode);
  if (mode != status.st_mode) changes["$LXMOD"] = text_of(mode);
  if (edit.xattr) {
    const auto& [name, value] = *edit.xattr;
    auto& change = changes[std::string(format::linux_xattr_prefix) + name];
    if (value) change = "lxea" + *value;
  }
  return changes;
}

void add(format::EaBuilder& list, std::string_view name, std::string_view value) {
  list.add(name, std::as_bytes(std::span(value)));
}

void check_removal(const Image& image, const File& file, const MetadataEdit& edit) {
  if (!edit.xattr || edit.xattr->second) return;
  if (format::find_extended_attribute(
          image.extended_attributes(file),
          std::string(format::linux_xattr_prefix) + edit.xattr->first)) {
    return;
  }
  throw Error(Errc::file_not_found, "has no attribute " + edit.xattr->first);
}

}  // namespace

EditedMetadata::EditedMetadata(const Image& image, const File& file, const MetadataEdit& edit)
    : metadata_(image.metadata(file)) {
  check_removal(image, file, edit);
  const Changes changes = changes_of(attributes(image, file, {}), edit);
  format::EaReader reader(metadata_.extended_attributes);
  while (const auto attribute = reader.next()) {
    if (!changes.contains(attribute->name))
      extended_attributes_.add(attribute->name, attribute->value);
  }
  for (const auto& [name, value] : changes) {
    if (value) add(extended_attributes_, name, *value);
  }
  metadata_.extended_attributes = extended_attributes_.list();
  if (const auto mode = changes.find("$LXMOD"); mode != changes.end()) {
    constexpr mode_t write_bits = S_IWUSR | S_IWGRP | S_IWOTH;
    const auto value =
        format::load<std::uint32_t>(std::as_bytes(std::span(mode->second.value())), 0, "mode");
    metadata_.attributes &= ~attribute::read_only;
    if ((value & write_bits) == 0) metadata_.attributes |= attribute::read_only;
  }
  if (edit.mtime) {
    metadata_.last_write_time = metadata_.change_time = metadata_.last_access_time =
        format::to_filetime(*edit.mtime);
  }
}

}  // namespace cim::posix
