// A mount in the kernel and the connection to it.
#pragma once

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
};

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

  // Answers requests, in several threads, until a signal or an unmount ends it. Throws Error if the
  // connection breaks.
  void serve();

 private:
  void mount(const MountRequest& request);
  void unmount() noexcept;
  void abort() noexcept;

  FileSystem& file_system_;
  EndingSignals signals_;
  std::string mount_point_;
  std::optional<MountedImage> mount_;
  fuse_session* session_;
  std::optional<Keeper> keeper_;
};

}  // namespace cim
