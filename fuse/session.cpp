// Mounts and serves with libfuse.
#include "session.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <string_view>
#include <thread>
#include <vector>

#include <cim/error.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <fuse_lowlevel.h>
#include <poll.h>
#include <signal.h>
#include <sys/mount.h>
#include <unistd.h>

#include "captured_stderr.h"
#include "image/file_descriptor.h"
#include "log.h"
#include "mount/mount.h"
#include "operations.h"
#include "program/standard_streams.h"
#include "request_loop.h"
#include "sandbox.h"

namespace cim {
namespace {

// More do not help: requests rarely wait for the disk once read-ahead works.
constexpr unsigned thread_count = 8;

// How often to look whether a mount is idle, while its idle timeout passes.
constexpr int checks_in_timeout = 2;

// A message of libfuse. C code calls this, so nothing here may throw.
struct Message {
  Message() = default;
  Message(const char* format, std::va_list arguments) noexcept {
    std::vsnprintf(text, sizeof(text), format, arguments);
    for (std::size_t end = std::strlen(text); end > 0 && text[end - 1] == '\n'; --end) {
      text[end - 1] = '\0';
    }
  }

  char text[1024] = "";
};

// libfuse's complaint while it set up the session: it gives the reason only in its log.
Message setup_complaint;

void keep_complaint(fuse_log_level level, const char* format, std::va_list arguments) noexcept {
  if (level <= FUSE_LOG_ERR) setup_complaint = Message(format, arguments);
}

void log_message(fuse_log_level level, const char* format, std::va_list arguments) noexcept {
  const Message message(format, arguments);
  level <= FUSE_LOG_ERR ? log_error_once(message.text) : log_error(message.text);
}

// The last line that fusermount3 has written, without its name; "" if it has written none.
std::string reason_of_helper(std::string_view text) {
  while (text.ends_with('\n')) text.remove_suffix(1);
  text.remove_prefix(text.rfind('\n') + 1);  // npos + 1 is 0
  const std::size_t name_end = text.find(": ");
  if (text.starts_with("fusermount") && name_end != text.npos) text.remove_prefix(name_end + 2);
  return std::string(text);
}

std::string reason_of_library() {
  constexpr std::string_view prefix = "fuse: ";
  std::string_view text = setup_complaint.text;
  if (text.starts_with(prefix)) text.remove_prefix(prefix.size());
  return std::string(text);
}

// `error` is the errno that the failure left, `helper_text` what fusermount3 has written.
[[noreturn]] void throw_cannot_mount(const MountRequest& request, int error,
                                     std::string_view helper_text = {}) {
  std::string reason = reason_of_helper(helper_text);
  if (reason.empty()) reason = reason_of_library();
  if (!reason.empty()) reason.insert(0, ": ");
  const bool denied = error == EPERM || error == EACCES;
  throw Error(denied ? Errc::access_denied : Errc::io_error,
              fmt::format("cannot be mounted on {}{}", request.mount_point, reason))
      .with_image(request.image);
}

// `value`, escaped for a list of mount options.
std::string escape(const std::string& value) {
  std::string escaped;
  for (const char c : value) {
    if (c == ',' || c == '\\') escaped += '\\';
    escaped += c;
  }
  return escaped;
}

// Without `ro`, the kernel forgets a file's attributes on each read, as the access time may have
// changed, and asks for them again. With `default_permissions`, the image's permissions hold for
// everybody.
std::string mount_options(const MountRequest& request) {
  std::string options =
      fmt::format("ro,nosuid,nodev,default_permissions,max_read={},subtype=cimfs,fsname={}",
                  max_read_size, escape(request.image));
  for (const std::string& option : request.options) options += "," + escape(option);
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

// While it exists, blocks signals in the calling thread and the threads that it starts; but for
// SIGBUS, which tells a thread that a mapped page cannot be read.
class SignalBlock {
 public:
  SignalBlock() {
    sigset_t all;
    sigfillset(&all);
    sigdelset(&all, SIGBUS);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  SignalBlock(const SignalBlock&) = delete;
  SignalBlock& operator=(const SignalBlock&) = delete;
  ~SignalBlock() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

  const sigset_t& before() const noexcept { return before_; }

 private:
  sigset_t before_;
};

// Wakes the threads that wait for requests, so that they stop, also if not all could be started.
class EndOfLoop {
 public:
  explicit EndOfLoop(RequestLoop& loop) : loop_(loop) {}
  EndOfLoop(const EndOfLoop&) = delete;
  EndOfLoop& operator=(const EndOfLoop&) = delete;
  ~EndOfLoop() { loop_.end(); }

 private:
  RequestLoop& loop_;
};

// Finds out when a mount has been idle for its timeout, or at most twice as long.
class IdleWatch {
 public:
  // With an `interval` of 0, never.
  IdleWatch(RequestLoop& loop, std::chrono::milliseconds interval)
      : loop_(loop),
        interval_{.tv_sec = interval.count() / 1000,
                  .tv_nsec = interval.count() % 1000 * 1'000'000} {}

  // How long to wait before the next check(); null: for ever.
  const timespec* interval() const noexcept {
    return interval_.tv_sec + interval_.tv_nsec == 0 ? nullptr : &interval_;
  }

  // Returns whether the mount is idle; the next time, after another timeout.
  bool check() noexcept {
    // What the kernel's caches answered may have come an interval after the last request.
    constexpr unsigned unused_when_idle = 1 + checks_in_timeout;
    unused_ = loop_.take_used() ? 0 : unused_ + 1;
    if (unused_ < unused_when_idle) return false;
    unused_ = 0;
    return true;
  }

 private:
  RequestLoop& loop_;
  timespec interval_;
  unsigned unused_ = 0;  // intervals without a request
};

// Lets the kernel read large files ahead by as much as one request holds, more than its default.
// Only root may do that, and nothing depends on it.
void set_read_ahead(const MountedImage& mount) {
  std::ofstream("/sys/class/bdi/" + mount.device + "/read_ahead_kb") << max_read_size / 1024;
}

// Whether the mount that the connection `fd` serves is still there.
bool is_connected(int fd) {
  pollfd connection = {.fd = fd, .events = 0, .revents = 0};
  return poll(&connection, 1, 0) != 1 || (connection.revents & POLLERR) == 0;
}

// The control files of all connections (fusectl), mounted nowhere: not every system has them at the
// usual place. Only for root.
FileDescriptor open_connections() noexcept {
  const FileDescriptor context(fsopen("fusectl", FSOPEN_CLOEXEC));
  fsconfig(context.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0);
  return FileDescriptor(fsmount(context.get(), FSMOUNT_CLOEXEC, 0));
}

// The kernel's number of the topmost mount at `path`; nothing if it cannot be found out. Sends the
// mounted file system no request, and allocates nothing.
std::optional<int> mount_id_at(const std::string& path) noexcept {
  const FileDescriptor fd(open(path.c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  char text[1024] = "";
  std::snprintf(text, sizeof(text), "/proc/self/fdinfo/%d", fd.get());
  const FileDescriptor info(open(text, O_RDONLY | O_CLOEXEC));
  const ssize_t size = read(info.get(), text, sizeof(text) - 1);
  text[std::max<ssize_t>(size, 0)] = '\0';
  const char* const field = std::strstr(text, "mnt_id:");
  int id = 0;
  if (field == nullptr || std::sscanf(field, "mnt_id: %d", &id) != 1) return std::nullopt;
  return id;
}

}  // namespace

std::chrono::milliseconds idle_interval(std::chrono::seconds timeout) {
  return std::chrono::milliseconds(timeout) / checks_in_timeout;
}

Session::Session(FileSystem& file_system, const MountRequest& request)
    : file_system_(file_system),
      mount_point_(request.mount_point),
      idle_timeout_(request.idle_timeout) {
  fuse_set_log_func(keep_complaint);
  session_ = new_session(file_system, request);
  if (session_ == nullptr) throw_cannot_mount(request, 0);
  mount(request);
  fuse_set_log_func(log_message);
  try {
    mount_ = mounted_image_at(mount_point_);
    if (mount_) set_read_ahead(*mount_);
  } catch (...) {
    fuse_session_unmount(session_);
    fuse_session_destroy(session_);
    throw;
  }
}

void Session::mount(const MountRequest& request) {
  CapturedStderr helper_output;
  errno = 0;
  const bool mounted = fuse_session_mount(session_, request.mount_point.c_str()) == 0;
  const int error = errno;
  const std::string_view helper_text = helper_output.take();
  if (mounted) return write_message({helper_text});
  fuse_session_destroy(session_);
  throw_cannot_mount(request, error, helper_text);
}

Session::~Session() {
  if (!keeper_) unmount();
  fuse_session_destroy(session_);
  if (keeper_) keeper_->end();
}

void Session::confine() {
  keeper_.emplace(Keeper::Tasks{.at_request = [this] { unmount_unless_busy(); },
                                .at_end = [this] { unmount(); },
                                .at_death = [this] { abort(); }},
                  fuse_session_fd(session_));
  enter_sandbox();
}

// Mounts are unmounted by path, which would hit a mount on top of ours. If ours is gone, even
// looking at the mount in its place could keep that one from being unmounted.
bool Session::is_there() const noexcept {
  return is_connected(fuse_session_fd(session_)) && mount_ &&
         mount_id_at(mount_point_) == mount_->id;
}

void Session::unmount() noexcept {
  if (is_there()) fuse_session_unmount(session_);
}

void Session::unmount_unless_busy() noexcept {
  try {
    if (is_there()) cim::unmount(*mount_);
  } catch (const std::exception&) {  // the next time, then
  }
}

// Ends all requests. When the daemon is killed, its prefetcher may be waiting for a page that a
// reader has just asked the daemon for: it keeps the connection open, and the reader waits for
// ever.
void Session::abort() noexcept {
  if (!mount_ || !is_connected(fuse_session_fd(session_))) return;
  char file[64];
  const char* const minor = mount_->device.c_str() + mount_->device.find(':') + 1;
  std::snprintf(file, sizeof(file), "%s/abort", minor);
  const FileDescriptor usual(open("/sys/fs/fuse/connections", O_PATH | O_DIRECTORY | O_CLOEXEC));
  FileDescriptor control(openat(usual.get(), file, O_WRONLY | O_CLOEXEC));
  if (!control) {
    control = FileDescriptor(openat(open_connections().get(), file, O_WRONLY | O_CLOEXEC));
  }
  if (write(control.get(), "1", 1) != 1) return;  // then somebody has to force the unmount
}

void Session::serve() {
  RequestLoop loop(session_);
  std::atomic<int> error = 0;
  const auto answer = [&](std::stop_token stop) {
    if (const int result = loop.serve(stop); result != 0) error = result;
  };
  // Only this thread gets other signals, and only while it waits.
  const SignalBlock signals;
  std::vector<std::jthread> threads;
  const EndOfLoop end(loop);
  for (unsigned i = 0; i < thread_count; ++i) threads.emplace_back(answer);
  threads.emplace_back([&](std::stop_token stop) { loop.mind(std::move(stop)); });
  std::jthread prefetcher(
      [this](std::stop_token stop) { file_system_.prefetch(session_, std::move(stop)); });

  pollfd ends[] = {{.fd = loop.ended(), .events = POLLIN, .revents = 0},
                   {.fd = signals_.fd(), .events = POLLIN, .revents = 0}};
  IdleWatch idle(loop, idle_interval(idle_timeout_));
  for (int ready = 0; ready <= 0;) {
    ready = ppoll(ends, std::size(ends), idle.interval(), &signals.before());
    if (ready != 0 || !idle.check()) continue;
    // That it is gone ends the connection, once nothing else uses it.
    keeper_ ? keeper_->run() : unmount_unless_busy();
  }
  // The prefetcher may be waiting for a page that is locked until a request is answered.
  prefetcher.request_stop();
  prefetcher.join();
  for (std::jthread& thread : threads) thread.request_stop();
  loop.end();
  threads.clear();
  if (error != 0) throw system_error(error, "connection to the kernel");
}

}  // namespace cim
