#include "ca/cross.h"

#include "hierarchy.h"

#include <catch2/catch.hpp>
#include <functional>

using namespace hsmbridge;
using namespace hsmbridge::test;

namespace {

ca::Profile sub_ca() {
  ca::Profile profile;
  profile.name = "cross";
  profile.key_usage = x509::KeyUsages{x509::KeyUsage::key_cert_sign, x509::KeyUsage::crl_sign};
  profile.basic_constraints = x509::parse_basic_constraints("CA:TRUE,pathlen:2");
  return profile;
}

test::Profile limited(const std::string& subject) {
  test::Profile profile = authority(subject);
  profile.content.basic_constraints = x509::parse_basic_constraints("CA:TRUE,pathlen:1");
  profile.content.extended_key_usage = {x509::parse_extended_key_usage("serverAuth"),
                                        x509::parse_extended_key_usage("clientAuth")};
  profile.content.name_constraints.emplace();
  x509::add_name_constraint(*profile.content.name_constraints, "permitted;dns:example.com");
  return profile;
}

std::string first(const std::vector<std::string>& reasons) {
  return reasons.empty() ? "" : reasons.front();
}

}  // namespace

TEST_CASE("what a cross-certificate asks for is the narrower of the existing one and the profile") {
  const Entity existing(limited("CN=Existing"));
  ca::Profile profile = sub_ca();
  auto content = ca::cross_content(profile, *existing.certificate);
  CHECK(content.subject.der() == existing.certificate->subject().der());
  CHECK(content.basic_constraints == x509::parse_basic_constraints("CA:TRUE,pathlen:1"));
  CHECK(content.name_constraints == existing.certificate->content().name_constraints);
  CHECK(ca::cross_objections(sub_ca(), ca::cross_content(sub_ca(), Entity(authority("CN=A")).certificate.value()),
                             *existing.certificate)
            .empty());

  profile.basic_constraints = x509::parse_basic_constraints("CA:TRUE,pathlen:0");
  profile.extended_key_usage = {x509::parse_extended_key_usage("serverAuth")};
  content = ca::cross_content(profile, *existing.certificate);
  CHECK(content.basic_constraints == x509::parse_basic_constraints("CA:TRUE,pathlen:0"));
  CHECK(content.extended_key_usage == profile.extended_key_usage);
  CHECK(ca::cross_objections(profile, content, *existing.certificate).empty());

  // Nothing of the two is common: the profile says so, and no certificate without a limit comes of it.
  profile.extended_key_usage = {x509::parse_extended_key_usage("codeSigning")};
  content = ca::cross_content(profile, *existing.certificate);
  CHECK(first(ca::cross_objections(profile, content, *existing.certificate)) ==
        "profile cross does not permit the extended key usage serverAuth");
  // Other name constraints than those that it has would permit other names.
  profile = sub_ca();
  profile.extended_key_usage = limited("CN=x").content.extended_key_usage;
  profile.name_constraints.emplace();
  x509::add_name_constraint(*profile.name_constraints, "permitted;dns:example.org");
  content = ca::cross_content(profile, *existing.certificate);
  CHECK(first(ca::cross_objections(profile, content, *existing.certificate)) ==
        "profile cross has other name constraints than those that are asked for");
}

TEST_CASE("a cross-certificate that is for another CA, or grants more than that has, is told by each difference") {
  Entity existing(limited("CN=Existing"));
  const auto changed = [&](const std::function<void(x509::CertificateFields&)>& change) {
    x509::CertificateFields fields = existing.fields;
    fields.issuer = x509::Name::parse("CN=Another Root");
    change(fields);
    return first(ca::unlike(x509::parse_tbs_certificate(x509::build_tbs_certificate(fields)), *existing.certificate));
  };
  using Fields = x509::CertificateFields;
  CHECK(changed([](Fields&) {}) == "");
  // Less is no difference that matters here.
  CHECK(changed([](Fields& fields) {
          fields.content.basic_constraints->path_length = 0;
          fields.content.extended_key_usage.pop_back();
          fields.content.key_usage = x509::KeyUsages{x509::KeyUsage::key_cert_sign};
        }) == "");
  struct Row {
    std::function<void(Fields&)> change;
    std::string why;
  };
  for (const Row& row : {
           Row{[](Fields& fields) { fields.content.subject = x509::Name::parse("CN=existing"); },
               "its subject (\"CN=existing\") is not byte by byte that of the certificate that the CA has"},
           Row{[](Fields& fields) { fields.spki = SoftwareSigner{"ec:P-256"}.subject_public_key_info(); },
               "its public key is not byte by byte that of the certificate that the CA has"},
           Row{[](Fields& fields) { fields.subject_key_identifier = Bytes(20, 1); },
               "its subject key identifier is not that of the certificate that the CA has"},
           Row{[](Fields& fields) { fields.content.basic_constraints->path_length.reset(); },
               "its path length (no limit) is more than that of the certificate that the CA has (1)"},
           Row{[](Fields& fields) { fields.content.basic_constraints->path_length = 2; },
               "its path length (2) is more than that of the certificate that the CA has (1)"},
           Row{[](Fields& fields) { fields.content.key_usage->add(x509::KeyUsage::digital_signature); },
               "it has the key usage digitalSignature, which the certificate that the CA has does not"},
           Row{[](Fields& fields) { fields.content.extended_key_usage.clear(); },
               "it would have no extended key usage, and the certificate that the CA has limits it to serverAuth, "
               "clientAuth"},
           Row{[](Fields& fields) {
                 fields.content.extended_key_usage.push_back(x509::parse_extended_key_usage("codeSigning"));
               },
               "it has the extended key usage codeSigning, which the certificate that the CA has does not"},
           Row{[](Fields& fields) { fields.content.name_constraints.reset(); },
               "its name constraints are not those of the certificate that the CA has"},
       }) {
    CAPTURE(row.why);
    CHECK(changed(row.change) == row.why);
  }
}

TEST_CASE("a cross-certificate ends with its issuer and with the existing one, unless the profile says otherwise") {
  const Entity existing(authority("CN=Existing"));
  const x509::Validity issuer{parse_rfc3339("2026-01-01T00:00:00Z"), parse_rfc3339("2040-01-01T00:00:00Z")};
  ca::Profile profile = sub_ca();
  CHECK(ca::cross_limits(profile, *existing.certificate, issuer).not_after ==
        existing.certificate->tbs.validity.not_after);
  profile.outlives_cross_signed = true;
  CHECK(ca::cross_limits(profile, *existing.certificate, issuer) == issuer);
}

TEST_CASE("a CA that is not one, is over, or is the issuer itself is not cross-signed") {
  Entity issuer(authority("CN=Issuer"));
  const Entity existing(authority("CN=Existing"));
  CHECK(ca::against_cross_signing(*existing.certificate, *issuer.certificate, kNow).empty());
  const auto why = [&](const x509::Certificate& one, Instant now = kNow) {
    return first(ca::against_cross_signing(one, *issuer.certificate, now));
  };
  CHECK(why(*Entity(server()).certificate) ==
        "it is not the certificate of a CA (its basic constraints do not say so)");
  CHECK(why(*existing.certificate, parse_rfc3339("2029-01-01T00:00:00Z")) == "it ended 2028-01-01T00:00:00Z");
  CHECK(why(*existing.certificate, parse_rfc3339("2025-01-01T00:00:00Z")).rfind("it is not valid before", 0) == 0);
  CHECK(why(*issuer.certificate) == "it is for the key of this CA: a CA does not cross-sign itself");
  CHECK(why(*Entity(authority("CN=Issuer")).certificate) ==
        "it has the name of this CA (\"CN=Issuer\"): a CA does not cross-sign itself");
  // One below another CA is judged by its issuer, not by itself.
  CHECK(why(*Entity(authority("CN=Below"), &issuer).certificate) == "");
  x509::Certificate broken = *existing.certificate;
  broken.parts.signature.back() = static_cast<std::uint8_t>(broken.parts.signature.back() ^ 1U);
  CHECK(why(broken) == "it is of its own issuer, and its signature with its own key DOES NOT VERIFY");
}
