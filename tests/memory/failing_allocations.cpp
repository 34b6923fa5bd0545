#include "failing_allocations.h"

#include <atomic>
#include <cstdlib>
#include <new>

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

namespace {

using Counter = std::atomic<long>;

Counter own_counter = 0;
Counter* allocations_left = &own_counter;  // until one fails, if more than 0

// For programs that load this by LD_PRELOAD.
__attribute__((constructor)) void use_counter_of_environment() {
  const char* const path = std::getenv("FAILING_ALLOCATIONS");
  if (path == nullptr) return;
  const int fd = open(path, O_RDWR | O_CLOEXEC);
  void* const memory = mmap(nullptr, sizeof(Counter), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (memory == MAP_FAILED) std::abort();
  close(fd);
  allocations_left = static_cast<Counter*>(memory);
}

}  // namespace

void* operator new(std::size_t size) {
  if (*allocations_left > 0 && --*allocations_left == 0) throw std::bad_alloc();
  void* const memory = std::malloc(size == 0 ? 1 : size);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }

namespace cim::test {

FailingAllocation::FailingAllocation(long number) { *allocations_left = number; }

FailingAllocation::~FailingAllocation() { *allocations_left = 0; }

bool FailingAllocation::has_failed() { return *allocations_left <= 0; }

}  // namespace cim::test
