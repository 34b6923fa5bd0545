// Reads tar archives.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <cim/error.h>
#include <cim/metadata.h>

#include "posix/acl.h"
#include "posix/linux_metadata.h"
#include "transfer/input_window.h"
#include "transfer/progress.h"
#include "transfer/ustar.h"

struct archive;
struct archive_entry;

namespace cim::transfer {

// One member of an archive, apart from its data.
struct TarMember {
  std::string name;                             // the bytes in the archive
  std::optional<std::string> hard_link_target;  // the member is another name of this one
  posix::LinuxMetadata metadata;                // meaningless for a hard link
  std::uint64_t size = 0;                       // bytes of data, holes included

  // The pax records in force for the member, its own and global ones.
  std::map<std::string, std::string, std::less<>> records;
};

// Reads an archive from start to end, in any format of GNU tar, star, bsdtar and POSIX. Global
// headers count, as in GNU tar.
//
//   TarReader reader(input, "app.tar", progress);
//   while (const auto member = reader.next())
//     while (const auto block = reader.read()) ...
//
// All functions throw Error, naming the archive and the member, if the archive is damaged or cut
// short or cannot be read. They warn of lost metadata, and of a missing end mark: the archive may
// have been cut off between two members. Not thread-safe.
class TarReader {
 public:
  // A part of a member's data; the rest of the member is holes.
  struct Block {
    std::uint64_t offset = 0;
    ByteView data;  // valid until the next call to the reader
  };

  // Reads `input`, the bytes of the archive without compression. `name` names the archive.
  // `progress` gets the warnings. `input` and `progress` must outlive the reader.
  TarReader(Input& input, std::string name, Progress& progress);
  TarReader(const TarReader&) = delete;
  TarReader& operator=(const TarReader&) = delete;
  ~TarReader();

  // Moves on to the next member. Returns nothing after the last; the input has then been
  // drained.
  std::optional<TarMember> next();

  // The next part of the member's data, in order; nothing after the last.
  std::optional<Block> read();

  const std::string& name() const noexcept { return name_; }

 private:
  struct CloseArchive {
    void operator()(archive* reader) const noexcept;
  };
  using Archive = std::unique_ptr<archive, CloseArchive>;

  std::string_view next_input();
  void drain();
  void add_global_records(const MemberHeaders& headers);
  archive_entry* read_again_with_global_records(const MemberHeaders& headers);
  std::map<std::string, std::string, std::less<>> records_of(const MemberHeaders& headers) const;
  TarMember to_member(archive_entry* entry, const MemberHeaders& headers);
  posix::LinuxMetadata to_metadata(archive_entry* entry);
  void give_namespaces(posix::LinuxMetadata& metadata);
  void warn_once(bool& warned, const std::string& message);
  void add_acl(archive_entry* entry, posix::LinuxMetadata& metadata, int type);
  std::vector<posix::AclEntry> read_acl(archive_entry* entry, int type);
  void check_end_mark(std::uint64_t end_of_members);
  std::uint64_t position() const;
  void warn_of_header();
  Error failure() const;
  Error member_error(const std::string& reason) const;

  const std::string name_;
  Progress& progress_;
  InputWindow input_;
  bool in_headers_ = false;  // whose bytes must be kept
  Archive archive_;

  std::map<std::string, std::string, std::less<>> global_records_;  // in force for later members
  std::string rewritten_;      // a member's headers with these added
  Archive rewritten_archive_;  // reads `rewritten_`

  bool warned_of_user_ = false;
  bool warned_of_special_ = false;
  std::string member_name_;          // of the current member; empty before the first
  std::uint64_t expected_data_ = 0;  // bytes of the current member in the archive
  std::uint64_t received_data_ = 0;
};

}  // namespace cim::transfer
