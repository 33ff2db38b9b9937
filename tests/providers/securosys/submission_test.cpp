#include "providers/securosys/submission.h"

#include "providers/securosys/error_code.h"

#include <catch2/catch.hpp>

using namespace hsmbridge;
using namespace hsmbridge::securosys;
using namespace std::chrono_literals;

namespace {

enum class Meaning { taken, not_accepted, refused, unknown };

Meaning meaning_of(const Exchange& exchange) {
  return static_cast<Meaning>(classify_submission("POST /v1/sign", exchange).index());
}
HttpAnswer answer(long status, std::string body, std::string type = "application/json") {
  return {status, std::move(type), std::move(body), {}, {}};
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
  struct Row {
    const char* what;
    Exchange exchange;
    Meaning meaning;
  };
  const std::vector<Row> rows{
      {"no connection", NotSent{"connection refused"}, Meaning::not_accepted},
      {"time-out", AnswerLost{"time-out"}, Meaning::unknown},
      {"201 with an id", answer(201, id), Meaning::taken},
      {"200 with an id", answer(200, id), Meaning::taken},
      {"200 with more fields", answer(200, R"({"signRequestId":"a-b","extra":[1]})"), Meaning::taken},
      {"201 with a signature at once", answer(201, R"({"signature":"AAAA"})"), Meaning::taken},
      {"201 with an empty object", answer(201, "{}"), Meaning::unknown},
      {"201 with nothing", answer(201, ""), Meaning::unknown},
      {"201 cut", answer(201, id.substr(0, 20)), Meaning::unknown},
      {"201 with HTML", answer(201, html, "text/html"), Meaning::unknown},
      {"201 with a number for an id", answer(201, R"({"signRequestId":5})"), Meaning::unknown},
      {"201 with a path for an id", answer(201, R"({"signRequestId":"../key"})"), Meaning::unknown},
      {"202", answer(202, id), Meaning::unknown},
      {"204", answer(204, ""), Meaning::unknown},
      {"302", answer(302, ""), Meaning::unknown},
      {"429 of anybody", answer(429, html, "text/html"), Meaning::not_accepted},
      {"429 of the TSB", answer(429, refusal(600)), Meaning::not_accepted},
      {"408", answer(408, ""), Meaning::unknown},
      {"408 in the TSB's form", answer(408, refusal(600)), Meaning::unknown},
      {"400 in the TSB's form", answer(400, refusal(600)), Meaning::refused},
      {"400 of a proxy", answer(400, html, "text/html"), Meaning::unknown},
      {"400 with an unknown code", answer(400, refusal(999)), Meaning::not_accepted},
      {"400 timestamp off", answer(400, refusal(404)), Meaning::not_accepted},
      {"401 with the last key refused", answer(401, refusal(631)), Meaning::not_accepted},
      {"401 of a gateway", answer(401, "Unauthorized", "text/plain"), Meaning::unknown},
      {"403 not licensed", answer(403, refusal(451)), Meaning::refused},
      {"404 no such key", answer(404, refusal(650)), Meaning::refused},
      {"404 of the framework", answer(404, spring), Meaning::refused},
      {"404 of the framework for another status", answer(405, spring), Meaning::unknown},
      {"404 of a proxy", answer(404, html, "text/html"), Meaning::unknown},
      {"500 in the TSB's form", answer(500, refusal(701)), Meaning::unknown},
      {"500 for a 6xx code", answer(500, refusal(600)), Meaning::unknown},
      {"501 in the TSB's form", answer(501, refusal(101)), Meaning::unknown},
      {"502 HTML", answer(502, html, "text/html"), Meaning::unknown},
      {"503", answer(503, ""), Meaning::unknown},
      {"400 with a text for a code", answer(400, R"({"errorCode":"600"})"), Meaning::unknown},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    CHECK(meaning_of(row.exchange) == row.meaning);
  }
}

TEST_CASE("every error code sent with a 4xx is told apart by its row") {
  for (const ErrorCode& row : error_codes()) {
    CAPTURE(row.code);
    CHECK(meaning_of(answer(400, refusal(row.code))) ==
          (row.repeating == Repeating::cannot_help ? Meaning::refused : Meaning::not_accepted));
    CHECK(meaning_of(answer(500, refusal(row.code))) == Meaning::unknown);
  }
}

TEST_CASE("a refusal carries code and reason and asked patience") {
  HttpAnswer busy = answer(429, "");
  busy.retry_after = 7s;
  const Verdict verdict = classify_submission("POST /v1/sign", busy);
  CHECK(std::get<workflow::NotAccepted>(verdict).retry_after == Duration(7s));

  const Verdict refused = classify_submission("POST /v1/sign", answer(400, refusal(620)));
  const Error& error = std::get<workflow::RefusedForGood>(refused).error;
  CHECK(error.kind() == ErrorKind::denied);
  CHECK(error.detail("errorCode") == "620");

  const Verdict lost = classify_submission("POST /v1/sign", answer(502, "<html>no</html>", "text/html"));
  CHECK(std::get<workflow::OutcomeUnknown>(lost).why == "POST /v1/sign: HTTP 502 with an HTML page (of a proxy?)");
}

TEST_CASE("a repeatable call says what may be tried again") {
  const auto kind = [](const Exchange& exchange) {
    try {
      success_of("GET /v1/request/x", exchange);
    } catch (const Error& error) {
      return std::string(to_string(error.kind()));
    }
    return std::string("success");
  };
  CHECK(kind(answer(200, "{}")) == "success");
  CHECK(kind(answer(201, "{}")) == "success");
  CHECK(kind(NotSent{"x"}) == "unavailable");
  CHECK(kind(AnswerLost{"x"}) == "unavailable");
  CHECK(kind(answer(502, "<html>", "text/html")) == "unavailable");
  CHECK(kind(answer(500, refusal(701))) == "unavailable");
  CHECK(kind(answer(500, refusal(500))) == "unavailable");
  CHECK(kind(answer(429, refusal(600))) == "unavailable");
  CHECK(kind(answer(404, refusal(650))) == "not_found");
  CHECK(kind(answer(400, refusal(600))) == "invalid_input");
  CHECK(kind(answer(401, refusal(631))) == "denied");
  CHECK(kind(answer(401, "no", "text/plain")) == "denied");
  CHECK(kind(answer(404, "<html>", "text/html")) == "not_found");
  CHECK(kind(answer(302, "")) == "unavailable");
}

TEST_CASE("asked patience of a repeatable call is a detail of its error") {
  HttpAnswer busy = answer(503, "");
  busy.retry_after = 90s;
  try {
    success_of("GET /v1/request/x", busy);
    FAIL("it passed");
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::unavailable);
    CHECK(error.detail("retry-after") == "1m30s");
  }
}
