#pragma once

#include "providers/provider_request.h"
#include "providers/securosys/provider.h"

#include <memory>
#include <string>

namespace hsmbridge::test {

// One request to a TSB through our provider, wherever `settings` and `options` say that the service is.
struct TsbRequest : ProviderRequest {
  TsbRequest() : ProviderRequest("tsb") {
    settings.name = "tsb";
    settings.sign_key = "ca-key";
  }

  void key_for(securosys::Role role, const std::string& value) {
    options.api_keys[role].push_back({[value] { return Secret(value); }});
  }
  securosys::Client& client() {
    if (!made_client) {
      made_client = std::make_shared<securosys::Client>(providers::make_transport(settings, {}), options, clock);
    }
    return *made_client;
  }
  securosys::SecurosysProvider& provider() {
    client();
    if (!made) made = std::make_unique<securosys::SecurosysProvider>(settings, made_client, keys, clock);
    return *made;
  }
  void freeze() {
    sign_csr();
    draft.built_at = {};
    const workflow::ProviderDraft drafted = provider().draft(order, draft.csr, clock.now());
    draft.to_be_signed = drafted.to_be_signed;
    draft.algorithm = drafted.algorithm;
    draft.issuer = drafted.issuer;
    draft.provider_state = drafted.provider_state;
    draft.summary = "certificate for www.example.com";
  }
  // Submits and remembers, as the engine does.
  workflow::Report submit() {
    const workflow::SubmitAnswer answer = provider().submit(call());
    const workflow::Report& report = std::get<workflow::Accepted>(answer).report;
    remember_submission(report);
    return report;
  }
  workflow::Report poll() { return provider().poll(call()); }

  securosys::Settings settings;
  securosys::ClientOptions options;
  securosys::Keys keys;
  std::shared_ptr<securosys::Client> made_client;
  std::unique_ptr<securosys::SecurosysProvider> made;
};

}  // namespace hsmbridge::test
