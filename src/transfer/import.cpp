// Files -> an image.
#include "transfer/import.h"

#include "transfer/archive_source.h"
#include "transfer/decompressed_input.h"
#include "transfer/directory_source.h"
#include "transfer/entry_sink.h"
#include "transfer/input.h"
#include "transfer/msix_source.h"

namespace cim::transfer {

std::uint64_t import_tree(Writer& writer, const std::string& source, std::u16string_view path,
                          const ImportOptions& options, Progress& progress) {
  DirectorySource entries(source, std::u16string(path), options, progress);
  store_entries(entries, writer, options, progress);
  return entries.incomplete();
}

std::uint64_t import_archive(Writer& writer, int fd, const std::string& name,
                             const ImportOptions& options, Progress& progress) {
  FileInput file(fd);
  DecompressedInput input(file);
  ArchiveSource entries(input, name, options, progress);
  store_entries(entries, writer, options, progress);
  return entries.incomplete();
}

void import_msix(Writer& writer, int fd, const std::string& name, const std::u16string& root,
                 Progress& progress) {
  ImportOptions options;
  options.case_insensitive = true;
  options.literal_whiteouts = true;  // such names mean nothing in a package
  MsixSource entries(fd, name, root, progress);
  store_entries(entries, writer, options, progress);
}

}  // namespace cim::transfer
