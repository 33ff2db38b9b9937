#include "providers/venafi/state.h"

#include "base/error.h"
#include "base/json.h"
#include "providers/following.h"

namespace hsmbridge::venafi {

std::string to_text(const State& state) {
  Json json = Json::object();
  if (!state.request.empty()) json.set("request", state.request);
  if (!state.certificates.empty()) json.set("certificates", Json(state.certificates));
  if (!state.application.empty()) json.set("application", state.application);
  if (!state.issuing_template.empty()) json.set("template", state.issuing_template);
  if (state.missing_since) json.set("missing_since", rfc3339(*state.missing_since));
  if (!state.account.empty()) json.set("account", state.account);
  return json.dump();
}

State state_from(std::string_view text) {
  return providers::stored_state<State>(text, [](const Json& json) {
    State state;
    state.request = json.string_or("request", "");
    if (const Json* certificates = json.find("certificates"); certificates != nullptr) {
      for (const Json& id : certificates->as_array()) state.certificates.push_back(id.as_string());
    }
    state.application = json.string_or("application", "");
    state.issuing_template = json.string_or("template", "");
    if (const std::string since = json.string_or("missing_since", ""); !since.empty()) {
      state.missing_since = parse_rfc3339(since);
    }
    state.account = json.string_or("account", "");
    return state;
  });
}

const workflow::Predecessor& predecessor_of(const workflow::Order& order) {
  if (!order.predecessor || order.predecessor->der.empty()) {
    throw Error{ErrorKind::internal, "the order does not hold the certificate that it is about"};
  }
  return *order.predecessor;
}

State state_of(const workflow::Predecessor& predecessor) {
  try {
    return state_from(predecessor.provider_state);
  } catch (const Error&) {
    return {};
  }
}

}  // namespace hsmbridge::venafi
