#include "service/enroll.h"

#include "base/error.h"
#include "base/json.h"
#include "service/request_id.h"
#include "service/requests.h"

#include <fmt/core.h>

#include <set>

namespace hsmbridge::service {

namespace {

void check_targets(const std::vector<workflow::InstallTarget>& targets) {
  std::set<std::string> names;
  for (const auto& target : targets) {
    if (!names.insert(target.name).second) {
      throw Error{ErrorKind::invalid_input, fmt::format("the install target {} is given twice", target.name)};
    }
  }
}

// The part of the order that says what is wanted; when and until when comes later.
workflow::Order order_of(const NewRequest& request) {
  workflow::Order order;
  order.kind = workflow::Kind::enroll;
  order.provider = request.provider;
  order.profile = request.profile;
  order.token = request.token;
  order.key = request.key;
  order.ask = x509::to_json(request.ask).dump();
  order.targets = request.targets;
  return order;
}

// Whether the same words ordered both. When they were made, by whom, and until when they are waited for is no part.
bool asks_the_same(const workflow::Order& one, const workflow::Order& other) {
  return one.kind == other.kind && one.provider == other.provider && one.profile == other.profile &&
         one.token == other.token && one.key.source == other.key.source && one.key.selector == other.key.selector &&
         one.key.spec == other.key.spec && one.ask == other.ask && one.targets == other.targets;
}

}  // namespace

void refuse_duplicate(workflow::Store& store, const NewRequest& request) {
  const workflow::Order order = order_of(request);
  const auto open = store.open_request_for(workflow::work_of(order));
  if (!open) return;
  const auto record = store.find(*open);
  const bool same = record && asks_the_same(record->order, order);
  const auto key = order.key.source == workflow::KeyWish::Source::make ? "makes the key " : "is open for the key ";
  Error error{ErrorKind::conflict,
              fmt::format("request {} already {}{} in token {}{}", open->str(), key, order.key.selector, order.token,
                          same ? "" : ", and what it asks for is something else")};
  error.with("request", open->str())
      .with("state", record ? std::string(workflow::to_string(workflow::name_of(record->state))) : "");
  if (same) error.with("same-order", open->str());
  throw error.hint(same ? fmt::format("go on with it: hsmbridge request wait {}", open->str())
                        : fmt::format("look at it: hsmbridge request show {}", open->str()));
}

workflow::Order create_request(workflow::Store& store, const NewRequest& request, const workflow::Timing& timing,
                               Instant now, ByteView randomness) {
  x509::validate(request.ask.content);
  check_targets(request.targets);
  refuse_duplicate(store, request);
  workflow::Order order = order_of(request);
  order.id = request_id(now, randomness);
  order.created_at = now;
  order.created_by = request.created_by;
  if (request.deadline) order.deadline = now + *request.deadline;
  order.max_age = request.max_age;
  order.local_approvals = request.local_approvals;
  order.wants_command = request.wants_command;

  std::vector<workflow::Event> events;
  events.push_back({now, request.created_by, workflow::Created{order}});
  if (order.key.source == workflow::KeyWish::Source::make) {
    events.push_back({now, request.created_by,
                      workflow::KeyPlanned{order.token, order.key.selector, order.key.cka_id, order.key.spec}});
  }
  store.create(order, events, workflow::begin(order, timing));
  return order;
}

}  // namespace hsmbridge::service
