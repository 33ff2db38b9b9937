// How fast the store is, without provider, token and network:
//   store_rates STORE changes COUNT BATCH   state changes: decided, and committed BATCH a transaction
//   store_rates STORE polls COUNT BATCH     polls that bring nothing new: claimed and given back, BATCH a transaction
// STORE is a copy of a store that can be thrown away, with open requests that wait for approval (fill_store makes one).
// Prints one line of JSON: {"changes":N,"seconds":S,"per_second":R}.
#include "base/error.h"
#include "store/sqlite_store.h"
#include "workflow/machine/decide.h"
#include "workflow/machine/effect.h"

#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <iostream>
#include <string>
#include <utility>
#include <variant>
#include <vector>

using namespace hsmbridge;
using namespace hsmbridge::workflow;

namespace {

constexpr unsigned kMost = 10'000;  // requests that take turns

// What a provider says when another approver has decided: a change that leaves the request where it is.
Step change_of(const Record& record, unsigned turn, Instant now) {
  const auto& waiting = std::get<AwaitingApproval>(record.state);
  StatusReport report;
  report.status = RequestStatus::awaiting_approval;
  report.provider_status = "PENDING";
  report.reference = waiting.submission.reference;
  report.progress = waiting.progress;
  report.progress.note = fmt::format("{} approvals", turn);
  const Event event{now, "provider:" + record.order.provider, Reported{report}};
  auto decided = decide(record.order, record.state, event, {});
  if (const auto* refusal = std::get_if<Refusal>(&decided)) throw Error{ErrorKind::internal, refusal->why};
  Step step;
  step.request = record.order.id;
  step.expected_sequence = record.sequence;
  step.event = event;
  step.decision = std::get<Decision>(std::move(decided));
  return step;
}

std::uint64_t changes(Store& store, const Clock& clock, std::uint64_t count, std::size_t batch) {
  Requests::ListQuery query;
  query.state = StateName::awaiting_approval;
  query.most = kMost;
  std::vector<Record> records = store.list(query);
  if (records.empty()) throw Error{ErrorKind::not_found, "no request waits for approval"};
  const auto start = std::chrono::steady_clock::now();
  for (std::uint64_t done = 0; done < count;) {
    std::vector<Step> steps;
    std::vector<Record*> changed;
    for (; steps.size() < std::min(batch, records.size()) && done < count; ++done) {
      Record& record = records[done % records.size()];
      steps.push_back(change_of(record, static_cast<unsigned>(done / records.size()) + 2, clock.now()));
      changed.push_back(&record);
    }
    for (const StepResult result : store.commit(steps)) {
      if (result != StepResult::committed) throw Error{ErrorKind::conflict, "somebody else works on the store"};
    }
    for (std::size_t i = 0; i < steps.size(); ++i) {
      changed[i]->sequence += 1;
      changed[i]->state = std::move(steps[i].decision.next);
    }
  }
  return static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - start).count());
}

std::uint64_t polls(Store& store, const Clock& clock, std::uint64_t count, std::size_t batch) {
  Requests::ListQuery query;
  query.state = StateName::awaiting_approval;
  query.most = 1;
  const auto any = store.list(query);
  if (any.empty()) throw Error{ErrorKind::not_found, "no request waits for approval"};
  ClaimQuery claim;
  claim.worker = "store_rates";
  claim.lanes = {{"provider:" + any.front().order.provider, static_cast<unsigned>(batch)}};
  claim.lease = std::chrono::seconds{90};
  const auto start = std::chrono::steady_clock::now();
  for (std::uint64_t done = 0; done < count;) {
    const Instant later = clock.now() + std::chrono::hours{1};
    const auto claims = store.claim(claim, later);
    if (claims.empty()) throw Error{ErrorKind::not_found, "nothing is due within an hour"};
    claim.give_back.clear();
    for (const Claim& one : claims) claim.give_back.push_back({one.effect_id, later, ""});
    done += claims.size();
  }
  claim.lanes.clear();
  store.claim(claim, clock.now());  // the last ones are given back
  return static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - start).count());
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc != 5) {
    std::cerr << "store_rates STORE changes|polls COUNT BATCH\n";
    return 2;
  }
  const SystemClock clock;
  store::OpenOptions options;
  options.missing = store::Missing::refuse;
  const auto store = store::SqliteStore::open(argv[1], clock, options);
  const std::string what = argv[2];
  const std::uint64_t count = std::stoull(argv[3]);
  const std::size_t batch = std::stoull(argv[4]);
  const std::uint64_t took =
      what == "changes" ? changes(*store, clock, count, batch) : polls(*store, clock, count, batch);
  std::cout << fmt::format("{{\"{}\":{},\"seconds\":{:.3f},\"per_second\":{}}}\n", what, count,
                           static_cast<double>(took) / 1000.0, count * 1000 / std::max<std::uint64_t>(took, 1));
  return 0;
} catch (const Error& error) {
  std::cerr << "store_rates: " << error.message() << '\n';
  return 1;
}
