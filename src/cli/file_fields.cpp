// The fields of a file as text for people.
#include "cli/file_fields.h"

#include <array>
#include <map>

#include <fmt/format.h>
#include <grp.h>
#include <pwd.h>

#include "cli/escape.h"

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

// The execute position of a triplet, which also shows a `special` bit.
char execute_letter(bool executable, bool special, char both, char special_only) {
  if (special) return executable ? both : special_only;
  return executable ? 'x' : '-';
}

// `bytes * factor / unit`, for a factor of at most 10. Cannot overflow.
std::uint64_t rounded_up(std::uint64_t bytes, std::uint64_t factor, std::uint64_t unit) {
  return bytes / unit * factor + (bytes % unit * factor + unit - 1) / unit;
}

}  // namespace

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

std::string listed_time(time_t time, time_t now) {
  constexpr time_t half_year = 31556952 / 2;  // of the Gregorian calendar's mean year
  const bool is_recent = now - half_year < time && time <= now;
  return local_time(time, is_recent ? "%b %e %H:%M" : "%b %e  %Y");
}

std::string human_size(std::uint64_t bytes) {
  constexpr std::uint64_t step = 1024;
  if (bytes < step) return std::to_string(bytes);
  std::uint64_t unit = step;
  std::size_t name = 0;
  for (; rounded_up(bytes, 1, unit) >= step; ++name) unit *= step;
  const std::uint64_t tenths = rounded_up(bytes, 10, unit);
  return tenths < 100 ? fmt::format("{}.{}{}", tenths / 10, tenths % 10, "KMGTPE"[name])
                      : fmt::format("{}{}", rounded_up(bytes, 1, unit), "KMGTPE"[name]);
}

bool is_device(const struct stat& status) {
  return S_ISCHR(status.st_mode) || S_ISBLK(status.st_mode);
}

std::string name_and_target(const FileInfo& file, const FileColors& colors) {
  std::string text = colors.paint(escape_controls(file.path), file.path, file.status.st_mode);
  if (S_ISLNK(file.status.st_mode)) text += " -> " + escape_controls(file.target);
  return text;
}

}  // namespace cim::cli
