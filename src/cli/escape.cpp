// Makes names fit to be shown to people.
#include "cli/escape.h"

#include <fmt/format.h>
#include <unistd.h>

#include "format/utf8.h"

namespace cim::cli {
namespace {

// C0, DEL and C1.
bool is_control(char32_t c) { return c < 0x20 || (c >= 0x7F && c < 0xA0); }

void append_escaped(std::string& out, std::string_view bytes) {
  for (const char byte : bytes) {
    if (byte == '\n') {
      out += "\\n";
    } else if (byte == '\t') {
      out += "\\t";
    } else {
      out += fmt::format("\\{:03o}", static_cast<unsigned char>(byte));
    }
  }
}

}  // namespace

std::string escape_controls(std::string_view text) {
  std::string escaped;
  escaped.reserve(text.size());
  while (!text.empty()) {
    const auto [c, length] = format::decode_utf8(text);
    const std::string_view bytes = text.substr(0, std::max<std::size_t>(length, 1));
    if (length == 0 || is_control(c)) {
      append_escaped(escaped, bytes);
    } else {
      escaped += bytes;
    }
    text.remove_prefix(bytes.size());
  }
  return escaped;
}

std::string escape_for_terminal(const std::string& text) {
  static const bool on_terminal = isatty(STDOUT_FILENO) == 1;
  return on_terminal ? escape_controls(text) : text;
}

}  // namespace cim::cli
