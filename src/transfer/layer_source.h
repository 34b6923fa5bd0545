// A layer of a container as a source of entries.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string>

#include "transfer/archive_source.h"
#include "transfer/entry.h"
#include "transfer/registry_hives.h"

namespace cim::transfer {

// The members of a layer, an archive as OCI images have them: what a layer of Windows or Linux
// says in names and records of its own becomes entries.
//
//   .wh.NAME, .wh..wh..opq     whiteouts, wherever they stand
//   in a layer of Windows:
//     records of pax           Windows metadata, see windows_metadata()
//     FILE:NAME                right after FILE: an alternate data stream; with `:$DATA`, too
//     a base layer             gets Hives/*_BASE, names of its registry hives, and the file
//                              `layout`, without which Windows starts no container
class LayerSource : public EntrySource {
 public:
  enum class System { linux, windows };

  // Reads `input` as ArchiveSource does, up to the first member below the root at once. With
  // `options`.base, it is a layer on that. `system` is what it is of, if that is known.
  LayerSource(Input& input, const std::string& name, std::optional<System> system,
              const ImportOptions& options, Progress& progress);

  // What the layer is of. The first member below the root shows it: a layer of Windows starts with
  // the directory Files, Hives or UtilityVM, a whiteout of one, or has records of Windows. An empty
  // layer is of what it is on.
  System system() const noexcept { return system_; }

  // Throws Error as ArchiveSource and windows_metadata() do.
  const Entry* next() override;
  void copy_data(WriteStream& stream) override;
  std::optional<EntryMetadata> missing_parent() const override;
  std::string name() const override;
  std::uint64_t incomplete() const override { return archive_.incomplete() + left_out_; }

 private:
  struct Root {
    Entry entry;
    TarMember member;
  };

  bool take_member(const Entry& entry, const TarMember& member);
  bool take_windows_member();
  bool take_named_stream();
  bool take_whiteout();
  void note_registry();
  const Entry* next_addition();
  bool is_base_of_windows() const { return system_ == System::windows && options_.base == nullptr; }

  ArchiveSource archive_;
  const std::string archive_name_;
  const ImportOptions& options_;
  Progress& progress_;
  System system_ = System::linux;
  std::optional<Root> root_;  // stands before `first_`
  const Entry* first_;        // until it has been taken
  bool started_ = false;
  Entry entry_;
  const TarMember* member_ = nullptr;  // that `entry_` was made of
  std::string file_name_;              // of the last file or directory, whose streams may follow
  std::u16string file_path_;
  std::size_t additions_ = 0;  // how many entries were added at the end
  std::array<bool, registry_hives.size()> has_hive_ = {};
  bool warned_of_registry_ = false;
  std::uint64_t left_out_ = 0;
};

// What the layers of `image` are of.
LayerSource::System system_of(const Image& image);

}  // namespace cim::transfer
