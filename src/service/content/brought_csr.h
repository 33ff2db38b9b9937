#pragma once

#include "config/settings.h"
#include "service/content/ask.h"
#include "service/content/csr.h"
#include "workflow/ports/key_use.h"
#include "workflow/ports/provider.h"
#include "workflow/ports/records.h"
#include "x509/judge/weak_key_list.h"
#include "x509/objects/csr.h"

#include <optional>
#include <string>
#include <vector>

// Certificates for CSRs that somebody else made: an appliance, certmonger, another team. Their key is in no token of
// ours, so that no key contract speaks for it. What is examined instead, in this order: the CSR itself and its key
// (examine_csr), what it asks against what the profile and the command ask (compare_csr). Everything is told at once, and
// a CSR with an objection is never ordered.
//
// Not checked here: whether who brought the CSR may have these names. That is for whoever types the command, and for
// the approvers.
namespace hsmbridge::service {

// What speaks against a CSR, and what is only worth knowing.
struct CsrJudgement {
  std::vector<CsrFault> objections;
  std::vector<std::string> notes;
  std::vector<std::string> copy;  // words that `copy` of the profile could name to let the CSR decide
};

void add_to(CsrJudgement& judgement, CsrJudgement more);

// The key is recorded as compromised, wherever it is: a certificate for it was revoked for that. `records` may be null.
std::optional<CsrFault> compromised(workflow::Records* records, const SpkiHash& spki);
// It is from now on, whoever has it: no certificate is made for it any more. False where that is recorded already.
bool record_compromise(workflow::Records& records, const SpkiHash& spki, const std::string& actor, Instant now);
// The CSR itself (flaws_of), and its key against what is known of bad keys: that, and the lists of weak keys in the
// configuration.
CsrJudgement examine_csr(const x509::Csr& csr, const x509::WeakKeyList& lists, workflow::Records* records);

// What is known to be bad of a key that somebody may have a certificate for, wherever it was made (a faulty chip makes
// keys that anybody can break: ROCA): what examine_csr says of a key, but for its exponent. That is the business of who
// chose it: in a token of ours one below 65537 is odd and no break.
std::vector<CsrFault> faults_of_key(ByteView spki, const x509::WeakKeyList& lists, workflow::Records* records);
// Throws refused with every one of them; `key` is what messages call it, `hint` what to do.
void refuse_bad_key(const std::string& key, ByteView spki, const x509::WeakKeyList& lists, workflow::Records* records,
                    const std::string& hint);

// check_csr of the CSR in a file, whoever made it, with what is known of its key as above; `lists` and `records` may be
// null.
CsrCheck check_csr_in(const std::string& file, const config::ProfileSettings* profile, const x509::WeakKeyList* lists,
                      workflow::Records* records);

// Compares what the CSR asks with what is to be asked. A provider gets the CSR as it is, and its CA may do what it says:
// each difference that would make the certificate unacceptable is an objection, unless `copy` could not name it and the
// profile accepts it by name. Where the certificate is made here
// (Capabilities::full_profile) only the key counts, and what is left out is a note; but a CSR that asks to be a CA is
// refused, and one of whose names none would be left.
CsrJudgement compare_csr(const x509::Csr& csr, const x509::RequestedContent& ask,
                         const config::ProfileSettings& profile, const workflow::Capabilities& provider);

// Throws refused with every objection, `name` being the file, when there is one; `record` keeps it in the audit log.
void refuse_objections(const x509::Csr& csr, const std::string& name, const CsrJudgement& judgement,
                       const std::string& hint, const workflow::RecordFact& record);
// How the profile could let the CSR decide what it was refused for; "" where it could not.
std::string copy_hint(const config::ProfileSettings& profile, const CsrJudgement& judgement);

// The key wish of a CSR that passed: the CSR as it is, its key pinned.
workflow::KeyWish brought_key(const x509::Csr& csr);

}  // namespace hsmbridge::service
