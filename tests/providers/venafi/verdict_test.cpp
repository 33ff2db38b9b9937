#include "cloud_answers.h"
#include "providers/meanings.h"
#include "providers/venafi/client.h"
#include "providers/venafi/error_code.h"

#include <catch2/catch.hpp>
#include <set>

using namespace hsmbridge;
using namespace hsmbridge::venafi;
using workflow::NotAccepted;
using workflow::OutcomeUnknown;
using workflow::RefusedForGood;

namespace {

using test::kind_of_trouble;
using test::meaning_of;
using test::response;
using Means = test::Meaning;

Verdict submitted(const net::Exchange& exchange) {
  return submission_verdict({dialect(), "POST x", exchange, Instant{}});
}
RevocationVerdict revoked(const net::Exchange& exchange) {
  return revocation_verdict({dialect(), "POST x", exchange, Instant{}});
}

}  // namespace

TEST_CASE("every answer to a submission means what rule 3 of the design says") {
  const std::string refusal = test::errors_answer(10726, "bad", Json::array({"CN", "x"}));
  const std::vector<test::AnswerRow> rows{
      {"issued at once", response(201, test::created_answer("ISSUED")), Means::taken},
      {"waits for approval", response(201, test::created_answer("PENDING_APPROVAL")), Means::taken},
      {"issued without ids", response(201, R"({"certificateRequests":[{"id":"a","status":"ISSUED"}]})"), Means::taken},
      {"another 2xx with a request", response(202, test::created_answer("NEW")), Means::taken},
      {"a success without a request", response(201, R"({"certificateRequests":[]})"), Means::unknown},
      {"a success that is cut", response(201, R"({"certificateRequests":[{"id":"a")"), Means::unknown},
      {"a success that is a page", response(200, test::kProxyPage, "text/html"), Means::unknown},
      {"400 in its own form", response(400, test::errors_answer(1006, "unknown field")), Means::refused},
      {"401 in plain text", response(401, "Invalid api key", "text/plain"), Means::not_accepted},
      {"412 about the key", response(412, test::errors_answer(10501, "Unable to find api key")), Means::not_accepted},
      {"401 of a proxy", response(401, test::kProxyPage, "text/html"), Means::unknown},
      {"403 in its own form", response(403, test::errors_answer(1002, "forbidden")), Means::refused},
      {"404 in its own form", response(404, test::errors_answer(10051, "Unable to find")), Means::refused},
      {"404 of somebody else", response(404, "not found", "text/plain"), Means::unknown},
      {"408", response(408, refusal), Means::unknown},
      {"409 in its own form", response(409, test::errors_answer(10052, "duplicate")), Means::refused},
      {"412 in its own form", response(412, refusal), Means::refused},
      {"412 without a body", response(412, ""), Means::unknown},
      {"412 with other JSON", response(412, R"({"status":412})"), Means::unknown},
      {"429 without a body", response(429, ""), Means::not_accepted},
      {"429 with a page", response(429, test::kProxyPage, "text/html"), Means::not_accepted},
      {"500 in its own form", response(500, test::errors_answer(1000, "generic")), Means::unknown},
      {"502 with a page", response(502, test::kProxyPage, "text/html"), Means::unknown},
      {"503", response(503, ""), Means::unknown},
      {"a redirect", response(302, ""), Means::unknown},
      {"nothing sent", net::NotSent{"no route"}, Means::not_accepted},
      {"no answer", net::OutcomeUnknown{"time limit"}, Means::unknown},
  };
  check_meanings(rows, submitted);
}

TEST_CASE("429 passes on how long to wait") {
  const net::Response busy = response(429, "", "application/json", {{"Retry-After", "7"}});
  CHECK(std::get<NotAccepted>(submitted(busy)).retry_after == std::chrono::seconds{7});
}

TEST_CASE("a revocation's refusal comes as 200, and a failure behind the service is not a refusal") {
  const auto graphql = [](const std::string& body) { return meaning_of(revoked(response(200, body))); };
  CHECK(graphql(R"({"data":{"revokeCertificate":{"id":"1","revocation":{"status":"SUBMITTED"}}}})") == Means::taken);
  CHECK(graphql(R"({"data":{"revokeCertificate":{"id":"1","revocation":{"status":"FAILED"}}}})") == Means::taken);
  // The form in the service's reference: nothing says that it was not done.
  CHECK(graphql(R"({"errors":[{"message":"Gateway timeout"}],"data":null})") == Means::unknown);
  CHECK(graphql(R"({"errors":[{"message":"x","extensions":{"code":"SOME_NEW_CODE"}}],"data":null})") == Means::unknown);
  CHECK(graphql(R"({"errors":[{"message":"a","extensions":{"code":"FORBIDDEN"}},{"message":"b"}],"data":null})") ==
        Means::unknown);
  CHECK(graphql(R"({"errors":[{"message":"bad enum","extensions":{"code":"BAD_USER_INPUT"}}]})") == Means::refused);
  CHECK(graphql(R"({"errors":[{"message":"x","extensions":{"code":"INTERNAL_SERVER_ERROR"}}],"data":null})") ==
        Means::unknown);
  CHECK(
      graphql(R"({"errors":[{"message":"x","extensions":{"classification":"DataFetchingException"}}],"data":null})") ==
      Means::unknown);
  CHECK(graphql(R"({"errors":[{"message":"x"}],"data":{"revokeCertificate":{"id":"1"}}})") == Means::unknown);
  CHECK(graphql(R"({"data":{"revokeCertificate":{"id":"1","revocation":null}}})") == Means::unknown);
  CHECK(graphql(R"({"data":null})") == Means::unknown);
  CHECK(graphql(test::kProxyPage) == Means::unknown);
  const auto kind = [](const std::string& code) {
    const std::string body = R"({"errors":[{"message":"x","extensions":{"code":")" + code + R"("}}],"data":null})";
    return std::get<RefusedForGood>(revoked(response(200, body))).error.kind();
  };
  CHECK(kind("FORBIDDEN") == ErrorKind::denied);
  CHECK(kind("NOT_FOUND") == ErrorKind::not_found);
  CHECK(kind("BAD_REQUEST") == ErrorKind::refused);
  CHECK(kind("UNAUTHENTICATED") == ErrorKind::denied);
  CHECK(meaning_of(revoked(response(401, "Invalid api key"))) == Means::not_accepted);
  CHECK(meaning_of(revoked(response(502, test::kProxyPage, "text/html"))) == Means::unknown);
}

TEST_CASE("a 412 names every bad component, its value and what is allowed, however deep its args are") {
  const std::string body =
      R"({"errors":[{"code":10726,"message":"m","args":["CN","x.example.org",[".*\\.vfidev\\.com"]]},)"
      R"({"code":10726,"message":"m","args":["O","",[["Venafi, Inc\\."],1]]},)"
      R"({"code":10726,"message":"only a message","args":"odd"}]})";
  const auto verdict = submitted(response(412, body));
  const Error& error = std::get<RefusedForGood>(verdict).error;
  CHECK(error.kind() == ErrorKind::refused);
  CHECK(error.message() ==
        R"(POST x: the service says: CN "x.example.org" is not allowed (allowed: .*\.vfidev\.com) [10726]; )"
        R"(O is missing and is required (allowed: Venafi, Inc\., 1) [10726]; only a message [10726] (HTTP 412))");
  CHECK_FALSE(error.hint().empty());
}

TEST_CASE("an error that repeats a book is told in a few lines") {
  const std::string body =
      test::errors_answer(10726, "m", Json::array({"CN", std::string(100'000, 'x'), Json::array({"y"})}));
  const auto verdict = submitted(response(412, body));
  CHECK(std::get<RefusedForGood>(verdict).error.message().size() < 400);
}

TEST_CASE("a repeatable call's trouble says whether to try again") {
  const auto kind = [](const net::Exchange& exchange) { return kind_of_trouble(dialect(), exchange); };
  CHECK_FALSE(test::trouble_of(dialect(), response(200, "{}")));
  CHECK(kind(response(401, "Invalid api key")) == ErrorKind::denied);
  CHECK(kind(response(400, test::errors_answer(1004, "missing header"))) == ErrorKind::denied);
  CHECK(kind(response(412, test::errors_answer(10501, "Unable to find api key"))) == ErrorKind::denied);
  CHECK(kind(response(404, test::errors_answer(10051, "x"))) == ErrorKind::not_found);
  CHECK(kind(response(400, test::errors_answer(10055, "x"))) == ErrorKind::invalid_input);
  CHECK(kind(response(404, "nginx")) == ErrorKind::not_found);
  CHECK(kind(response(500, test::errors_answer(1002, "x"))) == ErrorKind::unavailable);
  CHECK(kind(response(502, test::kProxyPage, "text/html")) == ErrorKind::unavailable);
  CHECK(kind(response(429, "")) == ErrorKind::unavailable);
  CHECK(kind(response(302, "")) == ErrorKind::unavailable);
  CHECK(kind(response(407, test::kProxyPage, "text/html")) == ErrorKind::unavailable);
  CHECK(kind(net::NotSent{"x"}) == ErrorKind::unavailable);
  CHECK(kind(net::OutcomeUnknown{"x"}) == ErrorKind::unavailable);
  const net::Response busy = response(503, test::kProxyPage, "text/html", {{"Retry-After", "9"}});
  const Error error = test::trouble_of(dialect(), busy).value();
  CHECK(error.detail("retry-after") == "9s");
  CHECK(error.message().find("HTML page") != std::string::npos);
}

TEST_CASE("the rows of the service's error codes are in order and each once") {
  std::set<std::int64_t> seen;
  std::int64_t last = 0;
  for (const ErrorCode& row : error_codes()) {
    CHECK(row.code > last);
    CHECK(seen.insert(row.code).second);
    CHECK(find_error_code(row.code) == &row);
    CHECK_FALSE(row.advice.empty());
    last = row.code;
  }
  CHECK(find_error_code(1) == nullptr);
}
