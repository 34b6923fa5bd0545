// The exit statuses of cimfs. May be called from many threads at once.
#pragma once

#include <cim/error.h>

namespace cim {

// The exit status of cimfs for a failure of the kind `code`: one of sysexits.h for each kind that
// CimMountImage() promises to distinguish, 1 for all others.
int exit_status_for(Errc code) noexcept;

// The kind of failure that an exit status of cimfs stands for; io_error if it stands for none.
Errc error_of_exit_status(int status) noexcept;

}  // namespace cim
