#pragma once

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

}  // namespace hsmbridge
