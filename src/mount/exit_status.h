// What the exit status of cimfs says. May be called from many threads at once.
#pragma once

#include <cim/error.h>

namespace cim {

// The exit status of cimfs for a failure of the kind `code`: for the kinds that CimMountImage()
// promises to tell from each other one of sysexits.h, for all others 1.
int exit_status_for(Errc code) noexcept;

// The kind of failure that the exit status of cimfs tells; io_error if it tells none.
Errc error_of_exit_status(int status) noexcept;

}  // namespace cim
