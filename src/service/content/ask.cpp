#include "service/content/ask.h"

#include "config/key_flaw.h"
#include "x509/judge/check.h"
#include "x509/judge/check_content.h"
#include "x509/objects/algorithm.h"
#include "x509/objects/certificate.h"

#include <fmt/core.h>

#include <algorithm>
#include <functional>
#include <utility>

namespace hsmbridge::service {

namespace {

// Where a value came from, for its error: a profile's value has a line, a typed one speaks for itself.
using Complain = std::function<Error(Error)>;

Complain typed(std::string_view option) {
  return [option = std::string(option)](Error error) { return error.prefix(option); };
}

Complain of_profile(const config::ProfileSettings& profile, std::string_view key) {
  return [&profile, key = std::string(key)](Error error) {
    Error placed = profile.section.error(key, error.message());
    if (!error.hint().empty()) placed.hint(error.hint());
    return placed;
  };
}

template <class Work>
void with_source(const Complain& complain, Work work) {
  try {
    work();
  } catch (const Error& error) {
    throw complain(error);
  }
}

x509::KeyUsages usages_of(const std::vector<std::string>& texts) {
  x509::KeyUsages usages;
  for (const std::string& text : texts) usages.add(x509::parse_key_usage(text));
  return usages;
}

template <class Value, class Parse>
std::vector<Value> each(const std::vector<std::string>& texts, Parse parse) {
  std::vector<Value> values;
  for (const std::string& text : texts) values.push_back(parse(text));
  return values;
}

std::uint64_t tls_feature(const std::string& text) {
  return x509::parse_tls_feature(text == "must-staple" ? "status_request" : text);
}

// The command line writes OID[:critical]=HEX, the form without blanks and quotes that openssl.cnf made usual.
x509::Extension extension(std::string text) {
  const auto equals = text.find('=');
  if (equals != std::string::npos) text[equals] = ':';
  return x509::parse_extension(text);
}

void add_name(std::vector<x509::GeneralName>& names, const x509::GeneralName& name) {
  if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
}

// The fields that profile and command line write in the same words.
struct Texts {
  const std::vector<std::string>& usage;
  const std::vector<std::string>& extended_usage;
  const std::vector<std::string>& policies;
  const std::vector<std::string>& tls_features;
  const std::vector<std::string>& extensions;
};

void apply(x509::Content& content, const Texts& texts, const std::function<Complain(std::string_view)>& source) {
  if (!texts.usage.empty()) {
    with_source(source("usage"), [&] { content.key_usage = usages_of(texts.usage); });
  }
  if (!texts.extended_usage.empty()) {
    with_source(source("extended_usage"), [&] {
      content.extended_key_usage = each<x509::Oid>(texts.extended_usage, x509::parse_extended_key_usage);
    });
  }
  if (!texts.policies.empty()) {
    with_source(source("policies"), [&] { content.policies = each<x509::Policy>(texts.policies, x509::parse_policy); });
  }
  if (!texts.tls_features.empty()) {
    with_source(source("tls_features"),
                [&] { content.tls_features = each<std::uint64_t>(texts.tls_features, tls_feature); });
  }
  if (!texts.extensions.empty()) {
    with_source(source("extensions"), [&] {
      // One of a lower layer is replaced; one given twice stays twice, for validate() to refuse.
      const auto given = each<x509::Extension>(texts.extensions, extension);
      auto& rows = content.other_extensions;
      for (const x509::Extension& row : given) {
        rows.erase(std::remove_if(rows.begin(), rows.end(), [&](const auto& old) { return old.oid == row.oid; }),
                   rows.end());
      }
      rows.insert(rows.end(), given.begin(), given.end());
    });
  }
}

void apply_profile(x509::RequestedContent& ask, std::vector<x509::GeneralName>& of_profile_names,
                   const config::ProfileSettings& profile) {
  const auto source = [&](std::string_view key) { return of_profile(profile, key); };
  x509::Content& content = ask.content;
  if (!profile.subject.empty()) {
    with_source(source("subject"), [&] { content.subject = x509::Name::parse(profile.subject); });
  }
  with_source(source("san"),
              [&] { of_profile_names = each<x509::GeneralName>(profile.san, x509::GeneralName::parse); });
  apply(content, {profile.usage, profile.extended_usage, profile.policies, profile.tls_features, profile.extensions},
        source);
  if (profile.basic_constraints) {
    with_source(source("basic_constraints"),
                [&] { content.basic_constraints = x509::parse_basic_constraints(*profile.basic_constraints); });
  }
  if (!profile.name_constraints.empty()) {
    with_source(source("name_constraints"), [&] {
      x509::NameConstraints constraints;
      for (const std::string& text : profile.name_constraints) x509::add_name_constraint(constraints, text);
      content.name_constraints = constraints;
    });
  }
  if (profile.validity) ask.validity = *profile.validity;
  if (profile.algorithm) ask.algorithm = *profile.algorithm;
  with_source(source("algorithm"), [&] {
    if (!ask.algorithm.empty()) x509::signature_algorithm(ask.algorithm);
  });
  ask.accept = profile.accept;
}

void apply_constraints(x509::Content& content, const AskWishes& wishes) {
  if (wishes.ca) content.basic_constraints = x509::BasicConstraints{true, std::nullopt};
  if (wishes.path_length) {
    if (!content.basic_constraints || !content.basic_constraints->ca) {
      throw Error{ErrorKind::invalid_input, "a path length belongs to a CA"}.hint("add --ca");
    }
    content.basic_constraints->path_length = *wishes.path_length;
  }
  if (wishes.permitted.empty() && wishes.excluded.empty()) return;
  x509::NameConstraints constraints;
  with_source(typed("--name-permit"), [&] {
    constraints.permitted = each<x509::GeneralName>(wishes.permitted, x509::GeneralName::parse_constraint);
  });
  with_source(typed("--name-exclude"), [&] {
    constraints.excluded = each<x509::GeneralName>(wishes.excluded, x509::GeneralName::parse_constraint);
  });
  content.name_constraints = std::move(constraints);
}

void apply_subject(x509::Content& content, const AskWishes& wishes) {
  if (wishes.subject && wishes.common_name) {
    throw Error{ErrorKind::invalid_input, "--subject is the whole subject, --cn a part of it"}.hint("give one of them");
  }
  if (wishes.subject) {
    with_source(typed("--subject"), [&] { content.subject = x509::Name::parse(*wishes.subject); });
  }
  if (wishes.common_name) {
    with_source(typed("--cn"), [&] {
      std::vector<x509::RelativeName> parts;
      for (const x509::RelativeName& part : content.subject.relative_names()) {
        const bool old = part.size() == 1 && part[0].type == x509::oids::kCommonName;
        if (!old) parts.push_back(part);
      }
      parts.push_back({{x509::oids::kCommonName, *wishes.common_name, x509::StringType::utf8}});
      content.subject = x509::Name::from(std::move(parts));
    });
  }
}

void copy_from(const x509::Content& csr, const std::vector<config::CopyField>& fields, x509::Content& content) {
  for (const config::CopyField field : fields) {
    switch (field) {
      case config::CopyField::subject:
        if (!csr.subject.empty()) content.subject = csr.subject;
        break;
      case config::CopyField::san:
        content.subject_alternative_names = csr.subject_alternative_names;
        break;
      case config::CopyField::key:
        break;  // the kind of the key: compare_csr
      case config::CopyField::usage:
        if (csr.key_usage) {
          x509::KeyUsages usages;
          for (const x509::KeyUsage usage : csr.key_usage->all()) {
            const bool of_a_ca = usage == x509::KeyUsage::key_cert_sign || usage == x509::KeyUsage::crl_sign;
            if (!of_a_ca || (content.key_usage && content.key_usage->has(usage))) usages.add(usage);
          }
          if (usages.bits != 0) content.key_usage = usages;
        }
        break;
      case config::CopyField::extended_usage: {
        const auto of_profile = content.extended_key_usage;
        std::vector<x509::Oid> usages;
        for (const x509::Oid& usage : csr.extended_key_usage) {
          const bool named = std::find(of_profile.begin(), of_profile.end(), usage) != of_profile.end();
          if (named || x509::only_uses_names(usage)) usages.push_back(usage);
        }
        if (!usages.empty()) content.extended_key_usage = std::move(usages);
        break;
      }
      case config::CopyField::policies:
        if (!csr.policies.empty()) content.policies = csr.policies;
        break;
      case config::CopyField::tls_features:
        if (!csr.tls_features.empty()) content.tls_features = csr.tls_features;
        break;
    }
  }
}

// The layers that are below what was typed.
struct Below {
  const x509::Content* like = nullptr;
  const config::ProfileSettings* profile = nullptr;
  const x509::Content* csr = nullptr;  // with a profile
};

x509::RequestedContent layered(const Below& below, const AskWishes& wishes) {
  x509::RequestedContent ask;
  x509::Content& content = ask.content;
  if (below.like != nullptr) content = x509::content_like(*below.like);
  std::vector<x509::GeneralName> of_profile_names;
  if (below.profile != nullptr) apply_profile(ask, of_profile_names, *below.profile);
  if (below.csr != nullptr) copy_from(*below.csr, below.profile->copy, content);

  apply_subject(content, wishes);
  if (!wishes.names.empty()) {
    with_source(typed("--san"), [&] {
      content.subject_alternative_names = each<x509::GeneralName>(wishes.names, x509::GeneralName::parse);
    });
  }
  for (const x509::GeneralName& name : of_profile_names) add_name(content.subject_alternative_names, name);
  apply(content, {wishes.usage, wishes.extended_usage, wishes.policies, wishes.tls_features, wishes.extensions},
        [](std::string_view field) {
          // The options have the fields' names in the singular.
          return typed(field == "usage"            ? "--usage"
                       : field == "extended_usage" ? "--extended-usage"
                       : field == "policies"       ? "--policy"
                       : field == "tls_features"   ? "--tls-feature"
                                                   : "--extension");
        });
  apply_constraints(content, wishes);
  if (wishes.challenge_password) content.challenge_password = *wishes.challenge_password;
  if (wishes.algorithm) ask.algorithm = *wishes.algorithm;
  if (wishes.validity) ask.validity = *wishes.validity;
  for (const std::string& name : wishes.accept) {
    if (std::find(ask.accept.begin(), ask.accept.end(), name) == ask.accept.end()) ask.accept.push_back(name);
  }

  config::take_key_flaws(ask.accept);  // see accepted_of_key

  if (!ask.algorithm.empty()) x509::signature_algorithm(ask.algorithm);
  for (const std::string& name : ask.accept) {
    const x509::FindingKind& kind = x509::finding_kind(name);
    if (!kind.acceptable) {
      throw Error{ErrorKind::invalid_input, fmt::format("{} cannot be accepted: {}", kind.name, kind.explanation)};
    }
  }
  return ask;
}

}  // namespace

x509::RequestedContent build_ask(const x509::Content* like, const config::ProfileSettings* profile,
                                 const AskWishes& wishes) {
  auto ask = layered({like, profile, nullptr}, wishes);
  x509::validate(ask.content);
  return ask;
}

x509::RequestedContent ask_of_csr(const x509::Content& csr, const config::ProfileSettings& profile,
                                  const AskWishes& wishes) {
  if (wishes.algorithm) {
    throw Error{ErrorKind::invalid_input, "--algorithm is of the signature of a CSR, and this one is signed"};
  }
  if (wishes.challenge_password) {
    throw Error{ErrorKind::invalid_input, "--challenge-password is written into a CSR, and this one is signed"};
  }
  auto ask = layered({nullptr, &profile, &csr}, wishes);
  ask.algorithm.clear();
  return ask;
}

std::vector<std::string> accepted_of_key(const config::ProfileSettings* profile, const AskWishes& wishes) {
  std::vector<std::string> typed = wishes.accept;
  std::vector<std::string> accepted = config::take_key_flaws(typed);
  if (profile != nullptr) accepted.insert(accepted.end(), profile->accept_key.begin(), profile->accept_key.end());
  std::sort(accepted.begin(), accepted.end());
  accepted.erase(std::unique(accepted.begin(), accepted.end()), accepted.end());
  return accepted;
}

x509::Content profile_content(const config::ProfileSettings& profile) {
  x509::RequestedContent ask;
  std::vector<x509::GeneralName> names;
  apply_profile(ask, names, profile);
  ask.content.subject_alternative_names = std::move(names);
  return ask.content;
}

}  // namespace hsmbridge::service
