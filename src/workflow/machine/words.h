#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <optional>
#include <string_view>
#include <variant>

// Inside of the machine: one list of types makes a variant, the enumeration of its alternatives and their words.
#define HSMBRIDGE_ALTERNATIVE(Type, name) , Type
#define HSMBRIDGE_NAME(Type, name) name,
#define HSMBRIDGE_WORD(Type, name) std::string_view(#Type),

namespace hsmbridge::workflow {

// The list begins with a comma: what stands before it is no alternative.
template <class Nothing, class... Types>
struct VariantOfList {
  using type = std::variant<Types...>;
};

// The words of an enumeration in the order of its values, under which they are journalled: they never change.
template <class Enum>
inline constexpr std::array<std::string_view, 0> kWords{};

template <class Enum>
constexpr std::string_view word_of(Enum value) {
  return kWords<Enum>[static_cast<std::size_t>(value)];
}

template <class Enum>
constexpr std::optional<Enum> from_word(std::string_view word) {
  const auto found = std::find(kWords<Enum>.begin(), kWords<Enum>.end(), word);
  if (found == kWords<Enum>.end()) return std::nullopt;
  return static_cast<Enum>(found - kWords<Enum>.begin());
}

}  // namespace hsmbridge::workflow
