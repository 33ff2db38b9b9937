#pragma once

#include "base/error.h"
#include "cloud_answers.h"
#include "providers/securosys/test_ca.h"
#include "providers/venafi/provider.h"
#include "support/fake_clock.h"
#include "support/fake_transport.h"
#include "support/orders.h"
#include "x509/objects/pem.h"

#include <catch2/catch.hpp>
#include <memory>
#include <string>

namespace hsmbridge::test {

// One request of a provider whose service answers as the test says.
struct ProviderBench {
  ProviderBench() {
    settings.name = "cloud";
    settings.zone = {"Payments", "Default"};
    order.id = RequestId("0123456789ABCDEF");
    order.provider = "cloud";
    order.created_at = clock.now();
    draft.built_at = clock.now();
    freeze();
  }
  void freeze() {
    test::wanted(order).content = ask;
    draft.csr = csr_for(key, ask);
  }
  venafi::VenafiProvider& provider() {
    if (!made) {
      auto client = std::make_shared<venafi::Client>(
          transport, venafi::stored_access(venafi::Access::Kind::api_key, {[] { return Secret("key"); }, true}), clock);
      made = std::make_unique<venafi::VenafiProvider>(settings, client, clock);
    }
    return *made;
  }
  // The two answers that resolve the zone.
  ProviderBench& zone(const Json& rules = open_template()) {
    transport->then(200, application_answer()).then(200, rules.dump());
    return *this;
  }
  workflow::ProviderCall call() {
    return {order, token_key, draft, attempt, &submission, clock.now(), std::chrono::seconds{30}};
  }
  // A certificate that this request might be answered with, issued by `ca`.
  Bytes certificate(TestCa& ca, const Bytes& spki) const {
    const auto& algorithm = x509::default_algorithm(ca.signer.spec());
    x509::CertificateFields fields = x509::fields_for_issuer(ca.certificate);
    fields.serial = x509::random_serial();
    fields.validity = {clock.now(), clock.now() + ask.validity};
    fields.spki = spki;
    fields.content = ask.content;
    fields.algorithm = &algorithm;
    const Bytes tbs = x509::build_tbs_certificate(fields);
    return x509::assemble(tbs, algorithm, ca.signer.sign(tbs, algorithm));
  }
  void replaces(const std::string& provider_state) {
    TestCa ca;
    test::make_renewal(order, {"f",
                               certificate(ca, key.subject_public_key_info()),
                               {},
                               "current",
                               ProviderReference(kRequestId),
                               provider_state});
  }
  void revokes(const std::string& reason) {
    replaces(R"({"request":")" + kRequestId + R"(","certificates":[")" + kCertificateId + R"("]})");
    make_revocation(order, predecessor_in(order), reason);
    draft = {};
  }

  FakeClock clock;
  std::shared_ptr<FakeTransport> transport = std::make_shared<FakeTransport>();
  SoftwareSigner key{"ec:P-256"};
  venafi::Settings settings;
  x509::RequestedContent ask = server_ask();
  workflow::Order order;
  workflow::Key token_key{"pkcs11:x", "web", "00", {}, true};
  workflow::Draft draft;
  workflow::Submission submission;
  unsigned attempt = 1;
  std::unique_ptr<venafi::VenafiProvider> made;
};

inline const std::string kRequestPath = "/outagedetection/v1/certificaterequests/" + kRequestId;
inline const std::string kApprovalPath = "/v1/certificaterequests/approvalrequests/" + kRequestId;

template <class Call>
Error error_of(Call call) {
  try {
    call();
  } catch (const Error& error) {
    return error;
  }
  return {ErrorKind::internal, "no error"};
}

inline bool says(const std::string& text, const std::string& part) {
  INFO(text);
  return text.find(part) != std::string::npos;
}

inline std::string approvals(const std::string& status, const std::string& outcome,
                             const std::string& entity = kRequestId) {
  return R"({"id":"a","entityId":")" + entity + R"(","requiredApprovalsCount":1,"status":")" + status +
         R"(","approvers":[{"id":"u1","type":"USER"}],"approversOutcome":[)" + outcome + "]}";
}

}  // namespace hsmbridge::test
