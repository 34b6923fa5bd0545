/* A program in C11 that has the types of <windows.h> from elsewhere: see c11_test.cpp. */
#include <stdint.h>
#include <uchar.h>

typedef int HRESULT;
typedef unsigned int ULONG, DWORD, UINT32;
typedef int LONG;
typedef unsigned long long ULONGLONG; /* another type than in cimfs.h */
typedef uint64_t UINT64;
typedef int64_t INT64, LONGLONG;
typedef uint8_t BOOLEAN, BYTE;
typedef BYTE BOOL; /* of another size than in cimfs.h */
typedef char16_t WCHAR;
typedef const char16_t* PCWSTR;
typedef union {
  LONGLONG QuadPart;
} LARGE_INTEGER;
typedef struct {
  uint32_t Data1;
  uint16_t Data2, Data3;
  uint8_t Data4[8];
} GUID;
typedef struct FILE_STAT_BASIC_INFORMATION FILE_STAT_BASIC_INFORMATION;

#define CIMFS_NO_WINDOWS_TYPES
#include <cimfs.h>

int find_with_own_types(PCWSTR image, PCWSTR path);

int find_with_own_types(PCWSTR image, PCWSTR path) {
  BYTE buffer[1];
  UINT64 read = 0;
  UINT64 remaining = 0;
  return SUCCEEDED(CimReadFile(image, path, 0, buffer, sizeof(buffer), &read, &remaining));
}
