#include "tools/rig/pki/rig_pki.h"

#include "base/file.h"
#include "tools/rig/pki/authority.h"

#include <string>

namespace hsmbridge::rig {
namespace {

constexpr std::chrono::days kLeafLife{825};

bool both_there(const std::filesystem::path& certificate, const std::filesystem::path& key) {
  return std::filesystem::exists(certificate) && std::filesystem::exists(key);
}

// Who has a certificate of the CA.
struct Leaf {
  std::filesystem::path certificate;
  std::filesystem::path key;
  std::string name;
  std::string extended_key_usage = "";
  std::vector<SubjectAlternativeName> names = {};
};

void make_leaf(const Leaf& leaf, const Bytes& ca, const SoftwareKey& ca_key, Instant now) {
  CertificateContent content = content_for("CN=" + leaf.name, kept_key(leaf.key), now, kLeafLife);
  content.issuer = ca;
  if (!leaf.extended_key_usage.empty())
    content.extensions = {{"extendedKeyUsage", "critical," + leaf.extended_key_usage}};
  content.extensions.emplace_back("keyUsage", "critical,digitalSignature");
  content.alternative_names = leaf.names;
  write_certificate(leaf.certificate, issue(content, ca_key));
}

}  // namespace

TestPki make_test_pki(const std::filesystem::path& dir) {
  // A folder of their own: certificates of simulated keys are written next to ca.pem under names that users choose.
  const std::filesystem::path tls = dir / "tls";
  std::filesystem::create_directories(tls);
  const TestPki pki{dir / "ca.pem",          tls / "server.pem",      tls / "server-key.pem",     tls / "control.pem",
                    tls / "control-key.pem", tls / "task-reader.pem", tls / "task-reader-key.pem"};
  const Instant now = SystemClock().now();
  const std::filesystem::path ca_key_file = tls / "ca-key.pem";
  const bool ca_there = both_there(pki.ca, ca_key_file);
  const SoftwareKey ca_key = kept_key(ca_key_file);
  if (!ca_there) {
    const auto content = authority_for("CN=hsmbridge-rig test CA", ca_key, now, std::chrono::days{3650});
    write_certificate(pki.ca, issue(content, ca_key));
  }
  const Bytes ca = certificate_from_pem(as_text(read_file(pki.ca)));
  make_leaf({pki.server,
             pki.server_key,
             "localhost",
             "serverAuth",
             {{"DNS", "localhost"}, {"IP", "127.0.0.1"}, {"IP", "::1"}}},
            ca, ca_key, now);
  make_leaf({pki.control, pki.control_key, "hsmbridge-rig control", "clientAuth"}, ca, ca_key, now);
  // Stays what it was: clients have it in their configuration.
  if (!both_there(pki.task_reader, pki.task_reader_key)) {
    make_leaf({pki.task_reader, pki.task_reader_key, "hsmbridge-rig task reader"}, ca, ca_key, now);
  }
  return pki;
}

}  // namespace hsmbridge::rig
