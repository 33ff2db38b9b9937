#pragma once

#include "support/fake_transport.h"

#include <string>

namespace hsmbridge::test {

// An error of the TSB.
inline net::Exchange tsb_refusal(long status, int code, const std::string& reason = "res.error.some") {
  return response(
      status, R"({"errorCode":)" + std::to_string(code) + R"(,"reason":")" + reason + R"(","message":"Some text."})");
}

}  // namespace hsmbridge::test
