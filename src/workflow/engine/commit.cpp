#include "base/failpoint.h"
#include "workflow/engine/impl.h"
#include "workflow/machine/codec.h"

#include <algorithm>
#include <exception>
#include <new>
#include <utility>

// What came back, and how it gets on disk.
namespace hsmbridge::workflow {
namespace {

// A request whose state changes under us this often in one commit is left for the next.
constexpr int kMostRereads = 8;

bool same_draft(const Record& one, const Record& other) {
  const Draft* first = draft_of(one.state);
  const Draft* second = draft_of(other.state);
  return first != nullptr && second != nullptr && *first == *second;
}

// Whether what an effect brought is about what the request holds now. Its answer is decided again when another process
// was quicker; one about another draft, another result or another reference says nothing about the present one.
bool is_about_the_same(EffectName effect, const Record& then, const Record& now) {
  switch (effect) {
    case EffectName::check_draft:
      return same_draft(then, now);
    case EffectName::verify: {
      const auto* first = std::get_if<Verifying>(&then.state);
      const auto* second = std::get_if<Verifying>(&now.state);
      return first == nullptr || second == nullptr ||
             (first->result == second->result && first->accepted == second->accepted);
    }
    case EffectName::poll:
    case EffectName::retrieve:
    case EffectName::withdraw: {
      const Submission* first = submission_of(then.state);
      const Submission* second = submission_of(now.state);
      return first == nullptr || second == nullptr || first->reference == second->reference;
    }
    default:
      return true;
  }
}

}  // namespace

Error trouble_in_flight() {
  Error error = current_error();
  try {
    throw;
  } catch (const std::bad_alloc&) {
    return Error{ErrorKind::unavailable, "out of memory"};
  } catch (...) {
    return error;
  }
}

bool worth_waiting_for(const Error& error) {
  return error.kind() == ErrorKind::unavailable || error.kind() == ErrorKind::denied;
}

// SQLite's own word on a damaged file is about all of them, and so is one on the audit log that they share.
bool is_fault_of_one(const Error& error) {
  const bool of_the_store = !error.detail("sqlite").empty() || error.detail("fault") == "store";
  return !worth_waiting_for(error) && !(error.kind() == ErrorKind::corrupt && of_the_store);
}

void Engine::Impl::collect() {
  for (Finished& one : pool_.take()) {
    tell(&EngineObserver::finished, one.work.claim, one.error ? &*one.error : nullptr);
    note_lane(one);
    const std::string& provider = one.work.claim.record.order.provider;
    if (one.work.lane.starts_with("provider:") && options_.per_minute.contains(provider)) {
      unsettled_[provider] += static_cast<int>(one.calls) - 1;
    }
    kept_.push_back(std::move(one));
  }
  for (const std::string& what : pool_.overdue()) note(Gravity::warning, what);
}

void Engine::Impl::committed(const Step& step) {
  tell(&EngineObserver::committed, step.request, step.event, name_of(step.decision.next));
}

// The event is in the journal already: a commit that seemed to fail was on disk all the same.
bool Engine::Impl::is_written(const Step& step) {
  const std::string body = to_json(step.event.body).dump();
  const std::vector<JournalEntry> history = store_->history(step.request);
  return std::any_of(history.begin(), history.end(), [&](const JournalEntry& entry) {
    return entry.sequence > step.expected_sequence && entry.event.at == step.event.at &&
           entry.event.actor == step.event.actor && to_json(entry.event.body).dump() == body;
  });
}

// Commits everything kept in one transaction; what another process was quicker with is read and decided again. When
// the store throws, everything that is not on disk is still kept.
bool Engine::Impl::commit_kept() {
  bool any = false;
  for (int reread = 0; !kept_.empty() && reread < kMostRereads; ++reread) {
    std::vector<bool> done(kept_.size(), false);
    std::exception_ptr trouble;
    try {
      any = commit_once(done) || any;
    } catch (...) {
      trouble = std::current_exception();
    }
    std::vector<Finished> rest;
    for (std::size_t i = 0; i < kept_.size(); ++i) {
      if (!done[i]) {
        rest.push_back(std::move(kept_[i]));
        continue;
      }
      if (!kept_[i].aside.empty()) store_->forget_aside(kept_[i].aside);
      const Work& work = kept_[i].work;
      if (work.lane.empty()) continue;
      --taken_[work.lane];
      if (is_once_only(work.claim.effect.name)) --once_only_[work.lane];
    }
    kept_ = std::move(rest);
    if (trouble) {
      keep_aside();
      std::rethrow_exception(trouble);
    }
  }
  return any;
}

// All in one commit. When one of them cannot be written at all (a text that is not UTF-8, a row that is damaged), each
// goes alone: that one is tried again later and says why, and no other request and no daemon suffers from it.
std::vector<std::optional<StepResult>> Engine::Impl::commit_steps(const std::vector<Step>& steps,
                                                                  const std::vector<std::size_t>& kept_of,
                                                                  std::vector<bool>& done) {
  try {
    const std::vector<StepResult> results = store_->commit(steps);
    return {results.begin(), results.end()};
  } catch (...) {
    if (!is_fault_of_one(current_error())) throw;
  }
  std::vector<std::optional<StepResult>> results(steps.size());
  for (std::size_t s = 0; s < steps.size(); ++s) {
    try {
      results[s] = store_->commit({steps[s]}).at(0);
      if (results[s] == StepResult::committed) done[kept_of[s]] = true;
    } catch (...) {
      const Error error = current_error();
      if (!is_fault_of_one(error)) throw;
      give_up_storing(kept_[kept_of[s]], error);
      done[kept_of[s]] = true;
    }
  }
  return results;
}

// One request's answer that cannot be stored, with what it said where that may be known to nobody else. A file that
// keeps it stays, and is looked at again.
void Engine::Impl::give_up_storing(Finished& finished, const Error& error) {
  finished.aside.clear();
  const Claim& claim = finished.work.claim;
  const std::string words = precious_words(finished);
  note(Gravity::error, fmt::format("request {}: the result of {} cannot be stored: {}{}{}", claim.record.order.id.str(),
                                   claim.effect.identity(), error.message(), words.empty() ? "" : "; it was ", words));
  give_back_.push_back(judge().failed(claim, error.message(), std::nullopt, timing_of(claim.record.order)));
}

void Engine::Impl::keep_late(Finished& finished, const Judged& verdict) {
  try {
    store_->keep_late_answer(*verdict.late, verdict.key);
  } catch (...) {
    const Error error = current_error();
    if (!is_fault_of_one(error)) throw;
    give_up_storing(finished, error);
  }
}

// The request as it is now, for deciding again. False when there is nothing to decide any more.
bool Engine::Impl::read_again(Finished& finished, const Step& step) {
  Claim& claim = finished.work.claim;
  std::optional<Record> fresh = store_->find(step.request);
  if (!fresh || is_written(step)) return false;
  if (!is_about_the_same(claim.effect.name, claim.record, *fresh)) {
    if (!precious_words(finished).empty()) {
      const LateAnswer late{step.request, step.event, "it is about something that the request no longer holds"};
      store_->keep_late_answer(late, finished.outcome.key);
    }
    // Where the present one wants the same effect, it is still to be carried out.
    give_back_.push_back({claim.effect_id, {}, std::nullopt});
    return false;
  }
  claim.record = std::move(*fresh);
  return true;
}

// Marks in `done` what needs nothing more; the rest is to be judged again. True when anything was written.
bool Engine::Impl::commit_once(std::vector<bool>& done) {
  std::vector<Step> steps;
  std::vector<std::size_t> kept_of;  // the index in kept_ of each step
  std::vector<std::pair<std::size_t, Judged>> stepless;
  for (std::size_t i = 0; i < kept_.size(); ++i) {
    Finished& one = kept_[i];
    Judged verdict;
    try {
      verdict = judge().of(one, timing_of(one.work.claim.record.order));
      if (verdict.failed) tell(&EngineObserver::failed, one.work.claim, *one.error);
      if (verdict.not_taken) {
        tell(&EngineObserver::not_taken, one.work.claim.record.order.id, verdict.not_taken->first,
             verdict.not_taken->second);
      }
    } catch (...) {
      // What one answer makes impossible (its text, its size) is that request's trouble.
      give_up_storing(one, current_error());
      done[i] = true;
      continue;
    }
    if (verdict.step) {
      steps.push_back(std::move(*verdict.step));
      kept_of.push_back(i);
    } else {
      stepless.emplace_back(i, std::move(verdict));
    }
  }
  if (!steps.empty()) {
    failpoint("engine.before-outcome");
    const std::vector<std::optional<StepResult>> results = commit_steps(steps, kept_of, done);
    failpoint("engine.after-outcome");
    for (std::size_t s = 0; s < steps.size(); ++s) {
      if (results[s] != StepResult::committed) continue;
      done[kept_of[s]] = true;
      committed(steps[s]);
    }
    for (std::size_t s = 0; s < steps.size(); ++s) {
      if (done[kept_of[s]]) continue;
      try {
        done[kept_of[s]] = !read_again(kept_[kept_of[s]], steps[s]);
      } catch (...) {
        const Error error = current_error();
        if (!is_fault_of_one(error)) throw;
        give_up_storing(kept_[kept_of[s]], error);
        done[kept_of[s]] = true;
      }
    }
  }
  // A claim that failed is news too: who waits for a request wants to know.
  bool any = !steps.empty() || !stepless.empty();
  for (auto& [i, verdict] : stepless) {
    if (verdict.late) keep_late(kept_[i], verdict);
    if (verdict.back) give_back_.push_back(std::move(*verdict.back));
    done[i] = true;
  }
  return any;
}

void Engine::Impl::flush() {
  if (give_back_.empty()) return;
  ClaimQuery only_back;
  only_back.worker = options_.worker;
  only_back.give_back = give_back_;
  store_->claim(only_back, clock_.now());
  give_back_.clear();
}

}  // namespace hsmbridge::workflow
