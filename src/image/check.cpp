#include "image/check.h"

#include <algorithm>
#include <cerrno>
#include <compare>
#include <cstring>
#include <numeric>
#include <optional>
#include <utility>
#include <vector>

#include <boost/filesystem.hpp>
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include "format/bytes.h"
#include "format/extended_attributes.h"
#include "format/reparse.h"
#include "format/security_descriptor.h"
#include "format/upcase.h"
#include "image/digest.h"
#include "image/file_io.h"
#include "image/internals.h"
#include "image/metadata_tally.h"
#include "image/object_data.h"
#include "image/object_ids.h"
#include "image/region.h"

namespace cim {
namespace {

constexpr std::uint64_t max_told = 1000;

// The most missing region files to name: a header may claim any number of them.
constexpr std::size_t max_missing_told = 16;

// What the walk has learned of a file id.
struct Reached {
  std::uint64_t names = 0;  // the sum of hash_of_name() for each name
  std::uint32_t links = 0;  // names of a file, subdirectories of a directory
  bool seen = false;
  bool parent_found = false;  // the directory that the record names holds a name of it
};

// Whether there is no file `name` in the directory. An image may claim very many files, and asking
// costs little compared to catching the Error of a failed open.
bool is_missing(int directory_fd, const std::string& name) {
  return faccessat(directory_fd, name.c_str(), F_OK, 0) != 0 && errno == ENOENT;
}

// The sums of these tell whether two places have the same names, in whatever order.
std::uint64_t hash_of_name(std::u16string_view name, FileId directory) {
  return std::hash<std::u16string_view>()(name) * 31 +
         std::hash<FileId>()(directory) * 0x9E3779B97F4A7C15;
}

class Check {
 public:
  Check(std::string path, CheckObserver& observer) : path_(std::move(path)), observer_(observer) {}

  CheckResult run(bool data);

 private:
  void tell(bool is_error, const Error& finding);
  void error(const Error& finding) { tell(true, finding); }
  void error(std::string reason, std::string_view path = {}) {
    error(Error(Errc::corrupt, std::move(reason)).with_path(path));
  }
  void warning(const Error& finding) { tell(false, finding); }
  void warning(std::string reason, std::string_view path) {
    warning(Error(Errc::corrupt, std::move(reason)).with_path(path));
  }
  template <typename Action>
  bool attempt(Action&& action);

  void check_header_length(int fd, std::size_t least, const std::string& path);
  void check_header_length(const format::CommonHeader& header, std::uint64_t size,
                           std::size_t least, const std::string& path);
  bool check_region_files(int directory_fd, const std::string& directory);
  void check_for_spare_files(const std::string& directory);
  bool check_file_tables(const Image& image);
  void walk(const Image& image);
  void check_directory(const Image& image, FileId id);
  void check_entry(const Image& image, FileId directory, std::u16string_view name, FileId child);
  void check_file(const Image& image, const File& file);
  void check_reparse_data(const Image& image, const File& file);
  void check_stream(const Image& image, const Stream& stream);
  static void check_mappings(const PeImageObject& executable);
  void check_named_streams(const Image& image, const File& file);
  void check_parents(const Image& image);
  void check_name_tables(const Image& image);
  void check_link_counts(const Image& image);
  void open_object_ids(int directory_fd, const std::string& directory);
  void check_order(const ObjectIds& ids);
  void check_data();
  void check_region_data(const RegionInfo& region, const ObjectIds* ids);
  void check_object(int fd, const RegionInfo& region, const format::ObjectIdEntry& entry);
  bool has_digest(const FilePart& object, const Digest& digest);
  void advance(std::uint64_t bytes) { observer_.advance(0, bytes); }

  const std::string path_;
  CheckObserver& observer_;
  CheckResult result_;
  FilesystemFile header_ = {};
  std::vector<RegionInfo> regions_;
  std::vector<std::optional<ObjectIds>> object_ids_;  // by region
  std::vector<Reached> reached_;                      // by file id
  std::vector<FileId> pending_;                       // directories still to be walked
  std::optional<MetadataTally> tally_;
  std::optional<AttributeNames> attribute_names_;
};

void Check::tell(bool is_error, const Error& finding) {
  std::uint64_t& count = is_error ? result_.errors : result_.warnings;
  if (++count > max_told) return;
  observer_.found(is_error, finding.with_image(path_).what());
}

// Runs `action` and reports the Error that it throws. Returns whether it throws none.
template <typename Action>
bool Check::attempt(Action&& action) {
  try {
    action();
    return true;
  } catch (const Error& failure) {
    error(failure);
    return false;
  }
}

CheckResult Check::run(bool data) {
  const FileDescriptor fd = open_regular_file(AT_FDCWD, path_, path_);
  if (!attempt([&] { header_ = read_filesystem_file(fd.get(), path_); })) return result_;
  check_header_length(fd.get(), sizeof(format::FilesystemHeader), path_);
  const std::string directory = directory_of(path_);
  const FileDescriptor directory_fd(open(directory.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!directory_fd) throw system_error(errno, directory);
  check_for_spare_files(directory);
  if (!check_region_files(directory_fd.get(), directory)) return result_;
  open_object_ids(directory_fd.get(), directory);
  attempt([&] {
    const Image image(path_);
    image.read_metadata_ahead();
    if (!check_file_tables(image)) return;
    std::uint64_t bytes = 0;
    if (data) {
      for (const RegionInfo& region : regions_) bytes += region.size;
    }
    observer_.expect(image.file_id_limit(), bytes);
    attribute_names_ = ImageInternals(image).attribute_names();
    walk(image);
    check_parents(image);
    check_name_tables(image);
    attempt([&] { check_link_counts(image); });
    for (const auto& ids : object_ids_) {
      if (ids && ids->has_known_digests()) check_order(*ids);
    }
    if (data) check_data();
  });
  return result_;
}

void Check::check_header_length(int fd, std::size_t least, const std::string& path) {
  format::CommonHeader header = {};
  read_at(fd, &header, sizeof(header), 0, path);
  check_header_length(header, file_size(fd, path), least, path);
}

void Check::check_header_length(const format::CommonHeader& header, std::uint64_t size,
                                std::size_t least, const std::string& path) {
  const std::uint32_t length = header.header_length;
  if (length >= least && length <= size) return;
  error(fmt::format("claims a header of {} bytes", length), path);
}

bool Check::check_region_files(int directory_fd, const std::string& directory) {
  bool complete = true;
  std::size_t missing = 0;
  for (const format::RegionSet& set : header_.sets) {
    for (std::uint16_t i = 0; i < set.count; ++i) {
      const std::string name = region_file_name(set.id, i);
      if (is_missing(directory_fd, name)) {
        if (++missing <= max_missing_told) {
          error(system_error(ENOENT, directory + "/" + name));
        }
        continue;
      }
      complete &= attempt([&] {
        const Region region = open_region(directory_fd, directory, set, i);
        check_header_length(region.fd.get(), sizeof(format::RegionHeader), region.path);
        regions_.push_back({region.path, region.type, region.size});
      });
    }
  }
  if (missing > max_missing_told) {
    error(fmt::format("{} more region files are missing", missing - max_missing_told));
  }
  return complete && missing == 0;
}

void Check::check_for_spare_files(const std::string& directory) {
  boost::system::error_code error_code;
  boost::filesystem::directory_iterator entry(directory, error_code);
  for (; !error_code && entry != boost::filesystem::directory_iterator();
       entry.increment(error_code)) {
    const auto name = parse_region_file_name(entry->path().filename().string());
    if (!name) continue;
    const auto set = std::ranges::find_if(header_.sets, [&](const format::RegionSet& candidate) {
      return std::memcmp(&candidate.id, &name->set, sizeof(name->set)) == 0;
    });
    if (set == header_.sets.end() || name->index < set->count) continue;
    warning("is not in its region set", entry->path().string());
  }
  if (error_code) warning("cannot be searched for spare files", directory);
}

// Proves that the records of all file ids are there, each in a place of its own, so that an array
// by file id is no larger than the image.
bool Check::check_file_tables(const Image& image) {
  const ImageInternals tables(image);
  bool any = false;
  for (std::uint32_t i = 0; i < tables.file_table_count(); ++i) {
    any |= attempt([&] { tables.file_table(i); });
  }
  // A missing table proves nothing about its ids; these cost as much as 1024 records.
  if (std::uint64_t{image.file_id_limit()} * sizeof(Reached) > tables.metadata_size()) {
    error("file tables overlap: they claim more records than the metadata can hold");
    return false;
  }
  return any;
}

void Check::walk(const Image& image) {
  tally_.emplace(image);
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
    tally_->add_entry(name.view());
    if (i > 0) {
      const auto order = format::compare_names(previous.view(), name.view(), image.upcase_table());
      if (std::is_eq(order)) error(fmt::format("directory {}: entry {}: same name twice", id, i));
      if (std::is_gt(order)) error(fmt::format("directory {}: entry {}: out of order", id, i));
    }
    attempt([&] { check_entry(image, id, name.view(), child); });
  }
}

void Check::check_entry(const Image& image, FileId directory, std::u16string_view name,
                        FileId child) {
  const File file = image.file(child);
  Reached& reached = reached_[child];
  reached.names += hash_of_name(name, directory);
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
      error(failure.with_object(fmt::format("file {}: {}", file.id, what)));
    }
  };
  within_file("extended attributes", [&] {
    format::EaReader attributes(image.extended_attributes(file));
    while (const auto attribute = attributes.next()) {
      if (!attribute_names_ || !attribute->name.starts_with(format::linux_xattr_prefix)) continue;
      if (attribute_names_->may_include(attribute->name)) continue;
      error(fmt::format("file {}: has an extended attribute whose name is not recorded", file.id));
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
  if (stream.type != StreamType::link_table && !stream.sparse && stream.length > 0) {
    format::RegionOffset data = stream.region_offset;
    if (stream.type == StreamType::pe_image) {
      const PeImageObject executable = ImageInternals(image).pe_image(stream);
      data = executable.header.data;
      tally_->add_part_of_file(executable.mappings.size());
      check_mappings(executable);
    }
    const std::size_t home = format::region_index(data);
    if (home < regions_.size() && regions_[home].type == RegionType::metadata) {
      throw Error(Errc::corrupt, "is in a metadata region");
    }
  }
  for (std::uint64_t offset = 0; offset < stream.length;) {
    const Extent part = image.extent(stream, offset, stream.length - offset);
    if (part.length == 0) throw Error(Errc::corrupt, "an empty extent");
    offset += part.length;
  }
}

// Readers cope with any order, but then one stored byte may be read as two bytes of the file.
void Check::check_mappings(const PeImageObject& executable) {
  constexpr std::size_t size = sizeof(format::PeImageMapping);
  format::PeImageMapping previous = {};
  for (std::size_t i = 0; i < executable.header.mapping_count; ++i) {
    const auto mapping = format::load<format::PeImageMapping>(executable.mappings, i * size, "");
    const bool is_past = i == 0 || mapping.file_offset > previous.file_offset;
    if (!is_past || mapping.delta < previous.delta) {
      throw Error(Errc::corrupt, fmt::format("PE image mapping {}: out of order", i));
    }
    previous = mapping;
  }
}

void Check::check_named_streams(const Image& image, const File& file) {
  tally_->add_part_of_file(ImageInternals(image).stream_table_size(file));
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

void Check::check_name_tables(const Image& image) {
  for (FileId id = 1; id < reached_.size(); ++id) {
    if (!reached_[id].seen || id == image.root()) continue;
    attempt([&] {
      const File file = image.file(id);
      if (file.name_table_offset == 0) return;
      std::uint64_t names = 0;
      for (const FileName& name : ImageInternals(image).names(file)) {
        tally_->add_part_of_file(format::link_table_entry_size(sizeof(FileId), name.name.size()));
        names += hash_of_name(name.name, name.directory);
      }
      if (names == reached_[id].names) return;
      error(fmt::format("file {}: its name table has other names than directories have", id));
    });
  }
}

void Check::check_link_counts(const Image& image) {
  const ImageInternals base(image);
  const auto recorded = base.recorded_link_counts();
  if (!recorded) return;
  auto next = recorded->begin();
  for (FileId id = 1; id < reached_.size(); ++id) {
    while (next != recorded->end() && next->id < id) ++next;
    if (!reached_[id].seen) continue;
    const File file = image.file(id);
    const bool is_directory = file.is_directory();
    if (!is_directory && file.name_table_offset != 0) continue;
    const std::uint32_t common = is_directory ? 2 : 1;
    const bool is_recorded = next != recorded->end() && next->id == id;
    const std::uint32_t claimed = is_recorded ? next->count : common;
    const std::uint32_t links = reached_[id].links + (is_directory ? 2 : 0);
    if (claimed == links) continue;
    error(fmt::format("file {}: link count {} is recorded, but there are {}", id, claimed, links));
  }
}

void Check::open_object_ids(int directory_fd, const std::string& directory) {
  for (const format::RegionSet& set : header_.sets) {
    for (std::uint16_t i = 0; i < set.count; ++i) {
      std::optional<ObjectIds>& ids = object_ids_.emplace_back();
      const std::string name = object_id_file_name(set.id, i);
      if (is_missing(directory_fd, name)) {
        warning(system_error(ENOENT, directory + "/" + name));
        continue;
      }
      attempt([&] {
        ids.emplace(directory_fd, directory, set.id, i);
        check_header_length(ids->header(), ids->file_size(), sizeof(format::ObjectIdHeader),
                            ids->path());
      });
    }
  }
}

// Entries out of order cost a writer time whenever it builds on the image, or are not found: see
// ObjectIds::sort(). Equal ones are of equal objects, such as the tables of files with the same
// alternate data streams.
void Check::check_order(const ObjectIds& ids) {
  for (std::size_t i = 1; i < ids.size(); ++i) {
    if (compare_object_ids(ids[i - 1], ids[i]) <= 0) continue;
    return warning(fmt::format("entry {}: out of order", i), ids.path());
  }
}

void Check::check_data() {
  for (std::size_t i = 0; i < regions_.size(); ++i) {
    const auto& ids = object_ids_[i];
    const bool compare = ids && ids->has_known_digests();
    if (ids && !compare) warning("its digests are of version 2 and are not compared", ids->path());
    attempt([&] { check_region_data(regions_[i], compare ? &*ids : nullptr); });
  }
}

// Reads the whole region in order, and compares the digests of its objects.
void Check::check_region_data(const RegionInfo& region, const ObjectIds* ids) {
  const FileDescriptor fd = open_regular_file(AT_FDCWD, region.path, region.path);
  const auto read_over = [&](std::uint64_t start, std::uint64_t end) {
    read_data(
        {fd.get(), start, end - start, region.path}, [](std::uint64_t, ByteView) {},
        [this](std::uint64_t bytes) { advance(bytes); });
  };
  std::vector<std::uint32_t> order(ids == nullptr ? 0 : ids->size());
  std::iota(order.begin(), order.end(), 0);
  std::ranges::sort(order, {},
                    [&](std::uint32_t i) { return std::uint64_t{(*ids)[i].byte_offset}; });
  std::uint64_t position = 0;
  for (const std::uint32_t i : order) {
    const format::ObjectIdEntry entry = (*ids)[i];
    const std::uint64_t start = entry.byte_offset;
    const std::uint64_t length = entry.length;
    // Objects may not overlap, which also bounds the time that this takes.
    if (start < position || start > region.size || length > region.size - start) {
      error(fmt::format("object at {}: {} bytes are not in the region, or not its own", start,
                        length),
            ids->path());
      continue;
    }
    attempt([&] { read_over(position, start); });
    attempt([&] { check_object(fd.get(), region, entry); });
    position = start + length;
  }
  read_over(position, region.size);
}

void Check::check_object(int fd, const RegionInfo& region, const format::ObjectIdEntry& entry) {
  const std::uint64_t start = entry.byte_offset;
  const std::uint64_t length = entry.length;
  Digest recorded;
  std::ranges::copy(entry.digest, recorded.begin());
  if (!has_digest({fd, start, length, region.path}, recorded)) {
    error(fmt::format("{} bytes at {} do not have the digest that is recorded", length, start),
          region.path);
  }
  ++result_.objects;
}

// A large object can have either digest. The likely one, or the one that takes less time, comes
// first.
bool Check::has_digest(const FilePart& object, const Digest& digest) {
  const auto progress = [this](std::uint64_t bytes) { advance(bytes); };
  if (object.length <= max_digested_zeros) return digest_of_bytes(object, progress) == digest;
  if (bytes_in_holes(object) > max_digested_zeros) {
    return digest_of_blocks(object, progress) == digest || digest_of_bytes(object) == digest;
  }
  return digest_of_bytes(object, progress) == digest || digest_of_blocks(object) == digest;
}

}  // namespace

CheckResult check_image(const std::string& path, bool data, CheckObserver& observer) {
  return Check(path, observer).run(data);
}

}  // namespace cim
