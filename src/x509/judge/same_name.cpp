#include "x509/judge/same_name.h"

#include "base/error.h"
#include "base/unicode.h"
#include "x509/asn1/der.h"
#include "x509/asn1/unicode.h"
#include "x509/names/dns_name.h"

#include <algorithm>
#include <optional>
#include <set>

namespace hsmbridge::x509 {
namespace {

const Oid kDomainComponent{"0.9.2342.19200300.100.1.25"};

void to_lower(Bytes& octets, std::size_t from, std::size_t end) {
  for (std::size_t at = from; at < std::min(end, octets.size()); ++at) {
    if (octets[at] >= 'A' && octets[at] <= 'Z') octets[at] = static_cast<std::uint8_t>(octets[at] - 'A' + 'a');
  }
}

// Scheme and host (RFC 5280 §7.4); user, port, path and query are compared as they are.
void lower_uri(Bytes& uri) {
  const std::string_view text = as_text(uri);
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos) return;
  std::size_t host = colon;
  std::size_t end = colon;
  if (text.substr(colon, 3) == "://") {
    end = std::min(text.find_first_of("/?#", colon + 3), text.size());
    const std::size_t at = text.substr(0, end).rfind('@');
    host = at != std::string_view::npos && at > colon ? at + 1 : colon + 3;
  }
  to_lower(uri, 0, colon);
  to_lower(uri, host, end);
}

// Capital letters of a block and the distance to their small ones. Letters of other blocks are compared as they are:
// then a name counts as changed, which a person can accept.
struct Capitals {
  char32_t first;
  char32_t last;
  char32_t distance;
};
constexpr Capitals kCapitals[] = {
    {'A', 'Z', 0x20},       {0x00C0, 0x00D6, 0x20}, {0x00D8, 0x00DE, 0x20},
    {0x0391, 0x03A9, 0x20}, {0x0400, 0x040F, 0x50}, {0x0410, 0x042F, 0x20},
};

char32_t small_letter(char32_t c) {
  for (const Capitals& block : kCapitals) {
    if (c >= block.first && c <= block.last) return c + block.distance;
  }
  // Latin Extended-A: a capital and its small letter side by side, the capital even, but odd in two stretches.
  if ((c >= 0x0100 && c <= 0x0137 && c != 0x0130) || (c >= 0x014A && c <= 0x0177)) return c | 1U;
  if ((c >= 0x0139 && c <= 0x0148) || (c >= 0x0179 && c <= 0x017E)) return c + (c & 1U);
  return c;
}

// RFC 4518 as far as RFC 5280 §7.1 wants it: letter case folded, blanks cut at both ends and one between words.
std::string folded(std::string_view text) {
  std::string result;
  bool blank = false;
  for (std::size_t at = 0; at < text.size();) {
    const auto c = next_code_point(text, at);
    if (!c) return std::string(text);  // cannot be: values are valid UTF-8
    if (*c == ' ' || *c == 0xA0) {
      blank = !result.empty();
      continue;
    }
    if (blank) result.push_back(' ');
    blank = false;
    append_utf8(result, small_letter(*c));
  }
  return result;
}

std::optional<std::string> host_in(std::string_view text) {
  try {
    return host_name(text, Wildcard::allowed);
  } catch (const Error&) {
    return std::nullopt;
  }
}

std::string attribute_key(const NameAttribute& attribute) {
  const std::string type = attribute.type.dotted();
  if (attribute.string_type == StringType::other) return type + "#" + attribute.value;
  // §7.3: a domain component is compared like a label of a domain name.
  const bool host = attribute.type == oids::kCommonName || attribute.type == kDomainComponent;
  return type + "=" + hex(as_bytes(host ? folded_common_name(attribute.value) : folded(attribute.value)));
}

using Keys = std::vector<std::vector<std::string>>;  // of each relative name, sorted

Keys keys_of(const Name& name) {
  Keys keys;
  for (const RelativeName& relative_name : name.relative_names()) {
    auto& group = keys.emplace_back();
    for (const NameAttribute& attribute : relative_name) group.push_back(attribute_key(attribute));
    std::sort(group.begin(), group.end());
  }
  return keys;
}

std::vector<std::string> flat(const Keys& keys) {
  std::vector<std::string> all;
  for (const auto& group : keys) all.insert(all.end(), group.begin(), group.end());
  std::sort(all.begin(), all.end());
  return all;
}

std::string key_of_directory(const Name& name) {
  std::string key = "directory";
  for (const auto& group : keys_of(name)) {
    key += "/";
    for (const std::string& attribute : group) key += attribute + "+";
  }
  return key;
}

void add_name(std::vector<GeneralName>& names, const std::string& text) {
  try {
    names.push_back(GeneralName::parse(text));
  } catch (const Error&) {
    // not a name of that kind
  }
}

}  // namespace

std::string comparison_key(const GeneralName& name) {
  try {
    const der::Element element = der::only(name.der, "GeneralName");
    Bytes content(element.content.begin(), element.content.end());
    switch (name.kind) {
      case GeneralNameKind::dns:
        to_lower(content, 0, content.size());
        break;
      case GeneralNameKind::email:
        // §7.5. A name constraint may be a host alone.
        to_lower(content, as_text(content).rfind('@') + 1, content.size());
        break;
      case GeneralNameKind::uri:
        lower_uri(content);
        break;
      case GeneralNameKind::directory:
        return key_of_directory(Name::from_der(content));
      default:
        return hex(name.der);
    }
    return hex(Bytes{element.tag}) + ":" + hex(content);
  } catch (const Error&) {
    return hex(name.der);
  }
}

Likeness likeness(const Name& asked, const Name& found) {
  if (asked == found) return Likeness::same_bytes;
  if (asked.same_text(found)) return Likeness::other_string_types;
  const Keys one = keys_of(asked);
  const Keys other = keys_of(found);
  if (one == other) return Likeness::other_spelling;
  return flat(one) == flat(other) ? Likeness::other_order : Likeness::different;
}

std::string folded_common_name(std::string_view text) {
  if (const auto host = host_in(text)) return *host;
  return folded(text);
}

std::vector<GeneralName> names_in_subject(const Name& subject) {
  std::vector<GeneralName> names;
  for (const RelativeName& relative_name : subject.relative_names()) {
    for (const NameAttribute& attribute : relative_name) {
      if (attribute.string_type == StringType::other) continue;
      if (attribute.type == oids::kCommonName) {
        for (const char* kind : {"dns:", "ip:"}) add_name(names, kind + attribute.value);
      }
      if (attribute.type == oids::kCommonName || attribute.type == oids::kEmailAddress) {
        add_name(names, "email:" + attribute.value);
      }
    }
  }
  return names;
}

}  // namespace hsmbridge::x509
