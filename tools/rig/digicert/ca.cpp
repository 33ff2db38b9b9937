#include "tools/rig/digicert/ca.h"

#include "base/file.h"
#include "tools/rig/pki/openssl_handles.h"

#include <openssl/pkcs7.h>

namespace hsmbridge::rig {
namespace {

const SignatureScheme kScheme{"SHA256", SignatureScheme::Padding::pkcs1};

SoftwareKey read_key(const std::filesystem::path& file) {
  return SoftwareKey::from_pem(as_text(read_file(file)));
}

Bytes serial() {
  Bytes octets = random_bytes(16);
  octets[0] = static_cast<std::uint8_t>((octets[0] & 0x3FU) | 0x40U);
  return octets;
}

CertificateContent authority(const std::string& name, const SoftwareKey& key, std::chrono::days validity) {
  CertificateContent content;
  content.subject = parse_name(name);
  content.subject_public_key = key.public_key();
  content.serial = serial();
  const Instant now = SystemClock().now();
  content.not_before = now - std::chrono::hours{1};
  content.not_after = now + validity;
  content.key_usage = {"KEY_CERT_SIGN", "CRL_SIGN"};
  content.basic_constraints = CertificateContent::BasicConstraints::ca_critical;
  return content;
}

void write_pair(const std::filesystem::path& dir, const std::string& name, const SoftwareKey& key,
                ByteView certificate) {
  write_file(dir / (name + "-key.pem"), as_bytes(key.to_pem()), FileMode::private_0600, Existing::replace);
  write_file(dir / (name + ".pem"), as_bytes(to_pem("CERTIFICATE", certificate, PemLayout::lines)),
             FileMode::public_0644, Existing::replace);
}

void make_authorities(const std::filesystem::path& dir) {
  std::filesystem::create_directories(dir);
  const SoftwareKey root_key = SoftwareKey::generate("EC", 256);
  const Bytes root = issue(authority("CN=Rig Trust Lifecycle Root, O=hsmbridge-rig", root_key, std::chrono::days{7300}),
                           root_key, kScheme);
  write_pair(dir, "root", root_key, root);
  const SoftwareKey issuing_key = SoftwareKey::generate("EC", 256);
  CertificateContent content =
      authority("CN=Rig Trust Lifecycle Issuing CA, O=hsmbridge-rig", issuing_key, std::chrono::days{3650});
  content.issuer_name = certificate_subject(root);
  content.authority_key_identifier = certificate_key_identifier(root);
  write_pair(dir, "issuing", issuing_key, issue(content, root_key, kScheme));
}

CertificateHandle decoded(ByteView der) {
  const unsigned char* at = der.data();
  CertificateHandle certificate(::d2i_X509(nullptr, &at, static_cast<long>(der.size())));
  must(certificate != nullptr, "not a certificate");
  return certificate;
}

Instant instant_of(const ASN1_TIME* time) {
  const std::unique_ptr<ASN1_TIME, Freed<::ASN1_TIME_free>> epoch(::ASN1_TIME_set(nullptr, 0));
  int days = 0;
  int seconds = 0;
  must(::ASN1_TIME_diff(&days, &seconds, epoch.get(), time) == 1, "not a time");
  return Instant{} + std::chrono::days{days} + std::chrono::seconds{seconds};
}

}  // namespace

DigicertCa::DigicertCa(const std::filesystem::path& dir) : root_file_(dir / "digicert-ca" / "root.pem") {
  const std::filesystem::path folder = dir / "digicert-ca";
  // The issuing CA's certificate is written last.
  if (!std::filesystem::exists(folder / "issuing.pem")) make_authorities(folder);
  issuing_key_.push_back(read_key(folder / "issuing-key.pem"));
  for (const char* name : {"issuing.pem", "root.pem"}) {
    chain_.push_back(certificate_from_pem(as_text(read_file(folder / name))));
  }
}

Bytes DigicertCa::issue(CertificateContent content) const {
  content.issuer_name = certificate_subject(chain_.front());
  content.authority_key_identifier = certificate_key_identifier(chain_.front());
  return rig::issue(content, issuing_key_.front(), kScheme);
}

Bytes pkcs7_bundle(const std::vector<Bytes>& certificates) {
  const std::unique_ptr<PKCS7, Freed<::PKCS7_free>> bundle(::PKCS7_new());
  must(bundle != nullptr && ::PKCS7_set_type(bundle.get(), NID_pkcs7_signed) == 1 &&
           ::PKCS7_content_new(bundle.get(), NID_pkcs7_data) == 1,
       "cannot make a PKCS#7 bundle");
  // Certificates only: no content, as `openssl crl2pkcs7 -nocrl` makes it.
  ::PKCS7_set_detached(bundle.get(), 1);
  for (const Bytes& der : certificates) {
    const unsigned char* at = der.data();
    const CertificateHandle certificate(::d2i_X509(nullptr, &at, static_cast<long>(der.size())));
    must(certificate != nullptr && ::PKCS7_add_certificate(bundle.get(), certificate.get()) == 1,
         "cannot add a certificate");
  }
  return der_of(bundle.get(), ::i2d_PKCS7);
}

namespace {

CsrKey key_of(const Bytes& spki) {
  const unsigned char* at = spki.data();
  const KeyHandle key(::d2i_PUBKEY(nullptr, &at, static_cast<long>(spki.size())));
  must(key != nullptr, "not a public key");
  const CsrKey::Type type = ::EVP_PKEY_is_a(key.get(), "RSA") == 1  ? CsrKey::Type::rsa
                            : ::EVP_PKEY_is_a(key.get(), "EC") == 1 ? CsrKey::Type::ec
                                                                    : CsrKey::Type::other;
  return {type, ::EVP_PKEY_get_bits(key.get())};
}

}  // namespace

CsrKey csr_key(ByteView csr) {
  return key_of(csr_public_key(csr));
}

CsrKey certificate_key(ByteView certificate) {
  return key_of(certificate_public_key(certificate));
}

Instant certificate_begin(ByteView certificate) {
  return instant_of(::X509_get0_notBefore(decoded(certificate).get()));
}

Instant certificate_end(ByteView certificate) {
  return instant_of(::X509_get0_notAfter(decoded(certificate).get()));
}

}  // namespace hsmbridge::rig
