#pragma once

#include "approval/policy.h"
#include "base/bytes.h"
#include "base/clock.h"

#include <cstddef>
#include <string>
#include <string_view>

// One person's signed decision at this bridge.
//
// What is signed is the text "hsmbridge-approval-v1", a newline, and the canonical JSON (RFC 8785) of one object with
// exactly these members, all texts but `round`, times as RFC 3339 UTC: approved_at, decision ("approved", "rejected"),
// draft_sha256, environment, issuer_spki_sha256, kind, nonce, order_sha256, person, policy_sha256, reason, request,
// round, store, valid_until. The signature is as X.509 carries it, by the person's own key, wherever that is.
//
// Not checked here: whether the person may still decide, and whether the time is right. The workflow does that
// (workflow/machine/local_approval.h).
namespace hsmbridge::approval {

// What is asked of everybody. A vote counts for the question that it names and for no other one.
struct Question {
  std::string store;        // hex; of the bridge's store
  std::string environment;  // "real" or "rehearsal"
  std::string request;
  std::string kind;    // "enroll", "renew"
  unsigned round = 1;  // of this request: a vote does not count in the next one, also where the bytes are the same
  std::string
      issuer;  // SHA-256 of the SubjectPublicKeyInfo of the CA whose key will sign, hex; "" where it is not known
  std::string draft;   // SHA-256 of the frozen draft, hex (workflow::draft_digest)
  std::string policy;  // policy_digest()
  // SHA-256, hex, of what was ordered and of what is shown beside the bytes: where, under which profile, by whom, for
  // how long, with which key and findings (workflow::question_of).
  std::string order;

  bool operator==(const Question&) const = default;
};

enum class Decision { approved, rejected };
std::string_view to_string(Decision decision);

struct Vote {
  Question question;
  std::string person;
  Decision decision = Decision::approved;
  std::string reason;  // UTF-8, at most kLongestReason octets
  Instant approved_at{};
  Instant valid_until{};  // an approval counts until then
  std::string nonce;      // 32 hex digits
};
inline constexpr std::size_t kLongestReason = 1000;

struct SignedVote {
  Vote vote;
  Bytes key;              // DER SubjectPublicKeyInfo
  std::string algorithm;  // a name of x509::signature_algorithms()
  Bytes signature;
};

// Throws invalid_input for a reason that is too long or not UTF-8.
Bytes to_be_signed(const Vote& vote);

// {"approval": {…}, "key": base64, "algorithm": …, "signature": base64}: how a vote is stored and how it travels.
std::string to_text(const SignedVote& vote);
// Throws invalid_input; an unknown member and a missing one are named.
SignedVote read_vote(std::string_view text);

// SHA-256 of the canonical JSON of the policy, hex.
std::string policy_digest(const Policy& policy);

// Why this is not that person's word on this question under this policy, one sentence; "" where it is.
std::string fault_of(const SignedVote& vote, const Question& question, const Policy& policy);

}  // namespace hsmbridge::approval
