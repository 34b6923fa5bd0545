// Why calls of the C API failed. For each thread its own.
#pragma once

namespace cim::capi {

// Keeps a copy of `message` instead of the one before; none if there is no memory for it.
void set_last_message(const char* message) noexcept;

// The message that is kept, until the next set_last_message(); "" if there is none.
const char* last_message() noexcept;

}  // namespace cim::capi
