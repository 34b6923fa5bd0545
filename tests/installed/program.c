/*
 * A program in C: builds an image in a directory, opens it again and, with `mount`, mounts it and
 * reads it there.
 *
 *   program DIRECTORY [mount]
 */
#include <cimfs.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#define CHECK(condition)                                              \
  do {                                                                \
    if (!(condition)) {                                               \
      fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
      return 1;                                                       \
    }                                                                 \
  } while (0)

/* In tests/capi/c11_program.c. */
int build_image_in_c(PCWSTR directory, PCWSTR name);

static const GUID volume = {
    0x0f8fad5b, 0xd9cb, 0x469f, {0xa1, 0x65, 0x70, 0x86, 0x77, 0x28, 0x95, 0x0e}};

/* Room for an ASCII path. */
static WCHAR directory[PATH_MAX];

static int open_again(void) {
  CIMFS_IMAGE_HANDLE image = NULL;
  BOOLEAN exists = 0;
  CHECK(CimCreateImage(directory, u"missing.cim", NULL, &image) ==
        HRESULT_FROM_WIN32(ERROR_FILE_NOT_FOUND));
  CHECK(image == NULL);
  CHECK(CimCreateImage(directory, u"c.cim", NULL, &image) == S_OK);
  CHECK(CimLookupFile(image, u"dir\\file", &exists) == S_OK && exists);
  CHECK(CimLookupFile(image, u"dir\\missing", &exists) == S_OK && !exists);
  CimCloseImage(image);
  return 0;
}

static int read_volume(void) {
  char path[PATH_MAX + 16];
  char content[16] = "";
  CHECK(CimGetVolumePath(&volume, path, PATH_MAX) == S_OK);
  strcat(path, "/dir/file");
  FILE* file = fopen(path, "r");
  CHECK(file != NULL);
  const size_t size = fread(content, 1, sizeof(content), file);
  fclose(file);
  CHECK(size == 5 && memcmp(content, "hello", 5) == 0);
  return 0;
}

static int read_mounted(void) {
  CHECK(CimMountImage(directory, u"c.cim", CIM_MOUNT_IMAGE_NONE, &volume) == S_OK);
  const int failed = read_volume();
  CHECK(CimDismountImage(&volume) == S_OK);
  return failed;
}

int main(int argc, char** argv) {
  CHECK(argc > 1 && strlen(argv[1]) < PATH_MAX);
  for (size_t i = 0; argv[1][i] != '\0'; ++i) directory[i] = (unsigned char)argv[1][i];
  CHECK(build_image_in_c(directory, u"c.cim") == 0);
  if (open_again() != 0) return 1;
  return argc > 2 && strcmp(argv[2], "mount") == 0 ? read_mounted() : 0;
}
