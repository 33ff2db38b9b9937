#include "tools/hsmbridge/wiring/run_signals.h"

#include <catch2/catch.hpp>
#include <csignal>

using namespace hsmbridge::cli;

namespace {

void count(void* calls) noexcept {
  ++*static_cast<int*>(calls);
}

}  // namespace

TEST_CASE("a signal that ends the process is not overwritten by one that does not") {
  for (const int ending : {SIGTERM, SIGINT}) {
    int calls = 0;
    StopSignals signals({SIGTERM, SIGINT, SIGHUP});
    signals.target(count, &calls);
    ::raise(SIGHUP);
    CHECK(signals.received() == SIGHUP);
    ::raise(ending);
    CHECK(signals.received() == ending);
    ::raise(SIGHUP);
    CHECK(signals.received() == ending);
    signals.forget_hangup();
    CHECK(signals.received() == ending);
    CHECK(calls == 3);
  }
}

TEST_CASE("a SIGHUP that was obeyed is forgotten") {
  int calls = 0;
  StopSignals signals({SIGTERM, SIGINT, SIGHUP});
  ::raise(SIGHUP);
  signals.target(count, &calls);
  CHECK(calls == 1);  // it came before there was anybody to stop
  signals.forget_hangup();
  CHECK(signals.received() == 0);
}
