// A tree on disk as a source of entries.
#pragma once

#include <map>
#include <optional>
#include <string>

#include <sys/stat.h>
#include <sys/types.h>

#include "image/file_descriptor.h"
#include "transfer/entry.h"
#include "transfer/image_files.h"
#include "transfer/import_options.h"
#include "transfer/progress.h"
#include "transfer/source_walk.h"

namespace cim::transfer {

// A file and everything below it, as entries at and below a path of the image. Each directory comes
// before its contents.
//
// Leaves out the temporary files of writers (is_temporary_name()). Warns of each file that holds
// more or less data than its size, as the made-up files of a kernel do; it is cut off or padded
// with zeros.
class DirectorySource : public EntrySource {
 public:
  // `source` becomes `destination`. If that is the root of the image, `source` must be a directory,
  // or a symbolic link to one; elsewhere a symbolic link is taken as a link. `options` and
  // `progress` must outlive this.
  DirectorySource(std::string source, std::u16string destination, const ImportOptions& options,
                  Progress& progress);

  // Throws Error: the system's error; io_error if the file has changed meanwhile.
  const Entry* next() override;
  void copy_data(WriteStream& stream) override;

  std::optional<EntryMetadata> missing_parent() const override { return std::nullopt; }
  std::string name() const override { return path(); }
  std::uint64_t incomplete() const override { return incomplete_; }

 private:
  bool open_next();
  void open_source();
  bool read_entry();
  std::u16string image_path() const;
  off_t copy_between_holes(WriteStream& stream);
  off_t copy_range(off_t offset, off_t end, WriteStream& stream);
  void check_data(off_t end);
  std::string complaint_of_size(off_t end) const;
  const std::string& path() const { return walk_ ? walk_->path() : source_; }

  const std::string source_;
  const std::u16string destination_;
  const ImportOptions& options_;
  Progress& progress_;
  std::optional<SourceWalk> walk_;   // from the second file on
  FileDescriptor fd_;                // open on the current file
  unsigned char type_ = DT_UNKNOWN;  // of the current file
  struct stat status_ = {};
  Entry entry_;
  bool can_share_ = true;
  std::uint64_t incomplete_ = 0;
  std::map<FileKey, std::u16string> linked_files_;  // files with several names -> first path
};

// The amount of work for the entries of a DirectorySource. Throws Error as that does.
Amount measure_tree(const std::string& source, const ImportOptions& options);

}  // namespace cim::transfer
