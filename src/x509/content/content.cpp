#include "x509/content/content.h"

#include "base/error.h"
#include "base/text.h"
#include "x509/asn1/unicode.h"
#include "x509/content/extensions.h"

#include <algorithm>
#include <set>

namespace hsmbridge::x509 {
namespace {

[[noreturn]] void refuse_content(const std::string& field, const std::string& why) {
  throw Error{ErrorKind::invalid_input, field + ": " + why};
}

template <class List, class Text>
void refuse_duplicates(const std::string& field, const List& list, Text text) {
  std::set<std::string> seen;
  for (const auto& item : list) {
    if (!seen.insert(text(item)).second) refuse_content(field, text(item) + " is there twice");
  }
}

std::string yes_no(bool value) {
  return value ? "critical" : "not critical";
}

// "field: asked A, found B", or "" when they are equal.
template <class Value, class Text>
std::string differs(std::string_view field, const Value& asked, const Value& found, Text text) {
  if (asked == found) return "";
  return std::string(field) + ": asked " + text(asked) + ", found " + text(found);
}

// Lists are compared item by item, so that the sentence names the item.
template <class Item, class Text>
std::string list_differs(std::string_view field, const std::vector<Item>& asked, const std::vector<Item>& found,
                         Text text) {
  for (std::size_t i = 0; i < std::max(asked.size(), found.size()); ++i) {
    const std::string place = std::string(field) + " " + std::to_string(i + 1);
    if (i >= found.size()) return place + ": asked " + text(asked[i]) + ", found nothing";
    if (i >= asked.size()) return place + ": not asked, found " + text(found[i]);
    if (!(asked[i] == found[i])) return place + ": asked " + text(asked[i]) + ", found " + text(found[i]);
  }
  return "";
}

std::string constraints_text(const std::optional<NameConstraints>& constraints) {
  if (!constraints) return "nothing";
  std::vector<std::string> texts;
  for (const GeneralName& base : constraints->permitted) texts.push_back("permitted " + base.text);
  for (const GeneralName& base : constraints->excluded) texts.push_back("excluded " + base.text);
  return joined(texts);
}

std::string extension_text(const Extension& extension) {
  return extension.oid.name() + (extension.critical ? " (critical) " : " ") + hex(extension.value);
}

}  // namespace

void validate(const Content& content) {
  if (content.subject.empty() && content.subject_alternative_names.empty()) {
    refuse_content("subject", "neither a subject nor an alternative name is asked for");
  }
  // Names of a certificate that is taken as a model were only read so far.
  content.subject.check();
  for (const GeneralName& name : content.subject_alternative_names) {
    prefixed("subject alternative name", [&] { name.check(); });
  }
  refuse_duplicates("subject alternative name", content.subject_alternative_names,
                    [](const GeneralName& name) { return name.text; });
  refuse_duplicates("extended key usage", content.extended_key_usage, [](const Oid& oid) { return oid.name(); });
  refuse_duplicates("certificate policy", content.policies, [](const Policy& policy) { return policy.oid.dotted(); });
  refuse_duplicates("TLS feature", content.tls_features, [](std::uint64_t feature) { return std::to_string(feature); });
  refuse_duplicates("extension", content.other_extensions, [](const Extension& e) { return e.oid.name(); });
  const bool ca = content.basic_constraints && content.basic_constraints->ca;
  if (content.key_usage) {
    if (content.key_usage->bits == 0) {
      refuse_content("key usage", "it is requested but does not name a usage (RFC 5280 section 4.2.1.3)");
    }
    if (content.key_usage->has(KeyUsage::key_cert_sign) && !ca) {
      refuse_content("key usage", "keyCertSign needs basic constraints CA:TRUE (RFC 5280 section 4.2.1.9)");
    }
    if ((content.key_usage->has(KeyUsage::encipher_only) || content.key_usage->has(KeyUsage::decipher_only)) &&
        !content.key_usage->has(KeyUsage::key_agreement)) {
      refuse_content("key usage", "encipherOnly and decipherOnly mean nothing without keyAgreement");
    }
  }
  if (content.basic_constraints && content.basic_constraints->path_length) {
    if (!ca) refuse_content("basic constraints", "a path length needs CA:TRUE (RFC 5280 section 4.2.1.9)");
    if (content.key_usage && !content.key_usage->has(KeyUsage::key_cert_sign)) {
      refuse_content("basic constraints", "a path length needs the key usage keyCertSign (RFC 5280 section 4.2.1.9)");
    }
  }
  if (content.name_constraints) {
    if (!ca) refuse_content("name constraints", "they need basic constraints CA:TRUE (RFC 5280 section 4.2.1.10)");
    if (content.name_constraints->permitted.empty() && content.name_constraints->excluded.empty()) {
      refuse_content("name constraints", "neither a permitted nor an excluded name is given");
    }
  }
  for (const Policy& policy : content.policies) {
    for (const UserNotice& notice : policy.user_notices) {
      if (character_count(notice.explicit_text) > 200 || character_count(notice.organization) > 200) {
        refuse_content("certificate policy " + policy.oid.dotted(),
                       "a user notice has at most 200 characters (RFC 5280 section 4.2.1.4)");
      }
    }
    for (const std::string& uri : policy.cps_uris) {
      if (uri.empty() || !is_ascii(uri)) {
        refuse_content("certificate policy " + policy.oid.dotted(), "\"" + printable(uri) + "\" is not a URI in ASCII");
      }
    }
  }
  for (const std::uint64_t feature : content.tls_features) {
    if (feature > 65535)
      refuse_content("TLS feature", std::to_string(feature) + " is not the number of a TLS extension");
  }
  if (content.challenge_password) {
    const std::size_t characters = character_count(*content.challenge_password);
    if (!is_utf8(*content.challenge_password)) refuse_content("challenge password", "it is not valid UTF-8");
    if (characters == 0 || characters > 255)
      refuse_content("challenge password", "it has 1 to 255 characters (RFC 2985)");
  }
}

std::string difference(const Content& asked, const Content& found) {
  const auto plain_name = [](const Name& name) { return "\"" + name.to_string() + "\""; };
  if (!(asked.subject == found.subject)) {
    return "subject: asked " + plain_name(asked.subject) + ", found " + plain_name(found.subject) +
           (asked.subject.same_text(found.subject) ? " in other string types" : "");
  }
  std::string text = list_differs("subject alternative name", asked.subject_alternative_names,
                                  found.subject_alternative_names, [](const GeneralName& name) { return name.text; });
  const auto note = [&text](std::string next) {
    if (text.empty()) text = std::move(next);
  };
  note(differs("key usage", asked.key_usage, found.key_usage,
               [](const std::optional<KeyUsages>& usages) { return usages ? to_string(*usages) : "nothing"; }));
  note(list_differs("extended key usage", asked.extended_key_usage, found.extended_key_usage,
                    [](const Oid& oid) { return oid.name(); }));
  note(differs("basic constraints", asked.basic_constraints, found.basic_constraints,
               [](const std::optional<BasicConstraints>& bc) { return bc ? to_string(*bc) : "nothing"; }));
  note(differs("name constraints", asked.name_constraints, found.name_constraints, constraints_text));
  note(list_differs("certificate policy", asked.policies, found.policies,
                    [](const Policy& policy) { return to_string(policy); }));
  note(list_differs("TLS feature", asked.tls_features, found.tls_features,
                    [](std::uint64_t feature) { return std::to_string(feature); }));
  note(differs("subject key identifier", asked.subject_key_identifier, found.subject_key_identifier,
               [](const std::optional<Bytes>& id) { return id ? hex(*id) : "nothing"; }));
  note(list_differs("extension", asked.other_extensions, found.other_extensions, extension_text));
  // Its value is readable by everybody in the request, but an error message is no place for it.
  if (asked.challenge_password != found.challenge_password) note("challenge password: another one than asked");
  if (!text.empty()) return text;

  for (const ContentExtension& row : content_extensions()) {
    if (row.present(asked)) {
      note(differs(row.text, marked_critical(asked, row), found.critical.*row.critical, yes_no));
    }
  }
  return text;
}

}  // namespace hsmbridge::x509
