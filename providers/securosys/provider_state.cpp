#include "providers/securosys/provider_state.h"

#include "base/error.h"
#include "base/json.h"

namespace hsmbridge::securosys {

Pinned pinned_from(const std::string& provider_state) {
  if (provider_state.empty()) return {};
  try {
    const Json json = Json::parse(provider_state);
    Pinned pinned;
    if (const Json* policy = json.find("policy"); policy != nullptr) pinned.policy = approval::policy_from(*policy);
    if (const std::string since = json.string_or("result_owed_since", ""); !since.empty()) {
      pinned.result_owed_since = parse_rfc3339(since);
    }
    return pinned;
  } catch (const Error& error) {
    throw Error{ErrorKind::corrupt, "the stored state of this provider cannot be read: " + error.message()};
  }
}

std::string state_of(const Pinned& pinned) {
  Json json = Json::object();
  if (pinned.policy) json.set("policy", approval::to_json(*pinned.policy));
  if (pinned.result_owed_since) json.set("result_owed_since", rfc3339(*pinned.result_owed_since));
  return json.dump();
}

workflow::IssuedResult unreadable_result(std::string_view body) {
  constexpr std::size_t kMostKept = 256U << 10U;
  return {workflow::IssuedSignature{}, to_bytes(body.substr(0, kMostKept))};
}

}  // namespace hsmbridge::securosys
