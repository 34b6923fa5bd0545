// How many files a program may have open.
#pragma once

namespace cim {

// Lets the program open as many files as the system allows it. The customary limit of 1024 is for
// programs that use select(2); images of many region files are faster without it.
void raise_descriptor_limit() noexcept;

}  // namespace cim
