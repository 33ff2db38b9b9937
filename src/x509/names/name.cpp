#include "x509/names/name.h"

#include "base/error.h"
#include "base/text.h"
#include "x509/asn1/der.h"
#include "x509/asn1/unicode.h"
#include "x509/names/attribute_types.h"

#include <algorithm>
#include <utility>

namespace hsmbridge::x509 {
namespace {

[[noreturn]] void refuse_name(const std::string& why, std::string_view part) {
  throw Error{ErrorKind::invalid_input, "subject \"" + printable(part) + "\": " + why};
}

// ASN.1 type, its tag
struct StringTag {
  StringType type;
  std::uint8_t tag;
};
constexpr StringTag kStringTags[] = {
    {StringType::utf8, der::kUtf8String},       {StringType::printable, der::kPrintableString},
    {StringType::ia5, der::kIa5String},         {StringType::numeric, der::kNumericString},
    {StringType::teletex, der::kTeletexString}, {StringType::visible, der::kVisibleString},
    {StringType::bmp, der::kBmpString},         {StringType::universal, der::kUniversalString},
};

std::optional<std::string> decode_text(StringType type, ByteView content) {
  switch (type) {
    case StringType::utf8: {
      std::string text = to_text(content);
      if (!is_utf8(text)) return std::nullopt;
      return text;
    }
    // Strictly T.61, but everybody who still writes it means Latin-1.
    case StringType::teletex:
      return utf8_from_latin1(content);
    case StringType::bmp:
      return utf8_from_utf16(content);
    case StringType::universal:
      return utf8_from_utf32(content);
    case StringType::other:
      return std::nullopt;
    default:
      return utf8_from_ascii(content);
  }
}

NameAttribute decode_value(Oid type, const der::Element& element) {
  for (const StringTag& row : kStringTags) {
    if (row.tag != element.tag) continue;
    if (auto text = decode_text(row.type, element.content)) return {std::move(type), std::move(*text), row.type};
  }
  return {std::move(type), "#" + hex(element.whole), StringType::other};
}

Bytes encode_value(const NameAttribute& attribute) {
  const auto or_refuse = [&](std::optional<Bytes> octets) {
    if (!octets) refuse_name("the value does not fit its ASN.1 string type", attribute.value);
    return std::move(*octets);
  };
  switch (attribute.string_type) {
    case StringType::bmp:
      return der::element(der::kBmpString, or_refuse(utf16_from_utf8(attribute.value)));
    case StringType::universal:
      return der::element(der::kUniversalString, or_refuse(utf32_from_utf8(attribute.value)));
    case StringType::teletex:
      return der::element(der::kTeletexString, or_refuse(latin1_from_utf8(attribute.value)));
    case StringType::other: {
      if (attribute.value.empty() || attribute.value[0] != '#')
        refuse_name("a value as DER is # and hex", attribute.value);
      try {
        Bytes der = from_hex(std::string_view(attribute.value).substr(1));
        der::only(der, "value");
        return der;
      } catch (const Error& error) {
        refuse_name("the value after # is not one DER element in hex (" + error.message() + ")", attribute.value);
      }
    }
    default:
      break;
  }
  if (attribute.string_type != StringType::utf8 && !is_ascii(attribute.value)) {
    refuse_name("only ASCII characters are allowed", attribute.value);
  }
  for (const StringTag& row : kStringTags) {
    if (row.type == attribute.string_type) return der::text(row.tag, attribute.value);
  }
  throw Error{ErrorKind::internal, "a string type without a tag"};
}

NameAttribute checked(NameAttribute attribute);

// A value given as DER keeps its encoding, and must say what could have been said as text.
void check_der_value(const NameAttribute& attribute) {
  const Bytes der = encode_value(attribute);
  const NameAttribute read = decode_value(attribute.type, der::only(der, "value"));
  if (read.string_type != StringType::other) {
    checked(read);
    return;
  }
  const std::uint8_t tag = der.front();
  for (const StringTag& row : kStringTags) {
    if (row.tag == tag) refuse_name("the value after # does not fit its own ASN.1 string type", attribute.value);
  }
}

// The checks of RFC 5280 appendix A.1, and the ASN.1 type that the attribute's definition demands.
NameAttribute checked(NameAttribute attribute) {
  if (attribute.string_type == StringType::other) {
    check_der_value(attribute);
    return attribute;
  }
  const std::string name = attribute_type_text(attribute.type);
  const std::string part = name + "=" + attribute.value;
  if (attribute.value.empty()) refuse_name("a value is missing after " + name + "=", part);
  if (!is_utf8(attribute.value)) refuse_name("it is not valid UTF-8", part);
  if (has_control(attribute.value)) refuse_name("it holds a control character", part);
  const AttributeTypeRule rule = attribute_type_rule(attribute.type);
  const std::size_t characters = character_count(attribute.value);
  if (rule.exactly != 0 && characters != rule.exactly) {
    refuse_name(name + " has exactly " + std::to_string(rule.exactly) + " characters", part);
  }
  if (rule.most != 0 && characters > rule.most) {
    refuse_name(name + " has at most " + std::to_string(rule.most) + " characters, this one " +
                    std::to_string(characters) + " (RFC 5280 appendix A.1)",
                part);
  }
  if (rule.string_type) {
    attribute.string_type = *rule.string_type;
    if (*rule.string_type == StringType::printable && !is_printable_string(attribute.value)) {
      refuse_name(name + " takes only letters, digits, space and '()+,-./:=? (PrintableString)", part);
    }
    if (!is_ascii(attribute.value)) refuse_name(name + " takes only ASCII characters (IA5String)", part);
  }
  if (rule.exactly == 2) {
    if (!std::all_of(attribute.value.begin(), attribute.value.end(), is_letter)) {
      refuse_name("a country is two letters (ISO 3166), for example C=CH", part);
    }
  }
  return attribute;
}

// Reads the text form. `at_` moves through the text once.
class NameReader {
 public:
  explicit NameReader(std::string_view text) : text_(text) {
    if (!text_.empty() && text_[0] == '/') {
      slashes_ = true;
      ++at_;
    }
  }

  std::vector<RelativeName> read() {
    std::vector<RelativeName> names;
    for (;;) {
      RelativeName name;
      do {
        name.push_back(read_attribute());
      } while (take('+'));
      names.push_back(std::move(name));
      if (at_ == text_.size()) return names;
      ++at_;  // a separator: read_value stops at nothing else
    }
  }

 private:
  bool is_separator(char c) const { return slashes_ ? c == '/' : (c == ',' || c == ';'); }
  bool at_value_end() const { return at_ == text_.size() || text_[at_] == '+' || is_separator(text_[at_]); }
  bool take(char c) {
    if (at_ == text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  void skip_spaces() {
    while (at_ < text_.size() && text_[at_] == ' ') ++at_;
  }

  NameAttribute read_attribute() {
    skip_spaces();
    const std::size_t start = at_;
    while (at_ < text_.size() && text_[at_] != '=' && !at_value_end()) ++at_;
    std::string_view type = text_.substr(start, at_ - start);
    while (!type.empty() && type.back() == ' ') type.remove_suffix(1);
    if (!take('=')) {
      if (type.empty())
        refuse_name("an attribute (TYPE=value) is missing at position " + std::to_string(start + 1), text_);
      throw Error{ErrorKind::invalid_input,
                  "subject \"" + printable(text_) + "\": \"" + printable(type) + "\" is not TYPE=value"}
          .hint("a comma, plus sign or slash inside a value is written with a backslash before it");
    }
    NameAttribute attribute;
    attribute.type = parse_attribute_type(type);
    skip_spaces();
    if (at_ < text_.size() && text_[at_] == '"') {
      read_quoted(attribute.value);
    } else if (at_ < text_.size() && text_[at_] == '#') {
      const std::size_t from = at_;
      while (!at_value_end()) ++at_;
      attribute.value = std::string(text_.substr(from, at_ - from));
      while (!attribute.value.empty() && attribute.value.back() == ' ') attribute.value.pop_back();
      attribute.string_type = StringType::other;
    } else {
      read_plain(attribute.value);
    }
    return attribute;
  }

  void read_quoted(std::string& value) {
    ++at_;
    while (at_ < text_.size() && text_[at_] != '"') {
      if (text_[at_] == '\\') {
        read_escape(value);
      } else {
        value.push_back(text_[at_++]);
      }
    }
    if (!take('"')) refuse_name("a double quote is not closed", text_);
    skip_spaces();
    if (!at_value_end()) refuse_name("something follows a closing double quote", text_);
  }

  void read_plain(std::string& value) {
    std::size_t keep = 0;  // trailing spaces beyond this were not escaped
    while (!at_value_end()) {
      if (text_[at_] == '\\') {
        read_escape(value);
        keep = value.size();
      } else {
        value.push_back(text_[at_++]);
        if (value.back() != ' ') keep = value.size();
      }
    }
    value.resize(keep);
  }

  void read_escape(std::string& value) {
    ++at_;
    if (at_ == text_.size()) refuse_name("it ends with a backslash", text_);
    const int high = hex_digit(text_[at_]);
    const int low = at_ + 1 < text_.size() ? hex_digit(text_[at_ + 1]) : -1;
    if (high >= 0 && low >= 0) {
      value.push_back(static_cast<char>(high * 16 + low));
      at_ += 2;
    } else if (std::string_view(" \"#+,;<=>\\/").find(text_[at_]) != std::string_view::npos) {
      value.push_back(text_[at_++]);
    } else {
      refuse_name("\"\\" + std::string(1, text_[at_]) + "\" is not a valid escape sequence", text_);
    }
  }

  std::string_view text_;
  std::size_t at_ = 0;
  bool slashes_ = false;
};

std::string_view without_leading_spaces(std::string_view text) {
  // A backslash before the last space keeps it; NameReader cuts spaces after values itself.
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  return text;
}

std::string escaped(std::string_view value) {
  std::string text;
  for (std::size_t at = 0; at < value.size();) {
    const std::size_t start = at;
    const auto c = next_code_point(value, at);
    if (!c) {  // cannot be: values are valid UTF-8
      text += "?";
      ++at;
      continue;
    }
    const std::string_view piece = value.substr(start, at - start);
    const bool edge_space = *c == ' ' && (start == 0 || at == value.size());
    if (is_control(*c)) {
      for (const char octet : piece) text += "\\" + hex(as_bytes(std::string_view(&octet, 1)));
    } else {
      if (edge_space || (*c == '#' && start == 0) ||
          std::string_view("\"+,;<>\\").find(piece) != std::string_view::npos) {
        text += "\\";
      }
      text += piece;
    }
  }
  return text;
}

}  // namespace

Name::Name() : der_(der::sequence()) {}

Name Name::parse(std::string_view text) {
  const std::string_view content = without_leading_spaces(text);
  if (content.empty()) return Name();
  if (content.find('\0') != std::string_view::npos) refuse_name("it holds a NUL character", content);
  return from(NameReader(content).read());
}

Name Name::from(std::vector<RelativeName> relative_names) {
  Bytes content;
  for (const RelativeName& relative_name : relative_names) {
    if (relative_name.empty()) throw Error{ErrorKind::invalid_input, "subject: a relative name without an attribute"};
    std::vector<Bytes> members;
    for (const NameAttribute& given : relative_name) {
      const NameAttribute attribute = checked(given);
      members.push_back(der::sequence(der::oid(attribute.type), encode_value(attribute)));
    }
    std::sort(members.begin(), members.end());
    if (std::adjacent_find(members.begin(), members.end()) != members.end()) {
      throw Error{ErrorKind::invalid_input, "subject: the same attribute appears twice in one relative name"};
    }
    der::append(content, der::set_of(std::move(members)));
  }
  return from_der(der::element(der::kSequence, content));
}

Name Name::from_der(ByteView der) {
  Name name;
  der::Reader sequence = der::inside(der, der::kSequence, "Name");
  while (!sequence.at_end()) {
    der::Reader set = sequence.enter(der::kSet, "RelativeDistinguishedName");
    RelativeName relative_name;
    while (!set.at_end()) {
      der::Reader attribute = set.enter(der::kSequence, "AttributeTypeAndValue");
      Oid type = attribute.oid("attribute type");
      const der::Element value = attribute.any("attribute value");
      attribute.expect_end("AttributeTypeAndValue");
      relative_name.push_back(decode_value(std::move(type), value));
    }
    if (relative_name.empty()) throw Error{ErrorKind::invalid_input, "Name: a relative name without an attribute"};
    name.relative_names_.push_back(std::move(relative_name));
  }
  name.der_.assign(der.begin(), der.end());
  return name;
}

void Name::check() const {
  for (const RelativeName& relative_name : relative_names_) {
    for (const NameAttribute& attribute : relative_name) checked(attribute);
  }
}

std::string Name::to_string() const {
  std::string text;
  for (const RelativeName& relative_name : relative_names_) {
    if (!text.empty()) text += ", ";
    bool first = true;
    for (const NameAttribute& attribute : relative_name) {
      if (!first) text += "+";
      first = false;
      text += attribute_type_text(attribute.type) + "=";
      text += attribute.string_type == StringType::other ? attribute.value : escaped(attribute.value);
    }
  }
  return text;
}

std::optional<std::string> Name::find(const Oid& type) const {
  std::optional<std::string> found;
  for (const RelativeName& relative_name : relative_names_) {
    for (const NameAttribute& attribute : relative_name) {
      if (attribute.type == type) found = attribute.value;
    }
  }
  return found;
}

bool Name::same_text(const Name& other) const {
  const auto texts = [](const RelativeName& relative_name) {
    std::vector<std::pair<Oid, std::string>> list;
    for (const NameAttribute& attribute : relative_name) list.emplace_back(attribute.type, attribute.value);
    std::sort(list.begin(), list.end());
    return list;
  };
  return std::equal(relative_names_.begin(), relative_names_.end(), other.relative_names_.begin(),
                    other.relative_names_.end(),
                    [&texts](const RelativeName& a, const RelativeName& b) { return texts(a) == texts(b); });
}

}  // namespace hsmbridge::x509
