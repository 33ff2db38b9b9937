#include "ca/name_constraints.h"

#include "base/error.h"
#include "base/text.h"
#include "x509/asn1/der.h"
#include "x509/judge/same_name.h"

#include <fmt/core.h>

#include <algorithm>
#include <cctype>
#include <optional>

namespace hsmbridge::ca {
namespace {

using x509::GeneralName;
using x509::GeneralNameKind;

Bytes content_of(const GeneralName& name) {
  const x509::der::Element element = x509::der::only(name.der, "GeneralName");
  return {element.content.begin(), element.content.end()};
}

std::string lower_text(const GeneralName& name) {
  std::string text = to_text(content_of(name));
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

// "a.example.com" lies below "example.com", and below ".example.com"; "example.com" below itself alone.
bool host_within(const std::string& host, const std::string& base) {
  if (base.empty()) return true;
  if (base.front() == '.') return host.size() > base.size() && host.ends_with(base);
  return host == base || host.ends_with("." + base);
}

// Whether "*.example.com" can match that very host: the star stands for one label (RFC 6125 §6.4.3).
bool can_match(const std::string& name, const std::string& host) {
  const std::size_t dot = host.find('.');
  return name.starts_with("*.") && dot != std::string::npos && dot > 0 && host.substr(dot) == name.substr(1);
}

// Mail addresses and URIs: a host is that host alone, and a leading dot says every host below (RFC 5280 §4.2.1.10).
bool exact_host_within(const std::string& host, const std::string& base) {
  if (base.empty()) return true;
  if (base.front() == '.') return host.size() > base.size() && host.ends_with(base);
  return host == base;
}

// The part before the @ keeps its letter case.
struct Mailbox {
  std::string local;
  std::string host;
};
Mailbox mailbox_of(const GeneralName& name) {
  const std::string text = to_text(content_of(name));
  const std::size_t at = text.rfind('@');
  const std::string host = lower_text(name).substr(at == std::string::npos ? 0 : at + 1);
  return {at == std::string::npos ? "" : text.substr(0, at), host};
}

bool email_within(const GeneralName& name, const GeneralName& base) {
  const Mailbox mailbox = mailbox_of(name);
  const Mailbox limit = mailbox_of(base);
  if (!limit.local.empty()) return mailbox.local == limit.local && mailbox.host == limit.host;
  return exact_host_within(mailbox.host, limit.host);
}

// Nothing where the URI has no host name: then no constraint can be met (RFC 5280 §4.2.1.10).
std::optional<std::string> host_of_uri(const std::string& uri) {
  const std::size_t begin = uri.find("://");
  if (begin == std::string::npos) return std::nullopt;
  std::string authority = uri.substr(begin + 3, uri.find_first_of("/?#", begin + 3) - begin - 3);
  if (const std::size_t at = authority.rfind('@'); at != std::string::npos) authority.erase(0, at + 1);
  if (authority.starts_with('[')) return std::nullopt;
  authority = authority.substr(0, authority.find(':'));
  const bool address = authority.find_first_not_of("0123456789.") == std::string::npos;
  // What is percent-encoded is read otherwise by who connects than by who compares.
  const bool encoded = authority.find('%') != std::string::npos;
  return authority.empty() || address || encoded ? std::nullopt : std::optional(authority);
}

bool uri_within(const GeneralName& name, const GeneralName& base) {
  const auto host = host_of_uri(lower_text(name));
  return host && exact_host_within(*host, lower_text(base));
}

// The relative names of a directory name, each as a name of its own.
std::vector<x509::Name> relative_names(const GeneralName& name) {
  std::vector<x509::Name> result;
  const Bytes whole = content_of(name);
  x509::der::Reader reader(whole);
  x509::der::Reader names = reader.enter(x509::der::kSequence, "directory name");
  while (!names.at_end()) {
    const ByteView one = names.any("relative name").whole;
    result.push_back(x509::Name::from_der(x509::der::element(x509::der::kSequence, one)));
  }
  return result;
}

bool directory_within(const GeneralName& name, const GeneralName& base) {
  const std::vector<x509::Name> ours = relative_names(name);
  const std::vector<x509::Name> limit = relative_names(base);
  if (ours.size() < limit.size()) return false;
  return std::equal(limit.begin(), limit.end(), ours.begin(), [](const x509::Name& one, const x509::Name& other) {
    return x509::likeness(one, other) <= x509::Likeness::other_spelling;
  });
}

bool can_compare(GeneralNameKind kind) {
  return kind == GeneralNameKind::dns || kind == GeneralNameKind::ip || kind == GeneralNameKind::email ||
         kind == GeneralNameKind::uri || kind == GeneralNameKind::directory;
}

bool within(const GeneralName& name, const GeneralName& base) {
  switch (name.kind) {
    case GeneralNameKind::dns:
      return host_within(lower_text(name), lower_text(base));
    case GeneralNameKind::ip:
      return ip_within(name, base);
    case GeneralNameKind::email:
      return email_within(name, base);
    case GeneralNameKind::uri:
      return uri_within(name, base);
    case GeneralNameKind::directory:
      return directory_within(name, base);
    default:
      return false;
  }
}

// "::ffff:10.0.0.1" is the host 10.0.0.1 for many who connect (RFC 4291 §2.5.5.2).
bool mapped_within(const GeneralName& name, const GeneralName& base) {
  static const Bytes kMapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};
  const Bytes address = content_of(name);
  if (address.size() != 16 || !std::equal(kMapped.begin(), kMapped.end(), address.begin())) return false;
  const Bytes last(address.begin() + 12, address.end());
  return ip_within({GeneralNameKind::ip, x509::der::element(x509::der::context(7), last), ""}, base);
}

// "a"@example.com and a@example.com are one mailbox (RFC 5321 §4.1.2).
std::string unquoted(const std::string& local) {
  if (local.size() < 2 || local.front() != '"' || local.back() != '"') return local;
  std::string plain = local.substr(1, local.size() - 2);
  std::erase(plain, '\\');
  return plain;
}

// For excluded subtrees: whether any host that the name can match lies in the subtree, in whatever spelling programs take
// for that host. Only the topmost of a subtree of DNS names may be missed by within(): what lies further down has more
// labels than a wildcard stands for.
bool touches(const GeneralName& name, const GeneralName& base) {
  if (within(name, base)) return true;
  switch (name.kind) {
    case GeneralNameKind::dns:
      return can_match(lower_text(name), lower_text(base));
    case GeneralNameKind::ip:
      return mapped_within(name, base);
    case GeneralNameKind::email: {
      const Mailbox limit = mailbox_of(base);
      return !limit.local.empty() && unquoted(mailbox_of(name).local) == unquoted(limit.local) &&
             mailbox_of(name).host == limit.host;
    }
    case GeneralNameKind::uri: {
      // With the dot of the root it is the same host.
      auto host = host_of_uri(lower_text(name));
      if (!host || !host->ends_with('.')) return false;
      host->pop_back();
      return exact_host_within(*host, lower_text(base));
    }
    default:
      return false;
  }
}

// A subtree lies within another when everything in it does.
bool host_subtree_within(std::string own, const std::string& base,
                         bool (*host_is_within)(const std::string&, const std::string&)) {
  if (base.empty()) return true;
  if (own.empty()) return false;
  // ".example.com" says less than "example.com": what lies below it.
  if (own.front() == '.') {
    if (base.front() == '.') return own.ends_with(base);
    own.erase(0, 1);
    return host_is_within == host_within && host_within(own, base);
  }
  // Of a DNS name every host below is meant too, which ".example.com" holds when it holds the name.
  return host_is_within(own, base);
}

bool network_within(const GeneralName& own, const GeneralName& base) {
  const Bytes ours = content_of(own);
  const Bytes limit = content_of(base);
  if (ours.size() != limit.size()) return false;
  const std::size_t half = ours.size() / 2;
  for (std::size_t i = 0; i < half; ++i) {
    const unsigned mask = limit[half + i];
    if ((ours[half + i] & mask) != mask || ((ours[i] ^ limit[i]) & mask) != 0) return false;
  }
  return true;
}

bool subtree_within(const GeneralName& own, const GeneralName& base) {
  switch (own.kind) {
    case GeneralNameKind::dns:
      return host_subtree_within(lower_text(own), lower_text(base), host_within);
    case GeneralNameKind::uri:
      return host_subtree_within(lower_text(own), lower_text(base), exact_host_within);
    case GeneralNameKind::email: {
      const Mailbox ours = mailbox_of(own);
      const Mailbox limit = mailbox_of(base);
      if (!limit.local.empty()) return ours.local == limit.local && ours.host == limit.host;
      return host_subtree_within(ours.host, limit.host, exact_host_within);
    }
    case GeneralNameKind::ip:
      return network_within(own, base);
    case GeneralNameKind::directory:
      return directory_within(own, base);
    default:
      return false;
  }
}

// At least one dot, and only what a host name is made of.
bool looks_like_dns(std::string_view text) {
  const bool letters = std::all_of(text.begin(), text.end(), [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '-' || c == '.' || c == '_' || c == '*';
  });
  return letters && text.find('.') != std::string_view::npos && text.front() != '.' && text.back() != '.';
}

struct Named {
  GeneralName name;
  std::string words;  // as it is told: "dns:www.example.com", "the common name www.example.com"
};

GeneralName text_name(GeneralNameKind kind, std::string_view value) {
  const auto tag = x509::der::context(static_cast<unsigned>(kind));
  return {kind, x509::der::text(tag, value), std::string(value)};
}

std::optional<GeneralName> address_in(std::string_view text) {
  constexpr std::size_t kLongest = 45;  // an IPv6 address that ends as an IPv4 address does
  if (text.size() > kLongest) return std::nullopt;
  try {
    return GeneralName::parse("ip:" + std::string(text));
  } catch (const Error&) {
    return std::nullopt;
  }
}

// Spaces and dashes of other scripts as a space, and dots of theirs as a dot (RFC 3490 §3.1): who reads a name takes them
// for these.
std::string with_plain_marks(std::string_view text) {
  static const std::vector<std::pair<std::string_view, char>> kMarks{
      {"\xC2\xA0", ' '}, {"\xE3\x80\x80", ' '}, {"\xE3\x80\x82", '.'}, {"\xEF\xBC\x8E", '.'}, {"\xEF\xBD\xA1", '.'}};
  std::string plain;
  while (!text.empty()) {
    const auto mark =
        std::find_if(kMarks.begin(), kMarks.end(), [&](const auto& one) { return text.starts_with(one.first); });
    // U+2000 to U+207F: general punctuation.
    const bool is_punctuation = text.size() > 2 && (text.starts_with("\xE2\x80") || text.starts_with("\xE2\x81"));
    plain += mark != kMarks.end() ? mark->second : is_punctuation ? ' ' : text.front();
    text.remove_prefix(mark != kMarks.end() ? mark->first.size() : is_punctuation ? 3 : 1);
  }
  return plain;
}

// Cut where no host name and no address goes on, and between the parts of a URL.
std::vector<std::string_view> words_of(std::string_view text) {
  constexpr std::string_view kBetween = " \t\r\n\v\f,;()<>{}\"'/\\?#[]=&|+*!$%^~`";
  std::vector<std::string_view> words;
  for (;;) {
    const std::size_t begin = text.find_first_not_of(kBetween);
    if (begin == std::string_view::npos) return words;
    text.remove_prefix(begin);
    words.push_back(text.substr(0, text.find_first_of(kBetween)));
    text.remove_prefix(words.back().size());
  }
}

// In any script: a dot, and a last label that is no number and no single letter. "v1.2", "Inc." and "B.V." are none.
bool reads_like_host(std::string_view word) {
  const std::size_t dot = word.find_last_of('.');
  if (dot == std::string_view::npos || dot == 0) return false;
  const std::string_view last = word.substr(dot + 1);
  return last.size() > 1 &&
         std::any_of(last.begin(), last.end(), [](unsigned char c) { return c >= 0x80 || std::isalpha(c) != 0; });
}

std::string_view without_dots(std::string_view word) {
  while (word.ends_with('.')) word.remove_suffix(1);
  return word;
}

std::optional<GeneralName> name_read_in(std::string_view part) {
  if (auto address = address_in(part)) return address;
  if (part.find('@') != std::string_view::npos) return text_name(GeneralNameKind::email, part);
  if (reads_like_host(part)) return text_name(GeneralNameKind::dns, part);
  return std::nullopt;
}

// Part by part, since people read what stands on either side of a mark. An IPv6 address has marks of its own.
void read_names(std::string_view word, std::string_view marks, std::vector<GeneralName>& names) {
  for (;;) {
    word = without_dots(word);
    if (auto address = address_in(word)) return names.push_back(std::move(*address));
    const std::size_t end = word.find_first_of(marks);
    if (auto name = name_read_in(without_dots(word.substr(0, end)))) names.push_back(std::move(*name));
    if (end == std::string_view::npos) return;
    word.remove_prefix(end + 1);
  }
}

// Of "www.example.com.:443" and "https://www.example.com/" the host.
std::vector<GeneralName> names_read_in(std::string_view value) {
  const std::string plain = with_plain_marks(value);
  const std::string_view text = plain;
  std::vector<GeneralName> names;
  for (const std::string_view word : words_of(text)) {
    const auto begin = static_cast<std::size_t>(word.data() - text.data());
    // In a URL the @ ends whose name it is, and is no mail address's (RFC 3986 §3.2.1).
    const bool in_url = begin >= 2 && text.substr(begin - 2, 2) == "//";
    read_names(word, in_url ? ":@" : ":", names);
  }
  return names;
}

std::vector<Named> names_of(const x509::Content& content) {
  std::vector<Named> names;
  const auto& alternatives = content.subject_alternative_names;
  for (const GeneralName& name : alternatives) names.push_back({name, name.text});
  if (content.subject.empty()) return names;
  const GeneralName subject{GeneralNameKind::directory,
                            x509::der::element(x509::der::context_constructed(4), content.subject.der()), ""};
  names.push_back({subject, "the subject " + content.subject.to_string()});
  const bool has_dns = std::any_of(alternatives.begin(), alternatives.end(),
                                   [](const GeneralName& name) { return name.kind == GeneralNameKind::dns; });
  for (const x509::RelativeName& relative : content.subject.relative_names()) {
    for (const x509::NameAttribute& attribute : relative) {
      if (attribute.type == x509::oids::kEmailAddress) {
        names.push_back({text_name(GeneralNameKind::email, attribute.value),
                         "the mail address " + printable(attribute.value) + " in the subject"});
      }
      if (attribute.type == x509::oids::kCommonName && !has_dns && looks_like_dns(attribute.value)) {
        names.push_back({text_name(GeneralNameKind::dns, attribute.value), "the common name " + attribute.value});
      }
    }
  }
  return names;
}

std::vector<const GeneralName*> of_kind(const std::vector<GeneralName>& bases, GeneralNameKind kind) {
  std::vector<const GeneralName*> result;
  for (const GeneralName& base : bases) {
    if (base.kind == kind) result.push_back(&base);
  }
  return result;
}

// SmtpUTF8Mailbox (RFC 9598): constraints of mail addresses are its constraints too.
bool is_other_mailbox(const GeneralName& name) {
  if (name.kind != GeneralNameKind::other_name) return false;
  x509::der::Reader reader(name.der);
  return reader.enter(x509::der::context_constructed(0), "other name").oid("type of a name") ==
         x509::Oid{"1.3.6.1.5.5.7.8.9"};
}

std::string quoted(const std::vector<const GeneralName*>& bases) {
  return joined(bases, ", ", &GeneralName::text);
}

}  // namespace

bool ip_within(const GeneralName& name, const GeneralName& base) {
  const Bytes address = content_of(name);
  const Bytes network = content_of(base);
  if (network.size() != 2 * address.size()) return false;
  for (std::size_t i = 0; i < address.size(); ++i) {
    if (((address[i] ^ network[i]) & network[address.size() + i]) != 0) return false;
  }
  return true;
}

std::vector<std::string> forbidden_names(const x509::Content& content, const x509::Certificate& issuer) {
  if (!issuer.content().name_constraints) return {};
  return forbidden_names(content, *issuer.content().name_constraints, "\"" + issuer.subject().to_string() + "\"");
}

std::vector<std::string> forbidden_names(const x509::Content& content, const x509::NameConstraints& limits,
                                         const std::string& by) {
  std::vector<std::string> reasons;
  const auto judge = [&](const GeneralName& name, const std::string& words, auto inside, auto touching) {
    const auto permitted = of_kind(limits.permitted, name.kind);
    const auto excluded = of_kind(limits.excluded, name.kind);
    if (!can_compare(name.kind)) {
      if (!permitted.empty() || !excluded.empty()) {
        reasons.push_back(fmt::format("{}: {} constrains names of this kind ({}), which no verifier can compare", words,
                                      by, quoted(permitted.empty() ? excluded : permitted)));
      }
      return;
    }
    if (!permitted.empty() && std::none_of(permitted.begin(), permitted.end(),
                                           [&](const GeneralName* base) { return inside(name, *base); })) {
      reasons.push_back(
          fmt::format("{} lies outside what {} permits by its name constraints ({})", words, by, quoted(permitted)));
    }
    for (const GeneralName* base : excluded) {
      if (touching(name, *base)) {
        reasons.push_back(
            fmt::format("{} lies in what {} excludes by its name constraints ({})", words, by, base->text));
      }
    }
  };
  for (const Named& named : names_of(content)) {
    judge(named.name, named.words, within, touches);
    if (is_other_mailbox(named.name)) {
      const auto permitted = of_kind(limits.permitted, GeneralNameKind::email);
      const auto excluded = of_kind(limits.excluded, GeneralNameKind::email);
      if (!permitted.empty() || !excluded.empty()) {
        reasons.push_back(
            fmt::format("{} is a mail address that is not compared here, and {} constrains mail addresses "
                        "({}; RFC 9598 §6)",
                        named.words, by, quoted(permitted.empty() ? excluded : permitted)));
      }
    }
    if (named.name.kind != GeneralNameKind::uri || host_of_uri(lower_text(named.name))) continue;
    if (const auto excluded = of_kind(limits.excluded, GeneralNameKind::uri); !excluded.empty()) {
      reasons.push_back(fmt::format("{} has no host name, and {} excludes some ({}): no verifier can compare it",
                                    named.words, by, quoted(excluded)));
    }
  }
  const bool authority = content.basic_constraints && content.basic_constraints->ca;
  if (!authority || !content.name_constraints) return reasons;
  for (const GeneralName& own : content.name_constraints->permitted) {
    judge(own, "the permitted subtree " + own.text, subtree_within, subtree_within);
  }
  return reasons;
}

std::vector<GeneralName> names_read_in_subject(const x509::Content& content) {
  std::vector<GeneralName> names;
  for (const x509::RelativeName& relative : content.subject.relative_names()) {
    for (const x509::NameAttribute& attribute : relative) {
      if (attribute.type == x509::oids::kEmailAddress) {
        names.push_back(text_name(GeneralNameKind::email, attribute.value));
        names.back().text = "the mail address " + printable(attribute.value) + " in the subject";
      }
      if (attribute.type != x509::oids::kCommonName) continue;
      for (GeneralName& name : names_read_in(attribute.value)) {
        name.text = "the common name " + printable(attribute.value);
        names.push_back(std::move(name));
      }
    }
  }
  return names;
}

}  // namespace hsmbridge::ca
