#include "workflow/ports/requests.h"

namespace hsmbridge::workflow {

RequestLine line_of(const Record& record) {
  const Order& order = record.order;
  RequestLine line;
  line.id = order.id;
  line.kind = order.kind();
  line.state = name_of(record.state);
  line.names = names_of(order);
  line.provider = order.provider;
  line.profile = order.profile;
  // A revocation uses no key.
  if (const Enroll* const wanted = order.enrolment()) {
    const Key* const key = key_of(record.state);
    line.token = wanted->token;
    line.key = key != nullptr ? key->label : wanted->key.selector;
  }
  if (const Predecessor* const old = order.predecessor()) line.predecessor = old->certificate;
  line.created_at = order.created_at;
  line.changed_at = record.changed_at;
  return line;
}

}  // namespace hsmbridge::workflow
