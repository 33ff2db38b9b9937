#include "providers/verdict.h"

#include "orchard.h"
#include "support/error_of.h"
#include "support/fake_transport.h"

#include <catch2/catch.hpp>

using namespace hsmbridge;
using namespace hsmbridge::providers;
using namespace std::chrono_literals;
using hsmbridge::test::response;
using workflow::NotAccepted;
using workflow::OutcomeUnknown;
using workflow::RefusedForGood;

namespace {

struct Taken {
  std::string body;
};
using Verdict = std::variant<Taken, NotAccepted, RefusedForGood, OutcomeUnknown>;
using hsmbridge::test::error_of;
enum class Means { taken, not_accepted, refused, unknown };

Answer answer(const net::Exchange& exchange, const Dialect& dialect = orchard::dialect()) {
  return {dialect, "POST /orders", exchange, parse_rfc3339("2026-06-01T12:00:00Z")};
}
Verdict verdict(const net::Exchange& exchange, const Dialect& dialect = orchard::dialect()) {
  return answer(exchange, dialect).verdict<Verdict>([](const net::Response& success) -> Verdict {
    if (success.body.empty()) throw Error{ErrorKind::corrupt, "nothing is in it"};
    return Taken{success.body};
  });
}
Means meaning(const net::Exchange& exchange, const Dialect& dialect = orchard::dialect()) {
  return static_cast<Means>(verdict(exchange, dialect).index());
}
std::string fault(const std::string& word) {
  return R"({"fault":")" + word + R"(","text":"so it is"})";
}

Error trouble(const net::Exchange& exchange) {
  return error_of([&] { answer(exchange).success(); });
}

const std::string kHtml = "<html><body>502 Bad Gateway</body></html>";

}  // namespace

TEST_CASE("each rung of the ladder means one thing for a call that is made once") {
  struct Row {
    const char* what;
    net::Exchange exchange;
    Means means;
  };
  const std::vector<Row> rows{
      {"nothing sent", net::NotSent{"no route"}, Means::not_accepted},
      {"no complete answer", net::OutcomeUnknown{"time limit"}, Means::unknown},
      {"200", response(200, "{}"), Means::taken},
      {"204", response(204, "x"), Means::taken},
      {"a success that cannot be read", response(201, ""), Means::unknown},
      {"205", response(205, "{}"), Means::unknown},
      {"a redirect", response(302, fault("bad-csr")), Means::unknown},
      {"a refusal that its row says may pass", response(400, fault("full")), Means::not_accepted},
      {"a refused credential", response(401, fault("bad-token")), Means::not_accepted},
      {"a refusal that its row says is for good", response(400, fault("bad-csr")), Means::refused},
      {"a refusal without a row", response(422, fault("odd")), Means::refused},
      {"408 in the own form", response(408, fault("bad-csr")), Means::unknown},
      {"429 of anybody", response(429, kHtml, "text/html"), Means::not_accepted},
      {"429 in the own form", response(429, fault("bad-csr")), Means::not_accepted},
      {"400 of a proxy", response(400, kHtml, "text/html"), Means::unknown},
      {"401 of a proxy", response(401, kHtml, "text/html"), Means::unknown},
      {"500 in the own form", response(500, fault("full")), Means::unknown},
      {"501 in the own form", response(501, fault("bad-csr")), Means::unknown},
      {"503", response(503, ""), Means::unknown},
  };
  for (const Row& row : rows) {
    INFO(row.what);
    CHECK(meaning(row.exchange) == row.means);
  }
  Dialect strict = orchard::dialect();
  strict.last_success = 201;
  CHECK(meaning(response(201, "{}"), strict) == Means::taken);
  CHECK(meaning(response(202, "{}"), strict) == Means::unknown);
}

TEST_CASE("a verdict says who said what, and how long to wait") {
  const auto not_sent = std::get<NotAccepted>(verdict(net::NotSent{"no route", "plug it in"}));
  CHECK(not_sent.error.message() == "POST /orders: the orchard cannot be reached: no route (plug it in)");
  CHECK(not_sent.error.detail("lane") == "down");
  const auto busy = std::get<NotAccepted>(verdict(response(429, "", "", {{"Retry-After", "7"}})));
  CHECK(busy.error.message() == "POST /orders: the orchard is asked too often (HTTP 429)");
  CHECK(busy.error.detail("lane") == "down");
  CHECK(busy.retry_after == Duration(7s));
  const auto date = std::get<NotAccepted>(
      verdict(response(400, fault("full"), "", {{"Retry-After", "Mon, 01 Jun 2026 12:01:00 GMT"}})));
  CHECK(date.retry_after == Duration(60s));
  CHECK(date.error.hint() == "wait for room");
  CHECK(date.error.detail("lane").empty());
  CHECK(std::get<OutcomeUnknown>(verdict(response(502, kHtml, "text/html"))).why ==
        "POST /orders: HTTP 502 with an HTML page (of a proxy?)");
  CHECK(std::get<OutcomeUnknown>(verdict(response(500, fault("full")))).why.find("so it is (full)") !=
        std::string::npos);
  CHECK(std::get<OutcomeUnknown>(verdict(response(201, ""))).why ==
        "POST /orders: HTTP 201 came, but nothing is in it");
}

TEST_CASE("a refused credential pauses the lane unless another one takes its place or others need none of it") {
  const auto lane = [](Answer::Credential means) {
    Answer refused(orchard::dialect(), "GET /orders", response(401, fault("bad-token")), {}, means);
    const auto found = refused.trouble();
    const Error once = std::get<NotAccepted>(*found).error;
    const Error repeatable = error_of([&] { refused.success(); });
    CHECK(once.detail("lane") == repeatable.detail("lane"));
    CHECK(once.hint() == repeatable.hint());
    return std::string(once.detail("lane")) + "|" + once.hint();
  };
  CHECK(lane(Answer::Credential::of_all) == "down|renew `token`");
  CHECK(lane(Answer::Credential::of_this_call) == "|renew `token`");
  CHECK(lane(Answer::Credential::another_next) == "|the next attempt uses another configured credential");
}

TEST_CASE("a call that may be repeated says what may be tried again") {
  CHECK(answer(response(200, "x")).success().body == "x");
  CHECK(trouble(net::NotSent{"no route"}).kind() == ErrorKind::unavailable);
  CHECK(trouble(net::OutcomeUnknown{"cut"}).detail("too-large").empty());
  CHECK(trouble(net::OutcomeUnknown{"4 MiB", true}).detail("too-large") == "yes");
  CHECK(trouble(response(404, fault("unknown"))).kind() == ErrorKind::not_found);
  CHECK(trouble(response(400, fault("bad-csr"))).kind() == ErrorKind::invalid_input);
  CHECK(trouble(response(400, fault("bad-csr"))).detail("lane").empty());
  // A server in trouble is asked again, whatever its words; they and the advice stay.
  for (const long status : {408L, 429L, 500L, 501L}) {
    const Error later = trouble(response(status, fault("bad-csr")));
    CHECK(later.kind() == ErrorKind::unavailable);
    CHECK(later.hint() == "the service cannot read this CSR");
  }
  // A page of somebody else is no word about what was asked.
  for (const long status : {302L, 400L, 407L, 409L, 410L, 422L, 500L, 502L}) {
    CAPTURE(status);
    CHECK(trouble(response(status, kHtml, "text/html")).kind() == ErrorKind::unavailable);
  }
  for (const long status : {404L, 405L}) {
    CHECK(trouble(response(status, kHtml, "text/html")).kind() == ErrorKind::not_found);
  }
  CHECK(trouble(response(401, kHtml, "text/html")).detail("lane") == "down");
  CHECK(trouble(response(403, kHtml, "text/html")).detail("lane").empty());
  CHECK(trouble(response(403, kHtml, "text/html")).kind() == ErrorKind::denied);
  const Error busy = trouble(response(503, "", "", {{"Retry-After", "90"}}));
  CHECK(busy.detail("retry-after") == "1m30s");
  CHECK(busy.detail("lane") == "down");
  CHECK(busy.detail("http") == "503");
}

TEST_CASE("a decision passes by what its reader says, and is unknown where nobody knows") {
  const auto kind = [](const net::Exchange& exchange) {
    return error_of([&] {
             answer(exchange).decided("look first", [](const net::Response& success) {
               if (success.body != "ok") throw Error{ErrorKind::corrupt, "that is no answer"};
             });
           })
        .kind();
  };
  CHECK_NOTHROW(answer(response(206, "ok")).decided("look", [](const net::Response&) {}));
  CHECK(kind(net::NotSent{"no route"}) == ErrorKind::unavailable);
  CHECK(kind(response(429, "")) == ErrorKind::unavailable);
  CHECK(kind(response(401, fault("bad-token"))) == ErrorKind::denied);
  CHECK(kind(response(400, fault("bad-csr"))) == ErrorKind::invalid_input);
  for (const net::Exchange& unclear : std::vector<net::Exchange>{
           net::OutcomeUnknown{"cut"}, response(200, "<html>"), response(302, ""), response(404, kHtml, "text/html"),
           response(408, fault("bad-csr")), response(500, fault("bad-csr"))}) {
    CHECK(kind(unclear) == ErrorKind::outcome_unknown);
  }
  const Error error = error_of([] { answer(response(502, kHtml)).decided("look first", [](const auto&) {}); });
  CHECK(error.hint() == "look first");
}

TEST_CASE("a page is told from a text by its type or its first character") {
  CHECK(is_html("Text/HTML; charset=utf-8", "x"));
  CHECK(is_html("", " \n<!DOCTYPE html>"));
  CHECK_FALSE(is_html("application/json", "{\"a\":\"<html>\"}"));
  CHECK_FALSE(is_html("", ""));
  CHECK(described(response(500, "")) == "HTTP 500 without a body");
  CHECK(described(response(500, "oh\nno", "text/plain")) == "HTTP 500 with \"oh\\x0Ano\"");
}
