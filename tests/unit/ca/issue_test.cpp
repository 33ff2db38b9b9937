#include "ca/issue.h"

#include "base/error.h"
#include "hierarchy.h"
#include "x509/objects/csr.h"

#include <catch2/catch.hpp>

using namespace hsmbridge;
using namespace hsmbridge::test;
using namespace std::chrono_literals;

namespace {

// A root that issues, and the CSR of a server.
struct Desk {
  Entity root{authority("CN=Root")};
  SoftwareSigner key{"ec:P-256"};
  x509::RequestedContent requested{contents(), {}, {}, {}};
  Bytes csr = x509::create_csr(key, contents(), x509::signature_algorithm("ecdsa-sha256"));
  ca::Terms terms{x509::signature_algorithm("ecdsa-sha256"), 24h * 90};

  static x509::Content contents() {
    x509::Content content = server("CN=Server", {"dns:www.example.com"}).content;
    content.subject = x509::Name::parse("CN=Server");
    return content;
  }
  const x509::Certificate& issuer() const { return *root.certificate; }
  ca::Path above() const { return ca::path_above(issuer(), {}, {issuer()}); }
  Bytes drafted(Instant at = kNow) const { return ca::draft_to_be_signed(terms, issuer(), requested, csr, at); }
  ca::DraftFaults check(const Bytes& draft, Instant at = kNow) const {
    return ca::check_to_be_signed({draft, csr, "ecdsa-sha256", kNow}, issuer(), above(), at);
  }
};

}  // namespace

TEST_CASE("what was drafted and signed is a certificate that verifies below its issuer") {
  Desk desk;
  const Bytes draft = desk.drafted();
  const ca::DraftFaults faults = desk.check(draft);
  CHECK(faults.reasons.empty());
  CHECK(faults.outdated.empty());

  const Bytes signature = desk.root.signer.sign(draft, desk.terms.algorithm);
  const auto certificate = x509::parse_certificate(ca::assemble(draft, "ecdsa-sha256", desk.issuer().der, signature));
  CHECK(certificate.tbs.validity == x509::Validity{kNow, kNow + 24h * 90});
  CHECK(certificate.spki() == desk.key.subject_public_key_info());
  CHECK(openssl_verdict(certificate, {}, desk.issuer()) == "");

  Bytes other = signature;
  other.back() ^= 1U;
  CHECK_THROWS_AS(ca::assemble(draft, "ecdsa-sha256", desk.issuer().der, other), Error);
}

TEST_CASE("a draft carries what was requested and no more than its terms give") {
  Desk desk;
  desk.requested.validity = 24h * 10;
  desk.terms.backdate = 1h;
  const x509::Validity validity = x509::parse_tbs_certificate(desk.drafted()).validity;
  CHECK(validity == x509::Validity{kNow - 1h, kNow - 1h + 24h * 10});

  desk.requested.content.subject = x509::Name::parse("CN=Another");
  CHECK_THROWS_WITH(desk.drafted(), Catch::Contains("is not what the order asks for"));
}

TEST_CASE("an algorithm of another kind of key does not issue") {
  const Desk desk;
  CHECK(ca::issuing_algorithm("", desk.issuer()).name == "ecdsa-sha256");
  CHECK(ca::issuing_algorithm("ecdsa-sha512", desk.issuer()).name == "ecdsa-sha512");
  CHECK_THROWS_WITH(ca::issuing_algorithm("rsa-sha256", desk.issuer()),
                    "the algorithm rsa-sha256 does not fit the issuer's key (ec:P-256)");
}

TEST_CASE("a draft by another issuer or of another request is told") {
  const Desk desk;
  const Desk stranger;
  const ca::DraftFaults of_other_key = desk.check(stranger.drafted());
  CHECK(of_other_key.reasons == std::vector<std::string>{"the draft is for another key than its certificate request"});
  CHECK(of_other_key.outdated ==
        std::vector<std::string>{"the issuer's certificate has another key identifier now than the draft names: nobody "
                                 "could chain to it"});
  CHECK(desk.check(Bytes{0x30, 0}).reasons.size() == 1);
}

TEST_CASE("a CA with the name of another one that is not above it, and another key, is told") {
  Desk desk;
  const Entity elsewhere{authority("CN=Elsewhere")};
  desk.requested.content = authority("").content;
  desk.requested.content.subject = x509::Name::parse("CN=ELSEWHERE");
  desk.csr = x509::create_csr(desk.key, desk.requested.content, desk.terms.algorithm);
  const Bytes draft = desk.drafted();
  CHECK(desk.check(draft).reasons.empty());
  ca::Draft beside{draft, desk.csr, "ecdsa-sha256", kNow};
  beside.others = {*elsewhere.certificate};
  CHECK(ca::check_to_be_signed(beside, desk.issuer(), desk.above(), kNow).reasons ==
        std::vector<std::string>{"it has the name of the CA \"CN=Elsewhere\" and another key: what it signs would pass "
                                 "for that CA's (RFC 5280 §6.3.3)"});
  // Of its own key it is that CA, renewed.
  const Bytes signature = desk.root.signer.sign(draft, desk.terms.algorithm);
  beside.others = {x509::parse_certificate(ca::assemble(draft, "ecdsa-sha256", desk.issuer().der, signature))};
  CHECK(ca::check_to_be_signed(beside, desk.issuer(), desk.above(), kNow).reasons.empty());
}

TEST_CASE("who may sign CRLs and is no CA has no other CA's name either") {
  Desk desk;
  const Entity elsewhere{authority("CN=Elsewhere")};
  const auto reasons = [&](const std::string& name, x509::KeyUsages usages) {
    desk.requested.content = x509::Content{};
    desk.requested.content.subject = x509::Name::parse(name);
    desk.requested.content.key_usage = usages;
    desk.csr = x509::create_csr(desk.key, desk.requested.content, desk.terms.algorithm);
    const Bytes draft = desk.drafted();
    ca::Draft judged{draft, desk.csr, "ecdsa-sha256", kNow};
    judged.others = {*elsewhere.certificate};
    return ca::check_to_be_signed(judged, desk.issuer(), desk.above(), kNow).reasons;
  };
  const std::string end = " and another key: what it signs would pass for that CA's (RFC 5280 §6.3.3)";
  const x509::KeyUsages crls{x509::KeyUsage::digital_signature, x509::KeyUsage::crl_sign};
  CHECK(reasons("CN=elsewhere", crls) == std::vector<std::string>{"it has the name of the CA \"CN=Elsewhere\"" + end});
  CHECK(reasons("CN=Root", crls) == std::vector<std::string>{"it has the name of the CA \"CN=Root\"" + end});
  CHECK(reasons("CN=Nobody", crls).empty());
  CHECK(reasons("CN=Elsewhere", x509::KeyUsages{x509::KeyUsage::digital_signature}).empty());
}

TEST_CASE("a draft that waited for half of its life is outdated") {
  const Desk desk;
  const Bytes draft = desk.drafted();
  CHECK(desk.check(draft, kNow + 24h * 45).outdated.empty());
  CHECK(desk.check(draft, kNow + 24h * 45 + 1s).outdated.size() == 1);
}
