#include "service/keys/keys.h"

#include "life.h"
#include "service/keys/csr_batch.h"
#include "support/error_of.h"
#include "support/memory_key_ring.h"
#include "workflow/machine/lifecycle.h"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

using namespace hsmbridge;
using namespace hsmbridge::test;

namespace {

struct Keys : Life {
  MemoryKeyRing ring;
  int said = 0;
  bool with_store = true;

  service::Logbook log() {
    return {[this]() -> std::unique_ptr<workflow::Store> {
              return with_store ? store::SqliteStore::open(folder / "store.db", clock) : nullptr;
            },
            service::Actor{"uid:alice", "operating system", {}}, clock, [this] { ++said; }};
  }
  static service::NewKeys of(std::vector<std::string> labels) {
    return {std::move(labels), x509::parse_key_spec("ec:P-256"), workflow::KeyUse::sign, std::nullopt};
  }
  std::string status_of(const std::string& label) {
    const auto keys = store->keys({std::nullopt, "web", label});
    return keys.size() == 1 ? keys.front().status : std::to_string(keys.size()) + " records";
  }
  std::string leaves() {
    std::string text;
    for (const auto& leaf : store->leaves(0, 1000)) text += leaf.data + "\n";
    return text;
  }
};

}  // namespace

TEST_CASE_METHOD(Keys, "a key that could not be made stays planned, and the same command makes it under the same id") {
  auto book = log();
  ring.most = 1;
  const Error failed = error_of([&] { service::make_keys(ring, book, of({"web-1", "web-2"})); });
  CHECK(failed.detail("made") == "1 of 2 keys, which stay");
  CHECK(status_of("web-1") == workflow::status::kActive);
  CHECK(status_of("web-2") == workflow::status::kPlannedAtRandom);
  const auto planned = store->keys({std::nullopt, "web", "web-2"}).front().cka_id;
  const auto made = service::make_keys(ring, book, of({"web-2"}));
  CHECK(hex(made.front().key.id) == planned);
  CHECK(status_of("web-2") == workflow::status::kActive);
  CHECK(said == 0);
}

TEST_CASE_METHOD(Keys, "without a store keys are made and that nothing is written down is said once") {
  with_store = false;
  auto book = log();
  service::make_keys(ring, book, of({"a", "b"}));
  CHECK(ring.keys.size() == 2);
  CHECK(said == 1);
}

TEST_CASE_METHOD(Keys, "a CSR is signed after its use is written down, and its key is active from then on") {
  auto book = log();
  service::NewCsr wanted;
  wanted.new_key = "web";
  wanted.wishes.names = {"dns:www.example.com"};
  const auto made = service::make_csr(ring, book, wanted, {});
  CHECK(made.key_made);
  CHECK_FALSE(made.der.empty());
  const auto log_text = leaves();
  CHECK(log_text.find("key-planned") < log_text.find("key-generated"));
  CHECK(log_text.find("key-generated") < log_text.find("key-use"));
  CHECK(log_text.find("uid:alice") != std::string::npos);
  wanted.key = "web";
  CHECK(error_of([&] { service::make_csr(ring, book, wanted, {}); }).kind() == ErrorKind::invalid_input);
}

TEST_CASE_METHOD(Keys, "of many CSRs one that fails stops nobody else's and the token is logged in to once") {
  auto book = log();
  service::NewCsr typed;
  typed.wishes.names = {"dns:www.example.com"};
  const auto rows = service::read_batch("new-key,key,out\na,,\n,nobody,x\nb,,\n", service::csr_columns());
  std::vector<std::string> told;
  service::make_csrs(ring, book, rows, typed, {}, folder.path().string(),
                     [&](const service::CsrRow& row) { told.push_back(row.made ? row.made->key.label : "failed"); });
  CHECK(told == std::vector<std::string>{"a", "failed", "b"});
  CHECK(ring.logins == 1);
}

TEST_CASE_METHOD(Keys, "while the store cannot be opened nothing is signed, however often it is asked") {
  auto book = log();
  service::make_keys(ring, book, of({"web"}));
  bool broken = true;
  service::Logbook failing{[&]() -> std::unique_ptr<workflow::Store> {
                             if (broken) throw Error{ErrorKind::unavailable, "the disk is full"};
                             return store::SqliteStore::open(folder / "store.db", clock);
                           },
                           service::Actor{"uid:alice", "operating system", {}}, clock, [this] { ++said; }};
  service::NewCsr typed;
  typed.wishes.names = {"dns:www.example.com"};
  const auto rows = service::read_batch("key,out\nweb,1\nweb,2\nweb,3\n", service::csr_columns());
  std::vector<bool> made;
  service::make_csrs(ring, failing, rows, typed, {}, folder.path().string(), [&](const service::CsrRow& row) {
    made.push_back(row.made.has_value());
    broken = made.size() < 2;
  });
  CHECK(made == std::vector<bool>{false, false, true});
  CHECK(said == 0);
}

TEST_CASE_METHOD(Keys, "a key that an open request means is not destroyed, and one that nobody needs is") {
  auto book = log();
  service::make_keys(ring, book, of({"www", "other"}));
  create(*store, first());  // makes the key www in token web
  const auto same = [](const std::string& name) { return name == "web"; };
  const auto other_token = [](const std::string&) { return false; };
  const auto www = ring.find("www");
  CHECK(error_of([&] { service::refuse_in_use(*store, ring, www, same); }).kind() == ErrorKind::refused);
  CHECK_NOTHROW(service::refuse_in_use(*store, ring, www, other_token));
  CHECK_NOTHROW(service::refuse_in_use(*store, ring, ring.find("other"), same));
  service::destroy_key(ring, book, ring.find("other"), workflow::WithCertificates::keep);
  CHECK(ring.match("other").empty());
  CHECK(status_of("other") == workflow::status::kDestroyed);
  CHECK(leaves().find("key-destroyed") != std::string::npos);
}

TEST_CASE_METHOD(Keys, "a key that is compromised stays so when it is destroyed, and becomes so afterwards too") {
  auto book = log();
  service::make_keys(ring, book, of({"first", "second"}));
  const auto compromise = [&](const std::string& label) {
    const auto spki = store->keys({std::nullopt, "web", label}).front().spki;
    workflow::Order order;
    order.what = workflow::Revoke{{"5eed", {}, spki, "current", {}, ""}, std::string(workflow::kKeyCompromise)};
    auto changes = workflow::record_changes_at_begin(order);
    std::erase_if(changes, [](const auto& one) { return one.of == workflow::StatusChange::Of::certificate; });
    store->change_records(changes, "uid:alice", clock.now());
  };
  compromise("first");
  for (const char* const label : {"first", "second"}) {
    service::destroy_key(ring, book, ring.find(label), workflow::WithCertificates::keep);
  }
  CHECK(status_of("first") == workflow::status::kCompromised);
  CHECK(status_of("second") == workflow::status::kDestroyed);
  compromise("second");
  CHECK(status_of("second") == workflow::status::kCompromised);
}
