#pragma once

#include "base/bytes.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "base/text.h"

#include <algorithm>
#include <chrono>
#include <list>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

// What a simulator keeps over a restart, as JSON. A record lists its members once for both ways:
//   template <class Self, class Visit> static void members(Self& self, Visit visit) { visit("id", self.id, …); }
// An enumeration has `words_of`, its words in the order of its values.
namespace hsmbridge::rig {
namespace record {

struct Nothing {
  template <class... T>
  void operator()(T&&...) const {}
};
// Calls `each` with every name and its member.
template <class Each>
void in_pairs(Each&&) {}
template <class Each, class T, class... Rest>
void in_pairs(Each&& each, const char* name, T& member, Rest&... rest) {
  each(name, member);
  in_pairs(each, rest...);
}
template <class T, class Each>
void each_member(T& value, Each each) {
  std::remove_const_t<T>::members(value, [&each](auto&&... pairs) { in_pairs(each, pairs...); });
}
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
    record::each_member(value, [&json](const char* name, const auto& member) { json.set(name, kept(member)); });
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
    const auto word = std::find(words.begin(), words.end(), json.as_string());
    if (word == words.end()) {
      throw Error{ErrorKind::invalid_input, "'" + json.as_string() + "' is not one of " + joined(words)};
    }
    value = static_cast<T>(word - words.begin());
  } else if constexpr (record::is_optional<T>) {
    value.reset();
    if (!json.is_null()) restore(json, value.emplace());
  } else if constexpr (record::is_list<T>) {
    value.clear();
    for (const Json& element : json.as_array()) restore(element, value.emplace_back());
  } else {
    // What was kept by an older rig may lack some.
    record::each_member(value, [&json](const char* name, auto& member) {
      if (const Json* found = json.find(name)) restore(*found, member);
    });
  }
}

// Sets the members that `json` names; the others stay. Throws invalid_input for a member that does not exist.
template <class T>
void change(const Json& json, T& value) {
  restore(json, value);
  std::vector<std::string_view> known;
  record::each_member(value, [&known](const char* name, auto&) { known.push_back(name); });
  for (const auto& [name, member] : json.as_object()) {
    if (std::find(known.begin(), known.end(), name) != known.end()) continue;
    throw Error{ErrorKind::invalid_input, "'" + name + "' is not a known member"}.hint("known members: " +
                                                                                       joined(known));
  }
}

// Records in the order of their creation, each found by its id.
template <class T, auto Id>
class Records {
 public:
  // Null pointer when there is none.
  T* find(std::string_view id) { return const_cast<T*>(std::as_const(*this).find(id)); }
  const T* find(std::string_view id) const {
    const auto found = std::find_if(all_.begin(), all_.end(), [&](const T& one) { return one.*Id == id; });
    return found == all_.end() ? nullptr : &*found;
  }
  // In place of the one of its id, if there is one. The reference holds until the record is erased.
  T& put(T record) {
    if (T* same = find(record.*Id)) return *same = std::move(record);
    return all_.emplace_back(std::move(record));
  }
  void erase(std::string_view id) {
    all_.remove_if([&](const T& one) { return one.*Id == id; });
  }
  void clear() { all_.clear(); }
  std::size_t size() const { return all_.size(); }
  auto begin() { return all_.begin(); }
  auto end() { return all_.end(); }
  auto begin() const { return all_.begin(); }
  auto end() const { return all_.end(); }

  // Takes what was kept of `what`: {"request": {…}}, {"request_removed": id}.
  void read(const Json& line, const std::string& what) {
    if (const Json* kept = line.find(what)) {
      T record;
      restore(*kept, record);
      put(std::move(record));
    }
    if (const Json* gone = line.find(what + "_removed")) erase(gone->as_string());
  }

 private:
  std::list<T> all_;
};

}  // namespace hsmbridge::rig
