// Compresses what is written.
#include "transfer/compressed_output.h"

#include <span>

#include <archive.h>
#include <archive_entry.h>
#include <cim/error.h>

namespace cim::transfer {
namespace {

constexpr int block_size = 64 << 10;

struct FreeEntry {
  void operator()(archive_entry* entry) const noexcept { archive_entry_free(entry); }
};

}  // namespace

// One that is not finished writes nothing more.
void CompressedOutput::Free::operator()(archive* compressor) const noexcept {
  archive_write_fail(compressor);
  archive_write_free(compressor);
}

// The `raw` format has one member: the whole output.
CompressedOutput::CompressedOutput(Output& compressed, const std::string& filter)
    : compressed_(compressed), compressor_(archive_write_new()) {
  archive* const writer = compressor_.get();
  const std::unique_ptr<archive_entry, FreeEntry> entry(archive_entry_new());
  if (writer == nullptr || !entry) throw Error(Errc::out_of_memory, "out of memory");
  // A warning says that another program would do it.
  if (archive_write_add_filter_by_name(writer, filter.c_str()) != ARCHIVE_OK) {
    throw Error(Errc::unsupported, "libarchive is built without " + filter);
  }
  if (filter == "gzip")
    check(archive_write_set_filter_option(writer, "gzip", "timestamp", nullptr));
  check(archive_write_set_format_raw(writer));
  check(archive_write_set_bytes_per_block(writer, block_size));
  check(archive_write_set_bytes_in_last_block(writer, 1));
  const auto callback = [](archive*, void* client, const void* bytes,
                           std::size_t size) -> la_ssize_t {
    auto& output = *static_cast<CompressedOutput*>(client);
    try {
      output.compressed_.write({static_cast<const std::byte*>(bytes), size});
      return static_cast<la_ssize_t>(size);
    } catch (...) {
      output.failure_ = std::current_exception();
      return -1;
    }
  };
  check(archive_write_open(writer, this, nullptr, callback, nullptr));
  archive_entry_set_filetype(entry.get(), AE_IFREG);
  check(archive_write_header(writer, entry.get()));
}

CompressedOutput::~CompressedOutput() = default;

void CompressedOutput::write(ByteView data) {
  check(archive_write_data(compressor_.get(), data.data(), data.size()));
}

void CompressedOutput::finish() { check(archive_write_close(compressor_.get())); }

void CompressedOutput::check(long result) {
  if (failure_) std::rethrow_exception(failure_);
  if (result >= ARCHIVE_OK) return;
  const char* const reason = archive_error_string(compressor_.get());
  throw Error(Errc::io_error, reason == nullptr ? "cannot be compressed" : reason);
}

}  // namespace cim::transfer
