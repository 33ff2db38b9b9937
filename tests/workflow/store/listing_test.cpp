// Pages of lists, in SQLite and in memory.
#include "any_store.h"
#include "base/error.h"
#include "foreign.h"
#include "support/requests.h"

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

using namespace hsmbridge;
using namespace hsmbridge::test;
using namespace hsmbridge::workflow;
using namespace std::chrono_literals;

namespace {

using Ids = std::vector<std::string>;

struct Fixture : AnyStore {
  using AnyStore::AnyStore;

  // A request of a provider and profile for a name; those of one moment are told apart by their ids.
  Order add(const std::string& id, const std::string& provider, const std::string& profile, const std::string& name) {
    Order order = order_of(id, clock.now());
    order.provider = provider;
    order.profile = profile;
    x509::RequestedContent content = content_for("CN=" + name);
    content.content.subject_alternative_names = {x509::GeneralName::parse("dns:" + name),
                                                 x509::GeneralName::parse("ip:192.0.2.1")};
    wanted(order).content = content;
    create(*store, order);
    return order;
  }
  void add_all() {
    add("R1", "tsb", "server", "a.example.com");
    add("R2", "tsb", "server", "b.example.com");
    clock.advance(1h);
    add("R3", "cloud", "server", "a.example.com");
    add("R4", "cloud", "client", "c.example.com");
    clock.advance(1h);
    add("R5", "tsb", "client", "a.example.com");
    add("R6", "tsb", "server", "d.example.com");
    for (const char* id : {"R2", "R5"}) take(*store, RequestId{id}, CancelAsked{"no"}, clock.now());
  }
  // The pages of that size, one after the other.
  template <class Query, class IdOf>
  Ids in_pages(Query query, unsigned size, IdOf id_of) {
    Ids ids;
    query.most = size;
    for (;;) {
      const auto page = store->page(query);
      REQUIRE(page.size() <= size);
      if (page.empty()) return ids;
      for (const auto& line : page) ids.push_back(id_of(line));
      query.after = id_of_line(page.back());
    }
  }
  static RequestId id_of_line(const RequestLine& line) { return line.id; }
  static std::string id_of_line(const CertificateLine& line) { return line.record.fingerprint; }
  Ids requests(const RequestQuery& query, unsigned size = 100) {
    return in_pages(query, size, [](const RequestLine& line) { return line.id.str(); });
  }
  Ids certificates(const CertificateListQuery& query, unsigned size = 100) {
    return in_pages(query, size, [](const CertificateLine& line) { return line.record.fingerprint; });
  }

  // A certificate of a new request, that ends after `life`.
  void bring(const std::string& id, const std::string& fingerprint, const std::string& provider,
             const std::string& profile, const std::string& name, Duration life) {
    const Order order = add(id, provider, profile, name);
    CertificateRecord record;
    record.fingerprint = fingerprint;
    record.der = {0x30, 0x00};
    record.request = order.id;
    record.spki = SpkiHash{"5b" + fingerprint};
    record.subject = "CN=" + name;
    record.not_before = clock.now();
    record.not_after = clock.now() + life;
    record.status = "current";
    record.stored_at = clock.now();
    Step step = step_of(store->find(order.id).value(), KeyReady{key_of_test()}, clock.now());
    step.certificate = record;
    REQUIRE(store->commit({step}).at(0) == StepResult::committed);
  }
};

struct OnDisk : Fixture {
  OnDisk() : Fixture("SQLite") {}
};

}  // namespace

TEST_CASE_METHOD(Fixture, "a list of requests shows each of them once, in pages of any size") {
  add_all();
  const Ids all{"R6", "R5", "R4", "R3", "R2", "R1"};
  for (const unsigned size : {1U, 2U, 3U, 5U, 6U, 7U}) {
    CAPTURE(size);
    CHECK(requests({}, size) == all);
    RequestQuery open;
    open.open_only = true;
    CHECK(requests(open, size) == Ids{"R6", "R4", "R3", "R1"});
    RequestQuery named;
    named.name = "a.example.com";
    CHECK(requests(named, size) == Ids{"R5", "R3", "R1"});
  }
}

TEST_CASE_METHOD(Fixture, "requests are listed by state, provider, profile, name and age, and by all of them") {
  add_all();
  const auto count = [&](const RequestQuery& query) {
    RequestQuery counted = query;
    counted.most = 1000;
    return store->count(counted);
  };
  const auto check = [&](const RequestQuery& query, const Ids& ids) {
    CHECK(requests(query, 2) == ids);
    CHECK(count(query) == ids.size());
  };
  RequestQuery query;
  query.states = {StateName::cancelled};
  check(query, {"R5", "R2"});
  query.states = {StateName::cancelled, StateName::preparing};
  check(query, {"R6", "R5", "R4", "R3", "R2", "R1"});
  query.provider = "tsb";
  check(query, {"R6", "R5", "R2", "R1"});
  query.profile = "server";
  check(query, {"R6", "R2", "R1"});
  query.since = clock.now() - 1h;
  check(query, {"R6"});
  query.name = "d.example.com";
  check(query, {"R6"});
  query.provider = "cloud";
  check(query, {});
  query = {};
  query.name = "192.0.2.1";
  query.open_only = true;
  query.states = {StateName::preparing, StateName::cancelled};
  query.profile = "server";
  check(query, {"R6", "R3", "R1"});
  query = {};
  query.provider = "no such";
  check(query, {});
  query = {};
  query.since = clock.now() - 1h;
  check(query, {"R6", "R5", "R4", "R3"});
  query.since = clock.now() + 1s;
  check(query, {});
  query = {};
  query.after = RequestId{"R4"};
  check(query, {"R3", "R2", "R1"});
  query.most = 2;
  CHECK(store->count(query) == 2);
  query.after = RequestId{"R9"};
  CHECK_THROWS_AS(store->page(query), Error);
}

TEST_CASE_METHOD(Fixture,
                 "a line says what the request's record says, also when its key is known and when it is renewed") {
  bring("R1", "aa11", "tsb", "server", "a.example.com", 24h);
  const CertificateRecord record = store->certificate("aa11").value();
  const Predecessor old{"aa11", record.der, record.spki, record.status, record.reference, record.provider_state};
  Order renewal = order_of("R2", clock.now());
  make_renewal(renewal, old);
  create(*store, renewal);
  Order revocation = order_of("R3", clock.now());
  make_revocation(revocation, old, "keyCompromise");
  store->create(revocation, {{clock.now(), "uid:ann", Created{revocation}}}, begin(revocation, {}));
  const auto lines = store->page(RequestQuery{});
  REQUIRE(lines.size() == 3);
  for (const RequestLine& line : lines) CHECK(line == line_of(store->find(line.id).value()));
  CHECK(lines[2].key == "web");  // as the token calls it
  CHECK(lines[2].names == "a.example.com, ip:192.0.2.1");
  CHECK(lines[1].predecessor == "aa11");
  CHECK(lines[0].kind == Kind::revoke);
  CHECK(lines[0].token.empty());
}

TEST_CASE_METHOD(Fixture, "certificates are listed by their end, by status, provider, profile, name and age") {
  bring("R1", "aa11", "tsb", "server", "a.example.com", 72h);
  bring("R2", "bb22", "tsb", "server", "b.example.com", 24h);
  clock.advance(1h);
  bring("R3", "cc33", "cloud", "server", "a.example.com", 48h);
  bring("R4", "dd44", "cloud", "client", "c.example.com", 23h);
  store->change_records({{StatusChange::Of::certificate, "cc33", {}, "revoked"}}, "uid:ann", clock.now());
  const auto check = [&](const CertificateListQuery& query, const Ids& ids) {
    for (const unsigned size : {1U, 2U, 10U}) CHECK(certificates(query, size) == ids);
    CHECK(store->count(query) == ids.size());
  };
  CertificateListQuery query;
  check(query, {"bb22", "dd44", "cc33", "aa11"});  // of one end, by SHA-256
  query.statuses = {"current"};
  check(query, {"bb22", "dd44", "aa11"});
  query.provider = "tsb";
  check(query, {"bb22", "aa11"});
  query.ends_by = clock.now() + 24h;
  check(query, {"bb22"});
  query = {};
  query.profile = "client";
  check(query, {"dd44"});
  query = {};
  query.name = "a.example.com";
  check(query, {"cc33", "aa11"});
  query.statuses = {"current", "late"};
  check(query, {"aa11"});
  query = {};
  query.since = clock.now();
  check(query, {"dd44", "cc33"});  // the newest first
  query.statuses = {"current"};
  check(query, {"dd44"});
  query.ends_by = clock.now() + 1h;
  check(query, {});
  query = {};
  query.since = clock.now() - 2h;
  query.name = "a.example.com";
  query.ends_by = clock.now() + 96h;
  check(query, {"cc33", "aa11"});
  query = {};
  query.after = "no such";
  CHECK_THROWS_AS(store->page(query), Error);
  const auto line = store->page(CertificateListQuery{}).at(3);
  CHECK(line.record.request == RequestId{"R1"});
  CHECK(line.record.der.empty());
  CHECK(line.names == "a.example.com, ip:192.0.2.1");
  CHECK(line.token == "web");
}

TEST_CASE_METHOD(OnDisk, "a damaged row is left out of a list, and its page is full without it") {
  add_all();
  REQUIRE(foreign(folder / "store.db", "UPDATE requests SET state = 'Nonsense' WHERE id = 'R6'").empty());
  RequestQuery query;
  query.most = 2;
  const auto page = store->page(query);
  REQUIRE(page.size() == 2);
  CHECK(page[0].id == RequestId{"R5"});
  CHECK(page[1].id == RequestId{"R4"});
}
