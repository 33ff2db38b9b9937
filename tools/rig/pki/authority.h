#pragma once

#include "base/json.h"
#include "tools/rig/pki/certificates.h"
#include "tools/rig/pki/software_key.h"

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

namespace hsmbridge::rig {

// A positive serial number.
Bytes random_serial(std::size_t octets = 16);
// A certificate's content for a key: `name` as in parse_name, a serial, valid from an hour ago.
CertificateContent content_for(const std::string& name, const SoftwareKey& key, Instant now,
                               std::chrono::days validity);
// The same with the powers of a CA.
CertificateContent authority_for(const std::string& name, const SoftwareKey& key, Instant now,
                                 std::chrono::days validity);

// The key of a file (mode 0600), made when it is missing.
SoftwareKey kept_key(const std::filesystem::path& file);
// The JSON of a file (mode 0600), made when it is missing: credentials that clients are given.
Json kept_json(const std::filesystem::path& file, const std::function<Json()>& make);
void write_certificate(const std::filesystem::path& file, ByteView der);

// A simulated service's authority: a root and one issuing CA under it, kept in files so that what was issued stays good
// after a restart. Thread rule: const functions from any thread.
class Authority {
 public:
  // Files: STEMroot.pem, STEMissuing.pem, STEMroot-key.pem and STEMissuing-key.pem; what is missing is made. Their
  // folder is made too. `name` is what the two are called: "CN=NAME Root, O=…".
  Authority(std::string stem, const std::string& name, const std::string& organization, Instant now);

  // `content` without issuer, which is ours.
  Bytes issue(CertificateContent content) const;
  // What `certificate` says, for a key that nobody has.
  Bytes for_another_key(ByteView certificate) const;
  // DER, the issuing CA first, the root last.
  const std::vector<Bytes>& chain() const { return chain_; }
  std::filesystem::path root_file() const { return stem_ + "root.pem"; }

 private:
  std::string stem_;
  SoftwareKey issuing_key_;
  std::vector<Bytes> chain_;
};

}  // namespace hsmbridge::rig
