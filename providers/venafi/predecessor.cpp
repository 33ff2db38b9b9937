#include "providers/venafi/predecessor.h"

#include "base/error.h"

namespace hsmbridge::venafi {

using workflow::Order;
using workflow::Predecessor;

const Predecessor& predecessor_of(const Order& order) {
  const Predecessor* predecessor = order.predecessor();
  if (predecessor == nullptr || predecessor->der.empty()) {
    throw Error{ErrorKind::internal, "the order does not hold the certificate that it is about"};
  }
  return *predecessor;
}

State state_of(const Predecessor& predecessor) {
  try {
    return state_from(predecessor.provider_state);
  } catch (const Error&) {
    return {};
  }
}

}  // namespace hsmbridge::venafi
