#pragma once

#include "base/clock.h"
#include "config/document.h"
#include "providers/connection.h"

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace hsmbridge::venafi {

// Where a request belongs: 'Application\Template alias', as vcert writes it. The alias is the application's own name
// for an issuing template. On an NGTS service the alias stands alone: `application` is empty then.
struct Zone {
  std::string application;
  std::string alias;

  std::string text() const;
  bool operator==(const Zone&) const = default;
};

enum class Application { required, optional };
// Throws invalid_input that says what is wrong and how it is written.
Zone parse_zone(std::string_view text, Application application);

// A built-in service account: its JWT is signed by a key in a token, so that no shared secret lies on a disk.
struct ServiceAccount {
  std::string client_id;
  providers::TokenKey key;
};

// A federated service account: somebody's identity provider makes the JWT.
struct Federated {
  std::string token_url;  // https, with the tenant's id: copied from the service account's page
  config::SecretSource jwt;
};

// One provider of `type: venafi-tls-protect-cloud`, as the configuration file says it. Secrets are sources here, read
// when needed.
struct Settings : providers::Connection {
  // Exactly one of these four.
  std::optional<config::SecretSource> api_key;
  std::optional<config::SecretSource> access_token;
  std::optional<Federated> federated;
  std::optional<ServiceAccount> service_account;

  Zone zone;
  std::vector<std::string> tags;              // "name" or "name:value", next to the one that marks a request as ours
  std::optional<Duration> validity;           // when the order states none; absent: the template's
  std::map<std::string, std::string> people;  // names of approvers by their ids
  Duration inventory_lag =
      std::chrono::hours{1};                    // how long an issued certificate may be missing before a person looks
  Duration search_lag = std::chrono::hours{1};  // how long its search may not show a request that it took
  Duration time_limit = std::chrono::seconds{30};  // of calls that are not part of a request
};

// Reads one provider's section and finishes it. Problems go to the section: all of them are reported with their lines.
Settings read_settings(const std::string& name, config::Section section);

}  // namespace hsmbridge::venafi
