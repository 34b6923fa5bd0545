// Files of an image -> members of a layer of a Windows container.
#include "transfer/windows_member_writer.h"

#include <fmt/format.h>
#include <openssl/evp.h>

#include "format/extended_attributes.h"
#include "format/filetime.h"
#include "format/reparse.h"

namespace cim::transfer {
namespace {

std::string encode_base64(ByteView bytes) {
  std::string text((bytes.size() + 2) / 3 * 4 + 1, '\0');  // EVP_EncodeBlock() appends a NUL
  const int length = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()),
                                     reinterpret_cast<const unsigned char*>(bytes.data()),
                                     static_cast<int>(bytes.size()));
  text.resize(static_cast<std::size_t>(length));
  return text;
}

std::string record_of_time(std::int64_t filetime) {
  return pax_time(format::to_timespec(filetime));
}

void add_times(const File& file, PaxMember& member) {
  member.records.emplace_back("atime", record_of_time(file.last_access_time));
  member.records.emplace_back("ctime", record_of_time(file.change_time));
}

void add_attributes(const File& file, PaxMember& member) {
  member.records.emplace_back("MSWINDOWS.fileattr", std::to_string(file.attributes));
  member.records.emplace_back("LIBARCHIVE.creationtime", record_of_time(file.creation_time));
  add_times(file, member);
}

}  // namespace

// The type, the size and the time of the last change of data. Nobody reads more.
struct stat WindowsMemberWriter::status(const File& file) const {
  struct stat status = {};
  status.st_mtim = format::to_timespec(file.last_write_time);
  if (file.reparse_tag != 0) {
    status.st_mode = S_IFLNK;
  } else if (file.is_directory()) {
    status.st_mode = S_IFDIR;
  } else {
    status.st_mode = S_IFREG;
    status.st_size = static_cast<off_t>(file.stream.length);
  }
  return status;
}

std::string WindowsMemberWriter::obstacle(const File& file) const {
  const bool is_link =
      file.reparse_tag == format::tag_symlink || file.reparse_tag == format::tag_mount_point;
  if (file.reparse_tag == 0 || is_link) return {};
  return fmt::format("a layer of Windows cannot hold a reparse point of tag {:#010x}",
                     file.reparse_tag);
}

void WindowsMemberWriter::describe_link(const File& file, PaxMember& member) const {
  member.status.st_mode = S_IFREG | 0644;  // as hcsshim has it
  add_attributes(file, member);
}

void WindowsMemberWriter::add_new(const File& file, PaxMember& member) {
  add_attributes(file, member);
  const ByteView descriptor = image().security_descriptor(file);
  if (!descriptor.empty()) {
    member.records.emplace_back("MSWINDOWS.rawsd", encode_base64(descriptor));
  }
  if (file.reparse_tag == format::tag_mount_point) {
    member.records.emplace_back("MSWINDOWS.mountpoint", "1");
  }
  if (file.reparse_tag != 0) {
    member.link_target = format::windows_link_target(image().reparse_data(file));
  }
  add_extended_attributes(file, member);
  if (S_ISREG(member.status.st_mode)) {
    add_with_data(member, file.stream);
  } else {
    add_plain(member);
  }
  add_named_streams(file, member);
}

void WindowsMemberWriter::add_extended_attributes(const File& file, PaxMember& member) {
  format::EaReader attributes(image().extended_attributes(file));
  while (const auto attribute = attributes.next()) {
    if (attribute->name.find('=') != std::string_view::npos) {
      warn(fmt::format("{}: a layer cannot hold the attribute {}; left out", member.path,
                       attribute->name));
      continue;
    }
    member.records.emplace_back(fmt::format("MSWINDOWS.xattr.{}", attribute->name),
                                encode_base64(attribute->value));
  }
}

void WindowsMemberWriter::add_named_streams(const File& file, const PaxMember& member) {
  const std::string path = member.path.substr(0, member.path.find_last_not_of('/') + 1);
  for (const NamedStream& stream : image().named_streams(file)) {
    PaxMember stream_member = {.path = path + ':' + image_to_linux_name(stream.name),
                               .status = member.status};
    stream_member.status.st_mode = S_IFREG;
    stream_member.status.st_size = static_cast<off_t>(stream.stream.length);
    add_times(file, stream_member);
    add_with_data(stream_member, stream.stream);
  }
}

}  // namespace cim::transfer
