#include "base/json.h"

#include "base/error.h"
#include "base/unicode.h"

#include <fmt/core.h>

#include <algorithm>
#include <iterator>
#include <limits>
#include <nlohmann/json.hpp>
#include <unordered_set>

namespace hsmbridge {
namespace {

constexpr std::size_t kDeepest = 64;

std::string_view type_name(const Json& json) {
  if (json.is_null()) return "null";
  if (json.is_bool()) return "true or false";
  if (json.is_number()) return "a number";
  if (json.is_string()) return "a string";
  if (json.is_array()) return "an array";
  return "an object";
}

Error wrong_type(std::string_view expected, const Json& found) {
  return Error{ErrorKind::invalid_input, fmt::format("{} was expected, found {}", expected, type_name(found))};
}

// Builds our value from nlohmann's events. Its own DOM silently keeps the last of two equal members; here a duplicate
// is an error, since two readers of one signed document must not see two different things.
class Builder final : public nlohmann::json_sax<nlohmann::json> {
 public:
  bool null() override { return put(Json()); }
  bool boolean(bool value) override { return put(Json(value)); }
  bool number_integer(number_integer_t value) override { return put(Json(static_cast<std::int64_t>(value))); }
  bool number_unsigned(number_unsigned_t value) override {
    if (value > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
      return put(Json(static_cast<double>(value)));
    }
    return put(Json(static_cast<std::int64_t>(value)));
  }
  bool number_float(number_float_t value, const string_t&) override { return put(Json(value)); }
  bool string(string_t& value) override { return put(Json(std::move(value))); }
  bool binary(binary_t&) override { return fail("binary data is not JSON"); }
  bool start_object(std::size_t) override { return open(Frame{Json::Object{}, {}, {}}); }
  bool end_object() override { return close(); }
  bool start_array(std::size_t) override { return open(Frame{Json::Array{}, {}, {}}); }
  bool end_array() override { return close(); }
  bool key(string_t& name) override {
    if (!open_.back().first_of_its_name(name)) return fail(fmt::format("member '{}' appears twice", name));
    open_.back().key = std::move(name);
    return true;
  }
  bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception& error) override {
    // nlohmann's text repeats parts of the input; only the position is safe to show.
    static_cast<void>(error);
    if (problem_.empty()) problem_ = fmt::format("not JSON, at character {}", position);
    return false;
  }

  Json take() {
    if (!problem_.empty()) throw Error{ErrorKind::invalid_input, problem_};
    return std::move(result_);
  }
  bool failed() const { return !problem_.empty(); }

 private:
  // An object or array whose end was not read yet.
  struct Frame {
    std::variant<Json::Object, Json::Array> content;
    std::string key;
    std::unordered_set<std::string> names;

    // Comparing with every member before is the fastest way for the objects that APIs send; a hostile one with a
    // hundred thousand members would cost minutes that way.
    bool first_of_its_name(const std::string& name) {
      constexpr std::size_t kSmall = 32;
      const auto& members = std::get<Json::Object>(content);
      if (members.size() < kSmall) {
        return std::none_of(members.begin(), members.end(),
                            [&name](const Json::Member& member) { return member.first == name; });
      }
      if (names.empty()) {
        for (const Json::Member& member : members) names.insert(member.first);
      }
      return names.insert(name).second;
    }
  };

  bool fail(std::string why) {
    problem_ = std::move(why);
    return false;
  }
  bool put(Json value) {
    if (open_.empty()) {
      result_ = std::move(value);
      return true;
    }
    Frame& frame = open_.back();
    if (auto* elements = std::get_if<Json::Array>(&frame.content)) {
      elements->push_back(std::move(value));
    } else {
      std::get<Json::Object>(frame.content).emplace_back(std::move(frame.key), std::move(value));
    }
    return true;
  }
  bool open(Frame frame) {
    if (open_.size() == kDeepest) return fail(fmt::format("nested more than {} levels deep", kDeepest));
    open_.push_back(std::move(frame));
    return true;
  }
  bool close() {
    Json done = std::visit([](auto& content) { return Json(std::move(content)); }, open_.back().content);
    open_.pop_back();
    return put(std::move(done));
  }

  std::vector<Frame> open_;
  Json result_;
  std::string problem_;
};

nlohmann::ordered_json to_library(const Json& json) {
  if (json.is_bool()) return json.as_bool();
  if (json.is_integer()) return json.as_integer();
  if (json.is_number()) return json.as_double();
  // One text of somebody else's that is not UTF-8 must not take the whole answer with it.
  if (json.is_string()) return escape_non_utf8(json.as_string());
  if (json.is_array()) {
    nlohmann::ordered_json array = nlohmann::ordered_json::array();
    for (const Json& element : json.as_array()) array.push_back(to_library(element));
    return array;
  }
  if (json.is_object()) {
    nlohmann::ordered_json object = nlohmann::ordered_json::object();
    for (const auto& [name, value] : json.as_object()) object.emplace(escape_non_utf8(name), to_library(value));
    return object;
  }
  return nullptr;
}

// What nlohmann::json::dump() writes of the same value (RFC 8259 §7: the two characters that must be
// escaped, and controls), without building that value first: journal and log are written with every step of a request.
class Writer {
 public:
  std::string take() { return std::move(text_); }

  void write(const Json& json) {
    if (json.is_string()) return write(json.as_string());
    if (json.is_array()) return write(json.as_array());
    if (json.is_object()) return write(json.as_object());
    if (json.is_bool()) {
      text_ += json.as_bool() ? "true" : "false";
    } else if (json.is_integer()) {
      fmt::format_to(std::back_inserter(text_), "{}", json.as_integer());
    } else if (json.is_number()) {
      text_ += nlohmann::json(json.as_double()).dump();
    } else {
      text_ += "null";
    }
  }

 private:
  void write(const Json::Array& array) {
    text_ += '[';
    for (const Json& element : array) {
      if (&element != &array.front()) text_ += ',';
      write(element);
    }
    text_ += ']';
  }

  void write(const Json::Object& object) {
    text_ += '{';
    std::unordered_set<std::string_view> names;
    for (const Json::Member& member : object) {
      if (!names.insert(member.first).second) continue;  // the first of two counts
      if (&member != &object.front()) text_ += ',';
      write(member.first);
      text_ += ':';
      write(member.second);
    }
    text_ += '}';
  }

  void write(const std::string& value) {
    const auto is_plain = [](char c) {
      const auto octet = static_cast<unsigned char>(c);
      return octet >= 0x20 && octet < 0x80 && c != '"' && c != '\\';
    };
    const auto is_ascii = [](char c) { return static_cast<unsigned char>(c) < 0x80; };
    text_ += '"';
    if (std::all_of(value.begin(), value.end(), is_plain)) {
      text_ += value;
    } else {
      // One text of somebody else's that is not UTF-8 must not take the whole answer with it.
      escape(std::all_of(value.begin(), value.end(), is_ascii) ? value : escape_non_utf8(value));
    }
    text_ += '"';
  }

  void escape(const std::string& value) {
    for (const char c : value) {
      switch (c) {
        case '"':
          text_ += "\\\"";
          break;
        case '\\':
          text_ += "\\\\";
          break;
        case '\b':
          text_ += "\\b";
          break;
        case '\f':
          text_ += "\\f";
          break;
        case '\n':
          text_ += "\\n";
          break;
        case '\r':
          text_ += "\\r";
          break;
        case '\t':
          text_ += "\\t";
          break;
        default:
          if (static_cast<unsigned char>(c) < 0x20) {
            fmt::format_to(std::back_inserter(text_), "\\u{:04x}", static_cast<unsigned>(c));
          } else {
            text_ += c;
          }
      }
    }
  }

  std::string text_;
};

}  // namespace

Json::Json(std::uint64_t value) {
  if (value > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
    throw Error{ErrorKind::invalid_input, "a number beyond 2^63 - 1 does not fit JSON here"};
  }
  value_ = static_cast<std::int64_t>(value);
}

Json::Json(const std::vector<std::string>& values) {
  value_ = Array(values.begin(), values.end());
}

Json Json::parse(std::string_view text) {
  Builder builder;
  const bool good = nlohmann::json::sax_parse(text.begin(), text.end(), &builder);
  if (!good && !builder.failed()) throw Error{ErrorKind::invalid_input, "not JSON"};
  return builder.take();
}

std::string Json::dump() const {
  Writer writer;
  writer.write(*this);
  return writer.take();
}

std::string Json::pretty() const {
  return to_library(*this).dump(2);
}

bool Json::as_bool() const {
  if (!is_bool()) throw wrong_type("true or false", *this);
  return std::get<bool>(value_);
}

std::int64_t Json::as_integer() const {
  if (!is_integer()) throw wrong_type("a whole number", *this);
  return std::get<std::int64_t>(value_);
}

double Json::as_double() const {
  if (is_integer()) return static_cast<double>(std::get<std::int64_t>(value_));
  if (!is_number()) throw wrong_type("a number", *this);
  return std::get<double>(value_);
}

const std::string& Json::as_string() const {
  if (!is_string()) throw wrong_type("a string", *this);
  return std::get<std::string>(value_);
}

const Json::Array& Json::as_array() const {
  if (!is_array()) throw wrong_type("an array", *this);
  return std::get<Array>(value_);
}

std::vector<std::string> Json::as_strings() const {
  std::vector<std::string> texts;
  for (const Json& element : as_array()) texts.push_back(element.as_string());
  return texts;
}
const Json::Object& Json::as_object() const {
  if (!is_object()) throw wrong_type("an object", *this);
  return std::get<Object>(value_);
}

const Json* Json::find(std::string_view name) const noexcept {
  const Object* object = std::get_if<Object>(&value_);
  if (object == nullptr) return nullptr;
  for (const Member& member : *object) {
    if (member.first == name) return &member.second;
  }
  return nullptr;
}

const Json& Json::at(std::string_view name) const {
  if (!is_object()) throw wrong_type("an object", *this);
  const Json* found = find(name);
  if (found == nullptr) throw Error{ErrorKind::invalid_input, fmt::format("member '{}' is missing", name)};
  return *found;
}

std::string Json::string_or(std::string_view name, std::string_view fallback) const {
  const Json* found = find(name);
  return found == nullptr || found->is_null() ? std::string(fallback) : found->as_string();
}

std::int64_t Json::integer_or(std::string_view name, std::int64_t fallback) const {
  const Json* found = find(name);
  return found == nullptr || found->is_null() ? fallback : found->as_integer();
}

bool Json::bool_or(std::string_view name, bool fallback) const {
  const Json* found = find(name);
  return found == nullptr || found->is_null() ? fallback : found->as_bool();
}

Json& Json::set(std::string name, Json value) {
  if (is_null()) value_ = Object{};
  if (!is_object()) throw wrong_type("an object", *this);
  Object& object = std::get<Object>(value_);
  const auto found =
      std::find_if(object.begin(), object.end(), [&name](const Member& member) { return member.first == name; });
  if (found == object.end()) {
    object.emplace_back(std::move(name), std::move(value));
  } else {
    found->second = std::move(value);
  }
  return *this;
}

Json& Json::push(Json value) {
  if (is_null()) value_ = Array{};
  if (!is_array()) throw wrong_type("an array", *this);
  std::get<Array>(value_).push_back(std::move(value));
  return *this;
}

std::string well_formed(std::string_view text) {
  const bool ascii = std::all_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; });
  if (ascii) return std::string(text);
  const std::string written =
      nlohmann::json(std::string(text)).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  return nlohmann::json::parse(written).get<std::string>();
}

}  // namespace hsmbridge
