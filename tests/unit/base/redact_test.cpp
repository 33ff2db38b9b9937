#include "base/redact.h"

#include "base/bytes.h"
#include "base/json.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <ctime>

using namespace hsmbridge;

namespace {

std::string without(const std::string& secret, const std::string& text) {
  return redacted(text, {Secret(secret)});
}

}  // namespace

TEST_CASE("a secret is taken out of a text wherever it stands") {
  CHECK(without("tsb-key-0123", "API key 'tsb-key-0123' is not known, tsb-key-0123") ==
        "API key '(left out)' is not known, (left out)");
  CHECK(redacted("first-secret then second-secret", {Secret("first-secret"), Secret("second-secret")}) ==
        "(left out) then (left out)");
  CHECK(without("tsb-key-0123", "nothing of it") == "nothing of it");
  CHECK(redacted("text", {}) == "text");
  CHECK(redacted("text", {Secret()}) == "text");
}

TEST_CASE("a secret is found however it was escaped, and JSON stays JSON") {
  const std::string secret = "pä\"ss\\wo/rd & <more>";
  const std::string once = Json(secret).dump();
  const std::string twice = Json(once).dump();
  for (const std::string& text :
       {secret, once, twice, Json(twice).dump(), std::string(R"("p\u00e4\"ss\\wo\/rd \u0026 \u003cmore\u003e")"),
        std::string(R"("p\u00E4\u0022ss\\wo/rd & \u003Cmore>")"),
        std::string("p%C3%A4%22ss%5Cwo%2Frd%20%26%20%3Cmore%3E"), std::string("p%c3%a4%22ss%5cwo/rd+%26+%3cmore%3e"),
        std::string("p%25C3%25A4%2522ss%255Cwo%252Frd%2520%2526%2520%253Cmore%253E"),
        std::string("pä&quot;ss\\wo/rd &amp; &lt;more&gt;"),
        std::string("p&#228;&#34;ss\\wo/rd &#x26; &lt;more&gt;")}) {
    CAPTURE(text);
    const std::string clean = without(secret, "before " + text + " behind");
    CHECK(clean.find("(left out)") != std::string::npos);
    CHECK(clean.find("ss") == std::string::npos);
    CHECK(clean.find("more") == std::string::npos);
    CHECK(clean.starts_with("before "));
    CHECK(clean.ends_with(" behind"));
    if (text.front() == '"') CHECK_NOTHROW(Json::parse(without(secret, text)));
  }
  CHECK(without("100%&sure%41&amp;thing", "100%&sure%41&amp;thing") == "(left out)");
  CHECK(without("100%&sure%41&amp;thing", "100%25%26sure%2541%26amp%3Bthing") == "(left out)");
  CHECK(without("sécret-\xF0\x9F\x94\x91-key", R"(s\u00e9cret-\ud83d\udd11-key)") == "(left out)");
  CHECK(without("100%&sure%41&amp;thing", "100%&sure%41&amp;thing") == "(left out)");
  CHECK(without("100%&sure%41&amp;thing", "100%25%26sure%2541%26amp%3Bthing") == "(left out)");
  CHECK(without("sécret-\xF0\x9F\x94\x91-key", R"(s\\u00E9cret-\\uD83D\\uDD11-key)") == "(left out)");
}

TEST_CASE("a secret is found in HTML that was put into JSON or escaped again") {
  const std::string secret = "Pa&ss<word>\"2026'xyz";
  for (const char* text : {R"(Pa\u0026amp;ss\u0026lt;word\u0026gt;\u0026#34;2026\u0026#39;xyz)",
                           R"(Pa\\u0026amp;ss\\u0026lt;word\\u0026gt;\\u0026#34;2026\\u0026#39;xyz)",
                           "Pa&amp;amp;ss&amp;lt;word&amp;gt;&amp;quot;2026&amp;#39;xyz",
                           "Pa&amp;amp;amp;ss&amp;amp;lt;word&amp;amp;gt;&amp;amp;#x22;2026&amp;amp;apos;xyz",
                           R"(Pa\u0026amp;amp;ss\u0026amp;lt;word\u0026amp;gt;\u0026amp;#34;2026\u0026amp;#39;xyz)",
                           R"(Pa&amp;ss&lt;word&gt;\&quot;2026&#39;xyz)"}) {
    CAPTURE(text);
    CHECK(without(secret, std::string("bad key ") + text + ".") == "bad key (left out).");
  }
  CHECK(without("a&amp;amp;b-secret", "a&amp;amp;b-secret") == "(left out)");
  CHECK(without("a&amp;amp;b-secret", "a&amp;amp;amp;b-secret") == "(left out)");
  CHECK(without("a&amp;amp;b-secret", R"(a\u0026amp;amp;b-secret)") == "(left out)");
}

TEST_CASE("an array of characters is found as the secret that it is") {
  const Json body = Json::object({{"keyPassword", Json::array({"p", "a", "\"", ",", "\\", "ö", "w"})}, {"rest", "pa"}});
  const std::string secret = "pa\",\\öw";
  CHECK(without(secret, body.dump()) == R"x({"keyPassword":["(left out)"],"rest":"pa"})x");
  CHECK(without(secret, body.pretty()).find("ö") == std::string::npos);
  CHECK_NOTHROW(Json::parse(without(secret, body.pretty())));
  const std::string quoted = Json(body.pretty()).dump();
  CHECK(without(secret, quoted).find("ö") == std::string::npos);
  CHECK_NOTHROW(Json::parse(without(secret, quoted)));
  CHECK(without("secret", "value [s, e, c, r, e, t] is wrong") == "value [(left out)] is wrong");
  // What is too short to be found as a word is not found in an array either.
  CHECK(without("abc", R"(["a","b","c"])") == R"(["a","b","c"])");
}

TEST_CASE("base64 of a secret is found in both alphabets, also inside of something longer") {
  const std::string secret = "key>>>with???signs~~~";
  for (const std::string before : {"", "u", "us", "user:"}) {
    CAPTURE(before);
    std::string whole = base64(as_bytes(before + secret));
    const std::string clean = without(secret, "Basic " + whole + " refused");
    // What is left are at most the characters that belong to the neighbours too.
    CHECK(clean.find(base64(as_bytes(before + secret)).substr(8, 12)) == std::string::npos);
    CHECK(clean.find("(left out)") != std::string::npos);
    std::replace(whole.begin(), whole.end(), '+', '-');
    std::replace(whole.begin(), whole.end(), '/', '_');
    CHECK(without(secret, whole).find("(left out)") != std::string::npos);
  }
}

TEST_CASE("a secret that was cut is found by its first half") {
  CHECK(without("0123456789abcdefghijklmn", "API key '0123456789abcdefg...' refused") ==
        "API key '(left out)...' refused");
  CHECK(without("0123456789abcdefghijklmn", "0123456789a") == "0123456789a");
  CHECK(without("abcdefghijklmnopqr", "key abcdefghijk... is bad") == "key (left out)... is bad");
  CHECK(without("abcdefghijklmnopqr", "key abcdefghi") == "key (left out)");
  CHECK(without("abcdefghijkl", "key abcdefgh... is bad") == "key (left out)... is bad");
  // Seven of its characters may begin an ordinary word.
  CHECK(without("passwordless", "passwor...") == "passwor...");
  // Two tokens of one issuer begin alike: the second is not the first.
  const std::string first = "eyJhbGciOiJSUzI1NiJ9." + std::string(60, 'a');
  const std::string second = "eyJhbGciOiJSUzI1NiJ9." + std::string(60, 'b');
  CHECK(without(first, second) == second);
}

TEST_CASE("a short secret is taken out where it is a word of its own") {
  CHECK(without("1234", "password '1234' is wrong, 12345 items, 41234") ==
        "password '(left out)' is wrong, 12345 items, 41234");
  CHECK(without("abc", "abc") == "abc");
}

TEST_CASE("JSON stays JSON where a secret of digits is equal to a number in it") {
  CHECK(without("12345678", R"({"a":12345678,"b":[ 12345678 ],"c":"12345678"})") ==
        R"x({"a":0,"b":[ 0 ],"c":"(left out)"})x");
  CHECK(without("1234", R"({"errorCode":1234,"message":"password 1234 is wrong"})") ==
        R"x({"errorCode":0,"message":"password (left out) is wrong"})x");
  CHECK(without("1234", R"({"versions":[1,2, 3,4],"pin":["1","2","3","4"]})") ==
        R"x({"versions":[0],"pin":["(left out)"]})x");
}

TEST_CASE("the longer of two secrets that begin alike is taken out whole") {
  CHECK(redacted("secret-key-of-the-other", {Secret("secret-key"), Secret("secret-key-of-the-other")}) == "(left out)");
}

TEST_CASE("what only looks like an escape costs hardly more than any other text") {
  std::vector<Secret> secrets;
  for (int i = 0; i < 5; ++i) secrets.emplace_back("secret-key-number-" + std::to_string(i) + "-abcdefghij");
  const auto cost = [&](std::string_view part) {
    std::string text;
    while (text.size() < 256U * 1024) text += part;
    const std::clock_t begin = std::clock();
    CHECK(redacted(text, secrets) == text);
    return std::clock() - begin;
  };
  const auto plain = cost("x");
  for (const char* part : {"&", "&#", "&#1", "&amp;", "&amp;amp;#", "%", "%2", "\\", "\\u0026"}) {
    CAPTURE(part);
    CHECK(cost(part) < 50 * plain);
  }
}

TEST_CASE("a hostile text costs no more than its length") {
  const std::string backslashes(2'000'000, '\\');
  CHECK(without("\"quoted\"secret", backslashes).size() == backslashes.size());
  std::string commas;
  for (int i = 0; i < 300'000; ++i) commas += "\"a\",";
  CHECK(without("aaaaaaaab", commas).size() <= commas.size());
}
