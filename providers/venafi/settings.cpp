#include "providers/venafi/settings.h"

#include "base/error.h"
#include "base/text.h"
#include "base/unicode.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

namespace hsmbridge::venafi {
namespace {

using config::Section;

constexpr std::string_view kCredentials = "api_key, access_token, token_url with external_jwt, or service_account";

void read_federated(Section& section, Settings& settings) {
  const auto url = section.optional_text("token_url");
  const auto jwt = section.optional_secret("external_jwt");
  if (url && !url->starts_with("https://")) section.problem("token_url", "must start with https://");
  if (url && url->find_first_of("?#@ ") != std::string::npos) {
    section.problem("token_url", "is https://HOST[:PORT]/PATH, without a query");
  }
  if (url && !jwt) section.problem("token_url", "needs an external_jwt: where the identity provider leaves its JWT");
  if (jwt && !url) section.problem("external_jwt", "needs a token_url, as shown on the service account's page");
  if (url && jwt) settings.federated = Federated{*url, *jwt};
}

void read_service_account(Section& section, Settings& settings) {
  auto account = section.section("service_account");
  if (!account) return;
  ServiceAccount read{account->text("client_id"), {}};
  if (auto key = providers::read_token_key(*account, "key")) {
    read.key = *key;
  } else {
    account->problem("key", "is missing: {token: NAME, key: SELECTOR} of the key that signs the JWT");
  }
  account->finish();
  settings.service_account = std::move(read);
}

void read_credentials(Section& section, Settings& settings) {
  settings.api_key = section.optional_secret("api_key");
  settings.access_token = section.optional_secret("access_token");
  read_federated(section, settings);
  read_service_account(section, settings);
  const bool federated = section.has("token_url") || section.has("external_jwt");
  const int ways = int{settings.api_key.has_value()} + int{settings.access_token.has_value()} + int{federated} +
                   int{settings.service_account.has_value()};
  if (ways == 0)
    section.problem("api_key", fmt::format("is missing; exactly one credential is required: {}", kCredentials));
  if (ways > 1) {
    section.problem(
        settings.api_key ? "api_key" : "access_token",
        fmt::format("is given in addition to another credential; exactly one is required: {}", kCredentials));
  }
}

// A base path, as of https://…/ngts, is another edition of the service: there a zone is the alias alone.
Application application_of(const std::string& url) {
  const std::size_t host = url.find("://");
  return host != std::string::npos && url.find('/', host + 3) != std::string::npos ? Application::optional
                                                                                   : Application::required;
}

void read_zone(Section& section, Settings& settings) {
  const std::string text = section.text("zone");
  if (text.empty()) return;
  try {
    settings.zone = parse_zone(text, application_of(settings.url));
  } catch (const Error& error) {
    section.problem("zone", error.message());
  }
}

void read_tags(Section& section, Settings& settings) {
  settings.tags = section.texts("tags");
  for (const std::string& tag : settings.tags) {
    if (tag.empty() || tag.front() == ':') section.problem("tags", "are texts NAME or NAME:VALUE");
    if (tag.starts_with("hsmbridge:")) section.problem("tags", "named hsmbridge mark the requests of this bridge");
  }
}

void read_people(Section& section, Settings& settings) {
  for (auto& [name, id] : section.named_texts("approvers")) {
    settings.people[lower(id)] = name;
  }
}

// A backslash is the one character that YAML's double quotes read in their own way.
constexpr std::string_view kForm = "write it as 'Application\\Template alias', in single quotes";

Error wrong(std::string_view text, std::string_view what) {
  return Error{ErrorKind::invalid_input, fmt::format("the zone \"{}\" {}: {}", printable(text), what, kForm)};
}

}  // namespace

std::string Zone::text() const {
  return application.empty() ? alias : application + "\\" + alias;
}

Zone parse_zone(std::string_view text, Application application) {
  const auto backslashes = std::count(text.begin(), text.end(), '\\');
  if (backslashes == 0) {
    if (application == Application::required) throw wrong(text, "has no backslash");
    if (text.empty()) throw wrong(text, "is empty");
    return {"", std::string(text)};
  }
  if (backslashes > 1) throw wrong(text, fmt::format("has {} backslashes", backslashes));
  const std::size_t at = text.find('\\');
  Zone zone{std::string(text.substr(0, at)), std::string(text.substr(at + 1))};
  if (zone.application.empty()) throw wrong(text, "names no application");
  if (zone.alias.empty()) throw wrong(text, "names no template alias");
  return zone;
}

Settings read_settings(const std::string& name, config::Section section) {
  Settings settings;
  static_cast<providers::Connection&>(settings) =
      providers::read_connection(name, section, providers::UrlPath::allowed, "/v1/… and /outagedetection/v1/…");
  read_credentials(section, settings);
  read_zone(section, settings);
  read_tags(section, settings);
  read_people(section, settings);
  settings.validity = section.optional_duration("validity");
  if (settings.validity && *settings.validity <= Duration::zero()) section.problem("validity", "must be above zero");
  settings.inventory_lag = section.optional_duration("inventory_lag").value_or(settings.inventory_lag);
  settings.search_lag = section.optional_duration("search_lag").value_or(settings.search_lag);
  settings.time_limit = section.optional_duration("time_limit").value_or(settings.time_limit);
  if (settings.time_limit <= Duration::zero()) section.problem("time_limit", "must be above zero");
  section.finish();
  return settings;
}

}  // namespace hsmbridge::venafi
