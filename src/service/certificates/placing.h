#pragma once

#include "base/error.h"
#include "service/actor.h"
#include "service/bridge.h"
#include "service/effects/install.h"
#include "workflow/ports/store.h"

#include <optional>
#include <string>
#include <vector>

// Putting a stored certificate in its places by hand, at any time, and writing it out.
namespace hsmbridge::service {

enum class Force { no, yes };
struct Placed {
  workflow::InstallTarget target;
  std::optional<Error> trouble;  // nothing: it is there
};
// `typed`: the places that were named (see install_target); empty: those of the request that brought the certificate.
// One that fails stops no other. Each is on record before it is begun. A late certificate becomes current when it is in
// all places of its request: one place that was typed may be for a look only, and the other certificate serves on.
// Throws refused, without Force::yes, for a certificate that is over or whose predecessor was renewed otherwise, and
// from a store that is an older copy; refused in any case for one that is quarantined, revoked or on hold.
std::vector<Placed> place_certificate(const Actor& actor, Bridge& bridge, workflow::Store& store,
                                      const workflow::CertificateRecord& record, const std::vector<std::string>& typed,
                                      Force force);

enum class CertificateForm { pem, der, pkcs7 };
// Throws not_found where nothing of it is selected, invalid_input for several certificates in DER.
Bytes exported(const workflow::CertificateRecord& record, CertificateForm form, Selection selection);

}  // namespace hsmbridge::service
