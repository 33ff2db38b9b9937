#include "flow.h"
#include "providers/odd_pem.h"

#include <catch2/catch.hpp>

using namespace hsmbridge;
using namespace hsmbridge::venafi;
using namespace hsmbridge::workflow;
using test::Flow;

namespace {

const std::string kPost = "--method POST --path /outagedetection/v1/certificaterequests";

bool says(const std::string& text, const std::string& part) {
  INFO(text);
  return text.find(part) != std::string::npos;
}

template <class Call>
Error error_of(Call call) {
  try {
    call();
  } catch (const Error& error) {
    return error;
  }
  return {ErrorKind::internal, "no error"};
}

}  // namespace

TEST_CASE("a lost answer after the commit is found by its tag") {
  Flow flow;
  flow.freeze();
  flow.provider().check(flow.call());
  flow.rig.command("fault --kind drop-after " + kPost);
  CHECK(std::holds_alternative<OutcomeUnknown>(flow.try_submit()));
  const LookUpAnswer answer = flow.provider().look_up(flow.call());
  const Report& report = std::get<Found>(answer).report;
  CHECK(report.status == RequestStatus::ready);
  flow.remember(report);
  const Report out = flow.retrieve();
  REQUIRE(out.result);
  CHECK(flow.judged(*out.result).findings.empty());
  CHECK(flow.rig.count("POST /outagedetection/v1/certificaterequests 0") == 1);
}

TEST_CASE("a lost answer whose tag was dropped is found by its CSR, and not last year's") {
  Flow flow;
  flow.key = test::SoftwareSigner("rsa:2048");
  flow.freeze();
  // Last year's: the same bytes, an RSA CSR is the same each time.
  CHECK(flow.submit().status == RequestStatus::ready);
  const std::string last_year = flow.submission.reference.str();
  flow.knobs(R"({"drops_tags":true})");
  flow.rig.command("clock --advance 20m");
  flow.submission = {};
  flow.order.id = RequestId("0123456789SECOND");
  flow.rig.command("fault --kind drop-after " + kPost);
  CHECK(std::holds_alternative<OutcomeUnknown>(flow.provider().submit(flow.call())));
  // Frozen after the first one: the clock that counts is the service's, twenty minutes ahead of ours.
  flow.draft.built_at = flow.clock.now() + std::chrono::minutes{19};
  const LookUpAnswer answer = flow.provider().look_up(flow.call());
  const Report& report = std::get<Found>(answer).report;
  CHECK(report.reference.str() != last_year);
}

TEST_CASE("a submission that never arrived is absent, and one that comes late is found later") {
  Flow flow;
  flow.freeze();
  flow.draft_there();
  flow.provider().check(flow.call());
  flow.rig.command("fault --kind drop-before " + kPost);
  CHECK(std::holds_alternative<OutcomeUnknown>(flow.try_submit()));
  CHECK(std::holds_alternative<Absent>(flow.provider().look_up(flow.call())));
  flow.attempt = 2;
  CHECK(flow.submit().status == RequestStatus::ready);
  CHECK(std::holds_alternative<Found>(flow.provider().look_up(flow.call())));
  // Attempt 2 is not attempt 1.
  flow.attempt = 1;
  CHECK(std::holds_alternative<Absent>(flow.provider().look_up(flow.call())));
}

TEST_CASE("what a fault makes of a submission is what the design says") {
  struct Row {
    const char* fault;
    bool accepted_elsewhere;  // the service has a request afterwards
    bool unknown;
  };
  for (const Row& row : {Row{"--kind html --status 502", false, true}, Row{"--kind status --status 500", false, true},
                         Row{"--kind status --status 503 --retry-after 7", false, true},
                         Row{"--kind status --status 429 --retry-after 7", false, false},
                         Row{"--kind truncate", true, true}, Row{"--kind drop-after", true, true}}) {
    INFO(row.fault);
    Flow flow;
    flow.freeze();
    flow.provider().check(flow.call());
    flow.rig.command(std::string("fault ") + row.fault + " " + kPost);
    const SubmitAnswer answer = flow.try_submit();
    CHECK(std::holds_alternative<OutcomeUnknown>(answer) == row.unknown);
    if (!row.unknown) CHECK(std::get<NotAccepted>(answer).retry_after == std::chrono::seconds{7});
    CHECK(std::holds_alternative<Found>(flow.provider().look_up(flow.call())) == row.accepted_elsewhere);
    CHECK(flow.rig.count("POST /outagedetection/v1/certificaterequests ") == 1);
  }
}

TEST_CASE("trouble while polling is trouble for later, with the patience that was asked") {
  Flow flow("Slow");
  flow.submit();
  flow.rig.command("fault --kind html --status 502 --method GET");
  CHECK(error_of([&] { flow.poll(); }).kind() == ErrorKind::unavailable);
  flow.rig.command("fault --kind status --status 429 --retry-after 11 --method GET");
  const Error busy = error_of([&] { flow.poll(); });
  CHECK(busy.kind() == ErrorKind::unavailable);
  CHECK(busy.detail("retry-after") == "11s");
  flow.rig.command("fault --kind status --status 503 --retry-after 3 --method GET");
  CHECK(error_of([&] { flow.poll(); }).detail("retry-after") == "3s");
  flow.rig.command("fault --kind truncate --method GET");
  CHECK(error_of([&] { flow.poll(); }).kind() == ErrorKind::unavailable);
  CHECK(flow.poll().status == RequestStatus::awaiting_issuance);
}

TEST_CASE("an inventory that is behind is waited for") {
  Flow flow;
  flow.knobs(R"({"inventory_lag_seconds":30,"not_signed":1})");
  flow.submit();
  Report report = flow.retrieve();
  CHECK(report.status == RequestStatus::ready);
  CHECK_FALSE(report.result);
  CHECK(says(report.message, "Unable to find Certificate"));
  flow.rig.command("clock --advance 31s");
  report = flow.retrieve();
  CHECK(says(report.message, "not signed by the CA yet"));
  CHECK(flow.retrieve().result.has_value());
}

TEST_CASE("issued without ids is recorded and asked again") {
  Flow flow;
  flow.knobs(R"({"without_ids":true})");
  CHECK(flow.submit().status == RequestStatus::ready);
  CHECK(flow.retrieve().status == RequestStatus::ready);
  flow.knobs(R"({"without_ids":false})");
  CHECK(flow.retrieve().result.has_value());
}

TEST_CASE("a chain that is reversed or missing is put right") {
  for (const char* chain : {"reversed", "missing"}) {
    INFO(chain);
    Flow flow;
    flow.knobs(std::string(R"({"chain":")") + chain + R"("})");
    const x509::Answer answer = flow.issue();
    CHECK(answer.findings.empty());
    CHECK(answer.chain.size() == 3);
  }
}

TEST_CASE("a certificate is found in whatever a server puts around it") {
  Flow flow;
  flow.issue();
  const Issued issued = *flow.last;
  REQUIRE(issued.chain.size() == 2);
  for (const auto& [name, text] : test::odd_bundles(issued.certificate, issued.chain)) {
    CAPTURE(name);
    const x509::Answer answer = flow.judged({IssuedCertificate{to_bytes(text)}, to_bytes(text)});
    CHECK(flow.last->certificate == issued.certificate);
    CHECK(answer.findings.empty());
    CHECK(answer.chain.size() == 3);
  }
  // Which one is unreadable cannot be told where ours is not there.
  const std::string lost =
      x509::certificate_to_pem(issued.chain.front()) + x509::write_pem("CERTIFICATE", from_hex("300703050000000000"));
  CHECK_THROWS_WITH(flow.judged({IssuedCertificate{to_bytes(lost)}, {}}), Catch::Contains("cannot be read whole"));
}

TEST_CASE("a certificate for another key is found out, from the authority or on the way") {
  Flow flow;
  flow.knobs(R"({"wrong_key":true})");
  CHECK(flow.issue().find("key-differs") != nullptr);
  Flow way;
  way.submit();
  way.rig.command("fault --kind wrong-certificate --method GET --path /outagedetection/v1/certificates");
  const Report out = way.retrieve();
  REQUIRE(out.result);
  CHECK(way.judged(*out.result).find("key-differs") != nullptr);
}

TEST_CASE("a validity that is cut or ignored is found out") {
  Flow ignored;
  ignored.ask.validity = std::chrono::hours{24 * 7};
  ignored.knobs(R"({"validity":"ignored"})");
  CHECK(ignored.issue().find("validity-longer") != nullptr);
  Flow clipped;
  clipped.ask.validity = std::chrono::hours{24 * 365};
  clipped.knobs(R"({"validity":"clipped"})");
  CHECK(clipped.issue().find("validity-shorter") != nullptr);
}

TEST_CASE("dates without a colon are read everywhere") {
  Flow flow("Approval");
  flow.knobs(R"({"dates":"+0000"})");
  flow.submit();
  CHECK(flow.poll().progress.about_until.has_value());
  CHECK(std::holds_alternative<Found>(flow.provider().look_up(flow.call())));
}

TEST_CASE("a service that finds nothing by application is not believed at once") {
  Flow flow;
  flow.freeze();
  flow.draft_there();
  flow.knobs(R"({"hides_requests":true})");
  CHECK(std::holds_alternative<Absent>(flow.provider().look_up(flow.call())));
  // Once with the application, once without.
  CHECK(flow.rig.count("POST /outagedetection/v1/certificaterequestssearch 200") == 2);
}
