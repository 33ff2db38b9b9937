#include "providers/venafi/state.h"

#include "base/error.h"
#include "providers/following.h"

namespace hsmbridge::venafi {

std::string to_text(const State& state) {
  return providers::stored({{"request", state.request},
                            {"certificates", state.certificates},
                            {"application", state.application},
                            {"template", state.issuing_template},
                            {"missing_since", providers::stored(state.missing_since)},
                            {"account", state.account}});
}

State state_from(std::string_view text) {
  return providers::stored_state<State>(text, [](const providers::Members& in) {
    return State{in.text("request"),  in.texts("certificates"), in.text("application"),
                 in.text("template"), in.date("missing_since"), in.text("account")};
  });
}

const workflow::Predecessor& predecessor_of(const workflow::Order& order) {
  const workflow::Predecessor* predecessor = order.predecessor();
  if (predecessor == nullptr || predecessor->der.empty()) {
    throw Error{ErrorKind::internal, "the order does not hold the certificate that it is about"};
  }
  return *predecessor;
}

State state_of(const workflow::Predecessor& predecessor) {
  try {
    return state_from(predecessor.provider_state);
  } catch (const Error&) {
    return {};
  }
}

}  // namespace hsmbridge::venafi
