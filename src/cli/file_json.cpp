// The JSON that cim prints.
#include "cli/file_json.h"

#include <array>
#include <ctime>
#include <utility>

#include <fmt/format.h>
#include <sys/sysmacros.h>

#include "format/utf8.h"
#include "image/internals.h"
#include "posix/attributes.h"
#include "program/standard_streams.h"

namespace cim::cli {
namespace {

std::string hex(const std::string& bytes) {
  std::string text;
  for (const char byte : bytes) text += fmt::format("{:02x}", static_cast<unsigned char>(byte));
  return text;
}

// ISO 8601, UTC, to the 100 ns that an image keeps.
std::string iso_time(const timespec& time) {
  tm parts = {};
  std::array<char, 64> text = {};
  if (gmtime_r(&time.tv_sec, &parts) == nullptr) return std::to_string(time.tv_sec);
  std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%S", &parts);
  return fmt::format("{}.{:07}Z", text.data(), time.tv_nsec / 100);
}

// For an executable whose sections are stored apart, says how it is stored.
void set_executable(Json& object, const Image& image, const Stream& stream) {
  const auto executable = stored_executable(image, stream);
  if (!executable) return;
  object["executable"] = {{"stored", executable->size}, {"parts", executable->parts}};
}

// Stores the parts of `account` that are known as `object[key]` and beside it.
void set_account(Json& object, const std::string& key, const Account& account) {
  if (!account.sid.empty()) object[key] = account.sid;
  if (!account.name.empty()) object[key + "_name"] = account.name;
}

Json security_json(const Security& security) {
  Json object = Json::object();
  set_account(object, "owner", security.owner);
  set_account(object, "group", security.group);
  if (security.problem.empty()) {
    object["sddl"] = security.sddl;
  } else {
    object["problem"] = security.problem;
  }
  return object;
}

Json named_text(const std::string& name) {
  Json object = Json::object();
  set_text(object, "name", name);
  return object;
}

}  // namespace

void set_text(Json& object, const std::string& key, const std::string& text) {
  object[key] = text;
  if (!format::is_utf8(text)) object[key + "_hex"] = hex(text);
}

std::string to_text(const Json& json, int indent) {
  return json.dump(indent, ' ', false, Json::error_handler_t::replace);
}

void JsonArrayPrinter::add(const Json& element) {
  print(separator_ + to_text(element, -1));
  separator_ = ",\n";
}

void JsonArrayPrinter::finish() {
  if (separator_.starts_with('[')) print("[");
  print("\n]\n");
}

Json listing_json(const FileInfo& file) {
  const struct stat& status = file.status;
  Json object = Json::object();
  set_text(object, "path", file.path);
  object["type"] = type_name(status.st_mode);
  object["mode"] = fmt::format("{:04o}", status.st_mode & ~S_IFMT);
  object["links"] = status.st_nlink;
  object["uid"] = status.st_uid;
  object["gid"] = status.st_gid;
  object["size"] = status.st_size;
  object["mtime"] = iso_time(status.st_mtim);
  if (S_ISLNK(status.st_mode)) set_text(object, "target", file.target);
  if (S_ISCHR(status.st_mode) || S_ISBLK(status.st_mode)) {
    object["device"] = {gnu_dev_major(status.st_rdev), gnu_dev_minor(status.st_rdev)};
  }
  return object;
}

void set_windows_metadata(Json& object, const Image& image, const File& file) {
  object["attributes"] = attribute_names(file.attributes);
  object["reparse_tag"] = file.reparse_tag;
  const std::string_view tag = reparse_tag_name(file.reparse_tag);
  if (!tag.empty()) object["reparse_tag_name"] = tag;
  if (const auto security = security_of(image, file)) {
    object["security"] = security_json(*security);
  }
}

Json status_json(const Image& image, const FileInfo& file) {
  Json object = listing_json(file);
  object["atime"] = iso_time(file.status.st_atim);
  object["ctime"] = iso_time(file.status.st_ctim);
  object["btime"] = iso_time(posix::birth_time(file.file));
  object["id"] = file.file.id;
  set_windows_metadata(object, image, file.file);
  const format::MarkedFile marked = marked_file(image, file.file);
  object["tombstone"] = format::is_tombstone(marked);
  if (const auto target = format::merge_link_target(marked)) {
    set_text(object, "merge_link", image_to_linux_path(*target));
  }
  set_executable(object, image, file.file.stream);
  object["xattrs"] = Json::array();
  for (const std::string& name : posix::list_xattrs(image, file.file)) {
    object["xattrs"].push_back(named_text(name));
  }
  object["streams"] = Json::array();
  for (const NamedStream& stream : image.named_streams(file.file)) {
    Json entry = named_text(image_to_linux_name(stream.name));
    entry["size"] = stream.stream.length;
    set_executable(entry, image, stream.stream);
    object["streams"].push_back(std::move(entry));
  }
  return object;
}

}  // namespace cim::cli
