#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace hsmbridge {

// A PIN, an API key or a bearer token. It cannot be printed or compared by accident, and its memory is wiped when it
// goes. `reveal` is the one way to the characters: a reviewer searches for it.
class Secret {
 public:
  Secret() = default;
  explicit Secret(std::string value);
  ~Secret();
  Secret(const Secret&);
  Secret& operator=(const Secret&);
  Secret(Secret&&) noexcept;
  Secret& operator=(Secret&&) noexcept;

  std::string_view reveal() const noexcept { return value_; }
  bool empty() const noexcept { return value_.empty(); }

 private:
  void wipe() noexcept;
  std::string value_;
};

// The one line end, LF or CRLF, that editors and secret stores leave after a secret.
std::size_t without_line_end(std::string_view text) noexcept;

// What makes a secret visibly a mistake: "begins with a byte order mark", "holds a line break", "holds a control
// character"; empty when nothing does. To be asked before it is sent anywhere: a token counts such a PIN as a wrong
// one, and an API key with a line break would write headers of its own. Says nothing of the secret itself.
std::string_view mistake_in(std::string_view secret) noexcept;

}  // namespace hsmbridge
