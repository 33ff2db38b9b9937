#pragma once

#include "providers/connection.h"
#include "providers/digicert/provider.h"
#include "providers/securosys/test_ca.h"
#include "support/running_rig.h"
#include "x509/judge/check.h"
#include "x509/objects/pem.h"

#include <memory>
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
struct TlmFlow {
  explicit TlmFlow(const std::vector<std::string>& rig_words = {}, Seeded profile = Seeded::at_once)
      : rig(rig_words, "digicert") {
    settings.name = "tlm";
    settings.url = rig.about().at("url").as_string();
    settings.ca = rig.about().at("ca").as_string();
    settings.seat = "ops@example.com";
    use(profile);
    const std::string value = rig.api_key("service");
    options.get = [value] { return Secret(value); };
    order.id = RequestId("0123456789ABCDEF");
    order.provider = "tlm";
    order.key.source = workflow::KeyWish::Source::make;
    ask = server_ask();
  }

  void use(Seeded profile) {
    settings.profile = seeded_id(profile);
    made.reset();
  }
  digicert::DigicertProvider& provider() {
    if (!made) {
      auto client = std::make_shared<digicert::Client>(providers::make_transport(settings, {}), options, clock);
      made = std::make_unique<digicert::DigicertProvider>(settings, client, clock);
    }
    return *made;
  }
  // As the engine does: draft and check.
  std::vector<std::string> freeze() {
    order.ask = x509::to_json(ask).dump();
    draft = {};
    draft.csr = csr_for(key, ask);
    draft.provider_state = provider().draft(order, draft.csr, clock.now()).provider_state;
    draft.built_at = clock.now();
    return provider().check(call());
  }
  workflow::ProviderCall call() {
    workflow::ProviderCall call{order, token_key, draft, attempt, &submission, clock.now(), std::chrono::seconds{20}};
    call.remembered = remembered;
    return call;
  }
  workflow::ProviderCall lost_call() {
    workflow::ProviderCall without = call();
    without.submission = nullptr;
    return without;
  }
  // Attempts until one is taken or refused for good, as the engine does: what a refused one tells is for the next one.
  workflow::SubmitAnswer attempts() {
    attempt = 1;
    remembered.clear();
    workflow::SubmitAnswer answer = provider().submit(call());
    for (; std::holds_alternative<workflow::NotAccepted>(answer) && attempt < 3; answer = provider().submit(call())) {
      remembered = std::get<workflow::NotAccepted>(answer).remember;
      ++attempt;
    }
    return answer;
  }
  workflow::Report submit() {
    const workflow::SubmitAnswer answer = attempts();
    remember(std::get<workflow::Accepted>(answer).report);
    return std::get<workflow::Accepted>(answer).report;
  }
  void remember(const workflow::Report& report) {
    if (!report.reference.empty()) submission.reference = report.reference;
    if (!report.provider_state.empty()) submission.provider_state = report.provider_state;
    submission.submitted_at = clock.now();
  }
  workflow::Report poll() { return provider().poll(call()); }
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
  std::vector<std::string> fatal_findings(const workflow::Handout& handout) {
    return fatal_findings(provider().read(call(), handout));
  }
  std::size_t posts() const { return rig.count("POST /mpki/api/v1/certificate "); }

  SystemClock clock;
  RunningRig rig;
  SoftwareSigner key{"ec:P-256"};
  digicert::Settings settings;
  providers::Source options;
  x509::RequestedContent ask;
  workflow::Order order;
  workflow::Key token_key{"pkcs11:x", "web", "00", {}, true};
  workflow::Draft draft;
  workflow::Submission submission;
  unsigned attempt = 1;
  std::string remembered;
  std::unique_ptr<digicert::DigicertProvider> made;
};

}  // namespace hsmbridge::test
