#pragma once

#include "workflow/machine/order.h"

#include <optional>
#include <string>
#include <string_view>

namespace hsmbridge::workflow {

// Where a request stands at its provider, in one vocabulary for all of them. A provider's own word is kept beside it.
enum class RequestStatus {
  awaiting_approval,
  awaiting_issuance,  // approved but not executed (timelock, queue), or with the CA
  ready,              // to be fetched with retrieve()
  handed_out,         // this very answer brought the certificate or the signature: Report::handout is set
  done,               // carried out, and there is nothing to hand out: a revocation took effect
  rejected,
  expired,
  cancelled,
  failed,
  gone,          // the provider does not know the reference (any more)
  unrecognised,  // a status we have no row for: recorded and explained, never an illegal event
};
std::string_view to_string(RequestStatus standing);
std::optional<RequestStatus> request_status_from(std::string_view word);

// What a provider said about one request. A fact.
struct Report {
  RequestStatus status = RequestStatus::unrecognised;
  std::string provider_status;  // its own word: "PENDING"
  std::string message;          // code and reason as it gave them; "" for none
  std::string by;               // who rejected or cancelled, as far as said
  ProviderReference reference;  // empty: unchanged
  std::string provider_state;   // "": unchanged
  Progress progress;
  std::optional<Handout> handout;
  std::optional<Duration> retry_after;  // the provider asked for patience

  bool operator==(const Report&) const = default;
};

}  // namespace hsmbridge::workflow
