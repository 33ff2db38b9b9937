#include "x509/objects/certificate.h"

#include "base/error.h"
#include "x509/asn1/bounds.h"
#include "x509/asn1/der.h"
#include "x509/content/extensions.h"
#include "x509/objects/spki.h"
#include "x509/objects/verify.h"

#include <string>

namespace hsmbridge::x509 {
namespace {

void refuse_too_long(ByteView der) {
  if (der.size() <= kMostCertificate) return;
  throw Error{ErrorKind::invalid_input, "it has " + std::to_string(der.size()) + " octets; at most " +
                                            std::to_string(kMostCertificate) + " are read"};
}

TbsCertificate decode_tbs(ByteView der) {
  refuse_too_long(der);
  TbsCertificate tbs;
  tbs.der = to_bytes(der);
  der::Reader fields = der::inside(der, der::kSequence, "TBSCertificate");
  tbs.version = 1;
  if (const auto version = fields.optional(der::context_constructed(0), "version")) {
    der::Reader reader(version->content);
    const std::uint64_t number = reader.small_integer("version");
    reader.expect_end("version");
    if (number < 1 || number > 2) {
      throw Error{ErrorKind::invalid_input, "version: " + std::to_string(number) + " is not known or not DER"};
    }
    tbs.version = static_cast<unsigned>(number) + 1;
  }
  tbs.serial = to_bytes(fields.integer("serialNumber"));
  tbs.signature_algorithm = to_bytes(fields.expect(der::kSequence, "signature").whole);
  tbs.issuer = Name::from_der(fields.expect(der::kSequence, "issuer").whole);
  der::Reader validity = fields.enter(der::kSequence, "validity");
  tbs.validity.not_before = validity.time("notBefore");
  tbs.validity.not_after = validity.time("notAfter");
  validity.expect_end("validity");
  tbs.content.subject = Name::from_der(fields.expect(der::kSequence, "subject").whole);
  tbs.spki = to_bytes(fields.expect(der::kSequence, "subjectPublicKeyInfo").whole);
  for (const unsigned number : {1U, 2U}) {
    if (fields.optional(der::context(number), "unique identifier")) tbs.has_unique_identifiers = true;
  }
  if (const auto extensions = fields.optional(der::context_constructed(3), "extensions")) {
    tbs.extensions = decode_extensions(extensions->content);
    if (tbs.version != 3) throw Error{ErrorKind::invalid_input, "extensions: only version 3 carries them"};
    std::vector<Extension> about_subject;
    for (const Extension& extension : tbs.extensions) {
      if (extension.oid == oids::kAuthorityKeyIdentifier) {
        tbs.authority_key_identifier = key_identifier_of_authority(extension.value);
      } else {
        about_subject.push_back(extension);
      }
    }
    apply_extensions(tbs.content, about_subject);
  }
  fields.expect_end("TBSCertificate");
  return tbs;
}

// What of the content goes into a certificate: the key identifier is computed or that of the CA that is there, a
// challenge password never leaves a request.
Content certified(const CertificateFields& fields) {
  Content content = fields.content;
  content.subject_key_identifier = fields.subject_key_identifier ? *fields.subject_key_identifier
                                                                 : key_identifier(fields.spki, fields.key_identifier);
  content.critical.subject_key_identifier = false;  // RFC 5280 §4.2.1.2
  content.challenge_password.reset();
  return content;
}

const SignatureAlgorithm& algorithm_in(const CertificateFields& fields) {
  if (fields.algorithm == nullptr) throw Error{ErrorKind::internal, "a certificate is built without an algorithm"};
  return *fields.algorithm;
}

void validate_fields(const CertificateFields& fields) {
  validate(fields.content);
  if (fields.issuer.empty()) {
    throw Error{ErrorKind::invalid_input, "issuer: the name is empty (RFC 5280 section 4.1.2.4)"};
  }
  if (fields.serial.empty() || fields.serial.size() > 20 || serial_sign(fields.serial) != SerialSign::positive) {
    throw Error{ErrorKind::invalid_input, "serial number " + hex(fields.serial) +
                                              ": it must be positive and at most 20 octets (RFC 5280 section 4.1.2.2)"};
  }
  if (fields.validity.not_after < fields.validity.not_before) {
    throw Error{ErrorKind::invalid_input, "validity: it ends (" + rfc3339(fields.validity.not_after) +
                                              ") before it begins (" + rfc3339(fields.validity.not_before) + ")"};
  }
  for (const Extension& extension : fields.content.other_extensions) {
    if (extension.oid == oids::kAuthorityKeyIdentifier) {
      throw Error{ErrorKind::invalid_input,
                  "extension authorityKeyIdentifier: it follows from the issuer, not from a request"};
    }
  }
}

std::string shown(const std::optional<Bytes>& bytes) {
  return bytes ? hex(*bytes) : "nothing";
}

// Extensions that only an issuer can give, beside the identifiers that Content keeps apart.
const Oid kIssuerOnly[] = {
    oids::kAuthorityKeyIdentifier,
    oids::kCrlDistributionPoints,
    oids::kAuthorityInfoAccess,
    oids::kCrlNumber,
    Oid("2.5.29.18"),                // issuerAltName
    Oid("2.5.29.46"),                // freshestCRL
    Oid("1.3.6.1.4.1.11129.2.4.2"),  // SCT list (RFC 6962 §3.3)
    Oid("1.3.6.1.4.1.11129.2.4.3"),  // precertificate poison
    Oid("1.3.6.1.4.1.311.21.1"),     // Microsoft CA version
    Oid("1.3.6.1.4.1.311.21.7"),     // Microsoft certificate template
};

}  // namespace

bool only_issuer_gives(const Oid& oid) {
  for (const Oid& one : kIssuerOnly) {
    if (one == oid) return true;
  }
  return false;
}

TbsCertificate parse_tbs_certificate(ByteView der) {
  return prefixed("TBSCertificate", [&] { return decode_tbs(der); });
}

Certificate parse_certificate(ByteView der) {
  Certificate certificate;
  prefixed("certificate", [&] { refuse_too_long(der); });
  certificate.parts = take_apart(der, "Certificate");
  certificate.der = to_bytes(der);
  prefixed("certificate", [&] {
    certificate.tbs = decode_tbs(certificate.parts.to_be_signed);
    if (certificate.tbs.signature_algorithm != certificate.parts.signature_algorithm) {
      throw Error{ErrorKind::invalid_input, "the two signature algorithms differ (RFC 5280 section 4.1.1.2)"};
    }
  });
  return certificate;
}

bool signature_verifies(const Certificate& certificate, ByteView issuer_spki) {
  return is_signed_by(certificate.parts, issuer_spki);
}

CertificateFields fields_for_issuer(const Certificate& issuer) {
  CertificateFields fields;
  fields.issuer = issuer.subject();
  fields.authority_key_identifier = issuer.content().subject_key_identifier;
  return fields;
}

Bytes build_tbs_certificate(const CertificateFields& fields) {
  validate_fields(fields);
  std::vector<Extension> extensions = extensions_of(certified(fields));
  if (fields.authority_key_identifier) extensions.push_back(authority_key_identifier(*fields.authority_key_identifier));
  return der::sequence(der::constructed(der::context_constructed(0), der::integer(2)),
                       der::element(der::kInteger, fields.serial), algorithm_identifier(algorithm_in(fields)),
                       fields.issuer.der(),
                       der::sequence(der::time(fields.validity.not_before), der::time(fields.validity.not_after)),
                       fields.content.subject.der(), fields.spki,
                       der::constructed(der::context_constructed(3), encode_extensions(extensions)));
}

void prove_tbs_certificate(ByteView tbs, const CertificateFields& fields) {
  const auto unproved = [](const std::string& why) {
    throw Error{ErrorKind::corrupt, "the certificate that was built is not what was asked: " + why};
  };
  TbsCertificate found;
  try {
    found = parse_tbs_certificate(tbs);
  } catch (const Error& error) {
    unproved("it cannot be read back: " + error.message());
  }
  const auto seconds = [](Instant instant) { return std::chrono::floor<std::chrono::seconds>(instant); };
  if (found.version != 3) unproved("version: asked 3, found " + std::to_string(found.version));
  if (found.serial != fields.serial) {
    unproved("serial number: asked " + hex(fields.serial) + ", found " + hex(found.serial));
  }
  if (found.signature_algorithm != algorithm_identifier(algorithm_in(fields))) {
    unproved("signature algorithm: asked " + std::string(fields.algorithm->name) + ", found " +
             hex(found.signature_algorithm));
  }
  if (!(found.issuer == fields.issuer)) {
    unproved("issuer: asked \"" + fields.issuer.to_string() + "\", found \"" + found.issuer.to_string() + "\"");
  }
  if (found.validity.not_before != seconds(fields.validity.not_before)) {
    unproved("notBefore: asked " + rfc3339(fields.validity.not_before) + ", found " +
             rfc3339(found.validity.not_before));
  }
  if (found.validity.not_after != seconds(fields.validity.not_after)) {
    unproved("notAfter: asked " + rfc3339(fields.validity.not_after) + ", found " + rfc3339(found.validity.not_after));
  }
  if (found.spki != fields.spki) unproved("public key: another one than asked");
  if (const std::string text = difference(certified(fields), found.content); !text.empty()) unproved(text);
  if (found.authority_key_identifier != fields.authority_key_identifier) {
    unproved("authority key identifier: asked " + shown(fields.authority_key_identifier) + ", found " +
             shown(found.authority_key_identifier));
  }
  if (found.has_unique_identifiers) unproved("unique identifiers: not asked");
}

Bytes assemble_certificate(ByteView tbs, const SignatureAlgorithm& algorithm, ByteView signature,
                           ByteView issuer_spki) {
  if (!verify(issuer_spki, algorithm, tbs, signature)) {
    throw Error{ErrorKind::corrupt, "the signature (" + std::string(algorithm.name) +
                                        ") does not verify over the certificate's bytes with the issuer's key"}
        .with("issuer_key", spki_hash(issuer_spki).str())
        .with("payload_sha256", hex(sha256(tbs)));
  }
  Bytes der = assemble(tbs, algorithm, signature);
  try {
    parse_certificate(der);
  } catch (const Error& error) {
    throw Error{ErrorKind::corrupt, "the assembled certificate cannot be read back: " + error.message()};
  }
  return der;
}

Bytes random_serial() {
  Bytes octets = random_bytes(20);
  octets[0] = static_cast<std::uint8_t>((octets[0] & 0x3FU) | 0x40U);
  return octets;
}

std::string serial_text(ByteView serial) {
  if (serial_sign(serial) == SerialSign::negative) {
    Bytes magnitude = to_bytes(serial);
    unsigned carry = 1;
    for (std::size_t i = magnitude.size(); i-- > 0;) {
      const unsigned sum = static_cast<unsigned>(static_cast<std::uint8_t>(~magnitude[i])) + carry;
      magnitude[i] = static_cast<std::uint8_t>(sum);
      carry = sum >> 8U;
    }
    return "-" + hex(magnitude);
  }
  while (serial.size() > 1 && serial[0] == 0) serial = serial.subspan(1);
  return serial.empty() ? "00" : hex(serial);
}

SerialSign serial_sign(ByteView serial) {
  if (!serial.empty() && serial[0] >= 0x80) return SerialSign::negative;
  for (const std::uint8_t octet : serial) {
    if (octet != 0) return SerialSign::positive;
  }
  return SerialSign::zero;
}

Content content_like(const Content& existing) {
  Content content = existing;
  content.subject_key_identifier.reset();
  content.challenge_password.reset();
  content.other_extensions.clear();
  for (const Extension& extension : existing.other_extensions) {
    if (!only_issuer_gives(extension.oid)) content.other_extensions.push_back(extension);
  }
  return content;
}

}  // namespace hsmbridge::x509
