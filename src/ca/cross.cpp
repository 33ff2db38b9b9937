#include "ca/cross.h"

#include "base/text.h"
#include "x509/content/extensions.h"
#include "x509/judge/render.h"
#include "x509/judge/same_name.h"
#include "x509/objects/signed_object.h"
#include "x509/objects/spki.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

namespace hsmbridge::ca {
namespace {

using x509::Certificate;
using x509::Content;
using x509::KeyUsage;
using x509::Oid;

// Extensions that take powers away (RFC 5280 §4.2.1.11, §4.2.1.14): without them the certificate would grant more.
const Oid kLimits[] = {Oid("2.5.29.36"), Oid("2.5.29.54")};

template <class List, class Value>
bool is_among(const List& list, const Value& one) {
  return std::find(std::begin(list), std::end(list), one) != std::end(list);
}

// The narrower of two lists of purposes; an empty one permits all, and so does anyExtendedKeyUsage.
std::vector<Oid> narrower(const std::vector<Oid>& existing, const std::vector<Oid>& permitted) {
  if (existing.empty()) return permitted;
  if (permitted.empty() || is_among(permitted, x509::oids::kAnyExtendedKeyUsage)) return existing;
  if (is_among(existing, x509::oids::kAnyExtendedKeyUsage)) return permitted;
  std::vector<Oid> both;
  for (const Oid& purpose : existing) {
    if (is_among(permitted, purpose)) both.push_back(purpose);
  }
  return both.empty() ? existing : both;  // which the profile refuses with a sentence a purpose
}

std::optional<std::uint64_t> shorter(std::optional<std::uint64_t> one, std::optional<std::uint64_t> other) {
  if (!one || !other) return one ? one : other;
  return std::min(*one, *other);
}

// The extensions and the policies, as what a certificate says about its subject; what only an issuer gives differs
// always, and the key identifiers are compared by `unlike`.
std::string comparable(const Content& content) {
  Content shown = x509::content_like(content);
  shown.subject_key_identifier.reset();
  return x509::render(shown);
}

std::string shown(const std::optional<std::uint64_t>& path_length) {
  return path_length ? std::to_string(*path_length) : "no limit";
}

void check_purposes(const std::vector<Oid>& found, const std::vector<Oid>& granted, std::vector<std::string>& reasons) {
  if (granted.empty() || is_among(granted, x509::oids::kAnyExtendedKeyUsage)) return;
  if (found.empty()) {
    reasons.emplace_back("it would have no extended key usage, and the certificate that the CA has limits it to " +
                         joined(granted, ", ", &Oid::name));
  }
  for (const Oid& purpose : found) {
    if (!is_among(granted, purpose)) {
      reasons.push_back(fmt::format("it has the extended key usage {}, which the certificate that the CA has does not",
                                    purpose.name()));
    }
  }
}

}  // namespace

std::vector<std::string> against_cross_signing(const Certificate& existing, const Certificate& issuer, Instant now) {
  std::vector<std::string> reasons;
  const auto& constraints = existing.content().basic_constraints;
  const auto& usage = existing.content().key_usage;
  if (!constraints || !constraints->ca) {
    reasons.emplace_back("it is not the certificate of a CA (its basic constraints do not say so)");
  } else if (usage && !usage->has(KeyUsage::key_cert_sign)) {
    reasons.push_back(
        fmt::format("it may not sign certificates: its key usage ({}) lacks keyCertSign", x509::to_string(*usage)));
  }
  const x509::Validity& validity = existing.tbs.validity;
  if (now > validity.not_after) reasons.push_back(fmt::format("it ended {}", rfc3339(validity.not_after)));
  if (now < validity.not_before) {
    reasons.push_back(fmt::format("it is not valid before {}; if that is past, this machine's clock is slow",
                                  rfc3339(validity.not_before)));
  }
  if (x509::same_name(existing.subject(), existing.issuer())) {
    const x509::SignatureCheck check = x509::check_signature(existing.parts, existing.spki());
    if (check.verdict != x509::SignatureVerdict::verifies || !check.why.empty()) {
      reasons.push_back(
          fmt::format("it is of its own issuer, and its signature with its own key {}", x509::to_string(check)));
    }
  }
  if (x509::same_key(existing.spki(), issuer.spki())) {
    reasons.emplace_back("it is for the key of this CA: a CA does not cross-sign itself");
  } else if (x509::same_name(existing.subject(), issuer.subject())) {
    reasons.push_back(fmt::format("it has the name of this CA (\"{}\"): a CA does not cross-sign itself",
                                  issuer.subject().to_string()));
  }
  return reasons;
}

Content cross_content(const Profile& profile, const Certificate& existing) {
  Content content = x509::content_like(existing.content());
  content.subject_key_identifier.reset();  // is taken from the existing certificate
  content.policies = profile.policies;
  content.extended_key_usage = narrower(content.extended_key_usage, profile.extended_key_usage);
  if (!content.key_usage) {
    content.key_usage = profile.key_usage;
  } else if (profile.key_usage) {
    x509::KeyUsages both;
    for (const KeyUsage usage : content.key_usage->all()) {
      if (profile.key_usage->has(usage)) both.add(usage);
    }
    content.key_usage = both;
  }
  if (content.basic_constraints && profile.basic_constraints) {
    content.basic_constraints->path_length =
        shorter(content.basic_constraints->path_length, profile.basic_constraints->path_length);
  }
  if (!content.name_constraints) content.name_constraints = profile.name_constraints;
  std::erase_if(content.other_extensions, [&](const x509::Extension& one) {
    return !one.critical && !is_among(kLimits, one.oid) && !is_among(profile.extensions, one.oid);
  });
  return content;
}

std::vector<std::string> cross_objections(const Profile& profile, Content requested, const Certificate& existing) {
  // A limit that it has already gives it nothing; another one than the profile's is refused. Of a CA the extended key
  // usage is a limit too.
  if (profile.extended_key_usage.empty()) requested.extended_key_usage.clear();
  if (!profile.name_constraints && requested.name_constraints == existing.content().name_constraints) {
    requested.name_constraints.reset();
  }
  std::erase_if(requested.other_extensions, [&](const x509::Extension& one) {
    return is_among(kLimits, one.oid) && is_among(existing.content().other_extensions, one);
  });
  return objections(profile, requested);
}

x509::Validity cross_limits(const Profile& profile, const Certificate& existing, const x509::Validity& issuer) {
  if (profile.outlives_cross_signed) return issuer;
  return {issuer.not_before, std::min(issuer.not_after, existing.tbs.validity.not_after)};
}

std::vector<std::string> unlike(const x509::TbsCertificate& certificate, const Certificate& existing) {
  std::vector<std::string> reasons;
  const Content& found = certificate.content;
  const Content& granted = existing.content();
  if (found.subject.der() != granted.subject.der()) {
    reasons.push_back(fmt::format("its subject (\"{}\") is not byte by byte that of the certificate that the CA has",
                                  found.subject.to_string()));
  }
  if (certificate.spki != existing.spki()) {
    reasons.emplace_back("its public key is not byte by byte that of the certificate that the CA has");
  }
  if (granted.subject_key_identifier && found.subject_key_identifier != granted.subject_key_identifier) {
    reasons.emplace_back("its subject key identifier is not that of the certificate that the CA has");
  }
  const auto& length = found.basic_constraints ? found.basic_constraints->path_length : std::nullopt;
  const auto& most = granted.basic_constraints ? granted.basic_constraints->path_length : std::nullopt;
  if (!found.basic_constraints || !found.basic_constraints->ca) {
    reasons.emplace_back("it is not for a CA (basic constraints)");
  } else if (most && (!length || *length > *most)) {
    reasons.push_back(fmt::format("its path length ({}) is more than that of the certificate that the CA has ({})",
                                  shown(length), *most));
  }
  for (const KeyUsage usage :
       granted.key_usage ? found.key_usage.value_or(x509::KeyUsages{}).all() : std::vector<KeyUsage>{}) {
    if (!granted.key_usage->has(usage)) {
      reasons.push_back(fmt::format("it has the key usage {}, which the certificate that the CA has does not",
                                    x509::to_string(usage)));
    }
  }
  check_purposes(found.extended_key_usage, granted.extended_key_usage, reasons);
  if (granted.name_constraints && found.name_constraints != granted.name_constraints) {
    reasons.emplace_back("its name constraints are not those of the certificate that the CA has");
  }
  for (const x509::Extension& extension : granted.other_extensions) {
    if (is_among(kLimits, extension.oid) && !is_among(found.other_extensions, extension)) {
      reasons.push_back(
          fmt::format("it lacks the extension {} of the certificate that the CA has", extension.oid.name()));
    }
  }
  return reasons;
}

std::vector<std::string> cross_differences(const Content& content, const Certificate& existing) {
  const LineDifference difference = compare_lines(comparable(existing.content()), comparable(content));
  std::vector<std::string> lines;
  for (const std::string& line : difference.only_before) {
    lines.push_back("only in the certificate that the CA has already: " + line);
  }
  for (const std::string& line : difference.only_after) lines.push_back("not in it: " + line);
  return lines;
}

}  // namespace hsmbridge::ca
