#include "base/error.h"
#include "base/text.h"
#include "bench.h"

#include <catch2/catch.hpp>

using namespace hsmbridge;
using namespace hsmbridge::digicert;
using namespace hsmbridge::workflow;
using namespace std::chrono_literals;
using test::TlmBench;
using test::TlmPending;

namespace {

const std::string kNothing = TlmBench::found({});

}  // namespace

TEST_CASE("a pick-up names the profile that was stored") {
  TlmPending bench;
  const Report report = bench.poll(R"({"status":"PENDING","request_id":"r-1"})");
  CHECK(report.status == RequestStatus::awaiting_approval);
  CHECK(bench.transport->lines().back() == "POST /mpki/api/v1/certificate-pickup/r-1");
  CHECK(bench.sent_json(0) == Json::parse(R"({"profile":{"id":"the-profile-then"}})"));
}

TEST_CASE("each status of a pick-up has a meaning, and an unknown one is recorded") {
  struct Row {
    const char* body;
    RequestStatus standing;
    const char* status;
  };
  const Row rows[] = {
      {R"({"status":"pending"})", RequestStatus::awaiting_approval, "PENDING"},
      {R"({"status":"PENDING_SECOND_APPROVAL"})", RequestStatus::awaiting_approval, "PENDING_SECOND_APPROVAL"},
      {R"({"status":"APPROVED"})", RequestStatus::awaiting_issuance, "APPROVED"},
      {R"({"status":"REJECTED","message":"not ours"})", RequestStatus::rejected, "REJECTED"},
      {R"({"status":"rejected"})", RequestStatus::rejected, "REJECTED"},
      {R"({"status":"EXPIRED"})", RequestStatus::expired, "EXPIRED"},
      {R"({"status":"CANCELED"})", RequestStatus::cancelled, "CANCELED"},
      {R"({"status":"FAILED"})", RequestStatus::failed, "FAILED"},
      {R"({"status":"ISSUED"})", RequestStatus::unrecognised, "ISSUED"},
      {R"({"status":"TELEPORTED"})", RequestStatus::unrecognised, "TELEPORTED"},
      {R"({"status":"ISSUED","certificate":"x"})", RequestStatus::unrecognised, "ISSUED"},
      {R"({"status":"ISSUED","serial_number":"AB"})", RequestStatus::ready, "ISSUED"},
      {"{}", RequestStatus::unrecognised, "(no status)"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.body);
    TlmPending bench;
    const Report report = bench.poll(row.body);
    CHECK(report.status == row.standing);
    CHECK(report.provider_status == row.status);
    CHECK_FALSE(report.handout);
  }
  TlmPending bench;
  CHECK(bench.poll(R"({"status":"REJECTED","message":"not ours"})").message == "not ours");
  CHECK(bench.poll(R"({"status":"ISSUED"})").progress.note == "DigiCert says 'ISSUED' and gives no certificate");
}

TEST_CASE("an issued certificate is handed out by the pick-up, whatever its status says") {
  for (const char* status : {"ISSUED", "issued", "PENDING", ""}) {
    TlmPending bench;
    const x509::Certificate certificate = bench.issue();
    Json body = Json::parse(TlmBench::issued_body(certificate));
    body.set("status", status);
    const Report report = bench.poll(body.dump());
    CHECK(report.status == RequestStatus::handed_out);
    REQUIRE(report.handout);
    CHECK(hsmbridge::to_text(report.handout->raw) == body.dump());
    CHECK(pinned_from(report.provider_state).serial == TlmBench::serial(certificate));
    CHECK(pinned_from(report.provider_state).profile == "the-profile-then");
  }
}

TEST_CASE("a rejection that comes as an error is a rejection, and other errors are not") {
  TlmPending bench;
  const auto poll = [&](long status, const std::string& code) {
    bench.transport->then(status, test::tlm_error(code, "some words"));
    return bench.provider().poll(bench.call());
  };
  CHECK(poll(400, "request_rejected").status == RequestStatus::rejected);
  CHECK(poll(400, "request_expired").status == RequestStatus::expired);
  CHECK(poll(409, "ENROLLMENT_CANCELLED").status == RequestStatus::cancelled);
  CHECK(poll(422, "declined").status == RequestStatus::rejected);
  for (const char* code :
       {"token_expired", "api_key_expired", "license_expired", "access_denied", "certificate_expired"}) {
    CHECK_THROWS_AS(poll(400, code), Error);
  }
  CHECK_THROWS_AS(poll(400, "invalid_input_field"), Error);
  CHECK_THROWS_AS(poll(403, "access_denied"), Error);
  CHECK_THROWS_AS(poll(401, "AUTHORIZATION_ERROR"), Error);
  CHECK_THROWS_AS(poll(500, "request_rejected"), Error);
}

TEST_CASE("a request that is gone is looked for by its key before it is called so") {
  TlmPending bench;
  bench.transport->then(404, test::tlm_error("resource_not_found", "no")).then(200, kNothing);
  CHECK(bench.provider().poll(bench.call()).status == RequestStatus::gone);
  const x509::Certificate ours = bench.issue();
  bench.transport->then(404, test::tlm_error("resource_not_found", "no"))
      .then(200, TlmBench::found({TlmBench::details(ours)}));
  const Report report = bench.provider().poll(bench.call());
  CHECK(report.status == RequestStatus::handed_out);
  CHECK(report.message == "found by its key as certificate " + TlmBench::serial(ours));
}

TEST_CASE("a request that is gone stays gone where its certificate may not be searched for") {
  TlmPending bench;
  bench.transport->then(404, test::tlm_error("resource_not_found", "no"))
      .then(403, test::tlm_error("no_access", "Not enough permissions"));
  const Report report = bench.provider().poll(bench.call());
  CHECK(report.status == RequestStatus::gone);
  CHECK(report.message.find("Not enough permissions") != std::string::npos);
  bench.transport->then(404, test::tlm_error("resource_not_found", "no")).then(503, "");
  CHECK_THROWS_AS(bench.provider().poll(bench.call()), Error);
}

TEST_CASE("a certificate that a pick-up calls revoked is not handed out") {
  TlmPending bench;
  Json body = Json::parse(TlmBench::issued_body(bench.issue()));
  body.set("status", "REVOKED");
  const Report report = bench.poll(body.dump());
  CHECK(report.status == RequestStatus::failed);
  CHECK_FALSE(report.handout);
}

TEST_CASE("a web server's 404 does not make a request gone") {
  TlmPending bench;
  bench.transport->then(404, "<html>", "text/html");
  CHECK_THROWS_AS(bench.provider().poll(bench.call()), Error);
}

TEST_CASE("a person may name a certificate by its serial number") {
  TlmPending bench;
  const x509::Certificate ours = bench.issue();
  bench.submission.reference = ProviderReference("serial:" + TlmBench::serial(ours));
  bench.submission.provider_state.clear();
  const Report report = bench.poll(TlmBench::details(ours).dump());
  CHECK(report.status == RequestStatus::handed_out);
  bench.transport->then(404, test::tlm_error("resource_not_found", "no"));
  CHECK(bench.provider().poll(bench.call()).status == RequestStatus::gone);
  bench.transport->then(200, TlmBench::details(bench.issue()).dump());
  CHECK_THROWS_WITH(bench.provider().poll(bench.call()), Catch::Contains("answered with"));
}

TEST_CASE("a serial number is found as people write it, and what is none is not asked for") {
  TlmPending bench;
  const x509::Certificate ours = bench.issue();
  std::string typed = lower(TlmBench::serial(ours));
  typed.insert(2, ":");
  typed.insert(5, " ");
  bench.transport->then(200, TlmBench::details(ours).dump());
  const Report report = bench.provider().find_by_serial(bench.call(), typed);
  CHECK(report.reference.str() == "serial:" + TlmBench::serial(ours));
  CHECK(report.handout.has_value());
  bench.transport->then(404, test::tlm_error("resource_not_found", "no"));
  CHECK(bench.provider().find_by_serial(bench.call(), "4A").status == RequestStatus::gone);
  const std::size_t before = bench.transport->sent.size();
  for (const std::string& none : std::vector<std::string>{"", "xyz", "../hello", std::string(65, '1')}) {
    CHECK_THROWS_WITH(bench.provider().find_by_serial(bench.call(), none),
                      Catch::Contains("is not a serial number in hexadecimal"));
  }
  CHECK(bench.transport->sent.size() == before);
}

TEST_CASE("a certificate that is revoked there is not handed out") {
  TlmPending bench;
  const x509::Certificate ours = bench.issue();
  bench.submission.reference = ProviderReference("serial:" + TlmBench::serial(ours));
  CHECK(bench.poll(TlmBench::details(ours, "revoked").dump()).status == RequestStatus::failed);
  CHECK(bench.poll(TlmBench::details(ours, "suspended").dump()).status == RequestStatus::unrecognised);
  CHECK(bench.poll(TlmBench::details(ours, "EXPIRED").dump()).status == RequestStatus::handed_out);
}

TEST_CASE("a certificate that was issued and is not in the inventory is waited for, for an hour") {
  TlmPending bench;
  const x509::Certificate ours = bench.issue();
  bench.submission.provider_state = to_text(Pinned{"p", "s", TlmBench::serial(ours)});
  const auto retrieve = [&](long status, const std::string& body) {
    bench.transport->then(status, body);
    Report report = bench.provider().retrieve(bench.call());
    bench.submission.provider_state = report.provider_state;
    return report;
  };
  const std::string missing = test::tlm_error("resource_not_found", "no");
  CHECK(retrieve(404, missing).status == RequestStatus::ready);
  bench.clock.advance(59min);
  CHECK(retrieve(404, missing).status == RequestStatus::ready);
  bench.clock.advance(1min);
  CHECK(retrieve(404, missing).status == RequestStatus::gone);
  CHECK(retrieve(200, TlmBench::details(ours).dump()).status == RequestStatus::handed_out);
  CHECK_FALSE(pinned_from(bench.submission.provider_state).missing_since);
}
