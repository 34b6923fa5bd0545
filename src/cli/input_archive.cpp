// An archive that a command reads.
#include "cli/input_archive.h"

#include <cerrno>

#include <cim/error.h>
#include <fcntl.h>
#include <unistd.h>

namespace cim::cli {

InputArchive::InputArchive(const std::string& file)
    : fd_(file == "-" ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0)
                      : open(file.c_str(), O_RDONLY | O_CLOEXEC)),
      name_(file == "-" ? "standard input" : file) {
  if (!fd_) throw system_error(errno, file);
  if (isatty(fd_.get()) == 1) {
    throw Error(Errc::invalid_argument, "is a terminal, not an archive").with_path(file);
  }
}

}  // namespace cim::cli
