#pragma once

#include "base/bytes.h"
#include "x509/objects/csr.h"

#include <string>

namespace hsmbridge::cli {

// Everything that a CSR says.
std::string csr_text(const x509::Csr& csr);
std::string csr_pem(ByteView der);
// One line: the subject and the names.
std::string summary_of(const x509::Content& content);

}  // namespace hsmbridge::cli
