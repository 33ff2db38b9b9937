#include "tools/rig/venafi/ca.h"

#include "base/file.h"
#include "tools/rig/pki/certificates.h"
#include "tools/rig/pki/openssl_handles.h"

#include <utility>

namespace hsmbridge::rig::venafi {
namespace {

const SignatureScheme kScheme{"SHA256", SignatureScheme::Padding::pkcs1};

Bytes serial_number() {
  Bytes serial = random_bytes(16);
  serial[0] = static_cast<std::uint8_t>((serial[0] & 0x3FU) | 0x40U);
  return serial;
}

CertificateContent authority(const std::string& name, const SoftwareKey& key, Instant now) {
  CertificateContent content;
  content.subject = parse_name("CN=" + name + ", O=Simulated Certificate Manager");
  content.subject_public_key = key.public_key();
  content.serial = serial_number();
  content.not_before = now - std::chrono::hours{24};
  content.not_after = now + std::chrono::hours{24 * 3650};
  content.key_usage = {"KEY_CERT_SIGN", "CRL_SIGN"};
  content.basic_constraints = CertificateContent::BasicConstraints::ca_critical;
  return content;
}

Bytes kept(const std::filesystem::path& file, const Bytes& made) {
  write_file(file, as_bytes(to_pem("CERTIFICATE", made, PemLayout::lines)), FileMode::public_0644, Existing::replace);
  return made;
}

void set_time(ASN1_TIME* time, Instant instant) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(instant).time_since_epoch().count();
  must(::ASN1_TIME_set(time, static_cast<time_t>(seconds)) != nullptr, "cannot encode a time");
}

CertificateHandle decoded(ByteView der) {
  const unsigned char* cursor = der.data();
  CertificateHandle certificate(::d2i_X509(nullptr, &cursor, static_cast<long>(der.size())));
  must(certificate != nullptr, "not a certificate");
  return certificate;
}

void add(X509* certificate, X509* issuer, int nid, const std::string& value) {
  X509V3_CTX context;
  ::X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  const ExtensionHandle extension(::X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str()));
  must(extension != nullptr && ::X509_add_ext(certificate, extension.get(), -1) == 1, "cannot add an extension");
}

// What the CSR asks for, as far as this authority carries it.
void copy_extensions(X509_REQ* csr, X509* certificate, bool own_usages) {
  STACK_OF(X509_EXTENSION)* requested = ::X509_REQ_get_extensions(csr);
  for (int i = 0; i < sk_X509_EXTENSION_num(requested); ++i) {
    X509_EXTENSION* extension = sk_X509_EXTENSION_value(requested, i);
    const int nid = ::OBJ_obj2nid(::X509_EXTENSION_get_object(extension));
    const bool carried =
        nid == NID_subject_alt_name || nid == NID_key_usage || (nid == NID_ext_key_usage && own_usages);
    if (carried) ::X509_add_ext(certificate, extension, -1);
  }
  sk_X509_EXTENSION_pop_free(requested, ::X509_EXTENSION_free);
}

std::string usages_text(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) {
    text += (text.empty() ? "" : ",") + std::string(word == "SERVER" ? "serverAuth" : "clientAuth");
  }
  return text;
}

}  // namespace

Ca::Ca(const std::filesystem::path& dir, Instant now)
    : dir_(dir), root_key_(load_or_make_key("venafi-root")), issuing_key_(load_or_make_key("venafi-issuing")) {
  const std::filesystem::path issuing = dir_ / "venafi-issuing.pem";
  if (std::filesystem::exists(root_file()) && std::filesystem::exists(issuing)) {
    root_ = certificate_from_pem(as_text(read_file(root_file())));
    issuing_ = certificate_from_pem(as_text(read_file(issuing)));
    return;
  }
  root_ = kept(root_file(), rig::issue(authority("Simulated Root", root_key_, now), root_key_, kScheme));
  CertificateContent below = authority("Simulated Issuing CA", issuing_key_, now);
  below.issuer_name = certificate_subject(root_);
  below.authority_key_identifier = certificate_key_identifier(root_);
  below.not_after = now + std::chrono::hours{24 * 3000};
  issuing_ = kept(issuing, rig::issue(below, root_key_, kScheme));
}

SoftwareKey Ca::load_or_make_key(const std::string& name) const {
  const std::filesystem::path file = dir_ / (name + "-key.pem");
  if (std::filesystem::exists(file)) return SoftwareKey::from_pem(as_text(read_file(file)));
  SoftwareKey key = SoftwareKey::generate("EC", 256);
  write_file(file, as_bytes(key.to_pem()), FileMode::private_0600, Existing::refuse);
  return key;
}

Bytes Ca::issue(const Order& order) const {
  const unsigned char* cursor = order.csr.data();
  const CsrHandle csr(::d2i_X509_REQ(nullptr, &cursor, static_cast<long>(order.csr.size())));
  must(csr != nullptr, "not a certificate request");
  const CertificateHandle issuer = decoded(issuing_);
  const CertificateHandle certificate(::X509_new());
  const Bytes serial = serial_number();
  const std::unique_ptr<BIGNUM, Freed<::BN_free>> number(
      ::BN_bin2bn(serial.data(), static_cast<int>(serial.size()), nullptr));
  EVP_PKEY* key = ::X509_REQ_get0_pubkey(csr.get());
  std::optional<SoftwareKey> other;
  if (order.key == Order::Key::another) {
    other = SoftwareKey::generate("EC", 256);
    key = other->handle();
  }
  must(::X509_set_version(certificate.get(), X509_VERSION_3) == 1 &&
           ::BN_to_ASN1_INTEGER(number.get(), ::X509_get_serialNumber(certificate.get())) != nullptr &&
           ::X509_set_subject_name(certificate.get(), ::X509_REQ_get_subject_name(csr.get())) == 1 &&
           ::X509_set_issuer_name(certificate.get(), ::X509_get_subject_name(issuer.get())) == 1 &&
           ::X509_set_pubkey(certificate.get(), key) == 1,
       "cannot build the certificate");
  set_time(::X509_getm_notBefore(certificate.get()), order.not_before);
  set_time(::X509_getm_notAfter(certificate.get()), order.not_after);
  add(certificate.get(), issuer.get(), NID_subject_key_identifier, "hash");
  add(certificate.get(), issuer.get(), NID_authority_key_identifier, "keyid");
  copy_extensions(csr.get(), certificate.get(), order.extended_usages.empty());
  if (!order.extended_usages.empty()) {
    add(certificate.get(), issuer.get(), NID_ext_key_usage, usages_text(order.extended_usages));
  }
  must(::X509_sign(certificate.get(), issuing_key_.handle(), ::EVP_sha256()) > 0, "cannot sign");
  return der_of(certificate.get(), ::i2d_X509);
}

Bytes Ca::for_another_key(ByteView der) const {
  const CertificateHandle certificate = decoded(der);
  const SoftwareKey other = SoftwareKey::generate("EC", 256);
  must(::X509_set_pubkey(certificate.get(), other.handle()) == 1 &&
           ::X509_sign(certificate.get(), issuing_key_.handle(), ::EVP_sha256()) > 0,
       "cannot sign");
  return der_of(certificate.get(), ::i2d_X509);
}

}  // namespace hsmbridge::rig::venafi
