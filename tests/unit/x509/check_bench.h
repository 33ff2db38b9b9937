#pragma once

#include "test_authority.h"
#include "x509/judge/check.h"

#include <string>
#include <vector>

namespace hsmbridge::test {

// A root, an intermediate and a server's key; what was asked for, and the certificate that somebody made of it.
struct Bench {
  TestAuthority root{"CN=Root"};
  TestAuthority intermediate{"CN=Intermediate", root};
  SoftwareSigner key{"ec:P-256"};
  x509::Expectation expected;
  Instant now = at("2026-02-01T00:00:00Z");

  Bench() {
    expected.spki = key.subject_public_key_info();
    expected.content.subject = x509::Name::parse("C=CH, O=Example, CN=www.example.com");
    expected.content.subject_alternative_names = {x509::GeneralName::parse("dns:www.example.com"),
                                                  x509::GeneralName::parse("ip:192.0.2.1")};
    expected.content.key_usage = x509::KeyUsages{x509::KeyUsage::digital_signature};
    expected.content.extended_key_usage = {x509::parse_extended_key_usage("serverAuth")};
    expected.intermediates = {intermediate.certificate()};
    expected.anchors = {root.certificate()};
  }

  x509::Certificate issue(const x509::Content& content) { return intermediate.issue(expected.spki, content); }
  // "name!" for a fatal finding, "name" for a reported one, in order.
  std::vector<std::string> findings(const x509::Certificate& certificate) {
    std::vector<std::string> names;
    for (const x509::Finding& finding : x509::check_answer(certificate, expected, now).findings) {
      names.push_back(finding.name + (finding.severity == x509::Severity::fatal ? "!" : ""));
    }
    return names;
  }
};

using Names = std::vector<std::string>;

}  // namespace hsmbridge::test
