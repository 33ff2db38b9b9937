// What is left of a CA, held against itself: nothing is guessed, and every contradiction is told.
#include "ca/inventory.h"

#include "base/error.h"
#include "hierarchy.h"
#include "x509/asn1/der.h"

#include <algorithm>
#include <catch2/catch.hpp>

using namespace hsmbridge;
using namespace hsmbridge::test;
using namespace std::chrono_literals;
namespace der = x509::der;

namespace {

const auto& kAlgorithm = x509::signature_algorithm("ecdsa-sha256");
const Instant kEnd = kNow + 24h * 30;

// A CA with three certificates, of which the second was revoked before its last CRL, number 7.
struct OldCa {
  Entity issuer{authority("C=CH, CN=Old CA")};
  ca::InventorySources sources;

  OldCa() {
    sources.index = {line("10"), revoked("11", kNow - 48h, 1), line("12")};
    sources.crl = crl({{Bytes{0x11}, kNow - 48h, 1}});
  }
  static ca::IssuedBefore line(const std::string& serial, Instant end = kEnd) {
    return {serial, "/CN=" + serial, end, std::nullopt, "index.txt, " + serial};
  }
  static ca::IssuedBefore revoked(const std::string& serial, Instant at, unsigned reason, Instant end = kEnd) {
    ca::IssuedBefore one = line(serial, end);
    one.revoked = ca::RevokedBefore{at, reason};
    return one;
  }
  ca::InventorySources::File crl(const std::vector<ca::CrlEntry>& entries, std::uint64_t number = 7,
                                 Instant at = kNow - 24h, bool only_authorities = false) {
    const Bytes tbs = ca::crl_to_be_signed({number, at, at + 24h * 7, entries, "", only_authorities},
                                           *issuer.certificate, kAlgorithm);
    return {"crl.pem", ca::signed_crl(tbs, *issuer.certificate, issuer.signer, kAlgorithm, kNow)};
  }
  ca::InventorySources::File certificate(const std::string& serial, const std::string& name, Entity* by = nullptr,
                                         const std::vector<x509::Extension>& more = {}, Instant end = kEnd) {
    Entity& signer = by == nullptr ? issuer : *by;
    Profile profile = server("CN=" + serial);
    profile.validity.not_after = end;
    x509::CertificateFields fields = x509::fields_for_issuer(*signer.certificate);
    fields.serial = from_hex(serial);
    fields.validity = profile.validity;
    fields.spki = signer.signer.subject_public_key_info();
    fields.content = profile.content;
    fields.content.subject = x509::Name::parse("CN=" + serial);
    fields.content.other_extensions = more;
    fields.algorithm = &kAlgorithm;
    const Bytes tbs = x509::build_tbs_certificate(fields);
    return {name, x509::assemble(tbs, kAlgorithm, signer.signer.sign(tbs, kAlgorithm))};
  }
  ca::Inventory taken() const { return ca::inventory(sources, *issuer.certificate, kNow); }
  std::string why() const {
    try {
      taken();
    } catch (const Error& error) {
      return error.message();
    }
    return "";
  }
  std::string own() const { return x509::serial_text(issuer.certificate->serial()); }
};

std::vector<std::string> serials_of(const ca::Inventory& all) {
  std::vector<std::string> serials;
  for (const auto& one : all.certificates) serials.push_back(one.serial);
  return serials;
}

bool says(const std::string& text, const std::string& part) {
  INFO("looking for: " << part << "\nin: " << text);
  CHECK(text.find(part) != std::string::npos);
  return true;
}

}  // namespace

TEST_CASE_METHOD(OldCa, "an index and its CRL are taken over with the CA's own certificate") {
  const ca::Inventory all = taken();
  std::vector<std::string> expected{"10", "11", "12", own()};
  std::sort(expected.begin(), expected.end());
  CHECK(serials_of(all) == expected);
  REQUIRE(all.revoked.size() == 1);
  CHECK(all.revoked[0].serial == "11");
  CHECK(all.revoked[0].how == ca::RevokedBefore{kNow - 48h, 1});
  CHECK(all.revoked[0].until == kEnd);
  REQUIRE(all.crl);
  CHECK(all.crl->number == 7);
  CHECK(all.crl->this_update == kNow - 24h);
  CHECK(all.notes.empty());
}

TEST_CASE_METHOD(OldCa, "without an index the certificates and the CRL say what was issued and revoked") {
  sources.index.reset();
  Entity other(authority("CN=Other"));
  sources.certificates = {certificate("10", "10.pem"), certificate("11", "11.pem"),
                          certificate("66", "other.pem", &other)};
  sources.certificates.push_back({"copy.pem", sources.certificates[0].der});
  const ca::Inventory all = taken();
  std::vector<std::string> expected{"10", "11", own()};
  std::sort(expected.begin(), expected.end());
  CHECK(serials_of(all) == expected);
  CHECK(all.of_other_issuers == 1);
  REQUIRE(all.revoked.size() == 1);
  CHECK(all.revoked[0].serial == "11");
}

TEST_CASE_METHOD(OldCa, "a CRL that names another place may be one of several, unless an index tells what is revoked") {
  ca::CrlFields fields{7, kNow - 24h, kNow + 24h, {{Bytes{0x11}, kNow - 48h, 1}}};
  fields.distribution_point = "http://ca.example.com/part3.crl";
  const Bytes tbs = ca::crl_to_be_signed(fields, *issuer.certificate, kAlgorithm);
  sources.crl->der = ca::signed_crl(tbs, *issuer.certificate, issuer.signer, kAlgorithm, kNow);
  sources.crl_url = "http://ca.example.com/issuing.crl";
  CHECK(taken().revoked.size() == 1);
  sources.index.reset();
  sources.certificates = {certificate("11", "11.pem")};
  says(why(), "it is the CRL at http://ca.example.com/part3.crl, and may be one of several");
  sources.crl_url = fields.distribution_point;
  CHECK(taken().revoked.size() == 1);
}

TEST_CASE_METHOD(OldCa,
                 "a CRL at a place that is no URL may be one of several too, unless an index tells what is revoked") {
  const auto of = [&](const Bytes& place) {
    const auto extension = [](const char* oid, const Bytes& value) {
      return der::sequence(der::oid(x509::Oid{oid}), der::octet_string(value));
    };
    const Bytes name = der::sequence(der::constructed(der::context_constructed(0), place));
    const Bytes extensions = der::sequence(extension("2.5.29.20", der::integer(7)), extension("2.5.29.28", name));
    const Bytes tbs = der::sequence(der::integer(1), x509::algorithm_identifier(kAlgorithm),
                                    issuer.certificate->subject().der(), der::time(kNow - 24h), der::time(kNow + 24h),
                                    der::constructed(der::context_constructed(0), extensions));
    return x509::assemble(tbs, kAlgorithm, issuer.signer.sign(tbs, kAlgorithm));
  };
  const Bytes part = x509::Name::parse("CN=CRL3, CN=Old CA").der();
  const Bytes directory_name = der::constructed(der::context_constructed(0), der::constructed(0xa4, part));
  const Bytes relative_name = der::constructed(der::context_constructed(1), Bytes{});
  for (const Bytes& place : {directory_name, relative_name}) {
    sources.index = {line("10")};
    sources.certificates.clear();
    sources.crl->der = of(place);
    CHECK(taken().crl->number == 7);
    sources.index.reset();
    sources.certificates = {certificate("10", "10.pem")};
    says(why(), "it is the CRL at a place that is no URL, and may be one of several");
  }
}

TEST_CASE_METHOD(OldCa, "a CRL is taken without an index where it is the one that the certificates name") {
  const auto naming = [&](const std::vector<std::string>& urls, Instant end = kEnd) {
    return certificate("11", "11.pem", nullptr, {x509::crl_distribution_points(urls)}, end);
  };
  const std::string url = "http://ca.example.com/issuing.crl";
  const std::string other = "http://ca.example.com/part3.crl";
  const std::string refused = "11.pem names the CRL at " + other + ", and nothing says that crl.pem is that one";
  sources.index.reset();
  sources.crl_url = url;
  SECTION("at the address under `crl`") {
    sources.certificates = {naming({"ldap://directory.example.com/CN=CRL", url})};
    CHECK(taken().revoked.size() == 1);
  }
  SECTION("at another one") {
    sources.certificates = {certificate("10", "10.pem"), naming({other})};
    says(why(), refused);
    sources.known = [](const std::string&) { return std::optional<Instant>(); };  // what this program has issued
    CHECK(taken().revoked.size() == 1);
  }
  SECTION("at another one, and no address is under `crl`") {
    sources.crl_url.clear();
    sources.certificates = {naming({other})};
    says(why(), refused);
  }
  SECTION("at another one, and an index tells what is revoked") {
    sources.index = {revoked("11", kNow - 48h, 1)};
    sources.certificates = {naming({other})};
    CHECK(taken().revoked.size() == 1);
  }
  SECTION("at another one, and it has ended") {
    sources.certificates = {naming({other}, kNow - 1h)};
    CHECK(taken().revoked.size() == 1);
  }
  SECTION("at a place that is no URL") {
    const Bytes place = der::constructed(
        der::context_constructed(0),
        der::constructed(der::context_constructed(0), der::constructed(0xa4, x509::Name::parse("CN=CRL3").der())));
    const x509::Extension points{x509::oids::kCrlDistributionPoints, false, der::sequence(der::sequence(place))};
    sources.certificates = {certificate("11", "11.pem", nullptr, {points})};
    says(why(), "11.pem names the CRL at a place that is no URL, and nothing says that crl.pem is that one");
  }
  SECTION("a partition that is at the address under `crl`, and a certificate of another one") {
    ca::CrlFields fields{7, kNow - 24h, kNow + 24h, {{Bytes{0x11}, kNow - 48h, 1}}};
    fields.distribution_point = url;
    const Bytes tbs = ca::crl_to_be_signed(fields, *issuer.certificate, kAlgorithm);
    sources.crl->der = ca::signed_crl(tbs, *issuer.certificate, issuer.signer, kAlgorithm, kNow);
    sources.certificates = {naming({url})};
    CHECK(taken().revoked.size() == 1);
    sources.certificates.push_back(certificate("12", "12.pem", nullptr, {x509::crl_distribution_points({other})}));
    says(why(), "12.pem names the CRL at " + other);
  }
}

TEST_CASE_METHOD(OldCa, "what the last CRL still revokes after its end stays on one CRL more, and no longer") {
  sources.index = {line("10"), revoked("11", kNow - 48h, 1, kNow - 36h), revoked("12", kNow - 48h, 0, kNow - 36h)};
  const ca::Inventory all = taken();
  REQUIRE(all.revoked.size() == 2);
  CHECK(all.revoked[0].until == kNow - 24h);  // thisUpdate of that CRL
  CHECK(all.revoked[1].until == kNow - 36h);
}

TEST_CASE_METHOD(OldCa, "a revocation since the last CRL is taken over, and a hold is said") {
  sources.index->push_back(revoked("13", kNow - 1h, 6));
  const ca::Inventory all = taken();
  CHECK(all.revoked.size() == 2);
  REQUIRE(all.notes.size() == 1);
  says(all.notes[0], "1 certificates are on hold");
}

TEST_CASE_METHOD(OldCa, "every contradiction between the sources is told") {
  SECTION("a serial number twice in the index") {
    sources.index->push_back(line("12"));
    says(why(), "the serial number 12 is there twice");
  }
  SECTION("a serial number in two certificates") {
    sources.certificates = {certificate("10", "one.pem"), certificate("10", "two.pem")};
    REQUIRE(sources.certificates[0].der != sources.certificates[1].der);  // ECDSA signs otherwise each time
    says(why(), "the serial number 10 is in two certificates: one.pem and two.pem");
  }
  SECTION("a certificate that the index lacks") {
    sources.certificates = {certificate("20", "20.pem")};
    says(why(), "the index lacks 20.pem (serial number 20)");
  }
  SECTION("a certificate that ends at another time than the index says") {
    sources.index->front().not_after += 1s;
    sources.certificates = {certificate("10", "10.pem")};
    says(why(), "serial number 10: index.txt, 10 says that it ends");
  }
  SECTION("a certificate that another key signed under the CA's name") {
    Entity forger(authority("C=CH, CN=Old CA"));
    sources.certificates = {certificate("10", "10.pem", &forger)};
    says(why(), "is not signed by its key");
  }
  SECTION("a negative serial number, revoked or not") {
    sources.index->push_back(line("-01"));
    says(why(), "a negative number cannot be on a CRL");
  }
  SECTION("a reason that no complete CRL has") {
    sources.index->push_back(revoked("13", kNow - 48h, 8));
    says(why(), "13 is revoked with the reason 8");
  }
  SECTION("a revocation that the index does not have") {
    sources.crl = crl({{Bytes{0x11}, kNow - 48h, 1}, {Bytes{0x20}, kNow - 48h, 1}});
    says(why(), "revokes the serial number 20, and the index lacks it");
  }
  SECTION("an index that is older than the CRL") {
    sources.crl = crl({{Bytes{0x11}, kNow - 48h, 1}, {Bytes{0x12}, kNow - 48h, 1}});
    says(why(), "revokes 12, and index.txt, 12 does not say so: it is older than the CRL");
  }
  SECTION("another reason") {
    sources.crl = crl({{Bytes{0x11}, kNow - 48h, 4}});
    says(why(), "reason 1, and crl.pem says");
  }
  SECTION("a CRL that is older than it says of the index") {
    sources.crl = crl({});
    says(why(), "11 was revoked");
  }
  SECTION("both at once") {
    sources.index->push_back(line("12"));
    sources.crl = crl({});
    says(why(), "in 2 places");
  }
}

TEST_CASE_METHOD(OldCa, "a CRL that cannot be continued is refused") {
  SECTION("of another CA") {
    OldCa other;
    sources.crl = other.sources.crl;
    says(why(), "it is not signed by the CA's key");
  }
  SECTION("of the future") {
    const Instant soon = kNow + 1h;
    const Bytes tbs = ca::crl_to_be_signed({7, soon, soon + 24h, {}}, *issuer.certificate, kAlgorithm);
    sources.index = {line("10")};
    sources.crl = {"crl.pem", ca::signed_crl(tbs, *issuer.certificate, issuer.signer, kAlgorithm, soon)};
    says(why(), "this machine's clock says");
  }
  SECTION("with another number than a program can count on from") {
    const auto with = [&](const Bytes& extensions) {
      Bytes tbs =
          der::sequence(der::integer(1), x509::algorithm_identifier(kAlgorithm), issuer.certificate->subject().der(),
                        der::time(kNow - 24h), der::time(kNow + 24h),
                        extensions.empty() ? Bytes{} : der::constructed(der::context_constructed(0), extensions));
      sources.index = {line("10")};
      sources.crl = {"crl.pem", x509::assemble(tbs, kAlgorithm, issuer.signer.sign(tbs, kAlgorithm))};
      return why();
    };
    const auto extension = [](const char* oid, const Bytes& value) {
      return der::sequence(der::sequence(der::oid(x509::Oid{oid}), der::octet_string(value)));
    };
    says(with({}), "it has no CRL number");
    says(with(extension("2.5.29.20", der::unsigned_integer(Bytes(9, 0x7f)))), "not one that this program gives");
    says(with(extension("2.5.29.27", der::integer(1))), "is a delta CRL");
    const Bytes yes{0xff};
    says(with(extension("2.5.29.28", der::sequence(der::element(der::context(1), yes)))),
         "is a part of what the CA revokes");
    // One that only says where the CRL is limits nothing.
    const Bytes place = der::sequence(der::element(der::context_constructed(0), {}));
    says(with(extension("2.5.29.28", place)), "it has no CRL number");
  }
}

TEST_CASE_METHOD(OldCa, "of a lost store an older index tells what was issued, and the CRL what is revoked since") {
  sources.crl = crl({{Bytes{0x11}, kNow - 48h, 1}, {Bytes{0x10}, kNow - 30h, 4}});
  says(why(), "it is older than the CRL");
  sources.known = [](const std::string&) -> std::optional<Instant> { return std::nullopt; };
  CHECK(why() == "");
  CHECK(taken().revoked.size() == 2);
}

TEST_CASE_METHOD(OldCa, "a CRL number after which there is hardly another one is refused") {
  constexpr std::uint64_t kTooHigh = std::uint64_t{1} << 62U;
  sources.crl = crl({{Bytes{0x11}, kNow - 48h, 1}}, kTooHigh - 1);
  CHECK(why() == "");
  sources.crl = crl({{Bytes{0x11}, kNow - 48h, 1}}, kTooHigh);
  says(why(), "there is no room for those that follow it");
}

TEST_CASE_METHOD(OldCa, "a CRL about CAs alone is continued, unless a certificate of another kind is known") {
  sources.crl = crl({{Bytes{0x11}, kNow - 48h, 1}}, 7, kNow - 24h, true);
  const auto all = taken();
  CHECK(all.crl->only_authorities);
  for (const ca::IssuedBefore& one : all.certificates) {
    // An index tells nothing of that; the CA's own certificate does.
    const bool is_own = one.serial == x509::serial_text(issuer.certificate->serial());
    CHECK(one.holder == (is_own ? ca::Holder::authority : ca::Holder::unknown));
  }
  sources.certificates = {certificate("10", "10.pem")};
  says(why(),
       "crl.pem is about the certificates of CAs alone (onlyContainsCACerts), and index.txt, 10 (serial number 10)"
       " is not one");
  sources.crl = crl({{Bytes{0x11}, kNow - 48h, 1}});
  CHECK_FALSE(taken().crl->only_authorities);
  for (const ca::IssuedBefore& one : taken().certificates) {
    if (one.serial == "10") CHECK(one.holder == ca::Holder::end_entity);
  }
}

TEST_CASE_METHOD(OldCa, "a log of what was signed may say the same again, and not otherwise") {
  sources.index.reset();
  sources.log = {line("11"), line("11"), line("13")};
  CHECK(taken().certificates.size() == 3);  // the CA's own too
  CHECK(taken().revoked.size() == 1);
  sources.log.push_back(line("13", kEnd + 1s));
  says(why(), "serial number 13: index.txt, 13 says that it ends");
}

TEST_CASE_METHOD(OldCa, "an index that lets a certificate end otherwise than it is known to is not believed") {
  sources.known = [](const std::string& serial) { return serial == "11" ? std::optional(kEnd) : std::nullopt; };
  CHECK(taken().revoked[0].until == kEnd);
  sources.index = {line("10"), revoked("11", kNow - 48h, 1, kNow - 1h), line("12")};
  says(why(), "serial number 11: index.txt, 11 says that it ends " + rfc3339(kNow - 1h) + ", and this store says " +
                  rfc3339(kEnd));
  // Nor where the certificate itself is given.
  sources.known = {};
  sources.certificates = {certificate("11", "11.pem")};
  says(why(), "and 11.pem says " + rfc3339(kEnd));
}

TEST_CASE_METHOD(OldCa, "what a CRL revokes may be known already") {
  sources.index = {line("10")};
  sources.known = [](const std::string& serial) { return serial == "11" ? std::optional(kEnd) : std::nullopt; };
  const ca::Inventory all = taken();
  REQUIRE(all.revoked.size() == 1);
  CHECK(all.revoked[0].serial == "11");
  CHECK(all.revoked[0].until == kEnd);
  sources.known = {};
  says(why(), "revokes the serial number 11");
}
