#pragma once

#include "base/clock.h"
#include "providers/venafi/wire/wire.h"
#include "workflow/machine/order.h"
#include "workflow/machine/report.h"

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

// What is remembered of a request, and what the service says of it, or of a revocation, in the workflow's words.
namespace hsmbridge::venafi {

// What this provider remembers of a submission (workflow::Submission::provider_state), as JSON. A renewal finds the
// certificate that it replaces here. And what it fixes with a draft (workflow::Draft::provider_state).
struct State {
  std::string request;                    // certificate request id
  std::vector<std::string> certificates;  // their ids, leaf first; empty before it is issued
  std::string application;                // ids, as the zone was resolved when it was drafted, or submitted
  std::string issuing_template;
  std::optional<Instant> missing_since;  // issued, but not in the inventory since then
  // Client::account of who drafted it: only under that account does a search that finds nothing prove anything.
  std::string account = {};
  // Of a draft: what will be sent with the CSR, so that approvals are for that too. zone: its text as configured; "" in
  // drafts of earlier versions, which fix none of this.
  std::string zone = {};
  std::string validity = {};  // as it is sent, "P30D"; "" leaves it to the template
  std::vector<std::string> tags = {};

  bool operator==(const State&) const = default;
};
std::string to_text(const State& state);
// Throws corrupt.
State state_from(std::string_view text);

// The certificate that a renewal or a revocation is about. Throws internal when the order holds none.
const workflow::Predecessor& predecessor_of(const workflow::Order& order);
// What this provider stored of it. Empty where that is another provider's, since a certificate may move between them.
State state_of(const workflow::Predecessor& predecessor);

// ---- requests -------------------------------------------------------------------------------------------------------

// The twelve words of the service; unrecognised for another.
workflow::RequestStatus standing_of(std::string_view status);
// What a final or unusual status means, "" for one that speaks for itself.
std::string_view meaning_of(std::string_view status);
bool is_approval_status(std::string_view status);  // somebody decides, or has refused

// Who must approve, who has, and until when. `people`: names by id.
workflow::Progress progress_of(const ApprovalRequest& approval, const std::map<std::string, std::string>& people);
// "anna: not our domain": who refused, and why. "" when nobody did.
struct Refused {
  std::string by;
  std::string why;
  bool expired = false;  // nobody did: the time for approving was over
};
Refused refused_by(const ApprovalRequest& approval, const std::map<std::string, std::string>& people);

// A report without reference and provider_state.
workflow::Report report_of(const CertificateRequest& request);

// What the service says of a request, with its id as the reference and `state` brought up to date.
workflow::Report report_with(const CertificateRequest& request, State state);

// Throws corrupt when the service answered about another request than the one that it was asked about.
void must_be_about(const CertificateRequest& request, const ProviderReference& reference);

// ---- revocation -----------------------------------------------------------------------------------------------------

// The service's word for a reason of RFC 5280 §5.3.1 ("keyCompromise"; "" is unspecified). Nothing where it has none.
std::optional<std::string_view> reason_word(std::string_view rfc5280);
// "unspecified, keyCompromise, …": the reasons that have one.
std::string known_reasons();

// Upper-case hex SHA-1 of a certificate's DER: by this, and nothing else, the service revokes.
std::string fingerprint_of(ByteView certificate);

// Where a revocation stands by what GraphQL says. SUBMITTED means that it was handed to the certificate authority, not
// that it took effect: awaiting_issuance, and asked again. Without a status: awaiting_issuance too.
workflow::Report report_of(const RevocationAnswer& answer);

}  // namespace hsmbridge::venafi
