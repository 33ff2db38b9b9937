#include "flow.h"

#include <catch2/catch.hpp>

using namespace hsmbridge;
using namespace hsmbridge::digicert;
using namespace hsmbridge::workflow;
using namespace std::chrono_literals;
using test::Seeded;
using test::TlmFlow;

using Words = std::vector<std::string>;

TEST_CASE("a request waits for its approval and then hands out the certificate, again and again") {
  const auto words = GENERATE(as<Words>{}, Words{}, Words{"--request-ids", "number"}, Words{"--words", "other"});
  TlmFlow flow(words, Seeded::approval);
  CHECK(flow.freeze() == Words{});
  const Report report = flow.submit();
  CHECK(report.status == RequestStatus::awaiting_approval);
  CHECK(report.progress.note == "it waits for an approval by an administrator");
  CHECK(flow.poll().status == RequestStatus::awaiting_approval);
  flow.rig.command("digicert approve");
  for (int i = 0; i < 2; ++i) {
    const Report issued = flow.poll();
    CHECK(issued.status == RequestStatus::handed_out);
    REQUIRE(issued.result);
    CHECK(flow.fatal_findings(*issued.result) == Words{});
  }
}

TEST_CASE("two administrators must approve") {
  TlmFlow flow({}, Seeded::two_approvals);
  flow.freeze();
  CHECK(flow.submit().progress.note == "it waits for an approval by two administrators");
  flow.rig.command("digicert approve --by anna");
  CHECK(flow.poll().status == RequestStatus::awaiting_approval);
  CHECK_THROWS(flow.rig.command("digicert approve --by anna"));
  flow.rig.command("digicert approve --by ben");
  CHECK(flow.poll().status == RequestStatus::handed_out);
}

TEST_CASE("a Microsoft CA takes its time") {
  TlmFlow flow({}, Seeded::connector);
  flow.freeze();
  CHECK(flow.submit().progress.note == "it waits for a CA behind a connector (a Microsoft CA)");
  CHECK(flow.poll().status == RequestStatus::awaiting_approval);
  flow.rig.command("clock --advance 1m");
  CHECK(flow.poll().status == RequestStatus::handed_out);
}

TEST_CASE("a rejection ends a request in both forms") {
  const auto words = GENERATE(as<Words>{}, Words{"--rejection", "status"}, Words{"--rejection", "error"},
                              Words{"--rejection", "error", "--errors", "object"});
  TlmFlow flow(words, Seeded::approval);
  flow.freeze();
  flow.submit();
  flow.rig.command("digicert reject --reason nobody-asked-me");
  const Report report = flow.poll();
  CHECK(report.status == RequestStatus::rejected);
  CHECK(report.message.find("nobody-asked-me") != std::string::npos);
}

TEST_CASE("an approval that never comes ends in expiry in both forms") {
  const auto words = GENERATE(as<Words>{}, Words{"--rejection", "status"}, Words{"--rejection", "error"});
  TlmFlow flow(words, Seeded::approval);
  flow.freeze();
  flow.submit();
  flow.rig.command("clock --advance 11d");
  CHECK(flow.poll().status == RequestStatus::expired);
}

TEST_CASE("Retry-After beside PENDING is passed on, as seconds and as a date") {
  TlmFlow flow({"--retry-after", "90"}, Seeded::approval);
  flow.freeze();
  flow.submit();
  CHECK(flow.poll().retry_after == Duration(90s));
  flow.rig.command("fault --kind status --status 429 --retry-after 'Fri, 31 Dec 2100 23:59:59 GMT'");
  try {
    flow.poll();
    FAIL("it passed");
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::unavailable);
    CHECK(parse_duration(error.detail("retry-after")) > 24h);
  }
}

TEST_CASE("a pending request cannot be cancelled, and a certificate that comes late is still seen") {
  TlmFlow flow({}, Seeded::approval);
  flow.freeze();
  flow.submit();
  CHECK(std::holds_alternative<CancelNotPossible>(flow.provider().cancel(flow.call())));
  flow.rig.command("digicert approve");
  CHECK(flow.poll().status == RequestStatus::handed_out);
}

TEST_CASE("a request is found by its state even after the configuration names another profile") {
  TlmFlow flow({}, Seeded::approval);
  flow.freeze();
  flow.submit();
  flow.rig.command("digicert approve");
  flow.use(Seeded::at_once);
  CHECK(flow.poll().status == RequestStatus::handed_out);
  // Without the state the pick-up is asked with the wrong profile; the certificate is found by its key all the same.
  flow.submission.provider_state.clear();
  CHECK(flow.poll().status == RequestStatus::handed_out);
}

TEST_CASE("a reference that nobody knows is gone") {
  TlmFlow flow({}, Seeded::approval);
  flow.freeze();
  flow.submission.reference = ProviderReference("0e0e0e0e-0000-4000-8000-000000000000");
  CHECK(flow.poll().status == RequestStatus::gone);
}
