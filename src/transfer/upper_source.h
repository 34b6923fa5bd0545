// The upper directory of an overlay as a source of entries.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <cim/image.h>

#include "transfer/directory_source.h"
#include "transfer/entry.h"
#include "transfer/overlay_index.h"
#include "transfer/overlay_marks.h"
#include "transfer/overlay_moves.h"
#include "transfer/overlay_origins.h"
#include "transfer/upper_kind.h"

namespace cim::transfer {

// What an overlay changes in the image that is its lower directory:
//
// - Directories that it has renamed are moved aside, and later to their new places: places may have
//   been swapped.
// - Files whose names all lead to another file now, as its index says, get a further name, by which
//   they are rewritten; the names of the upper directory become links to that. So nobody needs to
//   know what other names there are, and where those are now.
// - Then comes the upper directory, each directory before its contents.
//
// What is moved aside is in a directory of the image that is gone in the end. For one thread at a
// time.
class UpperSource : public EntrySource {
 public:
  // `options`, whose base is the image that is the lower directory, and `progress` must outlive
  // this. `work`: see UpperDirectory. Throws Error as find_overlay_moves() and read_overlay_index()
  // do.
  UpperSource(const std::string& upper, const std::optional<std::string>& work, OverlayKind kind,
              const ImportOptions& options, Progress& progress);

  // Throws Error as DirectorySource, take_marks() and OverlayOrigins do: also unsupported if the
  // names of a file can only be found in a workdir that is not given, and path_not_found or
  // invalid_argument if the data of a file must be in the lower directory and is not.
  const Entry* next() override;
  void copy_data(WriteStream& stream) override { file_->copy_data(stream); }

  std::optional<EntryMetadata> missing_parent() const override { return std::nullopt; }
  std::string name() const override { return file_->name(); }
  std::uint64_t incomplete() const override { return incomplete_ + upper_files_.incomplete(); }

 private:
  void prepare();
  bool take_indexed_file();
  bool take_upper_file();
  void take(const Entry& entry);
  void take_whiteout_name(const Entry& entry, std::u16string_view name);
  void take_file(Entry entry, const OverlayMarks& marks);
  void take_metacopy(Entry entry, const OverlayMarks& marks);
  void take_directory(Entry entry, const OverlayMarks& marks);
  void take_streams(Entry& directory, const File& origin);
  bool is_opaque(const Entry& directory, const OverlayMarks& marks) const;
  void check_origin(const OverlayMarks& marks) const;
  void check_index(const Entry& entry, const OverlayMarks& marks) const;
  void warn_of_lost_attributes(const OverlayMarks& marks);
  void warn_of_other_names(const OverlayMarks& marks);
  void add_removal(const std::u16string& path);
  std::u16string unused_name() const;
  std::u16string aside(char16_t kind, std::size_t number) const;

  const std::string upper_;
  const bool has_index_;
  const OverlayKind kind_;
  const ImportOptions& options_;
  Progress& progress_;
  const Image& base_;
  StatOverride stat_override_ = StatOverride::none;
  const std::vector<OverlayMove> moves_;
  const std::vector<IndexedFile> index_;
  std::map<FileKey, std::size_t> indexed_keys_;        // -> where it is in index_
  std::map<std::u16string, std::size_t> moved_paths_;  // the new path -> where it is in moves_
  const std::u16string aside_;                         // the directory for what is moved aside
  OverlayOrigins origins_;
  DirectorySource upper_files_;
  std::optional<DirectorySource> indexed_file_;
  DirectorySource* file_;  // where the current entry comes from
  bool prepared_ = false;
  std::size_t next_indexed_ = 0;
  bool finished_ = false;
  std::deque<Entry> entries_;  // of the current file, and what precedes them
  Entry entry_;
  std::uint64_t incomplete_ = 0;
};

}  // namespace cim::transfer
