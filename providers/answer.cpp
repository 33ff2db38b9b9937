#include "providers/answer.h"

#include <string>
#include <utility>

namespace hsmbridge::providers {

void leave_out(Exchange& exchange, std::string_view secret) {
  // A shorter one protects nothing, and would be found in ordinary words.
  constexpr std::size_t kShortest = 8;
  auto* answer = std::get_if<HttpAnswer>(&exchange);
  if (answer == nullptr || answer->status < 300 || secret.size() < kShortest) return;
  std::string clean;
  std::string_view rest = answer->body;
  for (std::size_t at = rest.find(secret); at != std::string_view::npos; at = rest.find(secret)) {
    clean.append(rest.substr(0, at)).append("(left out)");
    rest.remove_prefix(at + secret.size());
  }
  clean.append(rest);
  answer->body = std::move(clean);
}

}  // namespace hsmbridge::providers
