#include "tools/rig/server/faults.h"

#include "base/error.h"
#include "tools/rig/server/record.h"

namespace hsmbridge::rig {

Fault read_fault(const Json& json) {
  json.at("kind");
  Fault fault;
  change(json, fault);
  if (fault.status == 0) {
    fault.status = fault.kind == FaultKind::html ? 502 : fault.retry_after.empty() ? 500 : 503;
  }
  if (fault.kind == FaultKind::set && !fault.answer_members.is_object()) {
    throw Error{ErrorKind::invalid_input, "the fault 'set' needs 'members', an object"};
  }
  if (fault.status < 200 || fault.status > 599 || fault.after < 0 || fault.times < 0 || fault.ms < 0) {
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
                            {"kind", kept(fault.kind)},
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
