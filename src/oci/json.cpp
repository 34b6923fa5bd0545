// The JSON files of a container image.
#include "oci/json.h"

#include <cim/error.h>
#include <fmt/format.h>

#include "transfer/input.h"

namespace cim::oci {
namespace {

constexpr std::uint64_t max_size = 4 << 20;  // as registries limit manifests
constexpr int max_depth = 32;

Error wrong_type(const std::string& what, const char* type) {
  return Error(Errc::corrupt, fmt::format("{} is not {}", what, type));
}

// The member, or `otherwise` if it is missing or null.
const Json& member(const Json& object, const char* name, const Json& otherwise) {
  const auto found = object.find(name);
  return found == object.end() || found->is_null() ? otherwise : *found;
}

}  // namespace

std::string read_json_file(const Files& files, const std::string& path) {
  const auto file = files.find(path);
  if (!file) throw Error(Errc::file_not_found, "is missing");
  if (file->size > max_size) {
    throw Error(Errc::limit_exceeded, fmt::format("has {} bytes, too many for JSON", file->size));
  }
  transfer::FilePartInput input(file->fd.get(), file->position, file->size);
  std::string text;
  for (std::string_view block = input.next(); !block.empty(); block = input.next()) text += block;
  return text;
}

Json read_json(const Files& files, const std::string& path) {
  return parse_json(read_json_file(files, path));
}

Json parse_json(std::string_view text) {
  const auto limit_depth = [](int depth, Json::parse_event_t, const Json&) {
    if (depth > max_depth) throw Error(Errc::corrupt, "is JSON with too deep a structure");
    return true;
  };
  try {
    Json value = Json::parse(text, limit_depth);
    if (value.is_object() || value.is_array()) return value;
    throw Error(Errc::corrupt, "is JSON, but neither an object nor an array");
  } catch (const Json::parse_error& error) {
    throw Error(Errc::corrupt, fmt::format("is not valid JSON at byte {}", error.byte));
  } catch (const Json::exception&) {
    throw Error(Errc::corrupt, "is JSON with a number that is too large");
  }
}

std::string string_member(const Json& object, const char* name) {
  static const Json empty("");
  const Json& value = member(object, name, empty);
  if (!value.is_string()) throw wrong_type(fmt::format("'{}'", name), "a string");
  return value.get<std::string>();
}

const Json& array_member(const Json& object, const char* name) {
  static const Json empty = Json::array();
  const Json& value = member(object, name, empty);
  if (!value.is_array()) throw wrong_type(fmt::format("'{}'", name), "an array");
  return value;
}

const Json& object_member(const Json& object, const char* name) {
  static const Json empty = Json::object();
  const Json& value = member(object, name, empty);
  if (!value.is_object()) throw wrong_type(fmt::format("'{}'", name), "an object");
  return value;
}

bool flag_member(const Json& object, const char* name) {
  static const Json no(false);
  const Json& value = member(object, name, no);
  if (!value.is_boolean()) throw wrong_type(fmt::format("'{}'", name), "true or false");
  return value.get<bool>();
}

std::uint64_t size_member(const Json& object, const char* name) {
  static const Json nothing;
  const Json& value = member(object, name, nothing);
  if (!value.is_number_unsigned()) throw wrong_type(fmt::format("'{}'", name), "a size");
  return value.get<std::uint64_t>();
}

std::string string_of(const Json& value) {
  if (!value.is_string()) throw wrong_type("an element of an array", "a string");
  return value.get<std::string>();
}

const Json& object_of(const Json& value) {
  if (!value.is_object()) throw wrong_type("an element of an array", "an object");
  return value;
}

}  // namespace cim::oci
