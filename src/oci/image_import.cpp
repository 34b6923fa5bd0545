// A container image -> images.
#include "oci/image_import.h"

#include <string>
#include <vector>

#include <cim/error.h>
#include <cim/image.h>
#include <fcntl.h>
#include <unistd.h>

#include "image/region.h"
#include "oci/digest.h"
#include "oci/image_chain.h"
#include "transfer/decompressed_input.h"
#include "transfer/image_copy.h"
#include "transfer/input.h"
#include "transfer/layer_import.h"
#include "writer/directory.h"
#include "writer/garbage.h"

namespace cim::oci {
namespace {

using System = transfer::LayerSource::System;

// Removes images again, unless all goes well.
class MadeImages {
 public:
  explicit MadeImages(const std::string& directory) : directory_(directory) {}
  MadeImages(const MadeImages&) = delete;
  MadeImages& operator=(const MadeImages&) = delete;
  ~MadeImages() { remove(); }

  void add(const std::string& name) { names_.push_back(name); }
  void keep() noexcept { names_.clear(); }

 private:
  void remove() noexcept {
    if (names_.empty()) return;
    try {
      const FileDescriptor directory = lock_directory(directory_);
      std::vector<format::RegionSet> sets;
      for (const std::string& name : names_) {
        const std::string path = path_in(directory_, name);
        const FileDescriptor file = lock_image(directory.get(), name, path);
        sets.push_back(read_filesystem_file(file.get(), path).sets.back());
        unlinkat(directory.get(), name.c_str(), 0);
      }
      remove_unused_region_sets(directory.get(), directory_, sets);
    } catch (const Error&) {
      // Somebody uses them already. They are complete, so they do no harm.
    }
  }

  const std::string& directory_;
  std::vector<std::string> names_;
};

class ImageImport {
 public:
  ImageImport(const ContainerImage& image, const Files& files, const ImageImportOptions& options,
              transfer::Progress& progress)
      : image_(image),
        files_(files),
        options_(options),
        progress_(progress),
        names_(image_names_of(image.layers)),
        made_(options.directory) {}

  void run() {
    for (std::size_t index = number_of_known_layers(); index < names_.size(); ++index) {
      make_layer(index);
      made_.add(names_[index]);
    }
    transfer::copy_image({.source = path_in(options_.directory, names_.back()),
                          .directory = options_.directory,
                          .name = options_.name,
                          .replace = options_.replace},
                         progress_);
    made_.keep();
  }

 private:
  // How many layers, from the lowest on, need not be made. An image of a layer has all below it.
  std::size_t number_of_known_layers() const {
    std::size_t count = names_.size();
    while (count > 0) {
      const std::string path = path_in(options_.directory, names_[count - 1]);
      if (access(path.c_str(), F_OK) == 0) {
        const Image must_be_complete(path);
        break;
      }
      --count;
    }
    return count;
  }

  void make_layer(std::size_t index) {
    const Layer& layer = image_.layers[index];
    const std::string& object = layer.digest.empty() ? layer.path : layer.digest;
    try {
      const StoredFile file = file_of(layer, files_);
      transfer::FilePartInput bytes(file.fd.get(), file.position, file.size);
      DigestedInput blob(bytes);
      try {
        store(index, blob, object);
      } catch (const Error& error) {
        // A layer that is not what it should be causes all kinds of errors.
        if (error.code() == Errc::corrupt) check_file_digest(layer, blob.finish());
        throw;
      }
    } catch (const Error& error) {
      if (!error.path().empty() || !error.image().empty()) throw;
      throw error.with_object(object).with_path(files_.name());
    }
  }

  void store(std::size_t index, DigestedInput& blob, const std::string& object) {
    const Layer& layer = image_.layers[index];
    transfer::DecompressedInput decompressed(blob);
    DigestedInput archive(decompressed);
    Writer::Options options;
    options.directory = options_.directory;
    options.name = names_[index];
    options.complete_descriptors = true;
    if (index > 0) options.existing = names_[index - 1];
    const System system = image_.platform.os == "windows" ? System::windows : System::linux;
    transfer::LayerImport import(options, archive, files_.name() + ": " + object, system,
                                 progress_);
    check_archive_digest(layer, archive.finish());
    check_file_digest(layer, blob.finish());
    if (import.incomplete() != 0) {
      throw Error(Errc::unsupported, "has members that an image cannot have");
    }
    import.commit();
  }

  const ContainerImage& image_;
  const Files& files_;
  const ImageImportOptions& options_;
  transfer::Progress& progress_;
  const std::vector<std::string> names_;
  MadeImages made_;
};

}  // namespace

void import_image(const ContainerImage& image, const Files& files,
                  const ImageImportOptions& options, transfer::Progress& progress) {
  ImageImport(image, files, options, progress).run();
}

}  // namespace cim::oci
