#include "pkcs11/keys/certificates.h"

#include "base/error.h"
#include "pkcs11/keys/key_objects.h"
#include "pkcs11/keys/public_key.h"
#include "pkcs11/token/token.h"
#include "x509/asn1/der.h"
#include "x509/objects/certificate.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <utility>

namespace hsmbridge::pkcs11 {
namespace {

// The attributes that PKCS#11 wants beside CKA_VALUE, as DER (v2.40 §4.6.3).
struct CertificateNames {
  Bytes subject;
  Bytes issuer;
  Bytes serial;
};

CertificateNames names_of(ByteView der) {
  const x509::Certificate certificate = x509::parse_certificate(der);
  return {.subject = certificate.subject().der(),
          .issuer = certificate.issuer().der(),
          .serial = x509::der::element(x509::der::kInteger, certificate.serial())};
}

Template certificate_template(const KeyInfo& key, ByteView der) {
  CertificateNames names = names_of(der);
  Template wanted;
  // CKA_TRUSTED is never set: whether a certificate is trusted is not this program's to say.
  wanted.number(CKA_CLASS, CKO_CERTIFICATE)
      .number(CKA_CERTIFICATE_TYPE, CKC_X_509)
      .flag(CKA_TOKEN, CK_TRUE)
      .flag(CKA_PRIVATE, CK_FALSE)
      .text(CKA_LABEL, key.label)
      .add(CKA_ID, key.id)
      .add(CKA_SUBJECT, std::move(names.subject))
      .add(CKA_ISSUER, std::move(names.issuer))
      .add(CKA_SERIAL_NUMBER, std::move(names.serial))
      .add(CKA_VALUE, Bytes(der.begin(), der.end()));
  return wanted;
}

Template certificates_match(ByteView id) {
  Template match;
  match.flag(CKA_TOKEN, CK_TRUE).number(CKA_CLASS, CKO_CERTIFICATE).number(CKA_CERTIFICATE_TYPE, CKC_X_509);
  if (!id.empty()) match.add(CKA_ID, Bytes(id.begin(), id.end()));
  return match;
}

std::vector<TokenCertificate> read_certificates(const Session& session, ByteView id) {
  constexpr CK_ATTRIBUTE_TYPE kTypes[] = {CKA_VALUE, CKA_ID, CKA_LABEL};
  std::vector<TokenCertificate> certificates;
  for (const CK_OBJECT_HANDLE handle : find_objects(session, certificates_match(id))) {
    auto read = read_if_there(session, handle, kTypes);
    if (!read) continue;
    auto& values = *read;
    if (!values[0] || values[0]->empty()) continue;
    TokenCertificate certificate{.der = std::move(*values[0]),
                                 .id = values[1].value_or(Bytes{}),
                                 .label = to_text(values[2].value_or(Bytes{})),
                                 .uri = {}};
    UriParts parts = session.token().uri_parts();
    parts.id = certificate.id;
    parts.object = certificate.label;
    parts.type = "cert";
    certificate.uri = format_uri(parts);
    certificates.push_back(std::move(certificate));
  }
  return certificates;
}

// A token says in many ways that it takes no certificates; none of them says it plainly.
bool takes_no_certificates(CK_RV rv) {
  return rv == CKR_FUNCTION_NOT_SUPPORTED || rv == CKR_TOKEN_WRITE_PROTECTED || rv == CKR_ACTION_PROHIBITED ||
         return_code(rv).recovery == Recovery::smaller_template;
}

CK_OBJECT_HANDLE create(const Session& session, const KeyInfo& key, ByteView der) {
  Template wanted = certificate_template(key, der);
  CK_OBJECT_HANDLE handle = 0;
  const CK_RV rv = session.functions().C_CreateObject(session.handle(), wanted.data(), wanted.size(), &handle);
  if (!takes_no_certificates(rv)) {
    session.check(rv, "C_CreateObject", fmt::format("put the certificate next to key {}", key.name));
    return handle;
  }
  throw Error{ErrorKind::refused, fmt::format("token {} does not take the certificate of key {} ({})",
                                              session.token().access.name, key.name, return_code_name(rv))}
      .with("ckr", return_code_name(rv))
      .hint("if it takes none at all, declare `certificates: false` for the token and install into a file");
}

void destroy(const Session& session, CK_OBJECT_HANDLE handle) {
  const CK_RV rv = session.functions().C_DestroyObject(session.handle(), handle);
  if (rv == CKR_OBJECT_HANDLE_INVALID && session.is_last_try()) return;
  session.check(rv, "C_DestroyObject", "remove a certificate");
}

void check_belongs(const KeyInfo& key, ByteView der) {
  const auto spki = spki_of_certificate(der);
  if (!spki) throw Error{ErrorKind::invalid_input, "not a valid DER certificate"};
  if (key.spki.empty() || *spki != key.spki) {
    throw Error{ErrorKind::invalid_input, fmt::format("the certificate is for another key than {}", key.name)}
        .with("key", candidate_text(key))
        .hint("name the key that the certificate was asked for");
  }
  // Without an id nothing would say which key it belongs to.
  if (key.id.empty()) {
    throw Error{ErrorKind::invalid_input,
                fmt::format("key {} has no CKA_ID, so a certificate cannot be put next to it", key.name)};
  }
}

}  // namespace

std::vector<TokenCertificate> list_certificates(Token& token) {
  return reading(token.state(), [](Session& session) { return read_certificates(session, {}); });
}

std::vector<TokenCertificate> certificates_of(Token& token, const KeyInfo& key) {
  if (key.id.empty()) return {};
  auto certificates = reading(token.state(), [&](Session& session) { return read_certificates(session, key.id); });
  std::erase_if(certificates, [&](const TokenCertificate& one) { return !certifies(one.der, key.spki); });
  return certificates;
}

namespace {

enum class Key { just_found, remembered };

CertificatePlacement put(Token& token, const KeyInfo& key, Key known, ByteView certificate_der,
                         const std::vector<Bytes>& replaces) {
  check_belongs(key, certificate_der);
  if (token.access().certificates == CertificateStorage::not_supported) {
    throw Error{ErrorKind::refused, fmt::format("token {} is declared to take no certificates", token.name())}.hint(
        "install into a file, or remove the declaration from the token's configuration");
  }
  CertificatePlacement placement;
  writing(token.state(), [&](Session& session) {
    if (known == Key::remembered) {
      locate_private_half(session, key, still_shows_public_key(session, key) ? Look::remembered : Look::again);
    }
    constexpr std::array<CK_ATTRIBUTE_TYPE, 1> kValue{CKA_VALUE};
    std::optional<CK_OBJECT_HANDLE> ours;
    // Only of this key: a token may hold another key's certificate, or an issuer's, under the same CKA_ID.
    std::vector<CK_OBJECT_HANDLE> replaced;
    for (const CK_OBJECT_HANDLE handle : find_objects(session, certificates_match(key.id))) {
      const auto values = read_if_there(session, handle, kValue);
      const auto value = values ? values->front() : std::nullopt;
      if (!value || !certifies(*value, key.spki)) continue;
      if (equal(*value, certificate_der)) {
        ours = handle;
      } else if (std::find(replaces.begin(), replaces.end(), *value) != replaces.end()) {
        replaced.push_back(handle);
      }
    }
    if (ours) {
      // Written by an earlier run, perhaps one that did not get as far as what it replaces.
      placement.outcome = CertificatePlacement::Outcome::already_there;
    } else {
      ours = create(session, key, certificate_der);
      const auto is_there = [&] {
        const auto value = read_attribute(session, *ours, CKA_VALUE);
        return value && equal(*value, certificate_der);
      };
      // Judged by two looks: one may be a fault of reading.
      if (!is_there() && !is_there()) {
        destroy(session, *ours);
        throw Error{ErrorKind::corrupt,
                    fmt::format("token {} returns another certificate than the one put next to key {}: it was "
                                "removed again, and what was there before stays",
                                token.name(), key.name)};
      }
      placement.outcome = CertificatePlacement::Outcome::written;
    }
    for (const CK_OBJECT_HANDLE handle : replaced) {
      destroy(session, handle);
      ++placement.removed;
    }
    return true;
  });
  return placement;
}

}  // namespace

CertificatePlacement put_certificate(Token& token, const KeyInfo& key, ByteView certificate_der,
                                     const std::vector<Bytes>& replaces) {
  return put(token, key, Key::just_found, certificate_der, replaces);
}

CertificatePlacement put_certificate(Token& token, const KeySelector& selector, const SpkiHash& spki,
                                     ByteView certificate_der, const std::vector<Bytes>& replaces) {
  if (const auto key = remembered_key(token.state(), selector, spki)) {
    return put(token, *key, Key::remembered, certificate_der, replaces);
  }
  return put(token, find_pinned(token, selector, spki), Key::just_found, certificate_der, replaces);
}

}  // namespace hsmbridge::pkcs11
