#pragma once

#include "providers/connection.h"
#include "providers/digicert/provider.h"
#include "providers/securosys/test_ca.h"
#include "support/orders.h"

#include <memory>
#include <string>
#include <vector>

namespace hsmbridge::test {

// One request to DigiCert through our provider, wherever `settings` and `options` say that the service is.
struct TlmRequest {
  TlmRequest() {
    settings.name = "tlm";
    order.id = RequestId("0123456789ABCDEF");
    order.provider = "tlm";
    wanted(order).key.source = workflow::KeyWish::Source::make;
    ask = server_ask();
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
    wanted(order).content = ask;
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

  SystemClock clock;
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
