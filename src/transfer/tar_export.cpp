// An image -> a tar archive.
#include "transfer/tar_export.h"

#include <algorithm>
#include <optional>
#include <span>
#include <unordered_map>
#include <vector>

#include "format/layout.h"
#include "posix/acl.h"
#include "posix/attributes.h"
#include "transfer/image_walk.h"
#include "transfer/pax_writer.h"

namespace cim::transfer {
namespace {

constexpr std::size_t buffer_size = 1 << 20;

// As GNU tar does: encodes the character that would end a pax record's key, and the escape itself.
std::string encode_xattr_name(std::string_view name) {
  std::string encoded;
  for (const char c : name) {
    if (c == '%') {
      encoded += "%25";
    } else if (c == '=') {
      encoded += "%3D";
    } else {
      encoded += c;
    }
  }
  return encoded;
}

// The record for an access control list, which every program understands; nothing if it is not a
// valid list.
std::optional<std::string> acl_record(std::string_view xattr, std::string_view value) {
  if (xattr != posix::access_acl_xattr && xattr != posix::default_acl_xattr) return std::nullopt;
  const auto entries = posix::decode_acl(value);
  if (!entries) return std::nullopt;
  return posix::acl_text(*entries);
}

class TarExport {
 public:
  TarExport(const Image& image, int fd, const std::string& name, Progress& progress)
      : image_(image), archive_(fd, name), progress_(progress) {}

  std::uint64_t run(const Selection& selection) {
    ImageWalk walk(image_, selection);
    using Step = ImageWalk::Step;
    for (Step step = walk.next(); step != Step::end; step = walk.next()) {
      if (step == Step::leave_directory) continue;
      add(walk);
      progress_.advance({.files = 1});
    }
    archive_.finish();
    return incomplete_;
  }

 private:
  void add(const ImageWalk& walk) {
    const File& file = walk.file();
    try {
      PaxMember member = {.path = walk.path(),
                          .status = posix::attributes(image_, file, posix::MountDefaults())};
      if (S_ISDIR(member.status.st_mode)) member.path += member.path.empty() ? "./" : "/";
      if (S_ISSOCK(member.status.st_mode)) {
        return warn(walk.path() + ": a tar archive cannot hold a socket; left out");
      }
      if (add_link_to_earlier_member(file, member)) return;
      if (S_ISLNK(member.status.st_mode)) member.link_target = posix::symlink_target(image_, file);
      add_xattrs(file, member);
      add_with_data(file, member);
    } catch (const Error& error) {
      throw error.with_path(walk.path());
    }
  }

  void warn(const std::string& message) {
    ++incomplete_;
    progress_.warn(message);
  }

  // If another name of the file is already in the archive, adds `member` as one more.
  bool add_link_to_earlier_member(const File& file, PaxMember& member) {
    if (S_ISDIR(member.status.st_mode) || member.status.st_nlink < 2) return false;
    const auto [first, is_new] = linked_files_.try_emplace(file.id, member.path);
    if (is_new) return false;
    member.is_hard_link = true;
    member.link_target = first->second;
    archive_.begin(member);
    archive_.end();
    if (S_ISREG(member.status.st_mode)) progress_.advance({.bytes = file.stream.length});
    return true;
  }

  void add_xattrs(const File& file, PaxMember& member) {
    for (const auto& [name, value] : posix::stored_xattrs(image_, file)) {
      if (const auto acl = acl_record(name, value)) {
        const bool is_access = name == posix::access_acl_xattr;
        member.records.emplace_back(is_access ? "SCHILY.acl.access" : "SCHILY.acl.default", *acl);
      } else {
        add_xattr(name, value, member);
      }
    }
    for (const posix::StreamXattr& stream : posix::stream_xattrs(image_, file)) {
      if (stream.obstacle == posix::StreamXattr::Obstacle::none) {
        add_xattr(posix::xattr_name(stream), posix::xattr_value(image_, stream), member);
      } else {
        warn(member.path + ": " + posix::describe_obstacle(stream) + "; left out");
      }
    }
  }

  static void add_xattr(const std::string& name, const std::string& value, PaxMember& member) {
    member.records.emplace_back("SCHILY.xattr." + encode_xattr_name(name), value);
  }

  void add_with_data(const File& file, const PaxMember& member) {
    if (!S_ISREG(member.status.st_mode)) {
      archive_.begin(member);
    } else if (const auto ranges = data_ranges(file.stream)) {
      archive_.begin_sparse(member, *ranges);
      std::uint64_t end = 0;
      for (const DataRange& range : *ranges) {
        progress_.advance({.bytes = range.offset - end});
        end = range.offset + range.length;
        add_data(file.stream, range);
      }
      progress_.advance({.bytes = file.stream.length - end});
    } else {
      archive_.begin(member);
      add_data(file.stream, {0, file.stream.length});
    }
    archive_.end();
  }

  // The ranges of `stream` that have data; nothing if its holes are not worth the trouble.
  std::optional<std::vector<DataRange>> data_ranges(const Stream& stream) const {
    if (stream.length <= format::page_size) return std::nullopt;
    std::vector<DataRange> ranges;
    std::uint64_t end = 0;
    std::uint64_t data_size = 0;
    while (const auto data = image_.seek(stream, end, true)) {
      end = image_.seek(stream, *data, false).value_or(stream.length);
      ranges.push_back({*data, end - *data});
      data_size += end - *data;
    }
    if (data_size == stream.length) return std::nullopt;
    return ranges;
  }

  void add_data(const Stream& stream, const DataRange& range) {
    for (std::uint64_t done = 0; done < range.length;) {
      const std::size_t wanted = std::min<std::uint64_t>(buffer_.size(), range.length - done);
      const auto part = std::span(buffer_).first(wanted);
      if (image_.read(stream, range.offset + done, part) != wanted) {
        throw Error(Errc::corrupt, "is shorter than its length").with_image(image_.path());
      }
      archive_.write(part);
      progress_.advance({.bytes = wanted});
      done += wanted;
    }
  }

  const Image& image_;
  PaxWriter archive_;
  Progress& progress_;
  std::uint64_t incomplete_ = 0;
  std::unordered_map<FileId, std::string> linked_files_;  // files with several names -> first path
  std::vector<std::byte> buffer_ = std::vector<std::byte>(buffer_size);
};

}  // namespace

std::uint64_t export_tar(const Image& image, int fd, const std::string& name, Progress& progress,
                         const Selection& selection) {
  return TarExport(image, fd, name, progress).run(selection);
}

}  // namespace cim::transfer
