// Serial numbers of CAs; and what a CA did elsewhere, which comes whole or not at all, and its numbers go on from there.
#include "any_store.h"
#include "base/error.h"
#include "foreign.h"
#include "support/requests.h"
#include "x509/content/extensions.h"

#include <string>

using namespace hsmbridge;
using namespace hsmbridge::test;
using namespace std::chrono_literals;
using workflow::CertifiedElsewhere;
using workflow::PublishedCrl;
using workflow::TakenOver;
using workflow::TakenSerial;
using workflow::Takeover;

namespace {

struct Takeovers : AnyStore {
  Takeover takeover{"old", Takeover::From::another_program, {}, {}, {}};

  Takeovers() {
    takeover.certificates = {{"10", "CN=ten", clock.now() + 24h}, {"11", "CN=eleven", clock.now() + 24h}};
    takeover.revoked = {{"old", "11", 1, clock.now() - 1h, clock.now() + 24h, ""}};
    takeover.crl = PublishedCrl{42, clock.now() - 1h, clock.now() + 24h, "aa"};
  }
  TakenOver take(workflow::Store& by) {
    return by.take_over(takeover, "ca-adopted", Json::object(), "ann", clock.now());
  }
  TakenOver take() { return take(*store); }
  std::uint64_t leaves() { return store->tree_head().size(); }
  void refused(const std::string& why) {
    const auto before = leaves();
    CHECK_THROWS_WITH(take(), Catch::Contains(why));
    CHECK(leaves() == before);
  }
  // As a store that was taken back to an older copy, and accepted.
  void restore() {
    if (which == "memory") {
      memory.restore("a test");
    } else {
      REQUIRE(foreign(folder / "store.db", "INSERT INTO restored (only, at, why) VALUES (1, 0, 'a test')").empty());
    }
    CHECK(store->suspended("old"));
    CHECK(store->accept_restored("ann", clock.now()));
  }
};

}  // namespace

TEST_CASE_METHOD(AnyStore, "a serial number is taken once under an issuer, whoever asks") {
  auto other = open();
  CHECK(store->take_serial({"root", "40aa", "", clock.now()}));
  CHECK_FALSE(store->take_serial({"root", "40aa", "", clock.now()}));
  CHECK_FALSE(other->take_serial({"root", "40aa", "REQUEST", clock.now()}));
  CHECK(other->take_serial({"issuing", "40aa", "", clock.now()}));
  CHECK(other->take_serial({"root", "40ab", "", clock.now()}));
  CHECK(store->serials_taken("root") == 2);
  CHECK(store->serials_taken("issuing") == 1);
  CHECK(store->serials_taken("nobody") == 0);
}

TEST_CASE("no program changes, deletes or replaces a serial number that was taken") {
  TempFolder folder;
  FakeClock clock;
  const std::filesystem::path file = folder / "store.db";
  const auto store = store::SqliteStore::open(file, clock);
  REQUIRE(store->take_serial({"root", "40aa", "ONE", clock.now()}));
  for (const auto* sql : {"UPDATE serial_numbers SET serial = '40ab'", "DELETE FROM serial_numbers",
                          "INSERT OR REPLACE INTO serial_numbers VALUES ('root', '40aa', 'TWO', 0)"}) {
    CAPTURE(sql);
    CHECK(foreign(file, sql).find("serial number") != std::string::npos);
  }
  CHECK(foreign_rows(file, "SELECT serial, request FROM serial_numbers") ==
        std::vector<std::vector<std::string>>{{"40aa", "ONE"}});
}

TEST_CASE_METHOD(Takeovers, "what a CA did elsewhere is known from then on, and its CRLs count on") {
  auto other = open();
  CHECK(take() == TakenOver{2, 1, true});
  CHECK(leaves() == 1);
  CHECK(other->serials_taken("old") == 2);
  CHECK_FALSE(other->take_serial({"old", "10", "REQUEST", clock.now()}));
  CHECK(other->certified_elsewhere("old", "11") == CertifiedElsewhere{"11", "CN=eleven", clock.now() + 24h});
  CHECK_FALSE(other->certified_elsewhere("new", "11"));
  CHECK(other->end_of_certificate("old", "10") == clock.now() + 24h);
  CHECK_FALSE(other->end_of_certificate("old", "12"));
  CHECK(other->revocation("old", "11") == takeover.revoked[0]);
  CHECK(other->last_crl("old", "") == takeover.crl);
  CHECK(other->take_crl_number("old", 0, clock.now()) == 43);
}

TEST_CASE_METHOD(Takeovers, "whose a certificate from elsewhere is may be learnt later, once") {
  using ca::Holder;
  auto other = open();
  const auto found = [&](Duration after = 0h) { return other->other_than_authority("old", clock.now() + after); };
  CHECK_FALSE(found());
  take();
  REQUIRE(found());
  CHECK_FALSE(found()->is_known);
  CHECK(found()->not_after == clock.now() + 24h);
  CHECK_FALSE(found(25h));
  CHECK_FALSE(other->other_than_authority("new", clock.now()));

  takeover.certificates[0].holder = Holder::authority;
  takeover.certificates[1].holder = Holder::end_entity;
  CHECK(take() == TakenOver{0, 0, false, 2});
  CHECK(leaves() == 2);
  CHECK(other->certified_elsewhere("old", "10")->holder == Holder::authority);
  CHECK(take() == TakenOver{});
  takeover.certificates[0].holder = Holder::end_entity;
  CHECK(take() == TakenOver{});  // what was written down first stays
  REQUIRE(found());
  CHECK(found()->is_known);
  CHECK(found()->serial == "11");
  CHECK(found()->subject == "CN=eleven");
  CHECK_FALSE(found(25h));
}

TEST_CASE_METHOD(Takeovers, "the key of a certificate from elsewhere may be learnt later, once") {
  const SpkiHash seen{std::string(64, '5')};
  const SpkiHash stolen{std::string(64, '6')};
  const auto status_of = [&](const SpkiHash& key) {
    const auto keys = store->keys({key, std::nullopt, std::nullopt});
    return keys.empty() ? std::string() : keys.front().status;
  };
  take();
  CHECK(store->certified_elsewhere("old", "10")->key.empty());
  takeover.certificates[0].key = seen;
  takeover.certificates[0].holder = ca::Holder::authority;
  takeover.certificates[1].key = stolen;
  CHECK(take() == TakenOver{0, 0, false, 2});
  CHECK(leaves() == 3);  // one of them about the key of the one that was revoked
  CHECK(open()->certified_elsewhere("old", "10")->key == seen);
  CHECK(open()->certified_elsewhere("old", "10")->holder == ca::Holder::authority);
  // It was revoked for keyCompromise before anybody knew whose it was.
  CHECK(status_of(stolen) == "compromised");
  CHECK(status_of(seen).empty());
  CHECK(take() == TakenOver{});
  takeover.certificates[0].key = stolen;
  CHECK(take() == TakenOver{});  // what was written down first stays
  CHECK(store->certified_elsewhere("old", "10")->key == seen);
  // The holder after the key.
  takeover.certificates[1].holder = ca::Holder::end_entity;
  CHECK(take() == TakenOver{0, 0, false, 1});
  CHECK(store->certified_elsewhere("old", "11")->key == stolen);
  CHECK(store->certified_elsewhere("old", "11")->holder == ca::Holder::end_entity);
}

TEST_CASE_METHOD(AnyStore, "what a serial number was taken for is known") {
  REQUIRE(store->take_serial({"root", "40aa", "", clock.now()}));
  REQUIRE(store->take_serial({"root", "40ab", "REQUEST", clock.now()}));
  CHECK(store->taken_for("root", "40aa") == "");
  CHECK(open()->taken_for("root", "40ab") == "REQUEST");
  CHECK_FALSE(store->taken_for("root", "40ac"));
  CHECK_FALSE(store->taken_for("issuing", "40aa"));
}

TEST_CASE_METHOD(AnyStore,
                 "a request that is open may bring a certificate that is no CA's, once a number is taken for it") {
  create(*store, order_of("SERVER", clock.now()));
  auto for_ca = order_of("SUB-CA", clock.now());
  wanted(for_ca).content.content.basic_constraints = x509::parse_basic_constraints("CA:TRUE");
  create(*store, for_ca);
  CHECK_FALSE(store->other_than_authority("root", clock.now()));
  REQUIRE(store->take_serial({"root", "40aa", "SUB-CA", clock.now()}));
  CHECK_FALSE(store->other_than_authority("root", clock.now()));
  REQUIRE(store->take_serial({"root", "40ab", "SERVER", clock.now()}));
  const auto found = store->other_than_authority("root", clock.now());
  REQUIRE(found);
  CHECK(found->request == "SERVER");
  CHECK(found->serial == "40ab");
}

TEST_CASE_METHOD(Takeovers, "the key of what was revoked elsewhere for keyCompromise is compromised here") {
  const SpkiHash stolen{std::string(64, '5')};
  const auto status_of_it = [&] {
    const auto keys = store->keys({stolen, std::nullopt, std::nullopt});
    return keys.empty() ? std::string() : keys.front().status;
  };
  takeover.certificates[0].key = stolen;
  takeover.certificates[1].key = SpkiHash{std::string(64, '6')};
  const SpkiHash ours{std::string(64, '6')};
  const auto record = [&](const std::string& status) {
    store->record_key({"web", "www", "07", "ec:P-256", ours, status, clock.now()}, "test", "{}", "ann", clock.now());
  };
  record("active");
  take();
  CHECK(store->certified_elsewhere("old", "10")->key == stolen);
  REQUIRE(store->keys({ours, std::nullopt, std::nullopt}).size() == 1);
  CHECK(store->keys({ours, std::nullopt, std::nullopt})[0].status == "compromised");
  CHECK(status_of_it().empty());
  takeover.revoked.push_back({"old", "10", 1, clock.now(), clock.now() + 24h, ""});
  CHECK(take() == TakenOver{0, 1, false});
  CHECK(status_of_it() == "compromised");
  // Whatever is heard of it later.
  for (const std::string later : {"active", "destroyed", "retired"}) {
    record(later);
    CHECK(store->keys({ours, "web", std::nullopt}).at(0).status == "compromised");
  }
}

TEST_CASE_METHOD(Takeovers, "the same again is nothing new, and what came meanwhile is added") {
  take();
  CHECK(take() == TakenOver{});
  CHECK(leaves() == 1);
  store->take_crl_number("old", 0, clock.now());
  store->crl_published("old", {43, clock.now(), clock.now(), "bb"});
  CHECK(take() == TakenOver{});
  takeover.certificates.push_back({"12", "CN=twelve", clock.now()});
  CHECK(take() == TakenOver{1, 0, false});
  CHECK(store->last_crl("old", "")->number == 43);
}

TEST_CASE_METHOD(Takeovers, "what collides is refused, and nothing of it is written") {
  SECTION("a serial number that was given here") {
    store->take_serial({"old", "11", "REQUEST", clock.now()});
    refused("11 was given here before");
    CHECK_FALSE(store->certified_elsewhere("old", "10"));
  }
  SECTION("another end") {
    take();
    takeover.certificates[0].not_after += 1s;
    refused("said to end");
  }
  SECTION("another CRL of that number") {
    take();
    takeover.crl->sha256 = "bb";
    refused("not the last one");
  }
  SECTION("an older CRL than one of here") {
    for (int i = 0; i < 43; ++i) store->take_crl_number("old", 0, clock.now());
    refused("not the last one");
    CHECK_FALSE(store->certified_elsewhere("old", "10"));
  }
}

TEST_CASE_METHOD(Takeovers, "a CA whose last CRL is lost counts on from the number that a person names") {
  store->take_crl_number("old", 0, clock.now());
  store->crl_published("old", {1, clock.now() - 1h, clock.now(), "aa"});
  takeover = {"old", Takeover::From::a_lost_store, {}, {}, {}, {}, 1};
  refused("were given");
  takeover.next_crl_number = 100;
  CHECK(take() == TakenOver{0, 0, true});
  CHECK(take() == TakenOver{});
  REQUIRE(store->last_crl("old", ""));
  CHECK(store->last_crl("old", "")->sha256 == workflow::kLostCrl);
  CHECK(store->last_crl("old", "")->this_update == clock.now() - 1h);
  CHECK(store->take_crl_number("old", 0, clock.now()) == 100);
}

TEST_CASE_METHOD(Takeovers, "the number that a person names may follow the last one that was given here") {
  store->take_crl_number("old", 0, clock.now());
  store->crl_published("old", {1, clock.now() - 1h, clock.now(), "aa"});
  takeover = {"old", Takeover::From::a_lost_store, {}, {}, {}, {}, 2};
  CHECK(take() == TakenOver{0, 0, true});
  REQUIRE(store->last_crl("old", ""));
  CHECK(store->last_crl("old", "")->sha256 == workflow::kLostCrl);
  CHECK(store->last_crl("old", "")->this_update == clock.now() - 1h);
  CHECK(store->take_crl_number("old", 0, clock.now()) == 3);  // number 1 has its CRL, so the lost one is number 2
  CHECK(take() == TakenOver{});
}

TEST_CASE_METHOD(Takeovers,
                 "after a store was restored each of its CAs waits until it was told what the lost one did") {
  takeover.from = Takeover::From::a_lost_store;
  CHECK_FALSE(store->suspended("old"));
  store->take_serial({"old", "10", "REQUEST", clock.now()});
  store->take_crl_number("old", 0, clock.now());
  restore();
  CHECK(open()->suspended("old"));
  CHECK(store->suspended("another"));
  CHECK(take() == TakenOver{2, 1, true});  // 10 was only drafted here
  CHECK(store->certified_elsewhere("old", "10"));
  CHECK(store->serials_taken("old") == 2);
  CHECK_FALSE(open()->suspended("old"));
  CHECK(store->suspended("another"));
  restore();
  CHECK(store->suspended("old"));
  const auto before = leaves();
  CHECK(take() == TakenOver{});
  CHECK(leaves() == before + 1);
  CHECK_FALSE(store->suspended("old"));
}

TEST_CASE_METHOD(Takeovers, "what another program did says nothing of what a lost store did") {
  take();
  restore();
  CHECK(take() == TakenOver{});
  CHECK(store->suspended("old"));
  takeover.issuer = "new";
  takeover.revoked.clear();
  take();
  CHECK_FALSE(store->suspended("new"));
  takeover.issuer = "numbered";
  store->take_crl_number("numbered", 0, clock.now());
  take();
  CHECK(store->suspended("numbered"));
}

TEST_CASE_METHOD(Takeovers, "a CRL that was taken a number for and not published may be the last one of a lost store") {
  for (int i = 0; i < 42; ++i) store->take_crl_number("old", 0, clock.now());
  refused("not the last one");
  takeover.from = Takeover::From::a_lost_store;
  CHECK(take() == TakenOver{2, 1, true});
  CHECK(store->last_crl("old", "") == takeover.crl);
}

TEST_CASE_METHOD(Takeovers,
                 "numbers that a lost store may have given are not given again, whatever it was told before") {
  take();
  CHECK(store->take_crl_number("old", 0, clock.now()) == 43);  // a CRL that waits for its signature
  restore();
  takeover.from = Takeover::From::a_lost_store;
  takeover.crl_numbers_to_skip = 1000;
  const auto before = leaves();
  CHECK(take() == TakenOver{});
  CHECK(leaves() == before + 1);
  CHECK(store->last_crl("old", "") == takeover.crl);
  CHECK_FALSE(store->is_crl_number_taken("old", 1043));
  CHECK(store->take_crl_number("old", 0, clock.now()) == 1044);
  CHECK(take() == TakenOver{});
  CHECK(leaves() == before + 2);
  CHECK(store->take_crl_number("old", 0, clock.now()) == 2045);
}

TEST_CASE_METHOD(Takeovers, "after numbers were skipped the one that waited may turn out to be the last, or be lost") {
  take();
  CHECK(store->take_crl_number("old", 0, clock.now()) == 43);
  restore();
  takeover.from = Takeover::From::a_lost_store;
  takeover.crl_numbers_to_skip = 1000;
  take();
  restore();
  SECTION("it was published") {
    takeover.crl = PublishedCrl{43, clock.now(), clock.now() + 24h, "bb"};
    CHECK(take() == TakenOver{0, 0, true});
    CHECK(store->last_crl("old", "") == takeover.crl);
    CHECK(store->take_crl_number("old", 0, clock.now()) == 2044);
  }
  SECTION("it is lost") {
    takeover.crl.reset();
    takeover.next_crl_number = 1045;
    CHECK(take() == TakenOver{0, 0, true});
    REQUIRE(store->last_crl("old", ""));
    CHECK(store->last_crl("old", "")->sha256 == workflow::kLostCrl);
    CHECK(store->take_crl_number("old", 0, clock.now()) == 2045);
  }
}

TEST_CASE("no program takes back what a CA did elsewhere") {
  TempFolder folder;
  FakeClock clock;
  const std::filesystem::path file = folder / "store.db";
  const auto store = store::SqliteStore::open(file, clock);
  const CertifiedElsewhere ten{"10", "CN=ten", clock.now(), SpkiHash{std::string(64, '5')}, ca::Holder::authority};
  store->take_over({"old", Takeover::From::another_program, {ten}, {}, {}}, "ca-adopted", Json::object(), "ann",
                   clock.now());
  for (const auto* sql :
       {"UPDATE certified_elsewhere SET not_after = 0", "DELETE FROM certified_elsewhere",
        "UPDATE certified_elsewhere SET spki = ''", "UPDATE certified_elsewhere SET spki = 'aa'",
        "UPDATE certified_elsewhere SET holder = ''", "UPDATE certified_elsewhere SET holder = 'end-entity'",
        "INSERT OR REPLACE INTO certified_elsewhere VALUES ('old', '10', '', 0)",
        "INSERT INTO crls VALUES ('old', 7, 0, 0, 0, '')"}) {
    CAPTURE(sql);
    CHECK_FALSE(foreign(file, sql).empty());
  }
}
