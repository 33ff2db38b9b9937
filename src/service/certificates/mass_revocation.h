#pragma once

#include "base/error.h"
#include "service/bridge.h"
#include "service/content/batch.h"
#include "workflow/ports/store.h"

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

// Many revocations at once: what would happen is shown first, and what happens is what was shown.
namespace hsmbridge::service {

// The entries and octets of a CRL that is yet to come; signature and frame are left out.
struct NextCrl {
  std::size_t entries = 0, octets = 0;
};

struct MassRevocation {
  struct Row {
    unsigned line = 0;        // in the file
    std::string certificate;  // its SHA-256, hex; what was typed where nothing was found
    std::string subject, provider, reason;
    bool is_in_use = false;  // nothing has taken its place
    SpkiHash spki = {};
    bool is_revoked = false;                  // nothing is left to do
    std::optional<RequestId> under_way = {};  // the request that revokes it already: that is waited for
    std::optional<Error> fault = {};          // why it cannot be revoked
    std::vector<std::string> same_key = {};   // of a compromised key: certificates that the file does not name
    bool over() const { return is_revoked || under_way; }
  };
  struct AtProvider {
    std::string name;
    std::size_t certificates = 0;
    // At least, by the provider's calls_per_minute; nothing where it has no limit.
    std::optional<Duration> at_least;
    std::optional<NextCrl> crl;  // of a CA of this bridge that publishes CRLs
  };
  std::vector<Row> rows;              // as in the file
  std::vector<AtProvider> providers;  // by name; those at which anything is to be done
  std::size_t to_revoke = 0, under_way = 0, revoked = 0, faults = 0, in_use = 0;
  // SHA-256 (hex) of what would be done: certificate, reason and provider of each, in the order of the certificates.
  std::string plan;
};

// The columns of the file: certificate, reason.
std::vector<std::string> revocation_columns();
// Nothing is written. `reason`: for rows that give none. A row that cannot be carried out has its fault, and the rest is
// planned. Throws invalid_input for a file without rows.
MassRevocation plan_mass_revocation(Bridge& bridge, workflow::Store& store, const std::vector<BatchRow>& rows,
                                    const std::optional<std::string>& reason);

}  // namespace hsmbridge::service
