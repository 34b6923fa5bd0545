// Requests processed so that no answer is sent that was made of metadata that could not be read, or
// that lacks data. All functions but check_answers() are about the calling thread, and may be
// called in many.
#pragma once

#include <string>

#include <fuse_lowlevel.h>

namespace cim {

// Puts the check between libfuse and the kernel. Call it once the session is mounted. Throws Error.
void check_answers(fuse_session* session);

// Processes `request`. A fault of the thread in a mapping (see image/mapping_fault.h) becomes EIO,
// and is logged once for each file; one of another thread, meanwhile, only costs another attempt.
void process_request(fuse_session* session, const fuse_buf& request);

// The answer to the thread's request will be `size` bytes of data of the image at `image`, which
// must stay as long, or an error. If it is neither, because a region file has become shorter since
// it was opened, it becomes EIO, and is logged once: the kernel would take what is missing for
// zeros.
void expect_data(std::size_t size, const std::string& image) noexcept;

// Whether what the thread has read for its request is what the image says: not since a fault.
bool is_sound() noexcept;

}  // namespace cim
