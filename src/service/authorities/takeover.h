#pragma once

#include "ca/crl.h"
#include "ca/inventory.h"
#include "service/actor.h"
#include "service/authorities/authorities.h"
#include "service/bridge.h"
#include "service/logbook.h"

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

// Taking over what a CA did elsewhere: under another program (`ca adopt`), or in a store that was lost (`ca resume`).
//
//   plan_takeover   reads the files, holds them against each other, the CA's certificate and the store, and lets the
//                   key prove that it is the certificate's; nothing is written but the leaf of that
//   take_over       the last CRL in its place, everything of it in the store in one transaction, and the first CRL
//                   here, which revokes all that the last one did (where the key is at a provider: with `ca crl`)
namespace hsmbridge::service {

// What TakeoverSources::next_crl_number may be at most.
inline constexpr std::int64_t kHighestNextCrlNumber = ca::kHighestCrlNumber;

// The files of the CA, as they were typed.
struct TakeoverSources {
  std::optional<std::filesystem::path> index;       // index.txt of `openssl ca`
  std::vector<std::filesystem::path> certificates;  // PEM or DER files, and folders of them
  // A copy of the `serial_log` of the CA, of a lost store; the one that the configuration names is read beside it.
  std::optional<std::filesystem::path> serial_log;
  // The last one, PEM or DER; of a CA with shards each of them, also folders.
  std::vector<std::filesystem::path> crls;
  // Instead of a CRL: the number that the next one gets, where none was ever published (1) or the last one is lost.
  std::optional<std::uint64_t> next_crl_number = std::nullopt;
};

struct PlannedTakeover {
  Authority authority;
  ca::Inventory inventory;
  workflow::Takeover takeover;
  // Ours: one that this store has published. The one before the last is of a store that went back in time with its place.
  enum class Place { empty, holds_it, holds_it_as_pem, holds_ours, holds_ours_before, holds_later_one };
  // Where a CRL goes, and what is there.
  struct Crl {
    workflow::CrlPlace to;
    Bytes der;  // the last one; empty where there is none
    Place place = Place::empty;
    std::string there_sha256 = {};  // of the octets that are there; "" for nothing
  };
  std::vector<Crl> crls;     // the complete one, and each shard
  std::size_t left_out = 0;  // files of the folders in which no certificate is
};
// Throws conflict with everything that speaks against it, invalid_input, refused, and what reading the files throws.
PlannedTakeover plan_takeover(Bridge& bridge, workflow::Store& store, Logbook& log, const std::string& name,
                              const TakeoverSources& sources, workflow::Takeover::From from);

struct DoneTakeover {
  workflow::TakenOver taken;               // what was new; nothing where it was taken over before
  std::optional<PublishedCrls> published;  // the first CRLs here; nothing where they are out already, or requests
};
DoneTakeover take_over(Bridge& bridge, workflow::Store& store, Logbook& log, const Actor& actor,
                       const PlannedTakeover& planned);

// A certificate of a CA that is in no record here, by its serial number in any spelling: one that it issued elsewhere, the
// own one of a root, or one that may have been signed and never came back (drafted.h). Throws invalid_input, not_found,
// conflict; refused for a root of which a store that was restored knows nothing.
struct ForeignCertificate {
  Authority authority;
  std::string issuer;  // as TakenSerial has it
  workflow::CertifiedElsewhere certificate;
  bool ended_before_crls = false;  // every CRL that is out is later than its end: no CRL has it any more
  std::string request;             // that it was drafted for; "" for one that was issued elsewhere
};
ForeignCertificate certified_elsewhere(Bridge& bridge, workflow::Store& store, const std::string& name,
                                       const std::string& serial);
// It is on the CA's next CRL, unless it ended before the last; or it was revoked before for another reason, which stays, and its key is recorded as
// compromised now. Throws conflict where it is revoked and nothing is new, invalid_input for a word that is no reason or
// a hold.
enum class RevokedElsewhere { now, before };
RevokedElsewhere revoke_elsewhere(const Actor& actor, workflow::Store& store, Instant now,
                                  const ForeignCertificate& certificate, const std::string& reason);

}  // namespace hsmbridge::service
