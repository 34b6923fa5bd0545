// The listing of a directory of images.
#include "cli/image_directory_listing.h"

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include <cim/error.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include "cli/escape.h"
#include "cli/file_fields.h"
#include "cli/file_json.h"
#include "image/file_descriptor.h"
#include "image/region.h"
#include "program/standard_streams.h"
#include "writer/image_directory.h"
#include "writer/pending_file.h"

namespace cim::cli {
namespace {

struct ListedImage {
  std::vector<std::string> names;  // of the filesystem file; empty if only links lead to it
  std::vector<std::string> links;  // symbolic links to it
  std::uint64_t bytes = 0;         // of all files that it consists of, on disk
  std::uint64_t frees = 0;         // if it is removed, and then what no image needs
  std::set<std::size_t> shares_with;

  std::vector<std::string> all_names() const {
    std::vector<std::string> all = names;
    all.insert(all.end(), links.begin(), links.end());
    return all;
  }
};

// A region or object id file, or a file that a killed writer has left.
struct ListedFile {
  std::uint64_t bytes = 0;  // on disk
  std::uint64_t frees = 0;  // when it is removed
  std::vector<std::size_t> images = {};
};

// The images of a directory and their files.
class ImageDirectory {
 public:
  explicit ImageDirectory(const std::string& path)
      : path_(path), fd_(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {
    if (!fd_) throw system_error(errno, path);
    find_files();
    const auto add_problem = [this](const Error& error) { problems_.emplace_back(error.what()); };
    for (const DirectoryImage& image : find_images(fd_.get(), path, add_problem)) add(image);
    count_shares();
  }

  const std::string& path() const noexcept { return path_; }
  const std::vector<ListedImage>& images() const noexcept { return images_; }
  const std::map<std::string, ListedFile>& files() const noexcept { return files_; }

  // A line for each image that cannot be read, or misses a file.
  const std::vector<std::string>& problems() const noexcept { return problems_; }

 private:
  // The bytes of a file on disk, and those that are free once this name is gone.
  ListedFile measure(const std::string& name) const {
    constexpr std::uint64_t sector_size = 512;  // the unit of st_blocks
    struct stat status;
    if (fstatat(fd_.get(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
      throw system_error(errno, path_ + "/" + name);
    }
    const std::uint64_t bytes = static_cast<std::uint64_t>(status.st_blocks) * sector_size;
    return {.bytes = bytes, .frees = status.st_nlink > 1 ? 0 : bytes};
  }

  void find_files() {
    for (const std::string& name : names_in(path_)) {
      if (parse_region_file_name(name) || is_temporary_name(name)) {
        files_.emplace(name, measure(name));
      }
    }
  }

  void add(const DirectoryImage& found) {
    const auto [known, is_new] = indices_.try_emplace(found.file, images_.size());
    if (is_new) images_.emplace_back();
    ListedImage& image = images_[known->second];
    (found.is_link ? image.links : image.names).push_back(found.name);
    if (is_new) add_files(found, known->second);
    if (found.is_link) return;
    const ListedFile file = measure(found.name);
    if (image.names.size() == 1) image.bytes += file.bytes;
    image.frees += file.frees;
  }

  void add_files(const DirectoryImage& found, std::size_t index) {
    for (const std::string& name : region_file_names(found.sets)) {
      const auto file = files_.find(name);
      if (file != files_.end()) {
        file->second.images.push_back(index);
        images_[index].bytes += file->second.bytes;
      } else if (!found.is_link) {
        problems_.push_back(path_ + "/" + found.name + ": " + name + " is missing");
      }
    }
  }

  void count_shares() {
    for (const auto& [name, file] : files_) {
      if (file.images.size() == 1) {
        ListedImage& image = images_[file.images.front()];
        if (image.names.size() == 1) image.frees += file.frees;
        continue;
      }
      for (const std::size_t image : file.images) {
        images_[image].shares_with.insert(file.images.begin(), file.images.end());
      }
    }
    for (std::size_t index = 0; index < images_.size(); ++index) {
      images_[index].shares_with.erase(index);
    }
  }

  const std::string path_;
  const FileDescriptor fd_;
  std::vector<ListedImage> images_;
  std::map<std::pair<dev_t, ino_t>, std::size_t> indices_;  // in images_
  std::map<std::string, ListedFile> files_;                 // by their names
  std::vector<std::string> problems_;
};

// For a container of indices of images.
template <typename Indices>
std::string names_of(const ImageDirectory& directory, const Indices& indices) {
  std::string text;
  for (const std::size_t index : indices) {
    text += (text.empty() ? "" : ", ") + directory.images()[index].all_names().front();
  }
  return text.empty() ? "-" : text;
}

// Columns of equal width, the numbers at their right ends. The last column has no padding.
class Table {
 public:
  void add(std::vector<std::string> row) {
    for (std::string& field : row) field = escape_for_terminal(field);
    widths_.resize(std::max(widths_.size(), row.size()));
    for (std::size_t i = 0; i < row.size(); ++i) widths_[i] = std::max(widths_[i], row[i].size());
    rows_.push_back(std::move(row));
  }

  // The first `numbers` columns are numbers.
  void print_rows(std::size_t numbers) const {
    for (const std::vector<std::string>& row : rows_) {
      std::string line;
      for (std::size_t i = 0; i + 1 < row.size(); ++i) {
        line +=
            fmt::format(fmt::runtime(i < numbers ? "{:>{}}  " : "{:<{}}  "), row[i], widths_[i]);
      }
      print(line + row.back() + "\n");
    }
  }

 private:
  std::vector<std::vector<std::string>> rows_;
  std::vector<std::size_t> widths_;
};

std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : " = ") + name;
  return text;
}

std::string counted(std::size_t count, const char* noun) {
  return fmt::format("{} {}{}", count, noun, count == 1 ? "" : "s");
}

// Prints the listing for people.
class Listing {
 public:
  Listing(const ImageDirectory& directory, bool human_readable)
      : directory_(directory), human_readable_(human_readable) {}

  void print_images() const {
    Table table;
    table.add({"SIZE", "FREES", "IMAGE", "SHARES FILES WITH"});
    for (const ListedImage& image : directory_.images()) {
      table.add({size(image.bytes), size(image.frees), joined(image.all_names()),
                 names_of(directory_, image.shares_with)});
    }
    table.print_rows(2);
  }

  void print_files() const {
    Table table;
    table.add({"SIZE", "FILE", "NEEDED BY"});
    for (const auto& [name, file] : directory_.files()) {
      table.add({size(file.bytes), name, names_of(directory_, file.images)});
    }
    print("\n");
    table.print_rows(1);
  }

  void print_unneeded() const {
    std::size_t count = 0;
    std::uint64_t bytes = 0;
    for (const auto& [name, file] : directory_.files()) {
      if (!file.images.empty()) continue;
      ++count;
      bytes += file.bytes;
    }
    if (count == 0) return;
    print(
        fmt::format("\n{}, {}{}, {} no image{}\n", counted(count, "file"), size(bytes),
                    human_readable_ ? "" : " bytes", count == 1 ? "belongs to" : "belong to",
                    directory_.problems().empty() ? "; cim gc removes them" : " that can be read"));
  }

 private:
  std::string size(std::uint64_t bytes) const {
    return human_readable_ ? human_size(bytes) : std::to_string(bytes);
  }

  const ImageDirectory& directory_;
  const bool human_readable_;
};

Json named(const std::string& name) {
  Json object = Json::object();
  set_text(object, "name", name);
  return object;
}

template <typename Indices>
Json named_images(const ImageDirectory& directory, const Indices& indices) {
  Json array = Json::array();
  for (const std::size_t index : indices) {
    array.push_back(named(directory.images()[index].all_names().front()));
  }
  return array;
}

void print_json(const ImageDirectory& directory) {
  Json images = Json::array();
  for (const ListedImage& image : directory.images()) {
    Json object = named(image.all_names().front());
    object["other_names"] = Json::array();
    for (const std::string& name : image.all_names()) {
      if (name != image.all_names().front()) object["other_names"].push_back(named(name));
    }
    object["bytes"] = image.bytes;
    object["frees"] = image.frees;
    object["shares_with"] = named_images(directory, image.shares_with);
    images.push_back(std::move(object));
  }
  Json files = Json::array();
  for (const auto& [name, file] : directory.files()) {
    Json object = named(name);
    object["bytes"] = file.bytes;
    object["images"] = named_images(directory, file.images);
    files.push_back(std::move(object));
  }
  Json object = Json::object();
  set_text(object, "directory", directory.path());
  object["images"] = std::move(images);
  object["files"] = std::move(files);
  object["problems"] = directory.problems();
  print(to_text(object, 2) + "\n");
}

}  // namespace

void list_images(const std::string& path, const ImageListOptions& options) {
  const ImageDirectory directory(path);
  if (options.json) {
    print_json(directory);
  } else {
    const Listing listing(directory, options.human_readable);
    listing.print_images();
    if (options.long_format) listing.print_files();
    listing.print_unneeded();
  }
  if (directory.problems().empty()) return;
  for (const std::string& problem : directory.problems()) {
    write_line({escape_controls(problem)});
  }
  throw Error(Errc::corrupt, "listed with " + counted(directory.problems().size(), "problem"));
}

}  // namespace cim::cli
