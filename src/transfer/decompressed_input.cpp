// The bytes of an archive, decompressed.
#include "transfer/decompressed_input.h"

#include <utility>

#include <archive.h>
#include <archive_entry.h>
#include <cim/error.h>

namespace cim::transfer {
namespace {

Error failure(archive* reader) {
  const char* reason = archive_error_string(reader);
  return Error(Errc::corrupt, reason == nullptr ? "is damaged or cut short" : reason);
}

}  // namespace

void DecompressedInput::CloseArchive::operator()(archive* reader) const noexcept {
  archive_read_free(reader);
}

DecompressedInput::DecompressedInput(Input& compressed)
    : compressed_(compressed), decompressor_(archive_read_new()) {
  if (!decompressor_) throw Error(Errc::out_of_memory, "out of memory");
}

DecompressedInput::~DecompressedInput() = default;

bool DecompressedInput::is_compressed() {
  open();
  return archive_filter_code(decompressor_.get(), 0) != ARCHIVE_FILTER_NONE;
}

// The `raw` format has one member: the whole input.
void DecompressedInput::open() {
  if (std::exchange(opened_, true)) return;
  archive* const reader = decompressor_.get();
  archive_read_support_filter_all(reader);
  archive_read_support_format_raw(reader);
  archive_read_support_format_empty(reader);
  const auto callback = [](archive* self, void* input, const void** bytes) -> la_ssize_t {
    try {
      const std::string_view block = static_cast<Input*>(input)->next();
      *bytes = block.data();
      return static_cast<la_ssize_t>(block.size());
    } catch (const Error& error) {
      archive_set_error(self, to_errno(error.code()), "%s", error.reason().c_str());
      return -1;
    }
  };
  if (archive_read_open(reader, &compressed_, nullptr, callback, nullptr) != ARCHIVE_OK) {
    throw failure(reader);
  }
  archive_entry* entry = nullptr;
  const int result = archive_read_next_header(reader, &entry);
  at_end_ = result == ARCHIVE_EOF;
  if (!at_end_ && result != ARCHIVE_OK && result != ARCHIVE_WARN) throw failure(reader);
}

std::string_view DecompressedInput::next() {
  open();
  if (at_end_) return {};
  const void* bytes = nullptr;
  std::size_t size = 0;
  la_int64_t offset = 0;
  const int result = archive_read_data_block(decompressor_.get(), &bytes, &size, &offset);
  at_end_ = result == ARCHIVE_EOF;
  if (at_end_) return {};
  if (result != ARCHIVE_OK && result != ARCHIVE_WARN) throw failure(decompressor_.get());
  return {static_cast<const char*>(bytes), size};
}

}  // namespace cim::transfer
