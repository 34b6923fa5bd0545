// Waits for what other processes are about to finish. May be called from many threads at once.
#pragma once

#include <functional>

namespace cim {

// Calls `done` until it returns true, for some seconds. Returns whether it did. For what the kernel
// or a dying process does a moment later.
bool wait_patiently(const std::function<bool()>& done);

}  // namespace cim
