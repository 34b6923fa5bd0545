// recorded_disk MOUNTPOINT BYTES LOG: a disk in memory, the file `disk` on MOUNTPOINT, that records
// in LOG what is done to it, in order: for each write its offset and length, 8 bytes each in the
// order of the machine, and the data; for each flush the offset ~0 and the length 0. What is in LOG
// when a write or flush returns includes it. Runs until unmounted.
#define FUSE_USE_VERSION 31
#include <errno.h>
#include <fcntl.h>
#include <fuse.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

static const char disk_path[] = "/disk";

static char* content;
static size_t size;
static int log_fd;

static int record(uint64_t offset, uint64_t length, const char* data) {
  uint64_t header[] = {offset, length};
  const struct iovec parts[] = {{header, sizeof(header)}, {(void*)(uintptr_t)data, length}};
  const ssize_t expected = (ssize_t)(sizeof(header) + length);
  return writev(log_fd, parts, 2) == expected ? 0 : -EIO;
}

static int disk_getattr(const char* path, struct stat* status, struct fuse_file_info* info) {
  (void)info;
  if (strcmp(path, "/") == 0) {
    status->st_mode = S_IFDIR | 0700;
    return 0;
  }
  if (strcmp(path, disk_path) != 0) return -ENOENT;
  status->st_mode = S_IFREG | 0600;
  status->st_nlink = 1;
  status->st_size = (off_t)size;
  return 0;
}

// Nothing is kept in the page cache: a write is not done before it is here.
static int disk_open(const char* path, struct fuse_file_info* info) {
  (void)path;
  info->direct_io = 1;
  return 0;
}

static size_t length_within(size_t length, off_t offset) {
  const size_t rest = (size_t)offset < size ? size - (size_t)offset : 0;
  return length < rest ? length : rest;
}

static int disk_read(const char* path, char* out, size_t length, off_t offset,
                     struct fuse_file_info* info) {
  (void)path;
  (void)info;
  const size_t count = length_within(length, offset);
  memcpy(out, content + offset, count);
  return (int)count;
}

static int disk_write(const char* path, const char* data, size_t length, off_t offset,
                      struct fuse_file_info* info) {
  (void)path;
  (void)info;
  const size_t count = length_within(length, offset);
  if (count == 0) return -ENOSPC;
  memcpy(content + offset, data, count);
  const int error = record((uint64_t)offset, count, data);
  return error != 0 ? error : (int)count;
}

static int disk_fsync(const char* path, int only_data, struct fuse_file_info* info) {
  (void)path;
  (void)only_data;
  (void)info;
  return record(UINT64_MAX, 0, NULL);
}

static const struct fuse_operations operations = {
    .getattr = disk_getattr,
    .open = disk_open,
    .read = disk_read,
    .write = disk_write,
    .fsync = disk_fsync,
};

int main(int argc, char* argv[]) {
  if (argc != 4) return 2;
  size = strtoul(argv[2], NULL, 10);
  log_fd = open(argv[3], O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
  content =
      mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (log_fd < 0 || content == MAP_FAILED) return 1;
  // One thread: what happens at once is recorded in an order all the same.
  char* arguments[] = {argv[0], "-f", "-s", argv[1], NULL};
  return fuse_main(4, arguments, &operations, NULL);
}
