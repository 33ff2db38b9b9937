#include "service/content/csr.h"

#include "base/error.h"
#include "base/file.h"
#include "x509/judge/render.h"
#include "x509/judge/weak_key.h"
#include "x509/objects/algorithm.h"
#include "x509/objects/certificate.h"
#include "x509/objects/pem.h"
#include "x509/objects/spki.h"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

namespace hsmbridge::service {

namespace {

template <class Values, class Text>
std::string list_text(const Values& values, Text text) {
  std::string result;
  for (const auto& value : values) result += (result.empty() ? "" : ", ") + text(value);
  return result.empty() ? "none" : result;
}

std::string names_text(const std::vector<x509::GeneralName>& names) {
  return list_text(names, [](const x509::GeneralName& name) { return name.text; });
}

std::string oids_text(const std::vector<x509::Oid>& oids) {
  return list_text(oids, [](const x509::Oid& oid) { return oid.name(); });
}

std::string constraints_text(const std::optional<x509::NameConstraints>& constraints) {
  if (!constraints) return "none";
  return fmt::format("permitted {}; excluded {}", names_text(constraints->permitted),
                     names_text(constraints->excluded));
}

class Faults {
 public:
  explicit Faults(std::vector<CsrFault> faults) : faults_(std::move(faults)) {}
  void add(std::string name, std::string explanation) {
    faults_.push_back({std::move(name), std::move(explanation), {}});
  }
  void differ(std::string name, std::string_view asked, std::string_view found) {
    add(std::move(name), fmt::format("the profile asks {}, found {}", asked, found));
  }
  std::vector<CsrFault> take() { return std::move(faults_); }

 private:
  std::vector<CsrFault> faults_;
};

void compare_content(Faults& faults, const x509::Content& asked, const x509::Content& found) {
  if (!contains(found.subject, asked.subject)) {
    faults.differ("subject", asked.subject.to_string(), found.subject.to_string());
  }
  for (const x509::GeneralName& name : asked.subject_alternative_names) {
    const auto& names = found.subject_alternative_names;
    if (std::find(names.begin(), names.end(), name) == names.end()) {
      faults.differ("subject_alternative_names", name.text, names_text(names));
    }
  }
  if (asked.key_usage && asked.key_usage != found.key_usage) {
    faults.differ("key_usage", x509::to_string(*asked.key_usage),
                  found.key_usage ? x509::to_string(*found.key_usage) : "none");
  }
  if (!asked.extended_key_usage.empty() && asked.extended_key_usage != found.extended_key_usage) {
    faults.differ("extended_key_usage", oids_text(asked.extended_key_usage), oids_text(found.extended_key_usage));
  }
  if (asked.basic_constraints && asked.basic_constraints != found.basic_constraints) {
    faults.differ("basic_constraints", x509::to_string(*asked.basic_constraints),
                  found.basic_constraints ? x509::to_string(*found.basic_constraints) : "none");
  }
  const bool may_be_ca = asked.basic_constraints && asked.basic_constraints->ca;
  if (!may_be_ca && found.basic_constraints && found.basic_constraints->ca && !asked.basic_constraints) {
    faults.add("basic_constraints", "asks to be a CA, which the profile does not");
  }
  if (!may_be_ca && !asked.key_usage && found.key_usage && found.key_usage->has(x509::KeyUsage::key_cert_sign)) {
    faults.add("key_usage", "asks keyCertSign, which the profile does not");
  }
  if (asked.name_constraints && asked.name_constraints != found.name_constraints) {
    faults.differ("name_constraints", constraints_text(asked.name_constraints),
                  constraints_text(found.name_constraints));
  }
  if (!asked.policies.empty() && asked.policies != found.policies) {
    const auto text = [](const x509::Policy& policy) { return x509::to_string(policy); };
    faults.differ("policies", list_text(asked.policies, text), list_text(found.policies, text));
  }
  if (!asked.tls_features.empty() && asked.tls_features != found.tls_features) {
    const auto text = [](std::uint64_t feature) { return std::to_string(feature); };
    faults.differ("tls_features", list_text(asked.tls_features, text), list_text(found.tls_features, text));
  }
  for (const x509::Extension& extension : asked.other_extensions) {
    const auto& rows = found.other_extensions;
    if (std::find(rows.begin(), rows.end(), extension) == rows.end()) {
      faults.add("extensions", fmt::format("the profile asks extension {}", extension.oid.name()));
    }
  }
}

bool truth(const BatchRow& row, std::string_view column, bool typed) {
  const std::string text = row.text_or(column, typed ? "true" : "false");
  if (text == "true" || text == "yes" || text == "1") return true;
  if (text == "false" || text == "no" || text == "0") return false;
  throw Error{ErrorKind::invalid_input, fmt::format("column {} must be true or false, not \"{}\"", column, text)};
}

}  // namespace

bool is_of_kind(ByteView spki, const std::string& spec) {
  const std::string wanted = x509::to_string(x509::parse_key_spec(spec));
  try {
    return x509::to_string(x509::key_spec_of(spki)) == wanted;
  } catch (const Error&) {
    return false;
  }
}

const x509::SignatureAlgorithm& algorithm_for(const x509::RequestedContent& ask, const x509::KeySpec& key) {
  if (ask.algorithm.empty()) return x509::default_algorithm(key);
  const x509::SignatureAlgorithm& algorithm = x509::signature_algorithm(ask.algorithm);
  if (algorithm.key_type != key.type) {
    throw Error{ErrorKind::invalid_input,
                fmt::format("{} is not for a key of type {}", algorithm.name, x509::to_string(key))}
        .hint(fmt::format("its usual one is {}", x509::default_algorithm(key).name));
  }
  return algorithm;
}

Bytes create_csr(x509::Signer& signer, const x509::RequestedContent& ask) {
  const auto key = x509::key_spec_of(signer.subject_public_key_info());
  return x509::create_csr(signer, ask.content, algorithm_for(ask, key));
}

x509::Csr csr_in(const std::string& file) {
  const Bytes bytes = read_file(file);  // names the file in its errors
  try {
    return x509::parse_csr(x509::read_csr(bytes));
  } catch (Error& error) {
    throw error.prefix(file);
  }
}

x509::Content content_in(const std::string& file) {
  const Bytes bytes = read_file(file);
  try {
    if (as_text(bytes).find("CERTIFICATE REQUEST-----") != std::string_view::npos) {
      return x509::parse_csr(x509::read_csr(bytes)).content;
    }
    return x509::parse_certificate(x509::read_certificate(bytes)).content();
  } catch (Error& error) {
    throw error.prefix(file);
  }
}

bool contains(const x509::Name& found, const x509::Name& wanted) {
  auto at = found.relative_names().begin();
  for (const x509::RelativeName& part : wanted.relative_names()) {
    const x509::Name one = x509::Name::from({part});
    at = std::find_if(at, found.relative_names().end(),
                      [&](const auto& other) { return x509::Name::from({other}).same_text(one); });
    if (at == found.relative_names().end()) return false;
    ++at;
  }
  return true;
}

std::string sentence_of(const CsrFault& fault) {
  return fault.reference.empty() ? fault.explanation : fmt::format("{} ({})", fault.explanation, fault.reference);
}

std::vector<CsrFault> flaws_of(const x509::Csr& csr) {
  constexpr const char* kPossession = "RFC 2986 section 4.2";  // it proves the possession of the private key
  std::vector<CsrFault> faults;
  for (const auto& weakness : x509::key_weaknesses(csr.spki)) {
    faults.push_back({weakness.name, weakness.explanation, weakness.reference});
  }
  const bool sound_key = faults.empty();
  const x509::SignatureCheck signature = x509::check_signature(csr.parts, csr.spki);
  if (signature.verdict == x509::SignatureVerdict::does_not_verify) {
    faults.push_back({"signature", "does not verify with the key in the request", kPossession});
  } else if (!signature.why.empty() && sound_key) {
    faults.push_back({"signature", x509::to_string(signature), kPossession});
  }
  try {
    x509::validate(csr.content);
  } catch (const Error& error) {
    const bool says_where = error.message().find("(RFC ") != std::string::npos;
    faults.push_back({"content", error.message(), says_where ? "" : "RFC 5280 section 4.2.1"});
  }
  return faults;
}

std::vector<CsrFault> check_csr(const x509::Csr& csr, const config::ProfileSettings* profile) {
  Faults faults(flaws_of(csr));
  std::string algorithm;
  try {
    algorithm = std::string(x509::algorithm_of(csr.parts.signature_algorithm).name);
  } catch (const Error& error) {
    faults.add("algorithm", error.message());
  }
  if (profile == nullptr) return faults.take();

  if (profile->key && !is_of_kind(csr.spki, *profile->key)) {
    faults.differ("key", *profile->key, x509::key_text(csr.spki));
  }
  if (profile->algorithm && !algorithm.empty() && algorithm != *profile->algorithm) {
    faults.differ("algorithm", *profile->algorithm, algorithm);
  }
  compare_content(faults, profile_content(*profile), csr.content);
  return faults.take();
}

std::string signature_flaw(const x509::Csr& csr) {
  const auto check = x509::check_signature(csr.parts, csr.spki);
  if (check.verdict == x509::SignatureVerdict::does_not_verify) return "its signature does not verify";
  return check.why.empty() ? "" : "its signature " + x509::to_string(check);
}

const std::vector<std::string>& ask_columns() {
  static const std::vector<std::string> columns = {
      "subject",      "cn",     "san",         "usage",     "extended-usage", "ca",       "path-length", "name-permit",
      "name-exclude", "policy", "tls-feature", "extension", "algorithm",      "validity", "accept"};
  return columns;
}

AskWishes wishes_of(const BatchRow& row, AskWishes wishes) {
  const auto text = [&](std::string_view column, std::optional<std::string>& field) {
    if (row.has(column)) field = row.text_or(column, "");
  };
  const auto list = [&](std::string_view column, std::vector<std::string>& field) {
    if (row.has(column)) field = row.all(column);
  };
  // A row's subject replaces a typed common name, and the other way round.
  if (row.has("subject")) wishes.common_name.reset();
  if (row.has("cn")) wishes.subject.reset();
  text("subject", wishes.subject);
  text("cn", wishes.common_name);
  list("san", wishes.names);
  list("usage", wishes.usage);
  list("extended-usage", wishes.extended_usage);
  wishes.ca = truth(row, "ca", wishes.ca);
  if (row.has("path-length")) {
    const std::string given = row.text_or("path-length", "");
    unsigned value = 0;
    const auto [end, failure] = std::from_chars(given.data(), given.data() + given.size(), value);
    if (failure != std::errc{} || end != given.data() + given.size()) {
      throw Error{ErrorKind::invalid_input, fmt::format("column path-length must be a number, not \"{}\"", given)};
    }
    wishes.path_length = value;
  }
  list("name-permit", wishes.permitted);
  list("name-exclude", wishes.excluded);
  list("policy", wishes.policies);
  list("tls-feature", wishes.tls_features);
  list("extension", wishes.extensions);
  text("algorithm", wishes.algorithm);
  if (row.has("validity")) wishes.validity = parse_duration(row.text_or("validity", ""));
  list("accept", wishes.accept);
  return wishes;
}

}  // namespace hsmbridge::service
