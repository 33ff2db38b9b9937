#pragma once

#include "providers/venafi/state.h"
#include "providers/venafi/wire/wire.h"
#include "workflow/machine/report.h"

#include <map>
#include <optional>
#include <string>
#include <string_view>

// What the service says of a request, in the workflow's words.
namespace hsmbridge::venafi {

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

}  // namespace hsmbridge::venafi
