#pragma once

#include "base/clock.h"
#include "base/json.h"
#include "ca/scope.h"
#include "workflow/ports/revocations.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace hsmbridge::workflow {

// A certificate of a CA of this bridge that was not issued here. Whose and which: as TakenSerial says.
struct CertifiedElsewhere {
  std::string serial;
  std::string subject;
  Instant not_after{};
  SpkiHash key = {};                        // empty where the certificate itself was not there
  ca::Holder holder = ca::Holder::unknown;  // likewise

  bool operator==(const CertifiedElsewhere&) const = default;
};

// What a CA did where this store knows nothing of it.
struct Takeover {
  std::string issuer;
  enum class From {
    another_program,  // its serial numbers were never given here
    a_lost_store,     // this store is an older copy of that: what both know is one thing
  };
  From from = From::another_program;
  std::vector<CertifiedElsewhere> certificates;
  std::vector<RevokedSerial> revoked;
  std::optional<PublishedCrl> crl;  // the last one
  // The last ones of the shards; where they are lost, next_crl_number is the number that the first of these gets.
  std::vector<PublishedCrl> shards = {};
  // Where the last one is lost: the number that the next one gets; or one more, where this store has given the number
  // before it.
  std::optional<std::uint64_t> next_crl_number = std::nullopt;
  // So many numbers of CRLs more than are known the lost store may have given: they are not given again.
  std::uint64_t crl_numbers_to_skip = 0;
};

// What was new here.
struct TakenOver {
  std::size_t certificates = 0;
  std::size_t revoked = 0;
  bool crl = false;
  std::size_t learnt = 0;  // certificates that were known, and whose holder or key was not

  bool nothing() const { return certificates == 0 && revoked == 0 && !crl && learnt == 0; }
  bool operator==(const TakenOver&) const = default;
};

// CAs that come from elsewhere. Rules of all ports: store.h.
class Takeovers {
 public:
  virtual ~Takeovers() = default;

  // All of it that is not known yet, or nothing, in one transaction with the leaf `kind` and `fact`, which is left out
  // where nothing is new (numbers that are skipped are). Serial numbers are taken for good, the numbers of CRLs go on from there. A revocation that is
  // known stays as it was written down first; by another one the certificate of that number is revoked here too, and
  // with the reason keyCompromise its key is compromised, whoever has it. Throws conflict for a serial number that was given here (from
  // another_program) or that ends at another time than was said before, and for a CRL that cannot be the last one: its
  // number was given to another one, or a later one was given here.
  virtual TakenOver take_over(const Takeover& takeover, const std::string& kind, const Json& fact,
                              const std::string& actor, Instant at) = 0;
  virtual std::optional<CertifiedElsewhere> certified_elsewhere(const std::string& issuer,
                                                                const std::string& serial) = 0;
  // When the certificate of that number ends, wherever it was issued; nothing where none is known.
  virtual std::optional<Instant> end_of_certificate(const std::string& issuer, const std::string& serial) = 0;

  // Why a CA may not sign; nothing where it may. A store that was an older copy of itself lacks what its CAs did since:
  // from its acceptance on each of them waits for a takeover from a_lost_store.
  virtual std::optional<std::string> suspended(const std::string& issuer) = 0;
};

}  // namespace hsmbridge::workflow
