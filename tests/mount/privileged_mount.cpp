// privileged_mount IMAGE DIRECTORY: mounts an image as a set-user-id program would. Exits with 77
// if it is not one.
#include <cstdio>

#include <cim/error.h>
#include <sys/auxv.h>

#include "mount/mount.h"

int main(int argc, char* argv[]) {
  if (argc != 3 || getauxval(AT_SECURE) == 0) return 77;
  try {
    cim::mount_image(argv[1], argv[2], {});
    return 0;
  } catch (const cim::Error& error) {
    std::fputs(error.what(), stderr);
    return 1;
  }
}
