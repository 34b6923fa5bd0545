#include "image/check.h"

#include <algorithm>
#include <cerrno>
#include <compare>
#include <cstring>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include "format/bytes.h"
#include "format/extended_attributes.h"
#include "format/reparse.h"
#include "format/security_descriptor.h"
#include "format/upcase.h"
#include "image/base.h"
#include "image/digest.h"
#include "image/region.h"

namespace cim {
namespace {

constexpr std::uint64_t max_told = 1000;

// What the walk has learned of a file id.
struct Reached {
  std::uint32_t links = 0;  // names of a file, subdirectories of a directory
  bool seen = false;
  bool parent_found = false;  // the directory that the record names holds a name of it
};

class Check {
 public:
  Check(std::string path, CheckObserver& observer) : path_(std::move(path)), observer_(observer) {}

  CheckResult run(bool data);

 private:
  struct ObjectIds {
    std::string path;
    const RegionInfo* region;
    Mapping mapping;
    ByteView entries;
  };

  void tell(bool is_error, std::string message);
  void error(std::string message) { tell(true, std::move(message)); }
  void warning(std::string message) { tell(false, std::move(message)); }
  template <typename Action>
  bool attempt(Action&& action);

  bool check_region_files();
  bool check_file_tables(const Image& image);
  void walk(const Image& image);
  void check_directory(const Image& image, FileId id);
  void check_entry(const Image& image, FileId directory, FileId child);
  void check_file(const Image& image, const File& file);
  void check_reparse_data(const Image& image, const File& file);
  void check_stream(const Image& image, const Stream& stream);
  void check_named_streams(const Image& image, const File& file);
  void check_parents(const Image& image);
  void check_link_counts(const Image& image);
  void open_object_ids();
  void check_objects(const ObjectIds& ids);

  const std::string path_;
  CheckObserver& observer_;
  CheckResult result_;
  FilesystemFile header_ = {};
  std::vector<RegionInfo> regions_;
  std::vector<ObjectIds> object_ids_;
  std::vector<Reached> reached_;  // by file id
  std::vector<FileId> pending_;   // directories that are still to be walked
};

void Check::tell(bool is_error, std::string message) {
  std::uint64_t& count = is_error ? result_.errors : result_.warnings;
  if (++count > max_told) return;
  if (!message.starts_with(path_ + ": ")) message = path_ + ": " + message;
  observer_.found(is_error, message);
}

// Runs `action` and tells of the Error that it throws. Returns whether it throws none.
template <typename Action>
bool Check::attempt(Action&& action) {
  try {
    action();
    return true;
  } catch (const Error& failure) {
    error(failure.what());
    return false;
  }
}

CheckResult Check::run(bool data) {
  const FileDescriptor fd = open_regular_file(AT_FDCWD, path_, path_);
  if (!attempt([&] { header_ = read_filesystem_file(fd.get(), path_); })) return result_;
  if (!check_region_files()) return result_;
  open_object_ids();
  attempt([&] {
    const Image image(path_);
    if (!check_file_tables(image)) return;
    std::uint64_t bytes = 0;
    const bool known_digests = BaseImage(image).first_own_file().has_value();
    if (data && !known_digests) warning("made by another writer: its digests are not compared");
    if (data && known_digests) {
      for (const ObjectIds& ids : object_ids_) bytes += ids.region->size;
    }
    observer_.expect(image.file_id_limit(), bytes);
    walk(image);
    check_parents(image);
    check_link_counts(image);
    if (!data || !known_digests) return;
    for (const ObjectIds& ids : object_ids_) attempt([&] { check_objects(ids); });
  });
  return result_;
}

bool Check::check_region_files() {
  const std::string directory = directory_of(path_);
  const FileDescriptor fd(open(directory.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!fd) throw system_error(errno, directory);
  bool complete = true;
  for (const format::RegionSet& set : header_.sets) {
    for (std::uint16_t i = 0; i < set.count; ++i) {
      complete &= attempt([&] {
        const Region region = open_region(fd.get(), directory, set, i);
        regions_.push_back({region.path, region.type, region.size});
      });
    }
    const std::string spare = region_file_name(set.id, set.count);
    if (faccessat(fd.get(), spare.c_str(), F_OK, 0) == 0) {
      warning(directory + "/" + spare + ": is more than the region set has");
    }
  }
  return complete;
}

// Proves that the records of all file ids are there, each in a place of its own, so that an array
// by file id is no larger than the image.
bool Check::check_file_tables(const Image& image) {
  const BaseImage tables(image);
  std::uint64_t records = 0;
  bool complete = true;
  for (std::uint32_t i = 0; i < tables.file_table_count(); ++i) {
    complete &= attempt([&] { records += tables.file_table(i).records.size(); });
  }
  std::uint64_t metadata = 0;
  for (const RegionInfo& region : regions_) {
    if (region.type == RegionType::metadata) metadata += region.size;
  }
  // A missing table proves nothing about its ids; they cost what 1024 records would.
  if (records > metadata || std::uint64_t{image.file_id_limit()} * sizeof(Reached) > metadata) {
    error("file tables overlap: they claim more records than the metadata can hold");
    return false;
  }
  return complete || records > 0;
}

void Check::walk(const Image& image) {
  reached_.resize(std::size_t{image.file_id_limit()} + 1);
  Reached& root = reached_.at(image.root());
  root.seen = true;
  root.parent_found = true;
  attempt([&] { check_file(image, image.file(image.root())); });
  pending_.push_back(image.root());
  while (!pending_.empty()) {
    const FileId id = std::exchange(pending_.back(), 0);
    pending_.pop_back();
    attempt([&] { check_directory(image, id); });
  }
  result_.unused = image.file_id_limit() - result_.files;
}

void Check::check_directory(const Image& image, FileId id) {
  const Directory directory = image.entries(image.file(id));
  EntryName names[2];
  for (std::uint32_t i = 0; i < directory.size(); ++i) {
    EntryName& name = names[i % 2];
    const EntryName& previous = names[(i + 1) % 2];
    const FileId child = image.entry(directory, i, name);
    if (i > 0) {
      const auto order = format::compare_names(previous.view(), name.view(), image.upcase_table());
      if (std::is_eq(order)) error(fmt::format("directory {}: entry {}: same name twice", id, i));
      if (std::is_gt(order)) error(fmt::format("directory {}: entry {}: out of order", id, i));
    }
    attempt([&] { check_entry(image, id, child); });
  }
}

void Check::check_entry(const Image& image, FileId directory, FileId child) {
  const File file = image.file(child);
  Reached& reached = reached_[child];
  if (file.parent == directory || file.parent == 0) reached.parent_found = true;
  if (file.is_directory()) {
    ++reached_[directory].links;
    if (reached.seen) {
      error(fmt::format("directory {}: has a second name, in directory {}", child, directory));
      return;
    }
    pending_.push_back(child);
  } else {
    ++reached.links;
  }
  if (std::exchange(reached.seen, true)) return;
  check_file(image, file);
}

void Check::check_file(const Image& image, const File& file) {
  ++result_.files;
  observer_.advance(1, 0);
  attempt([&] {
    const ByteView descriptor = image.security_descriptor(file);
    if (file.security_descriptor_offset != 0 && !descriptor.empty() &&
        !format::is_valid_security_descriptor(descriptor)) {
      error(fmt::format("file {}: malformed security descriptor", file.id));
    }
  });
  const auto within_file = [&](const char* what, auto&& action) {
    try {
      action();
    } catch (const Error& failure) {
      std::string message = failure.what();
      if (message.starts_with(path_ + ": ")) message.erase(0, path_.size() + 2);
      error(fmt::format("file {}: {}: {}", file.id, what, message));
    }
  };
  within_file("extended attributes", [&] {
    format::EaReader attributes(image.extended_attributes(file));
    while (attributes.next()) {
    }
  });
  within_file("reparse data", [&] { check_reparse_data(image, file); });
  if (!file.is_directory()) within_file("data", [&] { check_stream(image, file.stream); });
  within_file("alternate streams", [&] { check_named_streams(image, file); });
}

void Check::check_reparse_data(const Image& image, const File& file) {
  if (file.reparse_data_offset == 0) return;
  const ByteView buffer = image.reparse_data(file);
  format::reparse_payload(buffer, file.reparse_tag);
  if (file.reparse_tag == format::tag_lx_symlink) format::lx_symlink_target(buffer);
  if (file.reparse_tag == format::tag_symlink || file.reparse_tag == format::tag_mount_point) {
    format::windows_link(buffer);
  }
}

void Check::check_stream(const Image& image, const Stream& stream) {
  for (std::uint64_t offset = 0; offset < stream.length;) {
    const Extent part = image.extent(stream, offset, stream.length - offset);
    if (part.length == 0) throw Error(Errc::corrupt, "an extent without length");
    offset += part.length;
  }
}

void Check::check_named_streams(const Image& image, const File& file) {
  const std::vector<NamedStream> streams = image.named_streams(file);
  for (std::size_t i = 0; i < streams.size(); ++i) {
    if (i > 0 && !std::is_lt(format::compare_names(streams[i - 1].name, streams[i].name,
                                                   image.upcase_table()))) {
      error(fmt::format("file {}: alternate stream {}: out of order", file.id, i));
    }
    check_stream(image, streams[i].stream);
  }
}

void Check::check_parents(const Image& image) {
  for (FileId id = 1; id < reached_.size(); ++id) {
    if (!reached_[id].seen || reached_[id].parent_found) continue;
    error(fmt::format("file {}: its parent, {}, has no name of it", id, image.file(id).parent));
  }
}

void Check::check_link_counts(const Image& image) {
  const BaseImage base(image);
  if (!base.first_own_file()) return;  // another writer's, which records none
  const auto recorded = base.recorded_link_counts();
  if (!recorded) return error("recorded link counts: malformed");
  auto next = recorded->begin();
  for (FileId id = 1; id < reached_.size(); ++id) {
    while (next != recorded->end() && next->id < id) ++next;
    if (!reached_[id].seen) continue;
    const bool is_directory = image.file(id).is_directory();
    const std::uint32_t common = is_directory ? 2 : 1;
    const bool is_recorded = next != recorded->end() && next->id == id;
    const std::uint32_t claimed = is_recorded ? next->count : common;
    const std::uint32_t links = reached_[id].links + (is_directory ? 2 : 0);
    if (claimed == links) continue;
    error(fmt::format("file {}: link count {} is recorded, but there are {}", id, claimed, links));
  }
}

void Check::open_object_ids() {
  std::size_t region = 0;
  for (const format::RegionSet& set : header_.sets) {
    for (std::uint16_t i = 0; i < set.count; ++i, ++region) {
      const std::string path = directory_of(path_) + "/" + object_id_file_name(set.id, i);
      try {
        const FileDescriptor fd = open_regular_file(AT_FDCWD, path, path);
        Mapping mapping(fd.get(), file_size(fd.get(), path), path);
        const ByteView bytes = mapping.bytes();
        const auto header = format::load<format::ObjectIdHeader>(bytes, 0, "header");
        check_common_header(header.common, format::FileType::object_id, path);
        if (header.index != i) throw Error(Errc::corrupt, path + ": has the index of another");
        const ByteView entries =
            format::slice(bytes, header.table_offset,
                          std::uint64_t{header.count} * sizeof(format::ObjectIdEntry), "table");
        object_ids_.push_back({path, &regions_[region], std::move(mapping), entries});
      } catch (const Error& failure) {
        std::string message = failure.what();
        if (!message.starts_with(path)) message = path + ": " + message;
        tell(failure.code() != Errc::file_not_found, message);
      }
    }
  }
}

void Check::check_objects(const ObjectIds& ids) {
  const std::string& region = ids.region->path;
  const FileDescriptor fd = open_regular_file(AT_FDCWD, region, region);
  std::uint64_t left = ids.region->size;  // objects do not overlap, so this bounds the time
  std::vector<std::byte> buffer(std::size_t{1} << 20);
  Hasher hasher;
  for (std::size_t at = 0; at < ids.entries.size(); at += sizeof(format::ObjectIdEntry)) {
    const auto entry = format::load<format::ObjectIdEntry>(ids.entries, at, "object id");
    const std::uint64_t start = entry.byte_offset;
    const std::uint64_t length = entry.length;
    if (start > ids.region->size || length > ids.region->size - start || length > left) {
      error(
          fmt::format("{}: object at {}: {} bytes are not in the region", ids.path, start, length));
      continue;
    }
    left -= length;
    hasher.reset();
    for (std::uint64_t done = 0; done < length;) {
      const auto wanted = std::min<std::uint64_t>(buffer.size(), length - done);
      const std::size_t n = read_at(fd.get(), buffer.data(), wanted, start + done, region);
      if (n < wanted) throw Error(Errc::io_error, region + ": has become shorter");
      hasher.update(std::span(buffer).first(n));
      done += n;
      observer_.advance(0, n);
    }
    const Digest digest = hasher.finish();
    if (std::memcmp(digest.data(), entry.digest, digest.size()) != 0) {
      error(fmt::format("{}: {} bytes at {} do not have the digest that is recorded", region,
                        length, start));
    }
    ++result_.objects;
  }
}

}  // namespace

CheckResult check_image(const std::string& path, bool data, CheckObserver& observer) {
  return Check(path, observer).run(data);
}

}  // namespace cim
