#pragma once

#include "base/error.h"
#include "net/transport.h"

#include <ctime>
#include <deque>
#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace hsmbridge::test {

inline net::Response response(long status, std::string body, const std::string& type = "application/json",
                              net::Headers more = {}) {
  net::Headers headers{{"Content-Type", type}};
  headers.insert(headers.end(), more.begin(), more.end());
  return {status, std::move(headers), std::move(body)};
}

// The header Date, as a server writes it (RFC 9110 §5.6.7).
inline std::pair<std::string, std::string> date_header(Instant at) {
  const std::time_t seconds = std::chrono::duration_cast<std::chrono::seconds>(at.time_since_epoch()).count();
  std::tm parts{};
  ::gmtime_r(&seconds, &parts);
  char text[64];
  return {"Date", std::string(text, std::strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &parts))};
}

// Answers as the test says and remembers what was sent. One thread.
class FakeTransport final : public net::Transport {
 public:
  using Answer = std::function<net::Exchange(const net::Request&)>;

  // The next answer.
  FakeTransport& then(net::Exchange exchange) {
    answers.push_back([exchange = std::move(exchange)](const net::Request&) { return exchange; });
    return *this;
  }
  FakeTransport& then(long status, std::string body, const std::string& type = "application/json") {
    return then(response(status, std::move(body), type));
  }

  // "POST /v1/sign" and so on, in order.
  std::vector<std::string> lines() const {
    std::vector<std::string> result;
    for (const auto& request : sent) result.push_back(request.method + " " + request.path);
    return result;
  }
  static std::string header(const net::Request& request, const std::string& name) {
    for (const auto& [key, value] : request.headers) {
      if (key == name) return value;
    }
    return "";
  }

  std::deque<Answer> answers;
  std::vector<net::Request> sent;

 private:
  net::Exchange carry(const net::Request& request) override {
    sent.push_back(request);
    if (answers.empty()) throw Error{ErrorKind::internal, "unexpected " + request.method + " " + request.path};
    Answer answer = std::move(answers.front());
    answers.pop_front();
    return answer(request);
  }
};

}  // namespace hsmbridge::test
