#include "service/requests/requests.h"

#include "base/error.h"
#include "service/requests/request_id.h"
#include "workflow/machine/codec.h"
#include "workflow/machine/rules.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>
#include <variant>

namespace hsmbridge::service {

namespace {

constexpr unsigned kMostRequests = 10;

Error no_such_request(const std::string& what) {
  return Error{ErrorKind::not_found, fmt::format("there is no request {}", what)}.hint(
      "`hsmbridge request list` shows the newest ones, and more with --limit and --after");
}

}  // namespace

RequestId find_request(workflow::Requests& store, std::string_view typed) {
  const auto prefix = request_prefix(typed);
  const auto found = store.by_prefix(prefix, kMostRequests + 1);
  if (found.empty()) throw no_such_request(prefix);
  if (found.size() == 1) return found.front();
  Error error{ErrorKind::ambiguous,
              fmt::format("{}{} requests begin with {}", found.size() > kMostRequests ? "more than " : "",
                          std::min<std::size_t>(found.size(), kMostRequests), prefix)};
  for (std::size_t i = 0; i < found.size() && i < kMostRequests; ++i) {
    const auto record = store.find(found[i]);
    if (!record) continue;
    const auto row = row_of(*record);
    error.with("candidate", fmt::format("{} {} {}", row.id.str(), row.state, row.what));
  }
  throw error.hint("type more characters of the id");
}

RequestView view_request(workflow::Store& store, const RequestId& id, Instant now) {
  auto record = store.find(id);
  if (!record) throw no_such_request(id.str());
  RequestView view;
  view.record = std::move(*record);
  view.history = store.history(id);
  const auto statuses = store.effect_status(id);
  for (const auto& status : statuses) view.effects.push_back(status.effect);
  view.explanation = workflow::explain(view.record, view.history, view.effects, now);
  // What is tried again and again for the same reason must not look like patience.
  for (const auto& status : statuses) {
    if (status.trouble.starts_with(workflow::kHeldBack)) {
      view.explanation.next = fmt::format("Nothing: '{}' is {}.", status.effect.identity(), status.trouble);
    } else if (!status.trouble.empty()) {
      view.explanation.what_happened +=
          fmt::format(" The last '{}' did not succeed{}: {}.", status.effect.identity(),
                      status.failures == 0 ? "" : fmt::format(" ({} in a row)", status.failures), status.trouble);
    }
    if (status.crashes > 0) {
      view.explanation.what_happened += fmt::format(
          " {} of '{}' ended without an outcome: the worker was stopped or died meanwhile.",
          status.crashes == 1 ? "One run" : fmt::format("{} runs", status.crashes), status.effect.identity());
    }
  }
  view.late = store.late_answers(id);
  for (const auto& answer : view.late) {
    const auto detail = detail_of(answer.event.body);
    view.explanation.what_happened += fmt::format(
        " At {} an answer came that was not taken ({}): {}{}{}. It is kept: `hsmbridge request history {}`.",
        rfc3339(std::chrono::floor<std::chrono::seconds>(answer.event.at)), answer.why,
        workflow::to_string(workflow::name_of(answer.event.body)), detail.empty() ? "" : ", ", detail, id.str());
  }
  const auto fingerprint = fingerprint_of(view.record.state);
  if (!fingerprint.empty()) view.certificate = store.certificate(fingerprint);
  return view;
}

RequestRow row_of(const workflow::RequestLine& line) {
  RequestRow row;
  row.id = line.id;
  row.kind = line.kind;
  row.state = std::string(workflow::to_string(line.state));
  row.what = line.names;
  // Of a CSR that was brought the key is in no token.
  row.key = line.token.empty() ? (line.key.empty() ? "-" : line.key) : line.token + "/" + line.key;
  row.predecessor = line.predecessor.substr(0, 12);
  row.provider = line.provider;
  row.waits_for = std::string(workflow::waits_for(line.state));
  row.created_at = line.created_at;
  row.changed_at = line.changed_at;
  return row;
}

RequestRow row_of(const workflow::Record& record) {
  return row_of(workflow::line_of(record));
}

std::string trouble_of(workflow::Outbox& store, const RequestId& id) {
  for (const auto& status : store.effect_status(id)) {
    if (!status.trouble.empty()) return status.trouble;
  }
  return {};
}

namespace {

workflow::StateName state_named(const std::string& typed) {
  if (const auto state = workflow::state_name_from(typed)) return *state;
  std::string names;
  for (std::size_t i = 0; i < workflow::kStateCount; ++i) {
    names += fmt::format("{}{}", i == 0 ? "" : ", ", workflow::to_string(static_cast<workflow::StateName>(i)));
  }
  throw Error{ErrorKind::invalid_input, fmt::format("there is no state '{}'", typed)}.hint("the states: " + names);
}

}  // namespace

ListEnd list_requests(workflow::Store& store, const RequestFilter& filter,
                      const std::function<void(const std::vector<RequestRow>&)>& show) {
  workflow::RequestQuery query;
  for (const std::string& typed : filter.states) query.states.push_back(state_named(typed));
  query.open_only = filter.open_only;
  query.provider = filter.provider;
  query.profile = filter.profile;
  if (filter.name) query.name = workflow::search_name(*filter.name);
  query.since = filter.since;
  if (filter.after) query.after = find_request(store, *filter.after);
  const auto id_of = [](const workflow::RequestLine& line) { return line.id.str(); };
  return show_pages(store, query, filter.limit, id_of, [&](const std::vector<workflow::RequestLine>& lines) {
    std::vector<RequestRow> rows;
    for (const workflow::RequestLine& line : lines) {
      rows.push_back(row_of(line));
      if (!workflow::is_final(line.state)) rows.back().trouble = trouble_of(store, line.id);
    }
    show(rows);
  });
}

RequestHistory history_of(workflow::Store& store, const RequestId& id) {
  return {id, store.history(id), store.late_answers(id)};
}

std::string state_diagram(const std::string& format) {
  if (format == "mermaid") return workflow::mermaid();
  if (format == "graphviz") return workflow::graphviz();
  throw Error{ErrorKind::invalid_input, fmt::format("--format is mermaid or graphviz, not '{}'", format)};
}

std::string fingerprint_of(const workflow::State& state) {
  if (const auto* completed = std::get_if<workflow::Completed>(&state)) return completed->certificate;
  if (const auto* installing = std::get_if<workflow::Installing>(&state)) return installing->certificate;
  if (const auto* quarantined = std::get_if<workflow::Quarantined>(&state)) return quarantined->certificate;
  return "";
}

workflow::Timing timing_of(const config::ProviderSettings& provider) {
  workflow::Timing timing;
  if (provider.settle) timing.settle = *provider.settle;
  timing.search_lag = provider.search_lag;
  if (provider.poll_first) timing.poll_first = *provider.poll_first;
  if (provider.poll_longest) {
    timing.poll_longest = *provider.poll_longest;
    timing.withdraw_poll = std::min(timing.withdraw_poll, timing.poll_longest);
  }
  if (provider.most_attempts) timing.most_attempts = *provider.most_attempts;
  if (timing.poll_longest < timing.poll_first) timing.poll_longest = timing.poll_first;
  return timing;
}

workflow::Timing timing_for(const config::Settings& settings, const std::string& provider) {
  for (const auto& candidate : settings.providers) {
    if (candidate.name == provider) return timing_of(candidate);
  }
  return {};
}

workflow::Record append_event(workflow::Requests& store, const RequestId& id, const workflow::EventBody& body,
                              const std::string& actor, Instant now, const workflow::Timing& timing) {
  constexpr int kMostTries = 20;
  for (int tries = 0; tries < kMostTries; ++tries) {
    const auto record = store.find(id);
    if (!record) throw no_such_request(id.str());
    const workflow::Event event{now, actor, body};
    auto verdict = workflow::decide(record->order, record->state, event, timing);
    if (const auto* refusal = std::get_if<workflow::Refusal>(&verdict)) {
      throw Error{ErrorKind::conflict, fmt::format("request {} is {}: {}", id.str(),
                                                   workflow::to_string(workflow::name_of(record->state)), refusal->why)}
          .hint(fmt::format("`hsmbridge request explain {}` says what can be done", id.str()));
    }
    workflow::Step step;
    step.request = id;
    step.expected_sequence = record->sequence;
    step.event = event;
    step.decision = std::get<workflow::Decision>(std::move(verdict));
    if (store.commit({step}).at(0) == workflow::StepResult::committed) {
      const auto after = store.find(id);
      if (!after) throw Error{ErrorKind::corrupt, fmt::format("request {} vanished from the store", id.str())};
      return *after;
    }
  }
  throw Error{ErrorKind::unavailable, fmt::format("request {} changes too fast to append to it", id.str())}.hint(
      "try again");
}

}  // namespace hsmbridge::service
