#include "tools/rig/server/faults.h"

#include "base/error.h"

#include <fmt/core.h>

#include <algorithm>

namespace hsmbridge::rig {

const std::vector<std::string>& fault_kind_words() {
  // In the order of FaultKind.
  static const std::vector<std::string> words{"status",          "html",       "delay",
                                              "drop-before",     "drop-after", "commit-late",
                                              "truncate",        "huge",       "wrong-certificate",
                                              "wrong-signature", "set"};
  return words;
}

Fault read_fault(const Json& json) {
  for (const Json::Member& member : json.as_object()) {
    static const std::vector<std::string> known{"kind", "method",      "path", "after", "times",  "status",
                                                "body", "retry_after", "ms",   "bytes", "members"};
    if (std::find(known.begin(), known.end(), member.first) == known.end()) {
      throw Error{ErrorKind::invalid_input, fmt::format("a fault has no '{}'", member.first)};
    }
  }
  Fault fault;
  const std::string& word = json.at("kind").as_string();
  const auto& words = fault_kind_words();
  const auto kind = std::find(words.begin(), words.end(), word);
  if (kind == words.end()) {
    throw Error{ErrorKind::invalid_input, fmt::format("'{}' is no kind of fault", word)}.hint(
        "one of status, html, delay, drop-before, drop-after, commit-late, truncate, huge, wrong-certificate, "
        "wrong-signature, set");
  }
  fault.kind = static_cast<FaultKind>(kind - words.begin());
  fault.method = json.string_or("method", "");
  fault.path_prefix = json.string_or("path", "");
  fault.after = json.integer_or("after", 0);
  fault.times = json.integer_or("times", 1);
  fault.retry_after = json.string_or("retry_after", "");
  fault.status = static_cast<int>(json.integer_or("status", fault.kind == FaultKind::html ? 502
                                                            : fault.retry_after.empty()   ? 500
                                                                                          : 503));
  if (const Json* body = json.find("body"); body != nullptr && !body->is_null()) fault.body = body->dump();
  fault.wait = std::chrono::milliseconds{json.integer_or("ms", 1000)};
  fault.bytes = static_cast<std::size_t>(json.integer_or("bytes", std::int64_t{50} << 20U));
  if (const Json* members = json.find("members"); members != nullptr) fault.members = *members;
  if (fault.kind == FaultKind::set && !fault.members.is_object()) {
    throw Error{ErrorKind::invalid_input, "the fault 'set' needs 'members', an object"};
  }
  if (fault.status < 200 || fault.status > 599 || fault.after < 0 || fault.times < 0 || fault.wait.count() < 0) {
    throw Error{ErrorKind::invalid_input, "a number of the fault is out of range"};
  }
  return fault;
}

std::int64_t Faults::add(Fault fault) {
  const std::lock_guard lock(mutex_);
  fault.id = next_++;
  faults_.push_back(std::move(fault));
  return faults_.back().id;
}

void Faults::clear() {
  const std::lock_guard lock(mutex_);
  faults_.clear();
}

Json Faults::list() const {
  const std::lock_guard lock(mutex_);
  Json list = Json::array();
  for (const Fault& fault : faults_) {
    list.push(Json::object({{"id", fault.id},
                            {"kind", fault_kind_words()[static_cast<std::size_t>(fault.kind)]},
                            {"method", fault.method},
                            {"path", fault.path_prefix},
                            {"after", fault.after},
                            {"times", fault.times},
                            {"seen", fault.seen},
                            {"hit", fault.hit}}));
  }
  return list;
}

std::optional<Fault> Faults::take(const std::string& method, const std::string& path) {
  const std::lock_guard lock(mutex_);
  std::optional<Fault> taken;
  for (Fault& fault : faults_) {
    if (!fault.method.empty() && fault.method != method) continue;
    if (path.substr(0, fault.path_prefix.size()) != fault.path_prefix) continue;
    ++fault.seen;
    if (taken || fault.seen <= fault.after || (fault.times != 0 && fault.hit >= fault.times)) continue;
    ++fault.hit;
    taken = fault;
  }
  return taken;
}

}  // namespace hsmbridge::rig
