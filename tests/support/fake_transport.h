#pragma once

#include "base/error.h"
#include "providers/transport.h"

#include <deque>
#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace hsmbridge::test {

// Answers as the test says and remembers what was sent. One thread.
class FakeTransport final : public providers::Transport {
 public:
  using Answer = std::function<providers::Exchange(const providers::HttpRequest&)>;

  // The next answer.
  FakeTransport& then(providers::Exchange exchange) {
    answers.push_back([exchange = std::move(exchange)](const providers::HttpRequest&) { return exchange; });
    return *this;
  }
  FakeTransport& then(long status, std::string body, std::string type = "application/json") {
    return then(providers::HttpAnswer{status, std::move(type), std::move(body), {}, {}});
  }

  // "POST /v1/sign" and so on, in order.
  std::vector<std::string> lines() const {
    std::vector<std::string> result;
    for (const auto& request : sent) result.push_back(request.method + " " + request.path);
    return result;
  }
  static std::string header(const providers::HttpRequest& request, const std::string& name) {
    for (const auto& [key, value] : request.headers) {
      if (key == name) return value;
    }
    return "";
  }

  std::deque<Answer> answers;
  std::vector<providers::HttpRequest> sent;

 private:
  providers::Exchange carry(const providers::HttpRequest& request) override {
    sent.push_back(request);
    if (answers.empty()) throw Error{ErrorKind::internal, "unexpected " + request.method + " " + request.path};
    Answer answer = std::move(answers.front());
    answers.pop_front();
    return answer(request);
  }
};

}  // namespace hsmbridge::test
