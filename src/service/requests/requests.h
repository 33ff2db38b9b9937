#pragma once

#include "config/settings.h"
#include "service/list_pages.h"
#include "workflow/machine/decide.h"
#include "workflow/machine/explain.h"
#include "workflow/ports/store.h"

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

// What people do with requests: find them and look at them. Cancelling and resolving: resolve.h.
namespace hsmbridge::service {

// The one request that a typed id or beginning of an id names (see request_prefix). Throws not_found, or ambiguous with
// one "candidate" a request, newest first.
RequestId find_request(workflow::Requests& store, std::string_view typed);

// One request with everything there is to say about it.
struct RequestView {
  workflow::Record record;
  std::vector<workflow::JournalEntry> history;
  std::vector<workflow::Effect> effects;
  workflow::Explanation explanation;
  std::optional<workflow::CertificateRecord> certificate;
  std::vector<workflow::LateAnswer> late;  // what came and was not taken any more
};
// Throws not_found.
RequestView view_request(workflow::Store& store, const RequestId& id, Instant now);

// One line of a list.
struct RequestRow {
  RequestId id;
  workflow::Kind kind = workflow::Kind::enroll;
  std::string state;
  std::string what;         // the names asked for, or the subject
  std::string key;          // "web/web-2026"; of a CSR that was brought "csr:1a2b3c4d5e6f"
  std::string predecessor;  // the certificate that it renews or revokes, the beginning of its SHA-256; "" for none
  std::string provider;
  std::string waits_for;
  std::string trouble;  // why the last try did not succeed; "" for none. Filled by trouble_of
  Instant created_at{};
  Instant changed_at{};
};
RequestRow row_of(const workflow::RequestLine& line);
RequestRow row_of(const workflow::Record& record);
// Why what the request wants to do did not succeed the last time; "" for nothing.
std::string trouble_of(workflow::Outbox& store, const RequestId& id);

// Which requests to list; every condition that is set must hold.
struct RequestFilter {
  bool open_only = false;
  std::vector<std::string> states;  // names of states, one of these; empty: any
  std::optional<std::string> provider, profile;
  std::optional<std::string> name;   // one of its names, as a person types it
  std::optional<Instant> since;      // created then or later
  std::optional<std::string> after;  // a typed id: those that come after it in the list
  std::optional<std::size_t> limit;  // at most so many; nothing: all
};
// Shows them a page at a time, newest first, each that is not final with its trouble: memory does not grow with the
// list. Throws invalid_input for a state that there is not, naming those that there are; what find_request throws.
ListEnd list_requests(workflow::Store& store, const RequestFilter& filter,
                      const std::function<void(const std::vector<RequestRow>&)>& show);

// Everything that happened to a request.
struct RequestHistory {
  RequestId id;
  std::vector<workflow::JournalEntry> events;
  std::vector<workflow::LateAnswer> late;
};
RequestHistory history_of(workflow::Store& store, const RequestId& id);

// The certificate's fingerprint, wherever the state holds one; "" for none.
std::string fingerprint_of(const workflow::State& state);

// One line on what an event says beyond its name: "2 of 3 in group ops: alice approved", an error, a reference; "" when
// there is nothing to add.
std::string detail_of(const workflow::EventBody& body);

// The times of a provider as configured; the defaults where it is not configured any more.
workflow::Timing timing_of(const config::ProviderSettings& provider);
workflow::Timing timing_for(const config::Settings& settings, const std::string& provider);

// The states and what leads from one to another, as a drawing: `format` is mermaid or graphviz. Throws invalid_input.
std::string state_diagram(const std::string& format);

// Appends what a person did to a request: reads, decides, commits, and again when another event came first.
// Throws conflict with the machine's own words when the event is not for the state the request is in.
workflow::Record append_event(workflow::Requests& store, const RequestId& id, const workflow::EventBody& event,
                              const std::string& actor, Instant now, const workflow::Timing& timing);

}  // namespace hsmbridge::service
