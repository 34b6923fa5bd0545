// Writes to an image layout of OCI.
#include "oci/layout_writer.h"

#include <algorithm>
#include <cerrno>
#include <span>
#include <utility>

#include <boost/filesystem.hpp>
#include <cim/error.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "image/region.h"
#include "oci/digest.h"
#include "oci/image_layout.h"
#include "transfer/input.h"
#include "writer/directory.h"
#include "writer/image_directory.h"

namespace cim::oci {
namespace {

constexpr mode_t directory_mode = 0777;

Json new_index() {
  return {{"schemaVersion", 2},
          {"mediaType", "application/vnd.oci.image.index.v1+json"},
          {"manifests", Json::array()}};
}

bool has_tag(const Json& entry, const std::string& tag) {
  return string_member(object_member(object_of(entry), "annotations"), tag_annotation) == tag;
}

// What a killed writer has left.
void remove_temporary_files(int fd, const std::string& directory) {
  for (const std::string& name : names_in(directory)) {
    if (is_temporary_name(name)) unlinkat(fd, name.c_str(), 0);
  }
}

}  // namespace

LayoutWriter::MadeFiles::~MadeFiles() {
  boost::system::error_code ignored;
  for (auto path = paths_.rbegin(); path != paths_.rend(); ++path) {
    boost::filesystem::remove(*path, ignored);
  }
}

LayoutWriter::LayoutWriter(const std::string& directory)
    : directory_(directory), blob_directory_(path_in(directory, blob_directory)) {
  make_directory(directory_);
  fd_ = lock_directory(directory_);
  files_ = files_of_directory(directory_);
  if (files_->find(layout_file)) {
    check_layout(*files_);
    read_index();
  } else {
    start_layout();
  }
  remove_temporary_files(fd_.get(), directory_);
  make_directory(path_in(directory_, "blobs"));
  blobs_fd_ = make_directory(blob_directory_);
  remove_temporary_files(blobs_fd_.get(), blob_directory_);
}

// Makes a directory if it is missing, and opens it.
FileDescriptor LayoutWriter::make_directory(const std::string& path) {
  if (mkdir(path.c_str(), directory_mode) == 0) {
    made_.add(path);
  } else if (errno != EEXIST) {
    throw system_error(errno, path);
  }
  FileDescriptor fd(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd) throw system_error(errno, path);
  return fd;
}

// Comes before all else, so that whatever happens next, it is known what the directory is.
void LayoutWriter::start_layout() {
  if (!std::ranges::all_of(names_in(directory_), is_temporary_name)) {
    throw Error(Errc::invalid_argument, "is no image layout, and is not empty")
        .with_path(directory_);
  }
  PendingFile file =
      new_file(fd_.get(), directory_, Json({{"imageLayoutVersion", "1.0.0"}}).dump());
  if (file.publish(layout_file)) made_.add(path_in(directory_, layout_file));
}

PendingFile LayoutWriter::new_file(int directory_fd, const std::string& directory,
                                   const std::string& text) {
  PendingFile file(directory_fd, directory);
  file.write_at(0, text.data(), text.size());
  file.sync();
  return file;
}

// A layout may have been left without an index.
Json LayoutWriter::read_index() const {
  return about(*files_, index_file, [&] {
    if (!files_->find(index_file)) return new_index();
    Json index = read_json(*files_, index_file);
    if (!index.is_object()) throw Error(Errc::corrupt, "is not an object");
    for (const Json& entry : array_member(index, "manifests")) has_tag(entry, {});
    return index;
  });
}

bool LayoutWriter::has(const Blob& blob) const {
  const auto file = files_->find(path_of_blob(blob.digest));
  if (!file || file->size != blob.size) return false;
  transfer::FilePartInput bytes(file->fd.get(), file->position, file->size);
  return DigestedInput(bytes).finish() == blob.digest;
}

Blob LayoutWriter::add(const std::function<void(transfer::Output&)>& write) {
  PendingFile file(blobs_fd_.get(), blob_directory_);
  transfer::FileOutput bytes(file.fd(), blob_directory_);
  DigestedOutput output(bytes);
  write(output);
  file.sync();
  Blob blob = {.digest = output.finish(), .size = output.size()};
  blobs_.push_back({blob.digest, std::move(file)});
  return blob;
}

Blob LayoutWriter::add(const Json& json) {
  return add([text = json.dump()](transfer::Output& output) {
    output.write(std::as_bytes(std::span(text)));
  });
}

void LayoutWriter::commit(const std::string& tag, const Blob& manifest) {
  publish_blobs();
  Json index = read_index();
  Json& entries = index["manifests"];
  if (entries.is_null()) entries = Json::array();
  entries.erase(std::remove_if(entries.begin(), entries.end(),
                               [&](const Json& entry) { return has_tag(entry, tag); }),
                entries.end());
  entries.push_back({{"mediaType", manifest_type},
                     {"digest", manifest.digest},
                     {"size", manifest.size},
                     {"annotations", {{tag_annotation, tag}}}});
  new_file(fd_.get(), directory_, index.dump()).replace(index_file);
  made_.keep();
  sync_directory(fd_.get(), directory_);
}

void LayoutWriter::publish_blobs() {
  for (PendingBlob& blob : blobs_) {
    const std::string name(hex_of(blob.digest));
    if (blob.file.publish(name)) {
      made_.add(path_in(blob_directory_, name));
    } else if (blob.file.differs_from(name)) {
      blob.file.replace(name);
    }
  }
  sync_directory(blobs_fd_.get(), blob_directory_);
  const std::string parent = path_in(directory_, "blobs");
  sync_directory(make_directory(parent).get(), parent);
}

}  // namespace cim::oci
