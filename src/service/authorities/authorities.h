#pragma once

#include "service/actor.h"
#include "service/bridge.h"
#include "service/logbook.h"
#include "service/requests/enrolment.h"
#include "workflow/ports/provider.h"

#include <optional>
#include <string>
#include <vector>

// The CAs of this bridge (providers of type local-ca): looking at them, and making them.
namespace hsmbridge::service {

struct Authority {
  std::string name;
  workflow::AuthorityView view;
};
// In the order of the configuration.
std::vector<Authority> authorities(Bridge& bridge);
// Throws not_found, ambiguous, and invalid_input for a provider that is no CA of this bridge.
Authority authority(Bridge& bridge, const std::string& name);

// A root that is to be made. Nothing was done yet.
struct NewRoot {
  Authority authority;
  bool key_is_there = false;  // of an earlier try; else it is made
  bool is_frozen = false;     // by an earlier try, which may have signed it: the same bytes are signed again
};
// Throws conflict where it has a certificate already or its key has another one, invalid_input where the configuration
// does not describe it, refused for a store that is an older copy.
NewRoot plan_root(Bridge& bridge, workflow::Store& store, const std::string& name);
// Makes the key and the certificate that it signs of itself, and writes the certificate (DER given) to its file. Throws
// conflict for a key of another kind than the configuration says.
Bytes make_root(const Actor& actor, Bridge& bridge, workflow::Store& store, Logbook& log, const NewRoot& root);

// Signs and publishes a CRL with everything that the CA has revoked. Throws refused for a store that is an older copy,
// and what CertificateAuthority::publish_crl throws.
workflow::MadeCrl publish_crl(Bridge& bridge, workflow::Store& store, Logbook& log, const std::string& name);

// What a leaf says of a CRL that was published.
Json crl_facts(const std::string& provider, const workflow::MadeCrl& made);

// Whether the last CRL is where it was put, as it was, and still valid; reads that file and the store alone.
struct CrlCheck {
  Authority authority;
  std::string fault;  // one sentence; "" where all is in order
};
// Throws invalid_input for a CA that publishes none.
CrlCheck check_crl(Bridge& bridge, const std::string& name);

struct NewSubordinate {
  std::string name;     // of the CA
  std::string parent;   // a provider
  std::string profile;  // of the request
  std::optional<unsigned> path_length;
};
// The request that brings it: its key is made where it is not there, and its certificate goes to its file. The same words
// while that request is open ask for the same again. Throws what plan_root throws.
NewEnrolment subordinate_request(Bridge& bridge, workflow::Store& store, const NewSubordinate& wanted);

}  // namespace hsmbridge::service
