#include "config/secret_source.h"

#include "base/error.h"
#include "base/file.h"
#include "config/paths.h"

#include <fmt/core.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <utility>

namespace hsmbridge::config {
namespace {

bool is_variable_name(std::string_view name) {
  const auto word = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; };
  return !name.empty() && std::isdigit(static_cast<unsigned char>(name.front())) == 0 &&
         std::all_of(name.begin(), name.end(), word);
}

bool is_credential_name(std::string_view name) {
  return !name.empty() && name.size() <= 255 && name.front() != '.' &&
         std::none_of(name.begin(), name.end(), [](char c) { return c == '/' || c == '\0' || c == '\n'; });
}

Error not_a_source(SecretUse use) {
  return Error{ErrorKind::invalid_input,
               fmt::format("is not the source of a secret: write env:NAME, file:PATH, credential:NAME{} or prompt; "
                           "a secret is never written in a configuration",
                           use == SecretUse::pin ? ", protected" : "")};
}

}  // namespace

SecretSource SecretSource::parse(std::string_view text, SecretUse use, const std::filesystem::path& folder) {
  const auto after = [text](std::string_view prefix) { return text.substr(prefix.size()); };
  if (text == "prompt") return SecretSource{Kind::prompt, ""};
  if (text == "protected") {
    if (use == SecretUse::pin) return SecretSource{Kind::protected_path, ""};
    throw Error{ErrorKind::invalid_input,
                "'protected' is for the PIN of a token only, since its own keypad asks for it"};
  }
  if (text.starts_with("env:") && is_variable_name(after("env:"))) {
    return SecretSource{Kind::environment, std::string(after("env:"))};
  }
  if (text.starts_with("credential:") && is_credential_name(after("credential:"))) {
    return SecretSource{Kind::credential, std::string(after("credential:"))};
  }
  if (text.starts_with("file:") && text.size() > 5 && text.find('\0') == std::string_view::npos) {
    return SecretSource{Kind::file, absolute_path(after("file:"), folder).string()};
  }
  throw not_a_source(use);
}

std::string SecretSource::name() const {
  switch (kind_) {
    case Kind::environment:
      return "env:" + place_;
    case Kind::file:
      return "file:" + place_;
    case Kind::credential:
      return "credential:" + place_;
    case Kind::prompt:
      return "prompt";
    case Kind::protected_path:
      return "protected";
  }
  return "";
}

Secret SecretSource::fetch(const Prompter& prompter, std::string_view what) const {
  Secret secret;
  switch (kind_) {
    case Kind::environment: {
      const char* value = std::getenv(place_.c_str());
      if (value == nullptr) {
        throw Error{ErrorKind::not_found,
                    fmt::format("the environment variable {}, source of {}, is not set", place_, what)};
      }
      const std::string_view text(value);
      secret = Secret(std::string(text.substr(0, without_line_end(text))));
      break;
    }
    case Kind::file:
      secret = read_secret_file(place_);
      break;
    case Kind::credential: {
      const char* folder = std::getenv("CREDENTIALS_DIRECTORY");
      if (folder == nullptr || *folder == '\0') {
        throw Error{ErrorKind::not_found,
                    fmt::format("credential:{}, source of {}, needs $CREDENTIALS_DIRECTORY", place_, what)}
            .hint("systemd sets it for a unit with LoadCredential=" + place_ + ":PATH");
      }
      secret = read_secret_file(std::filesystem::path(folder) / place_, SecretReaders::anyone);
      break;
    }
    case Kind::prompt: {
      if (!prompter) {
        throw Error{ErrorKind::denied, fmt::format("{} is to be asked for, but there is no terminal", what)}.hint(
            "run it in a terminal, or configure env:NAME, file:PATH or credential:NAME");
      }
      secret = prompter(std::string(what));
      break;
    }
    case Kind::protected_path:
      throw Error{ErrorKind::invalid_input, fmt::format("{} is typed at the token itself and cannot be read", what)};
  }
  // A wrong PIN or API key, seen before it was sent; no request is to blame for it.
  if (secret.empty()) {
    throw Error{ErrorKind::denied, fmt::format("{} is empty ({})", what, name())}.with("lane", "down");
  }
  const std::string_view mistake = mistake_in(secret.reveal());
  if (!mistake.empty()) {
    throw Error{ErrorKind::denied, fmt::format("{} from {} {}: it was not used", what, name(), mistake)}
        .with("lane", "down")
        .with("source", name())
        .hint(kind_ == Kind::prompt ? "type it again, with keys that give a character"
                                    : "write it as one line of plain text; one line end after it is cut");
  }
  return secret;
}

}  // namespace hsmbridge::config
