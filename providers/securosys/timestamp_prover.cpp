#include "providers/securosys/timestamp_prover.h"

#include "base/error.h"
#include "x509/objects/certificate.h"
#include "x509/objects/spki.h"

#include <algorithm>

namespace hsmbridge::securosys {
namespace {

// Ordinary clocks differ by less; and the Date header is cut to the second.
constexpr Duration kBackdate = std::chrono::seconds{5};
// A server whose clock is further away has no clock that anything may be signed for: a time stamp of next year could be
// kept and used then.
constexpr Duration kMostAhead = std::chrono::hours{24};
constexpr Duration kReuse = std::chrono::minutes{1};

Identity from_certificate(TimestampProof::Form form, const x509::Signer& signer, ByteView certificate) {
  if (x509::parse_certificate(certificate).spki() != signer.subject_public_key_info()) {
    throw Error{ErrorKind::invalid_input, "the certificate is not of the key that signs"};
  }
  return {form, Bytes(certificate.begin(), certificate.end())};
}

}  // namespace

Identity Identity::public_key(const x509::Signer& signer) {
  return {TimestampProof::Form::public_key, signer.subject_public_key_info()};
}

Identity Identity::certificate(const x509::Signer& signer, ByteView certificate) {
  return from_certificate(TimestampProof::Form::certificate, signer, certificate);
}

Identity Identity::timestamp_certificate(const x509::Signer& signer, ByteView certificate) {
  return from_certificate(TimestampProof::Form::timestamp_certificate, signer, certificate);
}

ApproverAlgorithm approver_algorithm(const x509::Signer& signer) {
  return approver_algorithm(signer.subject_public_key_info());
}

ApproverAlgorithm approver_algorithm(const Bytes& subject_public_key_info) {
  // The first of its kind: with SHA-256, or with no digest of its own.
  const x509::KeyType type = x509::key_spec_of(subject_public_key_info).type;
  const auto rows = x509::signature_algorithms();
  const auto row = std::find_if(rows.begin(), rows.end(), [&](const auto& entry) { return entry.key_type == type; });
  if (row == rows.end()) throw Error{ErrorKind::internal, "a kind of key without an algorithm"};
  return {&*row, row->digest.empty() ? "EdDSA" : "SHA-256"};
}

TimestampProver::TimestampProver(x509::Signer& signer, Identity identity, const Clock& clock)
    : signer_(signer), identity_(std::move(identity)), clock_(clock) {}

TimestampProof TimestampProver::prove() {
  const Instant now = clock_.now();
  if (last_ && now >= last_at_ && now - last_at_ < kReuse) return *last_;
  const ApproverAlgorithm by = approver_algorithm(signer_);
  TimestampProof proof;
  proof.timestamp = rfc3339(std::chrono::time_point_cast<Duration>(
      std::chrono::floor<std::chrono::seconds>(now + server_ahead_ - kBackdate)));
  proof.signature = signer_.sign(as_bytes(proof.timestamp), *by.algorithm);
  proof.digest = by.digest;
  proof.form = identity_.form;
  proof.identity = identity_.value;
  last_ = proof;
  last_at_ = now;
  return proof;
}

bool TimestampProver::learn(const Error& error) {
  const std::string_view date = error.detail("server-date");
  if (date.empty()) return false;
  const Duration ahead = parse_rfc3339(date) - clock_.now();
  if (ahead > kMostAhead || ahead < -kMostAhead) return false;
  server_ahead_ = ahead;
  last_.reset();
  return true;
}

}  // namespace hsmbridge::securosys
