#include "net/url.h"

#include "base/error.h"

#include <catch2/catch.hpp>
#include <string>
#include <utility>
#include <vector>

using namespace hsmbridge;
using namespace hsmbridge::net;

TEST_CASE("an https address is read with its host and port") {
  struct Row {
    const char* given;
    const char* text;
    const char* host;
    unsigned port;
    const char* authority;
  };
  const std::vector<Row> rows{
      {"https://tsb.example", "https://tsb.example", "tsb.example", 443, "tsb.example:443"},
      {"https://tsb.example/", "https://tsb.example", "tsb.example", 443, "tsb.example:443"},
      {"HTTPS://TSB.Example:8443/a/B/", "https://tsb.example:8443/a/B", "tsb.example", 8443, "tsb.example:8443"},
      {"https://127.0.0.1:1", "https://127.0.0.1:1", "127.0.0.1", 1, "127.0.0.1:1"},
      {"https://[::1]:8443/v1", "https://[::1]:8443/v1", "::1", 8443, "[::1]:8443"},
      {"https://[2001:db8::1]", "https://[2001:db8::1]", "2001:db8::1", 443, "[2001:db8::1]:443"},
  };
  for (const Row& row : rows) {
    INFO(row.given);
    const Url url = Url::parse(row.given);
    CHECK(url.text() == row.text);
    CHECK(url.host() == row.host);
    CHECK(url.port() == row.port);
    CHECK(url.authority() == row.authority);
  }
}

TEST_CASE("an address that is not plain https is refused and its password not repeated") {
  for (const char* text : {"",
                           "tsb.example",
                           "http://tsb.example",
                           "HTTP://localhost",
                           "ftp://a",
                           "file:///etc/passwd",
                           "https://",
                           "https:///path",
                           "https://user:hunter2@tsb.example",
                           "https://hunter2@tsb.example",
                           "https://a/?q=hunter2",
                           "https://a/#hunter2",
                           "https://a:0",
                           "https://a:65536",
                           "https://a:x",
                           "https://a:",
                           "https://a b",
                           "https://a/b c",
                           "https://m\xc3\xbcller.example",
                           "https://a\\b",
                           "https://[::1",
                           "https://[zz::1]",
                           "https://[]",
                           "https://a\n",
                           "https://a:1:2",
                           "https://::1",
                           "https://a?b",
                           "https://a/\"",
                           " https://a"}) {
    INFO(text);
    try {
      const Url url = Url::parse(text);
      FAIL_CHECK("accepted as " << url.text());
    } catch (const Error& error) {
      CHECK(error.kind() == ErrorKind::invalid_input);
      CHECK(error.message().find("hunter2") == std::string::npos);
    }
  }
}

TEST_CASE("a path is put under the address") {
  CHECK(Url::parse("https://a").at("/v1/sign") == "https://a/v1/sign");
  CHECK(Url::parse("https://a:8443/tsb/").at("/v1/sign?x=1") == "https://a:8443/tsb/v1/sign?x=1");
  for (const char* path : {"", "v1", "/a b", "/a\r\nHost: b", "/\xc3\xa4", "/a#b", "/a\\b"}) {
    INFO(path);
    CHECK_THROWS_AS(Url::parse("https://a").at(path), Error);
  }
}

TEST_CASE("everything but unreserved characters of a segment is encoded") {
  CHECK(percent_encode("aZ09-._~") == "aZ09-._~");
  CHECK(percent_encode("a/b?c#d e%f+&") == "a%2Fb%3Fc%23d%20e%25f%2B%26");
  CHECK(percent_encode("\xc3\xa4\n") == "%C3%A4%0A");
  CHECK(percent_encode(std::string_view("\0", 1)) == "%00");
  CHECK(percent_encode("..") == "%2E%2E");
  CHECK(percent_encode(".") == "%2E");
  CHECK(percent_encode("a..b") == "a..b");
  CHECK(percent_encode("") == "");
}

TEST_CASE("the address of what anybody may read is plain http, and no client of a service takes it") {
  for (const char* text : {"http://ca.example.com/issuing.crl", "http://ca.example.com", "http://127.0.0.1:8080/a?b=c",
                           "HTTP://CA.Example.com/a%20b.crl"}) {
    INFO(text);
    CHECK(PublicUrl::parse(text).text() == text);
    CHECK_THROWS_AS(Url::parse(text), Error);
  }
  CHECK(PublicUrl::parse("http://CA.example.com/a").authority() == "ca.example.com:80");
  CHECK(PublicUrl::parse("http://[::1]:81/a").authority() == "[::1]:81");
  for (const char* text :
       {"", "ca.example.com", "https://ca.example.com/a", "file:///etc/passwd", "ftp://a/b", "http://",
        "http://user:hunter2@a/b", "http://a/b#c", "http://a b/c", "http://a/b c", "http://a:0/b", "http://a/\n"}) {
    INFO(text);
    CHECK_THROWS_AS(PublicUrl::parse(text), Error);
  }
}
