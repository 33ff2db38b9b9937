#pragma once

#include "providers/digicert/provider.h"
#include "providers/provider_request.h"

#include <memory>
#include <string>
#include <vector>

namespace hsmbridge::test {

// One request to DigiCert through our provider, wherever `settings` and `options` say that the service is.
struct TlmRequest : ProviderRequest {
  TlmRequest() : ProviderRequest("tlm") {
    settings.name = "tlm";
    wanted(order).key.source = workflow::KeyWish::Source::make;
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
    draft = {};
    sign_csr();
    draft.provider_state = provider().draft(order, draft.csr, clock.now()).provider_state;
    return provider().check(call());
  }
  workflow::ProviderCall call() {
    workflow::ProviderCall call = ProviderRequest::call();
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
    remember_submission(std::get<workflow::Accepted>(answer).report);
    return std::get<workflow::Accepted>(answer).report;
  }
  workflow::Report poll() { return provider().poll(call()); }

  digicert::Settings settings;
  providers::Source options;
  std::string remembered;
  std::unique_ptr<digicert::DigicertProvider> made;
};

}  // namespace hsmbridge::test
