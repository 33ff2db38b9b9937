#pragma once

#include "providers/provider_request.h"
#include "providers/venafi/provider.h"

#include <memory>
#include <string>
#include <utility>

namespace hsmbridge::test {

// One request to Venafi through our provider, wherever `settings` and `credentials` say that the service is.
struct CloudRequest : ProviderRequest {
  CloudRequest() : ProviderRequest("cloud") {
    settings.name = "cloud";
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

  void freeze() {
    sign_csr();
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
    remember_submission(report);
    return report;
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

  venafi::Settings settings;
  venafi::Access credentials;
  std::unique_ptr<venafi::VenafiProvider> made;
};

}  // namespace hsmbridge::test
