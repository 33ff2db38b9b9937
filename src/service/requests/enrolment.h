#pragma once

#include "service/actor.h"
#include "service/bridge.h"
#include "service/content/ask.h"
#include "service/content/batch.h"
#include "service/requests/new_request.h"

#include <optional>
#include <string>
#include <vector>

// Getting a certificate, for a key in a token or for a CSR that somebody else made: what was typed, everything that can
// be refused before anything is written, and the request.
namespace hsmbridge::service {

// What one enrolment asks for: what was typed, or a row of a batch. What is left out comes from the profile.
struct NewEnrolment {
  std::optional<std::string> provider, profile, token;
  std::optional<std::string> new_key, spec, key;  // one of the two keys
  std::optional<std::string> csr;                 // or the file of a CSR, which goes as it is
  AskWishes wishes;
  std::optional<x509::Content> like;
  // Instead of what the profile asks: that the CA of this certificate (DER) is cross-signed, and what for.
  struct CrossSigning {
    Bytes existing;
    x509::RequestedContent ask;
  };
  std::optional<CrossSigning> cross;
  std::vector<std::string> install;
  std::optional<Duration> deadline;
};
// The columns of a batch, and what a row says over what was typed.
std::vector<std::string> enrolment_columns();
NewEnrolment enrolment_of(const BatchRow& row, NewEnrolment typed);

struct Enrolment {
  RequestId id;
  enum class How {
    ordered,  // now
    open,     // the same words ordered it before: nothing is ordered again
    done,     // likewise, and its certificate is in use
  } how = How::ordered;
  bool uses_left_over_key = false;  // the new key is there: made for a request that ended without a certificate
  // What is odd about a server's names, and what is to be known of a CSR that was brought: a sentence each.
  std::vector<std::string> advice;
};
// Everything that can be refused is refused here: names, the key, the PIN, the CSR, provider, trust anchors. A key that
// is there may sign proofs.
Enrolment enroll(const Actor& actor, Bridge& bridge, workflow::Store& store, const NewEnrolment& wanted);

// What would speak against an enrolment, found without making or ordering anything.
struct EnrolmentCheck {
  std::string provider, profile;
  std::vector<std::string> csr_faults;  // what speaks against a CSR that was brought: the provider is not asked then
  std::vector<std::string> reasons;     // why the provider cannot carry it
  std::vector<std::string> objections;  // of its dry run
  std::vector<std::string> notes;
  std::string dry_run;  // what became of the dry run
};
// A key that is there signs the CSR for it; for a key to be made a CSR without a signature stands in, and the dry run
// is left out.
EnrolmentCheck check_enrolment(const Actor& actor, Bridge& bridge, workflow::Store& store, const NewEnrolment& wanted);

}  // namespace hsmbridge::service
