#include "mount/exit_status.h"

#include <algorithm>
#include <array>

#include <sysexits.h>

namespace cim {
namespace {

constexpr int any_failure = 1;

struct Meaning {
  Errc code;
  int status;
};

constexpr std::array meanings = {
    Meaning{Errc::file_not_found, EX_NOINPUT},
    Meaning{Errc::corrupt, EX_DATAERR},
    Meaning{Errc::version_not_supported, EX_UNAVAILABLE},
    Meaning{Errc::unsupported, EX_CONFIG},
    Meaning{Errc::access_denied, EX_NOPERM},
    Meaning{Errc::out_of_memory, EX_OSERR},
};

}  // namespace

int exit_status_for(Errc code) noexcept {
  const auto* const found = std::ranges::find(meanings, code, &Meaning::code);
  return found == meanings.end() ? any_failure : found->status;
}

Errc error_of_exit_status(int status) noexcept {
  const auto* const found = std::ranges::find(meanings, status, &Meaning::status);
  return found == meanings.end() ? Errc::io_error : found->code;
}

}  // namespace cim
