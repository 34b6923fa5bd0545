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
#include "transfer/decompressed_input.h"
#include "transfer/progress.h"
#include "transfer/ustar.h"

struct archive;
struct archive_entry;

namespace cim::transfer {

// One member of an archive, apart from its data.
struct TarMember {
  std::string name;                             // the bytes in the archive
  std::optional<std::string> hard_link_target;  // the member is one more name of this one
  posix::LinuxMetadata metadata;                // of a hard link: of no meaning
  std::uint64_t size = 0;                       // bytes of data, holes included
};

// Reads an archive from its start to its end, in any format that GNU tar, star, bsdtar and POSIX
// have, and any compression, that libarchive knows. Global headers count, as for GNU tar.
//
//   TarReader reader(fd, "app.tar", progress);
//   while (const auto member = reader.next())
//     while (const auto block = reader.read()) ...
//
// All functions throw Error, naming the archive and the member, for what is damaged or cut short,
// and where the system cannot read. What is lost of a member's metadata is warned about, and so is
// an archive without the mark of its end, which may have been cut off between two members. Not
// thread-safe.
class TarReader {
 public:
  // A part of a member's data; what is in none is a hole.
  struct Block {
    std::uint64_t offset = 0;
    ByteView data;  // valid until the next call of a function of the reader
  };

  // Reads from `fd`, which must stay open and need not be seekable. `name` names the archive.
  // `progress` gets the warnings and must outlive the reader.
  TarReader(int fd, std::string name, Progress& progress);
  TarReader(const TarReader&) = delete;
  TarReader& operator=(const TarReader&) = delete;
  ~TarReader();

  // Moves on to the next member. Nothing after the last; the input has then been read to its end,
  // so that a program that writes it does not see a closed pipe.
  std::optional<TarMember> next();

  // The next part of the data of the member, in order; nothing after the last.
  std::optional<Block> read();

  const std::string& name() const noexcept { return name_; }

 private:
  struct CloseArchive {
    void operator()(archive* reader) const noexcept;
  };
  using Archive = std::unique_ptr<archive, CloseArchive>;

  std::string_view next_input();
  void add_global_records(const MemberHeaders& headers);
  archive_entry* read_again_with_global_records(const MemberHeaders& headers);
  timespec modification_time(archive_entry* entry, const MemberHeaders& headers) const;
  std::string record_of(const MemberHeaders& headers, std::string_view key) const;
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
  DecompressedInput input_;
  bool in_headers_ = false;  // whose bytes are kept
  Archive archive_;

  std::map<std::string, std::string, std::less<>>
      global_records_;         // that count for the members to come
  std::string rewritten_;      // the headers of a member with those
  Archive rewritten_archive_;  // reads that

  bool warned_of_user_ = false;
  bool warned_of_special_ = false;
  std::string member_name_;          // of the current member; empty before the first
  std::uint64_t expected_data_ = 0;  // bytes of the current member in the archive
  std::uint64_t received_data_ = 0;
};

}  // namespace cim::transfer
