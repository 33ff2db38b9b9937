// Whose accounts asked for an order: they are kept with it, since whose they are may be known later.
#include "life.h"
#include "service/certificates/sweep.h"
#include "service/requests/approval_terms.h"
#include "service/requests/new_request.h"
#include "support/error_of.h"
#include "support/failing_store.h"
#include "support/orders.h"
#include "support/variable.h"
#include "support/voter.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdint>
#include <fstream>
#include <utility>

using namespace hsmbridge;
using namespace hsmbridge::test;
using namespace std::chrono_literals;

namespace {

using Accounts = std::vector<std::string>;

// A user whom no machine knows.
constexpr const char* kUid = "3000000001";

// Where this machine records who logged in, nobody is told whose a process is.
bool has_login() {
  std::ifstream file("/proc/self/loginuid");
  std::uint32_t uid = 0;
  return (file >> uid) && uid != 0xFFFFFFFF;
}

bool is_among(const Accounts& accounts, const std::string& account) {
  return std::find(accounts.begin(), accounts.end(), account) != accounts.end();
}

// Alice, bob (who is user 3000000001) and carol; the process is hsmbridge's.
struct Fixture : Life {
  config::Settings settings;

  Fixture() {
    config::TokenSettings token;
    token.name = "web";
    config::ProviderSettings provider;
    provider.name = "tsb";
    config::ProfileSettings profile;
    profile.name = "server";
    profile.anchors = {"/etc/ca.pem"};
    profile.renew_before = config::RenewBefore{24h * 30, 0};
    settings.tokens.push_back(token);
    settings.providers.push_back(provider);
    settings.profiles.push_back(profile);
    for (const std::string name : {"alice", "bob", "carol"}) {
      config::PersonSettings person;
      person.name = name;
      person.accounts = {name};
      person.spki = base64(voter(name).signer.subject_public_key_info());
      settings.people.push_back(person);
    }
    settings.people[1].accounts.emplace_back(kUid);
  }
  workflow::Order asked(const Accounts& asked_by) {
    auto order = first();
    order.created_by = "uid:hsmbridge";
    order.asked_by = asked_by;
    return order;
  }
  Accounts requesters(const service::Asking& asking) {
    auto profile = settings.profiles.front();
    profile.approval = {{"", {}, {}, {{"", 1, {"alice", "bob", "carol"}}}}};
    const auto wanted = service::release_terms_of(settings, profile, "tsb");
    return service::approval_terms_of(settings, wanted, *store, asking, clock.now()).value().requesters;
  }
};

}  // namespace

TEST_CASE_METHOD(Fixture, "whose account asked may be known later") {
  auto order = asked({"uid:asmith"});
  CHECK(service::requesters_of(settings, order).empty());
  settings.people[0].accounts.emplace_back("asmith");
  CHECK(service::requesters_of(settings, order) == Accounts{"alice"});
  order.created_by = "uid:bob";
  CHECK(service::requesters_of(settings, order) == Accounts{"alice", "bob"});
  CHECK(workflow::who_asked(order) == "uid:bob for uid:asmith");
}

TEST_CASE_METHOD(Fixture, "what a timer renews was asked for by those who asked before, in renewals of renewals too") {
  bring(asked({"uid:alice"}), 24h * 50);
  service::Sweep sweep(settings, service::Actor{"worker:w", "process", {}},
                       [](std::size_t count) { return Bytes(count, 1); });
  clock.advance(24h * 25);
  const auto made = sweep.round(*store, clock.now()).renewals;
  REQUIRE(made.size() == 1);
  const auto renewal = store->find(made[0].request).value().order;
  CHECK(renewal.created_by == "worker:w");
  CHECK_FALSE(renewal.approval);
  CHECK(renewal.asked_by == Accounts{"uid:hsmbridge", "uid:alice"});
  // The next one, of another process, under a profile that names her by then.
  const service::Asking next{"worker:v", &renewal};
  CHECK(service::asked_by(settings, next) == renewal.asked_by);
  CHECK(requesters(next) == Accounts{"alice"});
}

TEST_CASE_METHOD(Fixture,
                 "whose a process is told to be asks besides those who asked before, and a worker is nobody's") {
  const auto before = asked({"uid:alice"});
  const Variable told("HSMBRIDGE_ASKED_BY", kUid);
  const std::string account = std::string("uid:") + kUid;
  const service::Asking by_hand{"uid:hsmbridge", &before};
  if (has_login()) {
    CHECK_FALSE(is_among(service::asked_by(settings, by_hand), account));
  } else {
    CHECK(service::asked_by(settings, by_hand) == Accounts{account, "uid:alice"});
    CHECK(requesters(by_hand) == Accounts{"alice", "bob"});
  }
  CHECK(service::asked_by(settings, {"worker:w", &before}) == Accounts{"uid:hsmbridge", "uid:alice"});
  // An account that is somebody's asks in the place of those before.
  CHECK_FALSE(is_among(service::asked_by(settings, {"uid:carol", &before}), "uid:alice"));
}

TEST_CASE_METHOD(Fixture, "nobody is told to be nobody's") {
  const Variable told("HSMBRIDGE_ASKED_BY", GENERATE(std::string("4294967295"), std::string("bob"), std::string()));
  const auto before = asked({"uid:alice"});
  if (has_login()) {
    CHECK_NOTHROW(service::asked_by(settings, {"uid:hsmbridge", &before}));
  } else {
    CHECK_THROWS_AS(service::asked_by(settings, {"uid:hsmbridge", &before}), Error);
  }
}

TEST_CASE_METHOD(Fixture, "the same words ask for the same, whoever types them") {
  const auto open = asked({"uid:alice"});
  create(*store, open);
  CHECK(store->find(open.id).value().order == open);
  service::NewRequest again;
  again.provider = open.provider;
  again.profile = open.profile;
  again.token = open.token();
  again.key = wanted(open).key;
  again.ask = wanted(open).content;
  again.targets = wanted(open).targets;
  again.created_by = "uid:carol";
  again.asked_by = {"uid:bob"};
  try {
    service::refuse_duplicate(*store, again);
    FAIL("it was not found");
  } catch (const Error& error) {
    CHECK(error.detail("same-order") == open.id.str());
  }
}

TEST_CASE_METHOD(Fixture, "an order that another process is quicker with is found like one that was there before") {
  const auto open = asked({"uid:alice"});
  service::NewRequest again;
  again.provider = open.provider;
  again.profile = open.profile;
  again.token = open.token();
  again.key = wanted(open).key;
  again.ask = wanted(open).content;
  again.targets = wanted(open).targets;
  bool quicker = false;
  FailingStore late(store::SqliteStore::open(folder / "store.db", clock), [&](unsigned) {
    if (!std::exchange(quicker, true)) create(*store, open);
    return FailingStore::Fate::works;
  });
  const Error error = error_of([&] { service::create_request(late, again, {}, clock.now(), Bytes(8, 1)); });
  CHECK(quicker);
  CHECK(error.detail("same-order") == open.id.str());
}
