#include "ca/examine.h"

#include "hierarchy.h"
#include "x509/content/content.h"

#include <catch2/catch.hpp>

using namespace hsmbridge;
using namespace hsmbridge::test;
using hsmbridge::ca::objections;
using hsmbridge::ca::path_above;
using hsmbridge::ca::unfitness;

namespace {

// A leaf below an issuer below a root, and what both judges say about it.
struct Case {
  Case(const Profile& root_profile, const Profile& issuer_profile, const Profile& leaf_profile)
      : root(root_profile), issuer(issuer_profile, &root), leaf(leaf_profile, &issuer) {}

  ca::Path path() const { return path_above(*issuer.certificate, {}, {*root.certificate}); }
  std::vector<std::string> reasons() const {
    auto all = objections(leaf.certificate->tbs, path());
    for (const auto& one : unfitness(path(), kNow)) all.push_back(one.why);
    return all;
  }
  std::string openssl() const { return openssl_verdict(*leaf.certificate, {*issuer.certificate}, *root.certificate); }

  Entity root;
  Entity issuer;
  Entity leaf;
};

using Reasons = std::vector<std::string>;

}  // namespace

TEST_CASE("what can verify below its issuer has no objection") {
  const Case good(authority("CN=Root"), authority("CN=Issuer"), server("CN=Server", {"dns:www.example.com"}));
  CHECK(good.reasons().empty());
  CHECK(good.openssl() == "");
}

TEST_CASE("an issuer that is not valid yet or has ended is an objection") {
  Profile tomorrow = authority("CN=Issuer");
  tomorrow.validity.not_before = kNow + std::chrono::hours{24};
  const Case early(authority("CN=Root"), tomorrow, server());
  CHECK(early.reasons() ==
        Reasons{"it would begin 2026-05-01T00:00:00Z, before its issuer (2026-06-02T12:00:00Z)",
                "the issuer \"CN=Issuer\" is not valid before 2026-06-02T12:00:00Z; if that is past, this machine's "
                "clock is slow"});
  CHECK(early.openssl().find("certificate is not yet valid") != std::string::npos);

  Profile yesterday = authority("CN=Issuer");
  yesterday.validity.not_after = kNow - std::chrono::hours{24};
  const Case late(authority("CN=Root"), yesterday, server());
  CHECK(late.reasons() == Reasons{"it would end 2026-09-01T00:00:00Z, after its issuer (2026-05-31T12:00:00Z)",
                                  "the issuer \"CN=Issuer\" ended 2026-05-31T12:00:00Z"});
  CHECK(late.openssl().find("certificate has expired") != std::string::npos);

  Profile ended_root = authority("CN=Root");
  ended_root.validity.not_after = kNow - std::chrono::hours{24};
  const Case above(ended_root, authority("CN=Issuer"), server());
  CHECK(above.reasons() == Reasons{"the CA \"CN=Root\" ended 2026-05-31T12:00:00Z"});
  CHECK(above.openssl().find("certificate has expired") != std::string::npos);
}

TEST_CASE("an issuer that may not sign certificates is an objection") {
  Profile no_ca = authority("CN=Issuer");
  no_ca.content.basic_constraints.reset();
  no_ca.content.key_usage = x509::KeyUsages{x509::KeyUsage::digital_signature};
  const Case wrong(authority("CN=Root"), no_ca, server());
  CHECK(wrong.reasons() == Reasons{"the issuer \"CN=Issuer\" is not a CA by its basic constraints",
                                   "the issuer \"CN=Issuer\" may not sign certificates: its key usage "
                                   "(digitalSignature) lacks keyCertSign"});
  CHECK(wrong.openssl() != "");

  Profile no_usage = authority("CN=Issuer");
  no_usage.content.key_usage = x509::KeyUsages{x509::KeyUsage::crl_sign};
  const Case crl_only(authority("CN=Root"), no_usage, server());
  CHECK(crl_only.reasons() == Reasons{"the issuer \"CN=Issuer\" may not sign certificates: its key usage (cRLSign) "
                                      "lacks keyCertSign"});
  CHECK(crl_only.openssl() != "");
}

TEST_CASE("the path length of every CA counts what would stand below it") {
  Profile short_root = authority("CN=Root");
  short_root.content.basic_constraints = x509::parse_basic_constraints("CA:TRUE,pathlen:0");
  const Case below(short_root, authority("CN=Issuer"), server());
  CHECK(below.reasons() == Reasons{"the CA \"CN=Root\" permits no CA below it (path length 0)"});
  CHECK(below.openssl().find("path length constraint exceeded") != std::string::npos);

  Profile one = authority("CN=Root");
  one.content.basic_constraints = x509::parse_basic_constraints("CA:TRUE,pathlen:1");
  CHECK(Case(one, authority("CN=Issuer"), server()).reasons().empty());
  CHECK(Case(one, authority("CN=Issuer"), authority("CN=Sub")).reasons() ==
        Reasons{"the CA \"CN=Root\" permits 1 CAs below it one above the other (path length), and this would make 2"});
}

TEST_CASE("the extended key usage of every CA limits what is issued below it") {
  Profile clients = authority("CN=Issuer");
  clients.content.extended_key_usage = {x509::parse_extended_key_usage("clientAuth")};
  const Case mismatch(authority("CN=Root"), clients, server());
  CHECK(mismatch.reasons() == Reasons{"the issuer \"CN=Issuer\" does not permit the extended key usage serverAuth "
                                      "below it (it permits clientAuth)"});
  CHECK(mismatch.openssl() != "");

  Profile root = authority("CN=Root");
  root.content.extended_key_usage = {x509::parse_extended_key_usage("clientAuth")};
  const Case above(root, authority("CN=Issuer"), server());
  CHECK(above.reasons() == Reasons{"the CA \"CN=Root\" does not permit the extended key usage serverAuth below it (it "
                                   "permits clientAuth)"});
  CHECK(above.openssl() != "");

  Profile any = authority("CN=Issuer");
  any.content.extended_key_usage = {x509::parse_extended_key_usage("any")};
  CHECK(Case(authority("CN=Root"), any, server()).reasons().empty());
  Profile responder = server("CN=OCSP");
  responder.content.extended_key_usage = {x509::parse_extended_key_usage("OCSPSigning")};
  CHECK(Case(authority("CN=Root"), clients, responder).reasons().empty());
}

TEST_CASE("a critical extension of a CA that OpenSSL does not know is an objection") {
  // Written by hand: what builds certificates here never marks it critical.
  Profile odd = authority("CN=Issuer");
  odd.content.other_extensions.push_back({x509::Oid("1.2.3.4"), true, from_hex("0500")});
  const Case unknown(authority("CN=Root"), odd, server());
  CHECK(unknown.reasons() == Reasons{"the issuer \"CN=Issuer\" marks its extension 1.2.3.4 critical: OpenSSL and what "
                                     "is built on it refuse such a CA"});
  CHECK(unknown.openssl().find("unhandled critical extension") != std::string::npos);
}

TEST_CASE("the authority key identifier is the issuer's own, else one made of its key") {
  const Entity root(authority("CN=Root"));
  CHECK(hsmbridge::ca::authority_key_identifier(*root.certificate) ==
        *root.certificate->content().subject_key_identifier);
  x509::Certificate without = *root.certificate;
  without.tbs.content.subject_key_identifier.reset();
  const Bytes derived = hsmbridge::ca::authority_key_identifier(without);
  // The last 65 octets of a P-256 SubjectPublicKeyInfo are its point.
  const Bytes& spki = without.spki();
  Bytes expected = sha256(ByteView(spki).last(65));
  expected.resize(20);
  CHECK(derived == expected);
}

TEST_CASE("a path is found through what is given, and a gap in it is named") {
  Entity root(authority("CN=Root"));
  Entity middle(authority("CN=Middle"), &root);
  Entity issuer(authority("CN=Issuer"), &middle);
  const Entity stranger(authority("CN=Middle"));
  const auto found = path_above(*issuer.certificate, {*stranger.certificate, *middle.certificate}, {*root.certificate});
  REQUIRE(found.authorities.size() == 3);
  CHECK(found.gap == "");
  CHECK(found.authorities[1].der == middle.certificate->der);
  CHECK(found.authorities[2].der == root.certificate->der);
  CHECK(path_above(*issuer.certificate, {}, {*root.certificate}).gap ==
        "there is no path from the issuer to a trust anchor: the certificate of \"CN=Middle\", which issued "
        "\"CN=Issuer\", is neither in `chain` nor among the anchors");
  CHECK(path_above(*issuer.certificate, {*middle.certificate, *root.certificate}, {*stranger.certificate}).gap ==
        "the path from the issuer ends at \"CN=Root\", which is not among the trust anchors");
  CHECK(path_above(*issuer.certificate, {*middle.certificate}, {}).gap == "");
  // A path that ends at an anchor in its middle goes no further.
  CHECK(path_above(*issuer.certificate, {*root.certificate}, {*middle.certificate}).authorities.size() == 2);
}
