/*
 * The composite image API of Windows, for Linux: builds images and mounts them.
 *
 * Usable from C11 and C++. Types, constants and functions have the names, layouts and meanings that
 * Microsoft documents for its own cimfs.h ("cimfs.h header" and the page of each function on
 * learn.microsoft.com), so that a program written for Windows compiles. What differs:
 *   - PCWSTR is UTF-16 in char16_t, as on Windows; Linux's wchar_t is 32 bits wide. Write u"a\\b".
 *   - A containing path is a Linux path, with `/`, and names a directory that this process sees. It
 *     and the names of images are converted to UTF-8; a lone surrogate U+DC80 to U+DCFF stands for
 *     the byte 80 to FF, so that every Linux path can be given.
 *   - Two functions are our additions: CimGetVolumePath() tells where an image is mounted, and
 *     CimGetLastErrorMessage() why a call failed.
 *
 * A path inside an image is relative to its root: names of up to 255 units with `\` between them,
 * up to 32,767 units in all, a leading `\` allowed. `\` alone is the root directory, which every
 * image has. It is invalid when it is NULL or empty, when a name is empty, `.` or `..`, or when it
 * has a character that NTFS forbids, such as `/`. Names that differ only by case are one name,
 * unless the image is built on one where they are not. A parent directory must exist before
 * something is created in it. A named (alternate data) stream is `path:name` or `path:name:$DATA`.
 *
 * Only one image handle can be open for a directory at a time, in all processes, and only one
 * stream handle for an image.
 *
 * All functions may be called from many threads at once; calls on one image wait for each other.
 * Handles are checked: for NULL, a closed handle or anything else that is not a live handle of the
 * right kind, all functions return E_INVALIDARG, and the two that close do nothing.
 *
 * Unless said otherwise a call that fails changes nothing. After E_OUTOFMEMORY an image can only be
 * closed. Strings and buffers passed in are needed only until the call returns. Besides the errors
 * listed at each function there are E_INVALIDARG for a NULL input, E_POINTER for a NULL output,
 * E_OUTOFMEMORY, ERROR_DISK_FULL, ERROR_CIMFS_IMAGE_CORRUPT for an image that breaks the format,
 * ERROR_CIMFS_IMAGE_VERSION_NOT_SUPPORTED for one of a newer version, ERROR_IO_DEVICE and E_FAIL
 * for anything else. ERROR_x is returned as HRESULT_FROM_WIN32(ERROR_x).
 */
#ifndef CIMFS_H
#define CIMFS_H

#include <stddef.h>
#include <stdint.h>
#ifndef __cplusplus
#include <uchar.h> /* char16_t */
#endif

#ifdef __cplusplus
#define CIMFS_CAST(type, value) static_cast<type>(value)
#else
#define CIMFS_CAST(type, value) ((type)(value))
#endif

/*
 * Types of <windows.h>: those of the functions below, and those that programs use together with
 * them. A program that has its own defines CIMFS_NO_WINDOWS_TYPES, or includes its <windef.h>
 * first; its types must be laid out as these.
 */
#if !defined(CIMFS_NO_WINDOWS_TYPES) && !defined(_WINDEF_)

typedef int32_t HRESULT;
typedef int BOOL;
typedef unsigned char BOOLEAN;
typedef char CHAR;
typedef unsigned char UCHAR;
typedef unsigned char BYTE;
typedef int16_t SHORT;
typedef uint16_t USHORT;
typedef uint16_t WORD;
typedef int INT;
typedef unsigned int UINT;
typedef int32_t LONG;
typedef uint32_t ULONG;
typedef uint32_t DWORD;
typedef int32_t INT32;
typedef uint32_t UINT32;
typedef int64_t LONGLONG;
typedef uint64_t ULONGLONG;
typedef int64_t INT64;
typedef uint64_t UINT64;
typedef size_t SIZE_T;
typedef char16_t WCHAR;

typedef void* PVOID;
typedef void* LPVOID;
typedef const void* LPCVOID;
typedef void* HANDLE;
typedef HANDLE* PHANDLE;
typedef BOOL* PBOOL;
typedef BOOLEAN* PBOOLEAN;
typedef UCHAR* PUCHAR;
typedef BYTE* PBYTE;
typedef USHORT* PUSHORT;
typedef LONG* PLONG;
typedef ULONG* PULONG;
typedef DWORD* PDWORD;
typedef INT32* PINT32;
typedef UINT32* PUINT32;
typedef INT64* PINT64;
typedef UINT64* PUINT64;
typedef WCHAR* PWSTR;
typedef WCHAR* LPWSTR;
typedef const WCHAR* PCWSTR;
typedef const WCHAR* LPCWSTR;

typedef union _LARGE_INTEGER {
  __extension__ struct {
    DWORD LowPart;
    LONG HighPart;
  };
  struct {
    DWORD LowPart;
    LONG HighPart;
  } u;
  LONGLONG QuadPart;
} LARGE_INTEGER, *PLARGE_INTEGER;

#ifndef GUID_DEFINED
#define GUID_DEFINED
typedef struct _GUID {
  uint32_t Data1;
  uint16_t Data2;
  uint16_t Data3;
  uint8_t Data4[8];
} GUID;
#endif

typedef struct _FILE_ID_128 {
  BYTE Identifier[16];
} FILE_ID_128, *PFILE_ID_128;

typedef struct _FILE_STAT_BASIC_INFORMATION {
  LARGE_INTEGER FileId;
  LARGE_INTEGER CreationTime;
  LARGE_INTEGER LastAccessTime;
  LARGE_INTEGER LastWriteTime;
  LARGE_INTEGER ChangeTime;
  LARGE_INTEGER AllocationSize;
  LARGE_INTEGER EndOfFile;
  ULONG FileAttributes;
  ULONG ReparseTag;
  ULONG NumberOfLinks;
  ULONG DeviceType;
  ULONG DeviceCharacteristics;
  ULONG Reserved;
  LARGE_INTEGER VolumeSerialNumber;
  FILE_ID_128 FileId128;
} FILE_STAT_BASIC_INFORMATION, *PFILE_STAT_BASIC_INFORMATION;

#endif

#ifndef FALSE
#define FALSE 0
#endif
#ifndef TRUE
#define TRUE 1
#endif

/* Error codes of <winerror.h>. */

#ifndef SUCCEEDED
#define SUCCEEDED(hr) (CIMFS_CAST(HRESULT, hr) >= 0)
#endif
#ifndef FAILED
#define FAILED(hr) (CIMFS_CAST(HRESULT, hr) < 0)
#endif

#ifndef S_OK
#define S_OK CIMFS_CAST(HRESULT, 0)
#endif
#ifndef E_POINTER
#define E_POINTER CIMFS_CAST(HRESULT, 0x80004003u)
#endif
#ifndef E_FAIL
#define E_FAIL CIMFS_CAST(HRESULT, 0x80004005u)
#endif
#ifndef E_ACCESSDENIED
#define E_ACCESSDENIED CIMFS_CAST(HRESULT, 0x80070005u)
#endif
#ifndef E_OUTOFMEMORY
#define E_OUTOFMEMORY CIMFS_CAST(HRESULT, 0x8007000Eu)
#endif
#ifndef E_INVALIDARG
#define E_INVALIDARG CIMFS_CAST(HRESULT, 0x80070057u)
#endif

#ifndef ERROR_FILE_NOT_FOUND
#define ERROR_FILE_NOT_FOUND 2
#endif
#ifndef ERROR_PATH_NOT_FOUND
#define ERROR_PATH_NOT_FOUND 3
#endif
#ifndef ERROR_SHARING_VIOLATION
#define ERROR_SHARING_VIOLATION 32
#endif
#ifndef ERROR_HANDLE_EOF
#define ERROR_HANDLE_EOF 38
#endif
#ifndef ERROR_NOT_SUPPORTED
#define ERROR_NOT_SUPPORTED 50
#endif
#ifndef ERROR_FILE_EXISTS
#define ERROR_FILE_EXISTS 80
#endif
#ifndef ERROR_DISK_FULL
#define ERROR_DISK_FULL 112
#endif
#ifndef ERROR_INSUFFICIENT_BUFFER
#define ERROR_INSUFFICIENT_BUFFER 122
#endif
#ifndef ERROR_ALREADY_EXISTS
#define ERROR_ALREADY_EXISTS 183
#endif
#ifndef ERROR_FILE_TOO_LARGE
#define ERROR_FILE_TOO_LARGE 223
#endif
#ifndef ERROR_MORE_DATA
#define ERROR_MORE_DATA 234
#endif
#ifndef ERROR_CIMFS_IMAGE_CORRUPT
#define ERROR_CIMFS_IMAGE_CORRUPT 470
#endif
#ifndef ERROR_CIMFS_IMAGE_VERSION_NOT_SUPPORTED
#define ERROR_CIMFS_IMAGE_VERSION_NOT_SUPPORTED 471
#endif
#ifndef ERROR_IO_DEVICE
#define ERROR_IO_DEVICE 1117
#endif

#ifndef HRESULT_FROM_WIN32
#define HRESULT_FROM_WIN32(error) \
  ((error) == 0 ? S_OK : CIMFS_CAST(HRESULT, 0x80070000u | (CIMFS_CAST(DWORD, error) & 0xFFFFu)))
#endif

/* File attributes of <winnt.h> that an image keeps. */

#ifndef FILE_ATTRIBUTE_READONLY
#define FILE_ATTRIBUTE_READONLY 0x00000001u
#endif
#ifndef FILE_ATTRIBUTE_HIDDEN
#define FILE_ATTRIBUTE_HIDDEN 0x00000002u
#endif
#ifndef FILE_ATTRIBUTE_SYSTEM
#define FILE_ATTRIBUTE_SYSTEM 0x00000004u
#endif
#ifndef FILE_ATTRIBUTE_DIRECTORY
#define FILE_ATTRIBUTE_DIRECTORY 0x00000010u
#endif
#ifndef FILE_ATTRIBUTE_ARCHIVE
#define FILE_ATTRIBUTE_ARCHIVE 0x00000020u
#endif
#ifndef FILE_ATTRIBUTE_NORMAL
#define FILE_ATTRIBUTE_NORMAL 0x00000080u
#endif
#ifndef FILE_ATTRIBUTE_SPARSE_FILE
#define FILE_ATTRIBUTE_SPARSE_FILE 0x00000200u
#endif
#ifndef FILE_ATTRIBUTE_REPARSE_POINT
#define FILE_ATTRIBUTE_REPARSE_POINT 0x00000400u
#endif

#ifndef FILE_DEVICE_DISK
#define FILE_DEVICE_DISK 0x00000007u
#endif

#ifdef __cplusplus
extern "C" {
#endif

#define CIMFS_API __attribute__((visibility("default")))

/* An image that is being written, from CimCreateImage() to CimCloseImage(). */
typedef struct CimfsImage* CIMFS_IMAGE_HANDLE;

/* A stream that is being written, until CimCloseStream(). */
typedef struct CimfsStream* CIMFS_STREAM_HANDLE;

/* The names of the last three are ours: Microsoft has published none. */
typedef enum CIM_CREATE_IMAGE_FLAGS
#ifdef __cplusplus
    : UINT32 /* any combination is a value */
#endif
{ CIM_CREATE_IMAGE_NONE = 0x0,
  CIM_CREATE_DO_NOT_EXPAND_PE_IMAGES = 0x1, /* see CimCreateImage() */
  CIM_CREATE_FIXED_SIZE_CHUNKS = 0x2,       /* not supported, nor are the next two and the last */
  CIM_CREATE_IMAGE_BLOCK_CIM = 0x4,
  CIM_CREATE_IMAGE_SINGLE_FILE_CIM = 0x8,
  CIM_CREATE_IMAGE_CONSISTENT_CIM = 0x10, /* changes nothing: equal calls always make equal files */
  CIM_CREATE_IMAGE_VERIFIED_CIM = 0x40 } CIM_CREATE_IMAGE_FLAGS;

/* The names of the last two are ours too. */
typedef enum CIM_MOUNT_IMAGE_FLAGS
#ifdef __cplusplus
    : UINT32
#endif
{ CIM_MOUNT_IMAGE_NONE = 0x0,
  CIM_MOUNT_CHILD_ONLY = 0x1, /* only what the last fork added, see CimMountImage() */
  CIM_MOUNT_ENABLE_DAX = 0x2, /* this and the next two change nothing: Linux caches anyway */
  CIM_MOUNT_CACHE_FILES = 0x4,
  CIM_MOUNT_CACHE_REGIONS = 0x8,
  CIM_MOUNT_BLOCK_CIM = 0x10, /* not supported, nor are the next two */
  CIM_MOUNT_SINGLE_FILE_CIM = 0x20,
  CIM_MOUNT_VERIFIED_CIM = 0x80 } CIM_MOUNT_IMAGE_FLAGS;

/*
 * A committed image, for CimMergeMountImage(). Microsoft has published no name for it; that of the
 * structure and those of its members are ours.
 */
typedef struct _CIMFS_IMAGE_PATH {
  PCWSTR ImageDir;  /* as imageContainingPath of CimCreateImage() */
  PCWSTR ImageName; /* as imageName of CimMountImage() */
} CIMFS_IMAGE_PATH;

/*
 * What a file or directory is created with. Times are FILETIMEs: 100 ns since 1601-01-01 UTC. Each
 * of the three buffers is optional: NULL and size 0, sizes in bytes, at most 65,535.
 */
typedef struct _CIMFS_FILE_METADATA {
  UINT32 Attributes; /* FILE_ATTRIBUTE_*. All but those above are ignored; _REPARSE_POINT follows
                        from ReparseDataBuffer. */
  INT64 FileSize;    /* bytes, below 2^48; ignored for a directory */
  LARGE_INTEGER CreationTime;
  LARGE_INTEGER LastWriteTime;
  LARGE_INTEGER ChangeTime;
  LARGE_INTEGER LastAccessTime;
  const void* SecurityDescriptorBuffer; /* a self-relative SECURITY_DESCRIPTOR */
  UINT32 SecurityDescriptorSize;
  const void* ReparseDataBuffer; /* a REPARSE_DATA_BUFFER, or a REPARSE_GUID_DATA_BUFFER where the
                                    tag is not Microsoft's */
  UINT32 ReparseDataSize;
  const void* EaBuffer; /* a list of FILE_FULL_EA_INFORMATION */
  UINT32 EaBufferSize;
} CIMFS_FILE_METADATA;

/*
 * Opens an image for writing. Nothing is visible to others before CimCommitImage().
 *
 * Executables (PE images) are stored as on Windows, with their sections moved apart, so that each
 * can be mapped straight from the region file. They read as before. CimCreateImage2() can store
 * them plainly.
 *
 * imageContainingPath: the existing directory that holds the image's files.
 * existingImageName: the image to build on, such as u"app.cim"; NULL: start empty. A symbolic link
 *     stands for the image that it leads to, in that image's directory.
 * newImageName: the image that the commit makes. NULL or the same as existingImageName: the commit
 *     replaces that image. Another name: the commit makes a fork, and the existing image stays.
 * cimImageHandle: receives the handle, NULL on failure; close it with CimCloseImage().
 *
 * E_INVALIDARG: both names NULL, a name or the path empty or not valid UTF-16, a name with a `/`,
 *     or a fork whose existing image is behind a link to another directory.
 * E_ACCESSDENIED: no permission to read and write the directory or to read the existing image.
 * ERROR_PATH_NOT_FOUND: no such directory.
 * ERROR_FILE_NOT_FOUND: no such existing image, or a region file of it is missing.
 * ERROR_FILE_EXISTS: newImageName differs from existingImageName and is taken.
 * ERROR_SHARING_VIOLATION: an image handle is open for that directory, or the image to replace is
 *     mounted.
 *
 * Microsoft: "CimCreateImage function (cimfs.h)".
 */
CIMFS_API HRESULT CimCreateImage(PCWSTR imageContainingPath, PCWSTR existingImageName,
                                 PCWSTR newImageName, CIMFS_IMAGE_HANDLE* cimImageHandle);

/*
 * CimCreateImage() with flags.
 *
 * createImageFlags: CIM_CREATE_* combined.
 *
 * As CimCreateImage(), and:
 * E_INVALIDARG: an unknown flag.
 * ERROR_NOT_SUPPORTED: a flag for another kind of image. Only a filesystem file with region files
 *     beside it is supported here.
 *
 * Declared in the cimfs.h of Windows 11; Microsoft has no page on it.
 */
CIMFS_API HRESULT CimCreateImage2(PCWSTR imageContainingPath,
                                  CIM_CREATE_IMAGE_FLAGS createImageFlags, PCWSTR existingImageName,
                                  PCWSTR newImageName, CIMFS_IMAGE_HANDLE* cimImageHandle);

/*
 * Creates a file or, with FILE_ATTRIBUTE_DIRECTORY, a directory, and opens its primary stream.
 *
 * Replaces whatever is at the path, with everything below it; but a directory created over a
 * directory only replaces its metadata and keeps the contents. A file has exactly FileSize bytes:
 * it cannot be written past that, and what is never written reads as zero.
 *
 * fileMetadata: see CIMFS_FILE_METADATA; the buffers are checked and copied.
 * cimStreamHandle: receives the handle, NULL on failure; close it with CimCloseStream() before
 *     doing anything else with the image. A directory's handle can only be closed.
 *
 * E_INVALIDARG: invalid path, or malformed metadata: a negative size or one of 2^48 or more, a
 *     buffer that is NULL but has a size or the reverse, or one that does not parse.
 * ERROR_PATH_NOT_FOUND: the parent is not an existing directory.
 * ERROR_SHARING_VIOLATION: a stream of the image is open.
 *
 * Microsoft: "CimCreateFile function (cimfs.h)", "CIMFS_FILE_METADATA structure (cimfs.h)".
 */
CIMFS_API HRESULT CimCreateFile(CIMFS_IMAGE_HANDLE cimImageHandle, PCWSTR imageRelativePath,
                                const CIMFS_FILE_METADATA* fileMetadata,
                                CIMFS_STREAM_HANDLE* cimStreamHandle);

/*
 * Creates a named stream of an existing file or directory, and opens it. Replaces one by that name.
 *
 * imageRelativePath: `path:name` or `path:name:$DATA`.
 * streamSize: in bytes, below 2^48; works as FileSize of CimCreateFile() does.
 * cimStreamHandle: as for CimCreateFile().
 *
 * E_INVALIDARG: invalid path, or one that names no stream; a size of 2^48 or more.
 * ERROR_PATH_NOT_FOUND: no such file or directory.
 * ERROR_SHARING_VIOLATION: a stream of the image is open.
 *
 * Microsoft: "CimCreateAlternateStream function (cimfs.h)".
 */
CIMFS_API HRESULT CimCreateAlternateStream(CIMFS_IMAGE_HANDLE cimImageHandle,
                                           PCWSTR imageRelativePath, UINT64 streamSize,
                                           CIMFS_STREAM_HANDLE* cimStreamHandle);

/*
 * Makes imageRelativePath another name of the file existingImageRelativePath. Replaces a file at
 * imageRelativePath.
 *
 * E_INVALIDARG: an invalid path, or one that names a stream.
 * E_ACCESSDENIED: existingImageRelativePath or imageRelativePath is a directory.
 * ERROR_PATH_NOT_FOUND: no such existing file, or no parent directory for the new name.
 * ERROR_SHARING_VIOLATION: a stream of the image is open.
 *
 * Microsoft: "CimCreateHardLink function (cimfs.h)".
 */
CIMFS_API HRESULT CimCreateHardLink(CIMFS_IMAGE_HANDLE cimImageHandle, PCWSTR imageRelativePath,
                                    PCWSTR existingImageRelativePath);

/*
 * Removes a file, one name of a hard-linked file, a directory with everything below it, or a
 * stream.
 *
 * imageRelativePath: `path`, or `path:name` for a stream.
 *
 * E_INVALIDARG: invalid path, or the root directory.
 * ERROR_PATH_NOT_FOUND: it does not exist.
 * ERROR_SHARING_VIOLATION: a stream of the image is open.
 *
 * Microsoft: "CimDeletePath function (cimfs.h)".
 */
CIMFS_API HRESULT CimDeletePath(CIMFS_IMAGE_HANDLE cimImageHandle, PCWSTR imageRelativePath);

/*
 * Creates a tombstone: when images are merged, it hides the file or directory that images below
 * this one have at the path, and is itself gone. A directory that is created in its place hides
 * what they have in it.
 *
 * Microsoft has not published how an image keeps a tombstone. Here it is a whiteout as overlayfs
 * has it until it is merged, the character device 0:0: see docs/format.md.
 *
 * Replaces whatever is at the path, with everything below it.
 *
 * E_INVALIDARG: invalid path, one that names a stream, or the root directory.
 * ERROR_PATH_NOT_FOUND: the parent is not an existing directory.
 * ERROR_SHARING_VIOLATION: a stream of the image is open.
 *
 * Declared in the cimfs.h of Windows 11; Microsoft has no page on it.
 */
CIMFS_API HRESULT CimTombstoneFile(CIMFS_IMAGE_HANDLE cimImageHandle, PCWSTR imageRelativePath);

/*
 * Creates a merge link: when images are merged, it becomes another name of the file that this image
 * or those below it have at existingImageRelativePath, which may be a merge link too. The file need
 * not exist before that.
 *
 * Microsoft has not published how an image keeps a merge link. Here it is a symbolic link of
 * Windows until it is merged: see docs/format.md.
 *
 * Replaces whatever is at imageRelativePath, with everything below it.
 *
 * E_INVALIDARG: invalid path, one that names a stream, or the root directory.
 * ERROR_PATH_NOT_FOUND: the parent of imageRelativePath is not an existing directory.
 * ERROR_SHARING_VIOLATION: a stream of the image is open.
 * ERROR_FILE_TOO_LARGE: existingImageRelativePath has more than about 16,000 units.
 *
 * Declared in the cimfs.h of Windows 11; Microsoft has no page on it.
 */
CIMFS_API HRESULT CimCreateMergeLink(CIMFS_IMAGE_HANDLE cimImageHandle, PCWSTR imageRelativePath,
                                     PCWSTR existingImageRelativePath);

/*
 * Adds a committed image below those that were added before: files of the first one win,
 * directories are merged. No data is copied; the new image needs the region files of all images
 * added.
 *
 * The images are merged by the commit, or by the first other call on the handle, whose changes then
 * go on top; nothing can be added after that. Merging fails with ERROR_PATH_NOT_FOUND or
 * E_ACCESSDENIED if a merge link leads to nothing or to a directory, with ERROR_FILE_TOO_LARGE if
 * the images have more than 65,536 region files, and with E_INVALIDARG if they do not agree which
 * names differ only by case. The image keeps what they agree on.
 *
 * cimImageHandle: a new image on which nothing else was done yet.
 * existingImageName: the image, in the directory of the new one: its name or its Linux path.
 *
 * E_INVALIDARG: the image builds on another or was changed, or existingImageName is in another
 *     directory.
 * ERROR_FILE_NOT_FOUND: no such image, or a region file of it is missing.
 *
 * Declared in the cimfs.h of Windows 11; Microsoft has no page on it.
 */
CIMFS_API HRESULT CimAddFsToMergedImage(CIMFS_IMAGE_HANDLE cimImageHandle,
                                        PCWSTR existingImageName);

/*
 * CimAddFsToMergedImage() with flags.
 *
 * flags: 0. 1, 2 and 4 are for other kinds of image: in a single file, on a block device, verified.
 *
 * As CimAddFsToMergedImage(), and:
 * E_INVALIDARG: an unknown flag.
 * ERROR_NOT_SUPPORTED: one of those three.
 *
 * Declared in the cimfs.h of Windows 11; Microsoft has no page on it.
 */
CIMFS_API HRESULT CimAddFsToMergedImage2(CIMFS_IMAGE_HANDLE cimImageHandle,
                                         PCWSTR existingImageName, UINT32 flags);

/*
 * Tells whether a file or directory is in the image as it stands now, uncommitted changes included.
 * Allowed while a stream is open.
 *
 * exists: receives 1 or 0; 0 on failure.
 *
 * E_INVALIDARG: invalid path, or one that names a stream.
 *
 * Declared in Windows' cimfs.h; Microsoft has no page on it.
 */
CIMFS_API HRESULT CimLookupFile(CIMFS_IMAGE_HANDLE cimImageHandle, PCWSTR imageRelativePath,
                                BOOLEAN* exists);

/*
 * Appends bufferSize bytes of `buffer` to a stream, at its write position.
 *
 * E_INVALIDARG: an invalid handle, or that of a directory.
 * E_POINTER: `buffer` is NULL.
 * ERROR_HANDLE_EOF: the data reaches past the size that the stream was created with. What fits has
 *     then been written.
 *
 * Microsoft: "CimWriteStream function (cimfs.h)".
 */
CIMFS_API HRESULT CimWriteStream(CIMFS_STREAM_HANDLE cimStreamHandle, const void* buffer,
                                 UINT32 bufferSize);

/*
 * Closes a stream, complete or not. If data cannot be stored at this point, the commit fails.
 *
 * Microsoft: "CimCloseStream function (cimfs.h)".
 */
CIMFS_API void CimCloseStream(CIMFS_STREAM_HANDLE cimStreamHandle);

/*
 * Makes the image durable and visible, all at once. The handle can then only be closed.
 *
 * E_INVALIDARG: an invalid handle, or an image that is already committed.
 * ERROR_SHARING_VIOLATION: a stream of the image is open, or the image to replace is mounted. The
 *     commit can be tried again later.
 *
 * After any other failure the image can only be closed; an existing image is unchanged.
 *
 * Microsoft: "CimCommitImage function (cimfs.h)".
 */
CIMFS_API HRESULT CimCommitImage(CIMFS_IMAGE_HANDLE cimImageHandle);

/*
 * Closes an image; without a commit all changes are discarded. A stream of it that is still open
 * stays usable. Closing that stream then frees the image, and another can be opened in the
 * directory.
 *
 * Microsoft: "CimCloseImage function (cimfs.h)".
 */
CIMFS_API void CimCloseImage(CIMFS_IMAGE_HANDLE cimImageHandle);

/*
 * Reads a file of a committed image, which need not be mounted.
 *
 * imagePath: the Linux path of the filesystem file.
 * filePath: the file, as a path inside the image. Reparse points are not followed.
 * offset: where to start, in bytes.
 * buffer, bufferSize: receives the bytes from `offset` on, as many as exist and fit.
 * bytesRead: receives their number; 0 at and past the end of the file, and on failure.
 * bytesRemaining: receives the number of bytes after those; 0 on failure.
 *
 * E_INVALIDARG: invalid path, or one that names a stream.
 * E_ACCESSDENIED: the file is a directory, or no permission to read the image.
 * ERROR_FILE_NOT_FOUND: no such image, a region file of it is missing, or no such file in it.
 * ERROR_PATH_NOT_FOUND: the parent of the file is not an existing directory.
 *
 * Declared in the cimfs.h of Windows 11; Microsoft has no page on it.
 */
CIMFS_API HRESULT CimReadFile(PCWSTR imagePath, PCWSTR filePath, UINT64 offset, void* buffer,
                              UINT64 bufferSize, UINT64* bytesRead, UINT64* bytesRemaining);

/*
 * Describes a file or directory of a committed image, which need not be mounted.
 *
 * imagePath, filePath: as for CimReadFile().
 * statInfo: receives what NTFS would report. FileId is the number of the file in this image;
 *     AllocationSize is EndOfFile in whole pages of 4,096 bytes, 0 for a directory or a file that
 *     is one hole; DeviceType is FILE_DEVICE_DISK. DeviceCharacteristics and VolumeSerialNumber are
 *     0: there is no volume. All 0 on failure.
 *
 * Fails as CimReadFile() does, but not for a directory.
 *
 * Declared in the cimfs.h of Windows 11; Microsoft has no page on it.
 */
CIMFS_API HRESULT CimGetFileStatBasicInformation(PCWSTR imagePath, PCWSTR filePath,
                                                 FILE_STAT_BASIC_INFORMATION* statInfo);

/*
 * Mounts an image, read-only, as the volume with the GUID volumeId, chosen by the caller. It stays
 * mounted, beyond the end of this process, until CimDismountImage(). While it is mounted the image
 * cannot be replaced, only forked.
 *
 * The mount point is the directory Volume{GUID} under $CIMFS_MOUNT_ROOT or, if that is not set,
 * /run/cimfs for root and $XDG_RUNTIME_DIR/cimfs for others; all directories are made as needed.
 * The `cimfs` daemon found in $PATH serves it, or else the installed one. In a process with
 * privileges that its caller lacks (AT_SECURE, getauxval(3)) environment variables are ignored.
 *
 * imageContainingPath, imageName: as for CimCreateImage().
 * mountImageFlags: CIM_MOUNT_* combined. CIM_MOUNT_CHILD_ONLY shows the files that the last fork of
 *     the image created, and the directories that lead to them; everything else is masked.
 *
 * E_INVALIDARG: unknown flag, or a path or name as for CimCreateImage().
 * E_ACCESSDENIED: no permission to read the image or to mount, or neither environment variable is
 *     set.
 * ERROR_PATH_NOT_FOUND: no such directory.
 * ERROR_FILE_NOT_FOUND: no such image, or a region file of it is missing.
 * ERROR_ALREADY_EXISTS: a volume with this GUID is mounted.
 * ERROR_NOT_SUPPORTED: a flag for a kind of image that is not supported here; or
 *     CIM_MOUNT_CHILD_ONLY for a fork made on Windows, which does not record what a fork added.
 *
 * Microsoft: "CimMountImage function (cimfs.h)", "CIM_MOUNT_IMAGE_FLAGS enumeration (cimfs.h)".
 */
CIMFS_API HRESULT CimMountImage(PCWSTR imageContainingPath, PCWSTR imageName,
                                CIM_MOUNT_IMAGE_FLAGS mountImageFlags, const GUID* volumeId);

/*
 * CimMountImage() for a merged image, with the images that it was merged of. On Windows they are
 * needed to find its data; here the merged image itself says where that is.
 *
 * numCimPaths: the length of backingImagePaths, at least 2.
 * backingImagePaths: an array of CIMFS_IMAGE_PATH: the merged image, then the others in the order
 * in which they were added. mountImageFlags, volumeId: as for CimMountImage(). With
 * CIM_MOUNT_CHILD_ONLY, what the image that was added last has is masked.
 *
 * As CimMountImage(), and:
 * E_INVALIDARG: too few images, or the first one was not merged of one of the others.
 *
 * Declared in the cimfs.h of Windows 11; Microsoft has no page on it.
 */
CIMFS_API HRESULT CimMergeMountImage(UINT32 numCimPaths, const void* backingImagePaths,
                                     CIM_MOUNT_IMAGE_FLAGS mountImageFlags, const GUID* volumeId);

/*
 * Unmounts the volume volumeId and removes its mount point.
 *
 * ERROR_FILE_NOT_FOUND: it is not mounted.
 * ERROR_SHARING_VIOLATION: it is in use.
 *
 * Microsoft: "CimDismountImage function (cimfs.h)".
 */
CIMFS_API HRESULT CimDismountImage(const GUID* volumeId);

/*
 * Stores the absolute path of the directory where volumeId is mounted, and a NUL, in `buffer`. An
 * addition for Linux: on Windows the path follows from the GUID.
 *
 * size: of `buffer` in bytes; PATH_MAX is always enough.
 *
 * ERROR_FILE_NOT_FOUND: it is not mounted.
 * ERROR_INSUFFICIENT_BUFFER: the path and its NUL do not fit; `buffer` is not touched.
 */
CIMFS_API HRESULT CimGetVolumePath(const GUID* volumeId, char* buffer, size_t size);

/*
 * Stores in `buffer`, with a NUL at its end, why the last failed call on this thread failed: one
 * line for a user that names the image, the file and the reason, as far as each is known. The empty
 * string if no call has failed yet. An addition for Linux.
 *
 * Calls that succeed, functions that return nothing and this one leave the message as it is, so ask
 * for it only after a call that failed. It is in English and in UTF-8, except that file names keep
 * whatever bytes they have.
 *
 * size: of `buffer` in bytes; 1,024 is enough unless paths are very long.
 *
 * E_POINTER: `buffer` is NULL.
 * ERROR_MORE_DATA: the message and its NUL do not fit; `buffer` then has as many whole characters
 *     as fit and a NUL, or nothing if size is 0. Try again with a larger buffer.
 */
CIMFS_API HRESULT CimGetLastErrorMessage(char* buffer, size_t size);

#undef CIMFS_API

#ifdef __cplusplus
} /* extern "C" */

/* As DEFINE_ENUM_FLAG_OPERATORS of <winnt.h>. */
#define CIMFS_FLAG_OPERATORS(Flags)                                                          \
  constexpr Flags operator~(Flags a) { return static_cast<Flags>(~static_cast<UINT32>(a)); } \
  constexpr Flags operator|(Flags a, Flags b) {                                              \
    return static_cast<Flags>(static_cast<UINT32>(a) | static_cast<UINT32>(b));              \
  }                                                                                          \
  constexpr Flags operator&(Flags a, Flags b) {                                              \
    return static_cast<Flags>(static_cast<UINT32>(a) & static_cast<UINT32>(b));              \
  }                                                                                          \
  constexpr Flags operator^(Flags a, Flags b) {                                              \
    return static_cast<Flags>(static_cast<UINT32>(a) ^ static_cast<UINT32>(b));              \
  }                                                                                          \
  inline Flags& operator|=(Flags& a, Flags b) { return a = a | b; }                          \
  inline Flags& operator&=(Flags& a, Flags b) { return a = a & b; }                          \
  inline Flags& operator^=(Flags& a, Flags b) { return a = a ^ b; }

CIMFS_FLAG_OPERATORS(CIM_CREATE_IMAGE_FLAGS)
CIMFS_FLAG_OPERATORS(CIM_MOUNT_IMAGE_FLAGS)
#undef CIMFS_FLAG_OPERATORS
#endif

#endif /* CIMFS_H */
