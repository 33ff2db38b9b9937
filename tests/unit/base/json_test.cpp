#include "base/json.h"

#include "base/error.h"

#include <catch2/catch.hpp>
#include <chrono>
#include <limits>
#include <string>
#include <utility>
#include <vector>

using namespace hsmbridge;

namespace {

std::string refusal(std::string_view text) {
  try {
    Json::parse(text);
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::invalid_input);
    return error.message();
  }
  return "accepted";
}

}  // namespace

TEST_CASE("members keep their order and every type reads back") {
  const std::string text = R"({"z":1,"a":[true,false,null],"m":{"text":"ü\n","real":1.5},"n":-7})";
  CHECK(Json::parse(text).dump() == text);
}

TEST_CASE("a member that appears twice is refused wherever it is") {
  CHECK(refusal(R"({"a":1,"a":1})") == "member 'a' appears twice");
  CHECK(refusal(R"([{"b":{"a":1,"\u0061":2}}])") == "member 'a' appears twice");
  CHECK(refusal(R"({"a":{"b":1},"b":{"b":1}})") == "accepted");
  std::string large = "{";
  for (int i = 0; i < 100; ++i) large += "\"k" + std::to_string(i) + "\":0,";
  CHECK(refusal(large + "\"k100\":0}") == "accepted");
  CHECK(refusal(large + "\"k7\":0}") == "member 'k7' appears twice");
  CHECK(refusal(large + "\"k99\":0}") == "member 'k99' appears twice");
}

TEST_CASE("an object of a hundred thousand members is read in time that grows with its size") {
  std::string text = "{";
  for (int i = 0; i < 100'000; ++i) text += "\"k" + std::to_string(i) + "\":0,";
  text += "\"end\":0}";
  const auto start = std::chrono::steady_clock::now();
  CHECK(Json::parse(text).as_object().size() == 100'001);
  // Comparing every name with every other takes more than a minute; this takes a tenth of a second.
  CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds{20});
}

TEST_CASE("nesting is read to 64 levels and refused beyond") {
  CHECK(refusal(std::string(64, '[') + std::string(64, ']')) == "accepted");
  CHECK(refusal(std::string(65, '[') + std::string(65, ']')) == "nested more than 64 levels deep");
  CHECK(refusal(std::string(1'000'000, '[')) == "nested more than 64 levels deep");
}

TEST_CASE("whole numbers keep their 64 bits") {
  CHECK(Json::parse("9223372036854775807").as_integer() == std::numeric_limits<std::int64_t>::max());
  CHECK(Json::parse("-9223372036854775808").as_integer() == std::numeric_limits<std::int64_t>::min());
  CHECK(Json::parse("9007199254740993").dump() == "9007199254740993");
  CHECK_FALSE(Json::parse("9223372036854775808").is_integer());
  CHECK(Json::parse("9223372036854775808").is_number());
  CHECK_FALSE(Json::parse("1.0").is_integer());
  CHECK(Json::parse("1").as_double() == 1.0);
  CHECK_THROWS_AS(Json(std::numeric_limits<std::uint64_t>::max()), Error);
}

TEST_CASE("what is not one JSON value is refused without repeating it") {
  for (const char* text :
       {"",    " ",     "{",        "[1,]",    "{\"a\":}", "{a:1}",       "01",           "+1",
        "1.",  ".5",    "nul",      "'a'",     "1 2",      "[1] x",       "{\"a\":1,}",   "// x\n1",
        "NaN", "1e999", "\"\x01\"", "\"\\x\"", "\"\xff\"", "\"\\ud800\"", "secret-token", "<html>secret</html>"}) {
    INFO(text);
    const std::string why = refusal(text);
    CHECK(why.starts_with("not JSON, at character "));
    CHECK(why.find("secret") == std::string::npos);
  }
}

TEST_CASE("a value asked as another type is refused with both types named") {
  const Json value = Json::parse(R"({"a":"1","b":2})");
  CHECK_THROWS_WITH(value.at("a").as_integer(), "a whole number was expected, found a string");
  CHECK_THROWS_WITH(value.at("b").as_string(), "a string was expected, found a number");
  CHECK_THROWS_WITH(value.as_array(), "an array was expected, found an object");
  CHECK_THROWS_WITH(Json().as_bool(), "true or false was expected, found null");
  CHECK_THROWS_WITH(value.at("c"), "member 'c' is missing");
  CHECK(value.find("c") == nullptr);
  CHECK(value.at("a").find("x") == nullptr);
}

TEST_CASE("a fallback stands for an absent or null member but not for a wrong type") {
  const Json value = Json::parse(R"({"text":"x","none":null,"number":3,"yes":true})");
  CHECK(value.string_or("text", "y") == "x");
  CHECK(value.string_or("none", "y") == "y");
  CHECK(value.string_or("absent", "y") == "y");
  CHECK_THROWS_AS(value.string_or("number", "y"), Error);
  CHECK(value.integer_or("number", 9) == 3);
  CHECK(value.integer_or("absent", 9) == 9);
  CHECK_THROWS_AS(value.integer_or("text", 9), Error);
  CHECK(value.bool_or("yes", false));
  CHECK_FALSE(value.bool_or("absent", false));
}

TEST_CASE("set replaces a member in place and push appends") {
  Json object;
  object.set("a", 1).set("b", 2).set("a", 3);
  CHECK(object.dump() == R"({"a":3,"b":2})");
  Json array;
  array.push("x").push(nullptr).push(true);
  CHECK(array.dump() == R"(["x",null,true])");
  CHECK_THROWS_AS(array.set("a", 1), Error);
  CHECK_THROWS_AS(object.push(1), Error);
  CHECK(Json(std::vector<std::string>{"a", "b"}).dump() == R"(["a","b"])");
  CHECK(Json::object().dump() == "{}");
  CHECK(Json::array().pretty() == "[]");
  CHECK(Json::object({{"a", 1}}).pretty() == "{\n  \"a\": 1\n}");
}

TEST_CASE("controls, quotes and numbers are written in the one form that hashes are computed over") {
  const std::vector<std::pair<Json, std::string>> written{
      {Json("a\"b\\c/d"), R"("a\"b\\c/d")"},
      {Json("\b\f\n\r\t"), R"("\b\f\n\r\t")"},
      {Json(std::string("\0\x01\x1f\x7f", 4)), "\"\\u0000\\u0001\\u001f\x7f\""},
      {Json("m\xc3\xbcller \xf0\x9f\x94\x91"), "\"m\xc3\xbcller \xf0\x9f\x94\x91\""},
      {Json(std::int64_t{-9'223'372'036'854'775'807 - 1}), "-9223372036854775808"},
      {Json(0.5), "0.5"},
      {Json(1e300), "1e+300"},
      {Json(3.0), "3.0"},
      {Json(true), "true"},
      {Json(), "null"},
      {Json::array(), "[]"},
      {Json::object(), "{}"},
      {Json::object({{"a\n", Json::array({1, "x"})}, {"b", Json::object({{"c", nullptr}})}}),
       R"({"a\n":[1,"x"],"b":{"c":null}})"},
      {Json(Json::Object{{"a", 1}, {"a", 2}, {"b", 3}}), R"({"a":1,"b":3})"},
  };
  for (const auto& [value, text] : written) CHECK(value.dump() == text);
}

TEST_CASE("a text that is not UTF-8 is written escaped and spoils nothing next to it") {
  CHECK(Json("caf\xe9").dump() == R"("caf\\xE9")");
  CHECK(Json::object({{"\xc3", 1}, {"b", "\xc3\xa9\n"}}).dump() == "{\"\\\\xC3\":1,\"b\":\"\xc3\xa9\\n\"}");
  CHECK(Json::parse(Json("\xff").dump()).as_string() == "\\xFF");
}
