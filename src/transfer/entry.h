// What goes into an image: sources yield entries, and store_entries() applies them to a Writer.
#pragma once

#include <cstdint>
#include <string>

#include <cim/writer.h>

#include "posix/linux_metadata.h"

namespace cim::transfer {

// One file of a source, apart from its data.
struct Entry {
  enum class Kind {
    file,       // anything but a directory: a device, a symbolic link, …
    directory,  // merges with one that is there
    hard_link,  // one more name of the file at `target`
  };

  Kind kind = Kind::file;
  std::u16string path;            // in the image, see cim/name.h; empty for its root
  posix::LinuxMetadata metadata;  // not of a hard link
  std::uint64_t size = 0;         // bytes of data, holes included
  std::u16string target;          // of a hard link: a path in the image
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

  // Writes the data of the current entry, which is no directory or hard link, to `stream`; nothing
  // for a file that has none. Tells the progress of all its bytes. Throws Error, naming the file,
  // and as WriteStream does.
  virtual void copy_data(WriteStream& stream) = 0;

  // Whether the directories on the way to an entry, but for those above all entries, come before
  // it.
  virtual bool has_parents() const = 0;

  // Names the current entry, and the source that it is in, for messages.
  virtual std::string name() const = 0;

  // The number of files so far that were left out, or have other contents in the image, after a
  // warning each.
  virtual std::uint64_t incomplete() const = 0;
};

}  // namespace cim::transfer
