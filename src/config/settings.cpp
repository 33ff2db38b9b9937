#include "config/settings.h"

#include "base/error.h"
#include "base/text.h"
#include "config/key_flaw.h"
#include "config/paths.h"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <iterator>
#include <limits>
#include <string_view>
#include <utility>

namespace hsmbridge::config {
namespace {

constexpr std::int64_t kMany = 1'000'000;

std::optional<unsigned> optional_count(Section& section, std::string_view key, std::int64_t least) {
  const auto value = section.optional_integer(key, least, kMany);
  return value ? std::optional<unsigned>(static_cast<unsigned>(*value)) : std::nullopt;
}

// A name that people type on a command line and that stands in messages and file names.
void check_name(Section& parent, const std::string& name) {
  const auto fine = [](char c) { return is_letter_or_digit(c) || c == '-' || c == '_' || c == '.'; };
  if (!std::all_of(name.begin(), name.end(), fine) || name.front() == '-' || name.front() == '.') {
    parent.problem(name, "a name is made of letters, digits, '-', '_' and '.', and starts with neither '-' nor '.'");
  }
}

// The named sub-sections of one of the lists of the file, each read by `read_one(name, section)`.
template <class Setting, class Read>
std::vector<Setting> read_named(Section& root, std::string_view key, Read read_one) {
  std::vector<Setting> all;
  auto list = root.section(key);
  if (!list) return all;
  for (auto& [name, section] : list->named_sections()) {
    check_name(*list, name);
    all.push_back(read_one(name, section));
  }
  list->finish();
  return all;
}

// "user", "so" or a number: vendors have users of their own (PKCS#11 v2.40 §3.6, CKU_VENDOR_DEFINED is 0x80000000).
unsigned long read_user_type(Section& section) {
  constexpr unsigned long kSecurityOfficer = 0;
  constexpr unsigned long kUser = 1;
  const auto text = section.optional_text("user_type");
  if (!text || *text == "user") return kUser;
  if (*text == "so") return kSecurityOfficer;
  const bool hexadecimal = text->starts_with("0x");
  const char* begin = text->data() + (hexadecimal ? 2 : 0);
  const char* end = text->data() + text->size();
  unsigned long value = 0;
  const auto [stop, failure] = std::from_chars(begin, end, value, hexadecimal ? 16 : 10);
  if (failure == std::errc{} && stop == end && value <= std::numeric_limits<std::uint32_t>::max()) return value;
  section.problem("user_type", "must be user, so or a vendor's number such as 0x80000001");
  return kUser;
}

TokenSettings read_token(const std::string& name, Section& section) {
  TokenSettings token;
  token.name = name;
  token.section = section;
  token.module = section.file("module");
  token.uri = section.text("uri");
  if (!token.uri.empty() && !token.uri.starts_with("pkcs11:")) {
    section.problem("uri", "must start with pkcs11: (RFC 7512)");
  }
  // A PIN in the URI would be a secret in the file (and shown in messages).
  if (token.uri.find("pin-value") != std::string::npos) {
    section.problem("uri",
                    "must not hold a PIN: use the key 'pin' with env:NAME, file:PATH, credential:NAME or prompt");
    token.uri.clear();
  }
  token.pin = section.optional_secret("pin", SecretUse::pin);
  token.key_pin = section.optional_secret("key_pin", SecretUse::pin);
  token.user_type = read_user_type(section);
  token.stores_certificates = section.optional_boolean("certificates").value_or(true);
  token.sessions = optional_count(section, "sessions", 1).value_or(token.sessions);
  token.session_wait = section.optional_duration("session_wait");
  token.login_wait = section.optional_duration("login_wait");
  token.deadline = section.optional_duration("deadline");
  section.finish();
  return token;
}

ProviderSettings read_provider(const std::string& name, Section& section,
                               const std::map<std::string, ProviderReader>& readers) {
  ProviderSettings provider;
  provider.name = name;
  provider.section = section;
  provider.type = section.text("type");
  provider.concurrency = optional_count(section, "concurrency", 1).value_or(provider.concurrency);
  provider.calls_per_minute = optional_count(section, "calls_per_minute", 1);
  provider.time_limit = section.optional_duration("time_limit");
  provider.settle = section.optional_duration("settle");
  provider.poll_first = section.optional_duration("poll_first");
  provider.poll_longest = section.optional_duration("poll_longest");
  provider.most_attempts = optional_count(section, "most_attempts", 1);
  if (readers.empty() || provider.type.empty()) return provider;
  const auto reader = readers.find(provider.type);
  if (reader == readers.end()) {
    section.problem("type", fmt::format("'{}' is none of: {}", provider.type,
                                        joined(readers, ", ", [](const auto& row) { return row.first; })));
    return provider;
  }
  try {
    ProviderFacts facts = reader->second(name, section);
    provider.search_lag = facts.search_lag;
    provider.key_at = std::move(facts.key_at);
    provider.keeps_keys = std::move(facts.keeps_keys);
  } catch (const Error& error) {
    section.problem("type", error.message());
  }
  return provider;
}

// A text that x509::Name::parse reads back as this value (RFC 4514 §2.4).
std::string escaped(std::string_view value) {
  std::string text;
  for (std::size_t i = 0; i < value.size(); ++i) {
    const char c = value[i];
    const bool edge = (i == 0 && (c == ' ' || c == '#')) || (i + 1 == value.size() && c == ' ');
    if (edge || std::string_view(",+;\"\\<>=").find(c) != std::string_view::npos) text += '\\';
    text += c;
  }
  return text;
}

std::string relative_name(const std::vector<std::pair<std::string, std::string>>& attributes) {
  return joined(attributes, "+", [](const auto& one) { return one.first + "=" + escaped(one.second); });
}

// "0640" and "640" are octal, as chmod reads them.
std::optional<unsigned> read_mode(Section& section) {
  const auto text = section.optional_text("mode");
  if (!text) return std::nullopt;
  unsigned mode = 0;
  const auto [stop, failure] = std::from_chars(text->data(), text->data() + text->size(), mode, 8);
  if (failure == std::errc{} && stop == text->data() + text->size() && mode <= 0777) return mode;
  section.problem("mode", "must be an octal number up to 0777, for example 0640");
  return std::nullopt;
}

FileTargetSettings read_file_target(Section& section) {
  static const Section::Choices<std::string> kContents{
      {"full", "full"}, {"leaf", "leaf"}, {"chain", "chain"}, {"pkcs7", "pkcs7"}};
  static const Section::Choices<std::string> kOrders{{"leaf-first", "leaf-first"}, {"root-first", "root-first"}};
  FileTargetSettings target;
  target.path = section.file("path");
  target.content = section.optional_choice("content", kContents).value_or(target.content);
  target.order = section.optional_choice("order", kOrders).value_or(target.order);
  target.owner = section.optional_text("owner");
  target.group = section.optional_text("group");
  target.mode = read_mode(section);
  section.finish();
  return target;
}

// "30d", "10h" or "15%".
std::optional<RenewBefore> read_renew_before(Section& section, const std::optional<Duration>& validity) {
  const auto text = section.optional_text("renew_before");
  if (!text) return std::nullopt;
  RenewBefore before;
  if (text->ends_with('%')) {
    const char* end = text->data() + text->size() - 1;
    const auto [stop, failure] = std::from_chars(text->data(), end, before.percent);
    if (failure == std::errc{} && stop == end && before.percent >= 1 && before.percent <= 66) return before;
    section.problem("renew_before", "a part of the certificate's life is 1% to 66%");
    return std::nullopt;
  }
  try {
    before.time = parse_duration(*text);
  } catch (const Error&) {
    section.problem("renew_before",
                    fmt::format("'{}' is not a valid time before the end: write 30d, 10h or 15%", *text));
    return std::nullopt;
  }
  if (before.time <= Duration::zero()) section.problem("renew_before", "must be longer than nothing");
  if (validity && before.time > *validity * 2 / 3) {
    section.problem("renew_before", "must be at most two thirds of validity");
  }
  return before;
}

InstallSettings read_install(Section& profile) {
  static const Section::Choices<bool> kOnRenew{{"replace", false}, {"keep", true}};
  InstallSettings install;
  auto section = profile.section("install");
  if (!section) return install;
  install.token = section->optional_boolean("token").value_or(false);
  install.keep_in_token = section->optional_choice("on_renew", kOnRenew).value_or(false);
  if (section->has("on_renew") && !install.token) section->problem("on_renew", "belongs to token: true");
  install.files = section->files("file");
  for (Section& one : section->sections("files")) install.more_files.push_back(read_file_target(one));
  install.provider = section->optional_text("provider");
  install.hook = section->texts("hook");
  section->finish();
  return install;
}

ApprovalGroup read_group(Section& section, const std::vector<PersonSettings>& people) {
  ApprovalGroup group;
  group.name = section.optional_text("name").value_or("");
  group.of = section.texts("of");
  if (group.of.empty()) section.problem("of", "must name the people who may approve");
  group.quorum = static_cast<unsigned>(section.integer("quorum", 1, kMany));
  if (!group.of.empty() && group.quorum > group.of.size()) {
    section.problem("quorum", fmt::format("asks for {} approvals of {} people", group.quorum, group.of.size()));
  }
  for (auto name = group.of.begin(); name != group.of.end(); ++name) {
    const auto person = std::find_if(people.begin(), people.end(), [&](const auto& one) { return one.name == *name; });
    if (std::find(group.of.begin(), name, *name) != name) {
      section.problem("of", fmt::format("names '{}' twice", *name));
    } else if (person == people.end()) {
      section.problem("of", fmt::format("'{}' is not among the people of this file", *name));
    } else if (!person->public_key && !person->spki) {
      // Whoever orders and whoever submits must know the key, and need not reach that person's token.
      section.problem("of", fmt::format("'{}' has no public_key, by which approvals are known (`hsmbridge key public` "
                                        "writes it)",
                                        *name));
    }
  }
  section.finish();
  return group;
}

ApprovalAlternative read_alternative(Section& section, const std::vector<PersonSettings>& people) {
  ApprovalAlternative alternative;
  alternative.name = section.optional_text("name").value_or("");
  alternative.timelock = section.optional_duration("timelock").value_or(Duration::zero());
  alternative.timeout = section.optional_duration("timeout").value_or(Duration::zero());
  for (Section& group : section.sections("groups")) alternative.groups.push_back(read_group(group, people));
  if (alternative.groups.empty()) section.problem("groups", "must name the groups that have to approve");
  if (section.has("timeout") && alternative.timeout <= alternative.timelock) {
    section.problem("timeout", "must be longer than timelock");
  }
  constexpr Duration kLongest = std::chrono::hours{24 * 30};  // workflow::kLongestApproval
  if (alternative.timelock >= kLongest) section.problem("timelock", "must be under 30 days: no approval counts longer");
  section.finish();
  return alternative;
}

// A group, or a list of them; a mapping with `groups`, which may also have times; or `any` of such mappings.
std::vector<ApprovalAlternative> read_approval(Section& profile, const std::vector<PersonSettings>& people) {
  std::vector<ApprovalAlternative> alternatives;
  std::vector<Section> sections = profile.sections("approval");
  const auto shape = profile.shape("approval");
  if (sections.empty()) {
    if (shape == Section::Shape::list) profile.problem("approval", "must name who approves; leave it out for nobody");
    return alternatives;
  }
  if (shape == Section::Shape::mapping && sections.front().has("any")) {
    for (Section& one : sections.front().sections("any")) alternatives.push_back(read_alternative(one, people));
    if (alternatives.empty()) sections.front().problem("any", "must name at least one way");
    sections.front().finish();
  } else if (shape == Section::Shape::mapping && sections.front().has("groups")) {
    alternatives.push_back(read_alternative(sections.front(), people));
  } else {
    ApprovalAlternative only;
    for (Section& section : sections) only.groups.push_back(read_group(section, people));
    alternatives.push_back(std::move(only));
  }
  return alternatives;
}

std::vector<CopyField> read_copy(Section& section) {
  static constexpr std::pair<std::string_view, CopyField> kFields[] = {
      {"subject", CopyField::subject},
      {"san", CopyField::san},
      {"key", CopyField::key},
      {"usage", CopyField::usage},
      {"extended_usage", CopyField::extended_usage},
      {"policies", CopyField::policies},
      {"tls_features", CopyField::tls_features},
  };
  std::vector<CopyField> fields;
  for (const std::string& word : section.texts("copy")) {
    const auto* row =
        std::find_if(std::begin(kFields), std::end(kFields), [&](const auto& one) { return one.first == word; });
    if (row != std::end(kFields)) {
      fields.push_back(row->second);
      continue;
    }
    section.problem("copy", fmt::format("'{}' cannot be taken from a CSR; there are: {}", word,
                                        joined(kFields, ", ", [](const auto& one) { return one.first; })));
  }
  return fields;
}

// Another part of the file that must exist under this name.
template <class Setting>
void check_reference(Section& section, std::string_view key, const std::optional<std::string>& name,
                     const std::vector<Setting>& all, std::string_view list) {
  if (!name || std::any_of(all.begin(), all.end(), [&](const Setting& one) { return one.name == *name; })) return;
  section.problem(key, fmt::format("'{}' is not among the {} of this file", *name, list));
}

// The keys of CAs that other providers keep: each is one CA's, and nobody else certifies with it.
void check_kept_keys(const std::vector<ProviderSettings>& providers) {
  for (auto ca = providers.begin(); ca != providers.end(); ++ca) {
    if (!ca->key_at) continue;
    Section section = ca->section;
    const auto& [keeper, key] = *ca->key_at;
    check_reference(section, "key", std::optional(keeper), providers, "providers");
    for (const ProviderSettings& one : providers) {
      if (one.name != keeper) continue;
      if (!one.keeps_keys) {
        section.problem("key",
                        fmt::format("provider {} is of type {}, which keeps no key of a CA here", keeper, one.type));
      } else if (*one.keeps_keys == key) {
        section.problem("key", fmt::format("{} is the sign_key of provider {} too, which would certify past this CA's "
                                           "serial numbers and revocations: leave sign_key out there, or take another "
                                           "key",
                                           key, keeper));
      }
    }
    const auto other = std::find_if(providers.begin(), ca, [&](const auto& one) { return one.key_at == ca->key_at; });
    if (other != ca)
      section.problem("key", fmt::format("{} at provider {} is the key of {} too", key, keeper, other->name));
  }
}

ProfileSettings read_profile(const std::string& name, Section& section, const Settings& settings) {
  static const Section::Choices<RenewKey> kRenewKeys{
      {"new", RenewKey::make}, {"same", RenewKey::same}, {"always-new", RenewKey::always_make}};
  ProfileSettings profile;
  profile.name = name;
  profile.section = section;
  profile.provider = section.optional_text("provider");
  check_reference(section, "provider", profile.provider, settings.providers, "providers");
  profile.token = section.optional_text("token");
  check_reference(section, "token", profile.token, settings.tokens, "tokens");
  profile.key = section.optional_text("key");
  profile.algorithm = section.optional_text("algorithm");
  profile.subject = read_name(section, "subject");
  profile.san = section.texts("san");
  profile.usage = section.texts("usage");
  profile.extended_usage = section.texts("extended_usage");
  profile.basic_constraints = section.optional_text("basic_constraints");
  profile.name_constraints = section.texts("name_constraints");
  profile.policies = section.texts("policies");
  profile.tls_features = section.texts("tls_features");
  profile.extensions = section.texts("extensions");
  profile.copy = read_copy(section);
  profile.validity = section.optional_duration("validity");
  profile.max_age = section.optional_duration("max_age");
  profile.deadline = section.optional_duration("deadline");
  if (profile.validity && *profile.validity < std::chrono::minutes{1}) {
    section.problem("validity", "must be a minute or more");
  }
  profile.renew_before = read_renew_before(section, profile.validity);
  profile.renew_key = section.optional_choice("renew_key", kRenewKeys).value_or(RenewKey::make);
  profile.overlap = section.optional_duration("overlap");
  profile.accept = section.texts("accept");
  profile.accept_key = take_key_flaws(profile.accept);
  profile.anchors = section.files("anchors");
  profile.install = read_install(section);
  profile.approval = read_approval(section, settings.people);
  profile.wants_command = section.optional_boolean("operator_command").value_or(false);
  section.finish();
  return profile;
}

PersonSettings read_person(const std::string& name, Section& section, const Settings& settings) {
  PersonSettings person;
  person.name = name;
  person.section = section;
  person.public_key = section.optional_file("public_key");
  person.spki = section.optional_text("spki");
  person.accounts = section.texts("accounts");
  if (!section.has("accounts")) person.accounts = {name};
  person.token = section.optional_text("token");
  check_reference(section, "token", person.token, settings.tokens, "tokens");
  person.key = section.optional_text("key");
  person.accept_key = read_key_flaws(section);
  person.provider = section.optional_text("provider");
  check_reference(section, "provider", person.provider, settings.providers, "providers");
  if (section.has("token") != section.has("key")) {
    section.problem(section.has("token") ? "token" : "key", "a person's token and key are given together");
  }
  const bool has_file = section.has("public_key");
  const bool has_spki = section.has("spki");
  if ((has_file && has_spki) || (!has_file && !has_spki && !section.has("token"))) {
    section.problem(has_spki ? "spki" : "", "a person has either public_key (a PEM file) or spki (base64)");
  }
  section.finish();
  return person;
}

// A user who writes it believes that checkpoints are made.
void refuse_audit(Section& root) {
  if (!root.section("audit")) return;
  root.problem(
      "audit",
      "checkpoints of the audit log are not supported yet, and this would do nothing; remove it (the log itself is "
      "kept in the store: see `hsmbridge audit verify`)");
}

template <class Setting>
const Setting& named(const std::vector<Setting>& all, std::string_view name, std::string_view what) {
  for (const Setting& one : all) {
    if (one.name == name) return one;
  }
  const std::string names = joined(all, ", ", &Setting::name);
  if (name.empty() && all.size() == 1) return all.front();
  if (all.empty()) {
    throw Error{ErrorKind::not_found, fmt::format("the configuration has no {}", what)}.hint(
        fmt::format("add one under {}s:", what));
  }
  if (name.empty()) {
    Error error{ErrorKind::ambiguous, fmt::format("the configuration names {} {}s: {}", all.size(), what, names)};
    for (const Setting& one : all) error.with("candidate", one.name);
    throw error.hint(fmt::format("choose one, for example --{} {}", what, all.front().name));
  }
  throw Error{ErrorKind::not_found, fmt::format("the configuration has no {} '{}'; it names: {}", what, name, names)};
}

std::filesystem::path home_file() {
  const char* home = std::getenv("HOME");
  return home == nullptr || *home == '\0' ? std::filesystem::path()
                                          : std::filesystem::path(home) / ".config/hsmbridge/hsmbridge.yaml";
}

}  // namespace

std::string read_name(Section& section, std::string_view key) {
  switch (section.shape(key)) {
    case Section::Shape::mapping:
      return joined(section.named_texts(key), ", ", [](const auto& one) { return relative_name({one}); });
    case Section::Shape::list: {
      std::vector<std::string> names;
      for (Section& relative : section.sections(key)) {
        std::vector<std::pair<std::string, std::string>> attributes;
        for (const std::string& type : relative.keys()) {
          if (auto value = relative.optional_text(type)) attributes.emplace_back(type, std::move(*value));
        }
        names.push_back(relative_name(attributes));
      }
      return joined(names);
    }
    default:
      return section.optional_text(key).value_or("");
  }
}

const TokenSettings& Settings::token(std::string_view name) const {
  return named(tokens, name, "token");
}

const ProviderSettings& Settings::provider(std::string_view name) const {
  return named(providers, name, "provider");
}

const ProfileSettings& Settings::profile(std::string_view name) const {
  return named(profiles, name, "profile");
}

const PersonSettings& Settings::person(std::string_view name) const {
  for (const PersonSettings& one : people) {
    if (one.name == name) return one;
  }
  throw Error{ErrorKind::not_found, fmt::format("the configuration has no person {}", name)}.hint(
      "people: names who may approve; `hsmbridge help configuration` shows how");
}

std::optional<std::filesystem::path> find_file(const std::optional<std::filesystem::path>& given) {
  std::error_code ignored;
  const auto must_exist = [&](const std::filesystem::path& file, std::string_view who) {
    // A file that cannot be looked at is opened later, and that says why.
    if (std::filesystem::status(file, ignored).type() == std::filesystem::file_type::not_found) {
      throw Error{ErrorKind::not_found, fmt::format("the configuration {} ({}) does not exist", file.string(), who)};
    }
    return file;
  };
  if (given) return must_exist(*given, "--config");
  const char* named_file = std::getenv("HSMBRIDGE_CONFIG");
  if (named_file != nullptr && *named_file != '\0') return must_exist(named_file, "HSMBRIDGE_CONFIG");
  for (const std::filesystem::path& file : {home_file(), std::filesystem::path("/etc/hsmbridge/hsmbridge.yaml")}) {
    if (file.empty()) continue;
    const auto type = std::filesystem::status(file, ignored).type();
    if (type != std::filesystem::file_type::not_found) return file;
  }
  return std::nullopt;
}

Settings read_settings(const std::filesystem::path& file, const std::map<std::string, ProviderReader>& readers) {
  Settings settings = read_settings(Document::read(file), readers);
  settings.file = std::filesystem::absolute(file);
  return settings;
}

Settings read_settings(Document document, const std::map<std::string, ProviderReader>& readers) {
  Settings settings;
  Section root = document.root();
  if (auto store = root.section("store")) {
    settings.store.path = store->file("path");
    settings.store.must_exist = store->optional_boolean("must_exist").value_or(false);
    settings.store.rehearsal = store->optional_boolean("rehearsal").value_or(false);
    store->finish();
  }
  settings.tokens = read_named<TokenSettings>(root, "tokens", read_token);
  settings.providers = read_named<ProviderSettings>(root, "providers", [&](const std::string& name, Section& section) {
    return read_provider(name, section, readers);
  });
  check_kept_keys(settings.providers);
  settings.people = read_named<PersonSettings>(
      root, "people", [&](const std::string& name, Section& section) { return read_person(name, section, settings); });
  settings.profiles = read_named<ProfileSettings>(root, "profiles", [&](const std::string& name, Section& section) {
    return read_profile(name, section, settings);
  });
  settings.weak_keys = root.files("weak_keys");
  refuse_audit(root);
  root.finish();
  document.finish();
  settings.sha256 = document.sha256();
  settings.is_read_once = document.is_read_once();
  return settings;
}

}  // namespace hsmbridge::config
