// What the directories of an overlay's upper directory have below them.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <cim/image.h>

#include "transfer/overlay_marks.h"

namespace cim::transfer {

// A file of the image that is the lower directory.
struct Origin {
  std::u16string path;  // in that image, see cim/name.h
  File file;
};

// Accompanies a walk of an upper directory. For one thread at a time.
class OverlayOrigins {
 public:
  // `base`, the image that is the lower directory, must outlive this.
  explicit OverlayOrigins(const Image& base) : base_(base) {}

  // Moves on to `path`, the next in the order of a walk: each directory before its contents. Throws
  // Error (already_exists) if the image has another spelling of the name in the same place.
  void move_to(const std::u16string& path);

  // What is at the same place in the directory below; nothing if there is nothing. For the root,
  // the root.
  const std::optional<Origin>& counterpart() const noexcept { return counterpart_; }

  // What has the data of the current file, or is merged with the current directory, if nothing
  // hides it; nothing if there is none. Throws Error (path_not_found) if the redirect in `marks`
  // leads nowhere.
  std::optional<Origin> origin(const OverlayMarks& marks) const;

  // Goes down into the current directory, which is merged with `origin`.
  void enter(const std::optional<Origin>& origin) { levels_.push_back({path_, origin}); }

 private:
  struct Level {
    std::u16string path;
    std::optional<Origin> origin;
  };

  std::optional<Origin> find(const Origin& directory, std::u16string_view name) const;
  std::optional<Origin> find_redirected(const std::string& redirect) const;

  const Image& base_;
  std::u16string path_;
  std::vector<Level> levels_;
  std::optional<Origin> counterpart_;
};

// Whether Linux sees a directory that an overlay merges, or a regular file.
bool is_merged(const std::optional<Origin>& origin);
bool is_regular(const Image& image, const File& file);

}  // namespace cim::transfer
