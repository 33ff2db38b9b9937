#include "tools/rig/pki/rig_pki.h"

#include "base/file.h"
#include "tools/rig/pki/certificates.h"
#include "tools/rig/pki/software_key.h"

#include <string>

namespace hsmbridge::rig {
namespace {

const SignatureScheme kScheme{"SHA256", SignatureScheme::Padding::pkcs1};

Bytes serial() {
  Bytes octets = random_bytes(16);
  octets[0] = static_cast<std::uint8_t>((octets[0] & 0x3FU) | 0x40U);
  return octets;
}

CertificateContent content_for(const std::string& name, const SoftwareKey& key, std::chrono::days validity) {
  CertificateContent content;
  content.subject = parse_name(name);
  content.subject_public_key = key.public_key();
  content.serial = serial();
  const Instant now = SystemClock().now();
  content.not_before = now - std::chrono::hours{1};
  content.not_after = now + validity;
  return content;
}

void write_key(const std::filesystem::path& path, const SoftwareKey& key) {
  write_file(path, as_bytes(key.to_pem()), FileMode::private_0600, Existing::replace);
}

void write_certificate(const std::filesystem::path& path, ByteView der) {
  write_file(path, as_bytes(to_pem("CERTIFICATE", der, PemLayout::lines)), FileMode::public_0644, Existing::replace);
}

// A P-256 key and a certificate of the CA for it.
void make_leaf(const std::filesystem::path& certificate, const std::filesystem::path& key_path,
               CertificateContent content, const SoftwareKey& key, const Bytes& ca, const SoftwareKey& ca_key) {
  content.issuer_name = certificate_subject(ca);
  content.authority_key_identifier = certificate_key_identifier(ca);
  content.key_usage = {"DIGITAL_SIGNATURE"};
  write_key(key_path, key);
  write_certificate(certificate, issue(content, ca_key, kScheme));
}

}  // namespace

TestPki make_test_pki(const std::filesystem::path& dir) {
  // A folder of their own: certificates of simulated keys are written beside ca.pem under names that users choose.
  const std::filesystem::path tls = dir / "tls";
  std::filesystem::create_directories(tls);
  const TestPki pki{dir / "ca.pem",          tls / "server.pem",      tls / "server-key.pem",     tls / "control.pem",
                    tls / "control-key.pem", tls / "task-reader.pem", tls / "task-reader-key.pem"};
  const std::filesystem::path ca_key_path = tls / "ca-key.pem";
  if (!std::filesystem::exists(pki.ca) || !std::filesystem::exists(ca_key_path)) {
    const SoftwareKey key = SoftwareKey::generate("EC", 256);
    CertificateContent content = content_for("CN=hsmbridge-rig test CA", key, std::chrono::days{3650});
    content.key_usage = {"KEY_CERT_SIGN", "CRL_SIGN"};
    content.basic_constraints = CertificateContent::BasicConstraints::ca_critical;
    write_key(ca_key_path, key);
    write_certificate(pki.ca, issue(content, key, kScheme));
  }
  const SoftwareKey ca_key = SoftwareKey::from_pem(as_text(read_file(ca_key_path)));
  const Bytes ca = certificate_from_pem(as_text(read_file(pki.ca)));

  const SoftwareKey server_key = SoftwareKey::generate("EC", 256);
  CertificateContent server = content_for("CN=localhost", server_key, std::chrono::days{825});
  server.extended_key_usage = {"SERVER_AUTH"};
  server.alternative_names = {{"DNS", "localhost"}, {"IP", "127.0.0.1"}, {"IP", "::1"}};
  make_leaf(pki.server, pki.server_key, server, server_key, ca, ca_key);

  const SoftwareKey control_key = SoftwareKey::generate("EC", 256);
  CertificateContent control = content_for("CN=hsmbridge-rig control", control_key, std::chrono::days{825});
  control.extended_key_usage = {"CLIENT_AUTH"};
  make_leaf(pki.control, pki.control_key, control, control_key, ca, ca_key);

  // Stays what it was: clients have it in their configuration.
  if (!std::filesystem::exists(pki.task_reader) || !std::filesystem::exists(pki.task_reader_key)) {
    const SoftwareKey reader_key = SoftwareKey::generate("EC", 256);
    make_leaf(pki.task_reader, pki.task_reader_key,
              content_for("CN=hsmbridge-rig task reader", reader_key, std::chrono::days{825}), reader_key, ca, ca_key);
  }
  return pki;
}

}  // namespace hsmbridge::rig
