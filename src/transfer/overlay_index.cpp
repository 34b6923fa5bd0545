// Files with several names that an overlay has changed under all of them.
#include "transfer/overlay_index.h"

#include <cerrno>
#include <charconv>
#include <cstddef>
#include <string_view>
#include <utility>

#include <cim/error.h>
#include <cim/name.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "image/file_descriptor.h"
#include "transfer/image_walk.h"
#include "transfer/overlay_marks.h"
#include "transfer/source_walk.h"

namespace cim::transfer {
namespace {

std::string from_hexadecimal(std::string_view digits) {
  std::string bytes;
  for (; digits.size() >= 2; digits.remove_prefix(2)) {
    unsigned char byte = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + 2, byte, 16);
    if (error != std::errc() || end != digits.data() + 2) break;
    bytes += static_cast<char>(byte);
  }
  if (!digits.empty()) throw Error(Errc::corrupt, "is no name of a file in an index");
  return bytes;
}

std::u16string name_in(const Image& base, const File& directory, FileId file) {
  std::u16string found;
  for_each_entry(base, directory, [&](std::u16string_view name, FileId id) {
    if (id == file) found = name;
    return id != file;
  });
  if (!found.empty()) return found;
  throw Error(Errc::unsupported, "stands for a file without a name in " + base.path());
}

// A path at which `base` has `file`.
std::u16string path_of(const Image& base, FileId file) {
  std::u16string path;
  for (FileId id = file; id != base.root();) {
    const File directory = base.file(base.parent(base.file(id)));
    const std::u16string name = name_in(base, directory, id);
    path = path.empty() ? name : name + u'\\' + path;
    if (path.size() > max_path_units) throw Error(Errc::corrupt, "has an endless path");
    id = directory.id;
  }
  return path;
}

void check_work(const std::string& work) {
  const std::string inner = work + "/work";
  if (faccessat(AT_FDCWD, inner.c_str(), F_OK, AT_SYMLINK_NOFOLLOW) != 0) {
    throw Error(Errc::not_a_directory, "is no workdir of an overlay").with_path(work);
  }
  const std::string marker = work + "/work/incompat/volatile";
  if (faccessat(AT_FDCWD, marker.c_str(), F_OK, AT_SYMLINK_NOFOLLOW) != 0) return;
  throw Error(Errc::sharing_violation,
              "the overlay was mounted as volatile: what it wrote last may be lost")
      .with_path(marker);
}

}  // namespace

std::vector<IndexedFile> read_overlay_index(const std::string& work, const Image& base) {
  check_work(work);
  const std::string index = work + "/index";
  std::vector<IndexedFile> files;
  FileDescriptor directory(open(index.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory && errno == ENOENT) return files;
  if (!directory) throw system_error(errno, index);
  const std::vector<std::string> nothing;
  SourceWalk walk(index, std::move(directory), nothing);
  while (walk.next()) {
    const std::string_view name = walk.name();
    if (walk.type() == DT_DIR || name.starts_with('#')) continue;  // known by redirects; unfinished
    struct stat status;
    if (fstatat(walk.directory(), walk.name(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
      throw system_error(errno, walk.path());
    }
    if (S_ISCHR(status.st_mode) && status.st_rdev == 0) continue;  // all names are gone
    try {
      const FileId file = file_of_handle(base, from_hexadecimal(name));
      files.push_back({file, path_of(base, file), walk.path(), key_of(status)});
    } catch (const Error& error) {
      throw error.with_path(walk.path());
    }
  }
  return files;
}

}  // namespace cim::transfer
