// Files of an image as text for people.
#include "cli/file_text.h"

#include <array>
#include <ctime>
#include <map>

#include <fmt/format.h>
#include <grp.h>
#include <pwd.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "cli/escape.h"
#include "posix/attributes.h"

namespace cim::cli {
namespace {

char type_letter(mode_t mode) {
  switch (mode & S_IFMT) {
    case S_IFREG:
      return '-';
    case S_IFDIR:
      return 'd';
    case S_IFLNK:
      return 'l';
    case S_IFIFO:
      return 'p';
    case S_IFSOCK:
      return 's';
    case S_IFCHR:
      return 'c';
    case S_IFBLK:
      return 'b';
    default:
      return '?';
  }
}

// The execute position of a triplet, which also tells of a `special` bit.
char execute_letter(bool executable, bool special, char both, char special_only) {
  if (special) return executable ? both : special_only;
  return executable ? 'x' : '-';
}

std::string mode_string(mode_t mode) {
  return {
      type_letter(mode),
      (mode & S_IRUSR) != 0 ? 'r' : '-',
      (mode & S_IWUSR) != 0 ? 'w' : '-',
      execute_letter((mode & S_IXUSR) != 0, (mode & S_ISUID) != 0, 's', 'S'),
      (mode & S_IRGRP) != 0 ? 'r' : '-',
      (mode & S_IWGRP) != 0 ? 'w' : '-',
      execute_letter((mode & S_IXGRP) != 0, (mode & S_ISGID) != 0, 's', 'S'),
      (mode & S_IROTH) != 0 ? 'r' : '-',
      (mode & S_IWOTH) != 0 ? 'w' : '-',
      execute_letter((mode & S_IXOTH) != 0, (mode & S_ISVTX) != 0, 't', 'T'),
  };
}

// The names of users and groups, or their numbers; each is looked up once.
const std::string& user_name(uid_t uid) {
  static std::map<uid_t, std::string> names;
  const auto [entry, is_new] = names.try_emplace(uid);
  if (is_new) {
    const passwd* user = getpwuid(uid);
    entry->second = user == nullptr ? std::to_string(uid) : user->pw_name;
  }
  return entry->second;
}

const std::string& group_name(gid_t gid) {
  static std::map<gid_t, std::string> names;
  const auto [entry, is_new] = names.try_emplace(gid);
  if (is_new) {
    const group* found = getgrgid(gid);
    entry->second = found == nullptr ? std::to_string(gid) : found->gr_name;
  }
  return entry->second;
}

std::string local_time(time_t time, const char* format) {
  tm parts = {};
  std::array<char, 64> text = {};
  if (localtime_r(&time, &parts) == nullptr) return std::to_string(time);
  return {text.data(), std::strftime(text.data(), text.size(), format, &parts)};
}

// As stat(1) prints times, to the 100 ns that an image keeps.
std::string full_time(const timespec& time) {
  return fmt::format("{}.{:07} {}", local_time(time.tv_sec, "%Y-%m-%d %H:%M:%S"),
                     time.tv_nsec / 100, local_time(time.tv_sec, "%z"));
}

bool is_device(const struct stat& status) {
  return S_ISCHR(status.st_mode) || S_ISBLK(status.st_mode);
}

// The device numbers of a device, the size of everything else.
std::string size_or_device(const struct stat& status) {
  if (!is_device(status)) return std::to_string(status.st_size);
  return fmt::format("{}, {}", gnu_dev_major(status.st_rdev), gnu_dev_minor(status.st_rdev));
}

std::string name_and_target(const FileInfo& file) {
  std::string text = escape_controls(file.path);
  if (S_ISLNK(file.status.st_mode)) text += " -> " + escape_controls(file.target);
  return text;
}

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) {
    if (!text.empty()) text += ", ";
    text += word;
  }
  return text;
}

std::string attributes_line(const File& file) {
  std::string text = fmt::format("{:#x}", file.attributes);
  const std::string names = joined(attribute_names(file.attributes));
  if (!names.empty()) text += " (" + names + ")";
  if (file.reparse_tag != 0) text += fmt::format(", reparse tag {:#010x}", file.reparse_tag);
  return text;
}

}  // namespace

std::string name_line(const FileInfo& file) {
  static const bool on_terminal = isatty(STDOUT_FILENO) == 1;
  return (on_terminal ? escape_controls(file.path) : file.path) + "\n";
}

std::string long_line(const FileInfo& file) {
  const struct stat& status = file.status;
  return fmt::format("{} {:>2} {:<8} {:<8} {:>10} {} {}\n", mode_string(status.st_mode),
                     status.st_nlink, user_name(status.st_uid), group_name(status.st_gid),
                     size_or_device(status), local_time(status.st_mtim.tv_sec, "%Y-%m-%d %H:%M"),
                     name_and_target(file));
}

std::string status_text(const Image& image, const FileInfo& file) {
  const struct stat& status = file.status;
  std::string text;
  const auto add_line = [&](const char* label, const std::string& value) {
    text += fmt::format("{:>10}: {}\n", label, value);
  };
  add_line("File", name_and_target(file));
  add_line("Type", type_name(status.st_mode));
  add_line(is_device(status) ? "Device" : "Size", size_or_device(status));
  add_line("Id", std::to_string(file.file.id));
  add_line("Links", std::to_string(status.st_nlink));
  add_line("Mode",
           fmt::format("{:04o} ({})", status.st_mode & ~S_IFMT, mode_string(status.st_mode)));
  add_line("Owner", fmt::format("{} ({})", status.st_uid, user_name(status.st_uid)));
  add_line("Group", fmt::format("{} ({})", status.st_gid, group_name(status.st_gid)));
  add_line("Access", full_time(status.st_atim));
  add_line("Modify", full_time(status.st_mtim));
  add_line("Change", full_time(status.st_ctim));
  add_line("Birth", full_time(posix::birth_time(file.file)));
  add_line("Attributes", attributes_line(file.file));
  for (const std::string& name : posix::list_xattrs(image, file.file)) {
    add_line("Xattr", escape_controls(name));
  }
  for (const NamedStream& stream : image.named_streams(file.file)) {
    add_line("Stream",
             fmt::format("{} ({} bytes)", escape_controls(image_to_linux_name(stream.name)),
                         stream.stream.length));
  }
  return text;
}

}  // namespace cim::cli
