#include "net/url.h"

#include "base/error.h"
#include "base/text.h"

#include <fmt/core.h>

#include <algorithm>
#include <cctype>

namespace hsmbridge::net {
namespace {

Error refused(std::string_view why) {
  return Error{ErrorKind::invalid_input, std::string(why)};
}

bool is_printable_ascii(char c) {
  return c > 0x20 && c < 0x7f;
}

bool is_host_character(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' || c == '.' || c == '_';
}

bool is_address_character(char c) {
  return std::isxdigit(static_cast<unsigned char>(c)) != 0 || c == ':' || c == '.';
}

// What RFC 3986 §3.3 and §3.4 allow in a path and a query, the percent sign included.
bool is_path_character(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 ||
         std::string_view("-._~!$&'()*+,;=:@/%").find(c) != std::string_view::npos;
}

unsigned parse_port(std::string_view text) {
  unsigned port = 0;
  if (text.empty() || text.size() > 5) throw refused("the port is not a number");
  for (const char c : text) {
    if (c < '0' || c > '9') throw refused("the port is not a number");
    port = port * 10 + static_cast<unsigned>(c - '0');
  }
  if (port == 0 || port > 65535) throw refused("the port is beyond 1 to 65535");
  return port;
}

// "HOST", "HOST:PORT" or "[ADDRESS]:PORT", taken apart.
struct Authority {
  std::string host;  // without brackets
  unsigned port = 0;

  std::string text() const {
    const bool address = host.find(':') != std::string::npos;
    return fmt::format("{}{}{}:{}", address ? "[" : "", host, address ? "]" : "", port);
  }
};

Authority parse_authority(std::string_view text, unsigned usual_port) {
  Authority authority{"", usual_port};
  if (text.find('@') != std::string_view::npos) throw refused("a user name or password does not belong in a URL");
  std::string_view host = text;
  const std::size_t bracket = text.find(']');
  const std::size_t colon = text.find(':', bracket == std::string_view::npos ? 0 : bracket);
  if (colon != std::string_view::npos) {
    host = text.substr(0, colon);
    authority.port = parse_port(text.substr(colon + 1));
  }
  if (host.starts_with('[') && host.ends_with(']') && host.size() > 4) {
    host = host.substr(1, host.size() - 2);
    if (!std::all_of(host.begin(), host.end(), is_address_character))
      throw refused("the host is not a valid IPv6 address");
  } else if (host.empty() || !std::all_of(host.begin(), host.end(), is_host_character)) {
    throw refused("the host is missing or holds a character that no host name has");
  }
  authority.host = lower(host);
  return authority;
}

// Scheme in lower case, authority and what follows it.
struct Parts {
  std::string scheme;
  std::string_view authority, path;
};

Parts parts_of(std::string_view text) {
  if (!std::all_of(text.begin(), text.end(), is_printable_ascii)) {
    throw refused("a URL holds printable ASCII only (a host name with other letters as its xn-- form)");
  }
  const std::size_t colon = text.find("://");
  if (colon == std::string_view::npos) throw refused("not a valid URL");
  const std::string_view rest = text.substr(colon + 3);
  const std::size_t slash = rest.find_first_of("/?#");
  return {lower(text.substr(0, colon)), rest.substr(0, slash),
          slash == std::string_view::npos ? std::string_view() : rest.substr(slash)};
}

}  // namespace

Url Url::parse(std::string_view text) {
  try {
    Parts parts = parts_of(text);
    if (parts.scheme == "http") throw refused("plain http is refused: credentials and approvals travel here");
    if (parts.scheme != "https") throw refused("the scheme is not https");
    const Authority authority = parse_authority(parts.authority, 443);
    if (!std::all_of(parts.path.begin(), parts.path.end(), is_path_character)) {
      throw refused("the path holds a query, a fragment or a character that must be encoded");
    }
    Url url;
    url.host_ = authority.host;
    url.port_ = authority.port;
    while (parts.path.ends_with('/')) parts.path.remove_suffix(1);
    url.text_ = fmt::format("https://{}{}", lower(parts.authority), parts.path);
    return url;
  } catch (const Error& error) {
    throw Error{error.kind(), error.message() + "; write https://HOST[:PORT][/PATH]"};
  }
}

PublicUrl PublicUrl::parse(std::string_view text) {
  try {
    const Parts parts = parts_of(text);
    if (parts.scheme != "http") throw refused("the scheme is not http");
    PublicUrl url;
    url.authority_ = parse_authority(parts.authority, 80).text();
    if (!std::all_of(parts.path.begin(), parts.path.end(), [](char c) { return is_path_character(c) || c == '?'; })) {
      throw refused("the path holds a fragment or a character that must be encoded");
    }
    url.text_ = text;
    return url;
  } catch (const Error& error) {
    throw Error{error.kind(), error.message() + "; write http://HOST[:PORT][/PATH]"};
  }
}

std::string Url::authority() const {
  return Authority{host_, port_}.text();
}

std::string Url::at(std::string_view path) const {
  const bool fine = path.starts_with('/') &&
                    std::all_of(path.begin(), path.end(), [](char c) { return is_path_character(c) || c == '?'; });
  if (!fine) {
    throw Error{ErrorKind::invalid_input, "a path under a URL starts with / and has every other character encoded"};
  }
  return text_ + std::string(path);
}

std::string percent_encode(std::string_view text) {
  static constexpr char kDigits[] = "0123456789ABCDEF";
  const bool dots = text.find_first_not_of('.') == std::string_view::npos;
  std::string result;
  for (const char c : text) {
    const auto octet = static_cast<unsigned char>(c);
    if (is_letter_or_digit(c) || c == '-' || c == '_' || c == '~' || (c == '.' && !dots)) {
      result += c;
    } else {
      result += '%';
      result += kDigits[octet >> 4];
      result += kDigits[octet & 0x0f];
    }
  }
  return result;
}

}  // namespace hsmbridge::net
