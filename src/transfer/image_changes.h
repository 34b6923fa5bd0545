// What changed between two images.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include <cim/image.h>

#include "image/metadata_tally.h"
#include "transfer/image_walk.h"
#include "transfer/progress.h"
#include "transfer/shared_regions.h"

namespace cim::transfer {

// What is at a name, compared with what was there.
struct Change {
  enum class Kind {
    same_directory,  // not changed itself, but something below it may be
    removed,         // with everything below it
    added,
    changed,  // in anything that an image keeps: type, data, metadata, streams, names it shares
  };

  Kind kind = Kind::changed;
  std::string path;  // without a leading `/`; "" for the root
  File file;         // as it is now; nothing if it was removed
};

// Walks an image and the one it builds on, side by side: each directory, then what was removed from
// it, then its entries, all sorted by the bytes of their Linux names. A name that is spelled
// differently is another name, also where case is ignored.
//
// If the image builds on the other, only directories with changes are visited, and time depends on
// these, apart from a look at the directory of file tables. Otherwise all files are compared, and
// their data read where region files are not shared. For one thread at a time.
class ImageChanges {
 public:
  // From `before`, or from nothing if it is null, to `after`, which both must outlive the walk, as
  // must `progress`. Throws Error as Image does.
  ImageChanges(const Image* before, const Image& after, Progress& progress);

  // The next change; nothing after the last. Throws Error as ImageWalk does, for both images.
  std::optional<Change> next();

  // Paths at which both images have `file`, a file of the newer one, unchanged: of those that have
  // been visited, or of all if the image builds on the other.
  std::vector<std::string> kept_names(const File& file) const;

 private:
  // A directory on the way down.
  struct Level {
    bool same_entries = false;              // the older image has the very entries of the newer
    std::map<std::string, FileId> entries;  // otherwise, those of the older image
  };

  void find_changed_records();
  void mark_changed(FileId id);
  bool is_untouched(const File& before, const File& after) const;
  std::optional<File> find_before() const;
  std::optional<Change> visit(bool is_directory);
  void enter(const std::optional<File>& before);
  bool has_new_names(const File& before, const File& after);
  bool same_file(const File& before, const File& after) const;
  bool same_streams(const File& before, const File& after) const;
  bool same_stream(const Stream& before, const Stream& after) const;
  std::optional<std::string> kept_directory(FileId id) const;

  const Image* const before_;
  const Image& after_;
  Progress& progress_;
  ImageWalk walk_;
  std::optional<MetadataTally> tally_;  // of the older image
  SharedRegions shared_;
  bool is_structural_ = false;  // `touched_` is known
  // The files whose records differ from those of the older image, and the directories above them.
  std::unordered_set<FileId> touched_;
  std::vector<Level> levels_;
  std::vector<std::string> removed_;  // from the innermost directory; to be told, the last first
  // Of files with several names, if that is to be compared by the names.
  std::unordered_map<FileId, FileId> older_ids_;
  std::unordered_map<FileId, FileId> newer_ids_;
  std::unordered_map<FileId, std::vector<std::string>> kept_names_;
};

}  // namespace cim::transfer
