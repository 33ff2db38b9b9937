#include "provider_bench.h"
#include "providers/venafi/progress.h"

using namespace hsmbridge;
using namespace hsmbridge::venafi;
using namespace hsmbridge::workflow;
using test::error_of;
using test::ProviderBench;
using test::says;

TEST_CASE("a renewal names the certificate that it replaces") {
  ProviderBench bench;
  bench.replaces(to_text(State{test::kRequestId, {test::kCertificateId}, "a", "t", {}}));
  bench.settings.tags = {"team"};
  bench.zone().transport->then(200, R"({"id":"c","tags":["env:prod","team","hsmbridge:FEDCBA9876543210-1"]})");
  bench.transport->then(201, test::created_answer("NEW"));
  CHECK(std::holds_alternative<Accepted>(bench.provider().submit(bench.call())));
  const Json body = Json::parse(bench.transport->sent.back().body);
  CHECK(body.at("existingCertificateId").as_string() == test::kCertificateId);
  // They replace the certificate's: what others wrote on it stays.
  CHECK(body.at("tags") == Json::array({"team", "env:prod", "hsmbridge:0123456789ABCDEF-1"}));
}

TEST_CASE("a predecessor without a state is searched by its fingerprint, an unknown one is no obstacle") {
  for (const bool known : {true, false}) {
    ProviderBench bench;
    bench.replaces(known ? "" : R"({"policy":{}})");
    const std::string fingerprint = fingerprint_of(test::predecessor_in(bench.order).der);
    bench.zone();
    bench.transport->then(
        200, known ? R"({"count":1,"certificates":[{"id":"found","fingerprint":")" + fingerprint + R"("}]})"
                   : std::string(R"({"count":0,"certificates":[]})"));
    if (known) bench.transport->then(200, R"({"id":"found"})");
    bench.transport->then(201, test::created_answer("NEW"));
    CHECK(std::holds_alternative<Accepted>(bench.provider().submit(bench.call())));
    CHECK(says(bench.transport->sent.at(2).body, fingerprint));
    const Json body = Json::parse(bench.transport->sent.back().body);
    CHECK((body.find("existingCertificateId") != nullptr) == known);
  }
}

TEST_CASE("what cannot be renewed there is said before anything is sent") {
  ProviderBench bench;
  bench.replaces(to_text(State{test::kRequestId, {test::kCertificateId}, "a", "t", {}}));
  Json rules = test::open_template();
  rules.set("keyReuse", false);
  bench.zone(rules).transport->then(200, R"({"id":"c","versionType":"OLD","certificateStatus":"RETIRED"})");
  const auto reasons = bench.provider().check(bench.call());
  REQUIRE(reasons.size() == 3);
  CHECK(says(reasons[0], "requires a new key at each renewal"));
  CHECK(says(reasons[1], "was renewed there before"));
  CHECK(says(reasons[2], "is RETIRED there"));
  bench.transport->then(404, test::errors_answer(10051, "x"));
  CHECK(says(bench.provider().check(bench.call()).back(), "does not know the certificate"));
}

TEST_CASE("a renewal needs no right to read the inventory") {
  ProviderBench bench;
  bench.replaces(to_text(State{test::kRequestId, {test::kCertificateId}, "a", "t", {}}));
  bench.zone().transport->then(403, test::errors_answer(1002, "forbidden"));
  CHECK(bench.provider().check(bench.call()).empty());
  bench.transport->then(403, test::errors_answer(1002, "forbidden")).then(201, test::created_answer("NEW"));
  CHECK(std::holds_alternative<Accepted>(bench.provider().submit(bench.call())));
  bench.transport->then(401, "Invalid api key", "text/plain");
  CHECK(std::holds_alternative<NotAccepted>(bench.provider().submit(bench.call())));
}

TEST_CASE("a revocation goes by fingerprint and reason, and is not done when it was submitted") {
  ProviderBench bench;
  bench.revokes("keyCompromise");
  CHECK(bench.provider().check(bench.call()).empty());
  bench.transport->then(200, R"({"data":{"revokeCertificate":{"id":"c","revocation":{"status":"SUBMITTED"}}}})");
  const SubmitAnswer answer = bench.provider().submit(bench.call());
  const Report& report = std::get<Accepted>(answer).report;
  CHECK(report.status == RequestStatus::awaiting_issuance);
  CHECK(report.provider_status == "SUBMITTED");
  const Json variables = Json::parse(bench.transport->sent.back().body).at("variables");
  CHECK(variables.at("revocationReason").as_string() == "KEY_COMPROMISE");
  CHECK(variables.at("fingerprint").as_string() == report.reference.str());
  CHECK(bench.transport->sent.back().repeat == net::Repeat::never);
  bench.submission.reference = report.reference;

  const std::string submitted = R"({"data":{"certificate":{"id":"c","revocation":{"status":"SUBMITTED"},)"
                                R"("globalRevocation":{"status":"NOT_REVOKED"}}}})";
  bench.transport->then(200, submitted).then(200, test::request_json("ISSUED").dump());
  CHECK(bench.provider().poll(bench.call()).status == RequestStatus::awaiting_issuance);
  bench.transport->then(200, submitted).then(200, test::request_json("REVOKED").dump());
  CHECK(bench.provider().poll(bench.call()).status == RequestStatus::done);
  bench.transport->then(
      200, R"({"data":{"certificate":{"id":"c","revocation":null,"globalRevocation":{"status":"REVOKED"}}}})");
  CHECK(bench.provider().poll(bench.call()).status == RequestStatus::done);
}

TEST_CASE("an answer about another certificate says nothing about this revocation") {
  ProviderBench bench;
  bench.revokes("superseded");
  bench.transport->then(
      200, R"({"data":{"revokeCertificate":{"id":"c","fingerprint":"AB","revocation":{"status":"SUBMITTED"}}}})");
  CHECK(says(std::get<OutcomeUnknown>(bench.provider().submit(bench.call())).why, "was answered with AB"));
  bench.submission.reference = ProviderReference("AB");
  bench.transport->then(
      200, R"({"data":{"certificate":{"id":"c","fingerprint":"AB","globalRevocation":{"status":"REVOKED"}}}})");
  CHECK(error_of([&] { bench.provider().poll(bench.call()); }).kind() == ErrorKind::corrupt);
  // Nor does another request's status.
  Json other = test::request_json("REVOKED");
  other.set("id", test::kTemplateId);
  bench.transport->then(200, R"({"data":{"certificate":{"id":"c","revocation":{"status":"SUBMITTED"}}}})");
  bench.transport->then(200, other.dump());
  CHECK(bench.provider().poll(bench.call()).status == RequestStatus::awaiting_issuance);
}

TEST_CASE("a reason without a word there is refused before anything is sent") {
  ProviderBench bench;
  bench.revokes("cACompromise");
  const auto reasons = bench.provider().check(bench.call());
  REQUIRE(reasons.size() == 1);
  CHECK(says(reasons[0], "does not support the revocation reason \"cACompromise\""));
  CHECK(std::get<RefusedForGood>(bench.provider().submit(bench.call())).error.kind() == ErrorKind::refused);
  CHECK(bench.transport->sent.empty());
}

TEST_CASE("a revocation that fails, waits or is rejected is reported as such") {
  ProviderBench bench;
  bench.revokes("superseded");
  bench.submission.reference = ProviderReference("AB");
  const auto poll = [&](const std::string& revocation, const std::string& request) {
    bench.transport->then(200, R"({"data":{"certificate":{"id":"c","revocation":)" + revocation + "}}}");
    bench.transport->then(200, test::request_json(request).dump());
    return bench.provider().poll(bench.call());
  };
  CHECK(poll(R"({"status":"PENDING_APPROVAL"})", "ISSUED").status == RequestStatus::awaiting_approval);
  CHECK(poll(R"({"status":"FAILED","error":{"message":"CA says no"}})", "ISSUED").message == "CA says no");
  const Report refused =
      poll(R"({"status":"REJECTED_APPROVAL","approvalDetails":{"rejectionReason":"in use"}})", "ISSUED");
  CHECK(refused.status == RequestStatus::rejected);
  CHECK(refused.message == "in use");
  bench.transport->then(200, R"({"data":{"certificate":null}})").then(200, test::request_json("ISSUED").dump());
  CHECK(bench.provider().poll(bench.call()).status == RequestStatus::gone);
}

TEST_CASE("a lost revocation is found, absent, or left to a person") {
  ProviderBench bench;
  bench.revokes("superseded");
  const auto look = [&](const std::string& certificate, const std::string& request) {
    bench.transport->then(200, R"({"data":{"certificate":)" + certificate + "}}");
    bench.transport->then(200, test::request_json(request).dump());
    return bench.provider().look_up(bench.call());
  };
  const LookUpAnswer found = look(R"({"id":"c","revocation":{"status":"SUBMITTED"}})", "ISSUED");
  CHECK(std::get<Found>(found).report.status == RequestStatus::awaiting_issuance);
  CHECK_FALSE(std::get<Found>(found).report.reference.empty());
  CHECK(std::get<Found>(look(R"({"id":"c","revocation":null})", "REVOKED")).report.status == RequestStatus::done);
  CHECK(std::holds_alternative<Absent>(look(R"({"id":"c","revocation":null})", "ISSUED")));
  CHECK(says(std::get<CannotTell>(look(R"({"id":"c","revocation":{"status":"FAILED"}})", "ISSUED")).why, "earlier"));
  CHECK(std::holds_alternative<CannotTell>(look("null", "ISSUED")));
  // Half an answer does not say that there is no revocation.
  bench.transport->then(200, R"({"data":{"certificate":{"id":"c","revocation":null}},)"
                             R"("errors":[{"message":"timeout","path":["certificate","revocation"]}]})");
  CHECK(error_of([&] { bench.provider().look_up(bench.call()); }).kind() == ErrorKind::unavailable);
}
