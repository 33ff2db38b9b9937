#include "x509/objects/crl.h"

#include "base/error.h"
#include "x509/asn1/der.h"
#include "x509/content/extensions.h"

#include <string>

namespace hsmbridge::x509 {
namespace {

RevokedCertificate decode_entry(der::Reader& list) {
  der::Reader entry = list.enter(der::kSequence, "revoked certificate");
  RevokedCertificate revoked;
  revoked.serial = to_bytes(entry.integer("revoked serial number"));
  revoked.revoked_at = entry.time("revocation date");
  if (!entry.at_end()) {
    revoked.extensions = decode_extensions(entry.expect(der::kSequence, "crlEntryExtensions").whole);
    entry.expect_end("revoked certificate");
  }
  for (const Extension& extension : revoked.extensions) {
    if (extension.oid != oids::kReasonCode) continue;
    const der::Element reason = der::only(extension.value, "reason code");
    if (reason.tag != der::kEnumerated || reason.content.size() != 1 || reason.content[0] > 10) {
      throw Error{ErrorKind::invalid_input, "reason code: no CRLReason"};
    }
    revoked.reason = reason.content[0];
  }
  return revoked;
}

IssuingDistributionPoint decode_issuing_distribution_point(const Extension& extension) {
  const Bytes kTrue{0xff};
  IssuingDistributionPoint point;
  point.is_critical = extension.critical;
  der::Reader fields = der::inside(extension.value, der::kSequence, "issuingDistributionPoint");
  if (const auto name = fields.optional(der::context_constructed(0), "distributionPoint")) {
    point.names_place = true;
    point.urls = urls_of_distribution_point(name->content);
  }
  // DER leaves out what is FALSE: of one that does not the limits are not clear.
  const auto only_authorities = fields.optional(der::context(2), "onlyContainsCACerts");
  point.only_authorities = only_authorities && equal(only_authorities->content, kTrue);
  point.has_limits = !fields.at_end() || (only_authorities && !point.only_authorities);
  return point;
}

TbsCertList decode_list(ByteView der) {
  TbsCertList tbs;
  tbs.der = to_bytes(der);
  der::Reader fields = der::inside(der, der::kSequence, "TBSCertList");
  tbs.version = 1;
  if (fields.peek() == der::kInteger) {
    if (fields.small_integer("version") != 1) throw Error{ErrorKind::invalid_input, "version: it is not known"};
    tbs.version = 2;
  }
  tbs.signature_algorithm = to_bytes(fields.expect(der::kSequence, "signature").whole);
  tbs.issuer = Name::from_der(fields.expect(der::kSequence, "issuer").whole);
  tbs.this_update = fields.time("thisUpdate");
  if (fields.peek() == der::kUtcTime || fields.peek() == der::kGeneralizedTime) {
    tbs.next_update = fields.time("nextUpdate");
  }
  if (const auto list = fields.optional(der::kSequence, "revokedCertificates")) {
    der::Reader entries(list->content);
    while (!entries.at_end()) tbs.revoked.push_back(decode_entry(entries));
  }
  if (const auto extensions = fields.optional(der::context_constructed(0), "crlExtensions")) {
    tbs.extensions = decode_extensions(extensions->content);
    if (tbs.version != 2) throw Error{ErrorKind::invalid_input, "crlExtensions: only version 2 carries them"};
  }
  fields.expect_end("TBSCertList");
  for (const Extension& extension : tbs.extensions) {
    if (extension.oid == oids::kAuthorityKeyIdentifier) {
      tbs.authority_key_identifier = key_identifier_of_authority(extension.value);
    } else if (extension.oid == oids::kCrlNumber) {
      der::Reader number(extension.value);
      tbs.number = to_bytes(number.integer("cRLNumber"));
      number.expect_end("cRLNumber");
    } else if (extension.oid == oids::kIssuingDistributionPoint) {
      tbs.issuing_distribution_point = decode_issuing_distribution_point(extension);
    }
  }
  return tbs;
}

}  // namespace

TbsCertList parse_tbs_cert_list(ByteView der) {
  return prefixed("TBSCertList", [&] { return decode_list(der); });
}

CertificateList parse_crl(ByteView der) {
  CertificateList list;
  list.parts = take_apart(der, "CertificateList");
  list.der = to_bytes(der);
  list.tbs = parse_tbs_cert_list(list.parts.to_be_signed);
  if (list.tbs.signature_algorithm != list.parts.signature_algorithm) {
    throw Error{ErrorKind::invalid_input, "CRL: the two signature algorithms differ (RFC 5280 section 5.1.1.2)"};
  }
  return list;
}

ToBeSigned what_is_to_be_signed(ByteView bytes) {
  std::string why;
  try {
    TbsCertificate tbs = parse_tbs_certificate(bytes);
    if (tbs.version != 3) {
      why = "it is a TBSCertificate of version " + std::to_string(tbs.version) + ", not 3";
    } else if (tbs.has_unique_identifiers) {
      why = "it is a TBSCertificate with unique identifiers, which cannot be shown";
    } else {
      return tbs;
    }
    return NotToBeSigned{why};
  } catch (const Error& error) {
    why = error.message();
  }
  try {
    TbsCertList tbs = parse_tbs_cert_list(bytes);
    if (tbs.version == 2) return tbs;
    return NotToBeSigned{"it is a TBSCertList of version " + std::to_string(tbs.version) + ", not 2"};
  } catch (const Error& error) {
    return NotToBeSigned{"neither a certificate (" + why + ") nor a revocation list (" + error.message() + ")"};
  }
}

}  // namespace hsmbridge::x509
