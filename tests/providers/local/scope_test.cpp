// CRLs about CAs alone: nobody's revocation may be left out of them.
#include "own_ca.h"
#include "support/requests.h"

using namespace hsmbridge;
using namespace hsmbridge::test;

namespace {

using Scope = CrlPlace::Scope;

struct OfAuthorities : Ca {
  OfAuthorities() { set(Scope::authorities); }
  void set(Scope scope) {
    settings.crl->scope = scope;
    make();
  }
  x509::TbsCertList published() const { return x509::parse_crl(read_file(settings.crl->file)).tbs; }
  std::uint64_t publish() { return provider->publish_crl("", clock.now()).crl.number; }
  Error refusal() {
    try {
      publish();
    } catch (const Error& error) {
      return error;
    }
    FAIL("a CRL was published");
    return Error{ErrorKind::internal, ""};
  }
  // What the CA certified elsewhere, until 90 days from now.
  void certified(const std::string& serial, ca::Holder holder) {
    Takeover takeover{issuer, Takeover::From::a_lost_store, {}, {}, {}};
    takeover.certificates = {{serial, "CN=" + serial, clock.now() + 24h * 90, {}, holder}};
    store.take_over(takeover, "test", Json::object(), "ann", clock.now());
  }
};

}  // namespace

TEST_CASE_METHOD(OfAuthorities, "a CA of CAs publishes CRLs about CAs alone, and goes back to all and on again") {
  certified("10", ca::Holder::authority);
  revoke("10");
  CHECK(publish() == 1);
  CHECK(ca::is_only_of_authorities(published()));
  CHECK(published().revoked.size() == 1);
  CHECK(due().empty());

  set(Scope::all);
  CHECK(due() == "the last one is about CAs alone, and `scope` says all certificates");
  CHECK(publish() == 2);
  CHECK_FALSE(published().issuing_distribution_point);
  CHECK(published().revoked.size() == 1);
  CHECK(due().empty());

  set(Scope::authorities);
  CHECK(due() == "the last one is about all certificates, and `scope` says CAs alone");
  CHECK(publish() == 3);
  CHECK(ca::is_only_of_authorities(published()));
  CHECK(published().revoked.size() == 1);
}

TEST_CASE_METHOD(OfAuthorities,
                 "no CRL is about CAs alone before what is no CA's has ended and was on a CRL after that") {
  set(Scope::all);
  certified("20", ca::Holder::end_entity);
  revoke("20");
  CHECK(publish() == 1);
  const Bytes before = read_file(settings.crl->file);
  set(Scope::authorities);
  const std::string why = "the CA root has certified CN=20, which is not a CA (serial number 20, until " +
                          rfc3339(clock.now() + 24h * 90) +
                          "): a CRL about CAs alone (scope: ca) would say nothing of it";
  CHECK(refusal().message() == why);
  CHECK(refusal().kind() == ErrorKind::conflict);
  CHECK(due() == why);
  CHECK(read_file(settings.crl->file) == before);

  // It has ended, and no CRL was published since.
  clock.advance(24h * 91);
  CHECK(refusal().message() == why);
  set(Scope::all);
  CHECK(publish() == 2);  // no number was taken meanwhile
  CHECK(published().revoked.size() == 1);
  set(Scope::authorities);
  CHECK(publish() == 3);
  CHECK(published().revoked.empty());
}

TEST_CASE_METHOD(OfAuthorities,
                 "what came from elsewhere and may be anybody's is in the way until it is known or ended") {
  set(Scope::all);
  certified("30", ca::Holder::unknown);
  CHECK(publish() == 1);
  set(Scope::authorities);
  CHECK(refusal().message().find("the CA root has certified CN=30 elsewhere (serial number 30, until ") == 0);
  CHECK(refusal().hint().find("--certificates") != std::string::npos);
  SECTION("it is a CA's") {
    certified("30", ca::Holder::authority);
    CHECK(publish() == 2);
  }
  SECTION("it is not") {
    certified("30", ca::Holder::end_entity);
    CHECK(refusal().message().find("which is not a CA") != std::string::npos);
  }
  SECTION("who goes on with a CRL about CAs alone changes nothing for anybody") {
    const auto root = x509::parse_certificate(anchor);
    const auto& algorithm = ca::issuing_algorithm("", root);
    const ca::CrlFields fields{1, clock.now(), clock.now() + 24h, {}, "", true};
    write_file(settings.crl->file,
               ca::signed_crl(ca::crl_to_be_signed(fields, root, algorithm), root, key, algorithm, clock.now()),
               FileMode::public_0644, Existing::replace);
    CHECK(publish() == 2);
  }
}

TEST_CASE_METHOD(OfAuthorities, "a request that is open and asks for what is no CA's is in the way") {
  create(store, order_of("REQUEST", clock.now()));
  CHECK(publish() == 1);
  REQUIRE(store.take_serial({issuer, "40", "REQUEST", clock.now()}));
  CHECK(refusal().message() ==
        "request REQUEST is open and asks the CA root for a certificate that is not a CA's: a CRL about CAs alone "
        "(scope: ca) would say nothing of it");
  set(Scope::all);
  CHECK(publish() == 2);
}

TEST_CASE_METHOD(OfAuthorities, "a CRL about CAs alone is not put in the place of a shard") {
  publish();
  const Bytes of_authorities = read_file(settings.crl->file);
  settings.crl->scope = Scope::all;
  shard(2);
  const auto places = provider->crl_places();
  write_file(places[1].file, of_authorities, FileMode::public_0644, Existing::replace);
  CHECK_THROWS_WITH(provider->publish_crl("0", clock.now()), Catch::Contains("holds another CRL, and not that of "));
  CHECK(read_file(places[1].file) == of_authorities);
}
