#include "provider_bench.h"
#include "providers/venafi/progress.h"

using namespace hsmbridge;
using namespace hsmbridge::venafi;
using namespace hsmbridge::workflow;
using test::approvals;
using test::error_of;
using test::ProviderBench;
using test::says;

TEST_CASE("a test of the provider says what a user needs to know") {
  ProviderBench bench;
  bench.transport->then(200, R"({"user":{"username":"ops@x"},"company":{"id":"c","urlPrefix":"x"},)"
                             R"("apiKey":{"validityEndDate":"2027-01-01T00:00:00.000+0000"}})");
  bench.zone();
  const auto lines = bench.provider().test();
  REQUIRE(lines.size() == 3);
  CHECK(lines[0] == "API key of ops@x at x, valid until 2027-01-01T00:00:00Z");
  CHECK(says(lines[1], "zone Payments\\Default: issuing template Test Certs, authority BUILTIN"));

  for (const char* wrong : {"csrUploadAllowed", "status"}) {
    ProviderBench unusable;
    Json rules = test::open_template();
    rules.set(wrong, std::string(wrong) == "status" ? Json("UNAVAILABLE") : Json(false));
    unusable.transport->then(200, R"({"company":{"id":"c"}})");
    unusable.zone(rules);
    const Error refused = error_of([&] { unusable.provider().test(); });
    CHECK(refused.kind() == ErrorKind::refused);
    CHECK(says(refused.message(), "issuing template Test Certs"));
  }

  ProviderBench alone;
  alone.transport->then(200, R"({"user":{"username":"ops@x"}})");
  CHECK(error_of([&] { alone.provider().test(); }).kind() == ErrorKind::denied);
}

TEST_CASE("a provider shows its policy, runs the service's dry run, and decides") {
  ProviderBench bench;
  bench.zone();
  const Facts facts = bench.provider().policy(std::chrono::seconds{10});
  CHECK(facts.front() == std::pair<std::string, std::string>{"Zone", "Payments\\Default"});
  bench.transport->then(412, test::errors_answer(10702, "Unable to parse bytes"));
  CHECK(bench.provider().dry_run(bench.call()) == std::vector<std::string>{"Unable to parse bytes [10702]"});
  CHECK(bench.transport->lines().back() == "POST /outagedetection/v1/certificaterequests/validation");
  bench.transport->then(200, test::request_json("PENDING_APPROVAL").dump())
      .then(200, approvals("PENDING_APPROVAL", ""));
  const ProviderReference reference(test::kRequestId);
  CHECK(says(bench.provider().standing(reference, {}, std::chrono::seconds{10}).message,
             "cn=www.example.com; ATTENTION: the CSR, and so its names, cannot be shown"));
  Json request = test::request_json("PENDING_APPROVAL");
  request.set("certificateSigningRequest", x509::csr_to_pem(bench.draft.csr));
  bench.transport->then(200, request.dump()).then(200, test::request_json("PENDING").dump());
  bench.provider().decide(reference, ApprovalAuthority::Decision::approve, "fine", std::chrono::seconds{10});
  CHECK(bench.transport->lines().back() == "POST /v1/certificaterequests/" + test::kRequestId + "/approval/APPROVE");
  CHECK(error_of([&] {
          bench.provider().decide(reference, ApprovalAuthority::Decision::reject, std::string(1025, 'x'),
                                  std::chrono::seconds{10});
        }).kind() == ErrorKind::invalid_input);
}

TEST_CASE("what is approved is the request that was asked about, with the CSR that we sent") {
  ProviderBench bench;
  const ProviderReference reference(test::kRequestId);
  const auto standing = [&](const Json& request, const Bytes& csr) {
    bench.transport->then(200, request.dump()).then(200, approvals("PENDING_APPROVAL", ""));
    Error error = error_of([&] { bench.provider().standing(reference, csr, std::chrono::seconds{10}); });
    bench.transport->answers.clear();
    return error;
  };
  Json request = test::request_json("PENDING_APPROVAL");
  CHECK(standing(request, {}).message() == "no error");
  CHECK(says(standing(request, bench.draft.csr).message(), "does not show the CSR"));
  request.set("certificateSigningRequest", x509::csr_to_pem(bench.draft.csr));
  CHECK(standing(request, bench.draft.csr).message() == "no error");
  // Names and key too: an approver must not read a subject alone.
  bench.transport->then(200, request.dump()).then(200, approvals("PENDING_APPROVAL", ""));
  const std::string asked = bench.provider().standing(reference, {}, std::chrono::seconds{10}).message;
  CHECK(says(asked, "(dns:www.example.com, ip:192.0.2.1), EC P-256 key"));
  CHECK(says(standing(request, test::csr_for(bench.key, bench.ask)).message(), "another CSR than ours"));
  request.set("id", test::kTemplateId);
  CHECK(standing(request, {}).kind() == ErrorKind::corrupt);

  Json before = request;
  before.set("id", test::kRequestId);
  bench.transport->then(200, before.dump()).then(200, request.dump());
  CHECK(error_of([&] {
          bench.provider().decide(reference, ApprovalAuthority::Decision::approve, "", std::chrono::seconds{10});
        }).kind() == ErrorKind::outcome_unknown);
}

TEST_CASE("a decision is told as taken only in the service's own words") {
  ProviderBench bench;
  using Decision = ApprovalAuthority::Decision;
  const auto decide = [&](Decision decision, const std::string& status) {
    Json now = test::request_json(status);
    now.set("certificateSigningRequest", x509::csr_to_pem(bench.draft.csr));
    bench.transport->answers.clear();
    if (decision == Decision::approve) {
      Json before = now;
      before.set("status", "PENDING_APPROVAL");
      bench.transport->then(200, before.dump());
    }
    bench.transport->then(200, now.dump());
    return error_of(
        [&] { bench.provider().decide(ProviderReference(test::kRequestId), decision, "", std::chrono::seconds{10}); });
  };
  CHECK(decide(Decision::reject, "REJECTED_APPROVAL").message() == "no error");
  for (const char* status : {"ISSUED", "REQUESTED", "PENDING_APPROVAL", "CANCELLED", ""}) {
    const Error error = decide(Decision::reject, status);
    CHECK(error.kind() == ErrorKind::outcome_unknown);
    CHECK(says(error.message(), status));
  }
  for (const char* status : {"PENDING_APPROVAL", "PENDING_FINAL_APPROVAL", "PENDING", "REQUESTED", "ISSUED"}) {
    CHECK(decide(Decision::approve, status).message() == "no error");
  }
  for (const char* status : {"REJECTED_APPROVAL", "REJECTED", "CANCELLED", "FAILED", "FUTURE"}) {
    CHECK(decide(Decision::approve, status).kind() == ErrorKind::outcome_unknown);
  }
}

TEST_CASE("whoever approves sees the names that would be certified, and other names than the CSR's are not approved") {
  ProviderBench bench;
  const ProviderReference reference(test::kRequestId);
  Json plain = test::request_json("PENDING_APPROVAL");
  plain.set("certificateSigningRequest", x509::csr_to_pem(bench.draft.csr));
  plain.set("validityPeriod", "P30D");
  plain.set("errorInformation", Json::object({{"message", "the CA was slow"}}));
  const auto shown = [&](const Json& request) {
    bench.transport->answers.clear();
    bench.transport->then(200, request.dump()).then(200, approvals("PENDING_APPROVAL", ""));
    return bench.provider().standing(reference, {}, std::chrono::seconds{10});
  };
  const auto approved = [&](const Json& request) {
    bench.transport->answers.clear();
    bench.transport->then(200, request.dump()).then(200, test::request_json("PENDING").dump());
    return error_of([&] {
      bench.provider().decide(reference, ApprovalAuthority::Decision::approve, "", std::chrono::seconds{10});
    });
  };
  // An error hides nothing of what is asked for.
  CHECK(says(shown(plain).message, "(dns:www.example.com, ip:192.0.2.1), EC P-256 key, validity P30D"));
  CHECK(says(shown(plain).progress.note, "the service says: the CA was slow"));
  CHECK(approved(plain).message() == "no error");

  Json same = plain;
  same.set("subjectAlternativeNamesByType", Json::object({{"dNSName", Json::array({"WWW.example.com"})},
                                                          {"iPAddress", Json::array({"192.0.2.1"})},
                                                          {"otherName", Json::array()}}));
  same.set("customAttributesInformation", Json::object({{"dnsNames", Json::array()}, {"overwriteSans", false}}));
  CHECK(approved(same).message() == "no error");

  Json custom = plain;
  custom.set("customAttributesInformation",
             Json::object({{"dnsNames", Json::array({"bank.example"})}, {"overwriteSans", true}}));
  Json names = same;
  names.set("subjectAlternativeNamesByType",
            Json::object({{"dNSName", Json::array({"bank.example"})}, {"iPAddress", Json::array({"192.0.2.1"})}}));
  // As many addresses as in the CSR, and another one; and a text that is none.
  Json address = same;
  address.set("subjectAlternativeNamesByType", Json::object({{"dNSName", Json::array({"www.example.com"})},
                                                             {"iPAddress", Json::array({"192.0.2.99"})}}));
  CHECK(says(shown(address).message, "ATTENTION: its iPAddress names are not the CSR's: 192.0.2.99"));
  CHECK(approved(address).kind() == ErrorKind::refused);
  address.set("subjectAlternativeNamesByType",
              Json::object({{"dNSName", Json::array({"www.example.com"})}, {"iPAddress", Json::array({"192.0.2"})}}));
  CHECK(approved(address).kind() == ErrorKind::refused);
  for (const Json& request : {custom, names}) {
    CHECK(says(shown(request).message, "bank.example"));
    const std::size_t sent = bench.transport->sent.size();
    const Error refused = approved(request);
    CHECK(refused.kind() == ErrorKind::refused);
    CHECK(says(refused.message(), "bank.example"));
    CHECK(bench.transport->sent.size() == sent + 1);
  }
}
