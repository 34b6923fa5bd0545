// Writes to an image layout of OCI.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "image/file_descriptor.h"
#include "oci/files.h"
#include "oci/json.h"
#include "transfer/output.h"
#include "writer/pending_file.h"

namespace cim::oci {

// A blob of a layout.
struct Blob {
  std::string digest;
  std::uint64_t size = 0;
};

// Adds a container image to a layout, which must not have another such writer. Until commit(), the
// layout is what it was: blobs have no names where the file system allows that. A new layout is
// removed again if there is no commit. For one thread at a time.
//
// Functions throw Error, naming the file.
class LayoutWriter {
 public:
  // Opens the layout in `directory`, or makes one there if that is missing or empty. Throws Error
  // too if it is anything else (invalid_argument), or has another writer (sharing_violation).
  explicit LayoutWriter(const std::string& directory);
  LayoutWriter(const LayoutWriter&) = delete;
  LayoutWriter& operator=(const LayoutWriter&) = delete;

  // Whether the layout has this blob, undamaged. Reads it.
  bool has(const Blob& blob) const;

  // Makes a blob of what `write` writes.
  Blob add(const std::function<void(transfer::Output&)>& write);
  Blob add(const Json& json);

  // Gives the blobs their names, then makes `manifest` the one that is tagged `tag`, in place of
  // any other. All is synced before that happens in one step.
  void commit(const std::string& tag, const Blob& manifest);

 private:
  // Removes files and directories that were made, the last first, unless all goes well.
  class MadeFiles {
   public:
    MadeFiles() = default;
    MadeFiles(const MadeFiles&) = delete;
    MadeFiles& operator=(const MadeFiles&) = delete;
    ~MadeFiles();

    void add(std::string path) { paths_.push_back(std::move(path)); }
    void keep() noexcept { paths_.clear(); }

   private:
    std::vector<std::string> paths_;
  };

  struct PendingBlob {
    std::string digest;
    PendingFile file;
  };

  FileDescriptor make_directory(const std::string& path);
  void start_layout();
  Json read_index() const;
  void publish_blobs();
  PendingFile new_file(int directory_fd, const std::string& directory, const std::string& text);

  const std::string directory_;
  const std::string blob_directory_;
  MadeFiles made_;
  FileDescriptor fd_;
  std::unique_ptr<Files> files_;
  FileDescriptor blobs_fd_;
  std::vector<PendingBlob> blobs_;
};

}  // namespace cim::oci
