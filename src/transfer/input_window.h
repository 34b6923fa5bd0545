// The latest bytes of an input.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "transfer/input.h"

namespace cim::transfer {

// Reads an input, and keeps what has been read until it is told to forget it. For one thread at a
// time.
class InputWindow {
 public:
  explicit InputWindow(Input& input) : input_(input) {}

  // Input::next().
  std::string_view next();

  // Forgets the bytes returned by next() before `position`, counted in bytes from the start.
  void forget_before(std::uint64_t position);

  // The bytes from `begin`, which must not be forgotten, to `end`, which next() must have reached.
  std::string bytes(std::uint64_t begin, std::uint64_t end) const;

  // The number of bytes that bytes() would still return.
  std::uint64_t kept_size() const noexcept { return block_start_ + block_.size() - kept_from_; }

  // Input::drain(). Only the destructor may be called next.
  void drain() { input_.drain(); }

 private:
  Input& input_;
  std::string_view block_;  // what next() returned last
  std::uint64_t block_start_ = 0;
  std::string earlier_;  // the kept part of the bytes before that
  std::uint64_t kept_from_ = 0;
};

}  // namespace cim::transfer
