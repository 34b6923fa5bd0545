#include "capi/last_message.h"

#include <cstdlib>
#include <cstring>
#include <optional>

#include <pthread.h>

namespace cim::capi {
namespace {

std::optional<pthread_key_t> make_key() noexcept {
  pthread_key_t key;
  if (pthread_key_create(&key, std::free) != 0) return std::nullopt;
  return key;
}

// Not a thread_local string: the main thread's would be gone when exit(3) runs handlers that call
// us, and its first use ends the process if there is no memory.
const std::optional<pthread_key_t> key = make_key();

}  // namespace

void set_last_message(const char* message) noexcept {
  if (!key) return;
  char* const copy = strdup(message);
  void* const old = pthread_getspecific(*key);
  std::free(pthread_setspecific(*key, copy) == 0 ? old : copy);
}

const char* last_message() noexcept {
  const void* const message = key ? pthread_getspecific(*key) : nullptr;
  return message == nullptr ? "" : static_cast<const char*>(message);
}

}  // namespace cim::capi
