// The JSON files of a container image, which are not to be trusted.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "oci/files.h"

namespace cim::oci {

using Json = nlohmann::json;

// All functions throw Error (corrupt) with only a reason.

// The bytes of a JSON file. Throws Error too if it is missing (file_not_found), or has more than
// 4 MiB (limit_exceeded).
std::string read_json_file(const Files& files, const std::string& path);

// The object or array that is there. Throws Error as both others do.
Json read_json(const Files& files, const std::string& path);

// The object or array that `text` is.
Json parse_json(std::string_view text);

// Members of `object`. What is missing, or null, is empty.
std::string string_member(const Json& object, const char* name);
const Json& array_member(const Json& object, const char* name);
const Json& object_member(const Json& object, const char* name);

// Whether a member is there and true.
bool flag_member(const Json& object, const char* name);

// An integer that must be there.
std::uint64_t size_member(const Json& object, const char* name);

// An element of an array.
std::string string_of(const Json& value);
const Json& object_of(const Json& value);

}  // namespace cim::oci
