#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace hsmbridge::rig {

// One HTTP request as a simulator sees it, whatever carried it.
struct Call {
  std::string method;
  std::string target;                                       // as sent: percent-encoded path and query
  std::map<std::string, std::string, std::less<>> headers;  // names in lower case
  std::string body;

  std::string path() const;                   // the target without its query
  std::vector<std::string> segments() const;  // of the path, percent-decoded: "/v1/key/a%2Fb" is {"v1", "key", "a/b"}
  // Of the target, percent-decoded; the last of several of one name.
  std::map<std::string, std::string, std::less<>> query() const;
  std::string query_value(std::string_view name) const;  // "" when absent
  std::string header(std::string_view name) const;       // "" when absent
};

// The path's segments against "/v1/key/{}": the values of the placeholders, or nothing.
std::optional<std::vector<std::string>> match(std::string_view pattern, const std::vector<std::string>& segments);

// A row of a service's table of endpoints, with what stood in place of its placeholders. Rows have `method` and `path`,
// and one with a fixed segment stands before one with a placeholder there.
template <class Route>
struct Routed {
  const Route* route = nullptr;
  std::vector<std::string> parameters;
  bool path_known = false;  // under another method at least
};
template <class Route>
Routed<Route> find_route(const std::vector<Route>& table, std::string_view method,
                         const std::vector<std::string>& segments) {
  Routed<Route> routed;
  for (const Route& route : table) {
    auto parameters = match(route.path, segments);
    if (!parameters) continue;
    routed.path_known = true;
    if (route.method == method) return {&route, std::move(*parameters), true};
  }
  return routed;
}

struct Answer {
  int status = 200;
  std::string body;
  std::string content_type = "application/json";
  std::map<std::string, std::string> headers = {};  // besides Content-Type and Content-Length
};

}  // namespace hsmbridge::rig
