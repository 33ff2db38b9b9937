#pragma once

#include "base/bytes.h"
#include "config/settings.h"
#include "workflow/machine/decide.h"
#include "workflow/ports/store.h"

#include <functional>
#include <optional>
#include <string>

// Orders about a certificate that is there: its renewal, its revocation.
namespace hsmbridge::service {

// The label of the key that comes after: LABEL-YYYYMMDD of today, in the place of an earlier such date; with -2, -3 …
// behind it while `taken` says so.
std::string successor_label(const std::string& label, Instant now,
                            const std::function<bool(const std::string&)>& taken);

// The key of a certificate as the records know it; its label at least, where only the order is left to tell.
workflow::KeyRecord key_of(workflow::Records& store, const workflow::CertificateRecord& record,
                           const workflow::Order& brought_by);

// The request that brought a certificate. Throws not_found.
workflow::Record request_of(workflow::Requests& store, const workflow::CertificateRecord& record);

// A new key of the old one's kind. `random`: 16 octets, its CKA_ID.
workflow::KeyWish new_key(const workflow::CertificateRecord& record, const std::string& label, ByteView random);
// The key that the last renewal of this certificate made, when that renewal brought nothing and the key has no
// certificate: the next one uses it. Nothing when there is none.
std::optional<workflow::KeyRecord> unused_key(workflow::Store& store, const workflow::CertificateRecord& record);
// The key that is there. Throws refused for one that is retired, destroyed or compromised, or that no request needed to
// know.
workflow::KeyWish same_key(const workflow::KeyRecord& key);

// Throws invalid_input for a profile that wants what nobody could give a request (see `enroll`), or whose certificates
// nobody could trust.
void refuse_profile(const config::ProfileSettings& profile);

struct RenewalWish {
  workflow::KeyWish key;
  std::string created_by;
};
// Journals the order to renew: it asks for what the request that brought the certificate asked, at the same provider,
// for the same targets; its profile may have changed since. `randomness`: at least 7 octets.
// Throws refused for a quarantined certificate, conflict for one that was renewed or whose renewal is open (with the
// detail "request").
workflow::Order create_renewal(workflow::Store& store, const workflow::CertificateRecord& record,
                               const RenewalWish& wish, const workflow::Timing& timing, Instant now,
                               ByteView randomness);
// What create_renewal refuses, for a clear word before a key is planned.
void refuse_renewal(workflow::Store& store, const workflow::CertificateRecord& record);

// Journals the order to revoke, for a reason of workflow::revocation_reasons(). Throws conflict for a certificate that
// is revoked or whose revocation is open (with the detail "request").
workflow::Order create_revocation(workflow::Store& store, const workflow::CertificateRecord& record,
                                  const std::string& reason, const std::string& created_by,
                                  const workflow::Timing& timing, Instant now, ByteView randomness);

}  // namespace hsmbridge::service
