#pragma once

#include "workflow/machine/order.h"

#include <string>
#include <utility>
#include <variant>

// Orders as tests make them, member by member.
namespace hsmbridge::test {

// What an order asks of its certificate.
inline const workflow::Enroll& wanted(const workflow::Order& order) {
  return workflow::enrolment_of(order);
}
inline workflow::Enroll& wanted(workflow::Order& order) {
  if (auto* renewal = std::get_if<workflow::Renew>(&order.what)) return *renewal;
  return std::get<workflow::Enroll>(order.what);
}
// The certificate that a renewal or a revocation is about.
inline workflow::Predecessor& predecessor_in(workflow::Order& order) {
  if (auto* renewal = std::get_if<workflow::Renew>(&order.what)) return renewal->predecessor;
  return std::get<workflow::Revoke>(order.what).predecessor;
}
// The same order in the place of another certificate.
inline void make_renewal(workflow::Order& order, workflow::Predecessor predecessor) {
  order.what = workflow::Renew{wanted(order), std::move(predecessor)};
}
inline void make_revocation(workflow::Order& order, workflow::Predecessor predecessor, std::string reason) {
  order.what = workflow::Revoke{std::move(predecessor), std::move(reason)};
}
// Content of that subject and nothing else.
inline x509::RequestedContent content_for(const std::string& subject) {
  x509::RequestedContent content;
  content.content.subject = x509::Name::parse(subject);
  return content;
}

}  // namespace hsmbridge::test
