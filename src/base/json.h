#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace hsmbridge {

// A JSON value (RFC 8259). Members keep their order, integers keep their 64 bits (one beyond them is read as a double),
// and a duplicate member, invalid UTF-8 or nesting beyond 64 levels is refused when reading. nlohmann/json does the
// reading and writing in json.cpp; it is kept out of every other file for the sake of compile time.
class Json {
 public:
  using Array = std::vector<Json>;
  using Member = std::pair<std::string, Json>;
  using Object = std::vector<Member>;

  Json() = default;  // null
  Json(std::nullptr_t) {}
  Json(bool value) : value_(value) {}
  Json(int value) : value_(static_cast<std::int64_t>(value)) {}
  Json(std::int64_t value) : value_(value) {}
  Json(std::uint64_t value);  // throws invalid_input above 2^63 - 1
  Json(double value) : value_(value) {}
  Json(const char* value) : value_(std::string(value)) {}
  Json(std::string_view value) : value_(std::string(value)) {}
  Json(std::string value) : value_(std::move(value)) {}
  Json(Array value) : value_(std::move(value)) {}
  Json(Object value) : value_(std::move(value)) {}
  // An array of strings.
  Json(const std::vector<std::string>& values);

  static Json object(std::initializer_list<Member> members = {}) { return Json(Object(members)); }
  static Json array(std::initializer_list<Json> values = {}) { return Json(Array(values)); }

  // An array of what `element` makes of each value.
  template <class List, class Element = std::identity>
  static Json list(const List& values, Element element = {}) {
    Array array;
    for (const auto& value : values) array.emplace_back(std::invoke(element, value));
    return Json(std::move(array));
  }

  // Throws invalid_input with the position when `text` is not one JSON value.
  static Json parse(std::string_view text);
  // Compact text, or indented by two spaces a level; an octet that is not UTF-8 becomes \xHH (RFC 8259 §8.1).
  std::string dump() const;
  std::string pretty() const;

  bool is_null() const noexcept { return std::holds_alternative<std::monostate>(value_); }
  bool is_bool() const noexcept { return std::holds_alternative<bool>(value_); }
  bool is_integer() const noexcept { return std::holds_alternative<std::int64_t>(value_); }
  bool is_number() const noexcept { return is_integer() || std::holds_alternative<double>(value_); }
  bool is_string() const noexcept { return std::holds_alternative<std::string>(value_); }
  bool is_array() const noexcept { return std::holds_alternative<Array>(value_); }
  bool is_object() const noexcept { return std::holds_alternative<Object>(value_); }

  // The value as that type; throws invalid_input ("a string was expected, found a number") when it is another.
  bool as_bool() const;
  std::int64_t as_integer() const;
  double as_double() const;
  const std::string& as_string() const;
  const Array& as_array() const;
  const Object& as_object() const;
  // An array of strings.
  std::vector<std::string> as_strings() const;

  // A member of an object: null pointer when this is no object or has none of that name.
  const Json* find(std::string_view name) const noexcept;
  // A member that must be there; throws invalid_input naming it.
  const Json& at(std::string_view name) const;
  // A string member, or the fallback when it is absent or null. Throws invalid_input when it is of another type.
  std::string string_or(std::string_view name, std::string_view fallback) const;
  std::int64_t integer_or(std::string_view name, std::int64_t fallback) const;
  bool bool_or(std::string_view name, bool fallback) const;

  // Sets a member, replacing one of the same name. Makes an object of a null.
  Json& set(std::string name, Json value);
  // Appends an element. Makes an array of a null.
  Json& push(Json value);

  bool operator==(const Json&) const = default;

 private:
  std::variant<std::monostate, bool, std::int64_t, double, std::string, Array, Object> value_;
};

// The text with whatever in it is not UTF-8 replaced by U+FFFD, so that it can be written as JSON.
std::string well_formed(std::string_view text);

}  // namespace hsmbridge
