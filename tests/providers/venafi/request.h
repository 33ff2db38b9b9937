#pragma once

#include "providers/connection.h"
#include "providers/securosys/test_ca.h"
#include "providers/venafi/provider.h"
#include "support/orders.h"

#include <memory>
#include <string>
#include <utility>

namespace hsmbridge::test {

// One request to Venafi through our provider, wherever `settings` and `credentials` say that the service is.
struct CloudRequest {
  CloudRequest() {
    settings.name = "cloud";
    order.id = RequestId("0123456789ABCDEF");
    order.provider = "cloud";
    order.created_at = clock.now();
    ask.content.extended_key_usage.clear();
  }

  std::shared_ptr<venafi::Client> client(venafi::Access with) {
    return std::make_shared<venafi::Client>(transport(), std::move(with), clock);
  }
  std::shared_ptr<net::Transport> transport() { return providers::make_transport(settings, {}); }
  venafi::VenafiProvider& provider() {
    if (!made) {
      made = std::make_unique<venafi::VenafiProvider>(settings, client(credentials), clock);
    }
    return *made;
  }
  void use(venafi::Access other) {
    credentials = std::move(other);
    made.reset();
  }

  workflow::ProviderCall call() {
    return {order, token_key, draft, attempt, &submission, clock.now(), std::chrono::seconds{20}};
  }
  void freeze() {
    wanted(order).content = ask;
    draft.csr = csr_for(key, ask);
    draft.built_at = clock.now();
    draft.provider_state.clear();
  }
  // What the engine has drafted beside the CSR: who orders.
  void draft_there() { draft.provider_state = provider().draft(order, draft.csr, clock.now()).provider_state; }
  // Checks and submits, and remembers, as the engine does.
  workflow::SubmitAnswer try_submit() {
    if (order.brings_certificate() && draft.csr.empty()) freeze();
    return provider().submit(call());
  }
  workflow::Report submit() {
    const workflow::SubmitAnswer answer = try_submit();
    const workflow::Report& report = std::get<workflow::Accepted>(answer).report;
    remember(report);
    submission.submitted_at = clock.now();
    return report;
  }
  void remember(const workflow::Report& report) {
    if (!report.reference.empty()) submission.reference = report.reference;
    if (!report.provider_state.empty()) submission.provider_state = report.provider_state;
  }
  workflow::Report poll() {
    workflow::Report report = provider().poll(call());
    remember(report);
    return report;
  }
  workflow::Report retrieve() {
    workflow::Report report = provider().retrieve(call());
    remember(report);
    return report;
  }

  SystemClock clock;
  SoftwareSigner key{"ec:P-256"};
  venafi::Settings settings;
  x509::RequestedContent ask = server_ask();
  workflow::Order order;
  workflow::Key token_key{"pkcs11:x", "web", "00", {}, true};
  workflow::Draft draft;
  workflow::Submission submission;
  unsigned attempt = 1;
  venafi::Access credentials;
  std::unique_ptr<venafi::VenafiProvider> made;
};

}  // namespace hsmbridge::test
