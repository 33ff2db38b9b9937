#include "x509/objects/csr.h"

#include "base/error.h"
#include "x509/asn1/bounds.h"
#include "x509/asn1/der.h"
#include "x509/asn1/unicode.h"
#include "x509/content/extensions.h"
#include "x509/objects/spki.h"
#include "x509/objects/verify.h"

#include <optional>
#include <string>

namespace hsmbridge::x509 {
namespace {

const Oid kExtensionRequest{"1.2.840.113549.1.9.14"};  // RFC 2985 §5.4.2
// Microsoft's szOID_CERT_EXTENSIONS: the same by another name, which CAs obey as well (OpenSSL's NID_ms_ext_req).
const Oid kMicrosoftExtensions{"1.3.6.1.4.1.311.2.1.14"};
const Oid kChallengePassword{"1.2.840.113549.1.9.7"};  // RFC 2985 §5.4.1

Bytes attribute(const Oid& type, Bytes value) {
  return der::sequence(der::oid(type), der::set_of({std::move(value)}));
}

Bytes encode_attributes(const Content& content) {
  std::vector<Bytes> members;
  if (const auto extensions = extensions_of(content); !extensions.empty()) {
    members.push_back(attribute(kExtensionRequest, encode_extensions(extensions)));
  }
  if (content.challenge_password) {
    // DirectoryString: PrintableString where it can be one, as RFC 2985 recommends.
    const std::uint8_t tag =
        is_printable_string(*content.challenge_password) ? der::kPrintableString : der::kUtf8String;
    members.push_back(attribute(kChallengePassword, der::text(tag, *content.challenge_password)));
  }
  // [0] IMPLICIT SET OF Attribute, present even when empty (RFC 2986 §4.1).
  Bytes set = der::set_of(std::move(members));
  set[0] = der::context_constructed(0);
  return set;
}

ByteView only_value(const Bytes& set, std::string_view what) {
  der::Reader reader(der::only(set, what).content);
  const ByteView value = reader.any(what).whole;
  reader.expect_end(what);
  return value;
}

std::string decode_challenge_password(ByteView value) {
  const der::Element element = der::only(value, "challengePassword");
  std::optional<std::string> text;
  switch (element.tag) {
    case der::kUtf8String:
      text = to_text(element.content);
      break;
    case der::kPrintableString:
    case der::kIa5String:
      text = utf8_from_ascii(element.content);
      break;
    case der::kTeletexString:
      text = utf8_from_latin1(element.content);
      break;
    case der::kBmpString:
      text = utf8_from_utf16(element.content);
      break;
    case der::kUniversalString:
      text = utf8_from_utf32(element.content);
      break;
    default:
      break;
  }
  if (!text || !is_utf8(*text)) throw Error{ErrorKind::invalid_input, "challengePassword: no character string"};
  return *text;
}

void decode_attributes(Csr& csr, der::Reader attributes) {
  bool extensions_seen = false;
  while (!attributes.at_end()) {
    der::Reader one = attributes.enter(der::kSequence, "request attribute");
    RequestAttribute found;
    found.type = one.oid("request attribute type");
    const ByteView values = one.expect(der::kSet, "request attribute values").whole;
    found.values.assign(values.begin(), values.end());
    one.expect_end("request attribute");
    if (found.type == kExtensionRequest || found.type == kMicrosoftExtensions) {
      if (extensions_seen) throw Error{ErrorKind::invalid_input, "two extensionRequest attributes"};
      extensions_seen = true;
      apply_extensions(csr.content, decode_extensions(only_value(found.values, "extensionRequest")));
    } else if (found.type == kChallengePassword) {
      if (csr.content.challenge_password) throw Error{ErrorKind::invalid_input, "two challengePassword attributes"};
      csr.content.challenge_password = decode_challenge_password(only_value(found.values, "challengePassword"));
    } else {
      csr.other_attributes.push_back(std::move(found));
    }
  }
}

void decode_information(Csr& csr) {
  der::Reader information = der::inside(csr.parts.to_be_signed, der::kSequence, "CertificationRequestInfo");
  if (const auto version = information.small_integer("request version"); version != 0) {
    throw Error{ErrorKind::invalid_input, "request version " + std::to_string(version) + " is not known"};
  }
  csr.content.subject = Name::from_der(information.expect(der::kSequence, "request subject").whole);
  const ByteView spki = information.expect(der::kSequence, "request public key").whole;
  csr.spki.assign(spki.begin(), spki.end());
  // Some encoders leave an empty [0] out.
  if (const auto attributes = information.optional(der::context_constructed(0), "request attributes")) {
    decode_attributes(csr, der::Reader(attributes->content));
  }
  information.expect_end("CertificationRequestInfo");
}

[[noreturn]] void unproved(const std::string& why) {
  throw Error{ErrorKind::corrupt, "the certificate request that was just signed is not what was asked: " + why}.hint(
      "nothing was handed out; check the token, then report this");
}

}  // namespace

Bytes build_certification_request_info(ByteView spki, const Content& content) {
  validate(content);
  return der::sequence(der::integer(0), content.subject.der(), spki, encode_attributes(content));
}

Bytes create_csr(Signer& signer, const Content& content, const SignatureAlgorithm& algorithm) {
  const Bytes& spki = signer.subject_public_key_info();
  const KeySpec key = key_spec_of(spki);
  if (key.type != algorithm.key_type) {
    throw Error{ErrorKind::invalid_input,
                "a key of the kind " + to_string(key) + " cannot sign with " + std::string(algorithm.name)}
        .hint("use " + std::string(default_algorithm(key).name));
  }
  const Bytes information = build_certification_request_info(spki, content);
  const Bytes signature = signer.sign(information, algorithm);
  Bytes der = assemble(information, algorithm, signature);
  prove_csr(der, spki, content, algorithm);
  return der;
}

void prove_csr(ByteView der, ByteView spki, const Content& content, const SignatureAlgorithm& algorithm) {
  const Csr csr = [&] {
    try {
      return parse_csr(der);
    } catch (const Error& error) {
      unproved("it cannot be read back: " + error.message());
    }
  }();
  if (const std::string text = difference(csr, spki, content, algorithm); !text.empty()) unproved(text);
}

std::string difference(const Csr& csr, ByteView spki, const Content& content, const SignatureAlgorithm& algorithm) {
  if (!equal(csr.spki, spki)) return "public key: another one than asked";
  // As bytes: PSS parameters are part of it. A signature by another algorithm than asked ends here.
  if (!equal(csr.parts.signature_algorithm, algorithm_identifier(algorithm))) {
    return "signature algorithm: asked " + std::string(algorithm.name) + ", found " +
           hex(csr.parts.signature_algorithm);
  }
  if (std::string text = difference(content, csr.content); !text.empty()) return text;
  if (!csr.other_attributes.empty()) return "attribute " + csr.other_attributes[0].type.dotted() + ": not asked";
  if (!verify(spki, algorithm, csr.parts.to_be_signed, csr.parts.signature)) {
    return "signature: it does not verify with the public key";
  }
  return {};
}

Csr parse_csr(ByteView der) {
  Csr csr;
  if (der.size() > kMostCertificate) {
    throw Error{ErrorKind::invalid_input, "certificate request: it has " + std::to_string(der.size()) +
                                              " octets; at most " + std::to_string(kMostCertificate) + " are read"};
  }
  csr.parts = take_apart(der, "CertificationRequest");
  csr.der.assign(der.begin(), der.end());
  prefixed("certificate request", [&] { decode_information(csr); });
  return csr;
}

bool signature_verifies(const Csr& csr) {
  return is_signed_by(csr.parts, csr.spki);
}

}  // namespace hsmbridge::x509
