#pragma once

#include <string>
#include <string_view>

namespace hsmbridge::net {

// The address of a service: https://HOST[:PORT][/PATH]. Nothing else: no plain http (credentials and approvals travel
// here), no user name or password (they would stand in messages), no query, no fragment. Immutable.
class Url {
 public:
  // Throws invalid_input with what is wrong. A URL that holds a password is not repeated.
  static Url parse(std::string_view text);

  const std::string& host() const noexcept { return host_; }  // without the brackets of an IPv6 address
  unsigned port() const noexcept { return port_; }
  // "tsb.example:443", for messages.
  std::string authority() const;
  // As it was given, without a trailing slash.
  const std::string& text() const noexcept { return text_; }
  // The URL of `path` (starting with "/", already encoded, a query allowed) under this one. Throws invalid_input for
  // characters that a URL cannot hold.
  std::string at(std::string_view path) const;

 private:
  Url() = default;
  std::string text_;
  std::string host_;
  unsigned port_ = 443;
};

// The address of what anybody may read: http://HOST[:PORT][/PATH][?QUERY], as CRLs have it. A type of its own, so that no
// client of a service can be given one. Immutable.
class PublicUrl {
 public:
  // Throws invalid_input with what is wrong.
  static PublicUrl parse(std::string_view text);

  // "ca.example:80", for messages.
  const std::string& authority() const noexcept { return authority_; }
  // As it was given.
  const std::string& text() const noexcept { return text_; }

 private:
  PublicUrl() = default;
  std::string text_;
  std::string authority_;
};

// One path segment or one query value: every octet that RFC 3986 §2.3 does not call unreserved becomes %HH. A segment
// of dots only is encoded too, since "." and ".." would climb the path.
std::string percent_encode(std::string_view text);

}  // namespace hsmbridge::net
