// The JSON that cim prints.
//
// JSON is Unicode, but names need not be. A string that is not UTF-8 has U+FFFD in place of the
// invalid bytes, and all its bytes in hexadecimal beside it, under its key with `_hex` added.
#pragma once

#include <string>

#include <nlohmann/json.hpp>

#include "cli/file_info.h"

namespace cim::cli {

using Json = nlohmann::ordered_json;

// One entry of `cim ls --json`.
Json listing_json(const FileInfo& file);

// Adds what Windows knows of a file but Linux does not: attributes, reparse tag and security
// descriptor.
void set_windows_metadata(Json& object, const Image& image, const File& file);

// Prints an array to standard output, one element per line.
class JsonArrayPrinter {
 public:
  // The start of the array is printed with the first element: an error before that prints nothing.
  void add(const Json& element);
  void finish();

 private:
  std::string separator_ = "[\n";
};

// `cim stat --json`.
Json status_json(const Image& image, const FileInfo& file);

// Stores `text` as `object[key]`.
void set_text(Json& object, const std::string& key, const std::string& text);

// `json` as text, indented by `indent` spaces, or on one line if that is -1.
std::string to_text(const Json& json, int indent);

}  // namespace cim::cli
