// Building composite images.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include <cim/error.h>
#include <cim/image.h>
#include <cim/metadata.h>
#include <cim/name.h>

namespace cim {

class Writer;

// An open stream of a file being written. At most one per Writer is open at a time.
//
// A stream has the size that it was created with. It cannot be written past that; what is never
// written reads as zero and takes no space. Closing it early is fine.
//
// Move-only; the destructor closes it. Must not outlive its Writer. A stream and its Writer are for
// one thread at a time.
class CIM_API WriteStream {
 public:
  WriteStream(WriteStream&& other) noexcept;
  WriteStream& operator=(WriteStream&& other) noexcept;
  ~WriteStream();  // closes; an error while closing makes commit() fail with it

  // Writes `data` at the write position and advances that. Throws Error (end_of_file) if the data
  // reaches past the size of the stream; what fits has then been written.
  void write(ByteView data);

  // Writes `data` at byte `offset` of the stream and leaves the write position just after it.
  // Throws as write() does.
  void write_at(std::uint64_t offset, ByteView data);

  // Writes what the file that `fd` is open on holds from byte `offset` on to the same place of the
  // stream, up to `length` bytes, and leaves the write position after it. Returns how many bytes;
  // fewer only where the file ends. Faster than reading and writing, as nothing is copied twice.
  // Throws Error, in which `path` names the file if it cannot be read; end_of_file, with nothing
  // written, if the range reaches past the size of the stream.
  std::uint64_t copy_from(int fd, std::uint64_t offset, std::uint64_t length,
                          const std::string& path);

  // Makes the stream share the blocks of the file that `fd` is open on, which must be as long as
  // the stream, so that its data takes no space of its own (ioctl_ficlonerange(2): on btrfs and
  // XFS, within one file system). Returns whether that worked; it does not for an executable that
  // Options::expand_executables moves apart. Call it before the first write; the data must still be
  // written, exactly as it is in the file. Throws Error.
  bool share(int fd);

  std::uint64_t size() const noexcept;

  // Finishes the stream, whose contents may now be shared with equal ones. Further writes throw
  // Error (invalid_argument). Closing twice does nothing.
  void close();

 private:
  friend class Writer;
  explicit WriteStream(Writer* writer) noexcept : writer_(writer) {}
  Writer* writer_;  // null once closed
};

// Builds an image: from scratch, on top of an existing one, or as a fork of one.
//
// A thread of the Writer's own hashes and writes the data. If that fails, a later call throws the
// Error, commit() at the latest.
//
// Nothing is visible until commit(); without it, everything is discarded, by the destructor or, if
// the process dies, by the kernel. Only one Writer at a time may exist for a directory, in all
// processes. Paths are image paths as in cim/name.h. A Writer is for one thread at a time; each
// thread may have one of its own, for another directory.
//
// If a call that names a path throws an Error, the image is as it was before the call. After an
// io_error, disk_full, corrupt (of the existing image) or std::bad_alloc the Writer can only be
// destroyed: all calls that would change the image throw, and so does commit().
class CIM_API Writer {
 public:
  struct Options {
    // The directory that holds the image's files.
    std::string directory = {};

    // The image to build on: its name without directory, such as `app.cim`. None: start empty. A
    // symbolic link is followed; its target is replaced or forked in the target's own directory.
    std::optional<std::string> existing = {};

    // The image that commit() makes; the same as `existing` to replace that. None: `existing`.
    std::optional<std::string> name = {};

    // For a new image: treat names that differ only by case as one name, using Windows' upcase
    // table. An image built on another keeps that one's table.
    bool case_insensitive = false;

    // Give every file a security descriptor, the root directory too: a file that is created without
    // one gets that of the file it replaces, or else one that lets everybody do everything. Windows
    // does not expect files without one.
    bool complete_descriptors = false;

    // Store executables (PE images) as Windows does: with their sections moved apart, so that each
    // can be mapped straight from the region file. They read as before and take up to 4 KiB more
    // for each section. Alternate data streams are stored plainly, and so are files that are not
    // written from their first byte on.
    bool expand_executables = false;

    // Let commit() replace an image `name` that is not `existing`. Its region files are removed
    // unless another image in the directory uses them.
    bool replace = false;
  };

  // Throws Error: invalid_argument (no name at all, or a name with a `/`), path_not_found (no such
  // directory), file_not_found (no such existing image), file_exists (`name` is taken),
  // access_denied, sharing_violation (another Writer is open for the directory, or the image to
  // replace is mounted), or what Image's constructor throws for the existing image.
  explicit Writer(const Options& options);
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;
  ~Writer();

  // All of the following throw Error (sharing_violation) while a stream is open, and
  // invalid_argument for a malformed path (empty, `.` or `..` components, NULs, `/`, over-long
  // names) or after commit(). Other characters that NTFS forbids are allowed, because Linux names
  // have them.

  // Creates a file of `size` bytes (below 2^48) and opens its data for writing. Replaces whatever
  // is at `path`, with everything below it. Throws Error: path_not_found (no parent directory),
  // invalid_argument (malformed metadata).
  WriteStream create_file(std::u16string_view path, const Metadata& metadata, std::uint64_t size);

  // Creates a file with the data that the file `source` of the image that this one builds on has
  // there, which both then share; nothing is read. Its alternate data streams stay behind. Replaces
  // as create_file() does. Throws as that does; also invalid_argument if there is no such image or
  // `source` is a directory in it, and corrupt if it has no such file.
  void create_copy(std::u16string_view path, const Metadata& metadata, FileId source);

  // Gives the file at `path` other metadata and `size` bytes of other data, and opens that for
  // writing. Unlike with create_file() it is the same file: so is what its other names lead to. Its
  // alternate data streams go. Throws Error: path_not_found, is_a_directory, and as create_file()
  // does.
  WriteStream rewrite_file(std::u16string_view path, const Metadata& metadata, std::uint64_t size);

  // Creates a directory. Replaces a file at `path`; a directory there keeps its contents and gets
  // the new metadata. The empty path is the root directory. Throws as create_file() does.
  void create_directory(std::u16string_view path, const Metadata& metadata);

  // Creates the alternate data stream `name` of the file or directory at `path` and opens it.
  // Replaces a stream of that name. Throws Error (path_not_found).
  WriteStream create_named_stream(std::u16string_view path, std::u16string_view name,
                                  std::uint64_t size);

  // Makes `new_path` another name of the file at `existing_path`, replacing a file at `new_path`.
  // Throws Error: path_not_found, is_a_directory (either is a directory).
  void create_hard_link(std::u16string_view new_path, std::u16string_view existing_path);

  // Makes what is at `from`, a directory with everything below it, be at `to` instead, without
  // looking at what is below it. What was at `to` is replaced with everything below it, as by
  // create_file(); unlike with rename(2), whatever it was and whatever is moved. Does nothing if
  // both are names of one file, which then keeps both, as with rename(2); unless `to` spells the
  // very name `from` in another case, which it then gets. Throws Error: path_not_found (nothing is
  // at `from`, or `to` has no parent directory), invalid_argument (either is the root directory, or
  // `to` is below the directory `from`).
  void rename(std::u16string_view from, std::u16string_view to);

  // Gives the file or directory at `path` other metadata; it keeps its data, its alternate data
  // streams, its names and, as a directory, its contents. Without a security descriptor it keeps
  // its own if Options::complete_descriptors is set, and has none otherwise. The empty path is the
  // root directory. Throws Error: path_not_found, invalid_argument (malformed metadata).
  void set_metadata(std::u16string_view path, const Metadata& metadata);

  // Removes the name `path`; a directory goes with everything below it. Throws Error:
  // path_not_found, invalid_argument (the root directory).
  void remove(std::u16string_view path);

  // Removes what the image that this one builds on has at `path`, but nothing that this Writer has
  // created there or below, or moved there: what a whiteout in a layer of a container means. Does
  // nothing if there is nothing. Throws Error (invalid_argument) for the root directory.
  void remove_inherited(std::u16string_view path);

  // The same for everything in the directory at `path`, the root included, but not the directory
  // itself.
  void remove_inherited_contents(std::u16string_view path);

  // Removes an alternate data stream. Throws Error (path_not_found).
  void remove_named_stream(std::u16string_view path, std::u16string_view name);

  // Makes the image begin with the files of `images`, merged: names of images in the directory, the
  // topmost first, which all stay. A file hides what the images below it have at its path, and so
  // does a tombstone; directories are merged and have the metadata of the topmost; merge links
  // become hard links. This is what applying the images to each other gives, from the last one up.
  // No data is read or written: the image refers to that of the others, whose region files it
  // needs. Symbolic links to images in the directory are followed. The image keeps the others'
  // upcase table.
  //
  // Call it before any other change, once, and not for an image that builds on an existing one.
  // Throws Error: invalid_argument (the image is not empty, none are named, a name is no name, one
  // leads to another directory, or their upcase tables differ), limit_exceeded (they have more than
  // 65,536 region files), path_not_found or is_a_directory (the target of a merge link), and what
  // Image's constructor throws. The image is then as it was.
  void merge(std::span<const std::string> images);

  // Creates a tombstone: when images are merged, it hides whatever those below this one have at
  // `path`, and is itself gone. A directory that is created in its place hides what they have in
  // it. Until then it is a whiteout of overlayfs, the character device 0:0. Replaces what is at
  // `path`, with everything below it. Throws Error (path_not_found: no parent directory).
  void create_tombstone(std::u16string_view path);

  // Creates a merge link: when images are merged, it becomes another name of the file that this
  // image or those below it have at `target_path`, which may be a merge link too. Until then it is
  // a symbolic link. Replaces what is at `new_path`, with everything below it. The target need not
  // exist yet. Throws Error: path_not_found (no parent directory), invalid_argument (the target is
  // the root directory), limit_exceeded (over about 16,000 units).
  void create_merge_link(std::u16string_view new_path, std::u16string_view target_path);

  // What is at `path` now. Reading is allowed while a stream is open.
  enum class Kind { none, file, directory };
  Kind find(std::u16string_view path) const;

  // Makes everything durable and visible at once: region files, object ids and the filesystem file
  // are synced, then renamed into place, then the directory is synced. The Writer can then only be
  // destroyed. Throws Error: sharing_violation (a stream is open, or the image to replace is
  // mounted), disk_full, io_error; the existing image is then unchanged and nothing is left behind.
  //
  // `before_visible` is called with the contents of the filesystem file when nothing is left to do
  // but to make it visible: so a caller can note what will be there, and knows after a crash
  // whether it is. If it throws, so does commit().
  void commit(const std::function<void(ByteView filesystem_file)>& before_visible = {});

 private:
  friend class WriteStream;
  struct CIM_HIDDEN Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace cim
