#include "tools/rig/pki/certificates.h"

#include "tools/rig/pki/openssl_handles.h"

#include <fmt/core.h>
#include <openssl/pem.h>
#include <openssl/pkcs7.h>
#include <openssl/rsa.h>

#include <algorithm>
#include <array>

namespace hsmbridge::rig {
namespace {

struct Usage {
  std::string_view word;     // the TSB's
  std::string_view openssl;  // what X509V3_EXT_conf_nid reads
};

constexpr std::array<Usage, 9> kKeyUsages{{
    {"DIGITAL_SIGNATURE", "digitalSignature"},
    {"CONTENT_COMMITMENT", "nonRepudiation"},
    {"KEY_ENCIPHERMENT", "keyEncipherment"},
    {"DATA_ENCIPHERMENT", "dataEncipherment"},
    {"KEY_AGREEMENT", "keyAgreement"},
    {"KEY_CERT_SIGN", "keyCertSign"},
    {"CRL_SIGN", "cRLSign"},
    {"ENCIPHER_ONLY", "encipherOnly"},
    {"DECIPHER_ONLY", "decipherOnly"},
}};

constexpr std::array<Usage, 7> kExtendedKeyUsages{{
    {"ANY_EXTENDED_KEY_USAGE", "anyExtendedKeyUsage"},
    {"SERVER_AUTH", "serverAuth"},
    {"CLIENT_AUTH", "clientAuth"},
    {"CODE_SIGNING", "codeSigning"},
    {"EMAIL_PROTECTION", "emailProtection"},
    {"TIME_STAMPING", "timeStamping"},
    {"OCSP_SIGNING", "OCSPSigning"},
}};

template <std::size_t N>
std::string usage_value(const std::array<Usage, N>& table, const std::vector<std::string>& words) {
  std::string value;
  for (const std::string& word : words) {
    const auto row = std::find_if(table.begin(), table.end(), [&](const Usage& usage) { return usage.word == word; });
    if (row == table.end()) throw Error{ErrorKind::invalid_input, fmt::format("'{}' is no key usage", word)};
    value += fmt::format("{}{}", value.empty() ? "" : ",", row->openssl);
  }
  return value;
}

struct AttributeRow {
  std::string_view word;  // keytool's
  int nid;
};

// Attribute types in names: keytool's word, OpenSSL's number.
constexpr std::array<AttributeRow, 12> kAttributes{{
    {"CN", NID_commonName},
    {"OU", NID_organizationalUnitName},
    {"O", NID_organizationName},
    {"L", NID_localityName},
    {"ST", NID_stateOrProvinceName},
    {"C", NID_countryName},
    {"EMAILADDRESS", NID_pkcs9_emailAddress},
    {"T", NID_title},
    {"surname", NID_surname},
    {"givenname", NID_givenName},
    {"initials", NID_initials},
    {"generation", NID_generationQualifier},
}};

int nid_of(const std::string& type) {
  for (const AttributeRow& row : kAttributes) {
    if (row.word == type) return row.nid;
  }
  const int nid = ::OBJ_txt2nid(type.c_str());
  if (nid == NID_undef) throw Error{ErrorKind::invalid_input, fmt::format("'{}' is no attribute of a name", type)};
  return nid;
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

NameHandle decode_name(ByteView der) {
  const unsigned char* cursor = der.data();
  NameHandle name(::d2i_X509_NAME(nullptr, &cursor, static_cast<long>(der.size())));
  must(name != nullptr, "not a Name");
  return name;
}

CertificateHandle decode_certificate(ByteView der) {
  const unsigned char* cursor = der.data();
  CertificateHandle certificate(::d2i_X509(nullptr, &cursor, static_cast<long>(der.size())));
  if (certificate == nullptr || cursor != der.data() + der.size()) throw openssl_error("not a certificate");
  return certificate;
}

CsrHandle decode_csr(ByteView der) {
  const unsigned char* cursor = der.data();
  CsrHandle csr(::d2i_X509_REQ(nullptr, &cursor, static_cast<long>(der.size())));
  if (csr == nullptr || cursor != der.data() + der.size()) throw openssl_error("not a certificate request");
  return csr;
}

KeyHandle decode_public_key(ByteView der) {
  const unsigned char* cursor = der.data();
  KeyHandle key(::d2i_PUBKEY(nullptr, &cursor, static_cast<long>(der.size())));
  must(key != nullptr, "not a public key");
  return key;
}

ExtensionHandle text_extension(int nid, const std::string& value) {
  ExtensionHandle extension(::X509V3_EXT_conf_nid(nullptr, nullptr, nid, value.c_str()));
  must(extension != nullptr, fmt::format("extension value '{}' refused", value));
  return extension;
}

std::string alternative_names_value(const std::vector<SubjectAlternativeName>& names) {
  std::string value;
  for (const SubjectAlternativeName& name : names) {
    const std::string_view prefix = name.type == "EMAIL" ? "email" : std::string_view(name.type);
    // The text form takes a comma as the end of a name.
    if (name.value.find(',') != std::string::npos) {
      throw Error{ErrorKind::invalid_input, fmt::format("'{}' is no alternative name", name.value)};
    }
    value += fmt::format("{}{}:{}", value.empty() ? "" : ",", prefix, name.value);
  }
  return value;
}

ExtensionHandle key_identifier_extension(const Bytes& identifier) {
  std::string text;
  for (const std::uint8_t octet : identifier) text += fmt::format("{}{:02X}", text.empty() ? "" : ":", octet);
  return text_extension(NID_subject_key_identifier, text);
}

ExtensionHandle authority_extension(const Bytes& identifier) {
  const std::unique_ptr<AUTHORITY_KEYID, Freed<::AUTHORITY_KEYID_free>> authority(::AUTHORITY_KEYID_new());
  authority->keyid = ::ASN1_OCTET_STRING_new();
  must(::ASN1_OCTET_STRING_set(authority->keyid, identifier.data(), static_cast<int>(identifier.size())) == 1,
       "out of memory");
  ExtensionHandle extension(::X509V3_EXT_i2d(NID_authority_key_identifier, 0, authority.get()));
  must(extension != nullptr, "cannot build the authority key identifier");
  return extension;
}

// RFC 5280 §4.2.1.2 method (1).
Bytes identifier_of(EVP_PKEY* key) {
  const std::unique_ptr<X509_PUBKEY, Freed<::X509_PUBKEY_free>> holder([&] {
    X509_PUBKEY* made = nullptr;
    ::X509_PUBKEY_set(&made, key);
    return made;
  }());
  const unsigned char* bits = nullptr;
  int size = 0;
  must(holder != nullptr && ::X509_PUBKEY_get0_param(nullptr, &bits, &size, nullptr, holder.get()) == 1,
       "cannot read the public key");
  Bytes digest(20);
  must(::EVP_Digest(bits, static_cast<std::size_t>(size), digest.data(), nullptr, ::EVP_sha1(), nullptr) == 1,
       "SHA-1 is not available");
  return digest;
}

std::vector<ExtensionHandle> extensions_of(const CertificateContent& content, EVP_PKEY* subject_key) {
  std::vector<ExtensionHandle> extensions;
  if (!content.authority_key_identifier.empty()) {
    extensions.push_back(authority_extension(content.authority_key_identifier));
  }
  using Constraints = CertificateContent::BasicConstraints;
  if (content.basic_constraints != Constraints::absent) {
    const bool critical = content.basic_constraints == Constraints::ca_critical;
    extensions.push_back(text_extension(NID_basic_constraints, critical ? "critical,CA:TRUE" : "CA:TRUE"));
  }
  if (!content.extended_key_usage.empty()) {
    extensions.push_back(
        text_extension(NID_ext_key_usage, (content.extended_key_usage_is_critical ? "critical," : "") +
                                              usage_value(kExtendedKeyUsages, content.extended_key_usage)));
  }
  if (!content.key_usage.empty()) {
    extensions.push_back(text_extension(NID_key_usage, "critical," + usage_value(kKeyUsages, content.key_usage)));
  }
  if (!content.alternative_names.empty()) {
    extensions.push_back(text_extension(NID_subject_alt_name, alternative_names_value(content.alternative_names)));
  }
  if (content.subject_key_identifier) extensions.push_back(key_identifier_extension(identifier_of(subject_key)));
  return extensions;
}

void copy_extensions(const CertificateContent& content, X509* certificate) {
  const CsrHandle csr = decode_csr(content.copied_from_csr);
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

// A digest context ready to sign ASN.1 with the scheme; it also carries the AlgorithmIdentifier.
DigestHandle signing_context(const SoftwareKey& key, const SignatureScheme& scheme) {
  DigestHandle digest(::EVP_MD_CTX_new());
  EVP_PKEY_CTX* context = nullptr;
  must(::EVP_DigestSignInit_ex(digest.get(), &context, scheme.digest.empty() ? nullptr : scheme.digest.c_str(), nullptr,
                               nullptr, key.handle(), nullptr) == 1,
       "cannot sign");
  if (scheme.padding == SignatureScheme::Padding::pss) {
    must(::EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PSS_PADDING) > 0 &&
             ::EVP_PKEY_CTX_set_rsa_pss_saltlen(context, RSA_PSS_SALTLEN_DIGEST) > 0,
         "PSS needs an RSA key");
  }
  return digest;
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

void append_length(Bytes& der, std::size_t length) {
  if (length < 0x80) {
    der.push_back(static_cast<std::uint8_t>(length));
    return;
  }
  Bytes octets;
  for (std::size_t rest = length; rest != 0; rest >>= 8U) {
    octets.insert(octets.begin(), static_cast<std::uint8_t>(rest));
  }
  der.push_back(static_cast<std::uint8_t>(0x80U | octets.size()));
  der.insert(der.end(), octets.begin(), octets.end());
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
  const NameHandle subject =
      content.subject_name.empty() ? build_name(content.subject) : decode_name(content.subject_name);
  const NameHandle issuer =
      content.issuer_name.empty() ? build_name(content.subject) : decode_name(content.issuer_name);
  const KeyHandle subject_key = decode_public_key(content.subject_public_key);
  const std::unique_ptr<BIGNUM, Freed<::BN_free>> serial(
      ::BN_bin2bn(content.serial.data(), static_cast<int>(content.serial.size()), nullptr));
  must(::X509_set_version(certificate.get(), X509_VERSION_3) == 1 &&
           ::BN_to_ASN1_INTEGER(serial.get(), ::X509_get_serialNumber(certificate.get())) != nullptr &&
           ::X509_set_subject_name(certificate.get(), subject.get()) == 1 &&
           ::X509_set_issuer_name(certificate.get(), issuer.get()) == 1 &&
           ::X509_set_pubkey(certificate.get(), subject_key.get()) == 1,
       "cannot build the certificate");
  set_time(::X509_getm_notBefore(certificate.get()), content.not_before);
  set_time(::X509_getm_notAfter(certificate.get()), content.not_after);
  for (const ExtensionHandle& extension : extensions_of(content, subject_key.get())) {
    must(::X509_add_ext(certificate.get(), extension.get(), -1) == 1, "cannot add an extension");
  }
  if (!content.copied_from_csr.empty()) copy_extensions(content, certificate.get());
  // Signing is the only public way to have OpenSSL put the AlgorithmIdentifier into the to-be-signed part. This
  // signature is thrown away: the one that counts is made after the approvals.
  must(::X509_sign_ctx(certificate.get(), signing_context(issuer_key, scheme).get()) > 0, "cannot sign");
  return der_of(certificate.get(), ::i2d_re_X509_tbs);
}

Bytes csr_to_be_signed(const CertificateContent& content, const SoftwareKey& key, const SignatureScheme& scheme) {
  const CsrHandle csr(::X509_REQ_new());
  const NameHandle subject = build_name(content.subject);
  must(::X509_REQ_set_version(csr.get(), X509_REQ_VERSION_1) == 1 &&
           ::X509_REQ_set_subject_name(csr.get(), subject.get()) == 1 &&
           ::X509_REQ_set_pubkey(csr.get(), key.handle()) == 1,
       "cannot build the certificate request");
  const std::vector<ExtensionHandle> extensions = extensions_of(content, key.handle());
  STACK_OF(X509_EXTENSION)* stack = sk_X509_EXTENSION_new_null();
  for (const ExtensionHandle& extension : extensions) sk_X509_EXTENSION_push(stack, extension.get());
  const bool added = ::X509_REQ_add_extensions(csr.get(), stack) == 1;
  sk_X509_EXTENSION_free(stack);
  must(added && ::X509_REQ_sign_ctx(csr.get(), signing_context(key, scheme).get()) > 0, "cannot sign");
  return der_of(csr.get(), ::i2d_re_X509_REQ_tbs);
}

Bytes assemble(ByteView to_be_signed, const SoftwareKey& key, const SignatureScheme& scheme, ByteView signature) {
  // OpenSSL names the algorithm of a key and digest only while it signs some ASN.1: a NULL will do.
  const std::unique_ptr<X509_ALGOR, Freed<::X509_ALGOR_free>> algorithm(::X509_ALGOR_new());
  const std::unique_ptr<ASN1_BIT_STRING, Freed<::ASN1_BIT_STRING_free>> unused(::ASN1_BIT_STRING_new());
  const std::unique_ptr<ASN1_INTEGER, Freed<::ASN1_INTEGER_free>> zero(::ASN1_INTEGER_new());
  must(::ASN1_item_sign_ctx(ASN1_ITEM_rptr(ASN1_INTEGER), algorithm.get(), nullptr, unused.get(), zero.get(),
                            signing_context(key, scheme).get()) > 0,
       "cannot sign");
  const Bytes identifier = der_of(algorithm.get(), ::i2d_X509_ALGOR);

  Bytes content(to_be_signed.begin(), to_be_signed.end());
  content.insert(content.end(), identifier.begin(), identifier.end());
  content.push_back(0x03);
  append_length(content, signature.size() + 1);
  content.push_back(0);
  content.insert(content.end(), signature.begin(), signature.end());
  Bytes der{0x30};
  append_length(der, content.size());
  der.insert(der.end(), content.begin(), content.end());
  return der;
}

Bytes issue(const CertificateContent& content, const SoftwareKey& issuer_key, const SignatureScheme& scheme) {
  const Bytes to_be_signed = certificate_to_be_signed(content, issuer_key, scheme);
  return assemble(to_be_signed, issuer_key, scheme, issuer_key.sign(scheme, to_be_signed));
}

std::optional<Bytes> read_csr(std::string_view text) {
  std::string base64_text;
  const std::size_t armour = text.find("-----BEGIN ");
  if (armour != std::string_view::npos) {
    const std::size_t begin = text.find("CERTIFICATE REQUEST-----", armour);
    const std::size_t end = text.find("-----END ", armour);
    if (begin == std::string_view::npos || end == std::string_view::npos || end < begin) return std::nullopt;
    constexpr std::size_t kArmourTail = std::string_view("CERTIFICATE REQUEST-----").size();
    text = text.substr(begin + kArmourTail, end - begin - kArmourTail);
  }
  for (const char c : text) {
    if (c != '\n' && c != '\r' && c != ' ') base64_text += c;
  }
  try {
    Bytes der = from_base64(base64_text);
    decode_csr(der);
    return der;
  } catch (const Error&) {
    return std::nullopt;
  }
}

Bytes csr_public_key(ByteView csr) {
  const CsrHandle decoded = decode_csr(csr);
  return der_of(::X509_REQ_get_X509_PUBKEY(decoded.get()), ::i2d_X509_PUBKEY);
}

Bytes csr_subject(ByteView csr) {
  const CsrHandle decoded = decode_csr(csr);
  return der_of(::X509_REQ_get_subject_name(decoded.get()), ::i2d_X509_NAME);
}

bool csr_signature_is_good(ByteView csr) {
  const CsrHandle decoded = decode_csr(csr);
  EVP_PKEY* key = ::X509_REQ_get0_pubkey(decoded.get());
  const bool good = key != nullptr && ::X509_REQ_verify(decoded.get(), key) == 1;
  ::ERR_clear_error();
  return good;
}

Bytes certificate_from_pem(std::string_view pem) {
  const BioHandle bio = memory_bio(pem);
  const CertificateHandle certificate(::PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
  if (certificate == nullptr) throw openssl_error("not a certificate in PEM");
  return der_of(certificate.get(), ::i2d_X509);
}

bool is_certificate(ByteView der) {
  try {
    decode_certificate(der);
    return true;
  } catch (const Error&) {
    return false;
  }
}

Bytes certificate_public_key(ByteView certificate) {
  const CertificateHandle decoded = decode_certificate(certificate);
  return der_of(::X509_get_X509_PUBKEY(decoded.get()), ::i2d_X509_PUBKEY);
}

Bytes certificate_serial(ByteView certificate) {
  const CertificateHandle decoded = decode_certificate(certificate);
  const ASN1_INTEGER* serial = ::X509_get0_serialNumber(decoded.get());
  const unsigned char* data = ::ASN1_STRING_get0_data(serial);
  return {data, data + ::ASN1_STRING_length(serial)};
}

Instant certificate_begin(ByteView certificate) {
  return instant_of(::X509_get0_notBefore(decode_certificate(certificate).get()));
}

Instant certificate_end(ByteView certificate) {
  return instant_of(::X509_get0_notAfter(decode_certificate(certificate).get()));
}

Bytes certificate_subject(ByteView certificate) {
  const CertificateHandle decoded = decode_certificate(certificate);
  return der_of(::X509_get_subject_name(decoded.get()), ::i2d_X509_NAME);
}

Bytes certificate_issuer(ByteView certificate) {
  const CertificateHandle decoded = decode_certificate(certificate);
  return der_of(::X509_get_issuer_name(decoded.get()), ::i2d_X509_NAME);
}

Bytes certificate_key_identifier(ByteView certificate) {
  const CertificateHandle decoded = decode_certificate(certificate);
  const ASN1_OCTET_STRING* identifier = ::X509_get0_subject_key_id(decoded.get());
  if (identifier == nullptr) return identifier_of(::X509_get0_pubkey(decoded.get()));
  const unsigned char* data = ::ASN1_STRING_get0_data(identifier);
  return {data, data + ::ASN1_STRING_length(identifier)};
}

Bytes for_another_key(ByteView certificate, const SoftwareKey& issuer_key, const SignatureScheme& scheme) {
  const CertificateHandle decoded = decode_certificate(certificate);
  const SoftwareKey other = SoftwareKey::generate("EC", 256);
  must(::X509_set_pubkey(decoded.get(), other.handle()) == 1 &&
           ::X509_sign_ctx(decoded.get(), signing_context(issuer_key, scheme).get()) > 0,
       "cannot sign");
  return der_of(decoded.get(), ::i2d_X509);
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
