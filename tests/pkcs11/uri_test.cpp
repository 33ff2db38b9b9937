#include "pkcs11/token/uri.h"

#include "private_token.h"

#include <catch2/catch.hpp>

using namespace hsmbridge;
using namespace hsmbridge::pkcs11;
using hsmbridge::test::error_of;

TEST_CASE("a selector is a label or an id or a URI") {
  const auto label = KeySelector::parse("web 2026");
  CHECK(label.has_label());
  CHECK(label.label() == "web 2026");
  CHECK_FALSE(label.has_id());
  CHECK(label.uri().empty());

  const auto id = KeySelector::parse("id=0A01");
  CHECK(id.has_id());
  CHECK(id.id() == Bytes{0x0a, 0x01});
  CHECK_FALSE(id.has_label());

  const auto uri = KeySelector::parse("pkcs11:token=web;id=%0a%01;object=web%202026;type=private");
  CHECK(uri.id() == Bytes{0x0a, 0x01});
  CHECK(uri.label() == "web 2026");
  CHECK(uri.uri() == "pkcs11:token=web;id=%0a%01;object=web%202026;type=private");
}

TEST_CASE("a selector that cannot be understood is refused") {
  for (const char* text :
       {"", "id=", "id=0", "id=xy", "pkcs11:frobnicate=1", "pkcs11:token=%zz", "pkcs11:type=banana"}) {
    INFO(text);
    CHECK(error_of([&] { KeySelector::parse(text); }).kind() == ErrorKind::invalid_input);
  }
}

TEST_CASE("a PIN in a URI is refused and not repeated") {
  const Error error = error_of([] { check_uri("pkcs11:token=web?pin-value=314159"); });
  CHECK(error.kind() == ErrorKind::invalid_input);
  CHECK(error.message() == "a PKCS#11 URI holds a PIN (pin-value)");
  CHECK(error.message().find("314159") == std::string::npos);
  CHECK(error.hint().find("314159") == std::string::npos);
  CHECK(error_of([] { check_uri("pkcs11:token=web?pin-source=%7cecho"); }).kind() == ErrorKind::invalid_input);
}

TEST_CASE("a malformed URI with a PIN in it is not repeated") {
  for (const char* text : {"pkcs11:token=%zz?pin-value=314159", "pkcs11:nonsense;pin-value=314159",
                           "pkcs12:token=web?pin-value=314159", "pkcs11:token=%zz?PIN-VALUE=314159"}) {
    INFO(text);
    const Error error = error_of([&] { check_uri(text); });
    CHECK(error.kind() == ErrorKind::invalid_input);
    CHECK(error.message() == "a PKCS#11 URI is malformed and holds a PIN (pin-value)");
    CHECK(error.hint().find("314159") == std::string::npos);
  }
}

TEST_CASE("a URI that is written is read as the same parts") {
  const std::string uri = format_uri({.token = "we;b=ü/?",
                                      .manufacturer = {},
                                      .serial = "0a1",
                                      .model = {},
                                      .id = {0x00, 0x41, 0xff},
                                      .object = "a b",
                                      .type = "private"});
  CHECK(uri == "pkcs11:token=we%3bb%3d%c3%bc%2f%3f;serial=0a1;id=%00%41%ff;object=a%20b;type=private");
  const auto selector = KeySelector::parse(uri);
  CHECK(selector.id() == Bytes{0x00, 0x41, 0xff});
  CHECK(selector.label() == "a b");
}
