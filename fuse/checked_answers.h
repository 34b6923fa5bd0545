// Requests processed so that no answer is sent that was made of metadata that could not be read.
#pragma once

#include <fuse_lowlevel.h>

namespace cim {

// Puts the check between libfuse and the kernel. Call it once the session is mounted. Throws Error.
void check_answers(fuse_session* session);

// Processes `request`. A fault of the thread in a mapping (see image/mapping_fault.h) becomes EIO,
// and is logged once for each file; one of another thread, meanwhile, only costs another attempt.
void process_request(fuse_session* session, const fuse_buf& request);

// Whether what the thread has read for its request is what the image says: not since a fault.
bool is_sound() noexcept;

}  // namespace cim
