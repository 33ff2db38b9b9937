#include "tools/rig/pki/authority.h"

#include "base/file.h"

namespace hsmbridge::rig {
namespace {

std::string in_folder(std::string stem) {
  std::filesystem::create_directories(std::filesystem::path(stem).parent_path());
  return stem;
}

}  // namespace

Bytes random_serial(std::size_t octets) {
  Bytes serial = random_bytes(octets);
  serial[0] = static_cast<std::uint8_t>((serial[0] & 0x3FU) | 0x40U);
  return serial;
}

CertificateContent content_for(const std::string& name, const SoftwareKey& key, Instant now,
                               std::chrono::days validity) {
  CertificateContent content;
  content.subject = parse_name(name);
  content.subject_public_key = key.public_key();
  content.serial = random_serial();
  content.not_before = now - std::chrono::hours{1};
  content.not_after = now + validity;
  return content;
}

CertificateContent authority_for(const std::string& name, const SoftwareKey& key, Instant now,
                                 std::chrono::days validity) {
  CertificateContent content = content_for(name, key, now, validity);
  content.extensions = {{"basicConstraints", "critical,CA:TRUE"}, {"keyUsage", "critical,keyCertSign,cRLSign"}};
  return content;
}

SoftwareKey kept_key(const std::filesystem::path& file) {
  if (std::filesystem::exists(file)) return SoftwareKey::from_pem(as_text(read_file(file)));
  SoftwareKey key = SoftwareKey::generate("EC", 256);
  write_file(file, as_bytes(key.to_pem()), FileMode::private_0600, Existing::refuse);
  return key;
}

Json kept_json(const std::filesystem::path& file, const std::function<Json()>& make) {
  if (!std::filesystem::exists(file)) {
    write_file(file, as_bytes(make().pretty() + "\n"), FileMode::private_0600, Existing::refuse);
  }
  return Json::parse(as_text(read_file(file)));
}

void write_certificate(const std::filesystem::path& file, ByteView der) {
  write_file(file, as_bytes(to_pem("CERTIFICATE", der)), FileMode::public_0644, Existing::replace);
}

Authority::Authority(std::string stem, const std::string& name, const std::string& organization, Instant now)
    : stem_(in_folder(std::move(stem))), issuing_key_(kept_key(stem_ + "issuing-key.pem")) {
  const std::filesystem::path issuing_file = stem_ + "issuing.pem";
  // Written last.
  if (!std::filesystem::exists(issuing_file)) {
    const SoftwareKey root_key = kept_key(stem_ + "root-key.pem");
    const Bytes root = rig::issue(
        authority_for("CN=" + name + " Root, O=" + organization, root_key, now, std::chrono::days{7300}), root_key);
    write_certificate(root_file(), root);
    CertificateContent content =
        authority_for("CN=" + name + " Issuing CA, O=" + organization, issuing_key_, now, std::chrono::days{3650});
    content.issuer = root;
    write_certificate(issuing_file, rig::issue(content, root_key));
  }
  for (const std::filesystem::path& file : {issuing_file, root_file()}) {
    chain_.push_back(certificate_from_pem(as_text(read_file(file))));
  }
}

Bytes Authority::issue(CertificateContent content) const {
  content.issuer = chain_.front();
  return rig::issue(content, issuing_key_);
}

Bytes Authority::for_another_key(ByteView certificate) const {
  return rig::for_another_key(certificate, issuing_key_);
}

}  // namespace hsmbridge::rig
