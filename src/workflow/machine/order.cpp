#include "workflow/machine/order.h"

namespace hsmbridge::workflow {

bool needs_key(const Order& order) {
  return order.kind != Kind::revoke;
}

std::string work_of(const Order& order) {
  std::string text;
  // Each part with its length first, so that no two lists of parts read the same.
  const auto add = [&text](const std::string& part) { text += std::to_string(part.size()) + ":" + part; };
  if (order.predecessor) {
    add(needs_key(order) ? "renew" : "revoke");
    add(order.predecessor->certificate);
    return hex(sha256(as_bytes(text)));
  }
  add(order.token);
  add(order.key.selector);
  if (order.key.source == KeyWish::Source::use) {
    add(order.provider);
    add(order.profile);
    add(order.ask);
  }
  return hex(sha256(as_bytes(text)));
}

std::string draft_digest(const Draft& draft) {
  // Both lengths come first, so that no other pair of byte strings has the same digest.
  Bytes both;
  for (const Bytes* part : {&draft.csr, &draft.to_be_signed}) {
    for (int shift = 56; shift >= 0; shift -= 8) both.push_back(static_cast<std::uint8_t>(part->size() >> shift));
  }
  both.insert(both.end(), draft.csr.begin(), draft.csr.end());
  both.insert(both.end(), draft.to_be_signed.begin(), draft.to_be_signed.end());
  return hex(sha256(both));
}

}  // namespace hsmbridge::workflow
