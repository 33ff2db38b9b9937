#include "providers/securosys/client.h"
#include "providers/securosys/error_code.h"
#include "support/fake_transport.h"

#include <catch2/catch.hpp>

using namespace hsmbridge;
using namespace hsmbridge::securosys;
using namespace std::chrono_literals;

namespace {

providers::Answer answer(const char* what, const net::Exchange& exchange) {
  return {dialect(), what, exchange, Instant{}};
}
Verdict submitted(const char* what, const net::Exchange& exchange) {
  return submission_verdict(answer(what, exchange));
}
void success_of(const char* what, const net::Exchange& exchange) {
  answer(what, exchange).success();
}

enum class Meaning { taken, not_accepted, refused, unknown };

Meaning meaning_of(const net::Exchange& exchange) {
  return static_cast<Meaning>(submitted("POST /v1/sign", exchange).index());
}
using hsmbridge::test::response;
std::string refusal(int code) {
  return R"({"errorCode":)" + std::to_string(code) + R"(,"reason":"res.error.some","message":"Some text."})";
}

}  // namespace

TEST_CASE("each kind of answer to a submission means what the rule says") {
  const std::string id = R"({"signRequestId":"4e8731d8-0ae6-4444-8a8c-b73ab5f0ba18"})";
  const std::string html = "<html><body>502 Bad Gateway</body></html>";
  const std::string spring =
      R"({"timestamp":"2026-01-01T00:00:00Z","status":404,"error":"Not Found","path":"/v1/sign"})";
  struct Row {
    const char* what;
    net::Exchange exchange;
    Meaning meaning;
  };
  const std::vector<Row> rows{
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
  for (const Row& row : rows) {
    CAPTURE(row.what);
    CHECK(meaning_of(row.exchange) == row.meaning);
  }
}

TEST_CASE("every error code sent with a 4xx is told apart by its row") {
  for (const ErrorCode& row : error_codes()) {
    CAPTURE(row.code);
    CHECK(meaning_of(response(400, refusal(row.code))) ==
          (row.repeating == Repeating::cannot_help ? Meaning::refused : Meaning::not_accepted));
    CHECK(meaning_of(response(500, refusal(row.code))) == Meaning::unknown);
  }
}

TEST_CASE("a refusal carries code and reason and asked patience") {
  const net::Response busy = response(429, "", "application/json", {{"Retry-After", "7"}});
  const Verdict verdict = submitted("POST /v1/sign", busy);
  CHECK(std::get<workflow::NotAccepted>(verdict).retry_after == Duration(7s));

  const Verdict refused = submitted("POST /v1/sign", response(400, refusal(620)));
  const Error& error = std::get<workflow::RefusedForGood>(refused).error;
  CHECK(error.kind() == ErrorKind::denied);
  CHECK(error.detail("errorCode") == "620");

  const Verdict lost = submitted("POST /v1/sign", response(502, "<html>no</html>", "text/html"));
  CHECK(std::get<workflow::OutcomeUnknown>(lost).why == "POST /v1/sign: HTTP 502 with an HTML page (of a proxy?)");
}

TEST_CASE("a repeatable call says what may be tried again") {
  const auto kind = [](const net::Exchange& exchange) {
    try {
      success_of("GET /v1/request/x", exchange);
    } catch (const Error& error) {
      return std::string(to_string(error.kind()));
    }
    return std::string("success");
  };
  CHECK(kind(response(200, "{}")) == "success");
  CHECK(kind(response(201, "{}")) == "success");
  CHECK(kind(net::NotSent{"x"}) == "unavailable");
  CHECK(kind(net::OutcomeUnknown{"x"}) == "unavailable");
  CHECK(kind(response(502, "<html>", "text/html")) == "unavailable");
  CHECK(kind(response(500, refusal(701))) == "unavailable");
  CHECK(kind(response(500, refusal(500))) == "unavailable");
  CHECK(kind(response(429, refusal(600))) == "unavailable");
  CHECK(kind(response(404, refusal(650))) == "not_found");
  CHECK(kind(response(400, refusal(600))) == "invalid_input");
  CHECK(kind(response(401, refusal(631))) == "denied");
  CHECK(kind(response(401, "no", "text/plain")) == "denied");
  CHECK(kind(response(404, "<html>", "text/html")) == "not_found");
  CHECK(kind(response(302, "")) == "unavailable");
}

TEST_CASE("asked patience of a repeatable call is a detail of its error") {
  const net::Response busy = response(503, "", "application/json", {{"Retry-After", "90"}});
  try {
    success_of("GET /v1/request/x", busy);
    FAIL("it passed");
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::unavailable);
    CHECK(error.detail("retry-after") == "1m30s");
  }
}
