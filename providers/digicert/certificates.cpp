#include "providers/digicert/certificates.h"

#include "base/error.h"
#include "base/log.h"
#include "providers/bundle.h"
#include "x509/objects/pkcs7.h"
#include "x509/objects/spki.h"

#include <algorithm>

namespace hsmbridge::digicert {
namespace {

constexpr std::size_t kMostInBundle = 100;

std::vector<Bytes> in_base64(std::string_view text) {
  std::string digits;
  for (const char c : text) {
    if (c != '\r' && c != '\n' && c != ' ' && c != '\t') digits.push_back(c);
  }
  Bytes der = from_base64(digits);
  try {
    x509::parse_certificate(der);
    return {std::move(der)};
  } catch (const Error&) {
    return x509::read_pkcs7_certificates(der);
  }
}

std::vector<Bytes> read_any(std::string_view text) {
  if (text.find("-----BEGIN PKCS7-----") != std::string_view::npos ||
      text.find("-----BEGIN CMS-----") != std::string_view::npos) {
    return x509::read_pkcs7_certificates(as_bytes(text));
  }
  if (text.find("-----BEGIN ") != std::string_view::npos) return providers::handed_out("DigiCert", as_bytes(text), {});
  return in_base64(text);
}

}  // namespace

std::vector<Bytes> certificates_in(std::string_view text) {
  try {
    std::vector<Bytes> found = read_any(text);
    if (found.size() > kMostInBundle) throw Error{ErrorKind::corrupt, "it holds far too many certificates"};
    return found;
  } catch (const Error& error) {
    throw Error{ErrorKind::corrupt, "what DigiCert handed out is not a certificate: " + error.message()};
  }
}

std::vector<Bytes> certificates_of(const CertificateAnswer& answer) {
  std::vector<Bytes> all = certificates_in(answer.certificate);
  for (Bytes& der : issuers_in(answer.ca_certs)) all.push_back(std::move(der));
  return all;
}

std::vector<Bytes> issuers_in(const std::vector<std::string>& texts) {
  std::vector<Bytes> found;
  for (const std::string& text : texts) {
    try {
      for (Bytes& der : certificates_in(text)) found.push_back(std::move(der));
    } catch (const Error& error) {
      log::warning("a CA certificate is left out: " + error.message());
    }
  }
  return found;
}

std::size_t leaf_among(const std::vector<x509::Certificate>& certificates, ByteView spki, std::string_view serial) {
  const auto first = [&](auto&& fits) {
    return static_cast<std::size_t>(std::find_if(certificates.begin(), certificates.end(), fits) -
                                    certificates.begin());
  };
  const auto has_key = [&](const x509::Certificate& one) { return x509::same_key(one.spki(), spki); };
  const auto has_serial = [&](const x509::Certificate& one) { return same_serial(serial_text(one.serial()), serial); };
  // A bundle may hold the certificate that this one replaces too, with the same key.
  std::size_t at = first([&](const x509::Certificate& one) { return has_key(one) && has_serial(one); });
  if (at == certificates.size()) at = first(has_key);
  if (at == certificates.size()) at = first(has_serial);
  return at == certificates.size() ? 0 : at;
}

SortedChain chain_from(const x509::Certificate& leaf, const std::vector<x509::Certificate>& pool,
                       x509::SignatureBudget& signatures) {
  SortedChain chain;
  const auto add = [&, &all = chain.certificates](const x509::Certificate& one) {
    if (one.der != leaf.der && std::find(all.begin(), all.end(), one.der) == all.end()) all.push_back(one.der);
  };
  const x509::Certificate* at = &leaf;
  while (!(at->issuer() == at->subject())) {
    const auto next = std::find_if(pool.begin(), pool.end(), [&](const x509::Certificate& one) {
      const bool known =
          std::find(chain.certificates.begin(), chain.certificates.end(), one.der) != chain.certificates.end();
      return !known && one.der != leaf.der && signatures.issued(one, *at);
    });
    if (next == pool.end()) break;
    add(*next);
    at = &*next;
  }
  chain.reaches_a_root = at->issuer() == at->subject();
  for (const x509::Certificate& one : pool) add(one);
  return chain;
}

}  // namespace hsmbridge::digicert
