#include "cli/output_file.h"

#include <cerrno>

#include <cim/error.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "transfer/image_files.h"

namespace cim::cli {
namespace {

void refuse_part_of_image(const std::string& file, const std::string& image) {
  struct stat status;
  if (stat(file.c_str(), &status) != 0) return;
  if (!transfer::files_of_image(image).contains(transfer::key_of(status))) return;
  throw Error(Errc::invalid_argument, "is a part of the image").with_path(file);
}

}  // namespace

OutputFile::OutputFile(const std::string& file, const std::vector<std::string>& images)
    : name_(file == "-" ? "standard output" : file) {
  if (file == "-") {
    fd_ = FileDescriptor(fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 0));
  } else {
    for (const std::string& image : images) refuse_part_of_image(file, image);
    fd_ = FileDescriptor(open(file.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666));
  }
  if (!fd_) throw system_error(errno, name_);
  if (isatty(fd_.get()) == 1) {
    throw Error(Errc::invalid_argument, "is a terminal; name a file, or use a pipe")
        .with_path(name_);
  }
  struct stat status;
  if (fstat(fd_.get(), &status) != 0) throw system_error(errno, name_);
  remove_ = file != "-" && S_ISREG(status.st_mode);
  if (remove_) deferred_.emplace();
}

OutputFile::~OutputFile() {
  if (remove_) unlink(name_.c_str());
}

}  // namespace cim::cli
