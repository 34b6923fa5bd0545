#include "image/mapping_fault.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <functional>
#include <map>
#include <mutex>

#include <sys/mman.h>
#include <unistd.h>

#include "program/standard_streams.h"

namespace cim {
namespace {

struct MappedFile {
  std::size_t size;
  std::string path;
};

using MappedFiles = std::map<const std::byte*, MappedFile, std::greater<>>;  // by address

// Guards the list of mapped files and the zeroed pages. The signal handlers can lock it too: a
// fault hits the thread that reads a Mapping, and no thread does that while it holds the lock.
std::mutex mutex;

MappedFiles& mapped_files() {
  static MappedFiles files;
  return files;
}

// A page that shows zeros instead of its file, and another mapping of that part of the file.
struct ZeroedPage {
  std::byte* page;
  void* original;
};
std::array<ZeroedPage, 16> zeroed;
std::atomic<std::size_t> zeroed_count = 0;

std::atomic<std::uint64_t> faults = 0;

// The file in which this thread met a fault.
thread_local const std::string* faulted_file = nullptr;

constexpr const char* reason = "cannot be read any more: it has become shorter, or its disk fails";

std::size_t page_size() noexcept {
  static const auto size = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  return size;
}

// Needs the lock.
MappedFiles::const_iterator mapped_file_at(const std::byte* address) noexcept {
  const auto file = mapped_files().lower_bound(address);  // the last that starts at or before it
  const bool inside = file != mapped_files().end() && address < file->first + file->second.size;
  return inside ? file : mapped_files().end();
}

// Makes the pages show their files again. Needs the lock.
void restore_pages() noexcept {
  for (std::size_t i = zeroed_count; i > 0; --i) {
    const auto [page, original] = zeroed[i - 1];
    constexpr int flags = MREMAP_MAYMOVE | MREMAP_FIXED;
    if (mremap(original, page_size(), page_size(), flags, page) == MAP_FAILED) return;
    zeroed_count = i - 1;
  }
}

// Needs the lock.
bool is_zeroed(const std::byte* page) noexcept {
  return std::any_of(zeroed.begin(), zeroed.begin() + zeroed_count,
                     [page](const ZeroedPage& other) { return other.page == page; });
}

// Counts the fault before it shows zeros: a thread that reads them can then know that they are not
// the file's. Needs the lock.
bool zero_page(std::byte* page) noexcept {
  if (zeroed_count == zeroed.size()) restore_pages();
  if (zeroed_count == zeroed.size()) return false;
  void* const original = mremap(page, 0, page_size(), MREMAP_MAYMOVE);  // 0: keeps the first one
  if (original == MAP_FAILED) return false;
  ++faults;
  zeroed[zeroed_count++] = {page, original};
  return mmap(page, page_size(), PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) !=
         MAP_FAILED;
}

bool zero_page_at(std::byte* address) noexcept {
  const std::lock_guard lock(mutex);
  const auto file = mapped_file_at(address);
  if (file == mapped_files().end()) return false;
  faulted_file = &file->second.path;
  std::byte* const page = address - reinterpret_cast<std::uintptr_t>(address) % page_size();
  return is_zeroed(page) || zero_page(page);  // another thread may have met the same fault
}

// Whether the thread has met a page that cannot be read. A signal that a process has sent may also
// hit a thread that holds the lock.
bool is_fault(const siginfo_t& info) noexcept { return info.si_code == BUS_ADRERR; }

// Lets the signal end the process: the access is repeated, or a signal that was sent is sent again.
void give_up(const siginfo_t& info) noexcept {
  std::signal(SIGBUS, SIG_DFL);
  if (info.si_code <= 0) raise(SIGBUS);
}

void survive(int, siginfo_t* info, void*) {
  const int error = errno;
  const bool survived = is_fault(*info) && zero_page_at(static_cast<std::byte*>(info->si_addr));
  if (!survived) give_up(*info);
  errno = error;
}

const int* exit_status = nullptr;

// Keeps the lock, so that a thread with another fault waits for the process to end.
void complain_and_exit(int, siginfo_t* info, void*) {
  if (!is_fault(*info)) return give_up(*info);
  const std::lock_guard lock(mutex);
  const auto file = mapped_file_at(static_cast<std::byte*>(info->si_addr));
  if (file == mapped_files().end()) return give_up(*info);
  write_line({file->second.path, ": ", reason});
  _exit(*exit_status);
}

void handle_faults(void (*handler)(int, siginfo_t*, void*)) {
  struct sigaction action = {};
  action.sa_sigaction = handler;
  action.sa_flags = SA_SIGINFO;
  sigaction(SIGBUS, &action, nullptr);
}

}  // namespace

void exit_at_mapping_faults(const int& status) {
  exit_status = &status;
  handle_faults(complain_and_exit);
}

void survive_mapping_faults() { handle_faults(survive); }

void FaultWatch::begin() noexcept {
  faulted_file = nullptr;
  faults_before_ = faults;
  if (zeroed_count == 0) return;
  const std::lock_guard lock(mutex);
  restore_pages();
  faults_before_ = faults;
}

FaultWatch::Outcome FaultWatch::outcome() const noexcept {
  if (faulted_file != nullptr) return Outcome::faulted;
  return faults == faults_before_ ? Outcome::sound : Outcome::disturbed;
}

std::string FaultWatch::complaint() {
  return (faulted_file != nullptr ? *faulted_file : "a file") + ": " + reason;
}

void add_mapping(const std::byte* bytes, std::size_t size, const std::string& path) {
  const std::lock_guard lock(mutex);
  mapped_files()[bytes] = {size, path};
}

void remove_mapping(const std::byte* bytes) noexcept {
  const std::lock_guard lock(mutex);
  restore_pages();
  mapped_files().erase(bytes);
}

}  // namespace cim
