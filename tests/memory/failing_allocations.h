// Memory that runs out. As a shared object for LD_PRELOAD, it counts in the file that the
// environment variable FAILING_ALLOCATIONS names: a long, the number of the allocation to fail,
// which becomes 0, or less, when it has.
#pragma once

namespace cim::test {

// While it exists, one allocation of the process by operator new fails: the `number`th from now on,
// counted from 1 over all threads. One exists at a time.
class FailingAllocation {
 public:
  explicit FailingAllocation(long number);
  FailingAllocation(const FailingAllocation&) = delete;
  FailingAllocation& operator=(const FailingAllocation&) = delete;
  ~FailingAllocation();

  // Whether there have been so many.
  static bool has_failed();
};

}  // namespace cim::test
