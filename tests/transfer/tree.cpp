// Trees on disk, made and compared in tests.
#include "tree.h"

#include <algorithm>
#include <array>
#include <fstream>
#include <iterator>
#include <stdexcept>

#include <boost/filesystem.hpp>
#include <fmt/format.h>
#include <linux/limits.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "posix/linux_metadata.h"
#include "support/image_content.h"
#include "transfer/import.h"

namespace cim::transfer {
namespace {

namespace fs = boost::filesystem;

std::string xattrs(const std::string& path) {
  std::array<char, 4096> names = {};
  const ssize_t length = llistxattr(path.c_str(), names.data(), names.size());
  std::vector<std::string> found;
  for (ssize_t start = 0; start < length;) {
    const std::string name = names.data() + start;
    std::array<char, 4096> value = {};
    const ssize_t size = lgetxattr(path.c_str(), name.c_str(), value.data(), value.size());
    found.push_back(
        name + "=" +
        std::string(value.data(), static_cast<std::size_t>(std::max<ssize_t>(size, 0))));
    start += static_cast<ssize_t>(name.size()) + 1;
  }
  std::sort(found.begin(), found.end());
  return fmt::format("{}", fmt::join(found, ","));
}

std::string describe(const std::string& path, const struct stat& status) {
  std::string text =
      fmt::format("mode {:o} owner {}:{} mtime {}.{:07}", status.st_mode, status.st_uid,
                  status.st_gid, status.st_mtim.tv_sec, status.st_mtim.tv_nsec / 100);
  if (!S_ISDIR(status.st_mode)) text += fmt::format(" links {}", status.st_nlink);
  if (S_ISREG(status.st_mode)) text += " content " + read_file(path);
  if (S_ISLNK(status.st_mode)) text += " target " + fs::read_symlink(path).string();
  if (S_ISCHR(status.st_mode) || S_ISBLK(status.st_mode)) {
    text += fmt::format(" device {}", status.st_rdev);
  }
  return text + " xattrs " + xattrs(path);
}

}  // namespace

void write_file(const std::string& path, const std::string& content) {
  std::ofstream file(path, std::ios::binary);
  file.exceptions(std::ios::failbit | std::ios::badbit);
  file << content;
}

std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return "(none)";
  return {std::istreambuf_iterator<char>(file), {}};
}

std::map<std::string, std::string> snapshot(const std::string& directory) {
  std::vector<std::string> paths = {directory};
  for (const auto& entry : fs::recursive_directory_iterator(directory)) {
    paths.push_back(entry.path().string());
  }
  std::sort(paths.begin(), paths.end());
  std::map<std::string, std::string> found;
  std::map<ino_t, std::string> first_links;
  for (const std::string& path : paths) {
    struct stat status = {};
    if (lstat(path.c_str(), &status) != 0) throw std::runtime_error("lstat " + path);
    const std::string relative = path.substr(directory.size());
    std::string text = describe(path, status);
    if (!S_ISDIR(status.st_mode) && status.st_nlink > 1) {
      text += " same as " + first_links.try_emplace(status.st_ino, relative).first->second;
    }
    found.emplace(relative, std::move(text));
  }
  return found;
}

Writer::Options new_image(const std::string& directory, const std::string& name) {
  Writer::Options options;
  options.directory = directory;
  options.name = name;
  return options;
}

std::string make_image(const std::string& directory, const std::string& name,
                       const std::string& source) {
  Writer writer(new_image(directory, name));
  RecordingProgress progress;
  import_tree(writer, source, u"", {}, progress);
  writer.commit();
  return directory + "/" + name;
}

void put_with_streams(Writer& writer, std::u16string_view path, const std::string& content) {
  posix::LinuxMetadata metadata;
  metadata.status.st_mode = S_IFREG | 0644;
  metadata.status.st_uid = geteuid();
  metadata.status.st_gid = getegid();
  metadata.xattrs = {{"user.taken", "by an attribute"}};
  test::put(writer, path, "main", posix::EncodedMetadata(metadata).get());
  for (const std::string& name :
       {std::string("fits"), std::string("large"), std::string("taken"), long_stream_name}) {
    const std::uint64_t size = name == "large" ? XATTR_SIZE_MAX + 1 : name.size() + content.size();
    WriteStream stream = writer.create_named_stream(path, linux_to_image_name(name), size);
    stream.write(test::bytes(name + content));
    stream.close();
  }
}

}  // namespace cim::transfer
