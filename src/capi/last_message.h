// Why calls of the C API failed. Each thread has a message of its own.
#pragma once

namespace cim::capi {

// Replaces the message with a copy of `message`, or with none if there is no memory for that.
void set_last_message(const char* message) noexcept;

// The current message, valid until the next set_last_message(); "" if there is none.
const char* last_message() noexcept;

}  // namespace cim::capi
