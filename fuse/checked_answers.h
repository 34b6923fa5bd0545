// Processes requests without sending an answer that was made from unreadable metadata or that lacks
// data. All functions except check_answers() concern the calling thread only.
#pragma once

#include <string>

#include <fuse_lowlevel.h>

namespace cim {

// Puts the check between libfuse and the kernel. Call it once the session is mounted. Throws Error.
void check_answers(fuse_session* session);

// Processes `request`. A fault of this thread in a mapping (see image/mapping_fault.h) becomes EIO
// and is logged once per file; a fault of another thread meanwhile only costs another attempt.
void process_request(fuse_session* session, const fuse_buf& request);

// The answer to the thread's request will be an error or `size` bytes of data of the image at the
// path `image`, a string that must outlive the request. A shorter answer, because a region file was
// truncated after it was opened, becomes EIO and is logged once: the kernel would take the missing
// bytes for zeros.
void expect_data(std::size_t size, const std::string& image) noexcept;

// Whether what the thread has read for its request is what the image says: false after a fault.
bool is_sound() noexcept;

}  // namespace cim
