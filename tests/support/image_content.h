// Writes and reads small images.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <cim/image.h>
#include <cim/writer.h>

namespace cim::test {

inline ByteView bytes(std::string_view text) { return std::as_bytes(std::span(text)); }

// Creates `path` with `content`.
inline void put(Writer& writer, std::u16string_view path, std::string_view content,
                const Metadata& metadata = {}) {
  WriteStream stream = writer.create_file(path, metadata, content.size());
  stream.write(bytes(content));
  stream.close();
}

inline std::string content(const Image& image, const Stream& stream) {
  std::string text(stream.length, '?');
  text.resize(image.read(stream, 0, std::as_writable_bytes(std::span(text))));
  return text;
}

// The content of the file at `path`, or "(none)".
inline std::string content(const Image& image, std::u16string_view path) {
  const auto id = image.resolve(path);
  return id ? content(image, image.file(*id).stream) : "(none)";
}

// The file at `path`, which must exist.
inline File file_at(const Image& image, std::u16string_view path) {
  return image.file(image.resolve(path).value());
}

// The names of the entries of the directory at `path`, in order.
inline std::vector<std::string> list(const Image& image, std::u16string_view path) {
  const Directory directory = image.entries(file_at(image, path));
  std::vector<std::string> names;
  EntryName name;
  for (std::uint32_t i = 0; i < directory.size(); ++i) {
    image.entry(directory, i, name);
    names.push_back(image_to_linux_name(name.view()));
  }
  return names;
}

}  // namespace cim::test
