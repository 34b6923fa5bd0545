// A small image with something of everything, for tests that break it.
#pragma once

#include <array>
#include <cstring>
#include <stdexcept>
#include <string>
#include <vector>

#include <boost/filesystem.hpp>
#include <cim/image.h>
#include <cim/writer.h>
#include <fcntl.h>
#include <unistd.h>

#include "format/bytes.h"
#include "format/layout.h"
#include "image/digest.h"
#include "image/file_descriptor.h"
#include "image/file_io.h"
#include "image/internals.h"
#include "image/region.h"
#include "support/forged_executable.h"
#include "support/image_content.h"

namespace cim::test {

template <typename T>
T read_object(const std::string& path, std::uint64_t offset) {
  T object = {};
  const FileDescriptor fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (read_at(fd.get(), &object, sizeof(object), offset, path) < sizeof(object)) {
    throw std::runtime_error(path + ": is too short");
  }
  return object;
}

inline void write_bytes(const std::string& path, std::uint64_t offset, ByteView bytes) {
  const FileDescriptor fd(open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (pwrite(fd.get(), bytes.data(), bytes.size(), static_cast<off_t>(offset)) < 0) {
    throw std::runtime_error(path + ": cannot be written to");
  }
}

// The paths of the region files of `image`, by region index.
inline std::vector<std::string> region_paths(const Image& image) {
  std::vector<std::string> paths;
  for (const RegionSetInfo& set : image.region_sets()) {
    for (const RegionInfo& region : set.regions) paths.push_back(region.path);
  }
  return paths;
}

// The region offset of the record of the file `id`.
inline format::RegionOffset record_offset(const Image& image, FileId id) {
  const format::FileTableDirectoryEntry table =
      ImageInternals(image).file_table((id - 1) / format::files_per_table).entry;
  return table.table + (id - 1) % format::files_per_table * std::uint64_t{table.entry_size};
}

// The object id file of the region file `region`.
inline std::string object_id_path(std::string region) {
  return region.replace(region.rfind('/') + 1, std::strlen("region"), "objectid");
}

// Builds a new version of the image on the old one, so that it has an extension stream.
inline void extend(const std::string& directory, const std::string& name) {
  Writer writer({.directory = directory, .existing = name});
  writer.create_directory(u"d\\ff", {});
  writer.create_hard_link(u"d\\ff\\link", u"link");
  writer.commit();
}

// Writes the image `a.cim` into `directory`. Returns its path.
inline std::string write_sample_image(const std::string& directory) {
  const std::array<std::uint8_t, 20> descriptor = {1, 0, 0, 0x80};
  const std::array<std::uint8_t, 13> reparse = {0x1D, 0, 0, 0xA0, 5, 0, 0, 0, 2, 0, 0, 0, 'x'};
  const std::array<std::uint8_t, 12> attributes = {0, 0, 0, 0, 0, 1, 2, 0, 'N', 0, 'v', 'w'};
  Writer writer({.directory = directory, .name = "a.cim", .expand_executables = true});
  writer.create_directory(u"d", {.security_descriptor = std::as_bytes(std::span(descriptor))});
  writer.create_directory(u"d\\ee", {});
  put(writer, u"d\\ee\\file", "content",
      {.extended_attributes = std::as_bytes(std::span(attributes))});
  put(writer, u"d\\large", std::string(20000, 'x'));
  put(writer, u"executable", ForgedExecutable(100).bytes());
  writer.create_hard_link(u"link", u"d\\ee\\file");
  put(writer, u"symlink", "", {.reparse_data = std::as_bytes(std::span(reparse))});
  writer.create_named_stream(u"link", u"stream", 100).write(bytes("stream"));
  writer.create_file(u"sparse", {}, 1 << 20).close();
  writer.commit();
  return directory + "/a.cim";
}

}  // namespace cim::test
