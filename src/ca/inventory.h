#pragma once

#include "base/bytes.h"
#include "base/clock.h"
#include "ca/crl.h"
#include "ca/openssl_index.h"
#include "x509/objects/certificate.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

// What a CA has issued and revoked under another program, or in a store that was lost, as the files tell that are left:
// read, held against each other and against the CA's certificate. Pure.
//
// Nothing is guessed. A certificate in one source that a complete one lacks, one number for two certificates, a
// revocation that the CRL and the list tell differently: every contradiction is told, and nothing is taken over. A CRL
// is believed by its signature, a certificate likewise; an index is signed by nobody, and is believed as far as nothing
// contradicts it.
//
// Not checked here: whether the CRL is the last one that was published. An index or a folder that is older than the CRL
// is found; one that ends with it, and a newer CRL that nobody brought, look in order.
namespace hsmbridge::ca {

struct InventorySources {
  std::optional<std::vector<IssuedBefore>> index;  // complete: what it lacks was not issued
  struct File {
    std::string name;
    Bytes der;
  };
  std::vector<File> certificates;  // complete where there is no index
  std::optional<File> crl;
  std::string crl_url = {};       // where the CA publishes it
  std::vector<File> shards = {};  // CRLs with a part of what is revoked, each of another distribution point
  // What it has signed, or was about to: not complete, and the same line may be there again.
  std::vector<IssuedBefore> log = {};
  // When the certificate of a number ends that is known without these sources; nothing where it is not known.
  std::function<std::optional<Instant>(const std::string& serial)> known = {};
};

struct LastCrl {
  std::uint64_t number = 0;
  Instant this_update, next_update;  // where it says no nextUpdate: thisUpdate
  std::string distribution_point = {};
  bool only_authorities = false;  // CrlFields
};

struct Inventory {
  std::vector<IssuedBefore> certificates;  // by serial number, each once
  struct Revoked {
    std::string serial;
    RevokedBefore how;
    // The end of its certificate; of what the CRL still names after that, its thisUpdate: an entry stays on one CRL
    // more (RFC 5280 §3.3), and the first CRL here revokes all that the last one did.
    Instant until;
    std::string distribution_point = {};  // of the shard that revokes it
  };
  std::vector<Revoked> revoked;  // by serial number, each once
  std::optional<LastCrl> crl;
  std::vector<LastCrl> shards;       // as they were given
  std::size_t of_other_issuers = 0;  // certificates that were left out
  std::vector<std::string> notes;    // what is lost or stays open, a sentence each
};

// Throws conflict with every contradiction, a line each; invalid_input for what cannot be read, is of another CA, or is
// a CRL that cannot be continued: partitioned, indirect, a delta, without a number or with one beyond 2^63; and without
// an index for one at another address than crl_url, or than the certificates that have not ended name.
Inventory inventory(const InventorySources& sources, const x509::Certificate& issuer, Instant now);

}  // namespace hsmbridge::ca
