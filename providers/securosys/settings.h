#pragma once

#include "approval/policy.h"
#include "base/clock.h"
#include "config/document.h"
#include "providers/connection.h"
#include "providers/securosys/client.h"

#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace hsmbridge::securosys {

enum class Mode {
  raw_signature,  // we build the TBSCertificate, POST /v1/sign signs it under quorum: the full profile survives
  certificate,    // POST /v1/certificate/sign: the TSB builds it
  given_bytes,    // a CA of this bridge (type local-ca) built them, POST /v1/sign signs them: its configuration says so
};

using providers::TokenKey;

// One provider of `type: securosys-tsb`, as the configuration file says it. Secrets are sources here, read when needed.
struct Settings : providers::Connection {
  std::map<Role, std::vector<config::SecretSource>> api_keys;
  std::optional<config::SecretSource> bearer_token;
  std::map<Endpoint, Role> roles;
  ClientOptions::RejectVerb reject_verb = ClientOptions::RejectVerb::delete_task;

  std::string sign_key;  // label of the CA key at the TSB; "": it certifies nothing itself and keeps the keys of CAs
  std::optional<config::SecretSource> key_password;
  Mode mode = Mode::raw_signature;
  std::optional<Generation> generation;             // nothing: asked of the server
  std::string algorithm;                            // x509 name; "" for the issuer key's usual one
  std::optional<std::filesystem::path> issuer;      // certificate; else GET /v1/certificate/{sign_key}
  std::optional<std::filesystem::path> chain;       // PEM file with the certificates above the issuer
  Duration validity = std::chrono::hours{24 * 90};  // when the order states none (raw-signature)
  Duration backdate{};                              // notBefore lies this long before the draft (raw-signature)
  bool result_once = false;                         // the server gives a result to the first GET only

  std::optional<TokenKey> application_key;  // signs metaData
  // Its public half, for approvers whose bridge does not have the key itself: tells whose metaData is.
  std::optional<std::filesystem::path> application_public_key;
  bool request_signature = false;          // it signs the request itself too
  std::optional<approval::Policy> policy;  // of the signing key's use; else read from the key's attributes
  std::map<SpkiHash, std::string> names;   // people by key
  struct TaskReader {
    std::filesystem::path certificate;  // a timestamp signing certificate: lists everybody's tasks, cannot approve
    TokenKey key;
  };
  std::optional<TaskReader> task_reader;
  std::string import_label;  // confirm: attach the certificate to this key at the TSB; "{key}" is our key's label
  Duration time_limit = std::chrono::seconds{30};  // of calls that are not part of a request
  std::set<std::string> keys_of_cas;               // labels of the keys there that CAs of this bridge have
};

// Reads one provider's section and finishes it. Problems go to the section (all of them are reported with their lines);
// a key file that cannot be read is one.
Settings read_settings(const std::string& name, config::Section section);

// The same service for the key of a CA of this bridge, which builds what is signed: `authority` is the provider that is
// this CA. What the settings say of another key (its password, policy, issuer) does not hold for this one.
Settings for_key_of_ca(Settings settings, const std::string& authority, const std::string& key,
                       std::optional<config::SecretSource> password);

// The options of a client for these settings. `prompter` as for SecretSource::fetch; may be empty.
ClientOptions client_options(const Settings& settings, const config::Prompter& prompter);

}  // namespace hsmbridge::securosys
