#include "providers/meanings.h"
#include "providers/securosys/client.h"
#include "providers/securosys/error_code.h"

#include <catch2/catch.hpp>

using namespace hsmbridge;
using namespace hsmbridge::securosys;
using namespace std::chrono_literals;

namespace {

using test::kind_of_trouble;
using test::Meaning;
using test::meaning_of;
using test::response;

Verdict submitted(const net::Exchange& exchange) {
  return submission_verdict({dialect(), "POST /v1/sign", exchange, Instant{}});
}
std::string refusal(int code) {
  return R"({"errorCode":)" + std::to_string(code) + R"(,"reason":"res.error.some","message":"Some text."})";
}

}  // namespace

TEST_CASE("each kind of answer to a submission means what the rule says") {
  const std::string id = R"({"signRequestId":"4e8731d8-0ae6-4444-8a8c-b73ab5f0ba18"})";
  const std::string html = "<html><body>502 Bad Gateway</body></html>";
  const std::string spring =
      R"({"timestamp":"2026-01-01T00:00:00Z","status":404,"error":"Not Found","path":"/v1/sign"})";
  const std::vector<test::AnswerRow> rows{
      {"no connection", net::NotSent{"connection refused"}, Meaning::not_accepted},
      {"time-out", net::OutcomeUnknown{"time-out"}, Meaning::unknown},
      {"201 with an id", response(201, id), Meaning::taken},
      {"200 with an id", response(200, id), Meaning::taken},
      {"200 with more fields", response(200, R"({"signRequestId":"a-b","extra":[1]})"), Meaning::taken},
      {"201 with a signature at once", response(201, R"({"signature":"AAAA"})"), Meaning::taken},
      {"201 with an empty object", response(201, "{}"), Meaning::unknown},
      {"201 with nothing", response(201, ""), Meaning::unknown},
      {"201 cut", response(201, id.substr(0, 20)), Meaning::unknown},
      {"201 with HTML", response(201, html, "text/html"), Meaning::unknown},
      {"201 with a number for an id", response(201, R"({"signRequestId":5})"), Meaning::unknown},
      {"201 with a path for an id", response(201, R"({"signRequestId":"../key"})"), Meaning::unknown},
      {"202", response(202, id), Meaning::unknown},
      {"204", response(204, ""), Meaning::unknown},
      {"302", response(302, ""), Meaning::unknown},
      {"429 of anybody", response(429, html, "text/html"), Meaning::not_accepted},
      {"429 of the TSB", response(429, refusal(600)), Meaning::not_accepted},
      {"408", response(408, ""), Meaning::unknown},
      {"408 in the TSB's form", response(408, refusal(600)), Meaning::unknown},
      {"400 in the TSB's form", response(400, refusal(600)), Meaning::refused},
      {"400 of a proxy", response(400, html, "text/html"), Meaning::unknown},
      {"400 with an unknown code", response(400, refusal(999)), Meaning::not_accepted},
      {"400 timestamp off", response(400, refusal(404)), Meaning::not_accepted},
      {"401 with the last key refused", response(401, refusal(631)), Meaning::not_accepted},
      {"401 of a gateway", response(401, "Unauthorized", "text/plain"), Meaning::unknown},
      {"403 not licensed", response(403, refusal(451)), Meaning::refused},
      {"404 no such key", response(404, refusal(650)), Meaning::refused},
      {"404 of the framework", response(404, spring), Meaning::refused},
      {"404 of the framework for another status", response(405, spring), Meaning::unknown},
      {"404 of a proxy", response(404, html, "text/html"), Meaning::unknown},
      {"500 in the TSB's form", response(500, refusal(701)), Meaning::unknown},
      {"500 for a 6xx code", response(500, refusal(600)), Meaning::unknown},
      {"501 in the TSB's form", response(501, refusal(101)), Meaning::unknown},
      {"502 HTML", response(502, html, "text/html"), Meaning::unknown},
      {"503", response(503, ""), Meaning::unknown},
      {"400 with a text for a code", response(400, R"({"errorCode":"600"})"), Meaning::unknown},
  };
  check_meanings(rows, submitted);
}

TEST_CASE("every error code sent with a 4xx is told apart by its row") {
  for (const ErrorCode& row : error_codes()) {
    CAPTURE(row.code);
    CHECK(meaning_of(submitted(response(400, refusal(row.code)))) ==
          (row.repeating == Repeating::cannot_help ? Meaning::refused : Meaning::not_accepted));
    CHECK(meaning_of(submitted(response(500, refusal(row.code)))) == Meaning::unknown);
  }
}

TEST_CASE("a refusal carries code and reason and asked patience") {
  const net::Response busy = response(429, "", "application/json", {{"Retry-After", "7"}});
  const Verdict verdict = submitted(busy);
  CHECK(std::get<workflow::NotAccepted>(verdict).retry_after == Duration(7s));

  const Verdict refused = submitted(response(400, refusal(620)));
  const Error& error = std::get<workflow::RefusedForGood>(refused).error;
  CHECK(error.kind() == ErrorKind::denied);
  CHECK(error.detail("errorCode") == "620");

  const Verdict lost = submitted(response(502, "<html>no</html>", "text/html"));
  CHECK(std::get<workflow::OutcomeUnknown>(lost).why == "POST /v1/sign: HTTP 502 with an HTML page (of a proxy?)");
}

TEST_CASE("a repeatable call says what may be tried again") {
  const auto kind = [](const net::Exchange& exchange) { return kind_of_trouble(dialect(), exchange); };
  CHECK(kind(response(200, "{}")) == ErrorKind::internal);
  CHECK(kind(response(201, "{}")) == ErrorKind::internal);
  CHECK(kind(net::NotSent{"x"}) == ErrorKind::unavailable);
  CHECK(kind(net::OutcomeUnknown{"x"}) == ErrorKind::unavailable);
  CHECK(kind(response(502, "<html>", "text/html")) == ErrorKind::unavailable);
  CHECK(kind(response(500, refusal(701))) == ErrorKind::unavailable);
  CHECK(kind(response(500, refusal(500))) == ErrorKind::unavailable);
  CHECK(kind(response(429, refusal(600))) == ErrorKind::unavailable);
  CHECK(kind(response(404, refusal(650))) == ErrorKind::not_found);
  CHECK(kind(response(400, refusal(600))) == ErrorKind::invalid_input);
  CHECK(kind(response(401, refusal(631))) == ErrorKind::denied);
  CHECK(kind(response(401, "no", "text/plain")) == ErrorKind::denied);
  CHECK(kind(response(404, "<html>", "text/html")) == ErrorKind::not_found);
  CHECK(kind(response(302, "")) == ErrorKind::unavailable);
}

TEST_CASE("asked patience of a repeatable call is a detail of its error") {
  const net::Response busy = response(503, "", "application/json", {{"Retry-After", "90"}});
  const Error error = test::trouble_of(dialect(), busy).value();
  CHECK(error.kind() == ErrorKind::unavailable);
  CHECK(error.detail("retry-after") == "1m30s");
}
