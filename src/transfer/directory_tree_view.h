// The tree below a directory on disk.
#pragma once

#include <optional>

#include "image/file_descriptor.h"
#include "posix/linux_metadata.h"
#include "transfer/source_walk.h"
#include "transfer/tree_view.h"

namespace cim::transfer {

// Keeps one descriptor more than SourceWalk.
class DirectoryTreeView : public TreeView {
 public:
  // `path` is a directory, or a symbolic link to one.
  explicit DirectoryTreeView(std::string path) : root_(std::move(path)) {}

  bool next() override;
  std::string_view path() const override;
  FileIdentity identity() override;
  struct stat status() override {
    return metadata_.status;
  }
  std::string symlink_target() override { return metadata_.symlink_target; }
  Xattrs xattrs() override { return metadata_.xattrs; }
  std::size_t read(std::uint64_t offset, std::span<std::byte> out) override;
  std::uint64_t next_data(std::uint64_t offset) override;

 private:
  void enter();
  const std::string& full_path() const { return walk_ ? walk_->path() : root_; }

  const std::string root_;
  std::optional<SourceWalk> walk_;  // from the second file on
  FileDescriptor fd_;               // open on the file
  posix::LinuxMetadata metadata_;
};

}  // namespace cim::transfer
