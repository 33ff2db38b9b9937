#pragma once

#include "providers/connection.h"
#include "providers/securosys/test_ca.h"
#include "support/orders.h"
#include "workflow/ports/provider.h"

#include <memory>
#include <string>

namespace hsmbridge::test {

// One request to a service through our provider, and what the engine would keep of it.
struct ProviderRequest {
  explicit ProviderRequest(const std::string& provider) {
    order.id = RequestId("0123456789ABCDEF");
    order.provider = provider;
  }

  void sign_csr() {
    wanted(order).content = ask;
    draft.csr = csr_for(key, ask);
    draft.built_at = clock.now();
  }
  workflow::ProviderCall call() {
    return {order, token_key, draft, attempt, &submission, clock.now(), std::chrono::seconds{20}};
  }
  void remember(const workflow::Report& report) {
    if (!report.reference.empty()) submission.reference = report.reference;
    if (!report.provider_state.empty()) submission.provider_state = report.provider_state;
  }
  void remember_submission(const workflow::Report& report) {
    remember(report);
    submission.submitted_at = clock.now();
  }

  SystemClock clock;
  SoftwareSigner key{"ec:P-256"};
  x509::RequestedContent ask = server_ask();
  workflow::Order order;
  workflow::Key token_key{"pkcs11:x", "web", "00", {}, true};
  workflow::Draft draft;
  workflow::Submission submission;
  unsigned attempt = 1;
};

}  // namespace hsmbridge::test
