#pragma once

#include "providers/securosys/test_ca.h"
#include "x509/objects/pem.h"

#include <string>
#include <utility>
#include <vector>

namespace hsmbridge::test {

// The same certificates as servers and people put them together: what it is called, and the text.
inline std::vector<std::pair<std::string, std::string>> odd_bundles(const Bytes& leaf,
                                                                    const std::vector<Bytes>& issuers) {
  const std::string first = x509::certificate_to_pem(leaf);
  std::string rest;
  for (const Bytes& one : issuers) rest += x509::certificate_to_pem(one);
  const std::string root = x509::certificate_to_pem(issuers.back());
  const std::string stranger = x509::certificate_to_pem(TestCa("ec:P-256", "CN=Nobody's CA").certificate.der);
  const std::string unreadable = x509::write_pem("CERTIFICATE", from_hex("300703050000000000"));
  std::string crlf;
  for (const char c : first + rest) crlf += c == '\n' ? std::string("\r\n") : std::string(1, c);
  std::string glued = first + rest;
  for (std::size_t at = 0; (at = glued.find("-----\n-----", at)) != std::string::npos;) glued.erase(at + 5, 1);
  return {{"as it should be", first + rest},
          {"root twice", first + rest + root},
          {"leaf twice", first + first + rest},
          {"leaf last", rest + first},
          {"an unrelated member first", stranger + first + rest},
          {"an unrelated member last", first + rest + stranger},
          {"CRLF", crlf},
          {"a byte order mark", "\xEF\xBB\xBF" + first + rest},
          {"glued blocks", glued},
          {"an unreadable member first", unreadable + first + rest},
          {"an unreadable member last", first + rest + unreadable},
          {"a revocation list among them", first + x509::write_pem("X509 CRL", from_hex("3000")) + rest}};
}

}  // namespace hsmbridge::test
