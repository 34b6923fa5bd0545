#include "image/object_ids.h"

#include <algorithm>
#include <cstring>
#include <span>

#include <cim/error.h>
#include <fmt/format.h>

#include "format/bytes.h"
#include "format/guid.h"
#include "image/region.h"

namespace cim {

namespace {

constexpr std::size_t max_copied = std::size_t{1} << 24;  // entries: 640 MiB

Mapping map_regular_file(int directory_fd, const std::string& name, const std::string& path) {
  const FileDescriptor fd = open_regular_file(directory_fd, name, path);
  return Mapping(fd.get(), file_size(fd.get(), path), path);
}

}  // namespace

ObjectIds::ObjectIds(int directory_fd, const std::string& directory, const format::Guid& set,
                     std::uint16_t index)
    : path_(directory + "/" + object_id_file_name(set, index)),
      is_ours_(format::is_content_guid(set)),
      mapping_(map_regular_file(directory_fd, object_id_file_name(set, index), path_)) {
  const ByteView bytes = mapping_.bytes();
  if (bytes.size() < sizeof(format::ObjectIdHeader)) {
    throw Error(Errc::corrupt, "is truncated: shorter than its header").with_path(path_);
  }
  const auto header = format::load<format::ObjectIdHeader>(bytes, 0, "header");
  check_common_header(header.common, format::FileType::object_id, path_);
  header_ = header.common;
  if (header.index != index) {
    throw Error(Errc::corrupt, fmt::format("says that it is file {}", header.index))
        .with_path(path_);
  }
  const std::uint64_t length = std::uint64_t{header.count} * sizeof(format::ObjectIdEntry);
  if (header.table_offset > bytes.size() || length > bytes.size() - header.table_offset) {
    throw Error(Errc::corrupt, fmt::format("is truncated: {} entries do not fit", header.count))
        .with_path(path_);
  }
  entries_ = bytes.subspan(header.table_offset, length);
}

format::ObjectIdEntry ObjectIds::operator[](std::size_t i) const {
  return format::load<format::ObjectIdEntry>(entries_, i * sizeof(format::ObjectIdEntry),
                                             "object id");
}

void ObjectIds::sort() {
  if (is_ours_) return;
  const auto is_before = [](const format::ObjectIdEntry& a, const format::ObjectIdEntry& b) {
    return compare_object_ids(a, b) < 0;
  };
  bool is_sorted = true;
  for (std::size_t i = 1; i < size() && is_sorted; ++i) {
    is_sorted = !is_before((*this)[i], (*this)[i - 1]);
  }
  if (is_sorted) return;
  if (size() <= max_copied) {
    sorted_.resize(size());
    std::memcpy(sorted_.data(), entries_.data(), entries_.size());
    std::ranges::sort(sorted_, is_before);
  }
  entries_ = std::as_bytes(std::span(sorted_));
}

std::strong_ordering compare_object_ids(const format::ObjectIdEntry& a,
                                        const format::ObjectIdEntry& b) noexcept {
  if (a.length != b.length) return std::uint64_t{a.length} <=> std::uint64_t{b.length};
  return std::memcmp(a.digest, b.digest, sizeof(a.digest)) <=> 0;
}

}  // namespace cim
