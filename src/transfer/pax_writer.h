// Writes tar archives in the pax format of POSIX.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <cim/metadata.h>
#include <sys/stat.h>

#include "transfer/output.h"

namespace cim::transfer {

// One member of an archive, apart from its data.
struct PaxMember {
  std::string path;         // ends with `/` if a directory
  struct stat status = {};  // mode, uid, gid, rdev, mtime and size (bytes of data, holes included)
  std::string link_target;  // of a symbolic or hard link
  bool is_hard_link = false;  // one more name of the member `link_target`; has no data
  std::vector<std::pair<std::string, std::string>> records;  // further pax records: key, value
};

// A part of a file that is not a hole, in bytes.
struct DataRange {
  std::uint64_t offset = 0;
  std::uint64_t length = 0;
};

// The value of a record for `time`: seconds, with a fraction if there is one.
std::string pax_time(const timespec& time);

// Writes an archive, member by member:
//
//   PaxWriter archive(output);
//   archive.begin(member);
//   archive.write(data);  // until all is there
//   archive.end();
//   archive.finish();
//
// The bytes depend only on the arguments: not on a clock, process id, locale or user names. This is
// why libarchive is not used; its pax headers also keep other programs from restoring access
// control lists, extended attributes with names like `user.a b` and times before 1970. Names are
// written as plain bytes.
//
// All functions throw Error if the output cannot be written. Not thread-safe.
class PaxWriter {
 public:
  // `output` must outlive this.
  explicit PaxWriter(Output& output);

  // Starts a regular file, followed by its data in write(), or a member without data.
  void begin(const PaxMember& member);

  // Starts a regular file with holes: write() takes the data in `ranges`, which are sorted and do
  // not overlap. Stored in GNU's sparse format 1.0, from which GNU tar and libarchive restore the
  // holes.
  void begin_sparse(const PaxMember& member, const std::vector<DataRange>& ranges);

  // Appends `data` to the current member.
  void write(ByteView data);

  // Ends the member. All its data must have been written.
  void end();

  // Ends the archive.
  void finish();

 private:
  void write_headers(const PaxMember& member, const std::string& header_name,
                     std::uint64_t stored_size, std::string records);
  void put(std::string_view text);
  void pad();
  void flush();

  Output& output_;
  std::uint64_t size_ = 0;  // written so far, buffered or not
  std::vector<std::byte> buffer_;
};

}  // namespace cim::transfer
