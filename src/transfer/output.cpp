// Where bytes are written, from start to end.
#include "transfer/output.h"

#include <cerrno>

#include <cim/error.h>

#include "image/file_io.h"

namespace cim::transfer {

void FileOutput::write(ByteView data) {
  if (!write_all(fd_, data.data(), data.size())) throw system_error(errno, name_);
}

}  // namespace cim::transfer
