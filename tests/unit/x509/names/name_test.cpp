#include "x509/names/name.h"

#include "unit/x509/error_of.h"

#include <catch2/catch.hpp>

using namespace hsmbridge;
using namespace hsmbridge::x509;
using hsmbridge::test::refusal;

TEST_CASE("A subject keeps the order in which it is written") {
  CHECK(Name::parse("C=CH, O=Example, CN=www").to_string() == "C=CH, O=Example, CN=www");
  CHECK(Name::parse("CN=www, O=Example, C=CH").to_string() == "CN=www, O=Example, C=CH");
  CHECK_FALSE(Name::parse("C=CH, CN=www") == Name::parse("CN=www, C=CH"));
  CHECK(Name::parse("/C=CH/O=Example/CN=www") == Name::parse("C=CH, O=Example, CN=www"));
}

TEST_CASE("A subject becomes exactly this DER") {
  CHECK(hex(Name::parse("C=CH,CN=é").der()) ==
        "301a310b300906035504061302434831"
        "0b300906035504030c02c3a9");
  CHECK(hex(Name::parse("").der()) == "3000");
  CHECK(hex(Name::parse("DC=example, emailAddress=a@b").der()) ==
        "302d31173015060a0992268993f22c64011916076578616d706c6531123010"
        "06092a864886f70d01090116036140"
        "62");
  // A multi-valued relative name is a SET OF, sorted by its DER whatever the order in the text.
  CHECK(Name::parse("CN=a+UID=b").der() == Name::parse("UID=b+CN=a").der());
  CHECK(hex(Name::parse("1.2.3.4=#0401ff").der()) == "300c310a300806032a03040401ff");
}

TEST_CASE("Text of a subject is read back to the same name") {
  for (const char* text :
       {"CN=a+UID=b, O=Example, C=CH", "CN=a\\, b\\+c\\;d\\\"e\\\\f\\<g\\>", "CN=\\#1", "CN=\\ both\\ ", "CN=x y",
        "CN=Zürich Łódź 東京", "organizationIdentifier=VATCH-1", "1.2.3.4=v", "STREET=1", "DC=example, DC=com",
        "serialNumber=1, emailAddress=a@example.com", "1.2.3.4=#0401ff", "CN=/a/b", "CN=a=b"}) {
    CAPTURE(text);
    const Name name = Name::parse(text);
    CHECK(Name::parse(name.to_string()) == name);
    CHECK(Name::from_der(name.der()) == name);
    CHECK(Name::from_der(name.der()).same_text(name));
  }
  CHECK(Name::parse("CN=\"a, b\" , OU=x").to_string() == "CN=a\\, b, OU=x");
  CHECK(Name::parse("cn=a;ou=b").to_string() == "CN=a, OU=b");
  CHECK(Name::parse("CN=\\c3\\a9").to_string() == "CN=é");
  CHECK(Name::parse("OID.2.5.4.97=x") == Name::parse("organizationIdentifier=x"));
  CHECK(Name::parse("telephoneNumber=1").to_string() == "telephoneNumber=1");
  CHECK(Name::parse("CN=a, CN=b").find(oids::kCommonName) == "b");
}

TEST_CASE("A malformed subject is refused naming the part") {
  const struct {
    const char* text;
    const char* part;
  } rows[] = {
      {"CN", "is not TYPE=value"},
      {"CN=a,", "an attribute (TYPE=value) is missing"},
      {"CN=a,,O=b", "an attribute (TYPE=value) is missing"},
      {"CN=", "a value is missing after CN="},
      {"CN=a+", "an attribute (TYPE=value) is missing"},
      {"O=Example, Inc", "\"Inc\" is not TYPE=value"},
      {"nonsense=1", "\"nonsense\" is not a known attribute type"},
      {"CN=\xff", "it is not valid UTF-8"},
      {"CN=a\x1b[2J", "it holds a control character"},
      {"CN=\\0a", "it holds a control character"},
      {"CN=a\xe2\x80\xae"
       "b",
       "it holds a control character"},
      {"C=CHE", "C has exactly 2 characters"},
      {"C=1a", "a country is two letters"},
      {"C=\xc3\xa9x", "C takes only letters"},
      {"serialNumber=a_b", "(PrintableString)"},
      {"DC=m\xc3\xbcller", "(IA5String)"},
      {"CN=\"a", "a double quote is not closed"},
      {"CN=\"a\"b", "something follows a closing double quote"},
      {"CN=a\\", "it ends with a backslash"},
      {"CN=a\\q", "is not a valid escape sequence"},
      {"CN=#04", "is not one DER element"},
      {"CN=0123456789012345678901234567890123456789012345678901234567890123456789", "CN has at most 64 characters"},
      {"CN=a+CN=a", "the same attribute appears twice"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.text);
    const std::string message = refusal([&] { Name::parse(row.text); });
    CAPTURE(message);
    CHECK(message.find(row.part) != std::string::npos);
    CHECK_FALSE(message.find('\x1b') != std::string::npos);
  }
}

TEST_CASE("A value given as DER passes the checks of its text and keeps its string type") {
  const struct {
    const char* text;
    const char* why;
  } rows[] = {
      {"CN=#0c03610062", "it holds a control character"},  // a, NUL, b
      {"CN=#1303610062", "it holds a control character"},  // the same as PrintableString
      {"C=#1303434845", "C has exactly 2 characters"},     // CHE
      {"C=#13023132", "a country is two letters"},         // 12
      {"CN=#0c00", "a value is missing after CN="},       {"CN=#0c01ff", "does not fit its own ASN.1 string type"},
      {"CN=#13022a2a00", "not one DER element"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.text);
    CHECK(refusal([&] { Name::parse(row.text); }).find(row.why) != std::string::npos);
  }
  CHECK(Name::parse("CN=#130161").relative_names()[0][0].string_type == StringType::printable);
  CHECK(hex(Name::parse("C=#0c024348").der()) == "300d310b300906035504060c024348");
  CHECK(Name::parse("1.2.3.4=#0401ff").to_string() == "1.2.3.4=#0401ff");  // no string: nothing to check
}

TEST_CASE("Upper bounds count characters and not octets") {
  std::string value;
  for (int i = 0; i < 64; ++i) value += "é";
  CHECK(Name::parse("CN=" + value).find(oids::kCommonName) == value);
}

TEST_CASE("Names of other people keep their bytes and are shown safely") {
  // CN as BMPString, T61String, a PrintableString with an underscore, a UTF8String with an escape character.
  const Bytes der = from_hex(
      "3040310d300b06035504031e0400410142310b300906035504031402e9e9310c300a0603550403130361"
      "5f62311430120603550403"
      "0c0b611b5b324a622d2d2d2d2d");
  const Name name = Name::from_der(der);
  CHECK(name.der() == der);
  CHECK(name.to_string() == "CN=Ał, CN=éé, CN=a_b, CN=a\\1b[2Jb-----");
}

TEST_CASE("Cut and padded DER names are refused") {
  const Bytes der = Name::parse("C=CH, CN=www").der();
  for (std::size_t length = 0; length < der.size(); ++length) {
    CHECK(refusal([&] { Name::from_der(ByteView(der).first(length)); }) != "accepted");
  }
  Bytes longer = der;
  longer.push_back(0);
  CHECK(refusal([&] { Name::from_der(longer); }) != "accepted");
}

TEST_CASE("The same text in another string type is another name with the same text") {
  const Name utf8 =
      Name::from_der(from_hex("300c310a30080603550403"
                              "0c0161"));
  const Name printable =
      Name::from_der(from_hex("300c310a30080603550403"
                              "130161"));
  CHECK_FALSE(utf8 == printable);
  CHECK(utf8.same_text(printable));
}
