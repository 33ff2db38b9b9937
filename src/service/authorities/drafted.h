#pragma once

#include "workflow/ports/store.h"

#include <optional>
#include <string>

namespace hsmbridge::service {

// A certificate that may exist and is in no record: its bytes were handed to whoever keeps the CA's key, and nobody
// heard of a signature.
struct Drafted {
  std::string request;                       // which is over
  workflow::CertifiedElsewhere certificate;  // as its draft says
};
// The one of that number; nothing for a number that was not taken here. `issuer`, `serial`: as TakenSerial has them.
// Throws conflict while its request is open, and where its certificate is in the records; not_found where nothing can
// have been signed under it.
std::optional<Drafted> drafted_under(workflow::Store& store, const std::string& issuer, const std::string& serial);

}  // namespace hsmbridge::service
