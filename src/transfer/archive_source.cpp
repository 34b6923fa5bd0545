// A tar archive as a source of entries.
#include "transfer/archive_source.h"

#include <string_view>
#include <utility>

#include <sys/stat.h>

#include "transfer/patterns.h"

namespace cim::transfer {
namespace {

bool has_dot_dot(std::string_view name) {
  for (;;) {
    const std::size_t end = name.find('/');
    if (name.substr(0, end) == "..") return true;
    if (end == std::string_view::npos) return false;
    name.remove_prefix(end + 1);
  }
}

}  // namespace

ArchiveSource::ArchiveSource(Input& input, const std::string& name, const ImportOptions& options,
                             Progress& progress)
    : reader_(input, name, progress), options_(options), progress_(progress) {}

const Entry* ArchiveSource::next() {
  while (auto member = reader_.next()) {
    member_ = std::move(*member);
    if (to_entry()) return &entry_;
    progress_.advance({.files = 1});
  }
  return nullptr;
}

// Makes an entry of the current member. Returns false if it is left out.
bool ArchiveSource::to_entry() {
  auto path = image_path(member_.name);
  if (!path || is_excluded(*path)) return false;
  entry_.path = std::move(*path);
  entry_.metadata = member_.metadata;
  entry_.size = member_.size;
  if (member_.hard_link_target) {
    auto target = image_path(*member_.hard_link_target);
    if (!target) return false;
    entry_.kind = Entry::Kind::hard_link;
    entry_.target = std::move(*target);
    return true;
  }
  const mode_t mode = member_.metadata.status.st_mode;
  if ((mode & S_IFMT) == 0) {
    leave_out("is of a type that no file has");
    return false;
  }
  entry_.kind = S_ISDIR(mode) ? Entry::Kind::directory : Entry::Kind::file;
  return true;
}

// Where `name`, the name of the member or of its target, is in the image; nothing if the member had
// to be left out because of it.
std::optional<std::u16string> ArchiveSource::image_path(const std::string& name) {
  if (has_dot_dot(name)) {
    const bool is_target = &name != &member_.name;
    leave_out(is_target ? "is a hard link to " + name + ", which contains '..'"
                        : std::string("its name contains '..'"));
    return std::nullopt;
  }
  if (name.starts_with('/') && !std::exchange(warned_of_slash_, true)) {
    progress_.warn(reader_.name() + ": removed leading '/' from names");
  }
  try {
    return linux_to_image_path(name);
  } catch (const Error& failure) {
    throw Error(failure.code(), failure.reason())
        .with_path(reader_.name())
        .with_object(failure.path());
  }
}

// Whether a pattern leaves out the file at `path` or a directory above it.
bool ArchiveSource::is_excluded(const std::u16string& path) const {
  if (options_.exclude.empty()) return false;
  const std::string name = image_to_linux_path(path);
  for (std::size_t end = 0; end != std::string::npos;) {
    end = name.find('/', end + 1);
    if (transfer::is_excluded(options_.exclude, name.substr(0, end))) return true;
  }
  return false;
}

void ArchiveSource::leave_out(const std::string& reason) {
  ++left_out_;
  progress_.warn(name() + ": " + reason + "; left out");
}

std::optional<EntryMetadata> ArchiveSource::missing_parent() const {
  posix::LinuxMetadata metadata;
  metadata.status.st_mode = S_IFDIR | S_IRWXU | S_IRGRP | S_IXGRP | S_IROTH | S_IXOTH;
  metadata.status.st_mtim = member_.metadata.status.st_mtim;
  return metadata;
}

void ArchiveSource::copy_data(WriteStream& stream) {
  if (!S_ISREG(member_.metadata.status.st_mode)) return;
  std::uint64_t end = 0;
  while (const auto block = reader_.read()) {
    stream.write_at(block->offset, block->data);
    const std::uint64_t new_end = block->offset + block->data.size();
    progress_.advance({.bytes = new_end - end});
    end = new_end;
  }
  progress_.advance({.bytes = entry_.size - end});
}

}  // namespace cim::transfer
