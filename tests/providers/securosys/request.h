#pragma once

#include "providers/connection.h"
#include "providers/securosys/provider.h"
#include "providers/securosys/test_ca.h"
#include "support/orders.h"

#include <memory>
#include <string>

namespace hsmbridge::test {

// One request to a TSB through our provider, wherever `settings` and `options` say that the service is.
struct TsbRequest {
  TsbRequest() {
    settings.name = "tsb";
    settings.sign_key = "ca-key";
    order.id = RequestId("0123456789ABCDEF");
    order.provider = "tsb";
    ask = server_ask();
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
    wanted(order).content = ask;
    draft.csr = csr_for(key, ask);
    const workflow::ProviderDraft drafted = provider().draft(order, draft.csr, clock.now());
    draft.to_be_signed = drafted.to_be_signed;
    draft.algorithm = drafted.algorithm;
    draft.issuer = drafted.issuer;
    draft.summary = "certificate for www.example.com";
  }
  workflow::ProviderCall call() {
    return {order, token_key, draft, 1, &submission, clock.now(), std::chrono::seconds{20}};
  }
  // Submits and remembers, as the engine does.
  workflow::Report submit() {
    const workflow::SubmitAnswer answer = provider().submit(call());
    const workflow::Report& report = std::get<workflow::Accepted>(answer).report;
    submission.reference = report.reference;
    submission.provider_state = report.provider_state;
    submission.submitted_at = clock.now();
    return report;
  }
  workflow::Report poll() { return provider().poll(call()); }

  SystemClock clock;
  SoftwareSigner key{"ec:P-256"};
  securosys::Settings settings;
  securosys::ClientOptions options;
  securosys::Keys keys;
  x509::RequestedContent ask;
  workflow::Order order;
  workflow::Key token_key{"pkcs11:x", "web", "00", {}, true};
  workflow::Draft draft;
  workflow::Submission submission;
  std::shared_ptr<securosys::Client> made_client;
  std::unique_ptr<securosys::SecurosysProvider> made;
};

}  // namespace hsmbridge::test
