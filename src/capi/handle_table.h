// The handles of the C API: numbers that stand for objects, and stop doing so for good when closed.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <utility>

#include <cim/error.h>

namespace cim::capi {

// The next handle value. All tables share it, so that no handle of one kind equals one of another.
inline std::atomic<std::uintptr_t> next_handle_value{1};

// The live handles of one kind. `Handle` is an opaque pointer type, but the values are counted up
// and never used again, so a stale handle can be told from a live one. Thread-safe.
//
// An object that was found stays alive as long as the returned pointer, even if another thread
// closes its handle meanwhile.
template <typename Handle, typename Object>
class HandleTable {
 public:
  // A new handle for `object`.
  Handle add(std::shared_ptr<Object> object) {
    const std::uintptr_t value = next_handle_value++;
    const std::lock_guard lock(mutex_);
    objects_.emplace(value, std::move(object));
    return reinterpret_cast<Handle>(value);
  }

  // The object of `handle`. Throws Error (invalid_argument) if it is not live.
  std::shared_ptr<Object> find(Handle handle) const {
    const std::lock_guard lock(mutex_);
    const auto entry = objects_.find(reinterpret_cast<std::uintptr_t>(handle));
    if (entry == objects_.end()) throw Error(Errc::invalid_argument, "not an open handle");
    return entry->second;
  }

  // Makes `handle` stale. Returns its object; null if it was not live.
  std::shared_ptr<Object> remove(Handle handle) {
    const std::lock_guard lock(mutex_);
    const auto node = objects_.extract(reinterpret_cast<std::uintptr_t>(handle));
    return node ? std::move(node.mapped()) : nullptr;
  }

 private:
  mutable std::mutex mutex_;
  std::unordered_map<std::uintptr_t, std::shared_ptr<Object>> objects_;
};

}  // namespace cim::capi
