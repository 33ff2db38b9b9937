// Revocations from the order to the record, through the engine and a provider that has them.
#include "life.h"
#include "service/certificates/certificates.h"
#include "service/certificates/renewal.h"
#include "service/requests/new_request.h"
#include "service/requests/requests.h"
#include "support/orders.h"
#include "workflow/engine/engine.h"

#include <catch2/catch.hpp>
#include <cctype>

using namespace hsmbridge;
using namespace hsmbridge::test;
using namespace hsmbridge::workflow;
using namespace std::chrono_literals;

namespace {

const service::Actor kAnn{"uid:ann", "operating system", {}};

struct Fixture : Life {
  ScriptedWorld world{clock};
  service::Effects effects{world};
  CertificateRecord record = bring(first(), 24h * 90);

  Fixture() { world.scripted->able.revoke = true; }

  RequestId revoke(const std::string& reason = "keyCompromise") {
    return service::create_revocation(kAnn, *store, record, {reason}, {}, clock.now(), Bytes(8, ++octet_)).id;
  }
  EngineOptions options() {
    EngineOptions options;
    options.worker = "w";
    options.lanes = {{"provider:tsb", 4}, {"local", 2}};
    return options;
  }
  // Works until nothing is due any more. One engine all the time: one that begins spreads the polls that are late.
  void work() {
    if (!engine_) {
      engine_ =
          std::make_unique<Engine>(store::SqliteStore::open(folder / "store.db", clock), effects, clock, options());
    }
    for (int i = 0; i < 100 && engine_->step(); ++i) {
    }
  }
  StateName state(const RequestId& id) { return name_of(store->find(id).value().state); }
  std::string explained(const RequestId& id) {
    const auto view = service::view_request(*store, id, clock.now());
    std::string text = view.explanation.what_happened + "|" + view.explanation.next;
    for (const auto& command : view.explanation.commands) text += "|" + command;
    return text;
  }
  static Report report(RequestStatus standing) {
    Report report;
    report.status = standing;
    report.provider_status = "WORD";
    report.reference = ProviderReference{"rev-9"};
    return report;
  }

 private:
  unsigned char octet_ = 0;
  std::unique_ptr<Engine> engine_;
};

}  // namespace

TEST_CASE_METHOD(Fixture, "a revocation that takes effect at once is revoked after one call") {
  world.scripted->submits.push_back(Accepted{report(RequestStatus::done)});
  CHECK(service::still_to_renew(*store, record.fingerprint).fingerprint == record.fingerprint);
  const RequestId id = revoke();
  CHECK(status() == "revoking");
  work();
  CHECK(state(id) == StateName::completed);
  CHECK(status() == "revoked");
  CHECK_THROWS_WITH(service::still_to_renew(*store, record.fingerprint), Catch::Contains("is revoked now"));
  CHECK(world.scripted->calls == std::vector<std::string>{"submit keyCompromise of ref-1"});
  CHECK(explained(id).find("is revoked at provider 'tsb', reason keyCompromise") != std::string::npos);
  CHECK_THROWS_AS(service::create_revocation(kAnn, *store, store->certificate(record.fingerprint).value(),
                                             {"superseded"}, {}, clock.now(), Bytes(8, 9)),
                  Error);
}

TEST_CASE_METHOD(Fixture, "a revocation that the provider only took note of is revoking until it says more") {
  world.scripted->submits.push_back(Accepted{report(RequestStatus::awaiting_issuance)});
  const RequestId id = revoke("superseded");
  work();
  CHECK(state(id) == StateName::awaiting_issuance);
  CHECK(status() == "revoking");
  world.scripted->polls.push_back(report(RequestStatus::awaiting_issuance));
  world.scripted->polls.push_back(report(RequestStatus::done));
  for (int i = 0; i < 10 && state(id) != StateName::completed; ++i) {
    clock.advance(1h);
    work();
  }
  CHECK(state(id) == StateName::completed);
  CHECK(status() == "revoked");
}

TEST_CASE_METHOD(Fixture, "a rejected revocation leaves the certificate as it was and says so") {
  world.scripted->submits.push_back(Accepted{report(RequestStatus::awaiting_approval)});
  const RequestId id = revoke();
  work();
  Report no = report(RequestStatus::rejected);
  no.by = "bob";
  world.scripted->polls.push_back(no);
  clock.advance(1h);
  work();
  CHECK(state(id) == StateName::rejected);
  CHECK(status() == "current");
  CHECK(explained(id).find("bob rejected it") != std::string::npos);
  CHECK(explained(id).find("was not revoked") != std::string::npos);
}

TEST_CASE_METHOD(Fixture, "a revocation whose answer was lost is looked up and never sent again by itself") {
  world.scripted->submits.push_back(OutcomeUnknown{"the connection died"});
  world.scripted->look_ups.push_back(Found{report(RequestStatus::done)});
  const RequestId id = revoke();
  work();
  CHECK(state(id) == StateName::looking_up);
  CHECK(status() == "revoking");
  clock.advance(10min);
  work();
  CHECK(state(id) == StateName::completed);
  CHECK(status() == "revoked");
  CHECK(world.scripted->calls == std::vector<std::string>{"submit keyCompromise of ref-1", "look_up"});
}

TEST_CASE_METHOD(Fixture, "where the provider cannot tell, a person vouches that it took effect") {
  world.scripted->submits.push_back(OutcomeUnknown{"the connection died"});
  world.scripted->look_ups.push_back(CannotTell{"there is no search"});
  const RequestId id = revoke();
  work();
  clock.advance(10min);
  work();
  REQUIRE(state(id) == StateName::unresolved);
  CHECK(status() == "revoking");
  CHECK(explained(id).find("resolve " + id.str() + " --done --reason TEXT") != std::string::npos);
  CHECK(explained(id).find("--certificate") == std::string::npos);
  service::append_event(*store, id, ResolvedAsDone{"it is on the list"}, "uid:ann", clock.now(), {});
  CHECK(state(id) == StateName::completed);
  CHECK(status() == "revoked");
}

TEST_CASE_METHOD(Fixture,
                 "where a revocation was abandoned, a compromise is a reason to revoke and no note about the key") {
  const RevocationReason& compromise = *revocation_reason(kKeyCompromise);
  const auto leaves_key_trusted = [&] {
    record = store->certificate(record.fingerprint).value();
    return service::leaves_key_trusted(*store, record, compromise);
  };
  CHECK_FALSE(leaves_key_trusted());
  world.scripted->submits.push_back(OutcomeUnknown{"the connection died"});
  world.scripted->look_ups.push_back(CannotTell{"there is no search"});
  const RequestId lost = revoke("superseded");
  work();
  clock.advance(10min);
  work();
  REQUIRE(state(lost) == StateName::unresolved);
  CHECK(service::open_revocation(*store, record.fingerprint).value().order.id == lost);
  CHECK(leaves_key_trusted());
  service::append_event(*store, lost, ResolvedAsAbandoned{"nobody there knows"}, "uid:ann", clock.now(), {});
  CHECK_FALSE(service::open_revocation(*store, record.fingerprint));
  CHECK_FALSE(leaves_key_trusted());
  CHECK(record.status == "revoking");
  world.scripted->submits.push_back(Accepted{report(RequestStatus::done)});
  revoke("superseded");
  work();
  CHECK(world.scripted->calls.back() == "submit superseded of ref-1");
  CHECK(leaves_key_trusted());
  CHECK(record.status == "revoked");
}

TEST_CASE_METHOD(Fixture, "a provider without revocation, or with objections, refuses before anything is sent") {
  world.scripted->able.revoke = false;
  const RequestId one = revoke();
  work();
  CHECK(state(one) == StateName::failed);
  CHECK(status() == "current");
  CHECK(explained(one).find("nothing was revoked") != std::string::npos);
  world.scripted->able.revoke = true;
  world.scripted->objections = {"the certificate is of another account"};
  const RequestId other = revoke();
  work();
  CHECK(state(other) == StateName::failed);
  CHECK(explained(other).find("of another account") != std::string::npos);
  CHECK(world.scripted->calls.empty());
}

TEST_CASE_METHOD(Fixture, "a renewal whose revocation came to nothing leaves one certificate in use, not two") {
  service::RenewalWish wish;
  wish.created_by = "uid:ann";
  wish.key = service::same_key(service::key_of(*store, record, first()));
  const RequestId renewal = service::create_renewal(*store, record, wish, {}, clock.now(), Bytes(8, 77)).id;
  take(*store, renewal, KeyReady{key_of_test()}, clock.now());
  take(*store, renewal, CsrSigned{draft_of_test(clock.now()).csr}, clock.now());
  take(*store, renewal, DraftFrozen{draft_of_test(clock.now())}, clock.now());
  take(*store, renewal, DraftAccepted{}, clock.now());
  take(*store, renewal, AttemptStarted{1, "w", clock.now()}, clock.now());
  take(*store, renewal, ResultReceived{1, {}, {IssuedCertificate{der}, der}}, clock.now());
  CertificateRecord newer = record;
  newer.fingerprint = std::string(64, 'b');
  newer.request = renewal;
  newer.predecessor = record.fingerprint;
  Step verified = step_of(store->find(renewal).value(), Verified{newer.fingerprint, {}}, clock.now());
  verified.certificate = newer;
  store->commit({verified});
  // Revoked while it is being installed: it takes nobody's place then.
  const RequestId revocation =
      service::create_revocation(kAnn, *store, newer, {"superseded"}, {}, clock.now(), Bytes(8, 78)).id;
  const Order ordered = first();
  for (const auto& target : test::wanted(ordered).targets) {
    take(*store, renewal, TargetInstalled{target.name}, clock.now());
  }
  CHECK(state(renewal) == StateName::completed);
  CHECK(status() == "current");
  take(*store, revocation, CancelAsked{"after all not"}, clock.now());
  CHECK(store->certificate(newer.fingerprint).value().status == "current");
  CHECK(status() == "superseded");
}

TEST_CASE_METHOD(Fixture, "an open order for a compromised key is named, and no new one is made for it") {
  Order other = first();
  other.id = RequestId{"0A9B2C3D4E5F6G7H"};
  test::wanted(other).key = {KeyWish::Source::use, "id=00", "", ""};
  create(*store, other);
  Key key = key_of_test();
  key.spki = record.spki;
  take(*store, other.id, KeyReady{key}, clock.now());
  const auto words = service::shares_key(*store, record);
  REQUIRE(words.size() == 1);
  CHECK(words[0] == "request " + other.id.str() +
                        " asks for a certificate for the same key: hsmbridge request cancel " + other.id.str());
  CHECK_NOTHROW(service::refuse_spent_key(*store, "web", record.spki));
  revoke("keyCompromise");
  try {
    service::refuse_spent_key(*store, "web", record.spki);
    FAIL("not refused");
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::refused);
    CHECK(error.message().find("is compromised") != std::string::npos);
  }
}

TEST_CASE_METHOD(Fixture, "two revocations of one certificate are one") {
  const RequestId id = revoke();
  try {
    revoke("superseded");
    FAIL("it was made");
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::conflict);
    CHECK(error.detail("request") == id.str());
  }
}

TEST_CASE_METHOD(Fixture, "a certificate is found by its SHA-256 in any case and by the request that brought it") {
  const std::string& full = record.fingerprint;
  CHECK(service::find_certificate(*store, full.substr(0, 8)).fingerprint == full);
  CHECK(service::find_certificate(*store, full).fingerprint == full);
  std::string upper;
  for (std::size_t i = 0; i < 16; ++i) upper += static_cast<char>(std::toupper(static_cast<unsigned char>(full[i])));
  CHECK(service::find_certificate(*store, upper).fingerprint == full);
  CHECK(service::find_certificate(*store, first().id.str()).fingerprint == full);
  CHECK(service::find_certificate(*store, revoke().str()).fingerprint == full);
  for (const char* wrong : {"ffffffffffff", "zz", "0000000000000000"}) {
    INFO(wrong);
    CHECK_THROWS_AS(service::find_certificate(*store, wrong), Error);
  }
}

TEST_CASE_METHOD(Fixture, "a renewal that brought nothing does not stand for the certificate that it was to replace") {
  service::RenewalWish wish;
  wish.created_by = "uid:ann";
  wish.key = service::same_key(service::key_of(*store, record, first()));
  const auto renewal = service::create_renewal(*store, record, wish, {}, clock.now(), Bytes(8, 77));
  for (const bool open : {true, false}) {
    if (!open) service::append_event(*store, renewal.id, CancelAsked{"no"}, "uid:ann", clock.now(), {});
    try {
      service::find_certificate(*store, renewal.id.str());
      FAIL("the old one was taken");
    } catch (const Error& error) {
      CHECK(error.kind() == ErrorKind::not_found);
      CHECK(error.message() == "request " + renewal.id.str() + " has brought no certificate");
    }
  }
  // Who revokes names a certificate, not a revocation of it.
  CHECK_THROWS_AS(service::find_certificate(*store, revoke().str(), service::Meaning::brought), Error);
}

TEST_CASE_METHOD(Fixture, "what begins a SHA-256 and the id of another certificate's request is ambiguous") {
  // "0a1b2c" begins the id of the first request.
  Order other = first();
  other.id = RequestId{"0A9B2C3D4E5F6G7H"};
  test::wanted(other).key.selector = "other";
  test::wanted(other).key.cka_id = "ee" + test::wanted(other).key.cka_id.substr(2);
  const auto alike = "0a1b2c" + std::string(58, 'f');
  bring(other, 24h * 90, alike);
  try {
    service::find_certificate(*store, "0a1b2c");
    FAIL("one was taken");
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::ambiguous);
  }
  CHECK(service::find_certificate(*store, "0a1b2cf").fingerprint == alike);
  CHECK(service::find_certificate(*store, "0a1b2c3d").fingerprint == record.fingerprint);
}

TEST_CASE_METHOD(Fixture, "who revokes for keyCompromise is told of what else the key is for") {
  CHECK(service::shares_key(*store, record).empty());
  Order other = first();
  other.id = RequestId{"0A9B2C3D4E5F6G7H"};
  test::wanted(other).key = {KeyWish::Source::use, "id=00", "", test::wanted(first()).key.cka_id};
  bring(other, 24h * 90, std::string(64, 'f'));
  service::RenewalWish wish;
  wish.created_by = "uid:ann";
  wish.key = service::same_key(service::key_of(*store, record, first()));
  const auto renewal = service::create_renewal(*store, record, wish, {}, clock.now(), Bytes(8, 77));
  const auto words = service::shares_key(*store, record);
  REQUIRE(words.size() == 2);
  CHECK(words[0].find("certificate ffffffffffff (current) is for the same key") != std::string::npos);
  CHECK(words[1].find("request cancel " + renewal.id.str()) != std::string::npos);
}

TEST_CASE_METHOD(Fixture,
                 "a certificate is put on hold only where that can be done, and is revoked for good afterwards") {
  const RequestId impossible = revoke("certificateHold");
  work();
  CHECK(state(impossible) == StateName::failed);
  CHECK(explained(impossible).find("puts nothing on hold") != std::string::npos);
  CHECK(status() == "current");
  world.scripted->able.revoke_hold = true;
  world.scripted->submits.push_back(Accepted{report(RequestStatus::done)});
  revoke("certificateHold");
  work();
  CHECK(status() == "held");
  record = store->certificate(record.fingerprint).value();
  CHECK_THROWS_AS(revoke("certificateHold"), Error);
  world.scripted->submits.push_back(Accepted{report(RequestStatus::done)});
  revoke("superseded");
  work();
  CHECK(status() == "revoked");
}

TEST_CASE_METHOD(Fixture, "the engine does its chore at the start and in its time, whatever the wall clock says") {
  int rounds = 0;
  EngineOptions with_chore = options();
  with_chore.chore = [&](Store&) {
    if (++rounds == 2) throw Error{ErrorKind::internal, "a fault of the chore"};
    return Duration{1min};
  };
  Engine engine(store::SqliteStore::open(folder / "store.db", clock), effects, clock, with_chore);
  engine.step();
  engine.step();
  CHECK(rounds == 1);
  clock.advance(1min);
  engine.step();
  CHECK(rounds == 2);
  engine.step();
  CHECK(rounds == 2);
  clock.advance(1min);
  engine.step();
  CHECK(rounds == 3);
  // Back by a year: nobody waits a year for the next round.
  clock.set_wall(clock.now() - 24h * 365);
  clock.advance(1min);
  engine.step();
  CHECK(rounds == 4);
}
