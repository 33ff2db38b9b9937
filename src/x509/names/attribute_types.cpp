#include "x509/names/attribute_types.h"

#include "base/error.h"
#include "base/text.h"

#include <openssl/err.h>
#include <openssl/objects.h>

#include <array>

namespace hsmbridge::x509 {
namespace {

enum class Value { directory, printable, ia5 };

// how it is written, other names (lower case, blanks between), OID, value, most characters, exact characters
// (RFC 5280 appendix A.1 upper bounds; RFC 4514 §3 and RFC 4519 §2 names)
struct Row {
  const char* text;
  const char* aliases;
  const char* oid;
  Value value;
  std::size_t most;
  std::size_t exactly;
};
constexpr std::array kRows{
    Row{"CN", "commonname", "2.5.4.3", Value::directory, 64, 0},
    Row{"surname", "sn", "2.5.4.4", Value::directory, 32768, 0},
    Row{"serialNumber", "", "2.5.4.5", Value::printable, 64, 0},
    Row{"C", "countryname country", "2.5.4.6", Value::printable, 0, 2},
    Row{"L", "localityname locality", "2.5.4.7", Value::directory, 128, 0},
    Row{"ST", "stateorprovincename state s", "2.5.4.8", Value::directory, 128, 0},
    Row{"STREET", "streetaddress", "2.5.4.9", Value::directory, 0, 0},
    Row{"O", "organizationname organization", "2.5.4.10", Value::directory, 64, 0},
    Row{"OU", "organizationalunitname organizationalunit", "2.5.4.11", Value::directory, 64, 0},
    Row{"title", "t", "2.5.4.12", Value::directory, 64, 0},
    Row{"description", "", "2.5.4.13", Value::directory, 1024, 0},
    Row{"businessCategory", "", "2.5.4.15", Value::directory, 128, 0},
    Row{"postalCode", "", "2.5.4.17", Value::directory, 40, 0},
    Row{"name", "", "2.5.4.41", Value::directory, 32768, 0},
    Row{"givenName", "gn", "2.5.4.42", Value::directory, 32768, 0},
    Row{"initials", "", "2.5.4.43", Value::directory, 32768, 0},
    Row{"generationQualifier", "", "2.5.4.44", Value::directory, 32768, 0},
    Row{"dnQualifier", "", "2.5.4.46", Value::printable, 0, 0},
    Row{"pseudonym", "", "2.5.4.65", Value::directory, 128, 0},
    Row{"organizationIdentifier", "", "2.5.4.97", Value::directory, 0, 0},
    Row{"UID", "userid", "0.9.2342.19200300.100.1.1", Value::directory, 256, 0},
    Row{"DC", "domaincomponent", "0.9.2342.19200300.100.1.25", Value::ia5, 63, 0},
    Row{"emailAddress", "e email", "1.2.840.113549.1.9.1", Value::ia5, 255, 0},
    Row{"jurisdictionL", "jurisdictionlocalityname", "1.3.6.1.4.1.311.60.2.1.1", Value::directory, 128, 0},
    Row{"jurisdictionST", "jurisdictionstateorprovincename", "1.3.6.1.4.1.311.60.2.1.2", Value::directory, 128, 0},
    Row{"jurisdictionC", "jurisdictioncountryname", "1.3.6.1.4.1.311.60.2.1.3", Value::printable, 0, 2},
};

bool is_among(std::string_view word, std::string_view words) {
  while (!words.empty()) {
    const std::size_t end = words.find(' ');
    if (equal_ignoring_case(word, words.substr(0, end))) return true;
    words = end == std::string_view::npos ? std::string_view{} : words.substr(end + 1);
  }
  return false;
}

const Row* row_of(const Oid& type) {
  for (const Row& row : kRows) {
    if (type.dotted() == row.oid) return &row;
  }
  return nullptr;
}

}  // namespace

Oid parse_attribute_type(std::string_view text) {
  for (const Row& row : kRows) {
    if (equal_ignoring_case(text, row.text) || is_among(text, row.aliases)) return Oid(row.oid);
  }
  try {
    return Oid::parse(text);
  } catch (const Error&) {
    // OpenSSL's own look-up minds letter case.
    const int end = ::OBJ_new_nid(0);
    for (int nid = 1; nid < end; ++nid) {
      const char* shorter = ::OBJ_nid2sn(nid);
      const char* longer = ::OBJ_nid2ln(nid);
      if ((shorter != nullptr && equal_ignoring_case(text, shorter)) ||
          (longer != nullptr && equal_ignoring_case(text, longer))) {
        ::ERR_clear_error();
        return Oid::parse(shorter);
      }
    }
    ::ERR_clear_error();  // gaps in the table of names
    throw Error{ErrorKind::invalid_input, "subject: \"" + printable(text) + "\" is not a known attribute type"}.hint(
        "use a name like CN, O, OU, C, L, ST, DC, UID, serialNumber or emailAddress, or an OID like 2.5.4.97");
  }
}

std::string attribute_type_text(const Oid& type) {
  const Row* row = row_of(type);
  return row != nullptr ? std::string(row->text) : type.name();
}

AttributeTypeRule attribute_type_rule(const Oid& type) {
  AttributeTypeRule rule;
  if (const Row* row = row_of(type)) {
    rule.most = row->most;
    rule.exactly = row->exactly;
    if (row->value == Value::printable) rule.string_type = StringType::printable;
    if (row->value == Value::ia5) rule.string_type = StringType::ia5;
  }
  return rule;
}

}  // namespace hsmbridge::x509
