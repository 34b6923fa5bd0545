// What makes a CIMFS_FILE_METADATA malformed.
#include "capi/file_metadata.h"

#include <cstddef>
#include <string>

#include <cim/error.h>

#include "format/bytes.h"
#include "format/layout.h"
#include "format/reparse.h"

namespace cim::capi {

namespace {

constexpr std::uint32_t tag_is_microsoft = 0x80000000;

[[noreturn]] void throw_malformed(const std::string& reason) {
  throw Error(Errc::invalid_argument, reason).with_object("metadata");
}

ByteView check_buffer(const void* buffer, UINT32 size, const char* what) {
  if ((buffer == nullptr) != (size == 0)) {
    throw_malformed(std::string(what) + ": a buffer without a size or a size without a buffer");
  }
  return {static_cast<const std::byte*>(buffer), size};
}

// The rules of Windows' own file systems: the buffer ends where its data ends, tag 0 is reserved, a
// tag that is not Microsoft's is followed by a GUID, and a link must have its names inside.
void check_reparse_data(ByteView buffer) {
  const auto header = format::load<format::ReparseDataBuffer>(buffer, 0, "reparse data");
  if (header.tag == 0) throw_malformed("reparse data: tag 0");

  const bool has_guid = (header.tag & tag_is_microsoft) == 0;
  const std::size_t header_size = sizeof(header) + (has_guid ? sizeof(format::Guid) : 0);
  if (buffer.size() != header_size + header.data_length) {
    throw_malformed("reparse data: not of the length that it claims");
  }
  if (header.tag == format::tag_symlink || header.tag == format::tag_mount_point) {
    format::windows_link(buffer);
  }
}

ByteView check_reparse_buffer(const void* buffer, UINT32 size) {
  const ByteView data = check_buffer(buffer, size, "reparse data");
  if (data.empty()) return data;
  try {
    check_reparse_data(data);
  } catch (const Error& error) {
    // The decoders call it corrupt; here it is the caller's mistake.
    if (error.code() != Errc::corrupt) throw;
    throw_malformed(error.reason());
  }
  return data;
}

}  // namespace

CheckedMetadata check_metadata(const CIMFS_FILE_METADATA* source) {
  if (source == nullptr) throw_malformed("none given");

  CheckedMetadata checked;
  checked.is_directory = (source->Attributes & FILE_ATTRIBUTE_DIRECTORY) != 0;
  if (!checked.is_directory) {
    if (source->FileSize < 0) throw_malformed("negative size");
    checked.size = static_cast<std::uint64_t>(source->FileSize);
  }
  checked.metadata = {
      .attributes = source->Attributes,
      .creation_time = source->CreationTime.QuadPart,
      .last_write_time = source->LastWriteTime.QuadPart,
      .change_time = source->ChangeTime.QuadPart,
      .last_access_time = source->LastAccessTime.QuadPart,
      .security_descriptor = check_buffer(source->SecurityDescriptorBuffer,
                                          source->SecurityDescriptorSize, "security descriptor"),
      .reparse_data = check_reparse_buffer(source->ReparseDataBuffer, source->ReparseDataSize),
      .extended_attributes =
          check_buffer(source->EaBuffer, source->EaBufferSize, "extended attributes"),
  };
  return checked;
}

}  // namespace cim::capi
