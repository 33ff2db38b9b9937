#include "base/redact.h"

#include "base/bytes.h"
#include "base/text.h"
#include "base/unicode.h"
#include "base/wipe.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>

namespace hsmbridge {
namespace {

// Below it a secret would be found in ordinary words.
constexpr std::size_t kUnmistakable = 8;
constexpr std::size_t kShortestWord = 4;
// A cut secret is recognised by so many of its first characters, and half of them.
constexpr std::size_t kShortestPart = kUnmistakable;
// Escaped four times over. A bound, so that a text of backslashes costs no more than its length.
constexpr std::size_t kMostBackslashes = 16;
constexpr std::size_t kMostWhiteSpace = 64;

constexpr std::size_t kNot = std::string_view::npos;

// One character of a secret; a run of backslashes is one, since nobody can tell how often it was escaped.
struct Character {
  std::string_view octets;
  std::optional<char32_t> code_point;  // nothing: an octet that is not UTF-8
};

// The one at `at`, which moves behind it.
Character next_character(std::string_view text, std::size_t& at) {
  const std::size_t begin = at;
  if (text[at] == '\\') {
    at = std::min(text.find_first_not_of('\\', at), text.size());
    return {text.substr(begin, 1), U'\\'};
  }
  const auto code_point = next_code_point(text, at);
  if (!code_point) at = begin + 1;
  return {text.substr(begin, at - begin), code_point};
}

bool starts(std::string_view text, std::size_t at, std::string_view what) {
  return at <= text.size() && text.substr(at).starts_with(what);
}

// `count` hex digits at `at`.
std::optional<unsigned> hex_at(std::string_view text, std::size_t at, std::size_t count) {
  if (at > text.size() || text.size() - at < count) return std::nullopt;
  unsigned value = 0;
  for (const char c : text.substr(at, count)) {
    if (hex_digit(c) < 0) return std::nullopt;
    value = value * 16 + static_cast<unsigned>(hex_digit(c));
  }
  return value;
}

// Each of these gives the end of the character when it is written in that way at `at`.

// What follows the backslashes: u0041, or a surrogate pair.
std::size_t after_json_escape(std::string_view text, std::size_t at, const Character& one) {
  if (!one.code_point || !starts(text, at, "u")) return kNot;
  const auto first = hex_at(text, at + 1, 4);
  const char32_t code_point = *one.code_point;
  if (code_point <= 0xFFFF) return first == code_point ? at + 5 : kNot;
  if (first != 0xD800U + ((code_point - 0x10000) >> 10U)) return kNot;
  std::size_t second = at + 5;
  while (second < text.size() && text[second] == '\\' && second < at + 5 + kMostBackslashes) ++second;
  if (second == at + 5 || !starts(text, second, "u")) return kNot;
  return hex_at(text, second + 1, 4) == 0xDC00U + (code_point & 0x3FFU) ? second + 5 : kNot;
}

// %C3%A9, also encoded once more (%25C3).
std::size_t after_percent(std::string_view text, std::size_t at, const Character& one) {
  for (const char octet : one.octets) {
    if (!starts(text, at, "%")) return kNot;
    ++at;
    if (starts(text, at, "25") && octet != '%') at += 2;
    if (hex_at(text, at, 2) != static_cast<unsigned char>(octet)) return kNot;
    at += 2;
  }
  return at;
}

std::size_t after_backslashes(std::string_view text, std::size_t at) {
  const std::size_t most = std::min(text.size(), at + kMostBackslashes);
  while (at < most && text[at] == '\\') ++at;
  return at;
}

// How a text encodes what it repeats: "%25" and "&amp;" begin with % and & as they are, or are these characters
// encoded once, or &amp;amp; is, escaped for HTML twice or three times.
enum class Encoded : unsigned { no, once, html_twice, html_thrice };
constexpr std::array kEncodings{Encoded::no, Encoded::once, Encoded::html_twice, Encoded::html_thrice};

// Behind the & of a reference, which Go's JSON writes as \u0026, and what escaping again put there.
std::size_t after_ampersand(std::string_view text, std::size_t at, Encoded encoded) {
  if (starts(text, at, "&")) {
    ++at;
  } else {
    const std::size_t behind = after_backslashes(text, at);
    if (behind == at || !starts(text, behind, "u0026")) return kNot;
    at = behind + 5;
  }
  constexpr std::string_view kAgain = "amp;";
  for (unsigned more = static_cast<unsigned>(Encoded::once); more < static_cast<unsigned>(encoded); ++more) {
    if (!starts(text, at, kAgain)) return kNot;
    at += kAgain.size();
  }
  return at;
}

// What HTML writes at `at` for one character, &amp; or &#38; or &#x26;, and where that ends.
struct Reference {
  char32_t code_point = 0;
  std::size_t end = kNot;  // there is none
};

Reference html_reference(std::string_view text, std::size_t at, Encoded encoded) {
  at = after_ampersand(text, at, encoded);
  if (at == kNot) return {};
  constexpr auto kNames = std::to_array<std::pair<char32_t, std::string_view>>(
      {{U'&', "amp;"}, {U'<', "lt;"}, {U'>', "gt;"}, {U'"', "quot;"}, {U'\'', "apos;"}});
  if (!starts(text, at, "#")) {
    for (const auto& [code_point, name] : kNames) {
      if (starts(text, at, name)) return {code_point, at + name.size()};
    }
    return {};
  }
  constexpr std::size_t kMostDigits = 8;
  ++at;
  const bool is_hex = starts(text, at, "x") || starts(text, at, "X");
  if (is_hex) ++at;
  const std::size_t begin = at;
  char32_t number = 0;
  for (; at < text.size() && at - begin <= kMostDigits; ++at) {
    const int value = hex_digit(text[at]);
    if (value < 0 || (!is_hex && value > 9)) {
      return at > begin && text[at] == ';' ? Reference{number, at + 1} : Reference{};
    }
    number = number * (is_hex ? 16 : 10) + static_cast<char32_t>(value);
  }
  return {};
}

std::size_t after_html(std::string_view text, std::size_t at, const Character& one, Encoded encoded) {
  const Reference reference = html_reference(text, at, encoded);
  return one.code_point == reference.code_point ? reference.end : kNot;
}

std::size_t after_character(std::string_view text, std::size_t at, const Character& one, Encoded encoded) {
  const std::size_t behind = after_backslashes(text, at);
  if (encoded != Encoded::no) {
    if (const std::size_t end = after_percent(text, at, one); end != kNot) return end;
    if (const std::size_t end = after_html(text, at, one, encoded); end != kNot) return end;
    // The backslash of JSON in HTML: \&quot;
    if (const std::size_t end = behind > at ? after_html(text, behind, one, encoded) : kNot; end != kNot) return end;
  }
  if (one.octets == "\\") {
    if (behind > at) return behind;
  } else if (starts(text, behind, one.octets)) {
    return behind + one.octets.size();
  }
  if (behind > at) {
    if (const std::size_t end = after_json_escape(text, behind, one); end != kNot) return end;
  }
  return one.octets == " " && starts(text, at, "+") ? at + 1 : kNot;
}

std::size_t after_white_space(std::string_view text, std::size_t at) {
  for (const std::size_t most = at + kMostWhiteSpace; at < text.size() && at < most;) {
    const std::size_t escape = after_backslashes(text, at);
    if (std::string_view(" \t\r\n").find(text[at]) != kNot) {
      ++at;
    } else if (escape > at && escape < text.size() && std::string_view("nrt").find(text[escape]) != kNot) {
      at = escape + 1;
    } else {
      break;
    }
  }
  return at;
}

std::size_t after_quote(std::string_view text, std::size_t at) {
  const std::size_t quote = after_backslashes(text, at);
  return quote < text.size() && (text[quote] == '"' || text[quote] == '\'') ? quote + 1 : at;
}

// Between two members of an array of characters: "K","e" or K, e.
std::size_t after_comma(std::string_view text, std::size_t at) {
  at = after_white_space(text, after_quote(text, at));
  if (!starts(text, at, ",")) return kNot;
  return after_quote(text, after_white_space(text, at + 1));
}

bool is_word(char c) {
  return is_letter_or_digit(c) || c == '_';
}

// A password of digits may be equal to a number of the answer, or to some in a row: JSON stays JSON.
bool is_json_number(std::string_view text, std::size_t begin, std::size_t end) {
  constexpr std::string_view kBlanks = " \t\r\n";
  if (text.substr(begin, end - begin).find_first_not_of("0123456789, \t\r\n") != kNot) return false;
  const std::size_t before = begin == 0 ? kNot : text.find_last_not_of(kBlanks, begin - 1);
  const std::size_t behind = text.find_first_not_of(kBlanks, end);
  return before != kNot && behind != kNot && std::string_view(":[,").find(text[before]) != kNot &&
         std::string_view(",]}").find(text[behind]) != kNot;
}

// Where the form that begins at `at` ends.
std::size_t plain_end(std::string_view text, std::size_t at, const Redactor::Form& form, Encoded encoded) {
  const std::string_view secret = form.text.reveal();
  const std::size_t begin = at;
  std::size_t found = 0;
  for (std::size_t of = 0; of < secret.size();) {
    const std::size_t next = after_character(text, at, next_character(secret, of), encoded);
    if (next == kNot) break;
    at = next;
    ++found;
  }
  if (found < form.characters) return found >= kShortestPart && 2 * found >= form.characters ? at : kNot;
  if (secret.size() >= kUnmistakable) return at;
  const bool alone = (begin == 0 || !is_word(text[begin - 1])) && (at == text.size() || !is_word(text[at]));
  return secret.size() >= kShortestWord && alone ? at : kNot;
}

std::size_t array_end(std::string_view text, std::size_t at, const Redactor::Form& form) {
  const std::string_view secret = form.text.reveal();
  if (secret.size() < kShortestWord || form.characters < 2) return kNot;
  for (std::size_t of = 0; of < secret.size();) {
    if (of != 0) at = after_comma(text, at);
    const Character one = next_character(secret, of);
    if (at != kNot) at = after_character(text, at, one, Encoded::once);
    if (at == kNot) return kNot;
  }
  return at;
}

std::string url_alphabet(std::string text) {
  std::replace(text.begin(), text.end(), '+', '-');
  std::replace(text.begin(), text.end(), '/', '_');
  return text;
}

// The secret in base64, by itself or inside of something longer: what does not depend on the octets around it.
std::vector<std::string> base64_of(std::string_view secret) {
  std::vector<std::string> result;
  for (std::size_t before = 0; before < 3; ++before) {
    Bytes octets(before, 0);
    octets.insert(octets.end(), secret.begin(), secret.end());
    const std::size_t begin = (before * 8 + 5) / 6;
    const std::size_t end = octets.size() * 8 / 6;
    if (end < begin + kUnmistakable) continue;
    result.push_back(base64(octets).substr(begin, end - begin));
    if (std::string other = url_alphabet(result.back()); other != result.back()) result.push_back(std::move(other));
  }
  return result;
}

}  // namespace

Redactor::Redactor(const std::vector<Secret>& secrets) {
  for (const Secret& secret : secrets) {
    if (secret.empty()) continue;
    add(secret.reveal());
    if (secret.reveal().size() < kUnmistakable) continue;
    for (std::string& way : base64_of(secret.reveal())) {
      add(way);
      wipe(way);
    }
  }
}

std::string Redactor::run(std::string_view text) const {
  const bool may_be_encoded = text.find_first_of("&%\\") != kNot;
  std::string clean;
  clean.reserve(text.size());
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = end_of_secret(text, at, may_be_encoded);
    if (end == kNot) {
      clean += text[at++];
    } else {
      clean += is_json_number(text, at, end) ? "0" : kLeftOut;
      at = end;
    }
  }
  return clean;
}

void Redactor::add(std::string_view text) {
  std::size_t characters = 0;
  for (std::size_t at = 0; at < text.size(); ++characters) next_character(text, at);
  forms_[static_cast<unsigned char>(text.front())].push_back({Secret(std::string(text)), characters});
}

bool Redactor::may_begin(char32_t code_point) const {
  return code_point >= 0x80 || !forms_[code_point].empty();
}

bool Redactor::is_reference(std::string_view text, std::size_t at) const {
  return std::any_of(kEncodings.begin() + 1, kEncodings.end(), [&](Encoded encoded) {
    const Reference reference = html_reference(text, at, encoded);
    return reference.end != kNot && may_begin(reference.code_point);
  });
}

// Whether the first character of a form may be written there in another way. Asked once for all forms, since a hostile
// text may be full of what only looks like it.
bool Redactor::is_escape(std::string_view text, std::size_t at) const {
  const auto begins = [this](unsigned octet) { return !forms_[octet & 0xffU].empty(); };
  switch (text[at]) {
    case '&':
      return is_reference(text, at);
    case '%': {
      const auto octet = hex_at(text, at + 1, 2);
      return octet && (begins(*octet) || *octet == '%');
    }
    case '+':
      return begins(' ');
    case '\\': {
      const std::size_t behind = after_backslashes(text, at);
      if (behind == text.size()) return false;
      if (begins(static_cast<unsigned char>(text[behind]))) return true;
      if (text[behind] == '&') return is_reference(text, behind);
      const auto code_unit = text[behind] == 'u' ? hex_at(text, behind + 1, 4) : std::nullopt;
      return code_unit && (may_begin(*code_unit) || is_reference(text, at));
    }
    default:
      return false;
  }
}

// The longest one that begins at `at`.
std::size_t Redactor::end_of_secret(std::string_view text, std::size_t at, bool may_be_encoded) const {
  std::size_t longest = kNot;
  const auto take = [&longest](std::size_t end) {
    if (end != kNot && (longest == kNot || end > longest)) longest = end;
  };
  const auto look = [&](const Form& form) {
    std::size_t of = 0;
    const Character first = next_character(form.text.reveal(), of);
    for (const Encoded encoded : kEncodings) {
      // Where nothing is encoded, all of them read alike.
      if (!may_be_encoded && encoded != Encoded::once) continue;
      if (after_character(text, at, first, encoded) == kNot) continue;
      take(plain_end(text, at, form, encoded));
      if (encoded == Encoded::once) take(array_end(text, at, form));
    }
  };
  const auto octet = static_cast<unsigned char>(text[at]);
  constexpr std::string_view kEscapes = "&%+\\";
  if (kEscapes.find(text[at]) == kNot) {
    // It stands for itself alone.
    for (const Form& form : forms_[octet]) look(form);
  } else if (!forms_[octet].empty() || is_escape(text, at)) {
    for (const auto& forms : forms_) std::for_each(forms.begin(), forms.end(), look);
  }
  return longest;
}

std::string redacted(std::string_view text, const std::vector<Secret>& secrets) {
  return Redactor(secrets).run(text);
}

}  // namespace hsmbridge
