#include "providers/securosys/settings.h"

#include "base/error.h"
#include "providers/securosys/signing.h"
#include "x509/objects/algorithm.h"
#include "x509/objects/pem_file.h"
#include "x509/objects/spki.h"

#include <fmt/core.h>

#include <utility>

namespace hsmbridge::securosys {
namespace {

using config::Section;
using providers::read_token_key;

void read_api_keys(Section& section, Settings& settings) {
  // `api_key:` is short for the one role that everybody needs.
  if (auto one = section.optional_secret("api_key")) settings.api_keys[Role::key_operation].push_back(*one);
  if (auto keys = section.section("api_keys")) {
    for (const auto& [role, word] : kRoles) {
      for (config::SecretSource& source : keys->secrets(word)) settings.api_keys[role].push_back(std::move(source));
    }
    keys->finish();
  }
  settings.bearer_token = section.optional_secret("bearer_token");
}

void read_roles(Section& section, Settings& settings) {
  auto roles = section.section("roles");
  if (!roles) return;
  Section::Choices<Role> choices;
  for (const auto& [role, word] : kRoles) choices.emplace_back(word, role);
  for (const EndpointRow& row : endpoints()) {
    if (auto role = roles->optional_choice(row.name, choices)) settings.roles[row.endpoint] = *role;
  }
  roles->finish();
}

// A PEM public key or certificate of an approver.
SpkiHash key_of_file(const std::filesystem::path& path) {
  return x509::spki_hash(x509::key_of_person_in_file(path, x509::Given::to_be_believed));
}

std::vector<approval::Person> read_people(Section people) {
  std::vector<approval::Person> result;
  for (const std::string& name : people.keys()) {
    const std::filesystem::path path = people.file(name);
    if (path.empty()) continue;
    try {
      result.push_back({name, key_of_file(path)});
    } catch (const Error& error) {
      people.problem(name, error.hint().empty() ? error.message() : error.message() + ": " + error.hint());
    }
  }
  people.finish();
  return result;
}

approval::Alternative read_alternative(Section& section) {
  approval::Alternative alternative;
  alternative.name = section.optional_text("name").value_or("");
  alternative.timelock = section.optional_duration("timelock").value_or(Duration::zero());
  alternative.timeout = section.optional_duration("timeout").value_or(Duration::zero());
  for (Section& from : section.sections("groups")) {
    approval::Group group;
    group.name = from.optional_text("name").value_or("");
    group.quorum = static_cast<unsigned>(from.integer("quorum", 1, 1000));
    if (auto people = from.section("approvers")) {
      group.members = read_people(*people);
    } else {
      from.problem("approvers", "is missing: names and files of their public keys or certificates");
    }
    if (group.members.size() < group.quorum) from.problem("quorum", "is greater than the number of approvers");
    from.finish();
    alternative.groups.push_back(std::move(group));
  }
  return alternative;
}

// `approval_policy: {timelock, timeout, groups: […]}`, or a list of such where any one is enough.
void read_policy(Section& section, Settings& settings) {
  const auto alternatives = section.sections("approval_policy");
  if (alternatives.empty()) return;
  approval::Policy policy;
  for (Section from : alternatives) {
    policy.alternatives.push_back(read_alternative(from));
    from.finish();
  }
  try {
    approval::validate(policy);
  } catch (const Error& error) {
    section.problem("approval_policy", error.message());
  }
  settings.policy = std::move(policy);
}

void read_names(Section& section, Settings& settings) {
  if (settings.policy) {
    for (const approval::Member& member : approval::members(*settings.policy)) {
      settings.names[member.person.key] = member.person.name;
    }
  }
  if (auto people = section.section("approvers")) {
    for (const approval::Person& person : read_people(*people)) settings.names[person.key] = person.name;
  }
}

void read_task_reader(Section& section, Settings& settings) {
  auto reader = section.section("task_reader");
  if (!reader) return;
  Settings::TaskReader read{reader->file("certificate"), {reader->text("token"), reader->text("key")}};
  reader->finish();
  try {
    // An approver's key could approve what it reads; what looks things up automatically must not be able to.
    if (!read.certificate.empty() && settings.names.count(key_of_file(read.certificate)) != 0) {
      section.problem("task_reader", "has the key of an approver: it must not be able to approve");
    }
  } catch (const Error& error) {
    reader->problem("certificate", error.message());
  }
  settings.task_reader = std::move(read);
}

void read_signing(Section& section, Settings& settings) {
  settings.sign_key = section.optional_text("sign_key").value_or("");
  settings.key_password = section.optional_secret("key_password");
  settings.mode =
      section
          .optional_choice<Mode>("mode", {{"raw-signature", Mode::raw_signature}, {"certificate", Mode::certificate}})
          .value_or(Mode::raw_signature);
  const Section::Choices<std::optional<Generation>> generations{
      {"auto", std::nullopt}, {"classic", Generation::classic}, {"modern", Generation::modern}};
  if (settings.mode == Mode::certificate && settings.sign_key.empty()) {
    section.problem("sign_key", "is missing: the label of the key with which the TSB issues");
  }
  for (const char* const of_it : {"key_password", "issuer", "chain", "algorithm", "approval_policy"}) {
    if (settings.sign_key.empty() && section.has(of_it)) {
      section.problem(of_it, "is about sign_key, the key that this provider certifies with, and there is none");
    }
  }
  settings.generation = section.optional_choice("generation", generations).value_or(std::nullopt);
  settings.algorithm = section.optional_text("algorithm").value_or("");
  if (!settings.algorithm.empty()) {
    try {
      if (algorithm_word(x509::signature_algorithm(settings.algorithm).name).empty()) {
        section.problem("algorithm", fmt::format("the TSB cannot sign with {}", settings.algorithm));
      }
    } catch (const Error& error) {
      section.problem("algorithm", error.message());
    }
  }
  settings.issuer = section.optional_file("issuer");
  settings.chain = section.optional_file("chain");
  settings.validity = section.optional_duration("validity").value_or(settings.validity);
  settings.backdate = section.optional_duration("backdate").value_or(settings.backdate);
  settings.result_once = section.optional_boolean("result_once").value_or(false);
  settings.import_label = section.optional_text("import_label").value_or("");
  if (!settings.import_label.empty() && settings.import_label == settings.sign_key) {
    section.problem("import_label", "is the signing key: an import would overwrite the CA's own certificate there");
  }
}

}  // namespace

Settings read_settings(const std::string& name, config::Section section) {
  Settings settings;
  static_cast<providers::Connection&>(settings) =
      providers::read_connection(name, section, providers::UrlPath::none, "/v1/…");
  read_api_keys(section, settings);
  read_roles(section, settings);
  settings.reject_verb =
      section
          .optional_choice<ClientOptions::RejectVerb>("reject", {{"delete", ClientOptions::RejectVerb::delete_task},
                                                                 {"patch", ClientOptions::RejectVerb::patch_task}})
          .value_or(ClientOptions::RejectVerb::delete_task);
  read_signing(section, settings);
  settings.application_key = read_token_key(section, "application_key");
  settings.application_public_key = section.optional_file("application_public_key");
  settings.request_signature = section.optional_boolean("request_signature").value_or(false);
  if (settings.request_signature && !settings.application_key) {
    section.problem("request_signature", "needs an application_key: {token: NAME, key: SELECTOR}");
  }
  read_policy(section, settings);
  read_names(section, settings);
  read_task_reader(section, settings);
  settings.time_limit = section.optional_duration("time_limit").value_or(settings.time_limit);
  section.finish();
  return settings;
}

Settings for_key_of_ca(Settings settings, const std::string& authority, const std::string& key,
                       std::optional<config::SecretSource> password) {
  settings.name = authority;
  settings.mode = Mode::given_bytes;
  settings.sign_key = key;
  settings.key_password = std::move(password);
  settings.algorithm.clear();
  settings.issuer.reset();
  settings.chain.reset();
  settings.policy.reset();
  settings.import_label.clear();
  return settings;
}

ClientOptions client_options(const Settings& settings, const config::Prompter& prompter) {
  ClientOptions options;
  for (const auto& [role, sources] : settings.api_keys) {
    const std::string what = fmt::format("the {} API key of provider {}", to_string(role), settings.name);
    for (const config::SecretSource& source : sources) {
      options.api_keys[role].push_back(providers::source_of(source, prompter, what));
    }
  }
  if (settings.bearer_token) {
    options.bearer_token =
        providers::source_of(*settings.bearer_token, prompter, "the bearer token of provider " + settings.name);
  }
  options.roles = settings.roles;
  options.reject_verb = settings.reject_verb;
  return options;
}

}  // namespace hsmbridge::securosys
