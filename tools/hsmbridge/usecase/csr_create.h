#pragma once

#include "tools/hsmbridge/wiring/invocation.h"

namespace hsmbridge::cli {

// `csr create`: one CSR, or with --from one a row.
Command csr_create_command();

}  // namespace hsmbridge::cli
