#include "x509/objects/crl.h"

#include "base/file.h"
#include "unit/x509/error_of.h"
#include "unit/x509/test_authority.h"
#include "x509/asn1/der.h"
#include "x509/judge/render.h"
#include "x509/objects/pem.h"

#include <catch2/catch.hpp>

using namespace hsmbridge;
using namespace hsmbridge::x509;
using hsmbridge::test::refusal;
using hsmbridge::test::SoftwareSigner;
using hsmbridge::test::TestAuthority;

namespace {

CertificateList crl_of_openssl() {
  return parse_crl(read_pem(as_text(read_file(HSMBRIDGE_TEST_DATA "/x509/crl.pem"))).at(0).der);
}

std::string why(ByteView bytes) {
  const ToBeSigned what = what_is_to_be_signed(bytes);
  const auto* neither = std::get_if<NotToBeSigned>(&what);
  return neither == nullptr ? "to be signed" : neither->why;
}

}  // namespace

TEST_CASE("A revocation list of openssl is read") {
  const CertificateList list = crl_of_openssl();
  const Certificate root = parse_certificate(read_certificate(read_file(HSMBRIDGE_TEST_DATA "/x509/root.pem")));
  CHECK(is_signed_by(list.parts, root.spki()));
  CHECK(list.tbs.issuer == root.subject());
  REQUIRE(list.tbs.revoked.size() == 2);
  CHECK(serial_text(list.tbs.revoked[0].serial) == "1000");
  CHECK(list.tbs.revoked[0].reason == 1U);
  CHECK(serial_text(list.tbs.revoked[1].serial) == "1001");
  CHECK_FALSE(list.tbs.revoked[1].reason.has_value());
  CHECK(serial_text(*list.tbs.number) == "2a");
  CHECK(list.tbs.authority_key_identifier == root.content().subject_key_identifier);
  const std::string text = render(list.tbs);
  CHECK(text.find("Revoked: 1000 at ") != std::string::npos);
  CHECK(text.find(", keyCompromise\n") != std::string::npos);
}

TEST_CASE("Bytes to be signed are told apart from everything else") {
  TestAuthority root("CN=Root");
  const Bytes tbs = root.certificate().parts.to_be_signed;
  const Bytes list = crl_of_openssl().parts.to_be_signed;
  CHECK(std::holds_alternative<TbsCertificate>(what_is_to_be_signed(tbs)));
  CHECK(std::holds_alternative<TbsCertList>(what_is_to_be_signed(list)));
  CHECK(std::get<TbsCertificate>(what_is_to_be_signed(tbs)).content.subject.to_string() == "CN=Root");
  CHECK(why(root.certificate().der).rfind("neither a certificate (", 0) == 0);
  CHECK(why({}).rfind("neither a certificate (", 0) == 0);
  CHECK(why(to_bytes("any text")).rfind("neither a certificate (", 0) == 0);
  CHECK(why(build_certification_request_info(root.certificate().spki(), root.certificate().content()))
            .rfind("neither", 0) == 0);
  for (const Bytes& good : {tbs, list}) {
    Bytes longer = good;
    longer.push_back(0);
    CHECK(why(longer).rfind("neither", 0) == 0);
    for (std::size_t length = 0; length < good.size(); ++length) {
      CHECK(why(ByteView(good).first(length)).rfind("neither", 0) == 0);
    }
  }
  // A certificate of version 1 is what nobody should sign today: [0] cut away and the frame made anew.
  const ByteView fields = der::only(tbs, "tbs").content.subspan(5);
  CHECK(why(der::element(der::kSequence, fields)) != "to be signed");
}
