// Users and groups as people write them.
#include "posix/accounts.h"

#include <charconv>
#include <cstdint>
#include <limits>
#include <optional>
#include <system_error>

#include <cim/error.h>
#include <grp.h>
#include <pwd.h>

namespace cim::posix {
namespace {

// The number in NUMBER or NAME:NUMBER; nothing if `text` is only a name. Throws Error if the number
// cannot be an id.
std::optional<std::uint32_t> number_in(const std::string& text) {
  const std::size_t colon = text.find(':');
  const std::string number = colon == std::string::npos ? text : text.substr(colon + 1);
  const bool is_number =
      !number.empty() && number.find_first_not_of("0123456789") == std::string::npos;
  if (colon == std::string::npos && !is_number) return std::nullopt;
  std::uint32_t id = 0;
  const char* const end = number.data() + number.size();
  const bool fits = is_number && std::from_chars(number.data(), end, id).ec == std::errc();
  // chown(2) takes the highest number for "unchanged".
  if (!fits || id == std::numeric_limits<std::uint32_t>::max()) {
    throw Error(Errc::invalid_argument, "'" + text + "' has no number from 0 to 4294967294");
  }
  return id;
}

}  // namespace

uid_t parse_user(const std::string& text) {
  if (const auto id = number_in(text)) return *id;
  const passwd* user = getpwnam(text.c_str());
  if (user == nullptr) throw Error(Errc::invalid_argument, "there is no user '" + text + "'");
  return user->pw_uid;
}

gid_t parse_group(const std::string& text) {
  if (const auto id = number_in(text)) return *id;
  const group* found = getgrnam(text.c_str());
  if (found == nullptr) throw Error(Errc::invalid_argument, "there is no group '" + text + "'");
  return found->gr_gid;
}

}  // namespace cim::posix
