#pragma once

#include "workflow/machine/order.h"
#include "workflow/machine/words.h"

#include <optional>
#include <string>
#include <string_view>

namespace hsmbridge::workflow {

// Where a request stands at its provider, in one vocabulary for all of them. A provider's own word is kept beside it.
enum class RequestStatus {
  awaiting_approval,
  awaiting_issuance,  // approved but not executed (timelock, queue), or with the CA
  ready,              // to be fetched with retrieve()
  handed_out,         // the provider gave the certificate or the signature: with this answer, or before
  done,               // carried out, and there is nothing to hand out: a revocation took effect
  rejected,
  expired,
  cancelled,
  failed,
  gone,          // the provider does not know the reference (any more)
  unrecognised,  // a status we have no row for: recorded and explained, never an illegal event
};
template <>
inline constexpr std::array kWords<RequestStatus>{std::string_view("awaiting_approval"),
                                                  std::string_view("awaiting_issuance"),
                                                  std::string_view("ready"),
                                                  std::string_view("handed_out"),
                                                  std::string_view("done"),
                                                  std::string_view("rejected"),
                                                  std::string_view("expired"),
                                                  std::string_view("cancelled"),
                                                  std::string_view("failed"),
                                                  std::string_view("gone"),
                                                  std::string_view("unrecognised")};
constexpr std::string_view to_string(RequestStatus status) {
  return word_of(status);
}

// Nothing is decided there, or nothing that this version understands.
constexpr bool is_waiting(RequestStatus status) {
  return status == RequestStatus::awaiting_approval || status == RequestStatus::awaiting_issuance ||
         status == RequestStatus::unrecognised;
}

struct Report;

// What a provider said about one request. A fact.
struct StatusReport {
  StatusReport() = default;
  // Of a Report only by name: the result that it may hold must not be left behind unseen.
  StatusReport(const Report&) = delete;
  StatusReport& operator=(const Report&) = delete;

  RequestStatus status = RequestStatus::unrecognised;
  std::string provider_status;  // its own word: "PENDING"
  std::string message;          // code and reason as it gave them; "" for none
  std::string by;               // who rejected or cancelled, as far as said
  ProviderReference reference;  // empty: unchanged
  std::string provider_state;   // "": unchanged
  Progress progress;
  std::optional<Duration> retry_after;  // the provider asked for patience

  bool operator==(const StatusReport&) const = default;
};

// What a call to a provider brought: what it said, and the result where this very answer held one.
struct Report : StatusReport {
  std::optional<IssuedResult> result;

  bool operator==(const Report&) const = default;
};

}  // namespace hsmbridge::workflow
