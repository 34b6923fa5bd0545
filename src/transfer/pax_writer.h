// Writes tar archives in the pax format of POSIX.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <cim/metadata.h>
#include <sys/stat.h>

namespace cim::transfer {

// One member of an archive, apart from its data.
struct PaxMember {
  std::string path;         // of a directory: ends with `/`
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

// Writes an archive, member by member:
//
//   PaxWriter archive(fd, "app.tar");
//   archive.begin(member);
//   archive.write(data);  // until all is there
//   archive.end();
//   archive.finish();
//
// The bytes depend on what is passed in and on nothing else: no clock, no process id, no locale, no
// user names. This is why it is not left to libarchive, whose pax headers also keep programs other
// than itself from restoring access control lists, extended attributes with names like `user.a b`
// and times before 1970. Names are written as the bytes that they are.
//
// All functions throw Error, naming the archive, if it cannot be written. Not thread-safe.
class PaxWriter {
 public:
  // Writes to `fd`, which must stay open; `name` names the archive in errors.
  PaxWriter(int fd, std::string name);

  // Starts a regular file, whose data write() takes, or a member without data.
  void begin(const PaxMember& member);

  // Starts a regular file with holes: write() takes what is in `ranges`, which are sorted and do
  // not overlap. Stored as GNU's sparse format 1.0, in which GNU tar and libarchive make holes
  // again.
  void begin_sparse(const PaxMember& member, const std::vector<DataRange>& ranges);

  // Appends `data` to the member.
  void write(ByteView data);

  // Ends the member. All of its data must have been written.
  void end();

  // Ends the archive.
  void finish();

 private:
  void write_headers(const PaxMember& member, const std::string& header_name,
                     std::uint64_t stored_size, std::string records);
  void put(std::string_view text);
  void pad();
  void flush();

  const int fd_;
  const std::string name_;
  std::uint64_t size_ = 0;  // of what is written so far, buffered or not
  std::vector<std::byte> buffer_;
};

}  // namespace cim::transfer
