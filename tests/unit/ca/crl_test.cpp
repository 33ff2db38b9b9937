// CRLs: what is built is what openssl reads, and what is wrong with one is found before the signature.
#include "ca/crl.h"

#include "base/error.h"
#include "hierarchy.h"
#include "x509/asn1/der.h"
#include "x509/content/extensions.h"

#include <catch2/catch.hpp>
#include <cstdlib>

using namespace hsmbridge;
using namespace hsmbridge::test;
using namespace std::chrono_literals;
namespace der = x509::der;

namespace {

using Strings = std::vector<std::string>;

const auto& kAlgorithm = x509::signature_algorithm("ecdsa-sha256");

ca::CrlFields fields_with(std::vector<ca::CrlEntry> entries) {
  return {7, kNow, kNow + 24h * 4, std::move(entries)};
}

Strings broken(const Bytes& to_be_signed) {
  Strings rules;
  for (const ca::LintFinding& finding : ca::lint_crl(to_be_signed, kNow)) rules.push_back(finding.rule);
  return rules;
}

}  // namespace

TEST_CASE("a CRL says its entries, and openssl accepts it") {
  Entity issuer(authority("C=CH, O=Example, CN=Issuing"));
  const Bytes first = x509::random_serial();
  const Bytes second = x509::random_serial();
  const Bytes tbs = ca::crl_to_be_signed(fields_with({{first, kNow - 2h, 1}, {second, kNow - 1h, 0}}),
                                         *issuer.certificate, kAlgorithm);
  const Bytes crl = ca::signed_crl(tbs, *issuer.certificate, issuer.signer, kAlgorithm, kNow);
  CHECK(ca::crl_number_of(crl, *issuer.certificate) == 7);
  const auto read = x509::parse_crl(crl);
  CHECK(read.tbs.revoked.front().reason == 1U);
  CHECK_FALSE(read.tbs.revoked.back().reason);

  const TempFolder folder;
  write_file(folder / "crl.der", crl, FileMode::public_0644, Existing::refuse);
  write_file(folder / "ca.pem", as_bytes(x509::certificate_to_pem(issuer.certificate->der)), FileMode::public_0644,
             Existing::refuse);
  const std::string line = "cd " + folder.path().string() +
                           " && openssl crl -inform der -in crl.der -CAfile ca.pem -noout -text -crlnumber > out 2>&1";
  REQUIRE(std::system(line.c_str()) == 0);
  const std::string text = to_text(read_file(folder / "out"));
  INFO(text);
  CHECK(text.find("verify OK") != std::string::npos);
  CHECK(text.find("crlNumber=0x07") != std::string::npos);
  CHECK(text.find("Key Compromise") != std::string::npos);
  CHECK(text.find("Revoked Certificates:") != std::string::npos);
}

TEST_CASE("a shard names its URL in a critical extension, as openssl reads it") {
  Entity issuer(authority("CN=Issuing"));
  ca::CrlFields fields = fields_with({{x509::random_serial(), kNow - 1h, 1}});
  fields.distribution_point = "http://ca.example.com/issuing-3.crl";
  const Bytes tbs = ca::crl_to_be_signed(fields, *issuer.certificate, kAlgorithm);
  const auto list = x509::parse_tbs_cert_list(tbs);
  CHECK(ca::distribution_point_of(list) == fields.distribution_point);
  REQUIRE(list.issuing_distribution_point);
  CHECK_FALSE(list.issuing_distribution_point->has_limits);
  CHECK(broken(tbs) == Strings{});
  // To the octet the name in the distribution point of its certificates.
  const auto in_certificate = x509::crl_distribution_points({fields.distribution_point}).value;
  CHECK(x509::crl_urls(in_certificate) == Strings{fields.distribution_point});
  const auto points = der::only(in_certificate, "points");
  const auto point = x509::issuing_distribution_point(fields.distribution_point);
  CHECK(Bytes(points.content.begin(), points.content.end()) == point.value);
  const TempFolder folder;
  write_file(folder / "crl.der", ca::signed_crl(tbs, *issuer.certificate, issuer.signer, kAlgorithm, kNow),
             FileMode::public_0644, Existing::refuse);
  const std::string line =
      "cd " + folder.path().string() + " && openssl crl -inform der -in crl.der -noout -text > out 2>&1";
  REQUIRE(std::system(line.c_str()) == 0);
  const std::string text = to_text(read_file(folder / "out"));
  INFO(text);
  CHECK(text.find("X509v3 Issuing Distribution Point: critical") != std::string::npos);
  CHECK(text.find("URI:http://ca.example.com/issuing-3.crl") != std::string::npos);
}

TEST_CASE("an issuing distribution point that is not critical, or says more, is found before the signature") {
  Entity issuer(authority("CN=Issuing"));
  const auto built = [&](bool critical, const Bytes& value) {
    const Bytes point = critical
                            ? der::sequence(der::oid(x509::oids::kIssuingDistributionPoint), der::boolean(true),
                                            der::octet_string(value))
                            : der::sequence(der::oid(x509::oids::kIssuingDistributionPoint), der::octet_string(value));
    const auto key = x509::authority_key_identifier(Bytes{1, 2});
    const Bytes number = der::integer(7);
    return der::sequence(
        der::integer(1), x509::algorithm_identifier(kAlgorithm), issuer.certificate->subject().der(), der::time(kNow),
        der::time(kNow + 24h),
        der::constructed(
            der::context_constructed(0),
            der::sequence(der::sequence(der::oid(key.oid), der::octet_string(key.value)),
                          der::sequence(der::oid(x509::oids::kCrlNumber), der::octet_string(number)), point)));
  };
  const Bytes good = x509::issuing_distribution_point("http://ca.example.com/1.crl").value;
  CHECK(broken(built(true, good)) == Strings{});
  CHECK(broken(built(false, good)) == Strings{"rfc5280-crl-distribution-point"});
  // onlyContainsUserCerts alone.
  const Bytes yes{0xff};
  const Bytes scoped = der::sequence(der::element(der::context(1), yes));
  CHECK(broken(built(true, scoped)) == Strings{"rfc5280-crl-distribution-point", "rfc5280-crl-distribution-point"});
  // onlyContainsCACerts: good alone and beside the URL; not where it is FALSE, which DER leaves out, nor with others.
  const Bytes no{0x00};
  const Bytes authorities = der::element(der::context(2), yes);
  const Bytes url(der::only(good, "point").content.begin(), der::only(good, "point").content.end());
  CHECK(broken(built(true, der::sequence(authorities))) == Strings{});
  CHECK(broken(built(true, der::sequence(url, authorities))) == Strings{});
  CHECK(broken(built(false, der::sequence(authorities))) == Strings{"rfc5280-crl-distribution-point"});
  CHECK(broken(built(true, der::sequence(url, der::element(der::context(2), no)))) ==
        Strings{"rfc5280-crl-distribution-point"});
  CHECK(broken(built(true, der::sequence(authorities, der::element(der::context(4), yes)))) ==
        Strings{"rfc5280-crl-distribution-point"});
  CHECK(broken(built(true, der::sequence())) == Strings{"rfc5280-crl-distribution-point"});
}

TEST_CASE("a CRL about CAs alone says so in a critical extension and names no URL, as openssl reads it") {
  Entity issuer(authority("CN=Root"));
  ca::CrlFields fields = fields_with({{x509::random_serial(), kNow - 1h, 2}});
  fields.only_authorities = true;
  const Bytes tbs = ca::crl_to_be_signed(fields, *issuer.certificate, kAlgorithm);
  const auto list = x509::parse_tbs_cert_list(tbs);
  CHECK(ca::is_only_of_authorities(list));
  CHECK(ca::distribution_point_of(list).empty());
  CHECK_FALSE(list.issuing_distribution_point->has_limits);
  CHECK(broken(tbs) == Strings{});
  const TempFolder folder;
  write_file(folder / "crl.der", ca::signed_crl(tbs, *issuer.certificate, issuer.signer, kAlgorithm, kNow),
             FileMode::public_0644, Existing::refuse);
  const std::string line =
      "cd " + folder.path().string() + " && openssl crl -inform der -in crl.der -noout -text > out 2>&1";
  REQUIRE(std::system(line.c_str()) == 0);
  const std::string text = to_text(read_file(folder / "out"));
  INFO(text);
  CHECK(text.find("X509v3 Issuing Distribution Point: critical\n                Only CA Certificates\n") !=
        std::string::npos);
  CHECK(text.find("URI:") == std::string::npos);

  // Of servers a CRL is valid for days; of CAs for a year, which is the longest.
  fields.next_update = fields.this_update + 24h * 365;
  CHECK(broken(ca::crl_to_be_signed(fields, *issuer.certificate, kAlgorithm)) == Strings{});
  fields.next_update += 1s;
  CHECK(broken(ca::crl_to_be_signed(fields, *issuer.certificate, kAlgorithm)) == Strings{"cabf-crl-authorities-life"});
  fields.distribution_point = "http://ca.example.com/1.crl";
  CHECK_THROWS_WITH(ca::crl_to_be_signed(fields, *issuer.certificate, kAlgorithm), Catch::Contains("has no shards"));
}

TEST_CASE("a CRL without entries has no list of them, and openssl accepts it") {
  Entity issuer(authority("CN=Issuing"));
  const Bytes tbs = ca::crl_to_be_signed(fields_with({}), *issuer.certificate, kAlgorithm);
  CHECK(x509::parse_tbs_cert_list(tbs).revoked.empty());
  CHECK(broken(tbs) == Strings{});
  CHECK_NOTHROW(ca::signed_crl(tbs, *issuer.certificate, issuer.signer, kAlgorithm, kNow));
}

TEST_CASE("each rule about CRLs finds what is against it before the signature") {
  Entity issuer(authority("CN=Issuing"));
  const Bytes serial = x509::random_serial();
  const auto built = [&](const ca::CrlFields& fields) {
    return ca::crl_to_be_signed(fields, *issuer.certificate, kAlgorithm);
  };
  CHECK(broken(built(fields_with({{serial, kNow, 1}}))) == Strings{});
  ca::CrlFields fields = fields_with({});
  fields.next_update = fields.this_update;
  CHECK(broken(built(fields)) == Strings{"rfc5280-crl-times"});
  fields = fields_with({});
  fields.this_update = kNow + 1s;
  CHECK(broken(built(fields)) == Strings{"rfc5280-crl-times"});
  CHECK(broken(built(fields_with({{serial, kNow, 1}, {serial, kNow, 1}}))) == Strings{"rfc5280-crl-entries"});
  CHECK(broken(built(fields_with({{serial, kNow + 1s, 1}}))) == Strings{"rfc5280-crl-entries"});
  CHECK(broken(built(fields_with({{serial, kNow, 8}}))) == Strings{"rfc5280-crl-reasons"});
  CHECK(broken(Bytes{0x30, 0}) == Strings{"rfc5280-crl-encoding"});
  // Version 1 has no extensions, and so no number.
  const Bytes old = der::sequence(x509::algorithm_identifier(kAlgorithm), issuer.certificate->subject().der(),
                                  der::time(kNow), der::time(kNow + 24h));
  CHECK(broken(old) == Strings{"rfc5280-crl-version", "rfc5280-crl-number", "rfc5280-crl-authority-key-identifier"});
  CHECK_THROWS_WITH(ca::signed_crl(old, *issuer.certificate, issuer.signer, kAlgorithm, kNow),
                    Catch::Contains("rfc5280-crl-version (RFC 5280 §5.1.2.1): it is not of version 2"));
}

TEST_CASE("what is not a CRL of the issuer has no number") {
  Entity issuer(authority("CN=Issuing"));
  Entity namesake(authority("CN=Issuing"));
  Entity stranger(authority("CN=Other"));
  const auto crl_of = [&](Entity& by) {
    return ca::signed_crl(ca::crl_to_be_signed(fields_with({}), *by.certificate, kAlgorithm), *by.certificate,
                          by.signer, kAlgorithm, kNow);
  };
  CHECK_THROWS_WITH(ca::crl_number_of(crl_of(stranger), *issuer.certificate), "it is a CRL of CN=Other");
  CHECK_THROWS_WITH(ca::crl_number_of(crl_of(namesake), *issuer.certificate), "it is not signed by the CA's key");
  CHECK_THROWS_AS(ca::crl_number_of(Bytes{0x30, 0}, *issuer.certificate), Error);
  CHECK_THROWS_AS(ca::signed_crl(ca::crl_to_be_signed(fields_with({}), *issuer.certificate, kAlgorithm),
                                 *issuer.certificate, namesake.signer, kAlgorithm, kNow),
                  Error);
}
