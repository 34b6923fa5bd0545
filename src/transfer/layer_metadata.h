// The metadata of files in the layers of Windows containers, as hcsshim and BuildKit write them.
// May be called from many threads at once.
#pragma once

#include <string_view>

#include "transfer/entry.h"
#include "transfer/tar_reader.h"

namespace cim::transfer {

// What starts the names of the records that only Windows' layers have.
inline constexpr std::string_view windows_record_prefix = "MSWINDOWS.";

// The Windows metadata of `member`, from its header and these pax records:
//   MSWINDOWS.fileattr         attributes, decimal
//   MSWINDOWS.rawsd            security descriptor, base64
//   MSWINDOWS.sd               the same in SDDL, if there is no rawsd
//   MSWINDOWS.xattr.NAME       extended attribute, base64
//   MSWINDOWS.mountpoint       of a symbolic link: it is a junction
//   LIBARCHIVE.creationtime    seconds
//   atime, ctime               last access and change time
// Times that are not there are that of the last change of data. A file without a descriptor gets
// one that lets everybody do everything.
//
// Throws Error, naming the record: corrupt if it is malformed, limit_exceeded if the attributes do
// not fit in an image.
WindowsMetadata windows_metadata(const TarMember& member);

// The metadata that Windows gives what it adds to a layer: no times, and everybody may do
// everything.
WindowsMetadata plain_windows_metadata(std::uint32_t attributes);

}  // namespace cim::transfer
