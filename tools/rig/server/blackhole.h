#pragma once

#include "base/json.h"

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

namespace hsmbridge::rig {

struct BlackholeOptions {
  std::filesystem::path dir;
  std::optional<int> port;
};

// A server that tempts a client to send a POST twice: the first request on a connection is answered with {} and the
// connection kept open; a POST that comes later on the same connection is read, counted, and the connection closed
// without an answer. A POST that is the first on its connection is read, counted and dropped as well, so that a client
// which uses a fresh connection gets no answer either.
// Files: blackhole.json {"url", "ca", "pid"} once it answers; blackhole-journal.jsonl, one line a request.
class Blackhole {
 public:
  explicit Blackhole(const BlackholeOptions& options);
  ~Blackhole();
  Blackhole(const Blackhole&) = delete;
  Blackhole& operator=(const Blackhole&) = delete;

  const std::string& url() const;
  std::filesystem::path ca() const;
  Json::Array journal() const;

 private:
  class Inside;
  std::unique_ptr<Inside> inside_;
};

}  // namespace hsmbridge::rig
