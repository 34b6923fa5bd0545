// What cim create makes its image of, and over.
#include "cli/new_image.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <string_view>

#include <boost/filesystem.hpp>
#include <cim/error.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include "cli/command_line.h"
#include "cli/image_name.h"
#include "format/layout.h"
#include "image/file_descriptor.h"
#include "image/file_io.h"
#include "image/region.h"
#include "writer/directory.h"

namespace cim::cli {
namespace {

// The type of the file at `path`, as in st_mode; 0 if there is none that this user can see.
mode_t type_at(const std::string& path) {
  struct stat status;
  return stat(path.c_str(), &status) == 0 ? status.st_mode & S_IFMT : 0;
}

bool is_archive_name(std::string_view path) {
  constexpr std::array suffixes = {".tar", ".tgz", ".tbz", ".tbz2", ".txz", ".tzst"};
  return path.find(".tar.") != std::string_view::npos ||
         std::ranges::any_of(suffixes, [path](const char* end) { return path.ends_with(end); });
}

// The option of cim create that reads files with such a name; null if it is the name of another.
const char* option_for(std::string_view path) {
  if (is_archive_name(path)) return "--tar";
  return path.ends_with(".msix") || path.ends_with(".appx") ? "--msix" : nullptr;
}

// Whether the regular file at `path` is an image, sound or not, or at least nobody's data.
bool is_replaceable(const std::string& path) {
  const FileDescriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) throw system_error(errno, path);
  std::array<char, sizeof(format::magic)> start = {};
  const std::size_t size = read_at(file.get(), start.data(), start.size(), 0, path);
  return size == 0 || (size == start.size() && std::memcmp(start.data(), format::magic, size) == 0);
}

std::string image_name_for(const std::string& name) {
  return name.ends_with(".cim") ? name : name + ".cim";
}

void refuse_directory_as_image(const std::string& image, const std::optional<std::string>& source) {
  if (type_at(image) != S_IFDIR) return;
  const bool is_swapped = source && type_at(*source) != S_IFDIR;
  throw Error(Errc::is_a_directory,
              is_swapped
                  ? fmt::format("is a directory; did you mean 'cim create {} {}'?", *source, image)
                  : "is a directory")
      .with_path(image);
}

void refuse_archive_as_image(const std::string& image, const std::optional<std::string>& source) {
  if (!is_archive_name(image)) return;
  const bool is_swapped = source && type_at(image) != 0 && type_at(*source) == 0;
  throw Error(Errc::invalid_argument,
              is_swapped
                  ? fmt::format("is an archive; did you mean 'cim create {} --tar {}'?",
                                image_name_for(*source), image)
                  : "is named like an archive, not like an image; 'cim export' makes archives")
      .with_path(image);
}

void refuse_archive_as_source(const std::string& image, const std::string& source) {
  const char* const option = option_for(source);
  if (type_at(source) != S_IFREG || option == nullptr) return;
  throw Error(
      Errc::not_a_directory,
      fmt::format("is no directory; did you mean 'cim create {} {} {}'?", image, option, source))
      .with_path(source);
}

void refuse_existing_file(const std::string& image, bool replace) {
  const mode_t type = type_at(image);
  if (type == 0) return;
  if (!replace)
    throw Error(Errc::file_exists, "exists already; --force replaces it").with_path(image);
  if (type == S_IFREG && is_replaceable(image)) return;
  throw Error(Errc::file_exists, "is not an image, and --force replaces nothing else")
      .with_path(image);
}

void check_base(const std::string& base, const std::string& image, const std::string& argument) {
  namespace fs = boost::filesystem;
  boost::system::error_code unknown;  // of a missing directory, which the writer reports better
  const bool together =
      fs::equivalent(ImageName(base).directory, ImageName(image).directory, unknown);
  if (together || unknown) return;
  throw UsageError(argument + ": " + base + " is not in the directory of " + image +
                   ", which would share its files");
}

}  // namespace

void check_arguments_of_create(const std::string& image, const std::optional<std::string>& source,
                               bool replace) {
  refuse_directory_as_image(image, source);
  refuse_archive_as_image(image, source);
  if (source) refuse_archive_as_source(image, *source);
  refuse_existing_file(image, replace);
}

void refuse_mounted(const std::string& path) {
  if (type_at(path) != 0) lock_image(AT_FDCWD, path, path);
}

Writer::Options new_image_options(const std::string& image, const std::optional<std::string>& base,
                                  const std::string& base_option) {
  const ImageName name(image);
  Writer::Options options;
  options.directory = name.directory;
  options.name = name.name;
  options.complete_descriptors = true;
  if (base) options.existing = sharing_image_name(*base, image, base_option);
  return options;
}

Writer::Options extending_options(const std::string& path) {
  const ImageName image(path);
  Writer::Options options;
  options.directory = image.directory;
  options.existing = image.name;
  options.complete_descriptors = true;
  return options;
}

std::string sharing_image_name(const std::string& base, const std::string& image,
                               const std::string& argument) {
  const std::string target = follow_link(base);
  check_base(target, image, argument);
  return ImageName(target).name;
}

}  // namespace cim::cli
