// The life of certificate and key records.
#include "any_store.h"
#include "base/bytes.h"
#include "base/error.h"
#include "base/json.h"
#include "foreign.h"
#include "support/requests.h"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

using namespace hsmbridge;
using namespace hsmbridge::test;
using namespace hsmbridge::workflow;
using namespace std::chrono_literals;

namespace {

using Of = StatusChange::Of;
using Names = std::vector<std::string>;

struct Fixture : AnyStore {
  using AnyStore::AnyStore;

  CertificateRecord certificate_of(const Order& order, const std::string& fingerprint, const std::string& spki) {
    CertificateRecord record;
    record.fingerprint = fingerprint;
    record.der = {0x30, 0x00};
    record.chain = {Bytes{0x30, 0x01, 0x00}};
    record.request = order.id;
    record.spki = SpkiHash{spki};
    record.subject = "CN=" + fingerprint;
    record.issuer = "CN=CA";
    record.serial = "01";
    record.not_before = clock.now();
    record.not_after = clock.now() + 24h * 90;
    record.status = "current";
    record.stored_at = clock.now();
    record.reference = ProviderReference{"ref-1"};
    record.provider_state = R"({"id":7})";
    if (const Predecessor* old = order.predecessor()) record.predecessor = old->certificate;
    return record;
  }

  void step(const RequestId& id, EventBody body, std::optional<CertificateRecord> certificate = {},
            std::optional<KeyRecord> key = {}) {
    Step step = step_of(store->find(id).value(), std::move(body), clock.now());
    step.certificate = std::move(certificate);
    step.key = std::move(key);
    REQUIRE(store->commit({step}).at(0) == StepResult::committed);
  }

  // An order that is taken to Installing, with its certificate and key stored.
  void bring(const Order& order, const std::string& fingerprint, const std::string& spki) {
    const Enroll& wanted = test::wanted(order);
    std::vector<Event> events{{order.created_at, order.created_by, Created{order}}};
    if (wanted.key.source == KeyWish::Source::make) {
      events.push_back({order.created_at, order.created_by,
                        KeyPlanned{wanted.token, wanted.key.selector, wanted.key.cka_id, wanted.key.spec}});
    }
    store->create(order, events, begin(order, {}));
    Key key = key_of_test();
    key.spki = SpkiHash{spki};
    key.cka_id = wanted.key.cka_id;
    key.label = wanted.key.selector;
    KeyRecord record{wanted.token, key.label, key.cka_id, wanted.key.spec, key.spki, "active", clock.now()};
    step(order.id, KeyReady{key}, {}, record);
    step(order.id, CsrSigned{draft_of_test(clock.now()).csr});
    step(order.id, DraftFrozen{draft_of_test(clock.now())});
    step(order.id, DraftAccepted{});
    step(order.id, AttemptStarted{1, "w", clock.now() + 60s});
    StatusReport report;
    report.status = RequestStatus::handed_out;
    report.reference = ProviderReference{"ref-1"};
    step(order.id, ResultReceived{1, report, {IssuedCertificate{{1}}, {2}}});
    step(order.id, Verified{fingerprint, {}}, certificate_of(order, fingerprint, spki));
  }
  Order first() {
    Order order = order_of("0A1B2C3D4E5F6G7H", clock.now());
    test::wanted(order).targets = {{"token", ""}, {"file:/x.pem", "/x.pem"}};
    return order;
  }
  Order about(Kind kind, const std::string& id, const std::string& fingerprint) {
    Order order = first();
    order.id = RequestId{id};
    test::wanted(order).key.selector = "key-" + id;
    test::wanted(order).key.cka_id = "ff" + test::wanted(order).key.cka_id.substr(2);
    const CertificateRecord record = store->certificate(fingerprint).value();
    const Predecessor old{fingerprint, record.der, record.spki, record.status, record.reference, record.provider_state};
    order.created_at = clock.now();
    if (kind == Kind::revoke) {
      make_revocation(order, old, "keyCompromise");
    } else {
      make_renewal(order, old);
    }
    return order;
  }
  void install_all(const Order& order) {
    for (const auto& target : test::wanted(order).targets) step(order.id, TargetInstalled{target.name});
  }
  std::string status(const std::string& fingerprint) { return store->certificate(fingerprint).value().status; }
  std::string key_status(const std::string& spki) {
    KeyQuery query;
    query.spki = SpkiHash{spki};
    return store->keys(query).at(0).status;
  }
  // The facts in the audit log of that kind, "from>to".
  Names facts(const std::string& kind) {
    Names all;
    for (const auto& leaf : store->leaves(0, 1000)) {
      const Json json = Json::parse(leaf.data);
      if (json.string_or("kind", "") != kind) continue;
      const Json& fact = json.at("fact");
      all.push_back(fact.string_or("from", "") + ">" + fact.string_or("to", fact.string_or("target", "")));
    }
    return all;
  }
};

// What another program can do to a file.
struct OnDisk : Fixture {
  OnDisk() : Fixture("SQLite") {}
};

}  // namespace

TEST_CASE_METHOD(Fixture, "a certificate is found as it was stored, with what its provider knows it by") {
  bring(first(), "aa11", "5b01");
  const CertificateRecord expected = certificate_of(first(), "aa11", "5b01");
  const CertificateRecord found = store->certificate("aa11").value();
  CHECK(found.reference == expected.reference);
  CHECK(found.provider_state == expected.provider_state);
  CHECK(found.predecessor.empty());
  CHECK(found.installed.empty());
  install_all(first());
  CHECK(store->certificate("aa11").value().installed == Names{"token", "file:/x.pem"});
}

TEST_CASE_METHOD(Fixture, "a completed renewal supersedes its predecessor in the same commit and takes its files") {
  bring(first(), "aa11", "5b01");
  install_all(first());
  const Order order = about(Kind::renew, "0A1B2C3D4E5F6G7J", "aa11");
  bring(order, "bb22", "5b02");
  CHECK(status("aa11") == "current");
  CHECK(store->certificate("bb22").value().predecessor == "aa11");
  step(order.id, TargetInstalled{"token"});
  CHECK(status("aa11") == "current");
  step(order.id, TargetInstalled{"file:/x.pem"});
  CHECK(status("aa11") == "superseded");
  CHECK(status("bb22") == "current");
  CHECK(facts("certificate-status") == Names{"current>superseded"});
  // The other key keeps its certificate in the token; the file holds the new one.
  CHECK(store->certificate("aa11").value().installed == Names{"token"});
}

TEST_CASE_METHOD(Fixture, "a compromised key is known by itself where its record is gone or became another key's") {
  const SpkiHash first_one{std::string(64, 'a')}, second_one{std::string(64, 'b')};
  store->record_key({"web", "www", "77", "ec:P-256", first_one, "active", clock.now()}, "test", "{}", "ann",
                    clock.now());
  store->record_key({"web", "www", "77", "ec:P-256", second_one, "active", clock.now()}, "test", "{}", "ann",
                    clock.now());
  REQUIRE(store->keys({second_one, std::nullopt, std::nullopt}).empty());
  const StatusChange change{StatusChange::Of::key, second_one.str(), {}, "compromised"};
  CHECK(store->change_records({change}, "ann", clock.now()) == 1);
  CHECK(store->change_records({change}, "ann", clock.now()) == 0);
  REQUIRE(store->keys({second_one, std::nullopt, std::nullopt}).size() == 1);
  CHECK(store->keys({second_one, std::nullopt, std::nullopt}).front().status == "compromised");
  CHECK(store->keys({first_one, std::nullopt, std::nullopt}).front().status == "active");
}

TEST_CASE_METHOD(Fixture, "a revocation marks at once, restores when it ends otherwise, and ends in revoked") {
  bring(first(), "aa11", "5b01");
  install_all(first());
  const Order refused = about(Kind::revoke, "0A1B2C3D4E5F6G7K", "aa11");
  store->create(refused, {{clock.now(), "uid:ann", Created{refused}}}, begin(refused, {}));
  CHECK(status("aa11") == "revoking");
  CHECK(key_status("5b01") == "compromised");
  step(refused.id, CancelAsked{"no"});
  CHECK(status("aa11") == "current");
  CHECK(key_status("5b01") == "compromised");

  const Order order = about(Kind::revoke, "0A1B2C3D4E5F6G7M", "aa11");
  store->create(order, {{clock.now(), "uid:ann", Created{order}}}, begin(order, {}));
  Draft draft;
  draft.summary = "revocation";
  step(order.id, DraftFrozen{draft});
  step(order.id, DraftAccepted{});
  step(order.id, AttemptStarted{1, "w", clock.now() + 60s});
  StatusReport report;
  report.status = RequestStatus::done;
  step(order.id, SubmissionAnswered{1, report});
  CHECK(status("aa11") == "revoked");
  CHECK(facts("certificate-status") ==
        Names{"current>revoking", "revoking>current", "current>revoking", "revoking>revoked"});
  CHECK(facts("key-status") == Names{"active>compromised"});
}

TEST_CASE_METHOD(Fixture, "a second open revocation of one certificate is a conflict and changes nothing") {
  bring(first(), "aa11", "5b01");
  const Order one = about(Kind::revoke, "0A1B2C3D4E5F6G7K", "aa11");
  store->create(one, {{clock.now(), "uid:ann", Created{one}}}, begin(one, {}));
  const Order two = about(Kind::revoke, "0A1B2C3D4E5F6G7M", "aa11");
  CHECK_THROWS_AS(store->create(two, {{clock.now(), "uid:ann", Created{two}}}, begin(two, {})), Error);
  CHECK(facts("certificate-status").size() == 1);
  const auto about_it = store->requests_about("aa11");
  REQUIRE(about_it.size() == 1);
  CHECK(about_it[0].order == one);
  CHECK(store->requests_about("").empty());
}

TEST_CASE_METHOD(Fixture, "records are changed outside requests only from where they are said to be") {
  bring(first(), "aa11", "5b01");
  const auto before = commits();
  CHECK(store->change_records({{Of::certificate, "aa11", {"late"}, "expired"}}, "worker:w", clock.now()) == 0);
  CHECK(store->change_records({{Of::certificate, "cc33", {}, "expired"}}, "worker:w", clock.now()) == 0);
  CHECK(store->change_records({}, "worker:w", clock.now()) == 0);
  CHECK(commits() == before);
  CHECK(store->change_records({{Of::certificate, "aa11", {"current"}, "expired"}}, "worker:w", clock.now()) == 1);
  CHECK(store->change_records({{Of::certificate, "aa11", {"current"}, "expired"}}, "worker:w", clock.now()) == 0);
  CHECK(status("aa11") == "expired");
  CHECK(facts("certificate-status") == Names{"current>expired"});
}

TEST_CASE_METHOD(Fixture, "certificates are found by prefix, by request, by status, by their end and by what is left") {
  bring(first(), "aa11", "5b01");
  const auto found = [&](CertificateQuery query) {
    Names all;
    for (const auto& record : store->certificates(query)) all.push_back(record.fingerprint);
    return all;
  };
  CertificateQuery query;
  query.prefix = "aa";
  CHECK(found(query) == Names{"aa11"});
  query.prefix = "a";
  CHECK(found(query) == Names{"aa11"});
  query.prefix = "ab";
  CHECK(found(query).empty());
  query = {};
  query.request = first().id;
  CHECK(found(query) == Names{"aa11"});
  query = {};
  query.statuses = {"late", "current"};
  CHECK(found(query) == Names{"aa11"});
  query.statuses = {"late"};
  CHECK(found(query).empty());

  query = {};
  query.statuses = {"current"};
  query.profile = "server";
  query.ends_by = clock.now() + 24h * 89;
  CHECK(found(query).empty());
  query.ends_by = clock.now() + 24h * 90;
  CHECK(found(query) == Names{"aa11"});
  query.profile = "client";
  CHECK(found(query).empty());
  query.profile = "server";
  query.ends_by.reset();
  query.life_left = {10, clock.now() + 24h * 80};
  CHECK(found(query).empty());
  query.life_left = {10, clock.now() + 24h * 81};
  CHECK(found(query) == Names{"aa11"});

  CHECK(store->past_their_end(clock.now() + 24h * 90).empty());
  CHECK(store->past_their_end(clock.now() + 24h * 90 + 1s) == Names{"aa11"});
}

namespace {

// Of all keys, a few at a time.
std::vector<KeyRecord> replaced(Store& store, const std::string& profile, Instant by) {
  std::vector<KeyRecord> all;
  KeyPlace after;
  do {
    for (KeyRecord& key : store.replaced_keys(profile, by, after, 1)) all.push_back(std::move(key));
  } while (after != KeyPlace{});
  KeyPlace whole;
  CHECK(store.replaced_keys(profile, by, whole, 1000).size() == all.size());
  CHECK(whole == KeyPlace{});
  return all;
}

}  // namespace

TEST_CASE_METHOD(Fixture, "a replaced key is named once its overlap is over and nothing needs it") {
  bring(first(), "aa11", "5b01");
  install_all(first());
  const Order order = about(Kind::renew, "0A1B2C3D4E5F6G7J", "aa11");
  bring(order, "bb22", "5b02");
  CHECK(replaced(*store, "server", clock.now() + 1h).empty());
  install_all(order);
  const Instant completed = clock.now();
  CHECK(replaced(*store, "server", completed - 1ms).empty());
  CHECK(replaced(*store, "client", completed).empty());
  const auto found = replaced(*store, "server", completed);
  REQUIRE(found.size() == 1);
  CHECK(found[0].spki == SpkiHash{"5b01"});
  store->change_records({{Of::key, "5b01", {"active"}, "retired"}}, "worker:w", clock.now());
  CHECK(key_status("5b01") == "retired");
  CHECK(key_status("5b02") == "active");
  CHECK(replaced(*store, "server", completed).empty());
}

TEST_CASE_METHOD(Fixture, "a renewal that was revoked before it was everywhere supersedes nothing") {
  bring(first(), "aa11", "5b01");
  install_all(first());
  const Order renewal = about(Kind::renew, "0A1B2C3D4E5F6G7J", "aa11");
  bring(renewal, "bb22", "5b02");
  const Order revocation = about(Kind::revoke, "0A1B2C3D4E5F6G7K", "bb22");
  store->create(revocation, {{clock.now(), "uid:ann", Created{revocation}}}, begin(revocation, {}));
  REQUIRE(status("bb22") == "revoking");
  install_all(renewal);
  CHECK(name_of(store->find(renewal.id).value().state) == StateName::completed);
  CHECK(status("aa11") == "current");
  CHECK(facts("certificate-status") == Names{"current>revoking"});
}

TEST_CASE_METHOD(Fixture, "a key that an open request uses is not named, and is active again with its certificate") {
  bring(first(), "aa11", "5b01");
  install_all(first());
  const Order renewal = about(Kind::renew, "0A1B2C3D4E5F6G7J", "aa11");
  bring(renewal, "bb22", "5b02");
  install_all(renewal);
  const Instant completed = clock.now();
  REQUIRE(replaced(*store, "server", completed).size() == 1);
  // Enrolled again with the old key: first it is not known yet which one is meant, then it is.
  Order again = first();
  again.id = RequestId{"0A1B2C3D4E5F6G7N"};
  test::wanted(again).key = {KeyWish::Source::use, "www", "", ""};
  store->create(again, {{clock.now(), "uid:ann", Created{again}}}, begin(again, {}));
  CHECK(replaced(*store, "server", completed).empty());
  Key key = key_of_test();
  key.spki = SpkiHash{"5b01"};
  step(again.id, KeyReady{key});
  step(again.id, CsrSigned{draft_of_test(clock.now()).csr});
  step(again.id, DraftFrozen{draft_of_test(clock.now())});
  CHECK(replaced(*store, "server", completed).empty());
  step(again.id, CancelAsked{"no"});
  CHECK(replaced(*store, "server", completed).size() == 1);

  store->change_records({{Of::key, "5b01", {"active"}, "retired"}}, "worker:w", clock.now());
  again.id = RequestId{"0A1B2C3D4E5F6G7P"};
  test::wanted(again).key = {KeyWish::Source::use, "id=00", "", test::wanted(first()).key.cka_id};
  bring(again, "cc33", "5b01");
  CHECK(key_status("5b01") == "active");
  CHECK(facts("key-status") == Names{"active>retired", "retired>active"});
}

TEST_CASE_METHOD(Fixture, "a key that another certificate still uses is not named") {
  bring(first(), "aa11", "5b01");
  install_all(first());
  Order other = first();
  other.id = RequestId{"0A1B2C3D4E5F6G7N"};
  test::wanted(other).key = {KeyWish::Source::use, "id=00", "", ""};
  bring(other, "cc33", "5b01");
  const Order order = about(Kind::renew, "0A1B2C3D4E5F6G7J", "aa11");
  bring(order, "bb22", "5b02");
  install_all(order);
  CHECK(replaced(*store, "server", clock.now()).empty());
}

TEST_CASE_METHOD(Fixture, "a key that is used again keeps its kind and what is known of it") {
  bring(first(), "aa11", "5b01");
  store->change_records({{Of::key, "5b01", {}, "compromised"}}, "uid:ann", clock.now());
  Order again = first();
  again.id = RequestId{"0A1B2C3D4E5F6G7N"};
  test::wanted(again).key = {KeyWish::Source::use, "id=00", "", test::wanted(first()).key.cka_id};
  bring(again, "cc33", "5b01");
  KeyQuery query;
  query.spki = SpkiHash{"5b01"};
  CHECK(store->keys(query).at(0).spec == "ec:P-256");
  CHECK(store->keys(query).at(0).status == "compromised");
}

TEST_CASE_METHOD(Fixture, "what a person installs is recorded and audited") {
  bring(first(), "aa11", "5b01");
  store->note_installed("aa11", {"file:/y.pem", "/y.pem"}, "uid:ann", clock.now());
  store->note_installed("aa11", {"file:/y.pem", "/y.pem"}, "uid:ann", clock.now());
  CHECK(store->certificate("aa11").value().installed == Names{"file:/y.pem"});
  CHECK(facts("certificate-installed") == Names{">file:/y.pem", ">file:/y.pem"});
}

TEST_CASE_METHOD(Fixture, "an order about a certificate that changed meanwhile is a conflict and leaves nothing") {
  bring(first(), "aa11", "5b01");
  install_all(first());
  // Two processes looked at the same moment; the other one renewed it to the end.
  const Order mine = about(Kind::renew, "0A1B2C3D4E5F6G7K", "aa11");
  const Order theirs = about(Kind::renew, "0A1B2C3D4E5F6G7J", "aa11");
  bring(theirs, "bb22", "5b02");
  install_all(theirs);
  REQUIRE(status("aa11") == "superseded");
  try {
    store->create(mine, {{clock.now(), "uid:ann", Created{mine}}}, begin(mine, {}));
    FAIL("it was renewed twice");
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::conflict);
    CHECK(error.detail("status") == "superseded");
  }
  CHECK_FALSE(store->find(mine.id));
}

TEST_CASE_METHOD(Fixture, "what was renewed while its revocation came to nothing is superseded, not current") {
  bring(first(), "aa11", "5b01");
  install_all(first());
  const Order renewal = about(Kind::renew, "0A1B2C3D4E5F6G7J", "aa11");
  bring(renewal, "bb22", "5b02");
  const Order revocation = about(Kind::revoke, "0A1B2C3D4E5F6G7K", "aa11");
  store->create(revocation, {{clock.now(), "uid:ann", Created{revocation}}}, begin(revocation, {}));
  install_all(renewal);
  CHECK(status("aa11") == "revoking");
  step(revocation.id, CancelAsked{"no"});
  CHECK(status("aa11") == "superseded");
  CHECK(facts("certificate-status") == Names{"current>revoking", "revoking>superseded"});
}

TEST_CASE_METHOD(Fixture, "a target is replaced once a later certificate is there, and only that one") {
  bring(first(), "aa11", "5b01");
  const Order second = about(Kind::renew, "0A1B2C3D4E5F6G7J", "aa11");
  bring(second, "bb22", "5b02");
  CHECK_FALSE(store->replaced_at("aa11", "token"));
  Order third = about(Kind::renew, "0A1B2C3D4E5F6G7K", "bb22");
  test::wanted(third).key.cka_id = "ee" + test::wanted(third).key.cka_id.substr(2);
  bring(third, "cc33", "5b03");
  step(third.id, TargetInstalled{"token"});
  CHECK(store->replaced_at("aa11", "token"));
  CHECK(store->replaced_at("bb22", "token"));
  CHECK_FALSE(store->replaced_at("cc33", "token"));
  CHECK_FALSE(store->replaced_at("aa11", "file:/x.pem"));
  CHECK_FALSE(store->replaced_at("", "token"));
}

TEST_CASE_METHOD(Fixture, "certificates are asked for by key, without those in hand, and where the clock was wrong") {
  bring(first(), "aa11", "5b01");
  install_all(first());
  CertificateQuery query;
  query.spki = SpkiHash{"5b01"};
  CHECK(store->certificates(query).size() == 1);
  query.spki = SpkiHash{"5b02"};
  CHECK(store->certificates(query).empty());
  CHECK(store->has_certificate(SpkiHash{"5b01"}));
  CHECK_FALSE(store->has_certificate(SpkiHash{"5b02"}));
  KeyQuery key;
  key.token = first().token();
  key.cka_id = test::wanted(first()).key.cka_id;
  CHECK(store->keys(key).size() == 1);
  key.cka_id = "00";
  CHECK(store->keys(key).empty());

  query = {};
  query.statuses = {"current"};
  query.profile = "server";
  query.without_request = true;
  CHECK(store->certificates(query).size() == 1);
  const Order renewal = about(Kind::renew, "0A1B2C3D4E5F6G7J", "aa11");
  store->create(renewal, {{clock.now(), "uid:ann", Created{renewal}}}, begin(renewal, {}));
  CHECK(store->certificates(query).empty());
  step(renewal.id, CancelAsked{"no"});
  CHECK(store->certificates(query).size() == 1);
  query.statuses.clear();
  CHECK_THROWS_AS(store->certificates(query), Error);

  CHECK(store->not_past_their_end(clock.now()).empty());
  store->change_records({{Of::certificate, "aa11", {"current"}, "expired"}}, "worker:w", clock.now());
  CHECK(store->not_past_their_end(clock.now()).size() == 1);
  CHECK(store->not_past_their_end(clock.now() + 24h * 91).empty());
}

TEST_CASE_METHOD(OnDisk, "a damaged certificate hides no other one, and none is changed or deleted") {
  bring(first(), "aa11", "5b01");
  install_all(first());
  const Order renewal = about(Kind::renew, "0A1B2C3D4E5F6G7J", "aa11");
  bring(renewal, "bb22", "5b02");
  for (const char* sql : {"DELETE FROM certificates", "UPDATE certificates SET der = x'3000'",
                          "UPDATE certificates SET predecessor = ''", "UPDATE certificates SET spki = 'ab'"}) {
    INFO(sql);
    CHECK_FALSE(foreign(folder / "store.db", sql).empty());
  }
  REQUIRE(foreign(folder / "store.db", "UPDATE certificates SET chain = 'no JSON' WHERE fingerprint = 'aa11'") == "");
  const auto left = store->certificates();
  REQUIRE(left.size() == 1);
  CHECK(left[0].fingerprint == "bb22");
  CHECK_THROWS_AS(store->certificate("aa11"), Error);
  // Nor on a page that would hold it alone.
  REQUIRE(foreign(folder / "store.db", "UPDATE certificates SET status = 'current'") == "");
  CertificateQuery due;
  due.statuses = {"current"};
  due.profile = first().profile;
  due.most = 1;
  const auto page = store->certificates(due);
  REQUIRE(page.size() == 1);
  CHECK(page[0].fingerprint == "bb22");
}

TEST_CASE_METHOD(Fixture, "a certificate is said to be where nothing took its place since") {
  bring(first(), "aa11", "5b01");
  install_all(first());
  // Of another name, in the same file, and with the same key beside it, which is to keep both.
  Order other = first();
  other.id = RequestId{"0A1B2C3D4E5F6G7N"};
  test::wanted(other).key = {KeyWish::Source::use, "id=00", "", test::wanted(first()).key.cka_id};
  test::wanted(other).targets = {{"token", "keep"}, {"file:/x.pem", "/x.pem"}, {"hook:a", "a"}};
  bring(other, "cc33", "5b01");
  install_all(other);
  CHECK(store->certificate("aa11").value().installed == Names{"token"});
  CHECK(store->certificate("cc33").value().installed == Names{"token", "file:/x.pem", "hook:a"});
  store->note_installed("aa11", {"hook:a", "a"}, "uid:ann", clock.now());
  store->note_installed("aa11", {"token", ""}, "uid:ann", clock.now());
  CHECK(store->certificate("aa11").value().installed == Names{"token", "hook:a"});
  CHECK(store->certificate("cc33").value().installed == Names{"file:/x.pem", "hook:a"});
}

TEST_CASE_METHOD(Fixture, "what was in a chain is an issuer, and stays one when a better chain is stored") {
  bring(first(), "aa11", "5b01");
  const auto sha256_of = [](const Bytes& der) { return hex(sha256(der)); };
  const Bytes before{0x30, 0x01, 0x00};
  CHECK(store->is_issuer(sha256_of(before)));
  CHECK_FALSE(store->is_issuer("aa11"));
  CHECK_FALSE(store->is_issuer(""));
  CertificateRecord again = store->certificate("aa11").value();
  again.chain = {Bytes{0x30, 0x02}};
  Order other = first();
  other.id = RequestId{"0A1B2C3D4E5F6G7N"};
  wanted(other).key = {KeyWish::Source::use, "id=00", "", wanted(first()).key.cka_id};
  bring(other, "cc33", "5b01");
  step(other.id, TargetInstalled{"token"}, again);
  CHECK(store->is_issuer(sha256_of(Bytes{0x30, 0x02})));
  CHECK(store->is_issuer(sha256_of(before)));
}

TEST_CASE_METHOD(Fixture, "keys are asked for by what became of them") {
  bring(first(), "aa11", "5b01");
  const KeyRecord planned{"web", "next", "a1", "ec:P-256", SpkiHash{}, "planned-at-random", clock.now()};
  store->record_key(planned, "key-planned", "{}", "uid:ann", clock.now());
  const auto labels = [&](std::vector<std::string> statuses) {
    KeyQuery query;
    query.statuses = std::move(statuses);
    Names all;
    for (const KeyRecord& key : store->keys(query)) all.push_back(key.label);
    return all;
  };
  CHECK(labels({"active"}) == Names{wanted(first()).key.selector});
  CHECK(labels({"planned-at-random"}) == Names{"next"});
  CHECK(labels({"planned", "retired"}).empty());
}

TEST_CASE_METHOD(Fixture, "requests are asked for by the key that they use or are to make") {
  bring(first(), "aa11", "5b01");
  const auto ids = [&](const Requests::ListQuery& query) {
    Names all;
    for (const Record& record : store->list(query)) all.push_back(record.order.id.str());
    return all;
  };
  const auto open_for = [&](const std::string& spki) {
    Requests::ListQuery query;
    query.open_only = true;
    query.spki = SpkiHash{spki};
    return ids(query);
  };
  CHECK(open_for("5b01") == Names{"0A1B2C3D4E5F6G7H"});
  CHECK(open_for("5b02").empty());
  CHECK(open_for("").empty());
  Order named = first();
  named.id = RequestId{"0A1B2C3D4E5F6G7N"};
  wanted(named).key = {KeyWish::Source::use, "www", "", ""};
  store->create(named, {{clock.now(), "uid:ann", Created{named}}}, begin(named, {}));
  CHECK(open_for("") == Names{"0A1B2C3D4E5F6G7N"});
  Key key = key_of_test();
  key.spki = SpkiHash{"5b01"};
  step(named.id, KeyReady{key});
  CHECK(open_for("").empty());
  CHECK(open_for("5b01").size() == 2);
  install_all(first());
  CHECK(open_for("5b01") == Names{"0A1B2C3D4E5F6G7N"});

  Requests::ListQuery made;
  made.token = first().token();
  made.cka_id = wanted(first()).key.cka_id;
  CHECK(ids(made) == Names{"0A1B2C3D4E5F6G7H"});
  made.open_only = true;
  CHECK(ids(made).empty());
  made.open_only = false;
  made.cka_id = "00";
  CHECK(ids(made).empty());
}

TEST_CASE_METHOD(Fixture, "a request is found by every reference that its provider gave, in any letter case") {
  bring(first(), "aa11", "5b01");
  const auto found = [&](const std::string& provider, const std::string& reference) {
    Names all;
    for (const Record& record : store->by_reference(provider, ProviderReference{reference})) {
      all.push_back(record.order.id.str());
    }
    return all;
  };
  const Names it{"0A1B2C3D4E5F6G7H"};
  CHECK(found("tsb", "ref-1") == it);
  CHECK(found("tsb", "REF-1") == it);
  CHECK(found("tsb", "ref-2").empty());
  CHECK(found("other", "ref-1").empty());
  CHECK(found("tsb", "").empty());
  install_all(first());
  StatusReport late;
  late.status = RequestStatus::awaiting_approval;
  late.reference = ProviderReference{"ref-2"};
  store->keep_late_answer({first().id, {clock.now(), "worker:w", SubmissionAnswered{2, late}}, "it is over"}, {});
  CHECK(found("tsb", "ref-1") == it);
  CHECK(found("tsb", "ref-2") == it);
}
