// An MSIX package as a source of entries.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "transfer/entry.h"
#include "transfer/msix_block_map.h"
#include "transfer/progress.h"
#include "transfer/zip_reader.h"

namespace cim::transfer {

// The files of a package (.msix, .appx), as Windows unpacks them: below a directory that has the
// full name of the package, see msix_full_name(), without the escapes in the names of the archive
// and without [Content_Types].xml.
//
// All data is compared with the block map of the package, which is not compared with the signature.
class MsixSource : public EntrySource {
 public:
  // Reads the package open at `fd`, which must stay open and be a regular file; `name` names it in
  // messages. The directory of the package is in `root`, a path of the image. `progress` must
  // outlive this.
  //
  // Throws Error: corrupt if it is no package, if it lacks something or holds a file that the block
  // map does not have; unsupported for a bundle of packages.
  MsixSource(int fd, const std::string& name, const std::u16string& root, Progress& progress);

  // Both throw Error (corrupt) for an archive that is damaged, copy_data() also for data other than
  // that of the block map.
  const Entry* next() override;
  void copy_data(WriteStream& stream) override;

  // A directory with the time of the current entry.
  std::optional<EntryMetadata> missing_parent() const override;

  std::string name() const override { return message_name(file_); }
  std::uint64_t incomplete() const override { return 0; }

 private:
  void check_files() const;
  void check_listed(const std::string& file, std::uint64_t size) const;
  void read_data(ZipReader& zip, const std::string& file,
                 const std::function<void(ByteView)>& take) const;
  std::string read_part(std::string_view file) const;
  const MsixBlockMap::File* listed(const std::string& file) const;

  std::string message_name(const std::string& file) const { return name_ + ": " + file; }

  const int fd_;
  const std::string name_;
  Progress& progress_;
  std::map<std::string, std::uint64_t, std::less<>> files_;  // path in the package -> size
  MsixBlockMap block_map_;
  std::u16string directory_;  // of the package
  ZipReader zip_;
  std::string file_;  // the current one
  Entry entry_;
};

}  // namespace cim::transfer
