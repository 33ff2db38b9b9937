// Many certificates that fall due in one hour: sweep, engine, provider's rate and token together.
#include "life.h"
#include "service/certificates/sweep.h"
#include "support/fake_runner.h"
#include "workflow/engine/engine.h"

#include <fmt/core.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <set>

using namespace hsmbridge;
using namespace hsmbridge::test;
using namespace hsmbridge::workflow;
using namespace std::chrono_literals;

namespace {

constexpr unsigned kWave = 120;
constexpr unsigned kPerMinute = 60;
constexpr Duration kDay = 24h;

struct Wave : Life {
  config::Settings settings;
  FakeRunner runner;
  unsigned number = 0;

  Wave() {
    config::TokenSettings token;
    token.name = "web";
    config::ProviderSettings provider;
    provider.name = "tsb";
    config::ProfileSettings profile;
    profile.name = "server";
    profile.anchors = {"/etc/ca.pem"};
    profile.renew_before = config::RenewBefore{kDay * 30, 0};
    settings.tokens.push_back(token);
    settings.providers.push_back(provider);
    settings.profiles.push_back(profile);
    for (unsigned i = 0; i < kWave; ++i) {
      Order order = first();
      order.id = RequestId{fmt::format("0A1B2C3D4E5F6{:03}", i)};
      test::wanted(order).key.selector = fmt::format("key{}", i);
      test::wanted(order).key.cka_id = fmt::format("{:032x}", i);
      bring(order, kDay * 90 + 30s * i, fmt::format("{:064x}", i));
    }
    clock.advance(kDay * 60 + 1h);
    runner.instead[EffectName::verify] = [this](const Claim& claim, Instant now, Duration) {
      EffectOutcome verified = runner.usual(claim, now);
      verified.certificate->not_before = now;
      verified.certificate->not_after = now + kDay * 90;
      verified.certificate->stored_at = now;
      verified.certificate->predecessor = claim.record.order.predecessor()->certificate;
      return verified;
    };
  }
  // So many different octets each time.
  Bytes random(std::size_t count) {
    ++number;
    Bytes octets(count, 0);
    for (std::size_t i = 0; i < 4; ++i) octets[i] = static_cast<std::uint8_t>(number >> (8U * i));
    return octets;
  }
};

// What is done in the provider's lane.
bool is_for_the_provider(std::string_view call) {
  return !call.starts_with("ensure_key") && !call.starts_with("sign_csr") && !call.starts_with("install:token");
}

}  // namespace

TEST_CASE_METHOD(Wave, "a wave of renewals keeps the provider's rate, and the token does not wait for the provider") {
  service::Sweep sweep(settings, service::Actor{"worker:w", "process", {}},
                       [this](std::size_t count) { return random(count); });
  EngineOptions options = engine_options("w");
  options.per_minute = {{"tsb", kPerMinute}};
  std::set<std::string> made_for;
  options.chore = [&](Store& at) {
    const auto round = sweep.round(at, clock.now());
    const auto& made = round.renewals;
    CHECK(made.size() <= service::Sweep::kMostRenewals);
    for (const auto& one : made) CHECK(made_for.insert(one.certificate).second);
    return round.next_in;
  };
  Engine engine(store::SqliteStore::open(folder / "store.db", clock), runner, clock, options);
  std::vector<std::size_t> asked;  // of the provider, by the second
  std::size_t seen = 0;
  RequestQuery open;
  open.open_only = true;
  for (unsigned second = 0; second < 3600; ++second) {
    while (engine.step()) {
    }
    const auto calls = runner.calls();
    asked.push_back(0);
    for (; seen < calls.size(); ++seen) asked.back() += is_for_the_provider(calls[seen]) ? 1U : 0U;
    // Whatever the provider allows, what was ordered has its key and its signature at once.
    CHECK(runner.calls_of("sign_csr") == made_for.size());
    if (made_for.size() == kWave && store->count(open) == 0) break;
    clock.advance(1s);
  }
  CHECK(made_for.size() == kWave);
  RequestQuery done;
  done.states = {StateName::completed};
  done.since = clock.now() - kDay;
  CHECK(store->count(done) == kWave);
  for (std::size_t begin = 0; begin < asked.size(); ++begin) {
    std::size_t within = 0;
    for (std::size_t i = begin; i < std::min(asked.size(), begin + 60); ++i) within += asked[i];
    CHECK(within <= kPerMinute);
  }
}
