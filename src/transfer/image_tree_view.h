// The tree of an image.
#pragma once

#include <cim/image.h>

#include "transfer/image_walk.h"
#include "transfer/tree_view.h"

namespace cim::transfer {

// Files without Linux metadata belong to the caller, as on a mount.
class ImageTreeView : public TreeView {
 public:
  // Opens the image `path`. Throws Error as Image does.
  explicit ImageTreeView(const std::string& path);

  const Image& image() const noexcept { return image_; }
  const File& file() const noexcept { return walk_.file(); }

  bool next() override;
  std::string_view path() const override { return walk_.path(); }
  FileIdentity identity() override;
  struct stat status() override;
  std::string symlink_target() override;
  Xattrs xattrs() override;
  std::size_t read(std::uint64_t offset, std::span<std::byte> out) override;
  std::uint64_t next_data(std::uint64_t offset) override;

 private:
  template <typename Read>
  auto naming_file(Read read) const;

  const Image image_;
  ImageWalk walk_;
};

}  // namespace cim::transfer
