// A CRL that was signed while the clock was ahead, and the way back from it.
#include "own_ca.h"
#include "service/authorities/authorities.h"
#include "support/said.h"

using namespace hsmbridge;
using namespace hsmbridge::test;

namespace {

// Number 1 is of thirty days from now.
struct Ahead : Ca {
  const Instant now = clock.now();
  const Instant ahead = now + 24h * 30;

  Ahead() {
    // Ends before that, and not before now.
    store.revoke({issuer, "4000", 4, now - 1h, now + 24h * 10, ""});
    clock.set_wall(ahead);
    provider->publish_crl("", clock.now());
    clock.set_wall(now);
  }
  x509::TbsCertList there() const { return x509::parse_crl(read_file(settings.crl->file)).tbs; }
  Error refusal() {
    try {
      provider->publish_crl("", clock.now());
    } catch (const Error& error) {
      return error;
    }
    FAIL("it was published");
    return Error{ErrorKind::internal, ""};
  }
};

}  // namespace

TEST_CASE_METHOD(Ahead, "after a CRL of the future a person publishes one of now, and all goes on") {
  CHECK(provider->crl_standing().crls.at(0).overdue);
  const Error error = refusal();
  CHECK(error.kind() == ErrorKind::conflict);
  CHECK(error.message() == "the last CRL is of " + rfc3339(ahead) + ", and this machine's clock says " + rfc3339(now));
  CHECK(error.hint().find("hsmbridge ca crl root --clock-was-ahead") != std::string::npos);

  const auto made = provider->publish_crl_after_future("", clock.now());
  REQUIRE(made);
  CHECK(made->crl.number == 2);
  CHECK(made->crl.this_update == now);
  CHECK(made->after_future == ahead);
  CHECK(uses.back().find("\"after_crl_of\":\"" + rfc3339(ahead) + "\"") != std::string::npos);
  CHECK(service::crl_facts("root", *made).dump().find("\"after_crl_of\":\"" + rfc3339(ahead) + "\"") !=
        std::string::npos);
  // Its certificate has not ended.
  REQUIRE(there().revoked.size() == 1);
  CHECK(x509::serial_text(there().revoked[0].serial) == "4000");

  // As after any other one.
  const auto standing = provider->crl_standing().crls.at(0);
  CHECK_FALSE(standing.overdue);
  CHECK(standing.due.empty());
  CHECK_FALSE(provider->publish_crl_after_future("", clock.now()));
  CHECK(signatures == 2);
  revoke("4001");
  auto rounds = schedule();
  rounds.round();
  CHECK(store.last_crl(issuer, "")->number == 3);
  CHECK(there().revoked.size() == 2);
  clock.advance(24h);
  rounds.round();
  CHECK(store.last_crl(issuer, "")->number == 4);
  // After its end it is on one CRL more.
  clock.advance(24h * 10);
  rounds.round();
  CHECK(there().revoked.size() == 2);
  clock.advance(24h);
  rounds.round();
  CHECK(there().revoked.size() == 1);
}

TEST_CASE_METHOD(Ahead, "nothing is published after a CRL of the future that nobody asked for by that name") {
  auto rounds = schedule();
  const std::string said = said_meanwhile([&] { rounds.round(); });
  CHECK(said.find("CA root: its CRL is OVERDUE: the last one is valid from " + rfc3339(ahead)) != std::string::npos);
  CHECK(said.find("hsmbridge ca crl root --clock-was-ahead") != std::string::npos);
  revoke("4001");
  rounds.round();
  CHECK(signatures == 1);
  CHECK(store.take_crl_number(issuer, 1, now) == 2);
}

TEST_CASE_METHOD(Ca, "a CRL in its place that nobody wrote down is not followed by one of an earlier time") {
  provider->publish_crl("", clock.now());
  REQUIRE(store.take_crl_number(issuer, 1, clock.now()) == 2);
  store.revoke({issuer, "44", 1, clock.now(), clock.now() + 24h, ""});
  const Instant now = clock.now();
  clock.advance(1h);
  write_file(settings.crl->file, foreign_crl(2), FileMode::public_0644, Existing::replace);
  clock.set_wall(now);
  CHECK_THROWS_WITH(provider->publish_crl("", now), Catch::Contains("the last CRL is of " + rfc3339(now + 1h)));
  CHECK(signatures == 1);
  SECTION("once that time has come it is") {
    clock.set_wall(now + 1h);
    CHECK(provider->publish_crl("", clock.now()).crl.number == 3);
  }
  SECTION("by a person who knows that the clock was ahead it is") {
    const auto made = provider->publish_crl_after_future("", now);
    REQUIRE(made);
    CHECK(made->crl.number == 3);
    CHECK(made->after_future == now + 1h);
  }
}

TEST_CASE_METHOD(Ca, "of shards those alone are replaced whose last one is of the future, and they hold up no other") {
  settings.crl->file.clear();
  shard(2);
  const Instant now = clock.now();
  provider->publish_crl("0", now);
  clock.set_wall(now + 24h);
  provider->publish_crl("1", clock.now());
  clock.set_wall(now);
  store.revoke({issuer, "4000", 4, now, now + 24h * 90, "", kEveryShard});
  auto rounds = schedule();
  rounds.round();
  CHECK(store.last_crl(issuer, url_of(0))->number == 3);
  CHECK(store.last_crl(issuer, url_of(1))->number == 2);
  // The one that is refused does not make the other wait.
  store.revoke({issuer, "4001", 4, now, now + 24h * 90, "", kEveryShard});
  rounds.round();
  CHECK(store.last_crl(issuer, url_of(0))->number == 4);
  CHECK_FALSE(provider->publish_crl_after_future("0", now));
  CHECK(provider->publish_crl_after_future("1", now)->crl.number == 5);
}
