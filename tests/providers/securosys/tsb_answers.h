#pragma once

#include "providers/transport.h"

#include <string>

namespace hsmbridge::test {

// An error of the TSB.
inline providers::Exchange tsb_refusal(long status, int code, const std::string& reason = "res.error.some") {
  return providers::HttpAnswer{
      status,
      "application/json",
      R"({"errorCode":)" + std::to_string(code) + R"(,"reason":")" + reason + R"(","message":"Some text."})",
      {},
      {}};
}

}  // namespace hsmbridge::test
