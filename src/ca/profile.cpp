#include "ca/profile.h"

#include "base/error.h"
#include "base/text.h"
#include "ca/name_constraints.h"
#include "x509/content/extensions.h"

#include <fmt/core.h>
#include <re2/re2.h>

#include <algorithm>
#include <array>
#include <set>
#include <utility>

namespace hsmbridge::ca {
namespace {

using x509::Content;
using x509::GeneralName;
using x509::KeyUsage;
using x509::Oid;

// TLS Baseline Requirements 6.3.2: signed on that day or later | days
struct LifeRow {
  std::string_view from;
  int days;
};
constexpr auto kTlsLife = std::to_array<LifeRow>({
    {"1970-01-01T00:00:00Z", 398},
    {"2026-03-15T00:00:00Z", 200},
    {"2027-03-15T00:00:00Z", 100},
    {"2029-03-15T00:00:00Z", 47},
});

template <class Value>
bool contains(const std::vector<Value>& all, const Value& one) {
  return std::find(all.begin(), all.end(), one) != all.end();
}

class ProfileExamination {
 public:
  ProfileExamination(const Profile& profile, const Content& requested) : profile_(profile), asked_(requested) {}

  std::vector<std::string> run() {
    check_subject();
    check_names();
    check_usages();
    check_constraints();
    check_extensions();
    return std::move(reasons_);
  }

 private:
  void add(const std::string& what) { reasons_.push_back(fmt::format("profile {} {}", profile_.name, what)); }

  void check_subject() {
    if (profile_.subject.empty()) return;
    std::set<Oid> there;
    for (const x509::RelativeName& relative : asked_.subject.relative_names()) {
      for (const x509::NameAttribute& attribute : relative) {
        there.insert(attribute.type);
        const auto rule = std::find_if(profile_.subject.begin(), profile_.subject.end(),
                                       [&](const SubjectRule& one) { return one.type == attribute.type; });
        if (rule == profile_.subject.end()) {
          add(fmt::format("permits no {} in the subject", attribute.type.name()));
        } else if (rule->expression ? !matches(attribute.value, *rule->expression) : attribute.value != rule->value) {
          add(fmt::format(
              "permits {} to be {}{}, not \"{}\"", attribute.type.name(), rule->expression ? "what matches " : "only ",
              rule->expression ? "/" + *rule->expression + "/" : "\"" + rule->value + "\"", attribute.value));
        }
      }
    }
    for (const SubjectRule& rule : profile_.subject) {
      if (!rule.expression && there.count(rule.type) == 0) {
        add(fmt::format("requires {}={} in the subject", rule.type.name(), rule.value));
      }
    }
  }

  void check_names() {
    // Verifiers compare a common name with constraints where there is no DNS alternative name; clients may read it always.
    x509::Content judged = asked_;
    for (GeneralName& name : names_read_in_subject(asked_)) judged.subject_alternative_names.push_back(std::move(name));
    for (std::string& reason : forbidden_names(judged, profile_.names, "profile " + profile_.name)) {
      if (!contains(reasons_, reason)) reasons_.push_back(std::move(reason));
    }
    if (profile_.names.permitted.empty()) return;
    for (const GeneralName& name : judged.subject_alternative_names) {
      if (std::none_of(profile_.names.permitted.begin(), profile_.names.permitted.end(),
                       [&](const GeneralName& base) { return base.kind == name.kind; })) {
        add(fmt::format("permits no name of this kind: {}", name.text));
      }
    }
  }

  void check_usages() {
    const x509::KeyUsages permitted = profile_.key_usage.value_or(x509::KeyUsages{});
    for (const KeyUsage usage : asked_.key_usage.value_or(x509::KeyUsages{}).all()) {
      if (!permitted.has(usage)) add(fmt::format("does not permit the key usage {}", to_string(usage)));
    }
    for (const Oid& usage : asked_.extended_key_usage) {
      if (!contains(profile_.extended_key_usage, usage)) {
        add(fmt::format("does not permit the extended key usage {}", usage.name()));
      }
    }
  }

  // Whoever gets a CA has asked for one: what a profile makes of somebody must not depend on a slip of its name.
  void check_constraints() {
    const bool asks_ca = asked_.basic_constraints && asked_.basic_constraints->ca;
    if (asks_ca != profile_.makes_cas()) {
      add(asks_ca ? "makes no CAs"
                  : fmt::format("makes CAs, and none is asked for (basic_constraints: {})",
                                x509::to_string(*profile_.basic_constraints)));
    } else if (asks_ca && profile_.basic_constraints->path_length) {
      const std::uint64_t most = *profile_.basic_constraints->path_length;
      const auto& length = asked_.basic_constraints->path_length;
      if (!length || *length > most) {
        add(fmt::format("limits the path length to {}, and {} is asked for", most,
                        length ? std::to_string(*length) : "none"));
      }
    }
    if (asked_.name_constraints && asked_.name_constraints != profile_.name_constraints) {
      add(profile_.name_constraints ? "has other name constraints than those that are asked for"
                                    : "has no name constraints, and some are asked for");
    }
    for (const x509::Policy& policy : asked_.policies) {
      if (!contains(profile_.policies, policy)) add(fmt::format("does not have the policy {}", to_string(policy)));
    }
  }

  void check_extensions() {
    if (!asked_.tls_features.empty() && !contains(profile_.extensions, x509::oids::kTlsFeature)) {
      add("does not permit TLS features");
    }
    for (const x509::Extension& extension : asked_.other_extensions) {
      if (x509::only_issuer_gives(extension.oid)) {
        add(fmt::format("lets nobody ask for the extension {}, which the CA gives", extension.oid.name()));
      } else if (!contains(profile_.extensions, extension.oid)) {
        add(fmt::format("does not permit the extension {}", extension.oid.name()));
      }
    }
  }

  const Profile& profile_;
  const Content& asked_;
  std::vector<std::string> reasons_;
};

// Whole seconds are all that a certificate can carry.
Instant whole_seconds(Instant instant) {
  return std::chrono::floor<std::chrono::seconds>(instant);
}

}  // namespace

std::chrono::hours longest_tls_life(Instant signed_at) {
  int days = kTlsLife.front().days;
  for (const LifeRow& row : kTlsLife) {
    if (signed_at >= parse_rfc3339(row.from)) days = row.days;
  }
  return std::chrono::hours{24 * days};
}

bool matches(std::string_view value, const std::string& expression) {
  RE2::Options options;
  options.set_log_errors(false);
  options.set_max_mem(std::int64_t{1} << 20U);
  const RE2 compiled(expression, options);
  if (!compiled.ok()) {
    throw Error{ErrorKind::invalid_input,
                fmt::format("/{}/ is not a regular expression (RE2): {}", expression, compiled.error())};
  }
  return RE2::FullMatch(re2::StringPiece(value.data(), value.size()), compiled);
}

std::vector<std::string> objections(const Profile& profile, const Content& requested) {
  return ProfileExamination(profile, requested).run();
}

Content completed(const Profile& profile, Content requested) {
  Content content = std::move(requested);
  content.challenge_password.reset();
  content.subject_key_identifier.reset();
  if (!content.key_usage) content.key_usage = profile.key_usage;
  if (content.extended_key_usage.empty()) content.extended_key_usage = profile.extended_key_usage;
  if (profile.name_constraints) content.name_constraints = profile.name_constraints;
  for (const x509::Policy& policy : profile.policies) {
    if (!contains(content.policies, policy)) content.policies.push_back(policy);
  }
  // RFC 5280 §4.2.1.3, §4.2.1.9, §4.2.1.10; of the key usage SHOULD, and CAs must.
  content.critical.key_usage = content.critical.basic_constraints = content.critical.name_constraints = true;
  if (!profile.ocsp.empty() || !profile.issuer_urls.empty()) {
    content.other_extensions.push_back(x509::authority_info_access(profile.ocsp, profile.issuer_urls));
  }
  if (!profile.crl_urls.empty()) content.other_extensions.push_back(x509::crl_distribution_points(profile.crl_urls));
  return content;
}

x509::Validity validity_of(const Profile& profile, const x509::Validity& issuer, Duration requested, Instant now) {
  const Instant start = std::max<Instant>(whole_seconds(now - profile.backdate), issuer.not_before);
  // Both ends belong to it: a day of 86,400 seconds ends one second before the next one.
  const auto after = [&](Duration life) { return whole_seconds(start + life) - std::chrono::seconds{1}; };
  Instant last{};
  if (const auto* length = std::get_if<Duration>(&profile.lifetime)) last = after(*length);
  if (const auto* end = std::get_if<Instant>(&profile.lifetime)) last = whole_seconds(*end);
  if (std::holds_alternative<TlsMaximum>(profile.lifetime)) last = after(longest_tls_life(now));
  Instant end = std::min(last, whole_seconds(issuer.not_after));
  if (requested > Duration::zero()) {
    end = after(requested);
    if (end > last) {
      throw Error{ErrorKind::refused, fmt::format("profile {} gives certificates until {} at most, and {} is asked for "
                                                  "(until {})",
                                                  profile.name, rfc3339(last), spoken(requested), rfc3339(end))}
          .hint("ask for less (`validity` of the request's profile), or for nothing");
    }
    if (end > issuer.not_after) {
      throw Error{ErrorKind::refused, fmt::format("the issuer ends {}, and {} is asked for (until {})",
                                                  rfc3339(issuer.not_after), spoken(requested), rfc3339(end))}
          .hint("ask for less (`validity` of the request's profile), or for nothing: it ends with its issuer then");
    }
  }
  if (end <= now) {
    throw Error{ErrorKind::invalid_input,
                fmt::format("a certificate of profile {} would have ended already ({})", profile.name, rfc3339(end))}
        .hint("change its `validity` or `backdate`");
  }
  return {start, end};
}

}  // namespace hsmbridge::ca
