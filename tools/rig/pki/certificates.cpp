#include "tools/rig/pki/certificates.h"

#include "base/text.h"
#include "tools/rig/pki/openssl_handles.h"

#include <fmt/core.h>
#include <openssl/pem.h>
#include <openssl/pkcs7.h>

#include <algorithm>
#include <array>

namespace hsmbridge::rig {
namespace {

// Attribute types in names that keytool calls otherwise than OpenSSL: its word, OpenSSL's.
constexpr std::array<std::pair<std::string_view, const char*>, 4> kAttributes{{
    {"EMAILADDRESS", "emailAddress"},
    {"T", "title"},
    {"givenname", "givenName"},
    {"generation", "generationQualifier"},
}};

int nid_of(const std::string& type) {
  const char* name = type.c_str();
  for (const auto& [word, openssl] : kAttributes) {
    if (word == type) name = openssl;
  }
  const int nid = ::OBJ_txt2nid(name);
  if (nid == NID_undef) throw Error{ErrorKind::invalid_input, fmt::format("'{}' is not a name attribute", type)};
  return nid;
}

void append_element(Bytes& out, int tag, ByteView content) {
  const int constructed = tag == V_ASN1_SEQUENCE ? 1 : 0;
  const int size = static_cast<int>(content.size());
  Bytes element(static_cast<std::size_t>(::ASN1_object_size(constructed, size, tag)));
  unsigned char* cursor = element.data();
  ::ASN1_put_object(&cursor, constructed, size, tag, V_ASN1_UNIVERSAL);
  std::copy(content.begin(), content.end(), cursor);
  out.insert(out.end(), element.begin(), element.end());
}

// X.680 §41.4 PrintableString.
bool printable(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view(" '()+,-./:=?").find(c) != std::string_view::npos;
  });
}

NameHandle build_name(const DistinguishedName& name) {
  NameHandle built(::X509_NAME_new());
  for (auto part = name.rbegin(); part != name.rend(); ++part) {
    const int nid = nid_of(part->first);
    // keytool writes PrintableString where the characters allow it; e-mail addresses are IA5String by definition.
    const int type = nid != NID_pkcs9_emailAddress && printable(part->second) ? V_ASN1_PRINTABLESTRING : MBSTRING_UTF8;
    must(::X509_NAME_add_entry_by_NID(built.get(), nid, type,
                                      reinterpret_cast<const unsigned char*>(part->second.data()),
                                      static_cast<int>(part->second.size()), -1, 0) == 1,
         fmt::format("'{}' does not fit {}", part->second, part->first));
  }
  return built;
}

CertificateHandle decode_certificate(ByteView der) {
  return decoded<CertificateHandle, ::d2i_X509>(der, "not a certificate");
}

ExtensionHandle extension_of(X509V3_CTX& context, const std::string& name, const std::string& value) {
  ExtensionHandle extension(::X509V3_EXT_nconf(nullptr, &context, name.c_str(), value.c_str()));
  must(extension != nullptr, fmt::format("the value '{}' of the extension {} is not valid", value, name));
  return extension;
}

// For a certificate, or for a CSR when `certificate` is null.
std::vector<ExtensionHandle> extensions_of(const CertificateContent& content, X509* certificate, X509_REQ* csr) {
  const CertificateHandle issuer = content.issuer.empty() ? nullptr : decode_certificate(content.issuer);
  X509V3_CTX context{};
  ::X509V3_set_ctx(&context, issuer.get(), certificate, csr, nullptr, 0);
  std::vector<ExtensionHandle> extensions;
  if (issuer != nullptr) extensions.push_back(extension_of(context, "authorityKeyIdentifier", "keyid,issuer"));
  for (const auto& [name, value] : content.extensions) extensions.push_back(extension_of(context, name, value));
  if (!content.alternative_names.empty()) {
    const auto text = [](const SubjectAlternativeName& name) {
      // The text form takes a comma as the end of a name.
      if (name.value.find(',') == std::string::npos) return name.type + ":" + name.value;
      throw Error{ErrorKind::invalid_input, fmt::format("'{}' is not a valid alternative name", name.value)};
    };
    extensions.push_back(extension_of(context, "subjectAltName", joined(content.alternative_names, ",", text)));
  }
  extensions.push_back(extension_of(context, "subjectKeyIdentifier", "hash"));
  return extensions;
}

void copy_extensions(const CertificateContent& content, X509* certificate) {
  const auto csr = decoded<CsrHandle, ::d2i_X509_REQ>(content.copied_from_csr, "not a certificate request");
  STACK_OF(X509_EXTENSION)* requested = ::X509_REQ_get_extensions(csr.get());
  for (int i = 0; i < sk_X509_EXTENSION_num(requested); ++i) {
    X509_EXTENSION* extension = sk_X509_EXTENSION_value(requested, i);
    const int nid = ::OBJ_obj2nid(::X509_EXTENSION_get_object(extension));
    const bool wanted = content.copied == CertificateContent::Copied::all || nid == NID_subject_alt_name ||
                        nid == NID_key_usage || nid == NID_ext_key_usage;
    if (wanted && ::X509_get_ext_by_OBJ(certificate, ::X509_EXTENSION_get_object(extension), -1) < 0) {
      ::X509_add_ext(certificate, extension, -1);
    }
  }
  sk_X509_EXTENSION_pop_free(requested, ::X509_EXTENSION_free);
}

void set_time(ASN1_TIME* time, Instant instant) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(instant).time_since_epoch().count();
  must(::ASN1_TIME_set(time, static_cast<time_t>(seconds)) != nullptr, "cannot encode a time");
}

Instant instant_of(const ASN1_TIME* time) {
  const std::unique_ptr<ASN1_TIME, Freed<::ASN1_TIME_free>> epoch(::ASN1_TIME_set(nullptr, 0));
  int days = 0;
  int seconds = 0;
  must(::ASN1_TIME_diff(&days, &seconds, epoch.get(), time) == 1, "not a time");
  return Instant{} + std::chrono::days{days} + std::chrono::seconds{seconds};
}

}  // namespace

DistinguishedName parse_name(std::string_view text) {
  DistinguishedName name;
  while (true) {
    const std::size_t comma = text.find(',');
    std::string_view part = text.substr(0, comma);
    while (!part.empty() && part.front() == ' ') part.remove_prefix(1);
    const std::size_t equals = part.find('=');
    if (equals == std::string_view::npos || equals == 0 || equals + 1 == part.size()) {
      throw Error{ErrorKind::invalid_input, fmt::format("Incorrect AVA format: '{}'", part)};
    }
    name.emplace_back(part.substr(0, equals), part.substr(equals + 1));
    if (comma == std::string_view::npos) return name;
    text.remove_prefix(comma + 1);
  }
}

Bytes certificate_to_be_signed(const CertificateContent& content, const SoftwareKey& issuer_key,
                               const SignatureScheme& scheme) {
  const CertificateHandle certificate(::X509_new());
  const NameHandle subject = content.subject_name.empty()
                                 ? build_name(content.subject)
                                 : decoded<NameHandle, ::d2i_X509_NAME>(content.subject_name, "not a Name");
  const CertificateHandle issuer = content.issuer.empty() ? nullptr : decode_certificate(content.issuer);
  const KeyHandle subject_key = decode_public_key(content.subject_public_key);
  const std::unique_ptr<BIGNUM, Freed<::BN_free>> serial(
      ::BN_bin2bn(content.serial.data(), static_cast<int>(content.serial.size()), nullptr));
  must(::X509_set_version(certificate.get(), X509_VERSION_3) == 1 &&
           ::BN_to_ASN1_INTEGER(serial.get(), ::X509_get_serialNumber(certificate.get())) != nullptr &&
           ::X509_set_subject_name(certificate.get(), subject.get()) == 1 &&
           ::X509_set_issuer_name(certificate.get(),
                                  issuer == nullptr ? subject.get() : ::X509_get_subject_name(issuer.get())) == 1 &&
           ::X509_set_pubkey(certificate.get(), subject_key.get()) == 1,
       "cannot build the certificate");
  set_time(::X509_getm_notBefore(certificate.get()), content.not_before);
  set_time(::X509_getm_notAfter(certificate.get()), content.not_after);
  for (const ExtensionHandle& extension : extensions_of(content, certificate.get(), nullptr)) {
    must(::X509_add_ext(certificate.get(), extension.get(), -1) == 1, "cannot add an extension");
  }
  if (!content.copied_from_csr.empty()) copy_extensions(content, certificate.get());
  // Signing is the only public way to have OpenSSL put the AlgorithmIdentifier into the to-be-signed part. This
  // signature is thrown away: the one that counts is made after the approvals.
  must(::X509_sign_ctx(certificate.get(), signing_context(issuer_key.handle(), scheme).get()) > 0, "cannot sign");
  return der_of(certificate.get(), ::i2d_re_X509_tbs);
}

Bytes csr_to_be_signed(const CertificateContent& content, const SoftwareKey& key, const SignatureScheme& scheme) {
  const CsrHandle csr(::X509_REQ_new());
  const NameHandle subject = build_name(content.subject);
  must(::X509_REQ_set_version(csr.get(), X509_REQ_VERSION_1) == 1 &&
           ::X509_REQ_set_subject_name(csr.get(), subject.get()) == 1 &&
           ::X509_REQ_set_pubkey(csr.get(), key.handle()) == 1,
       "cannot build the certificate request");
  const std::vector<ExtensionHandle> extensions = extensions_of(content, nullptr, csr.get());
  STACK_OF(X509_EXTENSION)* stack = sk_X509_EXTENSION_new_null();
  for (const ExtensionHandle& extension : extensions) sk_X509_EXTENSION_push(stack, extension.get());
  const bool added = ::X509_REQ_add_extensions(csr.get(), stack) == 1;
  sk_X509_EXTENSION_free(stack);
  must(added && ::X509_REQ_sign_ctx(csr.get(), signing_context(key.handle(), scheme).get()) > 0, "cannot sign");
  return der_of(csr.get(), ::i2d_re_X509_REQ_tbs);
}

Bytes assemble(ByteView to_be_signed, const SoftwareKey& key, const SignatureScheme& scheme, ByteView signature) {
  // OpenSSL names the algorithm of a key and digest only while it signs some ASN.1: a NULL will do.
  const std::unique_ptr<X509_ALGOR, Freed<::X509_ALGOR_free>> algorithm(::X509_ALGOR_new());
  const std::unique_ptr<ASN1_BIT_STRING, Freed<::ASN1_BIT_STRING_free>> unused(::ASN1_BIT_STRING_new());
  const std::unique_ptr<ASN1_INTEGER, Freed<::ASN1_INTEGER_free>> zero(::ASN1_INTEGER_new());
  must(::ASN1_item_sign_ctx(ASN1_ITEM_rptr(ASN1_INTEGER), algorithm.get(), nullptr, unused.get(), zero.get(),
                            signing_context(key.handle(), scheme).get()) > 0,
       "cannot sign");
  const Bytes identifier = der_of(algorithm.get(), ::i2d_X509_ALGOR);

  Bytes content(to_be_signed.begin(), to_be_signed.end());
  content.insert(content.end(), identifier.begin(), identifier.end());
  Bytes bits{0};  // unused ones
  bits.insert(bits.end(), signature.begin(), signature.end());
  append_element(content, V_ASN1_BIT_STRING, bits);
  Bytes der;
  append_element(der, V_ASN1_SEQUENCE, content);
  return der;
}

Bytes issue(const CertificateContent& content, const SoftwareKey& issuer_key, const SignatureScheme& scheme) {
  const Bytes to_be_signed = certificate_to_be_signed(content, issuer_key, scheme);
  return assemble(to_be_signed, issuer_key, scheme, issuer_key.sign(scheme, to_be_signed));
}

std::optional<Csr> read_csr(std::string_view text) {
  const std::size_t armour = text.find("-----BEGIN ");
  if (armour != std::string_view::npos) {
    constexpr std::string_view kTail = "CERTIFICATE REQUEST-----";
    const std::size_t begin = text.find(kTail, armour);
    const std::size_t end = text.find("-----END ", armour);
    if (begin == std::string_view::npos || end == std::string_view::npos || end < begin) return std::nullopt;
    text = text.substr(begin + kTail.size(), end - begin - kTail.size());
  }
  std::string base64_text;
  for (const char c : text) {
    if (c != '\n' && c != '\r' && c != ' ') base64_text += c;
  }
  try {
    Csr csr{from_base64(base64_text), {}, {}};
    const auto handle = decoded<CsrHandle, ::d2i_X509_REQ>(csr.der, "not a certificate request");
    csr.public_key = der_of(::X509_REQ_get_X509_PUBKEY(handle.get()), ::i2d_X509_PUBKEY);
    csr.subject = der_of(::X509_REQ_get_subject_name(handle.get()), ::i2d_X509_NAME);
    EVP_PKEY* key = ::X509_REQ_get0_pubkey(handle.get());
    csr.signature_is_good = key != nullptr && ::X509_REQ_verify(handle.get(), key) == 1;
    ::ERR_clear_error();
    return csr;
  } catch (const Error&) {
    return std::nullopt;
  }
}

Bytes certificate_from_pem(std::string_view pem) {
  const BioHandle bio = memory_bio(pem);
  const CertificateHandle certificate(::PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
  if (certificate == nullptr) throw openssl_error("not a certificate in PEM");
  return der_of(certificate.get(), ::i2d_X509);
}

CertificateFacts read_certificate(ByteView certificate) {
  const CertificateHandle handle = decode_certificate(certificate);
  const ASN1_INTEGER* serial = ::X509_get0_serialNumber(handle.get());
  const unsigned char* octets = ::ASN1_STRING_get0_data(serial);
  return {der_of(::X509_get_X509_PUBKEY(handle.get()), ::i2d_X509_PUBKEY),
          {octets, octets + ::ASN1_STRING_length(serial)},
          instant_of(::X509_get0_notBefore(handle.get())),
          instant_of(::X509_get0_notAfter(handle.get())),
          der_of(::X509_get_subject_name(handle.get()), ::i2d_X509_NAME),
          der_of(::X509_get_issuer_name(handle.get()), ::i2d_X509_NAME)};
}

Bytes for_another_key(ByteView certificate, const SoftwareKey& issuer_key) {
  const CertificateHandle changed = decode_certificate(certificate);
  const SoftwareKey other = SoftwareKey::generate("EC", 256);
  must(::X509_set_pubkey(changed.get(), other.handle()) == 1 &&
           ::X509_sign_ctx(changed.get(), signing_context(issuer_key.handle(), {}).get()) > 0,
       "cannot sign");
  return der_of(changed.get(), ::i2d_X509);
}

Bytes pkcs7_bundle(const std::vector<Bytes>& certificates) {
  const std::unique_ptr<PKCS7, Freed<::PKCS7_free>> bundle(::PKCS7_new());
  must(bundle != nullptr && ::PKCS7_set_type(bundle.get(), NID_pkcs7_signed) == 1 &&
           ::PKCS7_content_new(bundle.get(), NID_pkcs7_data) == 1,
       "cannot make a PKCS#7 bundle");
  // Certificates only: no content, as `openssl crl2pkcs7 -nocrl` makes it.
  ::PKCS7_set_detached(bundle.get(), 1);
  for (const Bytes& der : certificates) {
    must(::PKCS7_add_certificate(bundle.get(), decode_certificate(der).get()) == 1, "cannot add a certificate");
  }
  return der_of(bundle.get(), ::i2d_PKCS7);
}

std::string to_pem(std::string_view label, ByteView der, PemLayout layout) {
  const std::string text = base64(der);
  std::string body;
  if (layout == PemLayout::single_line) {
    body = text + "\n";
  } else {
    for (std::size_t at = 0; at < text.size(); at += 64) body += text.substr(at, 64) + "\n";
  }
  return fmt::format("-----BEGIN {}-----\n{}-----END {}-----{}", label, body, label,
                     layout == PemLayout::lines ? "\n" : "");
}

}  // namespace hsmbridge::rig
