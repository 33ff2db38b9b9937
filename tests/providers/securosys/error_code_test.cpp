#include "providers/securosys/error_code.h"

#include <catch2/catch.hpp>

using namespace hsmbridge;
using namespace hsmbridge::securosys;

TEST_CASE("the table of error codes is ascending and every row says what to do") {
  int last = 0;
  for (const ErrorCode& row : error_codes()) {
    CAPTURE(row.code);
    CHECK(row.code > last);
    last = row.code;
    CHECK(find_error_code(row.code) == &row);
    CHECK_FALSE(row.reason.empty());
    CHECK_FALSE(row.advice.empty());
    // what cannot be helped by repeating must not read "try again later"
    if (row.repeating == Repeating::cannot_help) CHECK(row.kind != ErrorKind::unavailable);
    if (row.repeating == Repeating::may_help) CHECK(row.kind == ErrorKind::unavailable);
    if (row.repeating == Repeating::with_another_key || row.repeating == Repeating::with_another_token) {
      CHECK(row.kind == ErrorKind::denied);
    }
  }
}

TEST_CASE("an expired credential is no refusal for good") {
  const auto codes = [](Repeating repeating) {
    std::vector<int> found;
    for (const ErrorCode& row : error_codes()) {
      if (row.repeating == repeating) found.push_back(row.code);
    }
    return found;
  };
  CHECK(codes(Repeating::with_another_key) == std::vector<int>{416, 631});
  CHECK(codes(Repeating::with_another_token) == std::vector<int>{406, 617, 618});
}

TEST_CASE("every code of the vendor's list has a row") {
  std::vector<int> expected{1, 2, 100, 101, 102, 103, 200, 300, 301, 302, 450, 451, 500, 501};
  for (int code = 400; code <= 416; ++code) expected.push_back(code);
  for (int code = 600; code <= 635; ++code) expected.push_back(code);
  for (int code = 650; code <= 654; ++code) expected.push_back(code);
  for (int code = 700; code <= 704; ++code) expected.push_back(code);
  for (const int code : expected) {
    CAPTURE(code);
    CHECK(find_error_code(code) != nullptr);
  }
  CHECK(error_codes().size() == expected.size());
  CHECK(find_error_code(0) == nullptr);
  CHECK(find_error_code(417) == nullptr);
}

TEST_CASE("an error of the TSB keeps its code and reason and says what to do") {
  const Error error = business_error("POST /v1/sign", 404, 650, "res.error.key.not.existent",
                                     "A key with the name 'x' does not exist.");
  CHECK(error.kind() == ErrorKind::not_found);
  CHECK(error.message() == "POST /v1/sign: the TSB answers A key with the name 'x' does not exist. (650)");
  CHECK(error.detail("errorCode") == "650");
  CHECK(error.detail("reason") == "res.error.key.not.existent");
  CHECK(error.detail("http") == "404");
  CHECK(error.hint() == "check `sign_key`: the TSB's partition has no key of that label");
}

TEST_CASE("a code without a row is judged by the HTTP status") {
  CHECK(business_error("x", 400, 999, "res.error.new", "").kind() == ErrorKind::invalid_input);
  CHECK(business_error("x", 500, 999, "res.error.new", "").kind() == ErrorKind::unavailable);
  CHECK(business_error("x", 400, 999, "res.error.new", "").message() == "x: the TSB answers res.error.new (999)");
}

TEST_CASE("a message of the TSB cannot fill the journal") {
  CHECK(business_error("x", 400, 600, "", std::string(100'000, 'a')).message().size() < 1100);
}

TEST_CASE("a message of the TSB cannot drive the terminal") {
  const Error error = business_error("x", 400, 600, "res.error\x1b[2J", "bad\x1b[2J");
  CHECK(error.message().find('\x1b') == std::string::npos);
  CHECK(error.detail("reason").find('\x1b') == std::string::npos);
}
