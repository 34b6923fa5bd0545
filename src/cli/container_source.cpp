// A container image that a command reads.
#include "cli/container_source.h"

#include <string_view>

#include <cim/error.h>
#include <sys/stat.h>

#include "cli/command_line.h"
#include "cli/input_archive.h"

namespace cim::cli {
namespace {

constexpr std::string_view prefix = "oci:";

TaggedPath parse_source(const std::string& source) {
  if (source.starts_with(prefix)) return parse_tagged_path(source.substr(prefix.size()));
  return {.path = source, .tag = {}};
}

bool is_directory(const std::string& path) {
  struct stat status;
  return stat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode);
}

std::unique_ptr<oci::Files> open_files(const std::string& path, const std::string& directory) {
  if (is_directory(path)) return oci::files_of_directory(path);
  const InputArchive archive(path);
  return oci::files_of_archive(archive.fd(), archive.name(), directory);
}

}  // namespace

TaggedPath parse_tagged_path(const std::string& text) {
  const std::size_t colon = text.find(':');
  if (colon == std::string::npos) return {.path = text, .tag = {}};
  return {.path = text.substr(0, colon), .tag = text.substr(colon + 1)};
}

oci::Platform parse_platform_option(const std::string& value) {
  try {
    return oci::parse_platform(value);
  } catch (const Error& error) {
    throw UsageError("--platform: " + error.reason());
  }
}

ContainerSource::ContainerSource(const std::string& source,
                                 const std::optional<std::string>& platform,
                                 const std::string& spool_directory) {
  const TaggedPath place = parse_source(source);
  oci::Choice choice = {.tag = place.tag, .platform = {}};
  if (platform) choice.platform = parse_platform_option(*platform);
  files_ = open_files(place.path, spool_directory);
  image_ = oci::find_image(*files_, choice);
}

}  // namespace cim::cli
