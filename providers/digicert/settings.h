#pragma once

#include "base/clock.h"
#include "config/document.h"
#include "providers/connection.h"
#include "providers/digicert/client.h"

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace hsmbridge::digicert {

using providers::TokenKey;

// How a certificate request is written. Every working client sends its parts next to `profile`; the vendor's tutorial
// pages put them inside.
enum class Shape { siblings, nested };

// One provider of `type: digicert-tlm`, as the configuration file says it. Secrets are sources here, read when needed.
struct Settings : providers::Connection {
  std::optional<config::SecretSource> api_key;  // none: the TLS client certificate alone speaks for us
  std::string profile;                          // UUID of the profile there; "": nothing can be ordered yet
  std::string seat;                             // "{cn}" stands for the common name of the request
  std::optional<Shape> shape;                   // nothing: siblings, then nested when the form is refused
  std::string delivery_format;                  // "x509", "pkcs7"; "" leaves it to the profile
  bool include_ca_chain = false;
  enum class Validity { as_asked, of_profile } validity = Validity::as_asked;
  enum class LocalCheck { profile, none } check = LocalCheck::profile;
  std::vector<std::string> tags;
  std::optional<std::filesystem::path> chain;  // PEM with the certificates above the leaf; else asked of the service
  // How long the service may not show, in its search or by its number, what it has issued.
  Duration search_lag = std::chrono::hours{1};
  Duration time_limit = std::chrono::seconds{30};  // of calls that are not part of a request
};

// Reads one provider's section and finishes it. Problems go to the section (all of them are reported with their lines).
Settings read_settings(const std::string& name, config::Section section);

// The options of a client for these settings. `prompter` as for SecretSource::fetch; may be empty.
providers::Source api_key_of(const Settings& settings, const config::Prompter& prompter);

// Whether the seat is made of the request's common name.
bool wants_common_name(const Settings& settings);
// The seat of a request whose common name is that. Throws refused when the seat wants one and there is none.
std::string seat_for(const Settings& settings, const std::string& common_name);

}  // namespace hsmbridge::digicert
