#pragma once

#include "providers/digicert/request.h"
#include "support/running_rig.h"
#include "x509/judge/check.h"
#include "x509/objects/pem.h"

#include <string>
#include <vector>

namespace hsmbridge::test {

// The profiles that the simulator is seeded with, by their place.
enum class Seeded {
  at_once = 1,
  pkcs7,
  approval,
  two_approvals,
  other_token,
  no_duplicates,
  p256_only,
  deleted,
  scep,
  connector,
  user,
  rsa_3072,
  by_code,
  commercial,
};
inline std::string seeded_id(Seeded which) {
  const std::string number = std::to_string(static_cast<int>(which));
  return "36f011b7-5fa1-4c6d-83f3-" + std::string(12 - number.size(), '0') + number;
}

// One request against a running simulator.
struct TlmFlow : TlmRequest {
  explicit TlmFlow(const std::vector<std::string>& rig_words = {}, Seeded profile = Seeded::at_once)
      : rig(rig_words, "digicert") {
    settings.url = rig.about().at("url").as_string();
    settings.ca = rig.about().at("ca").as_string();
    settings.seat = "ops@example.com";
    use(profile);
    const std::string value = rig.api_key("service");
    options.get = [value] { return Secret(value); };
  }

  void use(Seeded profile) {
    settings.profile = seeded_id(profile);
    made.reset();
  }
  // The certificate as it would be judged: findings that are fatal.
  std::vector<std::string> fatal_findings(const workflow::Issued& issued) {
    x509::Expectation expected;
    expected.spki = key.subject_public_key_info();
    expected.content = ask.content;
    expected.accept = ask.accept;
    if (ask.validity > Duration::zero()) expected.lifetime = ask.validity;
    for (const Bytes& der : issued.chain) expected.intermediates.push_back(x509::parse_certificate(der));
    expected.anchors = {x509::parse_certificate(x509::read_certificate(read_file(rig.about().at("root").as_string())))};
    std::vector<std::string> names;
    for (const x509::Finding& finding :
         x509::check_answer(x509::parse_certificate(issued.certificate), expected, clock.now()).findings) {
      if (finding.severity == x509::Severity::fatal) names.push_back(finding.name + ": " + finding.explanation);
    }
    return names;
  }
  std::vector<std::string> fatal_findings(const workflow::IssuedResult& result) {
    return fatal_findings(issued_by(provider(), call(), result));
  }
  std::size_t posts() const { return rig.count("POST /mpki/api/v1/certificate "); }

  RunningRig rig;
};

}  // namespace hsmbridge::test
