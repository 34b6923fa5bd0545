// Reads /proc/self/mountinfo.
#include "mount/mount_table.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string_view>

#include <cim/error.h>

namespace cim {
namespace {

bool is_octal(char c) { return c >= '0' && c <= '7'; }

bool is_octal_escape(std::string_view text) {
  return text.size() >= 4 && text[0] == '\\' && is_octal(text[1]) && is_octal(text[2]) &&
         is_octal(text[3]);
}

// The user in the options of a FUSE mount, which the kernel always shows; root for all others.
uid_t user_in(const std::string& options) {
  constexpr std::string_view name = "user_id=";
  const std::size_t start = options.find(name);
  return start == options.npos
             ? 0
             : static_cast<uid_t>(std::strtoul(options.c_str() + start + name.size(), nullptr, 10));
}

// The mount that a line of mountinfo describes; nothing if it is malformed.
//
//   36 35 0:42 / /mnt ro,nosuid shared:1 - fuse.cimfs /images/app.cim ro,user_id=0
// ^ the 1st ^ the 3rd  ^ the 5th          ^ after any number of fields
std::optional<Mount> parse_mount(const std::string& line) {
  std::istringstream fields(line);
  fields.exceptions(std::ios::badbit);
  std::string field;
  Mount mount;
  fields >> mount.id >> field >> mount.device >> field >> mount.mount_point;
  while (fields >> field && field != "-") continue;
  if (!(fields >> mount.type >> mount.source >> mount.options)) return std::nullopt;
  mount.mount_point = decode_octal(mount.mount_point);
  mount.source = decode_octal(mount.source);
  mount.user = user_in(mount.options);
  return mount;
}

}  // namespace

std::string decode_octal(std::string_view text) {
  std::string result;
  while (!text.empty()) {
    if (is_octal_escape(text)) {
      result += static_cast<char>((text[1] - '0') << 6 | (text[2] - '0') << 3 | (text[3] - '0'));
      text.remove_prefix(4);
    } else {
      result += text.front();
      text.remove_prefix(1);
    }
  }
  return result;
}

std::vector<Mount> mount_table() {
  const char* const table = "/proc/self/mountinfo";
  std::ifstream lines(table);
  if (!lines) throw system_error(errno, table);
  lines.exceptions(std::ios::badbit);  // or a lack of memory would look like the end
  std::vector<Mount> mounts;
  for (std::string line; std::getline(lines, line);) {
    if (auto mount = parse_mount(line)) mounts.push_back(*std::move(mount));
  }
  return mounts;
}

std::optional<Mount> mount_at(const std::string& mount_point) {
  const std::vector<Mount> mounts = mount_table();
  const auto found = std::find_if(mounts.rbegin(), mounts.rend(), [&](const Mount& mount) {
    return mount.mount_point == mount_point;
  });
  if (found == mounts.rend()) return std::nullopt;
  return *found;
}

}  // namespace cim
