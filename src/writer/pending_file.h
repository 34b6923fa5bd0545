// Files that have no name until they are published.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "image/file_descriptor.h"

namespace cim {

// A new file in a directory. Where the file system can (O_TMPFILE), it has no name until it is
// published, so even a killed process leaves nothing behind; elsewhere it has a temporary name
// until then. The destructor removes an unpublished file. Move-only. For one thread at a time.
class PendingFile {
 public:
  // `directory` names the directory `directory_fd` in errors; the descriptor must outlive this.
  PendingFile(int directory_fd, std::string directory);

  // Another name of the existing file `from` in another directory of the same file system, which
  // becomes visible when it is published. Nothing if the file system cannot do that, or does not
  // let this caller. Throws Error if the file cannot be opened.
  static std::optional<PendingFile> linked(int directory_fd, std::string directory,
                                           int from_directory_fd, const std::string& from);

  PendingFile(PendingFile&& other) noexcept = default;
  PendingFile& operator=(PendingFile&& other) noexcept = default;
  ~PendingFile();

  // Open for reading and, unless the file is linked(), writing.
  int fd() const noexcept { return fd_.get(); }

  // Writes `data` at `position`. Throws Error.
  void write_at(std::uint64_t position, const void* data, std::size_t size);

  // fsync(2). Throws Error.
  void sync();

  // Gives the file its name. Returns false and changes nothing if the name is taken.
  bool publish(const std::string& name);

  // Whether a file `name` exists that cannot stand in for this one, as find_equal_file() finds it.
  bool differs_from(const std::string& name) const;

  // Gives the file the name of an existing file, in one step.
  void replace(const std::string& name);

  // Removes the published name again.
  void withdraw() noexcept;

 private:
  PendingFile(int directory_fd, std::string directory, FileDescriptor fd,
              std::string temporary_name);
  [[noreturn]] void fail(int error_number) const;

  int directory_fd_;
  std::string directory_;
  FileDescriptor fd_;
  std::string temporary_name_;  // empty with O_TMPFILE and once published
  std::string name_;            // once published
};

enum class EqualFile { missing, exists, differs };

// Whether a file `name` exists in the directory `directory_fd` and can stand in for the file `fd`.
// It differs if it has other content, or someone who can read `fd` cannot read it. If the file is
// ours, extends its permissions first. An existing file is synced.
EqualFile find_equal_file(int directory_fd, const std::string& name, int fd);

// Renames a file of the directory `directory_fd`. Returns 0, or -1 with errno, which is EEXIST if
// `to` is taken. Where the file system cannot do that in one step, nobody else may make `to`
// meanwhile.
int rename_without_replacing(int directory_fd, const char* from, const char* to);

// Whether `name` has the form of a temporary name: `.cimfs-`, 16 hexadecimal digits, `.tmp`.
bool is_temporary_name(std::string_view name);

}  // namespace cim
