#pragma once

#include "base/json.h"
#include "service/content/csr.h"
#include "service/keys/csr_batch.h"

#include <string>

// Certificate requests as a program reads them.
namespace hsmbridge::views {

// hsmbridge.csr/1
Json csr(const x509::Csr& csr);
// hsmbridge.csr-check/1
Json csr_check(const std::string& file, const service::CsrCheck& check);
// hsmbridge.csr-create/1
Json csr(const std::string& token, const service::NewCsr& wanted, const service::MadeCsr& made);
// hsmbridge.csr-row/1
Json csr_row(const std::string& token, const service::CsrRow& row);

}  // namespace hsmbridge::views
