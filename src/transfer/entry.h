// What goes into an image: sources yield entries, and store_entries() applies them to a Writer.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include <cim/image.h>
#include <cim/metadata.h>
#include <cim/writer.h>

#include "posix/linux_metadata.h"

namespace cim::transfer {

// Windows metadata that owns its buffers, see Metadata.
struct WindowsMetadata {
  std::uint32_t attributes = 0;
  std::int64_t creation_time = 0;
  std::int64_t last_write_time = 0;
  std::int64_t change_time = 0;
  std::int64_t last_access_time = 0;
  std::vector<std::byte> security_descriptor;
  std::vector<std::byte> reparse_data;
  std::vector<std::byte> extended_attributes;

  Metadata view() const noexcept;
};

using EntryMetadata = std::variant<posix::LinuxMetadata, WindowsMetadata>;

// One file of a source, apart from its data.
struct Entry {
  enum class Kind {
    file,            // anything but a directory: a device, a symbolic link, …
    directory,       // merges with one that is there
    hard_link,       // one more name of the file at `target`
    named_stream,    // the alternate data stream `target` of the file at `path`
    whiteout,        // removes what the image that is built on has at `path`
    opaque,          // the same for everything below `path`, but not `path` itself
    removal,         // removes what is at `path`, whoever has made it, if anything is
    stream_removal,  // removes the alternate data stream `target` of the file at `path`
    move,            // moves what is at `target` to `path`
    copy,            // a file with the data of the file `source` of the image that is built on
    rewritten,       // the file at `path`, under all its names, has become this
    metadata,        // the same, but its data has not changed
  };

  Kind kind = Kind::file;
  std::u16string path;     // in the image, see cim/name.h; empty for its root
  EntryMetadata metadata;  // of a file or directory
  std::uint64_t size = 0;  // bytes of data, holes included
  std::u16string target;
  FileId source = 0;
};

// A tree on its way into an image: a directory, an archive. For one thread at a time.
//
//   while (const Entry* entry = source.next()) ...
class EntrySource {
 public:
  virtual ~EntrySource() = default;

  // Moves on to the next entry, which is valid until the next call. Returns null after the last.
  // Throws Error, naming the file, if it cannot be read. What cannot be an entry is left out with a
  // warning.
  virtual const Entry* next() = 0;

  // Writes the data of the current entry, a file or named stream, to `stream`; nothing if it has
  // none. Tells the progress of all its bytes. Throws Error, naming the file, and as WriteStream
  // does.
  virtual void copy_data(WriteStream& stream) = 0;

  // What a directory gets that is on the way to the current entry but not in the source; nothing if
  // all directories come before what is in them, which holds for all entries of a source or none.
  virtual std::optional<EntryMetadata> missing_parent() const = 0;

  // Names the current entry, and the source that it is in, for messages.
  virtual std::string name() const = 0;

  // The number of files so far that were left out, or have other contents in the image, after a
  // warning each.
  virtual std::uint64_t incomplete() const = 0;
};

}  // namespace cim::transfer
