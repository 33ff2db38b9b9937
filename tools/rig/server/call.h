#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hsmbridge::rig {

// One HTTP request as a simulator sees it, whatever carried it.
struct Call {
  std::string method;
  std::string target;                                       // as sent: percent-encoded path and query
  std::map<std::string, std::string, std::less<>> headers;  // names in lower case
  std::string body;
  int number_on_connection = 1;  // 1 for the first request on a connection

  std::string path() const;                   // the target without its query
  std::vector<std::string> segments() const;  // of the path, percent-decoded: "/v1/key/a%2Fb" is {"v1", "key", "a/b"}
  // Of the target, percent-decoded; the last of several of one name.
  std::map<std::string, std::string, std::less<>> query() const;
  std::string header(std::string_view name) const;  // "" when absent
};

// The path's segments against "/v1/key/{}": the values of the placeholders, or nothing.
std::optional<std::vector<std::string>> match(std::string_view pattern, const std::vector<std::string>& segments);

struct Answer {
  int status = 200;
  std::string body;
  std::string content_type = "application/json";
  std::map<std::string, std::string> headers = {};  // besides Content-Type and Content-Length
};

}  // namespace hsmbridge::rig
