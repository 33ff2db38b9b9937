#include "providers/securosys/algorithm_word.h"

#include <array>
#include <optional>

namespace hsmbridge::securosys {
namespace {

// our name | the TSB's | the oldest generation whose certificate endpoints take it
struct Row {
  std::string_view name;
  std::string_view word;
  std::optional<Generation> certificates = std::nullopt;
};
constexpr auto kRows = std::to_array<Row>({
    {"ecdsa-sha256", "SHA256_WITH_ECDSA", Generation::classic},
    {"ecdsa-sha384", "SHA384_WITH_ECDSA", Generation::classic},
    {"ecdsa-sha512", "SHA512_WITH_ECDSA", Generation::classic},
    {"rsa-sha256", "SHA256_WITH_RSA", Generation::classic},
    {"rsa-sha384", "SHA384_WITH_RSA", Generation::classic},
    {"rsa-sha512", "SHA512_WITH_RSA", Generation::classic},
    {"rsa-pss-sha256", "SHA256_WITH_RSA_PSS"},
    {"rsa-pss-sha384", "SHA384_WITH_RSA_PSS"},
    {"rsa-pss-sha512", "SHA512_WITH_RSA_PSS"},
    {"ed25519", "EDDSA", Generation::modern},
});

const Row* row_of(std::string_view name) {
  for (const Row& row : kRows) {
    if (row.name == name) return &row;
  }
  return nullptr;
}

}  // namespace

std::string_view algorithm_word(std::string_view name) {
  const Row* row = row_of(name);
  return row == nullptr ? std::string_view() : row->word;
}

bool issues_certificates_with(std::string_view name, Generation generation) {
  const Row* row = row_of(name);
  return row != nullptr && row->certificates && *row->certificates <= generation;
}

}  // namespace hsmbridge::securosys
