#include "format/merge_marks.h"

#include <algorithm>
#include <array>
#include <cstring>

#include <fmt/format.h>

#include "format/bytes.h"
#include "format/reparse.h"

namespace cim::format {
namespace {

using DeviceNumbers = std::array<std::uint32_t, 2>;

constexpr std::uint32_t mode_of_tombstone = 0020000;  // a character device without permissions

constexpr std::string_view device_name = "$LXDEV";
constexpr std::string_view mode_name = "$LXMOD";
constexpr std::string_view merge_link_name = "CIMFS.MERGELINK";
constexpr std::string_view opaque_name = "LX.trusted.overlay.opaque";
constexpr std::string_view user_opaque_name = "LX.user.overlay.opaque";
constexpr std::string_view opaque_value = "lxeay";  // `y`, after what all Linux xattrs start with

ByteView bytes_of_text(std::string_view text) { return std::as_bytes(std::span(text)); }

bool has_value(ByteView list, std::string_view name, ByteView value) {
  const auto found = find_extended_attribute(list, name);
  return found && std::ranges::equal(*found, value);
}

// What leads from the directory of `path` to `target`.
std::u16string relative_target(std::u16string_view path, std::u16string_view target) {
  const auto depth = std::ranges::count(path, u'\\');
  std::u16string relative = depth == 0 ? u".\\" : u"";
  for (auto level = depth; level > 0; --level) relative += u"..\\";
  return relative += target;
}

}  // namespace

bool is_tombstone(const MarkedFile& file) {
  if (file.reparse_tag != tag_lx_chr) return false;
  const auto numbers = find_extended_attribute(file.extended_attributes, device_name);
  constexpr DeviceNumbers none = {};
  return !numbers || numbers->size() != sizeof(none) ||
         std::ranges::equal(*numbers, bytes_of(none));
}

bool is_opaque(const MarkedFile& directory) {
  const ByteView list = directory.extended_attributes;
  const ByteView value = bytes_of_text(opaque_value);
  return has_value(list, opaque_name, value) || has_value(list, user_opaque_name, value);
}

std::optional<std::u16string> merge_link_target(const MarkedFile& file) {
  if (file.reparse_tag != tag_symlink) return std::nullopt;
  const auto value = find_extended_attribute(file.extended_attributes, merge_link_name);
  if (!value) return std::nullopt;
  if (value->empty() || value->size() % sizeof(char16_t) != 0) {
    throw Error(Errc::corrupt, fmt::format("a target of {} bytes", value->size()))
        .with_object("merge link");
  }
  std::u16string target(value->size() / sizeof(char16_t), u'\0');
  std::memcpy(target.data(), value->data(), value->size());
  return target;
}

MarkMetadata make_tombstone() {
  MarkMetadata metadata;
  metadata.extended_attributes.add(mode_name, bytes_of(mode_of_tombstone));
  metadata.extended_attributes.add(device_name, bytes_of(DeviceNumbers{}));
  metadata.reparse_data = make_reparse_buffer(tag_lx_chr, {});
  return metadata;
}

MarkMetadata make_merge_link(std::u16string_view path, std::u16string_view target) {
  MarkMetadata metadata;
  metadata.extended_attributes.add(merge_link_name, std::as_bytes(std::span(target)));
  metadata.reparse_data = make_windows_link(tag_symlink, relative_target(path, target));
  return metadata;
}

EaBuilder add_opaque_mark(ByteView extended_attributes) {
  EaBuilder list;
  EaReader reader(extended_attributes);
  while (const auto attribute = reader.next()) {
    if (attribute->name != opaque_name)
      list.add(attribute->name, attribute->value, attribute->flags);
  }
  list.add(opaque_name, bytes_of_text(opaque_value));
  return list;
}

}  // namespace cim::format
