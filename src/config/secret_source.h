#pragma once

#include "base/secret.h"

#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

namespace hsmbridge::config {

// Asks a person for a secret without showing what is typed; `tools` gives one when there is a terminal.
using Prompter = std::function<Secret(const std::string& question)>;

// `protected` (the token's own PIN pad asks) makes sense for a PIN only.
enum class SecretUse { any, pin };

// Where a secret comes from. Secrets never stand in the configuration: every secret field is one of
//   env:NAME         an environment variable
//   file:PATH        a file that only its owner may read
//   credential:NAME  a file of $CREDENTIALS_DIRECTORY (systemd.exec(5), LoadCredential=)
//   prompt           a person is asked
//   protected        PINs only: the token's protected authentication path asks (CKF_PROTECTED_AUTHENTICATION_PATH)
// Of the first three one line end (LF or CRLF) after the secret is cut. A value that is visibly a mistake (mistake_in)
// is given to nobody. A value type. It holds no secret, only the name of the place.
class SecretSource {
 public:
  enum class Kind { environment, file, credential, prompt, protected_path };

  // Reads the text form; a relative file path is relative to `folder` (that of the configuration file). Throws
  // invalid_input for anything else. The error never repeats the text: it may be a secret that somebody put there.
  static SecretSource parse(std::string_view text, SecretUse use, const std::filesystem::path& folder);

  Kind kind() const noexcept { return kind_; }
  // The text form with the path made absolute, "file:/etc/hsmbridge/web.pin": for messages.
  std::string name() const;
  // The secret, read now. `what` completes the question of a prompt ("the PIN of token web"). Throws not_found
  // (variable or file not there), denied (a file that others may read, nobody to ask, an empty secret or one
  // with a mistake in it), invalid_input (a protected path, which gives no secret: ask kind() first).
  Secret fetch(const Prompter& prompter, std::string_view what) const;

  bool operator==(const SecretSource&) const = default;

 private:
  SecretSource(Kind kind, std::string place) : kind_(kind), place_(std::move(place)) {}
  Kind kind_;
  std::string place_;
};

}  // namespace hsmbridge::config
