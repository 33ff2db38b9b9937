#pragma once

#include "tools/hsmbridge/commands.h"
#include "workflow/store.h"

#include <optional>
#include <string>

namespace hsmbridge::cli {

// The stored certificate whose SHA-256 begins with `name` (at least 8 hex digits); nothing when `name` is no such text,
// or no store is configured. Throws not_found, ambiguous.
std::optional<workflow::CertificateRecord> stored_certificate(Invocation& invocation, const std::string& name);

}  // namespace hsmbridge::cli
