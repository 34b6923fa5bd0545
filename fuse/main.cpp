// cimfs: mounts a composite image.
#include <cerrno>
#include <new>
#include <optional>
#include <string>

#include <boost/filesystem.hpp>
#include <cim/error.h>
#include <cim/image.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <fuse_lowlevel.h>
#include <sys/mount.h>

#include "background.h"
#include "image/canonical_path.h"
#include "image/mapping_fault.h"
#include "image_lock.h"
#include "log.h"
#include "mount/exit_status.h"
#include "mount/mount.h"
#include "operations.h"
#include "options.h"
#include "program/descriptor_limit.h"
#include "program/standard_streams.h"
#include "ready_notification.h"
#include "session.h"

namespace cim {
namespace {

namespace fs = boost::filesystem;

enum ExitStatus { success = 0, usage = 2 };

// mount(8) expects these from its helpers.
enum HelperExitStatus { helper_usage = 1, helper_failure = 32 };

int exit_status(bool helper, Errc code) {
  return helper ? int{helper_failure} : exit_status_for(code);
}

void check_mount_point(const Options& options) {
  const std::string& path = options.mount_point;
  const std::optional<MountedImage> mount = mounted_image_at(canonical_path(path));
  if (mount && !options.nonempty) {
    throw Error(Errc::sharing_violation, fmt::format("{} is mounted here already", mount->image))
        .with_path(path);
  }
  boost::system::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (error) throw system_error(error.value(), path);
  if (!fs::is_directory(status)) throw system_error(ENOTDIR, path);
  if (options.nonempty) return;
  const bool empty = fs::is_empty(path, error);
  if (error) throw system_error(error.value(), path);
  if (!empty) {
    throw Error(Errc::invalid_argument, "is not empty; -o nonempty mounts over what is there")
        .with_path(path);
  }
}

void change_flags(const std::string& mount_point, mount_attr flags) {
  if (mount_setattr(AT_FDCWD, mount_point.c_str(), 0, &flags, sizeof(flags)) != 0) {
    throw system_error(errno, mount_point);
  }
}

// `error`, with the image called `given`, as the user calls it, instead of by its absolute path.
Error in_words_of_user(const Error& error, const std::string& absolute, const std::string& given) {
  const bool is_about_file = error.path() == absolute;
  if (error.image() != absolute && !(error.image().empty() && is_about_file)) return error;
  return Error(error.code(), error.reason())
      .with_image(given)
      .with_path(is_about_file ? "" : error.path())
      .with_object(error.object());
}

void mount_at_absolute_path(const std::string& image_path, const Options& options) {
  const ImageLock lock(image_path);
  const Image image(image_path);
  FileSystem file_system(image, options.file_system);
  check_mount_point(options);
  if (options.action == Options::Action::check_only) return;

  const std::string mount_point = canonical_path(options.mount_point);
  Session session(file_system, {.image = image_path,
                                .mount_point = mount_point,
                                .options = options.mount_options,
                                .debug = options.debug,
                                .idle_timeout = options.idle_timeout});
  // Nobody can have followed a link yet: no request has been answered.
  if (options.flags.attr_set & MOUNT_ATTR_NOSYMFOLLOW) change_flags(mount_point, options.flags);
  survive_mapping_faults();
  std::optional<Background> background;
  std::optional<ReadyNotification> notification;
  if (options.foreground) {
    notification.emplace();
  } else {
    background.emplace();
  }
  if (options.sandbox) session.confine();
  if (notification) notification->send();
  if (background) background->ready();
  session.serve();
}

// `image` may be as the mount table shows it, which it does even if the file is gone.
bool is_mounted_at(const std::string& image, const std::string& mount_point) {
  const std::optional<MountedImage> mount = mounted_image_at(mount_point);
  return mount && (mount->image == image || mount->image == canonical_path(image));
}

// What the daemon shows was decided when it started, so only the mount's own flags can change.
void remount(const Options& options) {
  const std::string mount_point = canonical_path(options.mount_point);
  if (!is_mounted_at(options.image, mount_point)) {
    throw Error(Errc::file_not_found, fmt::format("{} is not mounted here", options.image))
        .with_path(options.mount_point);
  }
  if (options.action != Options::Action::check_only) change_flags(mount_point, options.flags);
}

void mount(const Options& options) {
  const std::string image_path = canonical_path(options.image);
  try {
    mount_at_absolute_path(image_path, options);
  } catch (const Error& error) {
    throw in_words_of_user(error, image_path, options.image);
  }
}

void run(const Options& options) {
  switch (options.action) {
    case Options::Action::show_help:
      print(help_text());
      return finish_printing();
    case Options::Action::show_version:
      print(fmt::format("cimfs {} (libfuse {})\n", CIMFS_VERSION, fuse_pkgversion()));
      return finish_printing();
    case Options::Action::mount:
    case Options::Action::check_only:
      return options.remount ? remount(options) : mount(options);
  }
}

}  // namespace
}  // namespace cim

int main(int argc, char* argv[]) {
  using namespace cim;
  const bool helper = is_mount_helper(argv[0]);
  const int failed = exit_status(helper, Errc::io_error);
  try {
    open_missing_standard_streams();
    exit_at_mapping_faults(failed);
    raise_descriptor_limit();
    run(parse_options(argc, argv));
    return success;
  } catch (const UsageError& error) {
    log_error(error.what());
    return helper ? int{helper_usage} : int{usage};
  } catch (const Error& error) {
    log_error(error.what());
    return exit_status(helper, error.code());
  } catch (const std::bad_alloc&) {
    log_error("not enough memory");
    return exit_status(helper, Errc::out_of_memory);
  } catch (const std::exception& error) {
    log_error(error.what());
    return failed;
  }
}
