// Files that do not exist until they are published.
#pragma once

#include <string>
#include <string_view>

#include "image/file_descriptor.h"

namespace cim {

// A new file in a directory. Where the file system can (O_TMPFILE) it has no name until it is
// published, so that even a killed process leaves nothing behind; elsewhere it has a temporary name
// until then. Unless published, the destructor removes it. Move-only. For one thread at a time.
class PendingFile {
 public:
  // `directory` names the directory `directory_fd` in errors; the descriptor must outlive this.
  PendingFile(int directory_fd, std::string directory);
  PendingFile(PendingFile&& other) noexcept = default;
  PendingFile& operator=(PendingFile&& other) noexcept = default;
  ~PendingFile();

  int fd() const noexcept { return fd_.get(); }  // open for reading and writing

  // Writes `data` at `position`. Throws Error.
  void write_at(std::uint64_t position, const void* data, std::size_t size);

  // fsync(2). Throws Error.
  void sync();

  // Gives the file its name. Returns false, changing nothing, if that name is taken.
  bool publish(const std::string& name);

  // Whether a file with the name `name` exists that cannot take the place of this one: it has other
  // content, or cannot be read by all who could read this one. Where the file is ours it is made
  // readable for them.
  bool differs_from(const std::string& name) const;

  // Gives the file the name of an existing file, in one step.
  void replace(const std::string& name);

  // Removes the published name again.
  void withdraw() noexcept;

 private:
  [[noreturn]] void fail(int error_number) const;

  int directory_fd_;
  std::string directory_;
  FileDescriptor fd_;
  std::string temporary_name_;  // empty with O_TMPFILE and once published
  std::string name_;            // once published
};

// Whether `name` is one that pending files have: `.cimfs-`, 16 hexadecimal digits, `.tmp`.
bool is_temporary_name(std::string_view name);

}  // namespace cim
