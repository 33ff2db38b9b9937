#pragma once

#include "service/certificates/mass_revocation.h"

#include <string>

namespace hsmbridge::cli {

// What a rehearsal found, for a person.
std::string plan_text(const service::MassRevocation& planned);

}  // namespace hsmbridge::cli
