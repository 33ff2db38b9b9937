#pragma once

#include "approval/vote.h"
#include "support/software_signer.h"
#include "workflow/machine/local_approval.h"
#include "x509/objects/spki.h"

#include <string>
#include <utility>
#include <vector>

// People whose keys live in this process, and orders that want their approval.
namespace hsmbridge::test {

struct Voter {
  std::string name;
  mutable SoftwareSigner signer;

  explicit Voter(std::string of, const std::string& key = "ed25519") : name(std::move(of)), signer(key) {}
  SpkiHash key() const { return x509::spki_hash(signer.subject_public_key_info()); }
  approval::Person person() const { return {name, key()}; }

  approval::SignedVote sign(approval::Vote vote) const {
    const x509::SignatureAlgorithm& algorithm = x509::default_algorithm(signer.spec());
    Bytes signature = signer.sign(approval::to_be_signed(vote), algorithm);
    return {std::move(vote), signer.subject_public_key_info(), std::string(algorithm.name), std::move(signature)};
  }
};

// The same keys in one run.
inline const Voter& voter(const std::string& name) {
  static const Voter kVoters[] = {Voter("alice"), Voter("bob"), Voter("carol"), Voter("dora")};
  for (const Voter& one : kVoters) {
    if (one.name == name) return one;
  }
  throw std::runtime_error("there is no voter " + name);
}

inline approval::Group group_of(unsigned quorum, const std::vector<std::string>& names) {
  approval::Group group{"", quorum, {}};
  for (const std::string& name : names) group.members.push_back(voter(name).person());
  return group;
}
// So many of alice, bob and carol.
inline workflow::ApprovalTerms terms(unsigned quorum) {
  return {{{{"", {}, {}, {group_of(quorum, {"alice", "bob", "carol"})}}}}, {}, "570e", "real"};
}

// What that person would sign about the round that is open; `number` makes its nonce another one.
inline approval::Vote vote_about(const workflow::Order& order, const workflow::PreparedRequest& prepared,
                                 const std::string& person, Instant at, unsigned number = 0,
                                 approval::Decision decision = approval::Decision::approved) {
  const std::string nonce = hex(sha256(as_bytes(person + std::to_string(number)))).substr(0, 32);
  return {workflow::question_of(order, prepared), person, decision, "", at, at + std::chrono::hours{24 * 7}, nonce};
}

inline workflow::LocallyApproved approved_by(const std::string& person, const workflow::Order& order,
                                             const workflow::PreparedRequest& prepared, Instant at,
                                             unsigned number = 0) {
  const auto vote = voter(person).sign(vote_about(order, prepared, person, at, number));
  return {{person, vote.vote.question.draft, at, approval::to_text(vote)}};
}
inline workflow::LocallyRejected rejected_by(const std::string& person, const workflow::Order& order,
                                             const workflow::PreparedRequest& prepared, Instant at) {
  auto vote = vote_about(order, prepared, person, at, 0, approval::Decision::rejected);
  vote.reason = "no";
  return {person, "no", approval::to_text(voter(person).sign(std::move(vote)))};
}

}  // namespace hsmbridge::test
