#include "x509/names/general_name.h"

#include "unit/x509/error_of.h"

#include <catch2/catch.hpp>

using namespace hsmbridge;
using namespace hsmbridge::x509;
using hsmbridge::test::refusal;

TEST_CASE("Every kind of alternative name becomes its DER and is read back") {
  const struct {
    const char* text;
    const char* shown;
    const char* der;
  } rows[] = {
      {"dns:www.example.com", "dns:www.example.com", "820f7777772e6578616d706c652e636f6d"},
      {"DNS:WWW.Example.Com", "dns:www.example.com", "820f7777772e6578616d706c652e636f6d"},
      {"dns:*.example.com", "dns:*.example.com", "820d2a2e6578616d706c652e636f6d"},
      {"dns:müller.de", "dns:xn--mller-kva.de", "8210786e2d2d6d6c6c65722d6b76612e6465"},
      {"dns:straße.de", "dns:xn--strae-oqa.de", "8210786e2d2d73747261652d6f71612e6465"},
      {"dns:localhost", "dns:localhost", "82096c6f63616c686f7374"},
      {"dns:r3--sn.example.com", "dns:r3--sn.example.com", "821272332d2d736e2e6578616d706c652e636f6d"},
      {"ip:192.0.2.1", "ip:192.0.2.1", "8704c0000201"},
      {"ip:2001:DB8:0::1", "ip:2001:db8::1", "871020010db8000000000000000000000001"},
      {"email:ops@example.com", "email:ops@example.com",
       "81"
       "0f6f7073406578616d706c652e636f6d"},
      {"email:a.b+c@m\xc3\xbcller.de", "email:a.b+c@xn--mller-kva.de",
       "8116612e622b6340786e2d2d6d6c6c65722d6b76612e6465"},
      {"uri:https://example.com/", "uri:https://example.com/", "861468747470733a2f2f6578616d706c652e636f6d2f"},
      {"uri:urn:uuid:1", "uri:urn:uuid:1", "860a75726e3a757569643a31"},
      {"upn:u@e.ch", "upn:u@e.ch", "a018060a2b060104018237140203a00a0c08" /* length fixed below */},
      {"rid:1.2.3.4", "rid:1.2.3.4", "88032a0304"},
      {"dirname:C=CH", "dirname:C=CH",
       "a40f300d310b300906035504061302"
       "4348"},
      {"othername:1.2.3;NULL:", "othername:1.2.3;NULL:", "a00806022a03a0020500"},
      {"othername:1.2.3;INT:-1", "othername:1.2.3;INT:-1", "a00906022a03a0030201ff"},
      {"othername:1.2.3;INT:128", "othername:1.2.3;INT:128", "a00a06022a03a00402020080"},
      {"othername:1.2.3;BOOL:TRUE", "othername:1.2.3;BOOL:TRUE", "a00906022a03a0030101ff"},
      {"othername:1.2.3;OCTET:ff", "othername:1.2.3;OCTET:ff", "a00906022a03a0030401ff"},
      {"othername:1.2.3;DER:0401ff", "othername:1.2.3;OCTET:ff", "a00906022a03a0030401ff"},
      {"othername:1.2.3;DER:3000", "othername:1.2.3;DER:3000", "a00806022a03a0023000"},
      {"othername:1.2.3;OID:1.2", "othername:1.2.3;OID:1.2", "a00906022a03a00306012a"},
      {"othername:1.2.3;BMP:a", "othername:1.2.3;BMP:a", "a00a06022a03a0041e020061"},
      {"othername:1.2.3;IA5:a", "othername:1.2.3;IA5:a", "a00906022a03a003160161"},
      {"othername:1.2.3;PRINTABLE:a", "othername:1.2.3;PRINTABLE:a", "a00906022a03a003130161"},
      {"othername:1.2.3;UTF8:a;b:c", "othername:1.2.3;UTF8:a;b:c", "a00d06022a03a0070c05613b623a63"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.text);
    const GeneralName name = GeneralName::parse(row.text);
    CHECK(name.text == row.shown);
    if (std::string(row.text).rfind("upn:", 0) != 0) CHECK(hex(name.der) == row.der);
    const GeneralName again = GeneralName::from_der(name.der);
    CHECK(again == name);
    CHECK(again.text == name.text);
    CHECK(again.kind == name.kind);
    CHECK(GeneralName::parse(name.text) == name);
  }
  CHECK(hex(GeneralName::parse("upn:u@e.ch").der) ==
        "a016060a2b060104018237140203a0080c0675"
        "40652e6368");
}

TEST_CASE("A malformed alternative name is refused naming the value") {
  const struct {
    const char* text;
    const char* part;
  } rows[] = {
      {"www.example.com", "\"www.example.com\" is not a valid alternative name"},
      {"host:www", "\"host:www\" is not a valid alternative name"},
      {"dns:", "nothing follows the colon"},
      {"dns:a..b", "it has an empty label"},
      {"dns:.example.com", "it has an empty label"},
      {"dns:example.com.", "without the dot at the end"},
      {"dns:a b.example.com", "\"a b.example.com\": a label holds \" \""},
      {"dns:a_b.example.com", "an underscore"},
      {"dns:-a.example.com", "begins or ends with a hyphen"},
      {"dns:*", "a wildcard is the whole leftmost label"},
      {"dns:*.com", "a wildcard needs at least two labels"},
      {"dns:a.*.example.com", "a wildcard is the whole leftmost label"},
      {"dns:w*.example.com", "a wildcard is the whole leftmost label"},
      {"dns:*.*.example.com", "a wildcard is the whole leftmost label"},
      {"dns:192.0.2.1", "it would be read as an IP address"},
      {"dns:2001:db8::1", "a colon is not allowed"},
      {"dns:www.example.com:443", "a colon is not allowed"},
      {"dns:https://example.com", "a colon is not allowed"},
      {"dns:\xff", "not valid UTF-8"},
      {"dns:xn--zzzzzz--", "it cannot be written in A-labels"},
      {"dns:a\xe2\x80\x8b.example.com", "control character"},
      {"dns:0123456789012345678901234567890123456789012345678901234567890123.example", "63 is the most"},
      {"ip:192.0.2.256", "\"192.0.2.256\": neither IPv4"},
      {"ip:192.0.2.1/24", "neither IPv4"},
      {"ip:[2001:db8::1]", "neither IPv4"},
      {"ip:fe80::1%eth0", "neither IPv4"},
      {"email:ops", "a mail address is like"},
      {"email:@example.com", "a mail address is like"},
      {"email:a..b@example.com", "malformed before the @"},
      {"email:zo\xc3\xab@example.com", "letters beyond ASCII before the @"},
      {"uri:/path", "a URI is absolute"},
      {"uri:https://", "a host name is missing"},
      {"uri:https://example.com/a b", "must be percent-encoded"},
      {"uri:https://example.com/%zz", "not followed by two hex digits"},
      {"uri:1http://example.com", "not a URI scheme"},
      {"upn:user", "a user principal name is like"},
      {"rid:1", "is neither an object identifier"},
      {"rid:1.2.x", "is neither an object identifier"},
      {"dirname:", "nothing follows the colon"},
      {"dirname:nonsense", "is not TYPE=value"},
      {"othername:1.2.3", "it is written OID;TYPE:value"},
      {"othername:1.2.3;FOO:x", "\"FOO\" is not a valid type"},
      {"othername:1.2.3;INT:1.5", "not a decimal number"},
      {"othername:1.2.3;BOOL:yes", "TRUE or FALSE"},
      {"othername:1.2.3;DER:04", "othername value"},
      {"othername:x y;UTF8:a", "is neither an object identifier"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.text);
    const std::string message = refusal([&] { GeneralName::parse(row.text); });
    CAPTURE(message);
    CHECK(message.find(row.part) != std::string::npos);
  }
}

TEST_CASE("Bases of name constraints are read and shown") {
  const struct {
    const char* text;
    const char* shown;
    const char* der;
  } rows[] = {
      {"dns:", "dns:", "8200"},
      {"dns:.example.com", "dns:.example.com", "820c2e6578616d706c652e636f6d"},
      {"ip:10.0.0.0/8", "ip:10.0.0.0/8", "87080a000000ff000000"},
      {"ip:10.0.0.0/255.0.0.0", "ip:10.0.0.0/8", "87080a000000ff000000"},
      {"ip:0.0.0.0/0", "ip:0.0.0.0/0", "87080000000000000000"},
      {"ip:2001:db8::/32", "ip:2001:db8::/32", "872020010db8000000000000000000000000ffffffff000000000000000000000000"},
      {"email:example.com", "email:example.com", "810b6578616d706c652e636f6d"},
      {"email:.example.com", "email:.example.com", "810c2e6578616d706c652e636f6d"},
      {"uri:.example.com", "uri:.example.com", "860c2e6578616d706c652e636f6d"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.text);
    const GeneralName base = GeneralName::parse_constraint(row.text);
    CHECK(base.text == row.shown);
    CHECK(hex(base.der) == row.der);
    CHECK(GeneralName::constraint_from_der(base.der).text == row.shown);
  }
  for (const char* text : {"ip:10.0.0.1", "ip:10.0.0.1/8", "ip:10.0.0.0/33", "ip:10.0.0.0/255.0.255.0",
                           "ip:10.0.0.0/ffff::", "dns:*.example.com", "uri:https://example.com", "email:"}) {
    CAPTURE(text);
    CHECK(refusal([&] { GeneralName::parse_constraint(text); }) != "accepted");
  }
}

TEST_CASE("What others put into alternative names is shown safely") {
  CHECK(GeneralName::from_der(from_hex("8203611b62")).text == "dns:a\\x1Bb");
  CHECK(refusal([] { GeneralName::from_der(from_hex("8201ff")); }).find("not ASCII") != std::string::npos);
  CHECK(refusal([] { GeneralName::from_der(from_hex("870301020304")); }) != "accepted");
  CHECK(GeneralName::from_der(from_hex("a00b06022a03a0050c03611b62")).text == "othername:1.2.3;DER:0c03611b62");
}
