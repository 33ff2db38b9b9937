#include "providers/venafi/progress.h"

#include "cloud_answers.h"

#include <catch2/catch.hpp>

using namespace hsmbridge;
using namespace hsmbridge::venafi;
using workflow::Approver;
using workflow::RequestStatus;

TEST_CASE("all twelve statuses map to a request status, and the final ones are final") {
  struct Row {
    const char* status;
    RequestStatus standing;
    bool approval;
  };
  const std::vector<Row> rows{
      {"NEW", RequestStatus::awaiting_issuance, false},
      {"PENDING", RequestStatus::awaiting_issuance, false},
      {"PENDING_APPROVAL", RequestStatus::awaiting_approval, true},
      {"PENDING_FINAL_APPROVAL", RequestStatus::awaiting_approval, true},
      {"REJECTED_APPROVAL", RequestStatus::rejected, true},
      {"REQUESTED", RequestStatus::awaiting_issuance, false},
      {"ISSUED", RequestStatus::ready, false},
      {"REJECTED", RequestStatus::rejected, false},
      {"CANCELLED", RequestStatus::cancelled, false},
      {"REVOKED", RequestStatus::failed, false},
      {"FAILED", RequestStatus::failed, false},
      {"DELETED", RequestStatus::cancelled, false},
  };
  CHECK(rows.size() == 12);
  for (const Row& row : rows) {
    INFO(row.status);
    CHECK(standing_of(row.status) == row.standing);
    CHECK(is_approval_status(row.status) == row.approval);
  }
  CHECK(standing_of("ARCHIVED") == RequestStatus::unrecognised);
  CHECK(standing_of("") == RequestStatus::unrecognised);
}

TEST_CASE("who must approve is told by name where the name is known") {
  const ApprovalRequest approval = approval_request_from(
      R"({"id":"a","requiredApprovalsCount":2,"status":"PENDING_APPROVAL","approvers":[{"id":"u1","type":"USER"},)"
      R"({"id":"t1","type":"TEAM"}],"finalApprover":{"id":"u3","type":"USER"},"approversOutcome":[{"userId":"u1",)"
      R"("status":"APPROVED","reason":"","creationDate":"x"},{"userId":"u9","status":"APPROVED"}],)"
      R"("autoRejectionThreshold":7,"creationDate":"2026-01-01T00:00:00.000+0000"})");
  const workflow::Progress progress = progress_of(approval, {{"u1", "alice"}});
  REQUIRE(progress.approvers.size() == 4);
  CHECK(progress.approvers[0] == Approver{"alice", "u1", "", Approver::Decision::approved});
  CHECK(progress.approvers[1] == Approver{"team t1", "t1", "team", Approver::Decision::pending});
  CHECK(progress.approvers[2] == Approver{"user u3", "u3", "final approver", Approver::Decision::pending});
  CHECK(progress.approvers[3] == Approver{"user u9", "u9", "", Approver::Decision::approved});
  CHECK(progress.quorum == "2 of 2 approvals");
  CHECK(progress.about_until == parse_rfc3339("2026-01-08T00:00:00Z"));
}

TEST_CASE("who refused, and why, is told") {
  const ApprovalRequest approval = approval_request_from(
      R"({"status":"REJECTED","approversOutcome":[{"userId":"U1","status":"REJECTED","reason":"not our domain"}]})");
  const Refused refused = refused_by(approval, {{"u1", "alice"}});
  CHECK(refused.by == "alice");
  CHECK(refused.why == "not our domain");
  CHECK(refused_by(approval_request_from(R"({"status":"EXPIRED"})"), {}).why == "the time for approval expired");
  CHECK(progress_of(approval_request_from(R"({"status":"PENDING_APPROVAL"})"), {}).quorum == "quorum unknown");
}

TEST_CASE("a final status carries what the service says of it") {
  Json failed = test::request_json("FAILED");
  failed.set("errorInformation", Json::parse(R"({"code":7,"message":"CA unreachable"})"));
  CHECK(report_of(certificate_request_from(failed.dump())).message == "CA unreachable (code 7)");
  CHECK(report_of(certificate_request_from(test::request_json("REVOKED").dump())).message.find("revoked since") !=
        std::string::npos);
  const workflow::Report without =
      report_of(certificate_request_from(R"({"id":"a","status":"ISSUED","certificateIds":[]})"));
  CHECK(without.status == RequestStatus::ready);
  CHECK(without.message.find("does not say yet which certificate") != std::string::npos);
}

TEST_CASE("a revocation that was submitted has not taken effect") {
  RevocationAnswer answer;
  answer.present = true;
  answer.status = "SUBMITTED";
  CHECK(report_of(answer).status == RequestStatus::awaiting_issuance);
  answer.status = "PENDING_APPROVAL";
  CHECK(report_of(answer).status == RequestStatus::awaiting_approval);
  answer.status = "PENDING_FINAL_APPROVAL";
  CHECK(report_of(answer).status == RequestStatus::awaiting_approval);
  answer.status = "REJECTED_APPROVAL";
  CHECK(report_of(answer).status == RequestStatus::rejected);
  answer.status = "FAILED";
  CHECK(report_of(answer).status == RequestStatus::failed);
  answer.status = "SOMETHING";
  CHECK(report_of(answer).status == RequestStatus::unrecognised);
  answer.listed = true;
  CHECK(report_of(answer).status == RequestStatus::done);
}

TEST_CASE("the reasons of RFC 5280 have the service's words, and those without one are named") {
  CHECK(reason_word("keyCompromise") == "KEY_COMPROMISE");
  CHECK(reason_word("superseded") == "SUPERSEDED");
  CHECK(reason_word("affiliationChanged") == "AFFILIATION_CHANGED");
  CHECK(reason_word("cessationOfOperation") == "CESSATION_OF_OPERATION");
  CHECK(reason_word("unspecified") == "UNSPECIFIED");
  CHECK(reason_word("") == "UNSPECIFIED");
  for (const char* none : {"cACompromise", "certificateHold", "removeFromCRL", "privilegeWithdrawn", "aACompromise"}) {
    CHECK_FALSE(reason_word(none));
  }
  CHECK(known_reasons() == "unspecified, keyCompromise, affiliationChanged, superseded, cessationOfOperation");
}

TEST_CASE("a fingerprint is the SHA-1 of the DER in upper case") {
  // printf abc | sha1sum
  CHECK(fingerprint_of(as_bytes("abc")) == "A9993E364706816ABA3E25717850C26C9CD0D89D");
}
