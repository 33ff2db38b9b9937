#include "provider_bench.h"

using namespace hsmbridge;
using namespace hsmbridge::securosys;
using namespace hsmbridge::test;
using namespace hsmbridge::workflow;
using namespace std::chrono_literals;

TEST_CASE("every status maps to a request status") {
  const std::vector<std::pair<std::string, RequestStatus>> rows{
      {"PENDING", RequestStatus::awaiting_approval},
      {"APPROVED", RequestStatus::awaiting_issuance},
      {"EXECUTED", RequestStatus::ready},
      {"FAILED", RequestStatus::failed},
      {"EXPIRED", RequestStatus::expired},
      {"REJECTED", RequestStatus::rejected},
      {"CANCELLED", RequestStatus::cancelled},
      {"PARKED", RequestStatus::unrecognised},
  };
  for (const auto& [status, standing] : rows) {
    CAPTURE(status);
    TsbBench bench;
    bench.transport->then(200, status_body(status));
    const Report report = bench.provider().poll(bench.call());
    CHECK(report.status == standing);
    CHECK(report.provider_status == status);
    CHECK_FALSE(report.result);
  }
}

TEST_CASE("a request that vanished is gone and an answer about another one is corrupt") {
  TsbBench bench;
  bench.transport->then(tsb_refusal(404, 651));
  CHECK(bench.provider().poll(bench.call()).status == RequestStatus::gone);
  bench.transport->then(200, R"({"id":"other","status":"PENDING"})");
  CHECK_THROWS_AS(bench.provider().poll(bench.call()), Error);
}

TEST_CASE("a reference typed in capitals is the same request") {
  TsbBench bench;
  bench.submission.reference = ProviderReference("4E8731D8-0AE6-4444-8A8C-B73AB5F0BA18");
  bench.transport->then(200, status_body("PENDING"));
  CHECK(bench.provider().poll(bench.call()).status == RequestStatus::awaiting_approval);
}

TEST_CASE("progress is told with names against the pinned policy") {
  TsbBench bench;
  test::SoftwareSigner anna("ec:P-256"), ben("ec:P-256"), cleo("ed25519"), stranger("ec:P-256");
  const auto spki = [](test::SoftwareSigner& signer) { return signer.subject_public_key_info(); };
  bench.settings.policy = two_of_three(spki(anna), spki(ben), spki(cleo));
  bench.freeze();
  bench.transport->then(201, std::string(R"({"signRequestId":")") + kId + "\"}");
  const Report first = std::get<Accepted>(bench.provider().submit(bench.call())).report;
  REQUIRE(first.progress.approvers.size() == 3);
  CHECK(first.progress.about_until == bench.clock.now() + 24h);
  bench.submission.provider_state = first.provider_state;

  // The policy of the configuration changes; the pinned one counts.
  bench.settings.policy.reset();
  bench.made.reset();
  bench.transport->then(200, std::string(R"({"id":")") + kId + R"(","status":"PENDING","approvedBy":[")" +
                                 base64(spki(ben)) + R"("],"notYetApprovedBy":[")" + base64(spki(cleo)) + R"(",")" +
                                 base64(spki(stranger)) + R"("],"rejectedBy":[")" + base64(spki(anna)) + R"("]})");
  const Progress now = bench.provider().poll(bench.call()).progress;
  CHECK(now.quorum == "2 of 3 in group ops");
  CHECK(now.note == "group ops: 1 of 2 approvals given");
  REQUIRE(now.approvers.size() == 4);
  CHECK(now.approvers[0] == Approver{"anna", x509::spki_hash(spki(anna)).str(), "ops", Approver::Decision::rejected});
  CHECK(now.approvers[1] == Approver{"ben", x509::spki_hash(spki(ben)).str(), "ops", Approver::Decision::approved});
  CHECK(now.approvers[2] == Approver{"cleo", x509::spki_hash(spki(cleo)).str(), "ops", Approver::Decision::pending});
  CHECK(now.approvers[3] == Approver{"", x509::spki_hash(spki(stranger)).str(), "", Approver::Decision::pending});
}

TEST_CASE("who rejected is named") {
  TsbBench bench;
  test::SoftwareSigner anna("ec:P-256");
  bench.settings.names[x509::spki_hash(anna.subject_public_key_info())] = "anna";
  bench.transport->then(200, std::string(R"({"id":")") + kId + R"(","status":"REJECTED","rejectedBy":[")" +
                                 base64(anna.subject_public_key_info()) + R"("]})");
  const Report report = bench.provider().poll(bench.call());
  CHECK(report.by == "anna");
  CHECK(report.status == RequestStatus::rejected);
}

TEST_CASE("a list entry that is not a key is kept as one without") {
  TsbBench bench;
  bench.transport->then(200, std::string(R"({"id":")") + kId + R"(","status":"PENDING","approvedBy":["???"]})");
  const Progress progress = bench.provider().poll(bench.call()).progress;
  REQUIRE(progress.approvers.size() == 1);
  CHECK(progress.approvers[0] == Approver{"(unreadable key)", "", "", Approver::Decision::approved});
}

TEST_CASE("cancelling reports what the request is afterwards") {
  const std::string status = GENERATE("PENDING", "APPROVED");
  CAPTURE(status);
  TsbBench bench;
  bench.transport->then(200, status_body(status)).then(200, "").then(200, status_body("CANCELLED"));
  CHECK(std::get<Report>(bench.provider().cancel(bench.call())).status == RequestStatus::cancelled);
  const std::string request = std::string("/v1/request/") + kId;
  CHECK(bench.transport->lines() == std::vector<std::string>{"GET " + request, "DELETE " + request, "GET " + request});

  // it was executed just before the deletion came: the result is not lost
  bench.transport->then(200, status_body(status))
      .then(200, "")
      .then(200, std::string(R"({"id":")") + kId + R"(","status":"EXECUTED","result":"AAAA"})");
  CHECK(std::get<Report>(bench.provider().cancel(bench.call())).result.has_value());

  bench.transport->then(200, status_body(status)).then(tsb_refusal(404, 651)).then(tsb_refusal(404, 651));
  CHECK(std::get<Report>(bench.provider().cancel(bench.call())).status == RequestStatus::gone);
}

TEST_CASE("a request that is over or in a state that nobody knows is not deleted") {
  const auto [status, standing] =
      GENERATE(table<std::string, RequestStatus>({{"EXECUTED", RequestStatus::ready},
                                                  {"FAILED", RequestStatus::failed},
                                                  {"EXPIRED", RequestStatus::expired},
                                                  {"REJECTED", RequestStatus::rejected},
                                                  {"CANCELLED", RequestStatus::cancelled},
                                                  {"PARKED", RequestStatus::unrecognised}}));
  CAPTURE(status);
  TsbBench bench;
  bench.transport->then(200, status_body(status));
  CHECK(std::get<Report>(bench.provider().cancel(bench.call())).status == standing);
  CHECK(bench.transport->sent.size() == 1);
}

TEST_CASE("a result that is met by a cancel is handed out and nothing is deleted") {
  TsbBench bench;
  bench.transport->then(200, std::string(R"({"id":")") + kId + R"(","status":"EXECUTED","result":"AAAA"})");
  const Report report = std::get<Report>(bench.provider().cancel(bench.call()));
  CHECK(report.status == RequestStatus::handed_out);
  REQUIRE(report.result);
  CHECK(report.result->octets() == from_base64("AAAA"));
  bench.transport->then(tsb_refusal(404, 651));
  CHECK(std::get<Report>(bench.provider().cancel(bench.call())).status == RequestStatus::gone);
  CHECK(bench.transport->sent.size() == 2);
}

TEST_CASE("a cancel is impossible only when the TSB refuses it for good") {
  const net::Exchange no_endpoint =
      test::response(405, R"({"timestamp":"t","status":405,"error":"Method Not Allowed","path":"/v1/x"})");
  for (const auto& answer : {tsb_refusal(403, 451), tsb_refusal(400, 400), no_endpoint}) {
    TsbBench bench;
    bench.transport->then(200, status_body("PENDING")).then(answer);
    CHECK(std::holds_alternative<CancelNotPossible>(bench.provider().cancel(bench.call())));
  }
  const auto bare = [](long status) { return test::response(status, "no", "text/plain"); };
  // Credentials can be renewed, gateways come right again, a code without a row says nothing.
  for (const auto& answer :
       {tsb_refusal(401, 631), tsb_refusal(400, 617), tsb_refusal(400, 618), tsb_refusal(400, 406),
        tsb_refusal(400, 416), tsb_refusal(400, 999), tsb_refusal(500, 701), net::Exchange(bare(401)),
        net::Exchange(bare(403)), net::Exchange(bare(404)), net::Exchange(bare(502))}) {
    TsbBench bench;
    bench.transport->then(200, status_body("PENDING")).then(answer);
    CHECK_THROWS_AS(bench.provider().cancel(bench.call()), Error);
    CHECK(bench.transport->sent.size() == 2);
  }
}
