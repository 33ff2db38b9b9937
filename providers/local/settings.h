#pragma once

#include "ca/issue.h"
#include "ca/profile.h"
#include "config/document.h"
#include "providers/connection.h"
#include "providers/local/linters.h"
#include "workflow/ports/provider.h"
#include "x509/objects/algorithm.h"

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace hsmbridge::local {

// One provider of `type: local-ca`, as the configuration file says it.
struct Settings {
  std::string name;
  std::filesystem::path certificate;           // of the CA; it need not be there yet
  std::optional<std::filesystem::path> chain;  // PEM file with the certificates above it
  providers::TokenKey key;                     // of the CA; its token is "" where a provider keeps it
  struct KeyService {
    std::string provider;  // a name under `providers:`, as `key: {provider: NAME, key: LABEL}` says
    std::optional<config::SecretSource> password;
  };
  std::optional<KeyService> key_service;
  std::string algorithm;  // x509 name; "" for the key's usual one
  struct Profile {
    ca::Profile rules;
    std::vector<std::string> requests;  // the profiles of requests that it is for
  };
  std::vector<Profile> profiles;  // in the order of the file
  struct Crl {
    std::filesystem::path file;  // of the complete one; "" where there are shards alone
    std::string url;             // in certificates whose profile names none; "" for none
    Duration next_update = std::chrono::hours{24 * 4};
    std::optional<Duration> every = {};  // after which `run` publishes the next one; nothing: by hand alone
    workflow::CrlPlace::ReadBack read_back = workflow::CrlPlace::ReadBack::yes;
    // A certificate names the one of its serial number instead of `url`.
    std::vector<workflow::CrlPlace> shards = {};
    workflow::CrlPlace::Scope scope = workflow::CrlPlace::Scope::all;
    // Where each is put over HTTPS besides (crl_put.h); "": nowhere.
    std::string put = {};  // of the complete one
    struct Server {
      providers::Connection connection;  // to the origin of all of them
      std::optional<config::SecretSource> bearer_token;
      std::string user;
      std::optional<config::SecretSource> password;
    };
    std::optional<Server> server = {};
  };
  std::optional<Crl> crl;
  // What is signed is appended to it before (serial_log.h); nothing: nowhere.
  std::optional<std::filesystem::path> serial_log;
  bool operator_command = false;        // it certifies nothing without `request command`
  std::vector<LinterSettings> linters;  // beside the one that is built in
  struct Root {
    ca::Root root;
    x509::KeySpec key;
  };
  std::optional<Root> root;  // what `ca init` makes of a CA that nobody else certifies

  bool has_shards() const { return crl && !crl->shards.empty(); }
  // Null when none is for requests of that profile.
  const ca::Profile* profile_for(std::string_view request_profile) const;
};

// Reads one provider's section and finishes it. Problems go to the section (all of them are reported with their lines).
Settings read_settings(const std::string& name, config::Section section);

}  // namespace hsmbridge::local
