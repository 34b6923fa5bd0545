// Files as GNU ls -l shows them.
#include "cli/long_listing.h"

#include <algorithm>
#include <ctime>
#include <vector>

#include <fmt/format.h>
#include <sys/sysmacros.h>

#include "cli/file_fields.h"
#include "posix/acl.h"
#include "posix/attributes.h"

namespace cim::cli {
namespace {

// A line, field by field.
struct Row {
  std::string mode;
  std::string links;
  std::string owner;
  std::string group;
  std::string size;
  std::string major;  // of a device; it has these two instead of a size
  std::string minor;
  std::string time;
  std::string name;
};

struct Widths {
  std::size_t mode = 0;
  std::size_t links = 0;
  std::size_t owner = 0;
  std::size_t group = 0;
  std::size_t size = 0;
  std::size_t major = 0;
  std::size_t minor = 0;
};

bool has_acl(const Image& image, const FileInfo& file) {
  if (S_ISLNK(file.status.st_mode)) return false;
  return posix::get_xattr(image, file.file, posix::access_acl_xattr) ||
         posix::get_xattr(image, file.file, posix::default_acl_xattr);
}

// A number without a name is aligned like a number.
std::string owner_field(const std::string& name, id_t id, std::size_t width) {
  return name == std::to_string(id) ? fmt::format("{:>{}}", name, width)
                                    : fmt::format("{:<{}}", name, width);
}

Row make_row(const Image& image, const FileInfo& file, const FileColors& colors,
             bool human_readable, time_t now) {
  const struct stat& status = file.status;
  Row row;
  row.mode = mode_string(status.st_mode);
  if (has_acl(image, file)) row.mode += '+';
  row.links = std::to_string(status.st_nlink);
  row.owner = user_name(status.st_uid);
  row.group = group_name(status.st_gid);
  if (is_device(status)) {
    row.major = std::to_string(gnu_dev_major(status.st_rdev));
    row.minor = std::to_string(gnu_dev_minor(status.st_rdev));
  } else {
    const auto size = static_cast<std::uint64_t>(status.st_size);
    row.size = human_readable ? human_size(size) : std::to_string(size);
  }
  row.time = listed_time(status.st_mtim.tv_sec, now);
  row.name = name_and_target(file, colors);
  return row;
}

Widths widths_of(const std::vector<Row>& rows) {
  Widths widths;
  const auto widen = [](std::size_t& width, const std::string& field) {
    width = std::max(width, field.size());
  };
  for (const Row& row : rows) {
    widen(widths.mode, row.mode);
    widen(widths.links, row.links);
    widen(widths.owner, row.owner);
    widen(widths.group, row.group);
    widen(widths.size, row.size);
    widen(widths.major, row.major);
    widen(widths.minor, row.minor);
  }
  if (widths.major == 0) return widths;
  constexpr std::size_t comma_and_blank = 2;
  widths.size = std::max(widths.size, widths.major + comma_and_blank + widths.minor);
  widths.major = widths.size - comma_and_blank - widths.minor;
  return widths;
}

std::string size_field(const Row& row, const Widths& widths) {
  if (row.major.empty()) return fmt::format("{:>{}}", row.size, widths.size);
  return fmt::format("{:>{}}, {:>{}}", row.major, widths.major, row.minor, widths.minor);
}

}  // namespace

std::string long_listing(const Image& image, std::span<const FileInfo> files,
                         const FileColors& colors, bool human_readable) {
  const time_t now = std::time(nullptr);
  std::vector<Row> rows;
  rows.reserve(files.size());
  for (const FileInfo& file : files) {
    rows.push_back(make_row(image, file, colors, human_readable, now));
  }
  const Widths widths = widths_of(rows);
  std::string text;
  for (std::size_t index = 0; index < rows.size(); ++index) {
    const Row& row = rows[index];
    const struct stat& status = files[index].status;
    text += fmt::format("{:<{}} {:>{}} {} {} {} {} {}\n", row.mode, widths.mode, row.links,
                        widths.links, owner_field(row.owner, status.st_uid, widths.owner),
                        owner_field(row.group, status.st_gid, widths.group),
                        size_field(row, widths), row.time, row.name);
  }
  return text;
}

std::string total_line(std::span<const FileInfo> files, bool human_readable) {
  constexpr std::uint64_t sector_size = 512;  // the unit of st_blocks
  constexpr std::uint64_t block_size = 1024;  // that of ls
  std::uint64_t sectors = 0;
  for (const FileInfo& file : files) sectors += static_cast<std::uint64_t>(file.status.st_blocks);
  const std::uint64_t bytes = sectors * sector_size;
  return fmt::format("total {}\n", human_readable
                                       ? human_size(bytes)
                                       : std::to_string((bytes + block_size - 1) / block_size));
}

}  // namespace cim::cli
