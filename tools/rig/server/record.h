#pragma once

#include "base/bytes.h"
#include "base/clock.h"
#include "base/json.h"

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

// What a simulator keeps over a restart, as JSON. A record lists its members once for both ways:
//   template <class Self, class Visit> static void members(Self& self, Visit visit) { visit("id", self.id); … }
// An enumeration has `words_of`, its words in the order of its values.
namespace hsmbridge::rig {
namespace record {

struct Nothing {
  template <class T>
  void operator()(const char*, T&) const {}
};
template <class T>
concept HasMembers = requires(T& value) {
  T::members(value, Nothing{});
};
template <class T>
concept HasWords = std::is_enum_v<T> && requires(T value) {
  words_of(value);
};
template <class T>
inline constexpr bool is_optional = false;
template <class T>
inline constexpr bool is_optional<std::optional<T>> = true;
template <class T>
inline constexpr bool is_list = false;
template <class T>
inline constexpr bool is_list<std::vector<T>> = !std::is_same_v<T, Bytes::value_type>;

}  // namespace record

template <class T>
Json kept(const T& value) {
  if constexpr (std::is_same_v<T, Bytes>) {
    return base64(value);
  } else if constexpr (std::is_same_v<T, Instant>) {
    return rfc3339(value);
  } else if constexpr (std::is_same_v<T, std::chrono::seconds>) {
    return static_cast<std::int64_t>(value.count());
  } else if constexpr (record::HasWords<T>) {
    return words_of(value)[static_cast<std::size_t>(value)];
  } else if constexpr (record::is_optional<T>) {
    return value ? kept(*value) : Json();
  } else if constexpr (record::is_list<T>) {
    Json list = Json::array();
    for (const auto& element : value) list.push(kept(element));
    return list;
  } else if constexpr (record::HasMembers<const T>) {
    Json json = Json::object();
    T::members(value, [&json](const char* name, const auto& member) { json.set(name, kept(member)); });
    return json;
  } else {
    return value;
  }
}

template <class T>
void restore(const Json& json, T& value) {
  if constexpr (std::is_same_v<T, Json>) {
    value = json;
  } else if constexpr (std::is_same_v<T, std::string>) {
    value = json.as_string();
  } else if constexpr (std::is_same_v<T, bool>) {
    value = json.as_bool();
  } else if constexpr (std::is_integral_v<T>) {
    value = static_cast<T>(json.as_integer());
  } else if constexpr (std::is_same_v<T, Bytes>) {
    value = from_base64(json.as_string());
  } else if constexpr (std::is_same_v<T, Instant>) {
    value = parse_rfc3339(json.as_string());
  } else if constexpr (std::is_same_v<T, std::chrono::seconds>) {
    value = std::chrono::seconds{json.as_integer()};
  } else if constexpr (record::HasWords<T>) {
    const auto& words = words_of(value);
    for (std::size_t i = 0; i < words.size(); ++i) {
      if (words[i] == json.as_string()) value = static_cast<T>(i);
    }
  } else if constexpr (record::is_optional<T>) {
    value.reset();
    if (!json.is_null()) restore(json, value.emplace());
  } else if constexpr (record::is_list<T>) {
    value.clear();
    for (const Json& element : json.as_array()) restore(element, value.emplace_back());
  } else {
    T::members(value, [&json](const char* name, auto& member) { restore(json.at(name), member); });
  }
}

}  // namespace hsmbridge::rig
