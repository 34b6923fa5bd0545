// SHA-512 of many messages at once, one in each lane of the processor's vector registers.
#pragma once

#include <cstddef>
#include <span>

#include <cim/metadata.h>

#include "image/digest.h"

namespace cim {

// A message of any length, and where the start of its SHA-512 goes.
struct Sha512Task {
  ByteView message;
  Digest* digest;
};

// A way to do `count` tasks at once. A lane that has finished takes the next task.
struct Sha512Lanes {
  std::size_t count;
  void (*run)(std::span<const Sha512Task> tasks);
};

// The ways that this processor has, the fastest first; there may be none. All give the same
// results, and all are faster than one message after another. May be called from many threads at
// once.
std::span<const Sha512Lanes> sha512_lanes();

}  // namespace cim
