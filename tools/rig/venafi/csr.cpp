#include "tools/rig/venafi/csr.h"

#include "base/text.h"
#include "tools/rig/pki/certificates.h"
#include "tools/rig/pki/openssl_handles.h"

#include <fmt/core.h>

namespace hsmbridge::rig::venafi {
namespace {

std::string utf8(const ASN1_STRING* value) {
  unsigned char* text = nullptr;
  const int size = ::ASN1_STRING_to_UTF8(&text, value);
  if (size < 0) return "";
  std::string result(reinterpret_cast<const char*>(text), static_cast<std::size_t>(size));
  ::OPENSSL_free(text);
  return result;
}

void read_subject(X509_NAME* name, CsrFacts& facts) {
  for (const char* type : {"CN", "OU", "O", "L", "ST", "C"}) {
    const int nid = ::OBJ_sn2nid(type);
    for (int at = -1; (at = ::X509_NAME_get_index_by_NID(name, nid, at)) >= 0;) {
      const std::string value = utf8(::X509_NAME_ENTRY_get_data(::X509_NAME_get_entry(name, at)));
      facts.subject[type].push_back(value);
      facts.subject_dn += fmt::format("{}{}={}", facts.subject_dn.empty() ? "" : ",", lower(type), value);
    }
  }
}

std::string ip_text(const ASN1_OCTET_STRING* octets) {
  const unsigned char* data = ::ASN1_STRING_get0_data(octets);
  const int size = ::ASN1_STRING_length(octets);
  if (size == 4) return fmt::format("{}.{}.{}.{}", data[0], data[1], data[2], data[3]);
  std::string result;
  for (int i = 0; i + 1 < size; i += 2) {
    result += fmt::format("{}{:x}", result.empty() ? "" : ":", data[i] * 256 + data[i + 1]);
  }
  return result;
}

void read_names(X509_REQ* csr, CsrFacts& facts) {
  STACK_OF(X509_EXTENSION)* extensions = ::X509_REQ_get_extensions(csr);
  auto* names = static_cast<GENERAL_NAMES*>(::X509V3_get_d2i(extensions, NID_subject_alt_name, nullptr, nullptr));
  for (int i = 0; i < sk_GENERAL_NAME_num(names); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names, i);
    if (name->type == GEN_IPADD) {
      facts.names.emplace_back("iPAddress", ip_text(name->d.iPAddress));
    } else if (name->type == GEN_DNS || name->type == GEN_EMAIL || name->type == GEN_URI) {
      const char* kind = name->type == GEN_DNS     ? "dNSName"
                         : name->type == GEN_EMAIL ? "rfc822Name"
                                                   : "uniformResourceIdentifier";
      facts.names.emplace_back(kind, utf8(name->d.ia5));
    } else {
      facts.names.emplace_back("otherName", "");
    }
  }
  ::GENERAL_NAMES_free(names);
  sk_X509_EXTENSION_pop_free(extensions, ::X509_EXTENSION_free);
}

void read_key(EVP_PKEY* key, CsrFacts& facts) {
  if (::EVP_PKEY_is_a(key, "RSA") == 1) {
    facts.key_type = "RSA";
    facts.key_length = ::EVP_PKEY_get_bits(key);
    return;
  }
  facts.key_type = "EC";
  if (::EVP_PKEY_is_a(key, "ED25519") == 1) {
    facts.key_curve = "ED25519";
    return;
  }
  const int bits = ::EVP_PKEY_get_bits(key);
  facts.key_curve = bits == 256 ? "P256" : bits == 384 ? "P384" : bits == 521 ? "P521" : "UNKNOWN";
}

}  // namespace

std::optional<CsrFacts> read_csr_facts(std::string_view pem) {
  if (pem.find("CERTIFICATE REQUEST-----") == std::string_view::npos) return std::nullopt;
  const std::optional<Csr> csr = read_csr(pem);
  if (!csr || !csr->signature_is_good) return std::nullopt;
  const auto handle = decoded<CsrHandle, ::d2i_X509_REQ>(csr->der, "not a certificate request");
  CsrFacts facts;
  facts.der = csr->der;
  facts.public_key = csr->public_key;
  facts.subject_name = csr->subject;
  read_subject(::X509_REQ_get_subject_name(handle.get()), facts);
  read_names(handle.get(), facts);
  read_key(::X509_REQ_get0_pubkey(handle.get()), facts);
  return facts;
}

}  // namespace hsmbridge::rig::venafi
