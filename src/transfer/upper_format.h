// How an overlay writes its upper directory. May be called from many threads at once.
#pragma once

#include <string>

namespace cim::transfer {

enum class UpperFormat {
  overlay,         // of the kernel: with attributes trusted.overlay.*
  userxattr,       // of the kernel, with the mount option userxattr: with user.overlay.*
  fuse_overlayfs,  // also with .wh. names, and with owners and modes in attributes
};

// The format of the upper directory `upper`, by its attributes and names. Looks at all files unless
// those of its root suffice. Throws Error: unsupported if that is not certain, access_denied if
// this process cannot see what would tell, and the system's error.
UpperFormat find_upper_format(const std::string& upper);

// Throws Error (access_denied) unless this process sees the attributes trusted.*, which are just
// missing for all but root.
void require_trusted_attributes(const std::string& upper);

}  // namespace cim::transfer
