#pragma once

#include "base/json.h"

#include <array>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hsmbridge::rig {

enum class FaultKind {
  status,             // `status` and `body` instead of an answer; nothing is done. With `retry_after`, that header
  html,               // the same with a proxy's HTML page (default 502)
  delay,              // `ms` later, then as usual
  drop_before,        // the connection ends; nothing is done
  drop_after,         // done, then the connection ends without an answer
  commit_late,        // the connection ends at once; done `ms` later
  truncate,           // done; half of the body arrives, then the connection ends
  huge,               // done; the body is padded to `bytes` (default 50 MB)
  wrong_certificate,  // done; a certificate in the answer is replaced by one for another key
  wrong_signature,    // done; a signature in the answer is changed
  set,                // done; `members` of the answer's JSON object are replaced or added
};

struct Fault {
  std::int64_t id = 0;
  std::string method;       // "": any
  std::string path_prefix;  // "": any
  std::int64_t after = 0;   // so many matching requests are left alone first
  std::int64_t times = 1;   // then so many are hit; 0: all
  FaultKind kind = FaultKind::status;
  int status = 0;           // 0: what `kind` and `retry_after` suggest
  Json body;                // null: the service's own words for trouble
  std::string retry_after;  // seconds or an HTTP-date
  std::int64_t ms = 1000;
  std::size_t bytes = std::size_t{50} << 20U;
  Json answer_members;
  std::int64_t seen = 0;
  std::int64_t hit = 0;

  template <class Self, class Visit>
  static void members(Self& self, Visit visit) {
    visit("kind", self.kind, "method", self.method, "path", self.path_prefix, "after", self.after, "times", self.times,
          "status", self.status, "body", self.body, "retry_after", self.retry_after, "ms", self.ms, "bytes", self.bytes,
          "members", self.answer_members);
  }
};

inline constexpr std::array<std::string_view, 11> kFaultKinds{"status",          "html",       "delay",
                                                              "drop-before",     "drop-after", "commit-late",
                                                              "truncate",        "huge",       "wrong-certificate",
                                                              "wrong-signature", "set"};
inline const auto& words_of(FaultKind) {
  return kFaultKinds;
}

// Reads {"kind", "method", "path", "after", "times", "status", "body", "retry_after", "ms", "bytes", "members"}; only
// "kind" must be there. Throws invalid_input for anything else.
Fault read_fault(const Json& json);

// The faults that are set. The oldest one that fits a request takes it. Thread rule: any thread.
class Faults {
 public:
  std::int64_t add(Fault fault);
  void clear();
  Json list() const;
  // Counts the request at every fault that matches and returns the one that hits.
  std::optional<Fault> take(const std::string& method, const std::string& path);

 private:
  mutable std::mutex mutex_;
  std::vector<Fault> faults_;
  std::int64_t next_ = 1;
};

}  // namespace hsmbridge::rig
