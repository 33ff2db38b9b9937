#pragma once

#include "tools/hsmbridge/wiring/invocation.h"
#include "workflow/ports/store.h"

#include <optional>
#include <string>

namespace hsmbridge::cli {

// The stored certificate that service::find_certificate finds under this name; nothing when it can be no such name, or
// no store is configured. Throws not_found, ambiguous.
std::optional<workflow::CertificateRecord> stored_certificate(Invocation& invocation, const std::string& name);

}  // namespace hsmbridge::cli
