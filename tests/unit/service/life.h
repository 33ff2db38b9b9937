#pragma once

#include "base/error.h"
#include "base/file.h"
#include "service/effects/effects.h"
#include "store/sqlite_store.h"
#include "support/fake_clock.h"
#include "support/memory/memory_store.h"
#include "support/requests.h"
#include "support/temp_folder.h"
#include "x509/judge/weak_key_list.h"
#include "x509/objects/certificate.h"
#include "x509/objects/pem.h"
#include "x509/objects/spki.h"

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

// A store with a certificate in it, and a provider that can revoke and answers as it is told.
namespace hsmbridge::test {

// Thread rule: for one engine thread's effects at a time, as step() runs them.
class ScriptedProvider : public workflow::Provider {
 public:
  workflow::Capabilities able{};
  std::vector<std::string> objections;
  std::deque<workflow::SubmitAnswer> submits;  // what each submission is answered with
  std::deque<workflow::LookUpAnswer> look_ups;
  std::deque<workflow::Report> polls;
  std::vector<std::string> calls;  // "submit keyCompromise of ref-1"

  std::string_view type() const override { return "scripted"; }
  workflow::Capabilities capabilities() const override { return able; }
  workflow::ProviderDraft draft(const workflow::Order&, ByteView, Instant) override {
    throw Error{ErrorKind::internal, "a revocation needs no draft of the provider"};
  }
  std::vector<std::string> check(const workflow::ProviderCall&) override { return objections; }
  workflow::SubmitAnswer submit(const workflow::ProviderCall& call) override {
    calls.push_back("submit " + call.order.revocation()->reason + " of " + call.order.predecessor()->reference.str());
    return next(submits);
  }
  workflow::LookUpAnswer look_up(const workflow::ProviderCall&) override {
    calls.emplace_back("look_up");
    return next(look_ups);
  }
  workflow::Report poll(const workflow::ProviderCall&) override {
    calls.emplace_back("poll");
    return next(polls);
  }
  workflow::Report retrieve(const workflow::ProviderCall&) override { return {}; }
  workflow::CancelAnswer cancel(const workflow::ProviderCall&) override {
    calls.emplace_back("cancel");
    return workflow::CancelNotPossible{"there is none"};
  }
  workflow::Issued certificate_in(const workflow::ProviderCall&, const workflow::IssuedResult&) const override {
    return {};
  }
  void confirm(const workflow::ProviderCall&, const workflow::Issued&) override {}
  std::vector<std::string> test() override { return {}; }

 private:
  template <class T>
  static T next(std::deque<T>& queue) {
    if (queue.empty()) throw Error{ErrorKind::internal, "the script is at its end"};
    T front = std::move(queue.front());
    queue.pop_front();
    return front;
  }
};

class ScriptedWorld final : public service::Dependencies {
 public:
  explicit ScriptedWorld(const Clock& clock) : clock_(clock) {}
  std::shared_ptr<ScriptedProvider> scripted = std::make_shared<ScriptedProvider>();
  std::shared_ptr<workflow::Provider> provider(const std::string&) override { return scripted; }
  std::shared_ptr<workflow::Token> token(const std::string& name) override {
    throw Error{ErrorKind::unavailable, "there is no token " + name};
  }
  std::vector<Bytes> anchors(const workflow::Order&) override { return {}; }
  workflow::Records& records() override { return store_; }
  workflow::Revocations& revocations() override { return store_; }
  const x509::WeakKeyList& weak_keys() override { return weak_keys_; }
  std::vector<std::string> hook_of(const std::string&) override { return {}; }
  service::ReleaseTerms wanted;  // of every profile
  service::ReleaseTerms release_terms(const workflow::Order&) override { return wanted; }
  const Clock& clock() const override { return clock_; }

 private:
  const Clock& clock_;
  MemoryStore store_{clock_};
  x509::WeakKeyList weak_keys_;
};

struct Life {
  TempFolder folder;
  FakeClock clock{parse_rfc3339("2026-11-26T12:00:00Z")};
  std::unique_ptr<store::SqliteStore> store = store::SqliteStore::open(folder / "store.db", clock);
  Bytes der = x509::read_certificate(read_file(HSMBRIDGE_TEST_DATA "/x509/one.pem"));
  Duration age{};       // of what is brought: its first day was so long ago
  std::string renewed;  // its predecessor

  workflow::Order first() {
    workflow::Order order = order_of("0A1B2C3D4E5F6G7H", clock.now());
    test::wanted(order).key.selector = "www";
    return order;
  }
  // A request that exists, until its result is there to be checked.
  void hand_out(const workflow::Order& order) {
    using namespace workflow;
    Key key = key_of_test();
    key.label = test::wanted(order).key.selector;
    key.spki = x509::spki_hash(x509::parse_certificate(der).spki());
    key.cka_id = test::wanted(order).key.cka_id;
    Step step = step_of(store->find(order.id).value(), KeyReady{key}, clock.now());
    step.key =
        KeyRecord{order.token(), key.label, key.cka_id, test::wanted(order).key.spec, key.spki, "active", clock.now()};
    store->commit({step});
    take(*store, order.id, CsrSigned{draft_of_test(clock.now()).csr}, clock.now());
    take(*store, order.id, DraftFrozen{draft_of_test(clock.now())}, clock.now());
    take(*store, order.id, DraftAccepted{}, clock.now());
    take(*store, order.id, AttemptStarted{1, "w", clock.now()}, clock.now());
    StatusReport report;
    report.status = RequestStatus::handed_out;
    report.reference = ProviderReference{"ref-1"};
    take(*store, order.id, ResultReceived{1, report, {IssuedCertificate{der}, der}}, clock.now());
  }
  // A completed request with its certificate, which ends after `life`. `fingerprint`: where several are brought.
  workflow::CertificateRecord bring(const workflow::Order& order, Duration life, const std::string& fingerprint = "") {
    using namespace workflow;
    create(*store, order);
    hand_out(order);
    CertificateRecord record;
    record.fingerprint = fingerprint.empty() ? hex(sha256(der)) : fingerprint;
    record.der = der;
    record.request = order.id;
    record.spki = x509::spki_hash(x509::parse_certificate(der).spki());
    record.subject = "CN=www.example.com";
    record.issuer = "CN=CA";
    record.serial = "01";
    record.not_before = clock.now() - age;
    record.predecessor = renewed;
    record.not_after = clock.now() + life;
    record.status = "current";
    record.stored_at = clock.now();
    record.reference = ProviderReference{"ref-1"};
    Step verified = step_of(store->find(order.id).value(), Verified{record.fingerprint, {}}, clock.now());
    verified.certificate = record;
    store->commit({verified});
    for (const auto& target : test::wanted(order).targets)
      take(*store, order.id, TargetInstalled{target.name}, clock.now());
    return store->certificate(record.fingerprint).value();
  }
  std::string status() { return store->certificate(hex(sha256(der))).value().status; }
};

}  // namespace hsmbridge::test
