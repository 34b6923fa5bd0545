// The error that a call fails with.
#pragma once

#include <optional>
#include <string>

#include <cim/error.h>

namespace cim::test {

// The code of the Error that `call()` throws; nothing if it throws none.
template <typename Call>
std::optional<Errc> error_of(Call&& call) {
  try {
    call();
  } catch (const Error& error) {
    return error.code();
  }
  return std::nullopt;
}

// The words of the Error that `call()` throws; "" if it throws none.
template <typename Call>
std::string message_of(Call&& call) {
  try {
    call();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

}  // namespace cim::test
