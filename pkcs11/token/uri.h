#pragma once

#include "base/bytes.h"

#include <optional>
#include <string>
#include <string_view>

namespace hsmbridge::pkcs11 {

// Throws invalid_input unless `text` is an RFC 7512 URI that this project accepts: parsed by p11-kit, no unknown path
// attribute, no pin-value (a PIN in a URI ends up in configuration files, logs and process lists) and no pin-source
// (the token's `pin:` is the one place).
void check_uri(std::string_view text);

// "pkcs11:token=web;serial=…;id=%0a%01;object=web-2026;type=private", each octet of the id percent-encoded. An empty
// part is left out.
struct UriParts {
  std::string token;
  std::string manufacturer;
  std::string serial;
  std::string model;
  std::optional<unsigned long> slot = {};
  Bytes id;
  std::string object;
  std::string type;  // "private", "public", "cert" or ""
};
std::string format_uri(const UriParts& parts);

// How a user names one key of a token: a label as it is, "id=" and hex, or a pkcs11: URI with object, id or type. What
// a URI says of the token must be true of the token that is searched.
class KeySelector {
 public:
  // Throws invalid_input for an empty text, odd hex, or a URI that check_uri refuses.
  static KeySelector parse(std::string_view text);
  static KeySelector by_label(std::string label);
  static KeySelector by_id(Bytes id);

  const std::string& text() const noexcept { return text_; }
  // The parts that were given; the URI is "" for a plain label or id.
  const std::string& label() const noexcept { return label_; }
  const Bytes& id() const noexcept { return id_; }
  const std::string& uri() const noexcept { return uri_; }
  bool has_label() const noexcept { return has_label_; }
  bool has_id() const noexcept { return has_id_; }

 private:
  KeySelector() = default;
  std::string text_;
  std::string label_;
  Bytes id_;
  std::string uri_;
  bool has_label_ = false;
  bool has_id_ = false;
};

}  // namespace hsmbridge::pkcs11
