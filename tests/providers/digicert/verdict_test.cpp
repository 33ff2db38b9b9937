#include "answers.h"
#include "providers/digicert/refusal.h"
#include "providers/meanings.h"

#include <catch2/catch.hpp>

using namespace hsmbridge;
using namespace hsmbridge::digicert;
using namespace hsmbridge::workflow;
using namespace std::chrono_literals;

namespace {

using test::kind_of_trouble;
using test::Meaning;
using test::response;

Verdict submitted(const net::Exchange& exchange) {
  return submission_verdict({dialect(), "POST /c", exchange, Instant{}});
}
RevocationVerdict revoked(const net::Exchange& exchange) {
  return revocation_verdict({dialect(), "PUT /r", exchange, Instant{}});
}

const std::string kHtml = "<html><body>502 Bad Gateway</body></html>";
const std::string kIssued = R"({"serial_number":"4099AB","certificate":"-----BEGIN"})";

}  // namespace

TEST_CASE("each kind of answer to a certificate request means what the rule says") {
  const std::string own = test::tlm_error("invalid_input_field", "Wrong input or input format");
  const std::vector<test::AnswerRow> rows{
      {"no connection", net::NotSent{"connection refused"}, Meaning::not_accepted},
      {"time-out", net::OutcomeUnknown{"time-out"}, Meaning::unknown},
      {"201 issued", response(201, kIssued), Meaning::taken},
      {"200 issued", response(200, kIssued), Meaning::taken},
      {"201 pending", response(201, R"({"request_id":"r-1"})"), Meaning::taken},
      {"202 pending with a number", response(202, R"({"request_id":17})"), Meaning::taken},
      {"201 with a serial alone", response(201, R"({"serial_number":"4099AB"})"), Meaning::taken},
      {"201 with nothing in it", response(201, "{}"), Meaning::unknown},
      {"201 empty", response(201, ""), Meaning::unknown},
      {"201 cut", response(201, kIssued.substr(0, 20)), Meaning::unknown},
      {"201 with HTML", response(201, kHtml, "text/html"), Meaning::unknown},
      {"204", response(204, ""), Meaning::unknown},
      {"302", response(302, ""), Meaning::unknown},
      {"400 in the own form", response(400, own), Meaning::refused},
      {"400 in the other own form", response(400, R"({"error":{"code":"invalid_request","message":"no"}})"),
       Meaning::refused},
      {"400 with HTML", response(400, kHtml, "text/html"), Meaning::unknown},
      {"400 in a form of nobody", response(400, R"({"message":"no"})"), Meaning::unknown},
      {"401 in the own form", response(401, test::tlm_error("AUTHORIZATION_ERROR", "No authentication data provided")),
       Meaning::not_accepted},
      {"401 in plain text", response(401, "Unauthorized", "text/plain"), Meaning::not_accepted},
      {"401 of a proxy", response(401, kHtml, "text/html"), Meaning::unknown},
      {"403", response(403, test::tlm_error("no_access", "Not enough permissions")), Meaning::refused},
      {"404 of a proxy", response(404, kHtml, "text/html"), Meaning::unknown},
      {"404 in the own form", response(404, test::tlm_error("resource_not_found", "no")), Meaning::refused},
      {"408 in the own form", response(408, own), Meaning::unknown},
      {"409", response(409, test::tlm_error("duplicate_error", "exists")), Meaning::refused},
      {"429", response(429, ""), Meaning::not_accepted},
      {"500 in the own form", response(500, test::tlm_error("InternalServerError", "x")), Meaning::unknown},
      {"502 with HTML", response(502, kHtml, "text/html"), Meaning::unknown},
      {"503", response(503, ""), Meaning::unknown},
  };
  check_meanings(rows, submitted);
}

TEST_CASE("a refusal says who refused what, and what to do") {
  const Verdict verdict = submitted(response(403, test::tlm_error("no_access", "Not enough permissions")));
  const Error& error = std::get<RefusedForGood>(verdict).error;
  CHECK(error.kind() == ErrorKind::denied);
  CHECK(error.message() == "POST /c: DigiCert refuses: Not enough permissions (no_access), HTTP 403");
  CHECK(error.hint().find("EM_EPKI_USER") != std::string::npos);
  CHECK(error.detail("code") == "no_access");

  const Verdict key = submitted(response(401, test::tlm_error("AUTHORIZATION_ERROR", "no")));
  CHECK(std::get<NotAccepted>(key).error.kind() == ErrorKind::denied);
  CHECK(std::get<NotAccepted>(key).error.message() ==
        "POST /c: DigiCert does not accept our credentials: no (AUTHORIZATION_ERROR), HTTP 401");
}

TEST_CASE("a duplicate is a no of the CA and not a fault of the input") {
  for (const long status : {400L, 409L}) {
    const Verdict verdict = submitted(response(status, test::tlm_error("duplicate_error", "exists")));
    CHECK(std::get<RefusedForGood>(verdict).error.kind() == ErrorKind::refused);
  }
}

TEST_CASE("asked patience comes with the answer") {
  net::Response busy = response(429, "", "application/json", {{"Retry-After", "90"}});
  CHECK(std::get<NotAccepted>(submitted(busy)).retry_after == Duration(90s));
  busy.status = 503;
  const Error error = test::trouble_of(dialect(), busy).value();
  CHECK(error.kind() == ErrorKind::unavailable);
  CHECK(error.detail("retry-after") == "1m30s");
}

TEST_CASE("each kind of answer to a revocation means what the rule says") {
  enum class End { revoked, taken, collision, not_accepted, refused, unknown };
  struct Row {
    const char* what;
    net::Exchange exchange;
    End end;
  };
  const std::string collision = "Collision occurred! Please specify additional parameter: thumbprint_sha256";
  const std::vector<Row> rows{
      {"204", response(204, ""), End::revoked},
      {"already", response(400, test::tlm_error("invalid_state", "Certificate already has been revoked")),
       End::revoked},
      {"already, with another status", response(409, test::tlm_error("", "certificate already has been revoked")),
       End::revoked},
      {"collision", response(400, test::tlm_error("invalid_request", collision)), End::collision},
      {"202", response(202, "{}"), End::taken},
      {"200 with HTML", response(200, kHtml, "text/html"), End::unknown},
      {"429", response(429, ""), End::not_accepted},
      {"401", response(401, test::tlm_error("AUTHORIZATION_ERROR", "no")), End::not_accepted},
      {"401 of a proxy", response(401, kHtml, "text/html"), End::unknown},
      {"404", response(404, test::tlm_error("resource_not_found", "no")), End::refused},
      {"502", response(502, kHtml, "text/html"), End::unknown},
      {"lost", net::OutcomeUnknown{"cut"}, End::unknown},
      {"no connection", net::NotSent{"refused"}, End::not_accepted},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    CHECK(static_cast<End>(revoked(row.exchange).index()) == row.end);
  }
}

TEST_CASE("only a 400 that names no value may be about the form") {
  const auto about_form = [](long status, const std::string& body) {
    return refuses_the_form(std::get<RefusedForGood>(submitted(response(status, body))));
  };
  CHECK(about_form(400, test::tlm_error("invalid_input_field", "Wrong input or input format")));
  CHECK(about_form(400, test::tlm_error("invalid_input_field", "Wrong input", "seat")));
  CHECK(about_form(400, test::tlm_error("invalid_request", "no", "profile.csr")));
  CHECK_FALSE(about_form(400, test::tlm_error("invalid_input_field", "missing", "attributes.subject.common_name")));
  CHECK_FALSE(about_form(400, test::tlm_error("duplicate_error", "exists")));
  CHECK_FALSE(about_form(403, test::tlm_error("no_access", "no")));
  // A gateway says such things too; the service says them with a code.
  CHECK(about_form(400, R"({"error":{"code":"invalid_request","message":"no"}})"));
  CHECK_FALSE(about_form(400, R"({"error":{"message":"Bad Request"}})"));
  CHECK_FALSE(about_form(400, R"({"error":{"code":400,"message":"Bad Request"}})"));
}

TEST_CASE("a refusal of a renewal is about the renewal alone, or tells of a certificate that exists") {
  const auto refused = [](long status, const std::string& body) {
    return std::get<RefusedForGood>(submitted(response(status, body)));
  };
  CHECK(refuses_only_the_renewal(refused(400, test::tlm_error("invalid_state", "not within its window"))));
  for (const auto& [status, body] :
       std::vector<std::pair<long, std::string>>{{400, test::tlm_error("", "not within its window")},
                                                 {400, R"({"error":{"code":"invalid_state","message":"no"}})"},
                                                 {400, test::tlm_error("request_rejected", "no")},
                                                 {403, test::tlm_error("no_access", "no")}}) {
    CAPTURE(body);
    CHECK_FALSE(refuses_only_the_renewal(refused(status, body)));
    CHECK_FALSE(says_it_exists(refused(status, body)));
  }
  for (const auto& [status, body] :
       std::vector<std::pair<long, std::string>>{{400, test::tlm_error("invalid_state", "Certificate already renewed")},
                                                 {400, test::tlm_error("duplicate_error", "no")},
                                                 {409, test::tlm_error("conflict", "no")}}) {
    CAPTURE(body);
    CHECK_FALSE(refuses_only_the_renewal(refused(status, body)));
    CHECK(says_it_exists(refused(status, body)));
  }
}

TEST_CASE("a repeatable call tells trouble from refusal") {
  const auto kind = [](const net::Exchange& exchange) { return kind_of_trouble(dialect(), exchange); };
  CHECK_FALSE(test::trouble_of(dialect(), response(200, "{}")));
  CHECK(kind(net::NotSent{"no"}) == ErrorKind::unavailable);
  CHECK(kind(net::OutcomeUnknown{"cut"}) == ErrorKind::unavailable);
  CHECK(kind(response(502, kHtml, "text/html")) == ErrorKind::unavailable);
  CHECK(kind(response(500, test::tlm_error("InternalServerError", "x"))) == ErrorKind::unavailable);
  CHECK(kind(response(401, test::tlm_error("AUTHORIZATION_ERROR", "no"))) == ErrorKind::denied);
  CHECK(kind(response(401, kHtml, "text/html")) == ErrorKind::denied);
  CHECK(kind(response(403, test::tlm_error("no_access", "no"))) == ErrorKind::denied);
  const auto lane = [](const net::Exchange& exchange) {
    return std::string(test::trouble_of(dialect(), exchange).value().detail("lane"));
  };
  // A refused key is every request's trouble; what it may not see is one request's.
  CHECK(lane(response(401, test::tlm_error("AUTHORIZATION_ERROR", "no"))) == "down");
  CHECK(lane(response(403, test::tlm_error("no_access", "no"))) == "");
  CHECK(lane(response(404, test::tlm_error("resource_not_found", "no"))) == "");
  CHECK(std::get<workflow::NotAccepted>(submitted(response(401, test::tlm_error("AUTHORIZATION_ERROR", "no"))))
            .error.detail("lane") == "down");
  CHECK(kind(response(404, test::tlm_error("resource_not_found", "no"))) == ErrorKind::not_found);
  CHECK(kind(response(404, kHtml, "text/html")) == ErrorKind::not_found);
  CHECK(kind(response(302, "")) == ErrorKind::unavailable);
}
