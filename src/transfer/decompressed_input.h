// The bytes of an archive, decompressed.
#pragma once

#include <memory>
#include <string_view>

#include "transfer/input.h"

struct archive;

namespace cim::transfer {

// Reads an input and undoes any compression that libarchive knows.
class DecompressedInput : public Input {
 public:
  // `compressed` must outlive this.
  explicit DecompressedInput(Input& compressed);
  DecompressedInput(const DecompressedInput&) = delete;
  DecompressedInput& operator=(const DecompressedInput&) = delete;
  ~DecompressedInput() override;

  // Whether there is any compression. Reads the start of the input.
  bool is_compressed();

  std::string_view next() override;

  // Drains the compressed input.
  void drain() override { compressed_.drain(); }

 private:
  struct CloseArchive {
    void operator()(archive* reader) const noexcept;
  };

  void open();

  Input& compressed_;
  std::unique_ptr<archive, CloseArchive> decompressor_;
  bool opened_ = false;
  bool at_end_ = false;
};

}  // namespace cim::transfer
