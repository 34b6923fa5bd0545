// The text of cim stat.
#include "cli/status_text.h"

#include <fmt/format.h>
#include <sys/sysmacros.h>

#include "cli/escape.h"
#include "cli/file_fields.h"
#include "image/internals.h"
#include "posix/attributes.h"

namespace cim::cli {
namespace {

// Times as in stat(1), to the 100 ns that an image keeps.
std::string full_time(const timespec& time) {
  return fmt::format("{}.{:07} {}", local_time(time.tv_sec, "%Y-%m-%d %H:%M:%S"),
                     time.tv_nsec / 100, local_time(time.tv_sec, "%z"));
}

// The device number of a device, the size of anything else.
std::string size_or_device(const struct stat& status) {
  if (!is_device(status)) return std::to_string(status.st_size);
  return fmt::format("{}, {}", gnu_dev_major(status.st_rdev), gnu_dev_minor(status.st_rdev));
}

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) {
    if (!text.empty()) text += ", ";
    text += word;
  }
  return text;
}

std::string attributes_line(const File& file) {
  std::string text = fmt::format("{:#x}", file.attributes);
  const std::string names = joined(attribute_names(file.attributes));
  if (!names.empty()) text += " (" + names + ")";
  return text;
}

std::string reparse_line(std::uint32_t tag) {
  const std::string_view name = reparse_tag_name(tag);
  return fmt::format("{:#010x}", tag) + (name.empty() ? "" : fmt::format(" ({})", name));
}

std::string account_text(const Account& account) {
  return account.name.empty() ? account.sid : fmt::format("{} ({})", account.sid, account.name);
}

std::string stored_text(const StoredExecutable& executable) {
  return fmt::format("as an executable, {} bytes in {} parts", executable.size, executable.parts);
}

std::string stream_line(const Image& image, const NamedStream& stream) {
  std::string text = escape_controls(image_to_linux_name(stream.name)) +
                     fmt::format(" ({} bytes", stream.stream.length);
  if (const auto executable = stored_executable(image, stream.stream)) {
    text += "; stored " + stored_text(*executable);
  }
  return text + ")";
}

}  // namespace

std::string status_text(const Image& image, const FileInfo& file) {
  const struct stat& status = file.status;
  std::string text;
  const auto add_line = [&](const char* label, const std::string& value) {
    text += fmt::format("{:>10}: {}\n", label, value);
  };
  add_line("File", name_and_target(file, FileColors(false)));
  add_line("Type", type_name(status.st_mode));
  add_line(is_device(status) ? "Device" : "Size", size_or_device(status));
  const format::MarkedFile marked = marked_file(image, file.file);
  if (format::is_tombstone(marked)) add_line("Tombstone", "hides what images below have here");
  if (const auto target = format::merge_link_target(marked)) {
    add_line("Merge link", escape_controls(image_to_linux_path(*target)));
  }
  if (const auto executable = stored_executable(image, file.file.stream)) {
    add_line("Stored", stored_text(*executable));
  }
  add_line("Id", std::to_string(file.file.id));
  add_line("Links", std::to_string(status.st_nlink));
  add_line("Mode",
           fmt::format("{:04o} ({})", status.st_mode & ~S_IFMT, mode_string(status.st_mode)));
  add_line("Owner", fmt::format("{} ({})", status.st_uid, user_name(status.st_uid)));
  add_line("Group", fmt::format("{} ({})", status.st_gid, group_name(status.st_gid)));
  add_line("Access", full_time(status.st_atim));
  add_line("Modify", full_time(status.st_mtim));
  add_line("Change", full_time(status.st_ctim));
  add_line("Birth", full_time(posix::birth_time(file.file)));
  add_line("Attributes", attributes_line(file.file));
  if (file.file.reparse_tag != 0) add_line("Reparse", reparse_line(file.file.reparse_tag));
  if (const auto security = security_of(image, file.file)) {
    if (!security->owner.sid.empty()) add_line("Owner SID", account_text(security->owner));
    if (!security->group.sid.empty()) add_line("Group SID", account_text(security->group));
    add_line("SDDL",
             security->problem.empty() ? security->sddl : "cannot be shown: " + security->problem);
  }
  for (const std::string& name : posix::list_xattrs(image, file.file)) {
    add_line("Xattr", escape_controls(name));
  }
  for (const NamedStream& stream : image.named_streams(file.file)) {
    add_line("Stream", stream_line(image, stream));
  }
  return text;
}

}  // namespace cim::cli
