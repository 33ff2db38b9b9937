#pragma once

#include "base/bytes.h"
#include "config/settings.h"
#include "workflow/machine/decide.h"
#include "workflow/ports/store.h"
#include "x509/content/requested_content.h"

#include <optional>
#include <string>
#include <vector>

namespace hsmbridge::service {

// A certificate that somebody wants, every name resolved.
struct NewRequest {
  std::string provider, profile, token;  // names in the configuration
  workflow::KeyWish key;  // make: with its CKA_ID; use: a selector that names one key; or brought, without a token
  x509::RequestedContent ask;
  Bytes cross_signs = {};  // workflow::Enroll::cross_signs
  std::vector<workflow::InstallTarget> targets;
  std::optional<Duration> deadline;  // from now to the end of waiting
  std::optional<Duration> max_age;   // from draft to signature
  std::optional<workflow::ApprovalTerms> approval;
  bool wants_command = false;              // an operator's, before it is submitted
  std::string created_by;                  // "uid:alice"
  std::vector<std::string> asked_by = {};  // workflow::Order::asked_by
};

// The part of the order that says what is wanted; when and until when comes later.
workflow::Order order_of(const NewRequest& request);

// Refuses a request that is there already: an open one that makes the same key in the same token, or asks the same
// certificate for the same key at the same provider. Typing a command twice must never order twice.
// Throws conflict with the detail "request", and with the detail "same-order" when that request asks for exactly this.
// Cheap, and asked early for the sake of a clear message; that two processes never order the same work at once is the
// store's promise (Store::create).
void refuse_duplicate(workflow::Requests& store, const NewRequest& request);

// Likewise one CSR that somebody brought is in no two open requests at a provider, an enrolment and a renewal; keys of
// tokens are not looked at. Throws conflict.
void refuse_open_csr(workflow::Requests& store, const std::string& provider, const workflow::KeyWish& key);

// The request that brought a certificate for this key (empty: a key that nobody knows) by the same words, where that
// certificate is in use now, or of a CSR that was brought was renewed with another one: a command that is typed again
// orders nothing.
std::optional<RequestId> done_before(workflow::Store& store, const NewRequest& request, const SpkiHash& spki,
                                     Instant now);
// The certificate that this CSR, which somebody brought, had from the same provider before, by whatever words and whatever
// became of it since; one that never came into use is none.
std::optional<workflow::CertificateRecord> made_of_csr(workflow::Store& store, const NewRequest& request);
// The key of the label that this request is to make one under, where a request that ended without a certificate made
// it: made for nothing else, it can be used.
std::optional<workflow::KeyRecord> left_over_key(workflow::Store& store, const NewRequest& request);
// Throws invalid_input for a profile whose certificates nobody could trust.
void refuse_profile(const config::ProfileSettings& profile);
// Whether a request of that profile at that provider waits for an operator's command (`request command`) before it is
// submitted: the profile says so, or the CA of this bridge does.
bool wants_command(const config::Settings& settings, const config::ProfileSettings& profile,
                   const std::string& provider);
// Throws refused for a key that the records call compromised or destroyed.
void refuse_spent_key(workflow::Records& store, const std::string& token, const SpkiHash& spki);

// Journals the order and, for a new key, its plan: from here on it is carried out, by this process or another one.
void journal_order(workflow::Requests& store, const workflow::Order& order, const workflow::Timing& timing);
// Makes the order of a request and journals it.
// `randomness`: at least 7 octets. Throws conflict (see refuse_duplicate), invalid_input for content that contradicts
// itself or two install targets of one name.
workflow::Order create_request(workflow::Store& store, const NewRequest& request, const workflow::Timing& timing,
                               Instant now, ByteView randomness);

}  // namespace hsmbridge::service
