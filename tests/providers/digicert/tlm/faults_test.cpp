#include "flow.h"

#include <catch2/catch.hpp>

using namespace hsmbridge;
using namespace hsmbridge::digicert;
using namespace hsmbridge::workflow;
using namespace std::chrono_literals;
using test::Seeded;
using test::TlmFlow;

using Words = std::vector<std::string>;

namespace {

const std::string kAtPost = " --method POST --path /mpki/api/v1/certificate";

}  // namespace

TEST_CASE("an answer lost after the commit is found by its key and nothing is sent twice") {
  TlmFlow flow;
  flow.freeze();
  const auto kind = GENERATE(as<std::string>{}, "drop-after", "truncate");
  CAPTURE(kind);
  flow.rig.command("fault --kind " + kind + kAtPost);
  CHECK(std::holds_alternative<OutcomeUnknown>(flow.provider().submit(flow.call())));
  const LookUpAnswer answer = flow.provider().look_up(flow.lost_call());
  REQUIRE(std::holds_alternative<Found>(answer));
  const Report& report = std::get<Found>(answer).report;
  REQUIRE(report.result);
  CHECK(flow.fatal_findings(*report.result) == Words{});
  CHECK(flow.posts() == 1);
}

TEST_CASE("a submission that never arrived is absent where the profile issues at once") {
  TlmFlow flow;
  flow.freeze();
  flow.rig.command("fault --kind drop-before" + kAtPost);
  CHECK(std::holds_alternative<OutcomeUnknown>(flow.provider().submit(flow.call())));
  CHECK(std::holds_alternative<Absent>(flow.provider().look_up(flow.lost_call())));
}

TEST_CASE("a pending submission whose answer was lost is for a person to find") {
  TlmFlow flow({}, Seeded::approval);
  flow.freeze();
  flow.rig.command("fault --kind drop-after" + kAtPost);
  CHECK(std::holds_alternative<OutcomeUnknown>(flow.provider().submit(flow.call())));
  CHECK(std::holds_alternative<CannotTell>(flow.provider().look_up(flow.lost_call())));
  // Once it was approved, the certificate speaks for itself.
  flow.rig.command("digicert approve");
  CHECK(std::holds_alternative<Found>(flow.provider().look_up(flow.lost_call())));
}

TEST_CASE("a late commit is found when it is looked for afterwards") {
  TlmFlow flow;
  flow.freeze();
  flow.rig.command("fault --kind commit-late --wait 300ms" + kAtPost);
  CHECK(std::holds_alternative<OutcomeUnknown>(flow.provider().submit(flow.call())));
  bool found = false;
  for (int i = 0; i < 2000 && !found; ++i) {
    found = std::holds_alternative<Found>(flow.provider().look_up(flow.lost_call()));
  }
  CHECK(found);
  CHECK(flow.posts() == 1);
}

TEST_CASE("a proxy's page is an unknown outcome for a submission and trouble for a poll") {
  TlmFlow flow({}, Seeded::approval);
  flow.freeze();
  flow.rig.command("fault --kind html" + kAtPost);
  const SubmitAnswer answer = flow.provider().submit(flow.call());
  CHECK(std::get<OutcomeUnknown>(answer).why ==
        "POST /mpki/api/v1/certificate: HTTP 502 with an HTML page (of a proxy?)");
  flow.submit();
  for (const char* fault :
       {"html", "html --status 200", "html --status 404", "truncate", "drop-before", "huge", "status --status 503"}) {
    CAPTURE(fault);
    flow.rig.command(std::string("fault --kind ") + fault + " --method POST --path /mpki/api/v1/certificate-pickup");
    CHECK_THROWS_AS(flow.poll(), Error);
  }
  CHECK(flow.poll().status == RequestStatus::awaiting_approval);
}

TEST_CASE("too many requests are not accepted and patience is asked, as seconds and as a date") {
  TlmFlow flow;
  flow.freeze();
  flow.rig.command("fault --kind status --status 429 --retry-after 7" + kAtPost);
  const SubmitAnswer answer = flow.provider().submit(flow.call());
  CHECK(std::get<NotAccepted>(answer).retry_after == Duration(7s));
  flow.rig.command("fault --kind status --status 429 --retry-after 'Fri, 31 Dec 2100 23:59:59 GMT'" + kAtPost);
  const SubmitAnswer date = flow.provider().submit(flow.call());
  REQUIRE(std::get<NotAccepted>(date).retry_after);
  CHECK(*std::get<NotAccepted>(date).retry_after > 24h);
  // 503 may come after the work was done.
  flow.rig.command("fault --kind status --status 503 --retry-after 7" + kAtPost);
  CHECK(std::holds_alternative<OutcomeUnknown>(flow.provider().submit(flow.call())));
}

TEST_CASE("nobody listening is not accepted") {
  TlmFlow flow;
  flow.freeze();
  flow.settings.url = "https://127.0.0.1:1";
  flow.made.reset();
  CHECK(std::holds_alternative<NotAccepted>(flow.provider().submit(flow.call())));
}

TEST_CASE("a server of another CA is not spoken to") {
  TlmFlow flow;
  flow.freeze();
  flow.settings.ca = flow.rig.dir() + "/digicert-ca/root.pem";
  flow.made.reset();
  CHECK(std::holds_alternative<NotAccepted>(flow.provider().submit(flow.call())));
  CHECK(flow.posts() == 0);
}

TEST_CASE("a wrong certificate is fatal for the check") {
  TlmFlow flow;
  flow.freeze();
  flow.rig.command("fault --kind wrong-certificate" + kAtPost);
  const Report report = flow.submit();
  REQUIRE(report.result);
  const Words findings = flow.fatal_findings(*report.result);
  CHECK(std::any_of(findings.begin(), findings.end(),
                    [](const std::string& one) { return one.starts_with("key-differs"); }));
}

TEST_CASE("a wrong serial number beside a certificate is corrupt") {
  TlmFlow flow;
  flow.freeze();
  flow.rig.command(R"(fault --kind set --members '{"serial_number":"0F6F"}')" + kAtPost);
  const Report report = flow.submit();
  REQUIRE(report.result);
  CHECK_THROWS_WITH(issued_by(flow.provider(), flow.call(), *report.result),
                    Catch::Contains("under the serial number"));
}

TEST_CASE("what was issued and asked is still there after a restart of the service") {
  TlmFlow flow({}, Seeded::approval);
  flow.freeze();
  flow.submit();
  flow.rig.command("digicert approve");
  // A second simulator on the same state sees what the first wrote.
  const std::string serial = pinned_from(flow.poll().provider_state).serial;
  const Bytes state = read_file(flow.rig.dir() + "/digicert-state.jsonl");
  CHECK(as_text(state).find(serial) != std::string_view::npos);
}
