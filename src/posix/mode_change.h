// Permissions as people write them for chmod(1). May be called from many threads at once.
#pragma once

#include <string>
#include <vector>

#include <sys/stat.h>

namespace cim::posix {

// What chmod(1) makes of permissions.
class ModeChange {
 public:
  // Reads an octal number, or a list such as `u=rwX,go-w,+t`. `mask` is the umask(2), which limits
  // what a change that does not say for whom is about. Throws Error (invalid_argument).
  ModeChange(const std::string& text, mode_t mask);

  // `mode` with other permissions, its type unchanged. A number of up to four digits leaves the
  // set-user-ID and set-group-ID bits of directories as they are, as with GNU's chmod.
  mode_t apply(mode_t mode) const;

 private:
  struct Step {
    char operation;              // + - =
    mode_t who;                  // the bits that it is about
    mode_t bits = 0;             // of all users, such as 0444 for `r`
    bool if_executable = false;  // X
    int copied_shift = -1;       // to the bits of the user who is copied; -1: none is
    bool clears_set_id = false;  // also of directories
  };

  void parse(const std::string& text, mode_t mask);
  static mode_t apply(const Step& step, mode_t mode);

  std::vector<Step> steps_;
};

}  // namespace cim::posix
