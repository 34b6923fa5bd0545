// A mount in the kernel and the connection to it.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "ending_signals.h"
#include "keeper.h"
#include "mount/mount.h"

struct fuse_session;

namespace cim {

class FileSystem;

struct MountRequest {
  std::string image;                 // absolute path: what the mount table shows
  std::string mount_point;           // absolute path
  std::vector<std::string> options;  // for the kernel and fusermount3
  bool debug = false;
  std::chrono::seconds idle_timeout{0};  // 0: none
};

// How often at least the kernel must ask for something while a mount with this idle timeout is
// used.
std::chrono::milliseconds idle_interval(std::chrono::seconds timeout);

// Mounts on construction and unmounts on destruction, unless the mount is gone or mounted over by
// then. In between, SIGINT, SIGTERM and SIGHUP make serve() return. Use it only in the thread that
// made it.
class Session {
 public:
  // `file_system` must outlive the session. Throws Error if the mount fails.
  Session(FileSystem& file_system, const MountRequest& request);
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
  ~Session();

  // Gives up all rights that serve() does not need (see sandbox.h). Another process keeps them, to
  // unmount, and to end the connection if this process is killed. Call it in the main thread, while
  // there is no other. Throws Error.
  void confine();

  // Answers requests, in several threads, until a signal or an unmount ends it. Unmounts once there
  // has been no request within the idle timeout and nobody has a file open. Throws Error if the
  // connection breaks.
  void serve();

 private:
  void mount(const MountRequest& request);
  bool is_there() const noexcept;
  void unmount() noexcept;
  void unmount_unless_busy() noexcept;
  void abort() noexcept;

  FileSystem& file_system_;
  EndingSignals signals_;
  std::string mount_point_;
  std::chrono::seconds idle_timeout_;
  std::optional<MountedImage> mount_;
  fuse_session* session_;
  std::optional<Keeper> keeper_;
};

}  // namespace cim
