#include "service/approvals/approvals.h"

#include "life.h"
#include "service/approvals/account.h"

#include <catch2/catch.hpp>
#include <memory>
#include <string>
#include <utility>
#include <vector>

using namespace hsmbridge;
using namespace hsmbridge::test;

namespace {

// A provider whose approvers decide by their account, with what it holds.
class Authority final : public ScriptedProvider, public workflow::ApprovalAuthority {
 public:
  workflow::RequestStatus now = workflow::RequestStatus::awaiting_approval;
  std::string csr_there = "csr";
  std::vector<std::string> decided;
  bool answers = true;

  workflow::Report standing(const ProviderReference& reference, ByteView csr, Duration) override {
    if (!csr.empty() && to_text(csr) != csr_there) throw Error{ErrorKind::corrupt, "it is for another CSR"};
    workflow::Report report;
    report.reference = reference;
    report.status = now;
    report.provider_status = now == workflow::RequestStatus::awaiting_approval ? "WAITS" : "DECIDED";
    report.message = "a certificate for www";
    return report;
  }
  void decide(const ProviderReference& reference, Decision decision, const std::string&, Duration) override {
    decided.push_back((decision == Decision::approve ? "approve " : "reject ") + reference.str());
    if (!answers) throw Error{ErrorKind::outcome_unknown, "no answer came"};
  }
};

struct Desk {
  FakeClock clock;
  std::shared_ptr<Authority> authority = std::make_shared<Authority>();
  std::vector<std::string> leaves;
  service::AccountApprovals approvals{"cloud", authority, [this](std::string_view kind, const Json& facts) {
                                        leaves.push_back(std::string(kind) + " " + facts.dump());
                                      }};
  service::ApprovalDesk desk{approvals, [] { return std::unique_ptr<workflow::Store>(); }, clock};
};

// An approver with a key, and one task.
class WithKey final : public workflow::Approvals {
 public:
  std::vector<std::string> objections;
  std::vector<std::string> decided;
  const std::string& approver() const override { return person_; }
  const std::string& provider() const override { return provider_; }
  std::vector<workflow::ApprovalTask> list() override { return {show("", {})}; }
  workflow::ApprovalTask show(const std::string&, ByteView) override {
    workflow::ApprovalTask task;
    task.id = "0102030405";
    task.title = "a certificate";
    task.payload_sha256 = "aa";
    return task;
  }
  Judged judge(const workflow::ApprovalTask&, const workflow::ApprovalExpectation&) override {
    return {objections, {}};
  }
  void approve(const workflow::ApprovalTask& task, const workflow::ApprovalExpectation&, const std::string&) override {
    decided.push_back("approve " + task.id);
  }
  void reject(const workflow::ApprovalTask& task, const std::string&) override {
    decided.push_back("reject " + task.id);
  }

 private:
  const std::string person_ = "alice";
  const std::string provider_ = "tsb";
};

}  // namespace

TEST_CASE_METHOD(Desk, "a request that is not of this bridge is approved only by a person who saw it") {
  const auto view = desk.show("ref-1", std::nullopt);
  CHECK_FALSE(view.ours);
  CHECK_THROWS_WITH(desk.approve(view, service::Seen::by_nobody, ""), Catch::Contains("--yes is for requests"));
  CHECK(authority->decided.empty());
  desk.approve(view, service::Seen::by_a_person, "as agreed");
  CHECK(authority->decided == std::vector<std::string>{"approve ref-1"});
  REQUIRE(leaves.size() == 2);
  CHECK(leaves[0].starts_with("provider-decision "));
  CHECK(leaves[0].find("as agreed") != std::string::npos);
  CHECK(leaves[1].find("taken") != std::string::npos);
}

TEST_CASE_METHOD(Desk, "what was decided while a person looked at it is not decided again") {
  const auto view = desk.show("ref-1", std::nullopt);
  authority->now = workflow::RequestStatus::rejected;
  CHECK_THROWS_WITH(desk.approve(view, service::Seen::by_a_person, ""), Catch::Contains("its status is DECIDED"));
  CHECK_THROWS_AS(desk.reject(desk.find("ref-1"), ""), Error);
  CHECK(authority->decided.empty());
  CHECK(desk.show("ref-1", std::nullopt).judged->objections.size() == 1);
}

TEST_CASE_METHOD(Desk, "a request for another CSR than the one that was shown is not approved") {
  const auto csr = to_bytes("csr");
  const auto task = approvals.show("ref-1", csr);
  authority->csr_there = "another";
  CHECK_THROWS_AS(approvals.approve(task, {}, ""), Error);
  CHECK(authority->decided.empty());
}

TEST_CASE_METHOD(Desk, "what an account cannot compare is an objection, and nothing is said of what nobody judged") {
  CHECK_THROWS_AS(desk.show("ref-1", "00"), Error);  // --sha256
  workflow::ApprovalExpectation expectation;
  expectation.payload_sha256 = "00";
  const auto task = approvals.show("ref-1", {});
  CHECK(approvals.judge(task, expectation).objections.size() == 1);
  CHECK_THROWS_AS(approvals.approve(task, expectation, ""), Error);
  CHECK_FALSE(desk.find("ref-1").judged);
}

TEST_CASE_METHOD(Desk, "a decision whose answer was lost is in the audit log as that") {
  authority->answers = false;
  CHECK_THROWS_AS(desk.reject(desk.find("ref-1"), ""), Error);
  REQUIRE(leaves.size() == 2);
  CHECK(leaves[1].find("outcome_unknown") != std::string::npos);
}

TEST_CASE("a store that is missing ends the look, and is not taken for one that knows nothing") {
  FakeClock clock;
  const auto authority = std::make_shared<Authority>();
  service::AccountApprovals approvals("cloud", authority, [](std::string_view, const Json&) {});
  service::ApprovalDesk desk(
      approvals,
      []() -> std::unique_ptr<workflow::Store> {
        throw Error{ErrorKind::not_found, "a store with 7 entries was here"};
      },
      clock);
  CHECK_THROWS_WITH(desk.list(), Catch::Contains("7 entries"));
  CHECK_THROWS_WITH(desk.show("ref-1", std::nullopt), Catch::Contains("7 entries"));
}

TEST_CASE("with a key nothing unknown is approved unseen without its hash, and no objection is passed over") {
  FakeClock clock;
  WithKey approvals;
  service::ApprovalDesk desk(
      approvals, [] { return std::unique_ptr<workflow::Store>(); }, clock);
  const auto view = desk.show("0102", std::nullopt);
  CHECK_THROWS_WITH(desk.approve(view, service::Seen::by_nobody, ""), Catch::Contains("--yes without --sha256"));
  desk.approve(desk.show("0102", "aa"), service::Seen::by_nobody, "");
  approvals.objections = {"it is for another key", "it has ended"};
  try {
    desk.approve(desk.show("0102", "aa"), service::Seen::by_a_person, "");
    FAIL("it was approved");
  } catch (const Error& refused) {
    CHECK(refused.kind() == ErrorKind::refused);
    CHECK(refused.details().size() == 2);
  }
  desk.reject(desk.find("0102"), "");
  CHECK(approvals.decided == std::vector<std::string>{"approve 0102030405", "reject 0102030405"});
  CHECK_THROWS_AS(desk.find("99"), Error);
}
