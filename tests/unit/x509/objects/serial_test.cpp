#include "x509/objects/serial.h"

#include "unit/x509/error_of.h"

#include <catch2/catch.hpp>

using namespace hsmbridge::x509;
using hsmbridge::test::refusal;

TEST_CASE("One serial number in many spellings is one number") {
  for (const char* text :
       {"0ABC", "abc", "0abc", "000ABC", "0xabc", "0X0ABC", "0A:BC", "0a bc", " 0ABC\n", "serial=0ABC",
        "serialNumber=0ABC", "Serial Number: 0a:bc", "Serial Number: 2748 (0xabc)", "Serial Number:\n    0a:bc"}) {
    CAPTURE(text);
    CHECK(parse_serial(text) == "0abc");
    CHECK(same_serial(text, "ABC"));
  }
  CHECK(parse_serial("00AB") == "ab");
  CHECK(parse_serial("0") == "00");
  CHECK(parse_serial("-1") == "-01");
  // Digits alone are hexadecimal.
  CHECK(parse_serial("1234") == "1234");
  CHECK(parse_serial("-1") != parse_serial("1"));
  CHECK_FALSE(same_serial("AB", "ABC"));
  CHECK_FALSE(same_serial("", "0"));
  CHECK_FALSE(same_serial("x", "x"));
}

TEST_CASE("What is not a serial number is refused with what was typed") {
  CHECK(refusal([] { parse_serial("www.example.com"); }) ==
        "\"www.example.com\" is not a serial number in hexadecimal");
  for (const std::string& text :
       {std::string(), std::string("serial="), std::string("0x"), std::string("--1"), std::string("12g4"),
        std::string(65, '1'), std::string(100'000, '1'), std::string("1\0002", 3)}) {
    CHECK(refusal([&] { parse_serial(text); }).find("is not a serial number in hexadecimal") != std::string::npos);
  }
}
