#include "program/interruption.h"

#include <atomic>
#include <csignal>
#include <exception>

#include <unistd.h>

#include "program/standard_streams.h"

namespace cim {
namespace {

constexpr int signals[] = {SIGHUP, SIGINT, SIGTERM};

std::atomic<bool> is_deferred = false;
std::atomic<int> pending = 0;  // the signal that came meanwhile
std::atomic<const char*> text = nullptr;

static_assert(std::atomic<int>::is_always_lock_free &&
              std::atomic<const char*>::is_always_lock_free);

void write_text() noexcept {
  if (const char* const now = text.exchange(nullptr)) write_message({now});
}

void handle(int signal) {
  if (is_deferred) {
    pending = signal;
  } else {
    write_text();
    std::signal(signal, SIG_DFL);
    raise(signal);  // takes effect when this function returns
  }
}

}  // namespace

void handle_interruptions() {
  for (const int signal : signals) {
    struct sigaction action = {};
    if (sigaction(signal, nullptr, &action) != 0 || action.sa_handler == SIG_IGN) continue;
    action.sa_handler = handle;
    action.sa_flags = SA_RESTART;
    sigaction(signal, &action, nullptr);
  }
}

void set_interruption_text(const char* new_text) noexcept { text = new_text; }

void end_by_signal(int signal) noexcept {
  write_text();
  std::signal(signal, SIG_DFL);
  raise(signal);
  _exit(128 + signal);  // blocked
}

DeferredInterruption::DeferredInterruption() noexcept { is_deferred = true; }

DeferredInterruption::~DeferredInterruption() {
  is_deferred = false;
  if (pending != 0 && std::uncaught_exceptions() == 0) end_by_signal(pending);
}

void check_interruption() {
  if (const int signal = pending) throw Interruption{signal};
}

}  // namespace cim
