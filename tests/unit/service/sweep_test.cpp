#include "service/certificates/sweep.h"

#include "life.h"
#include "service/certificates/certificates.h"
#include "service/certificates/renewal.h"
#include "service/requests/approval_terms.h"
#include "support/orders.h"
#include "support/voter.h"

#include <fmt/core.h>

#include <catch2/catch.hpp>

using namespace hsmbridge;
using namespace hsmbridge::test;
using namespace std::chrono_literals;

namespace {

constexpr Duration kDay = 24h;

struct Fixture : Life {
  config::Settings settings;
  unsigned char octet = 0;
  std::string made_id;  // CKA_ID

  Fixture() {
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
  }
  config::ProfileSettings& profile() { return settings.profiles.front(); }
  service::Sweep sweep() {
    return {settings, service::Actor{"worker:w", "process", {}},
            [this](std::size_t count) { return Bytes(count, ++octet); }};
  }
  std::size_t open_requests() {
    workflow::Store::ListQuery query;
    query.open_only = true;
    return store->list(query).size();
  }
};

}  // namespace

TEST_CASE_METHOD(Fixture, "a renewal is made when it is due, once, however many daemons sweep") {
  bring(first(), kDay * 90);
  service::Sweep one = sweep();
  service::Sweep other = sweep();
  clock.advance(kDay * 60 - 1s);
  CHECK(one.round(*store, clock.now()).renewals.empty());
  clock.advance(2s);
  const auto made = one.round(*store, clock.now()).renewals;
  REQUIRE(made.size() == 1);
  CHECK(made[0].key == "www-20270125");
  CHECK(other.round(*store, clock.now()).renewals.empty());
  CHECK(one.round(*store, clock.now()).renewals.empty());
  CHECK(open_requests() == 1);
  const auto order = store->find(made[0].request).value().order;
  CHECK(order.kind() == workflow::Kind::renew);
  CHECK(order.created_by == "worker:w");
  CHECK(test::wanted(order).targets == test::wanted(first()).targets);
  CHECK(test::wanted(order).content == test::wanted(first()).content);
  CHECK(test::wanted(order).key.source == workflow::KeyWish::Source::make);
  CHECK(test::wanted(order).key.spec == x509::to_string(x509::key_spec_of(x509::parse_certificate(der).spki())));
  CHECK(order.predecessor()->certificate == hex(sha256(der)));
  CHECK(order.predecessor()->reference.str() == "ref-1");
}

TEST_CASE_METHOD(Fixture, "a part of the life and hours are renewed in their time, and nothing without the setting") {
  bring(first(), kDay * 10);
  service::Sweep s = sweep();
  profile().renew_before.reset();
  clock.advance(kDay * 9 + 23h);
  CHECK(s.round(*store, clock.now()).renewals.empty());
  profile().renew_before = config::RenewBefore{30min, 0};
  CHECK(s.round(*store, clock.now()).renewals.empty());
  profile().renew_before = config::RenewBefore{{}, 15};
  clock.set_wall(clock.now() - kDay * 2);
  CHECK(s.round(*store, clock.now()).renewals.empty());
  clock.advance(kDay);
  CHECK(s.round(*store, clock.now()).renewals.size() == 1);
}

TEST_CASE_METHOD(Fixture, "the same key is kept where the profile says so") {
  bring(first(), kDay * 50);
  profile().renew_key = config::RenewKey::same;
  clock.advance(kDay * 20);
  service::Sweep s = sweep();
  const auto made = s.round(*store, clock.now()).renewals;
  REQUIRE(made.size() == 1);
  CHECK_FALSE(made[0].key);
  const auto order = store->find(made[0].request).value().order;
  CHECK(test::wanted(order).key.source == workflow::KeyWish::Source::use);
  CHECK(test::wanted(order).key.selector == "id=" + test::wanted(first()).key.cka_id);
}

TEST_CASE_METHOD(Fixture,
                 "a renewal that brought nothing is tried again a day later, or after an eighth of what is left") {
  const auto record = bring(first(), kDay * 90);
  clock.advance(kDay * 61);
  service::Sweep s = sweep();
  const auto first_try = s.round(*store, clock.now()).renewals;
  REQUIRE(first_try.size() == 1);
  take(*store, first_try[0].request, workflow::CancelAsked{"no"}, clock.now());
  CHECK(s.round(*store, clock.now()).renewals.empty());
  const auto plan = service::plan_renewal(*store, record, &profile(), clock.now());
  CHECK(plan.failed == first_try[0].request);
  CHECK(plan.due == clock.now() + kDay);
  clock.advance(kDay - 1s);
  CHECK(s.round(*store, clock.now()).renewals.empty());
  clock.advance(2s);
  const auto second = s.round(*store, clock.now()).renewals;
  REQUIRE(second.size() == 1);
  // Sixteen hours before the end an eighth is shorter.
  clock.set_wall(record.not_after - 16h);
  take(*store, second[0].request, workflow::CancelAsked{"no"}, clock.now());
  CHECK(s.round(*store, clock.now()).renewals.empty());
  clock.advance(2h + 1s);
  CHECK(s.round(*store, clock.now()).renewals.size() == 1);
}

TEST_CASE_METHOD(Fixture, "a renewal with the dates of the old certificate is not renewed as soon as it came") {
  age = kDay * 80;
  renewed = std::string(64, 'a');
  const auto record = bring(first(), kDay * 10);
  service::Sweep s = sweep();
  const auto result = s.round(*store, clock.now());
  CHECK(result.renewals.empty());
  REQUIRE(result.troubles.size() == 1);
  CHECK(result.troubles[0].find("it was due when it came") != std::string::npos);
  CHECK(s.round(*store, clock.now()).troubles.empty());
  CHECK_FALSE(service::plan_renewal(*store, record, &profile(), clock.now()).trouble.empty());
  clock.advance(kDay * 6 + 15h);
  CHECK(s.round(*store, clock.now()).renewals.empty());
  clock.advance(2h);
  CHECK(s.round(*store, clock.now()).renewals.size() == 1);
}

TEST_CASE_METHOD(Fixture, "after a wrong certificate, or one that may exist, the next renewal is left to a person") {
  using namespace workflow;
  const bool wrong = GENERATE(true, false);
  const auto record = bring(first(), kDay * 90);
  clock.advance(kDay * 61);
  service::Sweep s = sweep();
  const auto made = s.round(*store, clock.now()).renewals;
  REQUIRE(made.size() == 1);
  const RequestId id = made[0].request;
  Key key = key_of_test();
  key.spki = SpkiHash{"ee"};
  take(*store, id, KeyReady{key}, clock.now());
  take(*store, id, CsrSigned{draft_of_test(clock.now()).csr}, clock.now());
  take(*store, id, DraftFrozen{draft_of_test(clock.now())}, clock.now());
  take(*store, id, DraftAccepted{}, clock.now());
  take(*store, id, AttemptStarted{1, "w", clock.now()}, clock.now());
  if (wrong) {
    StatusReport report;
    report.status = RequestStatus::handed_out;
    take(*store, id, ResultReceived{1, report, {IssuedCertificate{der}, der}}, clock.now());
    take(*store, id, VerificationFailed{std::string(64, 'b'), {}}, clock.now());
  } else {
    take(*store, id, AnswerLost{1, "the connection died"}, clock.now());
    take(*store, id, ResolvedAsAbandoned{"enough"}, clock.now());
  }
  const auto told = s.round(*store, clock.now()).troubles;
  REQUIRE(told.size() == 1);
  CHECK(told[0].find(wrong ? "request explain " + id.str()
                           : "`hsmbridge cert renew " + record.fingerprint.substr(0, 12)) != std::string::npos);
  CHECK(told[0].find("certificate " + record.fingerprint.substr(0, 12)) != std::string::npos);
  for (int day = 0; day < 28; ++day) {
    clock.advance(kDay);
    CHECK(s.round(*store, clock.now()).renewals.empty());
  }
  const auto plan = service::plan_renewal(*store, record, &profile(), clock.now());
  CHECK((wrong ? plan.open : plan.failed) == id);
  CHECK_FALSE(plan.due);
  CHECK(plan.by_hand);
  CHECK(plan.trouble.find(wrong ? "request explain " + id.str() : "cert renew") != std::string::npos);
  if (!wrong) {
    CHECK_NOTHROW(service::refuse_renewal(*store, record));
    return;
  }
  // What is there comes first; given up, the next one may be made.
  CHECK_THROWS_AS(service::refuse_renewal(*store, record), Error);
  take(*store, id, ResolvedAsAbandoned{"of no use"}, clock.now());
  CHECK_NOTHROW(service::refuse_renewal(*store, record));
}

TEST_CASE_METHOD(Fixture, "a renewal that failed while the clock was ahead holds up the next one for no longer") {
  bring(first(), kDay * 90);
  clock.advance(kDay * 61);
  service::Sweep s = sweep();
  const auto one = s.round(*store, clock.now()).renewals;
  REQUIRE(one.size() == 1);
  take(*store, one[0].request, workflow::CancelAsked{"no"}, clock.now() + kDay * 400);
  const auto two = s.round(*store, clock.now()).renewals;
  REQUIRE(two.size() == 1);
  take(*store, two[0].request, workflow::CancelAsked{"no"}, clock.now());
  clock.advance(kDay - 1s);
  CHECK(s.round(*store, clock.now()).renewals.empty());
  clock.advance(2s);
  CHECK(s.round(*store, clock.now()).renewals.size() == 1);
}

TEST_CASE_METHOD(Fixture, "what one daemon ended is not revived by another whose clock is a little behind") {
  const auto record = bring(first(), kDay * 90);
  profile().renew_before.reset();
  service::Sweep s = sweep();
  clock.set_wall(record.not_after + 1s);
  CHECK(s.round(*store, clock.now()).expired.size() == 1);
  clock.set_wall(record.not_after - 23h);
  CHECK(s.round(*store, clock.now()).revived.empty());
  clock.set_wall(record.not_after - 25h);
  CHECK(s.round(*store, clock.now()).revived.size() == 1);
}

TEST_CASE_METHOD(Fixture, "the label of a failed renewal's key is not taken again") {
  bring(first(), kDay * 50);
  clock.advance(kDay * 20);
  service::Sweep s = sweep();
  const auto one = s.round(*store, clock.now()).renewals;
  REQUIRE(one.size() == 1);
  CHECK(one[0].key == "www-20261216");
  take(*store, one[0].request, workflow::CancelAsked{"no"}, clock.now());
  const auto taken = [&](const std::string& label) { return !store->keys({std::nullopt, "web", label}).empty(); };
  CHECK(service::successor_label("www", clock.now(), taken) == "www-20261216-2");
}

TEST_CASE_METHOD(Fixture, "a certificate past its end is expired, and not renewed by itself any more") {
  bring(first(), kDay * 90);
  clock.advance(kDay * 90 + 1s);
  service::Sweep s = sweep();
  const auto result = s.round(*store, clock.now());
  CHECK(result.expired == std::vector<std::string>{hex(sha256(der))});
  CHECK(result.renewals.empty());
  CHECK(status() == "expired");
  const auto commits = store->commits();
  CHECK(s.round(*store, clock.now()).expired.empty());
  CHECK(store->commits() == commits);
}

TEST_CASE_METHOD(Fixture, "the key of a renewal that brought nothing is used by the next one") {
  bring(first(), kDay * 90);
  clock.advance(kDay * 61);
  service::Sweep s = sweep();
  // It got as far as its key.
  const auto fail = [&](const RequestId& id, const workflow::Problem& problem) {
    const auto order = store->find(id).value().order;
    workflow::Key key = key_of_test();
    key.spki = SpkiHash{"ee"};
    auto ready = step_of(store->find(id).value(), workflow::KeyReady{key}, clock.now());
    ready.key = workflow::KeyRecord{order.token(), "www-20270126", made_id, test::wanted(order).key.spec,
                                    key.spki,      "active",       {}};
    store->commit({ready});
    take(*store, id, workflow::PreparationFailed{problem}, clock.now());
    clock.advance(kDay + 1s);
  };
  const auto one = s.round(*store, clock.now()).renewals;
  REQUIRE(one.size() == 1);
  made_id = test::wanted(store->find(one[0].request).value().order).key.cka_id;
  fail(one[0].request, {"refused", "not today", ""});
  for (int day = 0; day < 3; ++day) {
    const auto next = s.round(*store, clock.now()).renewals;
    REQUIRE(next.size() == 1);
    CHECK(next[0].key == "www-20270126");
    const auto order = store->find(next[0].request).value().order;
    CHECK(test::wanted(order).key.source == workflow::KeyWish::Source::use);
    CHECK(test::wanted(order).key.selector == "id=" + made_id);
    // A key that its token makes nothing good with is not taken once more.
    fail(next[0].request, {day < 2 ? "refused" : "corrupt", "no", ""});
  }
  const auto last = s.round(*store, clock.now()).renewals;
  REQUIRE(last.size() == 1);
  CHECK(test::wanted(store->find(last[0].request).value().order).key.source == workflow::KeyWish::Source::make);
}

TEST_CASE_METHOD(Fixture,
                 "certificates that fall due together are renewed over several rounds, the first to end first") {
  profile().renew_key = config::RenewKey::same;
  for (unsigned i = 0; i < service::Sweep::kMostRenewals + 3; ++i) {
    workflow::Order order = first();
    order.id = RequestId{fmt::format("0A1B2C3D4E5F6{:03}", i)};
    test::wanted(order).key.selector = fmt::format("key{}", i);
    test::wanted(order).key.cka_id = fmt::format("{:032x}", i);
    bring(order, kDay * 31 - 1s * i, fmt::format("{:064x}", i));
  }
  clock.advance(kDay * 25);
  service::Sweep s = sweep();
  const auto round = s.round(*store, clock.now());
  const auto& some = round.renewals;
  REQUIRE(some.size() == service::Sweep::kMostRenewals);
  CHECK(round.next_in == 15s);
  CHECK(some.front().certificate == fmt::format("{:064x}", service::Sweep::kMostRenewals + 2));
  const auto rest = s.round(*store, clock.now());
  CHECK(rest.renewals.size() == 3);
  CHECK(rest.next_in == 60s);
  CHECK(s.round(*store, clock.now()).renewals.empty());
}

TEST_CASE_METHOD(Fixture, "a renewal that waits for its first day is told once a day until that day comes") {
  const auto old = bring(first(), kDay * 50);
  profile().renew_key = config::RenewKey::same;
  clock.advance(kDay * 20);
  service::Sweep s = sweep();
  const auto made = s.round(*store, clock.now()).renewals;
  REQUIRE(made.size() == 1);
  const auto& id = made[0].request;
  hand_out(store->find(id).value().order);
  // The check of what came is due at once: nothing waits.
  CHECK(s.round(*store, clock.now()).troubles.empty());
  const Instant begin = clock.now() + kDay * 2;
  take(*store, id, workflow::NotValidYet{{"c0ffee", begin, {}}}, clock.now());
  const std::vector<std::string> told{
      fmt::format("certificate {}, which ends on {}, is not renewed: request {} brought a certificate that is not "
                  "valid before {}, and waits for that: hsmbridge request explain {}",
                  hex(sha256(der)).substr(0, 12), rfc3339(old.not_after), id.str(), rfc3339(begin), id.str())};
  CHECK(s.round(*store, clock.now()).troubles == told);
  clock.advance(kDay - 1s);
  CHECK(s.round(*store, clock.now()).troubles.empty());
  clock.advance(1s);
  CHECK(s.round(*store, clock.now()).troubles == told);
  clock.advance(kDay);
  CHECK(s.round(*store, clock.now()).troubles.empty());
}

TEST_CASE_METHOD(Fixture, "a clock that was ahead for a while ends no certificate") {
  bring(first(), kDay * 90);
  const Instant right = clock.now();
  profile().renew_before.reset();
  service::Sweep s = sweep();
  clock.set_wall(right + kDay * 3650);
  CHECK(s.round(*store, clock.now()).expired.size() == 1);
  CHECK(status() == "expired");
  clock.set_wall(right);
  CHECK(s.round(*store, clock.now()).revived == std::vector<std::string>{hex(sha256(der))});
  CHECK(status() == "current");
  const auto commits = store->commits();
  CHECK(s.round(*store, clock.now()).revived.empty());
  CHECK(store->commits() == commits);
}

TEST_CASE_METHOD(Fixture, "a renewal wants the approvals that its profile wants now") {
  bring(first(), kDay * 50);
  config::PersonSettings ann;
  ann.name = "ann";
  settings.people = {ann};
  profile().approval = {{"", {}, {}, {{"", 1, {"ann"}}}}};
  clock.advance(kDay * 20);
  service::Sweep s = sweep();
  const auto troubles = s.round(*store, clock.now()).troubles;
  REQUIRE(troubles.size() == 1);
  CHECK(troubles[0].find("ann has no public_key") != std::string::npos);
  CHECK(open_requests() == 0);

  settings.people[0].spki = base64(test::voter("alice").signer.subject_public_key_info());
  clock.advance(kDay);
  CHECK(s.round(*store, clock.now()).troubles.empty());
  workflow::Requests::ListQuery open;
  open.open_only = true;
  const auto renewals = store->list(open);
  REQUIRE(renewals.size() == 1);
  REQUIRE(renewals[0].order.approval);
  CHECK(renewals[0].order.approval->policy.alternatives[0].groups[0].members[0] ==
        approval::Person{"ann", test::voter("alice").key()});
  CHECK(renewals[0].order.approval->store == service::store_identity(*store, "uid:ann", clock.now()));
}

TEST_CASE_METHOD(Fixture, "who asked first is no approver of a renewal of a renewal, whatever the policy was between") {
  const auto policy_of = [&](const std::vector<std::string>& names) {
    return std::vector<config::ApprovalAlternative>{{"", {}, {}, {{"", 1, names}}}};
  };
  for (const std::string name : {"alice", "bob", "carol"}) {
    config::PersonSettings person;
    person.name = name;
    person.accounts = {name};
    person.spki = base64(test::voter(name).signer.subject_public_key_info());
    settings.people.push_back(person);
  }
  auto asked = first();
  asked.created_by = "uid:alice";
  // A policy without her, or none.
  const bool had_policy = GENERATE(true, false);
  if (had_policy) profile().approval = policy_of({"bob", "carol"});
  workflow::CertificateRecord next = bring(asked, kDay * 50);
  service::Sweep s = sweep();
  clock.advance(kDay * 25);
  const auto once = s.round(*store, clock.now()).renewals;
  REQUIRE(once.size() == 1);
  const auto between = store->find(once[0].request).value().order;
  REQUIRE(between.approval.has_value() == had_policy);
  if (had_policy) CHECK(between.approval->requesters.empty());
  // Its certificate, whoever approved it.
  next.predecessor = next.fingerprint;
  next.der = x509::read_certificate(read_file(HSMBRIDGE_TEST_DATA "/x509/two.pem"));
  next.fingerprint = hex(sha256(next.der));
  next.request = between.id;
  next.not_before = clock.now();
  next.not_after = clock.now() + kDay * 50;
  workflow::Key key = key_of_test();
  key.spki = next.spki = SpkiHash{"ee"};
  auto there = step_of(store->find(between.id).value(), workflow::KeyReady{key}, clock.now());
  there.certificate = next;
  REQUIRE(store->commit({there}).at(0) == workflow::StepResult::committed);

  profile().approval = policy_of({"alice", "bob"});
  clock.advance(kDay * 25);
  const auto twice = s.round(*store, clock.now()).renewals;
  REQUIRE(twice.size() == 1);
  const auto order = store->find(twice[0].request).value().order;
  CHECK(order.created_by == "worker:w");
  REQUIRE(order.approval);
  CHECK(order.approval->requesters == std::vector<std::string>{"alice"});
  CHECK(order.asked_by == std::vector<std::string>{"uid:alice"});
}

TEST_CASE_METHOD(Fixture, "nothing is ordered for a profile whose certificates nobody could trust") {
  bring(first(), kDay * 50);
  profile().anchors.clear();
  clock.advance(kDay * 20);
  service::Sweep s = sweep();
  const auto troubles = s.round(*store, clock.now()).troubles;
  REQUIRE(troubles.size() == 1);
  CHECK(troubles[0].find("profile server names no anchors") != std::string::npos);
  CHECK(open_requests() == 0);
}

TEST_CASE_METHOD(Fixture, "what cannot be renewed is told once a day and holds up nothing") {
  bring(first(), kDay * 50);
  clock.advance(kDay * 20);
  settings.tokens.front().stores_certificates = false;
  service::Sweep s = sweep();
  const auto troubles = s.round(*store, clock.now()).troubles;
  REQUIRE(troubles.size() == 1);
  CHECK(troubles[0].find("certificates: false") != std::string::npos);
  CHECK(s.round(*store, clock.now()).troubles.empty());
  clock.advance(kDay);
  CHECK(s.round(*store, clock.now()).troubles.size() == 1);
  CHECK(open_requests() == 0);
}

TEST_CASE_METHOD(Fixture, "the old key is retired when the overlap is over") {
  const auto record = bring(first(), kDay * 90);
  profile().overlap = kDay * 3;
  service::RenewalWish wish;
  wish.key = service::new_key(record, "www-new", Bytes(16, 7));
  wish.created_by = "uid:ann";
  const auto order = service::create_renewal(*store, record, wish, {}, clock.now(), Bytes(8, 1));
  // Its certificate: another one, for another key.
  der = x509::read_certificate(read_file(HSMBRIDGE_TEST_DATA "/x509/two.pem"));
  using namespace workflow;
  Key key = key_of_test();
  key.spki = SpkiHash{"ee"};
  take(*store, order.id, KeyReady{key}, clock.now());
  take(*store, order.id, CsrSigned{draft_of_test(clock.now()).csr}, clock.now());
  take(*store, order.id, DraftFrozen{draft_of_test(clock.now())}, clock.now());
  take(*store, order.id, DraftAccepted{}, clock.now());
  take(*store, order.id, AttemptStarted{1, "w", clock.now()}, clock.now());
  StatusReport report;
  report.status = RequestStatus::handed_out;
  take(*store, order.id, ResultReceived{1, report, {IssuedCertificate{der}, der}}, clock.now());
  CertificateRecord next = record;
  next.fingerprint = hex(sha256(der));
  next.request = order.id;
  next.spki = key.spki;
  next.predecessor = record.fingerprint;
  Step verified = step_of(store->find(order.id).value(), Verified{next.fingerprint, {}}, clock.now());
  verified.certificate = next;
  store->commit({verified});
  service::Sweep s = sweep();
  clock.advance(kDay * 4);
  CHECK(s.round(*store, clock.now()).retired.empty());  // not installed yet
  take(*store, order.id, TargetInstalled{"token"}, clock.now());
  clock.advance(kDay * 3 - 1h);
  CHECK(s.round(*store, clock.now()).retired.empty());
  clock.advance(2h);
  const auto retired = s.round(*store, clock.now()).retired;
  REQUIRE(retired.size() == 1);
  CHECK(retired[0].label == "www");
  clock.advance(2h);
  CHECK(s.round(*store, clock.now()).retired.empty());
  // A superseded certificate is renewed neither by itself nor by hand.
  clock.set_wall(record.not_after - kDay * 2);
  CHECK(s.round(*store, clock.now()).renewals.size() == 1);  // that of the new one
  CHECK_THROWS_AS(service::refuse_renewal(*store, store->certificate(record.fingerprint).value()), Error);
}
