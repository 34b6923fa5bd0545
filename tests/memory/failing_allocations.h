// Makes memory run out. As a shared object for LD_PRELOAD, it counts in the file named by the
// environment variable FAILING_ALLOCATIONS: a long, the number of the allocation that fails, which
// becomes 0 or less once it has.
#pragma once

namespace cim::test {

// While it lives, one allocation by operator new fails: the `number`th from now on, counted from 1
// over all threads of the process. Only one may exist at a time.
class FailingAllocation {
 public:
  explicit FailingAllocation(long number);
  FailingAllocation(const FailingAllocation&) = delete;
  FailingAllocation& operator=(const FailingAllocation&) = delete;
  ~FailingAllocation();

  // Whether the allocation has failed.
  static bool has_failed();
};

}  // namespace cim::test
