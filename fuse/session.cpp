// Mounts and serves with libfuse.
#include "session.h"

#include <cstdarg>
#include <cstdio>
#include <memory>

#include <cim/error.h>
#include <fmt/format.h>
#include <fuse_lowlevel.h>

#include "log.h"
#include "operations.h"

namespace cim {
namespace {

// More do not help: a request that waits for the disk is rare once read-ahead works.
constexpr unsigned max_threads = 8;

// What libfuse complained about while it set up the session. It says why only in its log.
std::string setup_complaint;

std::string format_log(const char* format, std::va_list arguments) {
  char text[1024];
  std::vsnprintf(text, sizeof(text), format, arguments);
  std::string message = text;
  while (!message.empty() && message.back() == '\n') message.pop_back();
  return message;
}

void keep_complaint(fuse_log_level level, const char* format, std::va_list arguments) {
  if (level <= FUSE_LOG_ERR) setup_complaint = format_log(format, arguments);
}

void log_message(fuse_log_level, const char* format, std::va_list arguments) {
  log_error(format_log(format, arguments));
}

[[noreturn]] void throw_cannot_mount(const MountRequest& request) {
  const std::string reason = setup_complaint.empty() ? "" : ": " + setup_complaint;
  throw Error(Errc::io_error, fmt::format("{}: cannot be mounted on {}{}", request.image,
                                          request.mount_point, reason));
}

// `value` as part of a list of mount options.
std::string escape(const std::string& value) {
  std::string escaped;
  for (const char c : value) {
    if (c == ',' || c == '\\') escaped += '\\';
    escaped += c;
  }
  return escaped;
}

// The flag `ro` is more than a promise: without it the kernel forgets a file's attributes on each
// read, for the access time's sake, and asks for them again.
std::string mount_options(const MountRequest& request) {
  std::string options = "ro,default_permissions,subtype=cimfs,fsname=" + escape(request.image);
  for (const std::string& option : request.options) options += "," + option;
  return options;
}

fuse_session* new_session(FileSystem& file_system, const MountRequest& request) {
  std::string program = "cimfs";
  std::string option_flag = "-o";
  std::string debug_flag = "-d";
  std::string options = mount_options(request);
  char* argv[] = {program.data(), option_flag.data(), options.data(), debug_flag.data()};
  fuse_args arguments = FUSE_ARGS_INIT(request.debug ? 4 : 3, argv);
  fuse_session* const session =
      fuse_session_new(&arguments, &operations(), sizeof(fuse_lowlevel_ops), &file_system);
  fuse_opt_free_args(&arguments);
  return session;
}

}  // namespace

Session::Session(FileSystem& file_system, const MountRequest& request) {
  fuse_set_log_func(keep_complaint);
  session_ = new_session(file_system, request);
  if (session_ == nullptr) throw_cannot_mount(request);
  if (fuse_set_signal_handlers(session_) != 0) {
    fuse_session_destroy(session_);
    throw_cannot_mount(request);
  }
  if (fuse_session_mount(session_, request.mount_point.c_str()) != 0) {
    fuse_remove_signal_handlers(session_);
    fuse_session_destroy(session_);
    throw_cannot_mount(request);
  }
  fuse_set_log_func(log_message);
}

Session::~Session() {
  fuse_session_unmount(session_);
  fuse_remove_signal_handlers(session_);
  fuse_session_destroy(session_);
}

void Session::serve() {
  const std::unique_ptr<fuse_loop_config, decltype(&fuse_loop_cfg_destroy)> config(
      fuse_loop_cfg_create(), &fuse_loop_cfg_destroy);
  if (!config) throw Error(Errc::out_of_memory, "out of memory");
  fuse_loop_cfg_set_max_threads(config.get(), max_threads);
  // Negative: an errno. Positive: the signal that ended the loop.
  const int result = fuse_session_loop_mt(session_, config.get());
  if (result < 0) throw system_error(-result, "connection to the kernel");
}

}  // namespace cim
