// The fields of a file as text for people.
#pragma once

#include <cstdint>
#include <ctime>
#include <string>

#include "cli/color.h"
#include "cli/file_info.h"

namespace cim::cli {

// Type and permissions as ls(1) shows them: "-rwxr-xr-x".
std::string mode_string(mode_t mode);

// The name of the user or group, or its number if it has none. Each is looked up only once. Not
// thread-safe.
const std::string& user_name(uid_t uid);
const std::string& group_name(gid_t gid);

// `time` in the local time zone, formatted by strftime(3).
std::string local_time(time_t time, const char* format);

// `time` as ls -l shows it: with the time of day if it is less than half a year before `now`, else
// with the year.
std::string listed_time(time_t time, time_t now);

// `bytes` in at most four characters, rounded up, as ls -h and du -h show it: "512", "1.5K", "23M".
std::string human_size(std::uint64_t bytes);

bool is_device(const struct stat& status);

// The path in its colour, with an arrow and the target for a symbolic link; control characters
// escaped.
std::string name_and_target(const FileInfo& file, const FileColors& colors);

}  // namespace cim::cli
