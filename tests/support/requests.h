#pragma once

#include "base/error.h"
#include "support/orders.h"
#include "workflow/machine/decide.h"
#include "workflow/ports/store.h"

#include <string>
#include <utility>
#include <variant>

// Requests for tests of store and engine: an order that needs a key, a draft and one submission, and the steps that
// take it through the machine.
namespace hsmbridge::test {

inline workflow::Order order_of(const std::string& id, Instant created_at) {
  workflow::Order order;
  order.id = RequestId{id};
  order.provider = "tsb";
  order.profile = "server";
  order.what =
      workflow::Enroll{"web",
                       {workflow::KeyWish::Source::make, "key-" + id, "ec:P-256", "000102030405060708090a0b0c0d0e0f"},
                       content_for("CN=www.example.com"),
                       {{"token", ""}}};
  order.created_at = created_at;
  order.created_by = "uid:ann";
  return order;
}

// Writes the request as `enroll` does.
inline void create(workflow::Store& store, const workflow::Order& order) {
  const std::string& actor = order.created_by;
  store.create(order,
               {{order.created_at, actor, workflow::Created{order}},
                {order.created_at, actor,
                 workflow::KeyPlanned{wanted(order).token, wanted(order).key.selector, wanted(order).key.cka_id,
                                      wanted(order).key.spec}}},
               workflow::begin(order, {}));
}

// The step that `body` means for the request as it is; the machine must take it.
inline workflow::Step step_of(const workflow::Record& record, workflow::EventBody body, Instant at,
                              std::string actor = "uid:ann") {
  workflow::Event event{at, std::move(actor), std::move(body)};
  auto decided = workflow::decide(record.order, record.state, event, {});
  if (auto* refusal = std::get_if<workflow::Refusal>(&decided)) throw Error{ErrorKind::internal, refusal->why};
  workflow::Step step;
  step.request = record.order.id;
  step.expected_sequence = record.sequence;
  step.event = std::move(event);
  step.decision = std::get<workflow::Decision>(std::move(decided));
  return step;
}

inline workflow::Key key_of_test() {
  return {"pkcs11:token=web;id=%00%01", "web", "000102030405060708090a0b0c0d0e0f", SpkiHash{"ab12"}, true};
}
inline workflow::Draft draft_of_test(Instant built_at) {
  return {Bytes{1, 2, 3}, Bytes{4, 5}, "ecdsa-sha256", Bytes{}, "CN=www.example.com", built_at};
}

// Commits the event, which must be taken.
inline void take(workflow::Store& store, const RequestId& id, workflow::EventBody body, Instant at) {
  const workflow::Record record = store.find(id).value();
  if (store.commit({step_of(record, std::move(body), at)}).at(0) != workflow::StepResult::committed) {
    throw Error{ErrorKind::internal, "the step was not committed"};
  }
}

// A new request whose next effect is submit:1.
inline void create_ready_to_submit(workflow::Store& store, const workflow::Order& order) {
  create(store, order);
  take(store, order.id, workflow::KeyReady{key_of_test()}, order.created_at);
  take(store, order.id, workflow::CsrSigned{draft_of_test(order.created_at).csr}, order.created_at);
  take(store, order.id, workflow::DraftFrozen{draft_of_test(order.created_at)}, order.created_at);
  take(store, order.id, workflow::DraftAccepted{}, order.created_at);
}

// A new request that was submitted and waits for its approvers.
inline void create_awaiting_approval(workflow::Store& store, const workflow::Order& order) {
  create_ready_to_submit(store, order);
  take(store, order.id, workflow::AttemptStarted{1, "worker", order.created_at + std::chrono::minutes{1}},
       order.created_at);
  workflow::StatusReport report;
  report.status = workflow::RequestStatus::awaiting_approval;
  report.provider_status = "PENDING";
  report.reference = ProviderReference{"ref-" + order.id.str()};
  take(store, order.id, workflow::SubmissionAnswered{1, report}, order.created_at);
}

}  // namespace hsmbridge::test
