#include "providers/local/settings.h"

#include "base/error.h"
#include "ca/crl.h"
#include "config/settings.h"
#include "net/url.h"

#include <fmt/core.h>

#include <algorithm>
#include <set>
#include <utility>

namespace hsmbridge::local {
namespace {

using config::Section;

// `key: {token: NAME, key: SELECTOR}`, or `{provider: NAME, key: LABEL}` where a provider keeps it.
void read_key(Section& section, Settings& settings) {
  if (section.shape("key") != Section::Shape::mapping) {
    return section.problem("key", "is missing: {token: NAME, key: LABEL}, the CA's key");
  }
  if (auto there = section.section("key"); there->has("provider")) {
    settings.key_service = {there->text("provider"), there->optional_secret("password")};
    settings.key.key = there->text("key");
    if (there->optional_text("token")) {
      section.problem("key", "names both a token and a provider: the key is in one of them");
    }
    return there->finish();
  }
  if (auto key = providers::read_token_key(section, "key")) settings.key = std::move(*key);
}

// What `read` makes of the value of `key`; a problem where it throws.
template <class Read>
void problem_unless_read(Section& section, std::string_view key, Read read) {
  try {
    read();
  } catch (const Error& error) {
    section.problem(key, error.message());
  }
}

// "90d", "tls-br" or the end itself.
ca::Lifetime read_lifetime(Section& section) {
  const auto text = section.optional_text("validity");
  if (!text) return ca::Profile{}.lifetime;
  if (*text == "tls-br") return ca::TlsMaximum{};
  try {
    const Duration length = parse_duration(*text);
    if (length >= std::chrono::minutes{1}) return length;
    section.problem("validity", "must be a minute or more");
  } catch (const Error&) {
    try {
      return parse_rfc3339(*text);
    } catch (const Error&) {
      section.problem(
          "validity",
          fmt::format("'{}' is none of: a time such as 90d, an end such as 2030-12-31T23:59:59Z, tls-br", *text));
    }
  }
  return ca::Profile{}.lifetime;
}

// A value as it must be, or an expression between two slashes.
std::vector<ca::SubjectRule> read_subject(Section& section) {
  std::vector<ca::SubjectRule> rules;
  for (const auto& [type, value] : section.named_texts("subject")) {
    problem_unless_read(section, "subject", [&, &type = type, &value = value] {
      ca::SubjectRule rule{x509::Oid::parse(type), value, {}};
      if (value.size() >= 2 && value.front() == '/' && value.back() == '/') {
        rule.expression = value.substr(1, value.size() - 2);
        ca::matches("", *rule.expression);
      }
      rules.push_back(std::move(rule));
    });
  }
  return rules;
}

std::optional<x509::NameConstraints> read_constraints(Section& section, std::string_view key) {
  x509::NameConstraints constraints;
  for (const std::string& text : section.texts(key)) {
    problem_unless_read(section, key, [&] { x509::add_name_constraint(constraints, text); });
  }
  if (constraints.permitted.empty() && constraints.excluded.empty()) return std::nullopt;
  return constraints;
}

// RFC 5280 §8 warns of https there (a verifier would have to verify to verify), and the CA/Browser Forum forbids it.
std::vector<std::string> read_urls(Section& section, std::string_view key) {
  std::vector<std::string> urls = section.texts(key);
  for (const std::string& url : urls) {
    if (!url.starts_with("http://")) section.problem(key, fmt::format("'{}' must begin with http://", url));
    problem_unless_read(section, key, [&] { x509::GeneralName::parse("uri:" + url); });
  }
  return urls;
}

void read_content(Section& section, ca::Profile& profile) {
  for (const std::string& text : section.texts("usage")) {
    problem_unless_read(section, "usage", [&] {
      if (!profile.key_usage) profile.key_usage.emplace();
      profile.key_usage->add(x509::parse_key_usage(text));
    });
  }
  for (const std::string& text : section.texts("extended_usage")) {
    problem_unless_read(section, "extended_usage",
                        [&] { profile.extended_key_usage.push_back(x509::parse_extended_key_usage(text)); });
  }
  if (const auto text = section.optional_text("basic_constraints")) {
    problem_unless_read(section, "basic_constraints",
                        [&] { profile.basic_constraints = x509::parse_basic_constraints(*text); });
  }
  profile.name_constraints = read_constraints(section, "name_constraints");
  for (const std::string& text : section.texts("policies")) {
    problem_unless_read(section, "policies", [&] { profile.policies.push_back(x509::parse_policy(text)); });
  }
  for (const std::string& text : section.texts("extensions")) {
    problem_unless_read(section, "extensions", [&] { profile.extensions.push_back(x509::Oid::parse(text)); });
  }
  const bool may_sign = profile.key_usage && profile.key_usage->has(x509::KeyUsage::key_cert_sign);
  if (may_sign != profile.makes_cas()) {
    section.problem("usage", may_sign ? "has keyCertSign, and the profile makes no CAs (basic_constraints: CA:TRUE)"
                                      : "must have keyCertSign: the profile makes CAs");
  }
  if (profile.name_constraints && !profile.makes_cas()) {
    section.problem("name_constraints", "is for CAs (basic_constraints: CA:TRUE)");
  }
}

Settings::Profile read_profile(const std::string& name, Section& section) {
  static const Section::Choices<x509::KeyIdentifierMethod> kIdentifiers{{"sha256", x509::KeyIdentifierMethod::sha256},
                                                                        {"sha1", x509::KeyIdentifierMethod::sha1}};
  Settings::Profile profile;
  profile.requests = section.texts("for");
  if (profile.requests.empty()) profile.requests = {name};
  ca::Profile& rules = profile.rules;
  rules.name = name;
  rules.lifetime = read_lifetime(section);
  rules.backdate = section.optional_duration("backdate").value_or(Duration::zero());
  rules.subject = read_subject(section);
  rules.names = read_constraints(section, "names").value_or(x509::NameConstraints{});
  read_content(section, rules);
  rules.ocsp = read_urls(section, "ocsp_url");
  rules.issuer_urls = read_urls(section, "issuer_url");
  rules.crl_urls = read_urls(section, "crl_url");
  rules.key_identifier =
      section.optional_choice("key_identifier", kIdentifiers).value_or(x509::KeyIdentifierMethod::sha256);
  rules.policy_url = section.optional_text("policy_url").value_or("");
  rules.outlives_cross_signed = section.optional_boolean("outlives_cross_signed").value_or(false);
  for (const std::string& word : section.texts("rules")) {
    if (word == "cabf-tls") {
      rules.rules.push_back(ca::Rules::cabf_tls);
    } else if (word == "cabf-sub-ca") {
      rules.rules.push_back(ca::Rules::cabf_sub_ca);
    } else {
      section.problem("rules", fmt::format("'{}' is none of: cabf-tls, cabf-sub-ca", word));
    }
  }
  section.finish();
  return profile;
}

void read_profiles(Section& section, Settings& settings) {
  auto profiles = section.section("profiles");
  if (!profiles) return;
  std::set<std::string> taken;
  for (auto& [name, from] : profiles->named_sections()) {
    settings.profiles.push_back(read_profile(name, from));
    for (const std::string& request : settings.profiles.back().requests) {
      if (!taken.insert(request).second) {
        profiles->problem(name, fmt::format("is for requests of the profile {}, and another one is too", request));
      }
    }
  }
  profiles->finish();
}

void read_root(Section& section, Settings& settings) {
  auto from = section.section("root");
  if (!from) return;
  Settings::Root root;
  problem_unless_read(*from, "subject", [&] {
    root.root.subject = x509::Name::parse(config::read_name(*from, "subject"));
    if (root.root.subject.empty()) from->problem("subject", "must say what the CA is called");
  });
  problem_unless_read(*from, "key",
                      [&] { root.key = x509::parse_key_spec(from->optional_text("key").value_or("ec:P-384")); });
  root.root.validity = from->optional_duration("validity").value_or(std::chrono::hours{24 * 365 * 20});
  if (const auto length = from->optional_integer("path_length", 0, 100)) {
    root.root.path_length = static_cast<std::uint64_t>(*length);
  }
  from->finish();
  if (settings.key_service) {
    section.problem("root",
                    "is for a key in a token: of one at a provider the certificate is made elsewhere and put at "
                    "`certificate`");
  }
  settings.root = std::move(root);
}

constexpr std::string_view kShard = "{shard}";

std::string shard_in(std::string text, const std::string& shard) {
  for (std::size_t at = text.find(kShard); at != std::string::npos; at = text.find(kShard, at + shard.size())) {
    text.replace(at, kShard.size(), shard);
  }
  return text;
}

// What is looked at after a publication must be an address that can be fetched.
void expect_to_fetch(Section& section, const Settings::Crl& crl, const std::string& url) {
  if (url.empty() || crl.read_back == workflow::CrlPlace::ReadBack::no) return;
  problem_unless_read(section, "url", [&] { net::PublicUrl::parse(url); });
}

// The address of a file: what is below the origin is kept, and the connection is to the origin.
std::string take_origin(Section& section, std::string& url) {
  const std::string_view scheme = "https://";
  const std::size_t path = url.starts_with(scheme) ? url.find('/', scheme.size()) : std::string::npos;
  if (path == std::string::npos || path + 1 == url.size() || url.find_first_of("?#") != std::string::npos) {
    section.problem("put", "must be the address of a file: https://HOST[:PORT]/PATH");
    return {};
  }
  std::string file = url.substr(path);
  url.resize(path);
  problem_unless_read(section, "put", [&] { net::Url::parse(url).at(shard_in(file, "0")); });
  return file;
}

// `put: URL`, or `put: {url: URL, ca: …}` where the server wants more.
struct Put {
  std::string url;  // with {shard} in it, where that was
  Settings::Crl::Server server;
};
std::optional<Put> read_put(Section& section, const std::string& name) {
  Put put;
  switch (section.shape("put")) {
    case Section::Shape::absent:
      return std::nullopt;
    case Section::Shape::mapping: {
      auto from = section.section("put");
      put.server.connection = providers::read_connection(name, *from, providers::UrlPath::allowed, "");
      put.server.bearer_token = from->optional_secret("bearer_token");
      put.server.user = from->optional_text("user").value_or("");
      put.server.password = from->optional_secret("password");
      if (put.server.user.empty() != !put.server.password) from->problem("user", "goes together with a password");
      if (put.server.bearer_token && put.server.password) {
        from->problem("bearer_token", "is another way than user and password: give one of them");
      }
      if (put.server.user.find(':') != std::string::npos) from->problem("user", "must not have a colon (RFC 7617)");
      from->finish();
      break;
    }
    default:
      put.server.connection.name = name;
      put.server.connection.url = section.text("put");
      break;
  }
  const std::string file = take_origin(section, put.server.connection.url);
  put.url = put.server.connection.url + file;
  return put;
}

void read_complete(Section& section, Settings::Crl& crl) {
  crl.file = section.file("file");
  if (const auto urls = read_urls(section, "url"); !urls.empty()) crl.url = urls.front();
  expect_to_fetch(section, crl, crl.url);
}

// `file` and `url` with {shard} in them are those of each shard; those of the complete one are under `complete`.
void read_shards(Section& section, Settings::Crl& crl, long count) {
  const std::string file = section.file("file").string();
  const std::string url = section.optional_text("url").value_or("");
  for (const auto& [key, text] : {std::pair("file", &file), std::pair("url", &url)}) {
    if (text->find(kShard) == std::string::npos) {
      section.problem(key, "must say with {shard} where each shard is: there are `shards`");
      return;
    }
  }
  if (!url.starts_with("http://")) section.problem("url", fmt::format("'{}' must begin with http://", url));
  for (long number = 0; number < count; ++number) {
    const std::string shard = std::to_string(number);
    crl.shards.push_back({shard, shard_in(file, shard), shard_in(url, shard), crl.read_back});
  }
  problem_unless_read(section, "url", [&] { x509::GeneralName::parse("uri:" + crl.shards.front().url); });
  expect_to_fetch(section, crl, crl.shards.front().url);
  auto complete = section.section("complete");
  if (!complete) return;
  read_complete(*complete, crl);
  crl.put = complete->optional_text("put").value_or("");
  if (std::string origin = crl.put; !origin.empty()) take_origin(*complete, origin);
  complete->finish();
}

// The complete CRL beside shards is on their server too: there is one connection.
void read_puts(Section& section, const std::string& name, Settings::Crl& crl) {
  auto put = read_put(section, name);
  const bool is_for_shards = !crl.shards.empty();
  if (put && is_for_shards != (put->url.find(kShard) != std::string::npos)) {
    section.problem("put", is_for_shards ? "must say with {shard} where each shard is put: there are `shards`"
                                         : "has {shard} in it, and there are no `shards`");
  }
  if (!crl.put.empty() && (!put || !crl.put.starts_with(put->server.connection.url + "/"))) {
    section.problem("complete", "has a `put` that is not on the server of the shards' `put`");
  }
  if (!put) return;
  for (workflow::CrlPlace& place : crl.shards) place.put = shard_in(put->url, place.shard);
  if (!is_for_shards) crl.put = put->url;
  crl.server = std::move(put->server);
}

// Of a CA of CAs alone; what it has certified besides, the store tells before each CRL.
void read_scope(Section& section, Settings& settings, Settings::Crl& crl) {
  using Scope = workflow::CrlPlace::Scope;
  static const Section::Choices<Scope> kScopes{{"all", Scope::all}, {"ca", Scope::authorities}};
  crl.scope = section.optional_choice("scope", kScopes).value_or(Scope::all);
  if (crl.scope == Scope::all) return;
  crl.next_update = ca::kLongestAuthoritiesCrl;
  if (!crl.shards.empty()) section.problem("scope", "is for one complete CRL: a CA of CAs alone has no `shards`");
  for (const Settings::Profile& profile : settings.profiles) {
    if (profile.rules.makes_cas()) continue;
    section.problem("scope", fmt::format("is ca, and the profile {} makes no CAs (basic_constraints: CA:TRUE): what it "
                                         "certifies could not be revoked",
                                         profile.rules.name));
  }
}

// The CA/Browser Forum's longest: ten days where servers are below, a year where CAs are (BR 7.2.1).
void read_crl(Section& section, Settings& settings) {
  constexpr long kMostShards = 1024;
  auto from = section.section("crl");
  if (!from) return;
  Settings::Crl crl;
  if (!from->optional_boolean("read_back").value_or(true)) crl.read_back = workflow::CrlPlace::ReadBack::no;
  if (const auto shards = from->optional_integer("shards", 2, kMostShards)) {
    read_shards(*from, crl, *shards);
    if (settings.key_service) {
      from->problem("shards",
                    "are for a key in a token: with one at a provider each CRL is a request that people approve");
    }
  } else {
    read_complete(*from, crl);
  }
  read_puts(*from, settings.name, crl);
  read_scope(*from, settings, crl);
  crl.next_update = from->optional_duration("next_update").value_or(crl.next_update);
  if (crl.next_update < std::chrono::hours{1} || crl.next_update > std::chrono::hours{24 * 366}) {
    from->problem("next_update", "must be between an hour and a year");
  } else if (crl.scope == workflow::CrlPlace::Scope::authorities && crl.next_update > ca::kLongestAuthoritiesCrl) {
    from->problem("next_update", "must be 365d or less: a CRL about CAs is valid for 12 months at most");
  }
  crl.every = from->optional_duration("every");
  if (crl.every && (*crl.every < std::chrono::minutes{1} || *crl.every >= crl.next_update)) {
    from->problem("every", fmt::format("must be a minute or more and shorter than next_update ({})",
                                       duration_text(crl.next_update)));
  }
  if (crl.every && settings.operator_command) {
    from->problem("every", "no timer signs with a CA of operator_command: publish its CRLs with `ca crl`");
  }
  for (Settings::Profile& profile : settings.profiles) {
    if (!crl.shards.empty() && !profile.rules.crl_urls.empty()) {
      from->problem("shards", fmt::format("the profile {} has a crl_url of its own, and its certificates must name "
                                          "their shard: leave it out",
                                          profile.rules.name));
    } else if (crl.shards.empty() && profile.rules.crl_urls.empty() && !crl.url.empty()) {
      profile.rules.crl_urls = {crl.url};
    }
  }
  from->finish();
  settings.crl = std::move(crl);
}

}  // namespace

const ca::Profile* Settings::profile_for(std::string_view request_profile) const {
  for (const Profile& profile : profiles) {
    if (std::find(profile.requests.begin(), profile.requests.end(), request_profile) != profile.requests.end()) {
      return &profile.rules;
    }
  }
  return nullptr;
}

Settings read_settings(const std::string& name, Section section) {
  Settings settings;
  settings.name = name;
  settings.certificate = section.file("certificate");
  settings.chain = section.optional_file("chain");
  read_key(section, settings);
  settings.algorithm = section.optional_text("algorithm").value_or("");
  if (!settings.algorithm.empty()) {
    problem_unless_read(section, "algorithm", [&] { x509::signature_algorithm(settings.algorithm); });
  }
  read_profiles(section, settings);
  read_root(section, settings);
  settings.serial_log = section.optional_file("serial_log");
  settings.operator_command = section.optional_boolean("operator_command").value_or(false);
  read_crl(section, settings);
  settings.linters = read_linters(section);
  section.finish();
  return settings;
}

}  // namespace hsmbridge::local
