// A mount in the kernel and the connection to it.
#pragma once

#include <string>
#include <vector>

struct fuse_session;

namespace cim {

class FileSystem;

struct MountRequest {
  std::string image;                 // absolute path: what the mount table shows
  std::string mount_point;           // absolute path
  std::vector<std::string> options;  // for the kernel and fusermount3
  bool debug = false;
};

// Mounts on construction and unmounts on destruction, unless somebody else has by then. From the
// one to the other SIGINT, SIGTERM and SIGHUP make serve() return.
class Session {
 public:
  // `file_system` must outlive the session. Throws Error if the mount fails.
  Session(FileSystem& file_system, const MountRequest& request);
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
  ~Session();

  // Answers requests, in several threads, until a signal or an unmount ends it. Throws Error if the
  // connection breaks.
  void serve();

 private:
  FileSystem& file_system_;
  fuse_session* session_;
};

}  // namespace cim
