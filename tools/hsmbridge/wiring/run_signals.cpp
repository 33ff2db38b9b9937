#include "tools/hsmbridge/wiring/run_signals.h"

#include "tools/hsmbridge/wiring/prompt.h"

#include <atomic>
#include <thread>
#include <utility>

namespace hsmbridge::cli {

namespace {

std::atomic<int> g_received{0};
std::atomic<StopSignals::Stop> g_stop{nullptr};
std::atomic<void*> g_context{nullptr};
std::atomic<int> g_inside{0};  // handlers at work right now
static_assert(std::atomic<int>::is_always_lock_free && std::atomic<void*>::is_always_lock_free,
              "only lock-free atomics may be touched in a signal handler");

bool ends_process(int signal) {
  return signal == SIGTERM || signal == SIGINT;
}

void handle(int signal) {
  ++g_inside;
  // A process that was told to end does: a SIGHUP that comes after does not turn it into a reload.
  int seen = g_received.load();
  while (!ends_process(seen) && !g_received.compare_exchange_weak(seen, signal)) {
  }
  give_up_prompt();
  if (const auto stop = g_stop.load()) stop(g_context.load());
  --g_inside;
}

}  // namespace

StopSignals::StopSignals(std::initializer_list<int> signals) {
  g_received.store(0);
  target(nullptr, nullptr);
  for (const int signal : signals) {
    struct sigaction action {};
    action.sa_handler = handle;
    ::sigemptyset(&action.sa_mask);
    action.sa_flags = signal == SIGINT ? static_cast<int>(SA_RESETHAND) : 0;
    struct sigaction old {};
    ::sigaction(signal, &action, &old);
    before_.emplace_back(signal, old);
  }
}

StopSignals::~StopSignals() {
  for (const auto& [signal, action] : before_) ::sigaction(signal, &action, nullptr);
  target(nullptr, nullptr);
}

void StopSignals::target(Stop stop, void* context) {
  // A handler may be at work on another thread with the old function: nobody's context goes before it has returned.
  g_stop.store(nullptr);
  while (g_inside.load() != 0) std::this_thread::yield();
  g_context.store(context);
  g_stop.store(stop);
  if (stop != nullptr && g_received.load() != 0) stop(context);
}

int StopSignals::received() const {
  return g_received.load();
}

void StopSignals::forget_hangup() {
  int hangup = SIGHUP;
  g_received.compare_exchange_strong(hangup, 0);
}

}  // namespace hsmbridge::cli
