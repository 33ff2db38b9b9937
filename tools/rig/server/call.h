#pragma once

#include "base/error.h"
#include "base/json.h"

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace hsmbridge::rig {

using Words = std::map<std::string, std::string, std::less<>>;

// One HTTP request as a simulator sees it, whatever carried it.
struct Call {
  std::string method;
  std::string target;  // as sent: percent-encoded path and query
  Words headers;       // names in lower case
  std::string body;

  std::string path() const;                   // the target without its query
  std::vector<std::string> segments() const;  // of the path, percent-decoded: "/v1/key/a%2Fb" is {"v1", "key", "a/b"}
  Words query() const;                        // of the target
  std::string query_value(std::string_view name) const;  // "" when absent
  std::string header(std::string_view name) const;       // "" when absent
};

// The values of "a=1&b=%20", percent-decoded; the last of several of one name.
Words form_values(std::string_view text);

struct Answer {
  Answer(int with_status = 200, std::string text = "", std::string type = "application/json")
      : status(with_status), body(std::move(text)), content_type(std::move(type)) {}
  Answer(int with_status, const char* text) : status(with_status), body(text) {}
  Answer(int with_status, const Json& json) : status(with_status), body(json.dump()) {}

  int status;
  std::string body;
  std::string content_type = "application/json";
  std::map<std::string, std::string> headers = {};  // besides Content-Type and Content-Length
};

// How a handler says no: an Error of kind `refused` that carries the answer; and that answer, nothing for another Error.
Error refusal(std::string message, const Answer& answer);
std::optional<Answer> answer_in(const Error& error);

// Who calls, as far as a service tells its callers apart.
struct Caller {
  std::string id = "";
  std::string name = "";
  bool person = false;  // and not a program with an account of its own
};

// A call that found its endpoint.
struct Asked {
  const Call& call;
  std::vector<std::string> captured;  // what stood in place of the "{}" of the path
  Caller caller = {};
  Json body = {};  // null when there is none
};

// A row of a service's table of endpoints; one with a fixed segment stands before one with a placeholder there.
template <class Service>
struct Endpoint {
  std::string_view method;
  std::string_view path;  // "/v1/key/{}": "{}" stands for one segment
  Answer (Service::*handler)(const Asked&);
  std::string_view role = "";  // whose API key opens it, where services have several
};

// The path's segments against "/v1/key/{}": the values of the placeholders, or nothing.
std::optional<std::vector<std::string>> match(std::string_view pattern, const std::vector<std::string>& segments);

template <class Service>
struct Found {
  const Endpoint<Service>* endpoint = nullptr;
  std::vector<std::string> captured = {};
  bool path_known = false;  // under another method at least
};
template <class Service>
Found<Service> find_endpoint(const std::vector<Endpoint<Service>>& table, std::string_view method,
                             const std::vector<std::string>& segments) {
  bool path_known = false;
  for (const Endpoint<Service>& endpoint : table) {
    auto captured = match(endpoint.path, segments);
    if (!captured) continue;
    path_known = true;
    if (endpoint.method == method) return {&endpoint, std::move(*captured), true};
  }
  return {nullptr, {}, path_known};
}

}  // namespace hsmbridge::rig
