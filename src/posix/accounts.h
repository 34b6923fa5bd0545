// Users and groups as people write them.
#pragma once

#include <string>

#include <sys/types.h>

namespace cim::posix {

// Reads a user or a group in one of the forms of GNU tar's --owner and --group:
//
//   NAME          known on this machine
//   NUMBER
//   NAME:NUMBER   the number counts
//
// Throws Error (invalid_argument). Not thread-safe: the C library looks names up in static memory.
uid_t parse_user(const std::string& text);
gid_t parse_group(const std::string& text);

}  // namespace cim::posix
