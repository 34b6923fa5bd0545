// Capabilities, Landlock and seccomp.
#include "sandbox.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <memory>

#include <cim/error.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/landlock.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "image/file_descriptor.h"

namespace cim {
namespace {

[[noreturn]] void throw_failed(int error) { throw system_error(error, "sandbox"); }

void forbid_new_privileges() {
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) throw_failed(errno);
}

void drop_capabilities() {
  // Only root can drop the bounding set; nobody else can gain anything by it any more.
  for (int i = 0; prctl(PR_CAPBSET_DROP, i, 0, 0, 0) == 0; ++i) continue;
  prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
  __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  const std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3> none = {};
  if (syscall(SYS_capset, &header, none.data()) != 0) throw_failed(errno);
}

// All file rights that version `abi` of Landlock knows: bits 0 and up.
std::uint64_t all_file_rights(long abi) {
  constexpr std::array bits = {13, 14, 15, 15, 16};  // of versions 1 to 5
  const auto version = std::min<std::size_t>(static_cast<std::size_t>(abi), bits.size());
  return (std::uint64_t{1} << bits[version - 1]) - 1;
}

// Everything is open already, so no path is needed.
void forbid_paths() {
  const long abi =
      syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
  if (abi < 1) return;
  landlock_ruleset_attr rights = {};
  rights.handled_access_fs = all_file_rights(abi);
  const FileDescriptor ruleset(static_cast<int>(
      syscall(SYS_landlock_create_ruleset, &rights, sizeof(rights.handled_access_fs), 0)));
  if (!ruleset || syscall(SYS_landlock_restrict_self, ruleset.get(), 0) != 0) throw_failed(errno);
}

// The calls that libfuse, the C library and we make between the mount and the exit.
constexpr std::array allowed_calls = {
    // requests and their answers
    SCMP_SYS(read), SCMP_SYS(readv), SCMP_SYS(pread64), SCMP_SYS(preadv), SCMP_SYS(write),
    SCMP_SYS(writev), SCMP_SYS(splice), SCMP_SYS(vmsplice), SCMP_SYS(pipe2), SCMP_SYS(fcntl),
    SCMP_SYS(lseek), SCMP_SYS(fstat), SCMP_SYS(fadvise64), SCMP_SYS(close),
    // perror(3) in libfuse
    SCMP_SYS(dup),
    // waiting
    SCMP_SYS(poll), SCMP_SYS(ppoll), SCMP_SYS(eventfd2), SCMP_SYS(futex), SCMP_SYS(nanosleep),
    SCMP_SYS(clock_nanosleep), SCMP_SYS(clock_gettime), SCMP_SYS(gettimeofday),
    SCMP_SYS(sched_yield), SCMP_SYS(restart_syscall),
    // memory
    SCMP_SYS(brk), SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(madvise), SCMP_SYS(getrandom),
    // threads, signals and the end
    SCMP_SYS(set_robust_list), SCMP_SYS(rseq), SCMP_SYS(sched_getaffinity), SCMP_SYS(membarrier),
    SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigreturn), SCMP_SYS(sigaltstack),
    SCMP_SYS(rt_sigtimedwait), SCMP_SYS(getpid), SCMP_SYS(gettid), SCMP_SYS(getuid),
    SCMP_SYS(geteuid), SCMP_SYS(exit), SCMP_SYS(exit_group)};

// Calls that the C library tries of its own accord and can do without.
constexpr std::array refused_calls = {SCMP_SYS(open), SCMP_SYS(openat), SCMP_SYS(socket),
                                      SCMP_SYS(ioctl), SCMP_SYS(prctl)};

class SystemCallFilter {
 public:
  SystemCallFilter() : context_(seccomp_init(SCMP_ACT_KILL_PROCESS), seccomp_release) {
    if (!context_) throw_failed(ENOMEM);
    check(seccomp_attr_set(context_.get(), SCMP_FLTATR_CTL_OPTIMIZE, by_binary_search));
  }

  template <typename... Conditions>
  void add(std::uint32_t action, int call, Conditions... conditions) {
    check(seccomp_rule_add(context_.get(), action, call, sizeof...(conditions), conditions...));
  }

  void load() { check(seccomp_load(context_.get())); }

 private:
  static constexpr std::uint32_t by_binary_search = 2;

  static void check(int result) {
    if (result < 0) throw_failed(-result);
  }

  std::unique_ptr<void, decltype(&seccomp_release)> context_;
};

// The condition that argument `index`, masked with `mask`, is `bits`.
scmp_arg_cmp has_bits(unsigned index, scmp_datum_t mask, scmp_datum_t bits) {
  return {.arg = index, .op = SCMP_CMP_MASKED_EQ, .datum_a = mask, .datum_b = bits};
}

void filter_system_calls() {
  SystemCallFilter filter;
  for (const int call : allowed_calls) filter.add(SCMP_ACT_ALLOW, call);
  for (const int call : refused_calls) filter.add(SCMP_ACT_ERRNO(EACCES), call);
  // Data, never code.
  filter.add(SCMP_ACT_ALLOW, SCMP_SYS(mmap), has_bits(2, PROT_EXEC, 0));
  filter.add(SCMP_ACT_ALLOW, SCMP_SYS(mprotect), has_bits(2, PROT_EXEC, 0));
  // Threads, never processes. The filter cannot see the flags of clone3(2), so that is hidden.
  filter.add(SCMP_ACT_ALLOW, SCMP_SYS(clone), has_bits(0, CLONE_THREAD, CLONE_THREAD));
  filter.add(SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3));
  // Some C libraries' fstat(3).
  filter.add(SCMP_ACT_ALLOW, SCMP_SYS(newfstatat), has_bits(3, AT_EMPTY_PATH, AT_EMPTY_PATH));
  // Messages to the log, which is open; no other destination.
  filter.add(SCMP_ACT_ALLOW, SCMP_SYS(sendto), has_bits(4, ~scmp_datum_t{0}, 0));
  filter.load();
}

}  // namespace

void enter_sandbox() {
  forbid_new_privileges();
  drop_capabilities();
  forbid_paths();
  filter_system_calls();
}

}  // namespace cim
