#include "provider_bench.h"
#include "providers/venafi/progress.h"

using namespace hsmbridge;
using namespace hsmbridge::venafi;
using namespace hsmbridge::workflow;
using test::approvals;
using test::error_of;
using test::kApprovalPath;
using test::kRequestPath;
using test::ProviderBench;
using test::says;

TEST_CASE("a poll tells who must approve, and goes on where that is not shown") {
  ProviderBench bench;
  bench.settings.people = {{"u1", "alice"}};
  bench.submission.reference = ProviderReference(test::kRequestId);
  bench.transport->then(200, test::request_json("PENDING_APPROVAL").dump());
  bench.transport->then(200, approvals("PENDING_APPROVAL", ""));
  const Report report = bench.provider().poll(bench.call());
  CHECK(report.status == RequestStatus::awaiting_approval);
  CHECK(report.reference.empty());
  REQUIRE(report.progress.approvers.size() == 1);
  CHECK(report.progress.approvers.front().name == "alice");
  CHECK(bench.transport->lines() == std::vector<std::string>{"GET " + kRequestPath, "GET " + kApprovalPath});

  bench.transport->then(200, test::request_json("PENDING_FINAL_APPROVAL").dump());
  bench.transport->then(403, test::errors_answer(1002, "forbidden"));
  CHECK(says(bench.provider().poll(bench.call()).progress.note, "not shown to these credentials"));
  bench.transport->then(200, test::request_json("PENDING_APPROVAL").dump());
  bench.transport->then(404, test::errors_answer(10051, "none"));
  CHECK(says(bench.provider().poll(bench.call()).progress.note, "does not say who"));
}

TEST_CASE("a rejection names who and why, every final status ends at once") {
  ProviderBench bench;
  bench.submission.reference = ProviderReference(test::kRequestId);
  bench.transport->then(200, test::request_json("REJECTED_APPROVAL").dump());
  bench.transport->then(200, approvals("REJECTED", R"({"userId":"u1","status":"REJECTED","reason":"wrong team"})"));
  const Report rejected = bench.provider().poll(bench.call());
  CHECK(rejected.status == RequestStatus::rejected);
  CHECK(rejected.by == "user u1");
  CHECK(rejected.message == "wrong team");
  for (const auto& [status, standing] :
       {std::pair{"REJECTED", RequestStatus::rejected}, std::pair{"FAILED", RequestStatus::failed},
        std::pair{"CANCELLED", RequestStatus::cancelled}, std::pair{"DELETED", RequestStatus::cancelled},
        std::pair{"REVOKED", RequestStatus::failed}, std::pair{"FUTURE", RequestStatus::unrecognised}}) {
    INFO(status);
    bench.transport->then(200, test::request_json(status).dump());
    CHECK(bench.provider().poll(bench.call()).status == standing);
  }
}

TEST_CASE("the approvers of another request are not shown, and nobody in time is an end of its own") {
  ProviderBench bench;
  bench.submission.reference = ProviderReference(test::kRequestId);
  bench.transport->then(200, test::request_json("PENDING_APPROVAL").dump());
  bench.transport->then(200, approvals("PENDING_APPROVAL", "", test::kTemplateId));
  const Report other = bench.provider().poll(bench.call());
  CHECK(other.status == RequestStatus::awaiting_approval);
  CHECK(other.progress.approvers.empty());
  CHECK(says(other.progress.note, "could not be read"));

  bench.transport->then(200, test::request_json("REJECTED_APPROVAL").dump());
  bench.transport->then(200, approvals("EXPIRED", R"({"userId":"u1","status":"APPROVED"})"));
  const Report late = bench.provider().poll(bench.call());
  CHECK(late.status == RequestStatus::expired);
  CHECK(late.message == "the time for approval expired");
}

TEST_CASE("a request that the service does not know is gone, a proxy's 404 is not its word") {
  ProviderBench bench;
  bench.submission.reference = ProviderReference(test::kRequestId);
  bench.transport->then(404, test::errors_answer(10051, "Unable to find CertificateRequest"));
  CHECK(bench.provider().poll(bench.call()).status == RequestStatus::gone);
  bench.transport->then(404, test::kProxyPage, "text/html");
  CHECK_THROWS_AS(bench.provider().poll(bench.call()), Error);
  Json other = test::request_json("PENDING");
  other.set("id", test::kTemplateId);
  bench.transport->then(200, other.dump());
  CHECK(error_of([&] { bench.provider().poll(bench.call()); }).kind() == ErrorKind::corrupt);
}

TEST_CASE("a certificate is fetched by its own id, leaf first") {
  ProviderBench bench;
  bench.submission.reference = ProviderReference(test::kRequestId);
  bench.submission.provider_state = to_text(State{test::kRequestId, {test::kCertificateId}, "a", "t", {}});
  test::TestCa ca;
  const std::string pem = x509::certificate_to_pem(bench.certificate(ca, bench.key.subject_public_key_info()));
  bench.transport->then(200, pem, "text/plain");
  const Report report = bench.provider().retrieve(bench.call());
  CHECK(report.status == RequestStatus::handed_out);
  REQUIRE(report.result);
  CHECK(as_text(report.result->raw) == pem);
  CHECK(bench.transport->lines().front() ==
        "GET /outagedetection/v1/certificates/" + test::kCertificateId + "/contents?chainOrder=EE_FIRST&format=PEM");
}

TEST_CASE("the inventory may be behind for a while, and then a person looks") {
  ProviderBench bench;
  bench.submission.reference = ProviderReference(test::kRequestId);
  bench.submission.provider_state = to_text(State{test::kRequestId, {test::kCertificateId}, "a", "t", {}});
  bench.transport->then(404, test::errors_answer(10051, "Unable to find Certificate"));
  Report report = bench.provider().retrieve(bench.call());
  CHECK(report.status == RequestStatus::ready);
  CHECK(state_from(report.provider_state).missing_since == bench.clock.now());
  bench.submission.provider_state = report.provider_state;
  bench.clock.advance(std::chrono::minutes{59});
  bench.transport->then(409, test::errors_answer(1, "not signed"));
  report = bench.provider().retrieve(bench.call());
  CHECK(report.status == RequestStatus::ready);
  // Counted from the first time.
  CHECK(report.provider_state == bench.submission.provider_state);
  bench.clock.advance(std::chrono::minutes{2});
  bench.transport->then(404, test::errors_answer(10051, "Unable to find Certificate"));
  report = bench.provider().retrieve(bench.call());
  CHECK(report.status == RequestStatus::gone);
  CHECK(says(report.message, "not in the service's inventory"));
}

TEST_CASE("an answer without a certificate is not taken for one") {
  ProviderBench bench;
  bench.submission.reference = ProviderReference(test::kRequestId);
  bench.submission.provider_state = to_text(State{test::kRequestId, {test::kCertificateId}, "a", "t", {}});
  bench.transport->then(200, "", "text/plain");
  CHECK(bench.provider().retrieve(bench.call()).status == RequestStatus::ready);
  bench.transport->then(200, test::kProxyPage, "text/html");
  CHECK(error_of([&] { bench.provider().retrieve(bench.call()); }).kind() == ErrorKind::unavailable);
  bench.transport->then(401, "expired", "text/plain");
  CHECK(error_of([&] { bench.provider().retrieve(bench.call()); }).kind() == ErrorKind::denied);
}

TEST_CASE("issued without ids: the request is asked until it names them") {
  ProviderBench bench;
  bench.submission.reference = ProviderReference(test::kRequestId);
  Json without = test::request_json("ISSUED");
  without.set("certificateIds", Json());
  bench.transport->then(200, without.dump());
  const Report report = bench.provider().retrieve(bench.call());
  CHECK(report.status == RequestStatus::ready);
  CHECK(state_from(report.provider_state).missing_since.has_value());
  bench.transport->then(200, test::request_json("ISSUED").dump()).then(200, "-----BEGIN CERTIFICATE-----\n");
  CHECK(bench.provider().retrieve(bench.call()).status == RequestStatus::handed_out);
  bench.transport->then(200, test::request_json("FAILED").dump());
  CHECK(bench.provider().retrieve(bench.call()).status == RequestStatus::failed);
  for (const Json& nothing : {Json::array(), Json::array({""}), Json::array({Json()})}) {
    without.set("certificateIds", nothing);
    bench.transport->then(200, without.dump());
    CHECK(bench.provider().retrieve(bench.call()).status == RequestStatus::ready);
  }
}

TEST_CASE("a request cannot be cancelled, and that is said in plain words") {
  ProviderBench bench;
  const CancelAnswer answer = bench.provider().cancel(bench.call());
  CHECK(says(std::get<CancelNotPossible>(answer).why, "no call that cancels"));
  CHECK(bench.transport->sent.empty());
  CHECK_FALSE(bench.provider().capabilities().cancel);
}
