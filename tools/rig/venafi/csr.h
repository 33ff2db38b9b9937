#pragma once

#include "base/bytes.h"

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace hsmbridge::rig::venafi {

// What the simulated service reads in an uploaded CSR.
struct CsrFacts {
  Bytes der;
  Bytes public_key;                                         // DER SubjectPublicKeyInfo
  Bytes subject_name;                                       // DER Name
  std::map<std::string, std::vector<std::string>> subject;  // by "CN", "O", "OU", "L", "ST", "C"
  std::string subject_dn;                                   // "cn=…,o=…,c=…", as the service writes it
  std::vector<std::pair<std::string, std::string>> names;   // "dNSName", "iPAddress", "rfc822Name", …
  std::string key_type;                                     // "RSA", "EC"
  int key_length = 0;                                       // RSA
  std::string key_curve;                                    // "P256", "ED25519"
};

// Nothing when it is not a CSR in PEM, or its own signature is bad: a signer in a token is most likely to fail there.
std::optional<CsrFacts> read_csr_facts(std::string_view pem);

}  // namespace hsmbridge::rig::venafi
