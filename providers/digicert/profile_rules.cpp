#include "providers/digicert/profile_rules.h"

#include "base/error.h"
#include "base/text.h"
#include "base/unicode.h"
#include "providers/digicert/fields.h"
#include "providers/following.h"
#include "providers/objections.h"
#include "x509/asn1/oid.h"

#include <fmt/core.h>

#include <algorithm>

namespace hsmbridge::digicert {
namespace {

using providers::accepts;
using Strings = std::vector<std::string>;

// "clientAuth"; what is not an OID, printable.
std::string usage_name(const std::string& text) {
  try {
    return x509::Oid::parse(text).name();
  } catch (const Error&) {
    return printable(text.substr(0, 60));
  }
}

// ---- keys -----------------------------------------------------------------------------------------------------------

// "2048", "RSA_3072", "P-256", "ECDSA_384", "secp521r1": the number tells the size, and what is too small for an RSA
// modulus is a curve. Nothing for what is neither.
std::optional<x509::KeySpec> key_from(const std::string& text) {
  std::string digits;
  for (const char c : text) {
    if (c >= '0' && c <= '9') {
      digits.push_back(c);
    } else if (digits.size() >= 3) {
      break;
    } else {
      digits.clear();
    }
  }
  if (digits.size() < 3 || digits.size() > 5) return std::nullopt;
  const auto bits = static_cast<unsigned>(std::stoul(digits));
  if (bits >= 1024) return x509::KeySpec{x509::KeyType::rsa, bits};
  if (bits == 256 || bits == 384 || bits == 521) return x509::KeySpec{x509::KeyType::ec, bits};
  return std::nullopt;
}

// A list names what is allowed. A single size is what the profile's own key generation makes: a request with a larger
// key of the same type is not known to be refused, a smaller one or another type is asking for it.
bool fits(const x509::KeySpec& key, const std::vector<x509::KeySpec>& allowed) {
  if (allowed.size() == 1 && allowed[0].type == key.type) return key.bits >= allowed[0].bits;
  return std::find(allowed.begin(), allowed.end(), key) != allowed.end();
}

void check_key(Strings& problems, const Profile& profile, const x509::KeySpec& key) {
  std::vector<x509::KeySpec> allowed;
  for (const std::string& size : profile.key_sizes) {
    const auto spec = key_from(size);
    if (!spec) return;  // a word we cannot read: no rule that we could hold against anybody
    allowed.push_back(*spec);
  }
  if (allowed.empty() || fits(key, allowed)) return;
  Strings names;
  for (const x509::KeySpec& spec : allowed) names.push_back(to_string(spec));
  problems.push_back(fmt::format("the key is {}, the profile allows {}", to_string(key), joined(names)));
}

// ---- fields ---------------------------------------------------------------------------------------------------------

const AttributeValues* find(const std::vector<AttributeValues>& values, std::string_view name) {
  return providers::row_with(values, &AttributeValues::name, name);
}
const ProfileAttribute* find(const std::vector<ProfileAttribute>& attributes, std::string_view type) {
  return providers::row_with(attributes, &ProfileAttribute::type, type);
}

void check_mandatory(Strings& problems, const std::vector<ProfileAttribute>& wanted,
                     const std::vector<AttributeValues>& given, std::string_view kind,
                     bool (*known)(std::string_view)) {
  for (const ProfileAttribute& attribute : wanted) {
    if (!attribute.mandatory || !attribute.given_by_request || attribute.fixed) continue;
    if (find(given, attribute.type) != nullptr) continue;
    problems.push_back(
        known(attribute.type)
            ? fmt::format("the profile demands {} {}, and the request has none", kind, attribute.type)
            : fmt::format("the profile demands {} {}, which this version cannot send", kind, attribute.type));
  }
}

void check_subject(Strings& problems, const Profile& profile, const x509::RequestedContent& ask) {
  const std::vector<AttributeValues> given = subject_values(ask.content.subject);
  check_mandatory(problems, profile.subject, given, "the subject field",
                  [](std::string_view name) { return subject_field(name) != nullptr; });
  if (profile.subject.empty() || accepts(ask, "subject-changed")) return;
  for (const AttributeValues& value : given) {
    const ProfileAttribute* rule = find(profile.subject, value.name);
    if (rule == nullptr) {
      problems.push_back(fmt::format(
          "the profile has no subject field {}: it would be dropped (accept: subject-changed)", value.name));
      continue;
    }
    if (rule->fixed && value.values != Strings{*rule->fixed}) {
      problems.push_back(
          fmt::format("the profile fixes {} to \"{}\", the request asks for \"{}\" (accept: "
                      "subject-changed)",
                      value.name, *rule->fixed, joined(value.values)));
    }
    // Not of alternative names: they are lists by nature, and `multiple` there may only be about the enrolment form.
    if (!rule->multiple && value.values.size() > 1) {
      problems.push_back(
          fmt::format("the profile allows one subject field {}, the request has {}", value.name, value.values.size()));
    }
  }
  for (const ProfileAttribute& rule : profile.subject) {
    if (rule.fixed && find(given, rule.type) == nullptr) {
      problems.push_back(
          fmt::format("the profile adds {} = \"{}\", which the request does not ask for (ask for it, or "
                      "accept: subject-changed)",
                      rule.type, *rule.fixed));
    }
  }
}

void check_names(Strings& problems, const Profile& profile, const x509::RequestedContent& ask) {
  const std::vector<AttributeValues> given = name_values(ask.content.subject_alternative_names);
  check_mandatory(problems, profile.names, given, "the alternative name",
                  [](std::string_view name) { return name_field(name) != nullptr; });
  if (!profile.tells_extensions) return;
  std::size_t dropped = 0;
  Strings complaints;
  for (const AttributeValues& value : given) {
    if (find(profile.names, value.name) != nullptr) continue;
    ++dropped;
    complaints.push_back(fmt::format("the profile carries no alternative names of the kind {}: {} would be dropped",
                                     value.name, joined(value.values)));
  }
  // Only a certificate without any names can be lived with; one with some of them would be taken for the whole.
  if (dropped == given.size() && accepts(ask, "san-dropped")) return;
  problems.insert(problems.end(), complaints.begin(), complaints.end());
}

// ---- validity -------------------------------------------------------------------------------------------------------

std::string text_of(const Term& term) {
  return fmt::format("{} {}", term.duration, term.unit);
}

bool about_the_same(Duration a, Duration b) {
  const Duration difference = a > b ? a - b : b - a;
  return difference <= std::max<Duration>(a, b) / 10;
}

void check_validity(Strings& problems, const Profile& profile, const Settings& settings,
                    const x509::RequestedContent& ask) {
  if (ask.validity <= Duration::zero()) return;
  const bool sent = settings.validity == Settings::Validity::as_asked && profile.validity_may_be_asked;
  if (sent) {
    if (!term_of(ask.validity)) {
      problems.push_back(fmt::format("a validity of {} is not a whole number of minutes", duration_text(ask.validity)));
    }
    return;
  }
  if (profile.validity && about_the_same(ask.validity, duration_of(*profile.validity))) return;
  const bool longer = profile.validity && duration_of(*profile.validity) > ask.validity;
  if (profile.validity && accepts(ask, longer ? "validity-longer" : "validity-shorter")) return;
  if (!profile.validity && accepts(ask, "validity-longer") && accepts(ask, "validity-shorter")) return;
  problems.push_back(fmt::format(
      "the profile gives {}{}, the request asks for {}{}",
      profile.validity ? "a validity of " + text_of(*profile.validity) : std::string("a validity of its own"),
      settings.validity == Settings::Validity::of_profile ? " (validity: profile)" : " and allows no other",
      spoken(ask.validity),
      profile.validity ? fmt::format(" (accept: {})", longer ? "validity-longer" : "validity-shorter") : ""));
}

}  // namespace

std::vector<std::string> obstacles(const Profile& profile) {
  Strings problems;
  if (lower(profile.status) != "active") {
    problems.push_back(
        fmt::format("its status is {}, not Active", profile.status.empty() ? "not told" : profile.status));
  }
  if (profile.enrollment_method != "rest_api") {
    problems.push_back(fmt::format("its enrollment method is {}, not rest_api",
                                   profile.enrollment_method.empty() ? "not told" : profile.enrollment_method));
  }
  return problems;
}

workflow::Facts facts(const Profile& profile) {
  workflow::Facts facts;
  const auto add = [&facts](std::string name, std::string value) {
    if (!value.empty()) facts.emplace_back(std::move(name), std::move(value));
  };
  add("issues", issues_at_once(profile) ? "at once" : "after " + what_is_awaited(&profile));
  add("keys", joined(profile.key_sizes));
  if (profile.validity) {
    add("validity", text_of(*profile.validity) + (profile.validity_may_be_asked ? ", or as asked" : ""));
  }
  const auto mandatory = [](const std::vector<ProfileAttribute>& attributes) {
    Strings names;
    for (const ProfileAttribute& one : attributes) {
      if (one.mandatory && one.given_by_request && !one.fixed) names.push_back(one.type);
    }
    return joined(names);
  };
  add("subject must have", mandatory(profile.subject));
  add("names must have", mandatory(profile.names));
  Strings fixed;
  for (const ProfileAttribute& one : profile.subject) {
    if (one.fixed) fixed.push_back(fmt::format("{} = \"{}\"", one.type, *one.fixed));
  }
  add("fixed", joined(fixed));
  Strings usages;
  for (const std::string& one : profile.extended_usages) usages.push_back(usage_name(one));
  add("adds", joined(usages));
  add("delivers", profile.delivery_format);
  if (profile.renewal_days) add("renewable", fmt::format("{} days before the end", *profile.renewal_days));
  if (profile.duplicates_allowed && !*profile.duplicates_allowed) add("duplicates", "refused");
  if (profile.bound_to_tokens) add("bound to", fmt::format("{} API tokens", profile.token_ids.size()));
  add("template", profile.template_name);
  return facts;
}

std::vector<std::string> violations(const Profile& profile, const Settings& settings, const x509::RequestedContent& ask,
                                    const x509::KeySpec& key) {
  Strings problems;
  check_key(problems, profile, key);
  check_subject(problems, profile, ask);
  check_names(problems, profile, ask);
  check_validity(problems, profile, settings, ask);
  return problems;
}

std::vector<std::string> notes(const Profile& profile, const x509::Content& asked) {
  Strings added;
  for (const std::string& text : profile.extended_usages) {
    const auto is_that = [&](const x509::Oid& usage) { return usage.dotted() == text; };
    if (std::any_of(asked.extended_key_usage.begin(), asked.extended_key_usage.end(), is_that)) continue;
    added.push_back(usage_name(text));
  }
  if (added.empty()) return {};
  return {fmt::format("the profile \"{}\" issues {} too", printable(profile.name), joined(added))};
}

bool issues_at_once(const Profile& profile) {
  return profile.enrollment_method == "rest_api" && profile.authentication_method == "third_party_app" &&
         !profile.dual_approval && profile.connector.empty() &&
         (profile.trust_type.empty() || profile.trust_type == "private");
}

std::string what_is_awaited(const Profile* profile) {
  static const std::string kEither =
      "an approval by administrators at DigiCert, or a Microsoft CA (DigiCert does not say which)";
  if (profile == nullptr) return kEither;
  Strings reasons;
  if (profile->dual_approval) {
    reasons.emplace_back("an approval by two administrators");
  } else if (profile->authentication_method == "manual_approval") {
    reasons.emplace_back("an approval by an administrator");
  }
  if (!profile->connector.empty()) reasons.emplace_back("a CA behind a connector (a Microsoft CA)");
  if (reasons.empty()) return kEither;
  return joined(reasons);
}

std::optional<Term> term_of(Duration validity) {
  static const std::pair<std::string_view, Duration> kUnits[] = {
      {"days", std::chrono::hours{24}}, {"hours", std::chrono::hours{1}}, {"minutes", std::chrono::minutes{1}}};
  if (validity <= Duration::zero()) return std::nullopt;
  for (const auto& [unit, length] : kUnits) {
    if (validity % length == Duration::zero()) return Term{std::string(unit), validity / length};
  }
  return std::nullopt;
}

std::optional<Term> term_for(const Profile& profile, const Settings& settings, const x509::RequestedContent& ask) {
  if (settings.validity == Settings::Validity::of_profile || !profile.validity_may_be_asked) return std::nullopt;
  return term_of(ask.validity);
}

std::string validity_text(const std::optional<Term>& asked) {
  return asked ? text_of(*asked) : "of the profile";
}

}  // namespace hsmbridge::digicert
