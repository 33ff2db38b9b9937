#pragma once

#include "answers.h"
#include "providers/digicert/provider.h"
#include "providers/securosys/test_ca.h"
#include "support/fake_clock.h"
#include "support/fake_transport.h"
#include "support/orders.h"
#include "unit/x509/test_authority.h"
#include "x509/objects/pem.h"

#include <memory>
#include <string>
#include <variant>
#include <vector>

namespace hsmbridge::test {

// One request to a provider whose service is a FakeTransport.
struct TlmBench {
  TlmBench() {
    settings.name = "tlm";
    settings.url = "https://tlm.example";
    settings.profile = kTlmProfileId;
    settings.seat = "ops@example.com";
    order.id = RequestId("0123456789ABCDEF");
    order.provider = "tlm";
    test::wanted(order).key.source = workflow::KeyWish::Source::make;
    ask.content.subject = x509::Name::parse("C=CH, O=Example, CN=www.example.com");
    ask.content.subject_alternative_names = {x509::GeneralName::parse("dns:www.example.com")};
    submission.submitted_at = clock.now();
  }

  digicert::DigicertProvider& provider() {
    if (!made) {
      auto client = std::make_shared<digicert::Client>(transport, options, clock);
      made = std::make_unique<digicert::DigicertProvider>(settings, client, clock);
    }
    return *made;
  }
  void freeze() {
    test::wanted(order).content = ask;
    draft.csr = csr_for(key, ask);
    digicert::Pinned pinned{"", "", "", true};
    pinned.account = account;
    draft.provider_state = to_text(pinned);
    draft.built_at = clock.now();
  }
  workflow::ProviderCall call() {
    return {order, token_key, draft, 1, &submission, clock.now(), std::chrono::seconds{30}};
  }
  workflow::SubmitAnswer submit() { return provider().submit(call()); }

  // A certificate for our key, beginning `later` after the draft was built.
  x509::Certificate issue(Duration later = {}) { return issue_for(key.subject_public_key_info(), ask.content, later); }
  x509::Certificate issue_for(const Bytes& spki, const x509::Content& content, Duration later = {}) {
    x509::CertificateFields fields = issuing.fields_for(content);
    fields.spki = spki;
    const Instant from = std::chrono::floor<std::chrono::seconds>(draft.built_at) + later;
    fields.validity = {from, from + std::chrono::hours{24 * 90}};
    return x509::parse_certificate(issuing.sign(x509::build_tbs_certificate(fields)));
  }
  static std::string serial(const x509::Certificate& certificate) {
    return digicert::serial_text(certificate.serial());
  }
  static std::string pem(const x509::Certificate& certificate) { return x509::certificate_to_pem(certificate.der); }
  static std::string issued_body(const x509::Certificate& certificate) {
    return Json::object(
               {{"serial_number", serial(certificate)}, {"delivery_format", "x509"}, {"certificate", pem(certificate)}})
        .dump();
  }
  static Json details(const x509::Certificate& certificate, const std::string& status = "issued") {
    return Json::object({{"serial_number", serial(certificate)},
                         {"status", status},
                         {"certificate", base64(certificate.der)},
                         {"thumbprint", hex(sha256(certificate.der))}});
  }
  static std::string found(const std::vector<Json>& items) {
    return Json::object({{"total", static_cast<std::int64_t>(items.size())}, {"items", Json(Json::Array(items))}})
        .dump();
  }
  // Who the API key belongs to, as `account` has it.
  void then_me(const std::string& id = "U-1") {
    transport->then(200, R"({"id":")" + id + R"(","name":"bridge","account_id":"A-1","roles":["EM"]})");
  }
  void then_profile(const Json& json = tlm_profile()) { transport->then(200, json.dump()); }
  Json sent_json(std::size_t i) const { return Json::parse(transport->sent.at(i).body); }

  FakeClock clock{parse_rfc3339("2026-06-01T12:00:00.250Z")};
  TestAuthority root{"CN=Root"};
  TestAuthority issuing{"CN=Issuing", root};
  SoftwareSigner key{"ec:P-256"};
  std::shared_ptr<FakeTransport> transport = std::make_shared<FakeTransport>();
  digicert::Settings settings;
  providers::Source options;
  x509::RequestedContent ask;
  workflow::Order order;
  workflow::Key token_key{"pkcs11:x", "web", "00", {}, true};
  workflow::Draft draft;
  workflow::Submission submission;
  std::string account;  // that the draft names; "": none, and nobody is asked
  std::unique_ptr<digicert::DigicertProvider> made;
};

// A request that is pending there as "r-1".
struct TlmPending : TlmBench {
  TlmPending() {
    freeze();
    submission.reference = ProviderReference("r-1");
    submission.provider_state = to_text(digicert::Pinned{"the-profile-then", "ops@example.com", ""});
  }
  workflow::Report poll(const std::string& body) {
    transport->then(200, body);
    return provider().poll(call());
  }
};

inline const std::string kWrongForm = tlm_error("invalid_input_field", "Wrong input or input format");

inline const workflow::Report& accepted(const workflow::SubmitAnswer& answer) {
  return std::get<workflow::Accepted>(answer).report;
}

}  // namespace hsmbridge::test
