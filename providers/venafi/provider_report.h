#pragma once

#include "providers/venafi/state.h"
#include "providers/venafi/wire/wire.h"
#include "workflow/machine/report.h"

namespace hsmbridge::venafi {

// What the service says of a request, with its id as the reference and `state` brought up to date.
workflow::Report report_with(const CertificateRequest& request, State state);

// Throws corrupt when the service answered about another request than the one that it was asked about.
void must_be_about(const CertificateRequest& request, const ProviderReference& reference);

}  // namespace hsmbridge::venafi
