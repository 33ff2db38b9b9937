#include "tools/rig/tsb/records.h"

namespace hsmbridge::rig {

std::string_view to_string(RequestStatus status) {
  return kRequestStatuses.at(static_cast<std::size_t>(status));
}

bool is_open(RequestStatus status) {
  return status == RequestStatus::pending || status == RequestStatus::approved;
}

const Json& RequestRecord::inner() const {
  const Json::Object& members = body.as_object();
  return members.front().first == "requestSignature" ? members.at(1).second : members.front().second;
}

}  // namespace hsmbridge::rig
