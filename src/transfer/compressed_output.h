// Compresses what is written.
#pragma once

#include <exception>
#include <memory>
#include <string>

#include "transfer/output.h"

struct archive;

namespace cim::transfer {

// Compresses with a filter of libarchive. The same bytes give the same result: it has no time and
// no name.
class CompressedOutput : public Output {
 public:
  // `filter` is `gzip` or `zstd`; `compressed` must outlive this. Throws Error (unsupported) if
  // libarchive is built without it.
  CompressedOutput(Output& compressed, const std::string& filter);
  CompressedOutput(const CompressedOutput&) = delete;
  CompressedOutput& operator=(const CompressedOutput&) = delete;
  ~CompressedOutput() override;

  void write(ByteView data) override;

  // Writes the end. Nothing may be written afterwards.
  void finish();

 private:
  struct Free {
    void operator()(archive* compressor) const noexcept;
  };

  void check(long result);

  Output& compressed_;
  std::exception_ptr failure_;  // of `compressed_`
  std::unique_ptr<archive, Free> compressor_;
};

}  // namespace cim::transfer
