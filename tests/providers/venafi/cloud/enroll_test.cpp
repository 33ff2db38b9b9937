#include "flow.h"

#include <catch2/catch.hpp>

using namespace hsmbridge;
using namespace hsmbridge::venafi;
using namespace hsmbridge::workflow;
using test::Flow;

namespace {

bool says(const std::string& text, const std::string& part) {
  INFO(text);
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("a certificate that is issued at once answers the request, for every kind of key") {
  for (const char* spec : {"ec:P-256", "rsa:2048", "ed25519"}) {
    INFO(spec);
    Flow flow;
    flow.key = test::SoftwareSigner(spec);
    flow.freeze();
    CHECK(flow.provider().check(flow.call()).empty());
    const x509::Answer answer = flow.issue();
    CHECK(answer.findings.empty());
    CHECK(answer.chain.size() == 3);
    CHECK(flow.rig.count("POST /outagedetection/v1/certificaterequests 201") == 1);
  }
}

TEST_CASE("the journal of a request holds what the reference says, field by field") {
  Flow flow;
  flow.issue();
  const auto lines = flow.rig.journal();
  const std::string id = state_from(flow.submission.provider_state).certificates.front();
  CHECK(lines == std::vector<std::string>{
                     "GET /outagedetection/v1/applications/name/Payments 200",
                     "GET /outagedetection/v1/applications/Payments/certificateissuingtemplates/Default 200",
                     "POST /outagedetection/v1/certificaterequests 201",
                     "GET /outagedetection/v1/certificates/" + id + "/contents?chainOrder=EE_FIRST&format=PEM 200"});
  const Bytes journal = read_file(flow.rig.about().at("journal").as_string());
  CHECK(as_text(journal).find(flow.rig.api_key("ops")) == std::string_view::npos);
}

TEST_CASE("a request goes through every status on its way") {
  Flow flow("Slow");
  CHECK(flow.submit().provider_status == "NEW");
  std::vector<std::string> seen;
  Report report;
  for (int i = 0; i < 6 && report.status != RequestStatus::ready; ++i) {
    report = flow.poll();
    seen.push_back(report.provider_status);
  }
  CHECK(seen == std::vector<std::string>{"NEW", "PENDING", "REQUESTED", "ISSUED"});
  const Report out = flow.retrieve();
  REQUIRE(out.result);
  CHECK(flow.judged(*out.result).findings.empty());
}

TEST_CASE("approvers are shown until they have approved, from here too") {
  Flow flow("Approval");
  const std::string alice = flow.rig.about().at("users").at("alice").as_string();
  flow.settings.people = {{alice, "alice"}};
  CHECK(flow.submit().status == RequestStatus::awaiting_approval);
  Report report = flow.poll();
  CHECK(report.progress.quorum == "0 of 2 approvals");
  REQUIRE(report.progress.approvers.size() == 2);
  CHECK(report.progress.approvers[0].name == "alice");

  // alice and bob have credentials of their own.
  for (const char* user : {"alice", "bob"}) {
    VenafiProvider desk(flow.settings, flow.client(flow.key_of(user)), flow.clock);
    CHECK(desk.standing(flow.submission.reference, flow.draft.csr, std::chrono::seconds{20}).status ==
          RequestStatus::awaiting_approval);
    desk.decide(flow.submission.reference, ApprovalAuthority::Decision::approve, "fine", std::chrono::seconds{20});
    if (std::string(user) == "alice") CHECK(flow.poll().progress.quorum == "1 of 2 approvals");
  }
  CHECK(flow.poll().status == RequestStatus::ready);
  CHECK(flow.retrieve().result.has_value());
}

TEST_CASE("a final approver has the last word") {
  Flow flow("Final");
  flow.submit();
  flow.rig.command("venafi approve --id " + flow.submission.reference.str());
  const Report report = flow.poll();
  CHECK(report.provider_status == "PENDING_FINAL_APPROVAL");
  CHECK(report.progress.approvers.back().group == "final approver");
  flow.rig.command("venafi approve --id " + flow.submission.reference.str());
  CHECK(flow.poll().status == RequestStatus::ready);
}

TEST_CASE("one rejection ends a request at once, with who and why") {
  Flow flow("Approval");
  flow.submit();
  flow.rig.command("venafi reject --id " + flow.submission.reference.str() + " --by bob --reason 'not ours'");
  const Report report = flow.poll();
  CHECK(report.status == RequestStatus::rejected);
  CHECK(report.by == "user " + flow.rig.about().at("users").at("bob").as_string());
  CHECK(report.message == "not ours");
}

TEST_CASE("a request that nobody approves in time expires") {
  Flow flow("Approval");
  flow.submit();
  flow.rig.command("clock --advance 8d");
  const Report report = flow.poll();
  CHECK(report.status == RequestStatus::expired);
  CHECK(report.provider_status == "REJECTED_APPROVAL");
  CHECK(report.message == "the time for approval expired");
}

TEST_CASE("nobody approves his own request, and a decision is final") {
  Flow flow("Approval");
  flow.submit();
  const auto decide = [&](const char* user) {
    VenafiProvider desk(flow.settings, flow.client(flow.key_of(user)), flow.clock);
    try {
      desk.decide(flow.submission.reference, ApprovalAuthority::Decision::approve, "", std::chrono::seconds{20});
    } catch (const Error& error) {
      return error.kind();
    }
    return ErrorKind::internal;
  };
  CHECK(decide("ops") == ErrorKind::denied);
  CHECK(decide("alice") == ErrorKind::internal);
  CHECK(decide("alice") == ErrorKind::refused);
}

TEST_CASE("every way a request can end is told as that") {
  for (const auto& [alias, standing] :
       {std::pair{"Refused", RequestStatus::rejected}, std::pair{"Failing", RequestStatus::failed},
        std::pair{"Cancelled", RequestStatus::cancelled}, std::pair{"Deleted", RequestStatus::cancelled}}) {
    INFO(alias);
    Flow flow(alias);
    flow.knobs(R"({"nested_args":true})");
    flow.submit();
    flow.poll();
    const Report report = flow.poll();
    CHECK(report.status == standing);
    if (std::string(alias) == "Failing") CHECK(says(report.message, "the CA cannot be reached"));
  }
}

TEST_CASE("what the service would refuse is refused here, all of it, and the service says the same") {
  Flow flow("Strict");
  flow.freeze();
  const auto reasons = flow.provider().check(flow.call());
  // server_ask: O=Example and C=CH are right, the CN is right; no ST, an IP address, and a month is the longest.
  CHECK(reasons == std::vector<std::string>{"subject ST is missing; allowed: Zurich",
                                            "IP address \"192.0.2.1\": none is allowed"});
  for (const bool nested : {false, true}) {
    flow.knobs(nested ? R"({"nested_args":true})" : R"({"nested_args":false})");
    const auto objections = flow.provider().dry_run(flow.call());
    REQUIRE(objections.size() == 2);
    CHECK(says(objections[0], "ST is missing and is required (allowed: Zurich"));
    CHECK(says(objections[1], "iPAddress \"192.0.2.1\" is not allowed"));
    const SubmitAnswer answer = flow.provider().submit(flow.call());
    const Error& error = std::get<RefusedForGood>(answer).error;
    CHECK(error.kind() == ErrorKind::refused);
    CHECK(says(error.message(), "ST is missing and is required"));
    CHECK(says(error.message(), "192.0.2.1"));
  }
  CHECK(Json::parse(flow.rig.about().dump()).find("zones") != nullptr);
}

TEST_CASE("a template that cannot be used says why") {
  for (const auto& [alias, words] :
       {std::pair{"NoUpload", "does not accept CSRs made elsewhere"},
        std::pair{"Unavailable", "is UNAVAILABLE: the CA account is disabled"}, std::pair{"Hours", ""}}) {
    Flow flow(alias);
    if (std::string(alias) == "Hours") flow.ask.validity = std::chrono::hours{36};
    flow.freeze();
    const auto reasons = flow.provider().check(flow.call());
    REQUIRE(reasons.size() == 1);
    CHECK(says(reasons[0], words));
  }
}

TEST_CASE("a dry run makes nothing") {
  Flow flow;
  flow.freeze();
  CHECK(flow.provider().dry_run(flow.call()).empty());
  CHECK(flow.rig.count("POST /outagedetection/v1/certificaterequests 201") == 0);
  CHECK(flow.rig.count("POST /outagedetection/v1/certificaterequests/validation 201") == 1);
}

TEST_CASE("a request that was withdrawn here may still be issued, and is found out") {
  Flow flow("Approval");
  flow.submit();
  CHECK(std::holds_alternative<CancelNotPossible>(flow.provider().cancel(flow.call())));
  CHECK(flow.poll().status == RequestStatus::awaiting_approval);
  flow.rig.command("venafi approve --id " + flow.submission.reference.str());
  flow.rig.command("venafi approve --id " + flow.submission.reference.str());
  CHECK(flow.poll().status == RequestStatus::ready);
}

TEST_CASE("an unknown application and an unknown alias are told with what there is") {
  for (const auto& [zone, words] : {std::pair{Zone{"Paymnets", "Default"}, "has no application \"Paymnets\""},
                                    std::pair{Zone{"Payments", "Defalt"}, "it has: Approval, Cancelled, Default"}}) {
    Flow flow;
    flow.settings.zone = zone;
    flow.freeze();
    try {
      flow.provider().check(flow.call());
      FAIL("no error");
    } catch (const Error& error) {
      CHECK(error.kind() == ErrorKind::invalid_input);
      CHECK(says(error.message(), words));
    }
  }
}
