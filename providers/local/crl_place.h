#pragma once

#include "base/clock.h"
#include "base/descriptor.h"
#include "workflow/ports/provider.h"
#include "workflow/ports/revocations.h"
#include "x509/objects/certificate.h"
#include "x509/objects/crl.h"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

// What is where a CRL goes, and what the next one there must not forget.
namespace hsmbridge::local {

// Who publishes at one place publishes alone: a CRL must not be put in the place of a newer one that another process
// made meanwhile.
class PublishingTurn {
 public:
  // A signature takes a moment; one that takes longer than this is that of a token that hangs.
  static constexpr Duration kLongest = std::chrono::seconds{10};

  // Waits for it. Throws unavailable where another process keeps it that long.
  explicit PublishingTurn(const std::filesystem::path& file, Duration longest = kLongest);

 private:
  const Descriptor lock_;
};

// The CRL that is there.
struct CrlThere {
  std::uint64_t number = 0;
  Instant this_update{};
  std::vector<x509::RevokedCertificate> revoked;
  workflow::CrlPlace::Scope scope = workflow::CrlPlace::Scope::all;
};
// Nothing where no file is. Throws conflict for anything else.
std::optional<CrlThere> crl_there(const workflow::CrlPlace& place, const std::vector<workflow::CrlPlace>& shards,
                                  const x509::Certificate& issuer);

workflow::CrlPlace::Scope scope_of(const x509::TbsCertList& list);
std::string_view spoken_scope(workflow::CrlPlace::Scope scope);
std::set<std::string> serials_of(const std::vector<workflow::RevokedSerial>& revoked);

// A store that is an older copy of itself lacks what was revoked since: nobody may become good again by that. Nor because
// the store would have it on another shard. `wanted`: the serial numbers of the next one. Throws conflict.
void refuse_forgotten(const std::filesystem::path& file, const CrlThere& there, const std::string& issuer,
                      const std::set<std::string>& wanted, workflow::Revocations& book);

}  // namespace hsmbridge::local
