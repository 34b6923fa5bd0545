// How many files a program may have open.
#pragma once

namespace cim {

// Raises the limit to what the system allows. The customary 1024 is for programs that use
// select(2); images of many region files are faster with more.
void raise_descriptor_limit() noexcept;

}  // namespace cim
