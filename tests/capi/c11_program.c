/* A program in C11 against cimfs.h and nothing else: see c11_test.cpp. */
typedef void* HANDLE; /* the same typedef in another header does no harm */
#include <cimfs.h>

#define OFFSET_IN(type, member, offset) \
  _Static_assert(offsetof(type, member) == (offset), #member " is laid out as on Windows")
#define OFFSET(member, offset) OFFSET_IN(CIMFS_FILE_METADATA, member, offset)
#define STAT_OFFSET(member, offset) OFFSET_IN(FILE_STAT_BASIC_INFORMATION, member, offset)

/* As a 64-bit Windows lays it out. */
#if UINTPTR_MAX == UINT64_MAX
OFFSET(Attributes, 0);
OFFSET(FileSize, 8);
OFFSET(CreationTime, 16);
OFFSET(LastWriteTime, 24);
OFFSET(ChangeTime, 32);
OFFSET(LastAccessTime, 40);
OFFSET(SecurityDescriptorBuffer, 48);
OFFSET(SecurityDescriptorSize, 56);
OFFSET(ReparseDataBuffer, 64);
OFFSET(ReparseDataSize, 72);
OFFSET(EaBuffer, 80);
OFFSET(EaBufferSize, 88);
_Static_assert(sizeof(CIMFS_FILE_METADATA) == 96, "size of CIMFS_FILE_METADATA");
#endif
STAT_OFFSET(CreationTime, 8);
STAT_OFFSET(ChangeTime, 32);
STAT_OFFSET(AllocationSize, 40);
STAT_OFFSET(EndOfFile, 48);
STAT_OFFSET(FileAttributes, 56);
STAT_OFFSET(NumberOfLinks, 64);
STAT_OFFSET(DeviceCharacteristics, 72);
STAT_OFFSET(VolumeSerialNumber, 80);
STAT_OFFSET(FileId128, 88);
_Static_assert(sizeof(FILE_STAT_BASIC_INFORMATION) == 104, "size of FILE_STAT_BASIC_INFORMATION");
_Static_assert(sizeof(HRESULT) == 4 && sizeof(BOOLEAN) == 1 && sizeof(WCHAR) == 2,
               "sizes of types");
_Static_assert(sizeof(GUID) == 16 && sizeof(LARGE_INTEGER) == 8, "sizes of structures");
_Static_assert(sizeof(CIM_MOUNT_IMAGE_FLAGS) == 4 && sizeof(CIM_CREATE_IMAGE_FLAGS) == 4,
               "sizes of flags");
_Static_assert(sizeof(BYTE) == 1 && sizeof(USHORT) == 2 && sizeof(ULONG) == 4 &&
                   sizeof(ULONGLONG) == 8 && sizeof(BOOL) == 4,
               "sizes of types that programs use");

#define CHECK(condition) \
  do {                   \
    if (!(condition)) {  \
      line = __LINE__;   \
      goto end;          \
    }                    \
  } while (0)

int build_image_in_c(PCWSTR directory, PCWSTR name);

int build_image_in_c(PCWSTR directory, PCWSTR name) {
  int line = 0;
  CIMFS_IMAGE_HANDLE image = NULL;
  CIMFS_STREAM_HANDLE stream = NULL;
  CIMFS_FILE_METADATA metadata = {0};
  BOOLEAN exists = 0;
  char message[1024] = "";

  CHECK(SUCCEEDED(CimCreateImage2(
      directory, CIM_CREATE_DO_NOT_EXPAND_PE_IMAGES | CIM_CREATE_IMAGE_CONSISTENT_CIM, NULL, name,
      &image)));

  metadata.Attributes = FILE_ATTRIBUTE_DIRECTORY;
  CHECK(CimCreateFile(image, u"dir", &metadata, &stream) == S_OK);
  CimCloseStream(stream);

  metadata.Attributes = FILE_ATTRIBUTE_NORMAL;
  metadata.FileSize = 5;
  metadata.LastWriteTime.LowPart = 2;
  metadata.LastWriteTime.u.HighPart = 1;
  CHECK(metadata.LastWriteTime.QuadPart == 0x100000002);
  CHECK(CimCreateFile(image, u"dir\\file", &metadata, &stream) == S_OK);
  CHECK(CimWriteStream(stream, "hello", 5) == S_OK);
  CHECK(CimWriteStream(stream, "!", 1) == HRESULT_FROM_WIN32(ERROR_HANDLE_EOF));
  CHECK(CimCommitImage(image) == HRESULT_FROM_WIN32(ERROR_SHARING_VIOLATION));
  CimCloseStream(stream);

  CHECK(CimCreateAlternateStream(image, u"dir\\file:stream", 3, &stream) == S_OK);
  CHECK(CimWriteStream(stream, "abc", 3) == S_OK);
  CimCloseStream(stream);
  stream = NULL;

  CHECK(CimCreateHardLink(image, u"link", u"dir\\file") == S_OK);
  CHECK(CimLookupFile(image, u"LINK", &exists) == S_OK && exists);
  CHECK(FAILED(CimDeletePath(image, u"missing")));
  CHECK(CimGetLastErrorMessage(message, sizeof(message)) == S_OK && message[0] != '\0');
  CHECK(CimCommitImage(image) == S_OK);

end:
  CimCloseStream(stream);
  CimCloseImage(image);
  return line;
}
