#pragma once

#include "base/error.h"
#include "service/actor.h"
#include "service/authorities/crl_at_url.h"
#include "service/bridge.h"
#include "service/logbook.h"
#include "service/requests/enrolment.h"
#include "workflow/ports/provider.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

// The CAs of this bridge (providers of type local-ca): looking at them, and making them.
namespace hsmbridge::service {

struct Authority {
  std::string name;
  workflow::AuthorityView view;
};
// Where its CRLs go. Throws as authority() does.
std::vector<workflow::CrlPlace> crl_places(Bridge& bridge, const std::string& name);
// In the order of the configuration.
std::vector<Authority> authorities(Bridge& bridge);
// Throws not_found, ambiguous, and invalid_input for a provider that is no CA of this bridge.
Authority authority(Bridge& bridge, const std::string& name);

// Another CA of this bridge than `name` that has this subject (RFC 5280 §7.1) and not this key (SubjectPublicKeyInfo;
// empty: a key that has no certificate yet). Verifiers find the CRLs of a CA by its name, and its books are kept by it
// (workflow::issuer_id): a name is one CA's.
std::optional<std::string> other_of_name(Bridge& bridge, const std::string& name, const x509::Name& subject,
                                         ByteView key);

// A root that is to be made. Nothing was done yet.
struct NewRoot {
  Authority authority;
  bool key_is_there = false;  // of an earlier try; else it is made
  bool is_frozen = false;     // by an earlier try, which may have signed it: the same bytes are signed again
};
// Throws conflict where it has a certificate already or its key has another one and where its subject is another CA's,
// invalid_input where the configuration does not describe it, refused for a store that is an older copy.
NewRoot plan_root(Bridge& bridge, workflow::Store& store, const std::string& name);
// Makes the key and the certificate that it signs of itself, and writes the certificate (DER given) to its file. Throws
// conflict for a key of another kind than the configuration says, refused for one that is compromised.
Bytes make_root(const Actor& actor, Bridge& bridge, workflow::Store& store, Logbook& log, const NewRoot& root);

// The CRLs that were signed and published, with what their URLs give now.
struct PublishedCrls {
  struct One {
    workflow::MadeCrl made;
    std::optional<CrlAtUrl> at_url;  // nothing where it is not looked at
    bool is_signed = true;           // false: it was published before, and is put where it belongs now
    bool is_put = false;             // it is at CrlPlace::put
  };
  std::vector<One> made;
  std::vector<workflow::PlacedCrl> not_due;  // shards alone, and what is not of the future
  std::optional<Error> stopped;              // what kept others from being published
};
// A CA with one CRL gets the next one; of a CA with shards each that is due does, or all of them; or those alone whose
// last one is of the future (CertificateAuthority::publish_crl_after_future).
enum class WhichCrls { due, all, after_future };
// Throws refused for a store that is an older copy, and what CertificateAuthority::publish_crl throws where nothing was
// published.
PublishedCrls publish_crls(Bridge& bridge, workflow::Store& store, Logbook& log, const std::string& name,
                           WhichCrls which);

// Those whose last one says that it is of a time that has not come: it was signed while the clock was ahead, or the clock
// is behind now. Throws conflict where none is, and invalid_input for a CA that publishes none.
struct CrlOfFuture {
  workflow::CrlPlace place;
  std::uint64_t number = 0;
  Instant this_update{};
};
std::vector<CrlOfFuture> crls_of_the_future(Bridge& bridge, const std::string& name);

// The CRLs that were published and are not where they are to be put: they are put there, as they were signed. Of a CA
// whose CRLs are requests. None is made where the next one is due.
PublishedCrls put_crls(Bridge& bridge, Logbook& log, const std::string& name);

// What a leaf says of a CRL that was published, and of one that was put at its URL.
Json crl_facts(const std::string& provider, const workflow::MadeCrl& made);
Json put_facts(const std::string& provider, const workflow::MadeCrl& made);
// While a person waits, or the schedule.
inline constexpr Duration kPutLimit = std::chrono::minutes{2};

// Whether the last CRLs are where they were put, as they were, and still valid; and what their URLs give.
struct CrlCheck {
  Authority authority;
  struct One {
    workflow::PlacedCrl crl;
    std::string fault;               // of the file, one sentence; "" where all is in order
    std::optional<CrlAtUrl> at_url;  // nothing where it is not looked at
    std::string notice = {};         // nearly_full
  };
  std::vector<One> crls;
};
// Throws invalid_input for a CA that publishes none.
CrlCheck check_crl(Bridge& bridge, const std::string& name);

// That the CRL which is in its place is nearly as long as who signs it takes (CrlPlace::most_octets), a sentence; "" where
// it is not, or cannot be read.
std::string nearly_full(const workflow::CrlPlace& place);

// What the URLs of its CRLs give (look_at_urls).
std::vector<std::optional<CrlAtUrl>> look_at_urls(const Authority& authority);

struct NewSubordinate {
  std::string name;     // of the CA
  std::string parent;   // a provider
  std::string profile;  // of the request
  std::optional<unsigned> path_length;
};
// The request that brings it: its key is made where it is not there, and its certificate goes to its file. The same words
// while that request is open ask for the same again. Throws what plan_root throws.
struct SubordinateRequest {
  NewEnrolment enrolment;
  std::string issuer;   // workflow::issuer_id of the CA that is to be
  bool begins = false;  // no key is there that could have done anything under its name
};
SubordinateRequest subordinate_request(Bridge& bridge, workflow::Store& store, const NewSubordinate& wanted);
// Before it is enrolled, in a store that was restored once: nothing is to be told of a CA that begins now.
void begin_subordinate(const Actor& actor, workflow::Store& store, const std::string& name,
                       const SubordinateRequest& request, Instant now);

}  // namespace hsmbridge::service
