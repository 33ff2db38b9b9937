#pragma once

#include "base/bytes.h"
#include "config/settings.h"
#include "service/actor.h"
#include "service/bridge.h"
#include "workflow/machine/decide.h"
#include "workflow/ports/key_ring.h"
#include "workflow/ports/store.h"

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

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

// The certificate is for a CSR that was brought: its key is in no token here. False when its request cannot be read.
bool is_of_brought_csr(workflow::Requests& store, const workflow::CertificateRecord& record);
// The certificate was asked for as a CA's. False when its request cannot be read.
bool is_of_authority(workflow::Requests& store, const workflow::CertificateRecord& record);
// Why it is not renewed without a new CSR, and what to type once there is one.
Error needs_new_csr(const workflow::CertificateRecord& record);
// What its renewal is for: the CSR in a file, examined like the first one and compared with what was asked then. Throws
// refused with every objection; invalid_input when the certificate's own key is in a token here.
workflow::KeyWish key_of_new_csr(Bridge& bridge, workflow::Store& store, const workflow::CertificateRecord& record,
                                 const std::string& file);

struct RenewalWish {
  workflow::KeyWish key;
  std::string created_by;
  std::optional<workflow::ApprovalTerms> approval = {};  // of the profile as it is now
  bool wants_command = false;                            // also where the request before did not wait for one
  std::vector<std::string> asked_by = {};                // workflow::Order::asked_by
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

// What a renewal needs beside the store.
struct RenewalNeeds {
  const config::Settings& settings;
  // So many random octets.
  std::function<Bytes(std::size_t)> random;
  // The rest is for a person, who learns now what would hold the request up. Empty for the daemon, which no file,
  // provider or token may hold up: the request waits for what cannot be used, and the one after a label that is taken
  // takes another.
  // Throws when the renewal could not be carried out: its trust anchors cannot be read, say.
  std::function<void(const workflow::Order& old)> expect_usable = {};
  // The keys of a token, for labels that the records do not know.
  std::function<std::unique_ptr<workflow::KeyRing>(const std::string& token)> key_ring = {};
  // The labels of the tokens that were asked: once each, however many certificates are renewed.
  std::map<std::string, std::set<std::string>> labels = {};
};
// What somebody wants of the key; nothing of it: what the profile says.
struct RenewalKey {
  bool same = false;
  std::optional<std::string> new_label = {};
  std::optional<workflow::KeyWish> brought = {};  // key_of_new_csr
};
struct Renewal {
  workflow::Order order;
  std::optional<std::string> key;  // the label of its new key; nothing when it is the one that the certificate has
};
// Renews a certificate: everything that can be refused is refused before anything is written. Throws what
// create_renewal throws, refused for the same key where the profile wants a new one each time and for a certificate of
// a CSR that was brought while no new one is, and for a new key of a CA, and what the needs throw.
Renewal renew(const Actor& actor, workflow::Store& store, const workflow::CertificateRecord& record,
              RenewalNeeds& needs, const RenewalKey& wanted, Instant now);
// The certificates in use of which no renewal is open or done; with Which::due those whose renewal is due. Who asks
// does not wait for the pause after a failure. By their SHA-256: there may be more of them than fit into memory.
enum class Which { due, all };
struct ToRenew {
  std::vector<std::string> certificates;
  // With Which::due those that only a person can renew now, and why.
  std::vector<std::pair<std::string, std::string>> by_hand;
};
ToRenew to_renew(workflow::Store& store, const config::Settings& settings, Which which, Instant now);
// One of these when its turn comes. Throws conflict with a detail "status" when it is not in use any more: what was
// revoked meanwhile is not ordered again.
workflow::CertificateRecord still_to_renew(workflow::Store& store, const std::string& fingerprint);

// Why a certificate is revoked.
struct RevocationWish {
  std::string reason;                 // of workflow::revocation_reasons()
  std::optional<Instant> since = {};  // of workflow::Revoke
};
// Journals the order to revoke. Throws conflict for a certificate that is revoked or whose revocation is open (with the
// detail "request").
workflow::Order create_revocation(const Actor& actor, workflow::Store& store, const workflow::CertificateRecord& record,
                                  const RevocationWish& wish, const workflow::Timing& timing, Instant now,
                                  ByteView randomness);

// The request that revokes it and is not over yet.
std::optional<workflow::Record> open_revocation(workflow::Requests& store, const std::string& fingerprint);
// Whether a certificate that is revoked, or that an open request revokes, would be revoked for a compromise now, and its
// key is not recorded as compromised.
bool leaves_key_trusted(workflow::Store& store, const workflow::CertificateRecord& record,
                        const workflow::RevocationReason& reason);

// Throws conflict for a certificate that is revoked.
void refuse_revoked(const workflow::CertificateRecord& record);
// What speaks against a revocation before anything is written. Throws conflict for a certificate that is revoked,
// refused where its provider does not support revocation, certificateHold, or a date, and invalid_input for a date that
// belongs to another reason or lies outside the time from the certificate's beginning to now.
void refuse_revocation(Bridge& bridge, const workflow::CertificateRecord& record, const std::string& provider,
                       const RevocationWish& wish);

}  // namespace hsmbridge::service
