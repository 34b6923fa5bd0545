// A tar archive as a source of entries.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "transfer/entry.h"
#include "transfer/import_options.h"
#include "transfer/input.h"
#include "transfer/progress.h"
#include "transfer/tar_reader.h"

namespace cim::transfer {

// The members of an archive. The rules are GNU tar's:
//   - leading `/` are removed from names and targets of hard links, with one warning for all;
//   - a member or hard link with a `..` component is left out with a warning;
//   - a later member replaces an earlier one of the same name;
//   - owners are the numbers in the archive, whatever names go with them;
//   - global headers count, and an archive need not have an end mark, see TarReader.
class ArchiveSource : public EntrySource {
 public:
  // Reads `input`, the bytes of the archive without compression, to its end. `name` names the
  // archive in messages. `input`, `options` and `progress` must outlive this.
  ArchiveSource(Input& input, const std::string& name, const ImportOptions& options,
                Progress& progress);

  // Throws Error (corrupt) for an archive that is damaged or cut short.
  const Entry* next() override;
  void copy_data(WriteStream& stream) override;

  // A directory that belongs to root, with mode 0755 and the time of the current entry.
  std::optional<EntryMetadata> missing_parent() const override;

  std::string name() const override { return reader_.name() + ": " + member_.name; }
  std::uint64_t incomplete() const override { return left_out_; }

  // The member that the current entry was made of.
  const TarMember& member() const noexcept { return member_; }

 private:
  bool to_entry();
  std::optional<std::u16string> image_path(const std::string& name);
  bool is_excluded(const std::u16string& path) const;
  void leave_out(const std::string& reason);

  TarReader reader_;
  const ImportOptions& options_;
  Progress& progress_;
  TarMember member_;
  Entry entry_;
  bool warned_of_slash_ = false;
  std::uint64_t left_out_ = 0;
};

}  // namespace cim::transfer
