// A tar archive -> an image.
#include "transfer/tar_import.h"

#include <map>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>

#include <fmt/format.h>
#include <sys/stat.h>

#include "posix/linux_metadata.h"
#include "transfer/inexact_times.h"
#include "transfer/patterns.h"
#include "transfer/tar_reader.h"

namespace cim::transfer {
namespace {

bool has_dot_dot(std::string_view name) {
  for (;;) {
    const std::size_t end = name.find('/');
    if (name.substr(0, end) == "..") return true;
    if (end == std::string_view::npos) return false;
    name.remove_prefix(end + 1);
  }
}

class TarImport {
 public:
  TarImport(Writer& writer, int fd, const std::string& name, const TarImportOptions& options,
            Progress& progress)
      : writer_(writer),
        reader_(fd, name, progress),
        options_(options),
        has_root_(options.has_root),
        progress_(progress) {}

  std::uint64_t run() {
    while (const auto member = reader_.next()) {
      add(*member);
      progress_.advance({.files = 1});
    }
    create_missing_root({});
    inexact_times_.report(progress_);
    return left_out_;
  }

 private:
  void add(const TarMember& member) {
    const std::optional<std::u16string> path = image_path(member, member.name);
    if (!path || is_left_out(*path)) return;
    check_case(member, *path);
    if (member.hard_link_target) return add_hard_link(member, *path);
    const bool is_directory = S_ISDIR(member.metadata.status.st_mode);
    if (path->empty() && !is_directory) throw error(member, "the root must be a directory");
    if ((member.metadata.status.st_mode & S_IFMT) == 0) {
      return leave_out(member, "is of a type that no file has");
    }
    create_missing_parents(member, *path);
    const auto metadata = encode(member);
    if (is_directory) {
      writer_.create_directory(*path, metadata->get());
      has_root_ |= path->empty();
    } else {
      add_file(member, *path, metadata->get());
    }
  }

  // Where `name`, the name of the member or of its target, is in the image; nothing if the member
  // had to be left out because of it.
  std::optional<std::u16string> image_path(const TarMember& member, const std::string& name) {
    if (has_dot_dot(name)) {
      const bool is_target = &name != &member.name;
      leave_out(member, is_target ? "is a hard link to " + name + ", which contains '..'"
                                  : std::string("its name contains '..'"));
      return std::nullopt;
    }
    if (name.starts_with('/') && !std::exchange(warned_of_slash_, true)) {
      progress_.warn(reader_.name() + ": removed leading '/' from names");
    }
    try {
      return linux_to_image_path(name);
    } catch (const Error& failure) {
      throw Error(failure.code(), failure.reason())
          .with_path(reader_.name())
          .with_object(failure.path());
    }
  }

  // Whether a pattern leaves out the file at `path` or a directory above it.
  bool is_left_out(const std::u16string& path) const {
    if (options_.exclude.empty()) return false;
    const std::string name = image_to_linux_path(path);
    for (std::size_t end = 0; end != std::string::npos;) {
      end = name.find('/', end + 1);
      if (is_excluded(options_.exclude, name.substr(0, end))) return true;
    }
    return false;
  }

  void leave_out(const TarMember& member, const std::string& reason) {
    ++left_out_;
    progress_.warn(error(member, reason + "; left out").what());
  }

  // Throws if the image would take `path`, or a directory on the way to it, for an earlier path
  // that is spelled differently.
  void check_case(const TarMember& member, std::u16string_view path) {
    if (options_.upcase.empty()) return;
    for (std::size_t end = 0; end != std::u16string_view::npos;) {
      end = path.find(u'\\', end + 1);
      const std::u16string prefix(path.substr(0, end));
      std::u16string folded = prefix;
      for (char16_t& unit : folded) unit = options_.upcase[unit];
      const auto [known, is_new] = names_.try_emplace(std::move(folded), prefix);
      if (is_new || known->second == prefix) continue;
      throw error(member,
                  fmt::format("'{}' and '{}' are one name in a case-insensitive image",
                              image_to_linux_path(known->second), image_to_linux_path(prefix)),
                  Errc::already_exists);
    }
  }

  void create_missing_parents(const TarMember& member, const std::u16string& path) {
    const timespec time = member.metadata.status.st_mtim;
    if (!path.empty()) create_missing_root(time);
    for (std::size_t end = path.find(u'\\'); end != std::u16string::npos;
         end = path.find(u'\\', end + 1)) {
      const std::u16string parent = path.substr(0, end);
      const Writer::Kind kind = writer_.find(parent);
      if (kind == Writer::Kind::none) create_plain_directory(parent, time);
      if (kind != Writer::Kind::file) continue;
      throw error(member, image_to_linux_path(parent) + " is not a directory",
                  Errc::not_a_directory);
    }
  }

  void create_missing_root(const timespec& time) {
    if (!std::exchange(has_root_, true)) create_plain_directory(u"", time);
  }

  void create_plain_directory(const std::u16string& path, const timespec& time) {
    posix::LinuxMetadata metadata;
    metadata.status.st_mode = S_IFDIR | S_IRWXU | S_IRGRP | S_IXGRP | S_IROTH | S_IXOTH;
    metadata.status.st_mtim = time;
    apply(options_.overrides, metadata);
    writer_.create_directory(path, posix::EncodedMetadata(metadata).get());
  }

  std::unique_ptr<posix::EncodedMetadata> encode(const TarMember& member) {
    posix::LinuxMetadata metadata = member.metadata;
    apply(options_.overrides, metadata);
    inexact_times_.add(metadata.status.st_mtim, reader_.name() + ": " + member.name, progress_);
    try {
      return std::make_unique<posix::EncodedMetadata>(metadata);
    } catch (const Error& failure) {
      throw failure.with_object(member.name).with_path(reader_.name());
    }
  }

  // Adds a file of any kind. Only a regular one has data.
  void add_file(const TarMember& member, const std::u16string& path, const Metadata& metadata) {
    WriteStream stream = writer_.create_file(path, metadata, member.size);
    std::uint64_t end = 0;
    while (S_ISREG(member.metadata.status.st_mode)) {
      const auto block = reader_.read();
      if (!block) break;
      stream.write_at(block->offset, block->data);
      const std::uint64_t new_end = block->offset + block->data.size();
      progress_.advance({.bytes = new_end - end});
      end = new_end;
    }
    progress_.advance({.bytes = member.size - end});
    stream.close();
  }

  void add_hard_link(const TarMember& member, const std::u16string& path) {
    const auto target = image_path(member, *member.hard_link_target);
    if (!target) return;
    if (writer_.find(*target) == Writer::Kind::none) throw missing_target(member);
    // GNU tar writes such a member if it is told to archive a file twice.
    if (*target == path) return;
    create_missing_parents(member, path);
    if (writer_.find(path) == Writer::Kind::directory) {
      writer_.remove(path);
      if (writer_.find(*target) == Writer::Kind::none) throw missing_target(member);
    }
    writer_.create_hard_link(path, *target);
  }

  Error missing_target(const TarMember& member) const {
    return error(member, "is a hard link to " + *member.hard_link_target + ", which is not there",
                 Errc::path_not_found);
  }

  Error error(const TarMember& member, const std::string& reason,
              Errc code = Errc::invalid_argument) const {
    return Error(code, reason).with_path(reader_.name()).with_object(member.name);
  }

  Writer& writer_;
  TarReader reader_;
  const TarImportOptions& options_;
  bool has_root_;
  Progress& progress_;
  bool warned_of_slash_ = false;
  std::uint64_t left_out_ = 0;
  InexactTimes inexact_times_;
  std::map<std::u16string, std::u16string> names_;  // upper case -> as in the archive
};

}  // namespace

std::uint64_t import_tar(Writer& writer, int fd, const std::string& name,
                         const TarImportOptions& options, Progress& progress) {
  return TarImport(writer, fd, name, options, progress).run();
}

}  // namespace cim::transfer
