// cim export
#include <cerrno>
#include <memory>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/progress_report.h"
#include "image/file_descriptor.h"
#include "transfer/extract.h"
#include "transfer/import.h"
#include "transfer/tar_export.h"

namespace cim::cli {
namespace {

struct ExportOptions {
  std::string image;
  std::string tar = "-";
};

// The output archive. A file that is not completed is removed.
class Output {
 public:
  // `image` names the image whose files must not be overwritten.
  Output(const std::string& file, const std::string& image)
      : name_(file == "-" ? "standard output" : file) {
    if (file == "-") {
      fd_ = FileDescriptor(fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 0));
    } else {
      refuse_part_of_image(file, image);
      fd_ = FileDescriptor(open(file.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666));
    }
    if (!fd_) throw system_error(errno, name_);
    if (isatty(fd_.get()) == 1) {
      throw Error(Errc::invalid_argument, "is a terminal; use --tar FILE or a pipe")
          .with_path(name_);
    }
    struct stat status;
    if (fstat(fd_.get(), &status) != 0) throw system_error(errno, name_);
    remove_ = file != "-" && S_ISREG(status.st_mode);
  }
  Output(const Output&) = delete;
  Output& operator=(const Output&) = delete;
  ~Output() {
    if (remove_) unlink(name_.c_str());
  }

  int fd() const noexcept { return fd_.get(); }
  const std::string& name() const noexcept { return name_; }
  void keep() noexcept { remove_ = false; }

 private:
  static void refuse_part_of_image(const std::string& file, const std::string& image) {
    struct stat status;
    if (stat(file.c_str(), &status) != 0) return;
    if (!transfer::files_of_image(image).contains({status.st_dev, status.st_ino})) return;
    throw Error(Errc::invalid_argument, "is a part of the image").with_path(file);
  }

  const std::string name_;
  FileDescriptor fd_;
  bool remove_ = false;
};

void export_image(const ExportOptions& options) {
  const Image image(options.image);
  Output output(options.tar, options.image);
  const transfer::Amount total =
      ProgressReport::shows_bar() ? transfer::measure_image(image, {}) : transfer::Amount();
  ProgressReport report(options.image, total);
  const std::uint64_t incomplete = transfer::export_tar(image, output.fd(), output.name(), report);
  output.keep();
  if (incomplete == 0) return;
  throw Error(Errc::unsupported,
              fmt::format("exported with {} warning{}", incomplete, incomplete == 1 ? "" : "s"));
}

}  // namespace

void add_export_command(CLI::App& app) {
  CLI::App* command = app.add_subcommand("export", "Write an image as a tar archive");
  const auto options = std::make_shared<ExportOptions>();
  add_image_argument(*command, options->image);
  command
      ->add_option("--tar", options->tar,
                   "Write to this file; default, or '-': standard\n"
                   "output. The format is pax; owners are numbers")
      ->type_name("FILE");
  set_action(*command, options->image, [options] { export_image(*options); });
}

}  // namespace cim::cli
