#pragma once

#include "base/secret.h"

#include <array>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace hsmbridge {

// What stands where a secret was.
inline constexpr std::string_view kLeftOut = "(left out)";

// `text` without these secrets, however whoever repeats them wrote them: as they are, escaped for JSON (also twice),
// for a URL or for HTML (up to three times, also inside of JSON), as an array of their characters (a Java char array),
// in base64 of either alphabet, or cut after at least half and eight of their characters. JSON stays JSON. A secret of
// less than eight octets would be found in ordinary words: one of four to seven is taken out where it is a word of its
// own, a shorter one as an array only. Not found: other encodings (hex, a digest), and a cut secret without its
// beginning.
std::string redacted(std::string_view text, const std::vector<Secret>& secrets);

// The same for many texts: what the secrets look like is worked out once. Thread rule: run() from any thread.
class Redactor {
 public:
  explicit Redactor(const std::vector<Secret>& secrets);
  std::string run(std::string_view text) const;

  // One text to be taken out.
  struct Form {
    Secret text;
    std::size_t characters = 0;
  };

 private:
  void add(std::string_view text);
  bool may_begin(char32_t code_point) const;
  bool is_reference(std::string_view text, std::size_t at) const;
  bool is_escape(std::string_view text, std::size_t at) const;
  std::size_t end_of_secret(std::string_view text, std::size_t at, bool may_be_encoded) const;

  std::array<std::vector<Form>, 256> forms_;  // by their first octet
};

}  // namespace hsmbridge
