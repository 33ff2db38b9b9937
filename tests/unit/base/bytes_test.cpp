#include "base/bytes.h"

#include "base/error.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <string>
#include <utility>
#include <vector>

using namespace hsmbridge;

namespace {

template <class Function>
ErrorKind kind_thrown(Function function) {
  try {
    function();
  } catch (const Error& error) {
    return error.kind();
  }
  FAIL("nothing was thrown");
  return ErrorKind::internal;
}

}  // namespace

TEST_CASE("hex is lower case without separators and reads either case back") {
  CHECK(hex(Bytes{}) == "");
  CHECK(hex(Bytes{0x00, 0x0f, 0xa5, 0xff}) == "000fa5ff");
  CHECK(from_hex("000FA5ff") == Bytes{0x00, 0x0f, 0xa5, 0xff});
  CHECK(from_hex("").empty());
}

TEST_CASE("hex with an odd length or a foreign character is refused") {
  for (const char* text : {"0", "abc", "0g", "g0", " 00", "0x00", "00 00", "00:00", "\xc3\xa4", "00\n0"}) {
    INFO(text);
    CHECK(kind_thrown([text] { from_hex(text); }) == ErrorKind::invalid_input);
  }
}

TEST_CASE("base64 agrees with the test vectors of RFC 4648 section 10") {
  const std::vector<std::pair<std::string, std::string>> vectors{
      {"", ""},
      {"f", "Zg=="},
      {"fo", "Zm8="},
      {"foo", "Zm9v"},
      {"foob", "Zm9vYg=="},
      {"fooba", "Zm9vYmE="},
      {"foobar", "Zm9vYmFy"},
  };
  for (const auto& [plain, encoded] : vectors) {
    INFO(plain);
    CHECK(base64(as_bytes(plain)) == encoded);
    CHECK(to_text(from_base64(encoded)) == plain);
  }
}

TEST_CASE("base64 keeps every octet in every position") {
  for (std::size_t size = 0; size < 70; ++size) {
    Bytes bytes;
    for (std::size_t i = 0; i < size; ++i) bytes.push_back(static_cast<std::uint8_t>(255 - i * 7));
    const std::string text = base64(bytes);
    CHECK(text.find('\n') == std::string::npos);
    CHECK(from_base64(text) == bytes);
  }
}

TEST_CASE("base64 that is not exactly RFC 4648 section 4 is refused") {
  // Among them: white space, missing and surplus padding, the URL alphabet, and unused bits that are not zero.
  for (const char* text : {"Z", "Zg", "Zg=", "Zg===", "====", "=", "Z===", "Zm=v", "Zm9v\n", " Zm9", "Zm9vZg==Zm9v",
                           "Zm8_", "Zm8-", "Zh==", "Zm9=", "Zm9v====", "\nZm9"}) {
    INFO(text);
    CHECK(kind_thrown([text] { from_base64(text); }) == ErrorKind::invalid_input);
  }
  CHECK(kind_thrown([] { from_base64(std::string_view("Zm9\0", 4)); }) == ErrorKind::invalid_input);
}

TEST_CASE("sha256 gives the digest of FIPS 180-4 for abc") {
  CHECK(hex(sha256(as_bytes("abc"))) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(hex(sha256(Bytes{})) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

TEST_CASE("random_bytes gives as many as asked and not the same twice") {
  CHECK(random_bytes(0).empty());
  const Bytes first = random_bytes(32);
  CHECK(first.size() == 32);
  CHECK_FALSE(equal(first, random_bytes(32)));
}

TEST_CASE("equal compares the length too") {
  CHECK(equal(Bytes{1, 2}, Bytes{1, 2}));
  CHECK_FALSE(equal(Bytes{1, 2}, Bytes{1, 2, 3}));
  CHECK_FALSE(equal(Bytes{1, 2, 3}, Bytes{1, 2}));
  CHECK(equal(Bytes{}, Bytes{}));
}

TEST_CASE("text and bytes are the same octets") {
  const std::string text("a\0\xff", 3);
  CHECK(to_bytes(text) == Bytes{'a', 0, 0xff});
  CHECK(to_text(to_bytes(text)) == text);
  CHECK(as_text(as_bytes(text)) == text);
}
