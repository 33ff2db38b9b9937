#pragma once

#include "base/error.h"
#include "base/file.h"
#include "providers/securosys/provider.h"
#include "support/fake_clock.h"
#include "support/fake_transport.h"
#include "support/orders.h"
#include "support/temp_folder.h"
#include "test_ca.h"
#include "tsb_answers.h"
#include "x509/objects/pem.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

namespace hsmbridge::test {

inline const char* const kId = "4e8731d8-0ae6-4444-8a8c-b73ab5f0ba18";

// One request to a TSB that answers as the test says, below a CA in a file.
struct TsbBench {
  explicit TsbBench(securosys::Mode mode = securosys::Mode::raw_signature, const std::string& ca_key = "ec:P-256")
      : ca(ca_key) {
    settings.name = "tsb";
    settings.url = "https://tsb.example";
    settings.sign_key = "ca-key";
    settings.mode = mode;
    settings.issuer = folder / "issuer.pem";
    write_file(*settings.issuer, to_bytes(x509::certificate_to_pem(ca.certificate.der)), FileMode::public_0644,
               Existing::refuse);
    order.id = RequestId("0123456789ABCDEF");
    order.provider = "tsb";
    ask = server_ask();
    submission.reference = ProviderReference(kId);
    submission.submitted_at = clock.now();
    options.api_keys[securosys::Role::key_operation].push_back({[] { return Secret("ko"); }});
  }

  securosys::SecurosysProvider& provider() {
    if (!made) {
      auto client = std::make_shared<securosys::Client>(transport, options, clock);
      made = std::make_unique<securosys::SecurosysProvider>(settings, client, keys, clock);
    }
    return *made;
  }
  void freeze() {
    wanted(order).content = ask;
    draft.csr = csr_for(key, ask);
    workflow::ProviderDraft made_draft = provider().draft(order, draft.csr, clock.now());
    draft.to_be_signed = made_draft.to_be_signed;
    draft.algorithm = made_draft.algorithm;
    draft.issuer = made_draft.issuer;
    draft.provider_state = made_draft.provider_state;
    draft.summary = "certificate for www";
    draft.built_at = clock.now();
  }
  // The certificate that is attached to the signing key at the TSB.
  void attached(const x509::Certificate& certificate) {
    transport->then(
        200, Json::object({{"label", "ca-key"}, {"certificate", x509::certificate_to_pem(certificate.der)}}).dump());
  }
  std::vector<std::string> check() { return provider().check(call()); }
  static std::string not_waiting(const std::vector<std::string>& reasons) {
    return "nothing is waited for, and it is refused for " + std::to_string(reasons.size()) + " reasons";
  }
  // What the check says that the request waits for.
  std::vector<std::string> waits_for() {
    try {
      const std::vector<std::string> reasons = check();
      return {not_waiting(reasons)};
    } catch (const Error& error) {
      CHECK(error.kind() == ErrorKind::unavailable);
      // What is waited for may be a file, which a daemon reads once; or a date, which comes.
      CHECK((error.hint().find("kill -HUP") != std::string::npos) == error.detail("until").empty());
      CHECK(!error.hint().empty());
      std::vector<std::string> lines;
      std::istringstream text(error.message());
      for (std::string line; std::getline(text, line);) {
        if (line.starts_with("  - ")) lines.push_back(line.substr(4));
      }
      return lines;
    }
  }
  // Why the check wants another draft; "" when it does not.
  std::string outdated() {
    try {
      return not_waiting(check());
    } catch (const Error& error) {
      return workflow::says_draft_is_outdated(error) ? error.message() : "not that: " + error.message();
    }
  }
  workflow::ProviderCall call() {
    return {order, token_key, draft, 1, &submission, clock.now(), std::chrono::seconds{10}};
  }

  TempFolder folder;
  FakeClock clock{parse_rfc3339("2026-06-01T12:00:00.250Z")};
  TestCa ca;
  SoftwareSigner key{"ec:P-256"};
  std::shared_ptr<FakeTransport> transport = std::make_shared<FakeTransport>();
  securosys::Settings settings;
  securosys::ClientOptions options;
  securosys::Keys keys;
  x509::RequestedContent ask;
  workflow::Order order;
  workflow::Key token_key{"pkcs11:x", "web", "00", {}, true};
  workflow::Draft draft;
  workflow::Submission submission;
  std::unique_ptr<securosys::SecurosysProvider> made;
};

inline Json sent_json(const TsbBench& bench, std::size_t call) {
  return Json::parse(bench.transport->sent.at(call).body);
}

inline std::string status_body(const std::string& status, const std::string& more = "") {
  return std::string(R"({"id":")") + kId + R"(","status":")" + status +
         R"(","executionTime":null,"approvedBy":[],"notYetApprovedBy":[],"rejectedBy":[],"result":null)" + more + "}";
}

inline approval::Policy two_of_three(const Bytes& anna, const Bytes& ben, const Bytes& cleo) {
  return {{{"",
            Duration{},
            std::chrono::hours{24},
            {{"ops",
              2,
              {{"anna", x509::spki_hash(anna)}, {"ben", x509::spki_hash(ben)}, {"cleo", x509::spki_hash(cleo)}}}}}}};
}

// Another certificate of the same CA key and name; with another key identifier, as another program computes it.
inline x509::Certificate renewed(TestCa& ca, std::string_view until, const Bytes& key_identifier = {}) {
  const auto& algorithm = x509::default_algorithm(ca.signer.spec());
  x509::CertificateFields fields = x509::fields_for_issuer(ca.certificate);
  fields.serial = x509::random_serial();
  fields.validity = {ca.certificate.tbs.validity.not_before, parse_rfc3339(std::string(until))};
  fields.spki = ca.signer.subject_public_key_info();
  fields.content = ca.certificate.content();
  fields.algorithm = &algorithm;
  Bytes tbs = x509::build_tbs_certificate(fields);
  const Bytes usual = *ca.certificate.content().subject_key_identifier;
  std::copy(key_identifier.begin(), key_identifier.end(),
            std::search(tbs.begin(), tbs.end(), usual.begin(), usual.end()));
  return x509::parse_certificate(x509::assemble(tbs, algorithm, ca.signer.sign(tbs, algorithm)));
}

}  // namespace hsmbridge::test
