#include "tools/hsmbridge/wiring/token_access.h"

#include "pkcs11/token/uri.h"
#include "tools/hsmbridge/wiring/prompt.h"

#include <fmt/core.h>

#include <filesystem>
#include <string_view>
#include <utility>

namespace hsmbridge::cli {

pkcs11::PinSource pin_source(const config::SecretSource& source, std::string what) {
  if (source.kind() == config::SecretSource::Kind::protected_path) return pkcs11::PinSource::protected_path();
  return pkcs11::PinSource::from(source.name(),
                                 [source, what = std::move(what)] { return source.fetch(terminal_prompter(), what); });
}

pkcs11::TokenAccess token_access(const config::TokenSettings& settings) {
  pkcs11::TokenAccess access;
  access.name = settings.name;
  access.module = settings.module;
  access.uri = settings.uri;
  if (settings.pin) access.pin = pin_source(*settings.pin, fmt::format("the PIN of token {}", settings.name));
  if (settings.key_pin) {
    access.key_pin = pin_source(*settings.key_pin, fmt::format("the key PIN of token {}", settings.name));
  }
  access.user_type = settings.user_type;
  access.certificates =
      settings.stores_certificates ? pkcs11::CertificateStorage::in_token : pkcs11::CertificateStorage::not_supported;
  access.most_sessions = settings.sessions;
  if (settings.session_wait) access.session_wait = *settings.session_wait;
  if (settings.login_wait) access.login_wait = *settings.login_wait;
  return access;
}

std::vector<commandline::Option> token_options() {
  return {
      {"--token", "NAME", "a token of the configuration; with --module its label"},
      {"--module", "PATH", "a PKCS#11 module, instead of the configuration"},
      {"--uri", "URI", "with --module: the token by its RFC 7512 URI"},
      {"--pin", "SOURCE", "with --module: env:NAME, file:PATH, prompt or protected"},
  };
}

bool names_module(const Arguments& arguments) {
  return arguments.has("--module");
}

pkcs11::TokenAccess token_access(const Arguments& arguments) {
  pkcs11::TokenAccess access;
  access.module = std::filesystem::absolute(arguments.required("--module"));
  const auto label = arguments.text("--token");
  const auto uri = arguments.text("--uri");
  if (label && uri) {
    throw Error{ErrorKind::invalid_input, "--token and --uri both name the token"}.hint("give one of them");
  }
  if (label) {
    pkcs11::UriParts parts;
    parts.token = *label;
    access.uri = pkcs11::format_uri(parts);
  } else {
    access.uri = uri.value_or("pkcs11:");
  }
  access.name = label ? *label : access.uri == "pkcs11:" ? access.module.filename().string() : access.uri;
  if (const auto pin = arguments.text("--pin")) {
    access.pin = pin_source(config::SecretSource::parse(*pin, config::SecretUse::pin, std::filesystem::current_path()),
                            fmt::format("the PIN of token {}", access.name));
  }
  return access;
}

std::string token_words(const Arguments& arguments) {
  std::string words;
  for (const commandline::Option& option : token_options()) {
    if (const auto value = arguments.text(option.name)) words += fmt::format(" {} {}", option.name, shell_word(*value));
  }
  return words;
}

std::string shell_word(const std::string& word) {
  constexpr std::string_view kPlain = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_./:=@%+,";
  if (!word.empty() && word.find_first_not_of(kPlain) == std::string::npos) return word;
  std::string quoted = "'";
  for (const char c : word) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

}  // namespace hsmbridge::cli
