#pragma once

#include "base/bytes.h"
#include "base/clock.h"
#include "base/strong.h"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

// What was asked and what was prepared for it. Values only: everything here can be written to the journal and read
// back.
namespace hsmbridge::workflow {

enum class Kind { enroll, renew, revoke, crl, ocsp_batch, cross_sign, key_create };
// "enroll", "ocsp-batch"
std::string_view to_string(Kind kind);

// The key of a request: one to be made, or one that is there.
struct KeyWish {
  enum class Source { make, use };
  Source source = Source::use;
  std::string selector;  // use: label, id=hex or RFC 7512 URI. make: the label of the new key
  std::string spec;      // make: "ec:P-256", "rsa:3072", "ed25519"
  std::string cka_id;    // make: 32 hex digits, chosen before generation and journalled with the order
  SpkiHash spki = {};    // use: the one that is meant, where it was known; empty: whichever the selector names
  // use: what may be wrong with it, names of config::key_flaws().
  std::vector<std::string> accept = {};

  bool operator==(const KeyWish&) const = default;
};

// One place where the certificate goes: "token", "file:PATH", "hook:ARGV…", "provider:import". The text after the colon
// is read by whoever installs it; the name is unique within a request.
struct InstallTarget {
  std::string name;
  std::string detail;

  bool operator==(const InstallTarget&) const = default;
};

// The certificate that a renewal replaces or a revocation ends, and what its provider knows it by. Copied into the
// order when it is created, so that whoever carries it out needs to ask nobody.
struct Predecessor {
  std::string certificate;  // SHA-256 of the DER, hex: its record
  Bytes der;
  SpkiHash spki;                // of its key
  std::string status;           // of its record when the order was made: what a revocation that fails goes back to
  ProviderReference reference;  // of the submission that brought it; empty when unknown
  std::string provider_state;   // of that submission; "" for none

  bool operator==(const Predecessor&) const = default;
};

// One order, fixed at creation. A profile that changes later does not change an order.
struct Order {
  RequestId id;
  Kind kind = Kind::enroll;
  std::string provider;  // names in the configuration
  std::string profile;
  std::string token;
  KeyWish key;
  // What the certificate shall say, as JSON: written and read by x509/content/requested_content.h alone (subject, names, usages,
  // validity, accepted deviations, signature algorithm).
  std::string ask;
  std::vector<InstallTarget> targets;
  Instant created_at{};
  std::string created_by;           // who asked, "uid:NAME" of the process or what an API knows
  std::optional<Instant> deadline;  // after it the request is withdrawn
  // From draft to signature. An older draft is built anew while nothing was sent, and withdrawn at the provider later:
  // its dates are frozen in it.
  std::optional<Duration> max_age;
  unsigned local_approvals = 0;            // signed approvals wanted at this bridge before anything is sent
  bool wants_command = false;              // the profile wants an operator's direct command (a root CA)
  std::optional<Predecessor> predecessor;  // renew, revoke
  std::string reason;                      // revoke: a name of RFC 5280 §5.3.1, "keyCompromise"

  bool operator==(const Order&) const = default;
};

// Whether a key of ours and a CSR belong to it: a revocation needs neither.
bool needs_key(const Order& order);

// What must not be ordered twice at the same time: a key of one label to be made in one token; the same certificate for
// the same key at the same provider; a renewal or a revocation of the same certificate. Lower-case hex SHA-256; equal
// for two orders of the same work.
std::string work_of(const Order& order);

// The key as it was found in the token.
struct Key {
  std::string uri;  // RFC 7512, naming the token and CKA_ID
  std::string label;
  std::string cka_id;  // hex
  SpkiHash spki;       // the pin: a different key behind the same label is refused
  bool made_here = false;
  // What was examined when it was found: names of config::key_flaws() that it has and that the order accepts, and the
  // attributes of its contract that the token does not show ("CKA_DERIVE"). It is used while it has no other flaw.
  std::vector<std::string> flaws = {};
  std::vector<std::string> not_shown = {};

  bool operator==(const Key&) const = default;
};

// The exact bytes that will be sent or signed, frozen before anyone approves them.
struct Draft {
  Bytes csr;              // DER CertificationRequest, signed by the key in the token
  Bytes to_be_signed;     // DER TBSCertificate when the provider only signs; else empty
  std::string algorithm;  // of the signature asked over to_be_signed, a name of x509::signature_algorithms(); else ""
  Bytes issuer;           // DER certificate of the issuer when it is known while drafting; else empty
  std::string summary;    // what it is, in one readable line
  Instant built_at{};
  // What the provider fixed while drafting and must know when nothing came back from it (for whom it orders, where to
  // look for it): opaque JSON, read only by its provider; "" for none.
  std::string provider_state = {};

  bool operator==(const Draft&) const = default;
};

// Lower-case hex SHA-256 over csr and to_be_signed: what an approval at this bridge binds to.
std::string draft_digest(const Draft& draft);

// One submission that a provider took, or may have taken.
struct Submission {
  unsigned attempt = 1;
  ProviderReference reference;  // empty while unknown
  std::string provider_state;   // opaque JSON, read only by its provider; "" for none
  Instant submitted_at{};
  // The provider has said that it took it.
  bool is_known() const { return !reference.empty() || !provider_state.empty(); }

  bool operator==(const Submission&) const = default;
};

// Who has decided at the provider and who has not, as far as the provider tells.
struct Approver {
  enum class Decision { pending, approved, rejected };
  std::string name;   // from the pinned policy or the configuration; "" when unknown
  std::string key;    // SPKI hash, or the provider's own user name
  std::string group;  // "" when unknown
  Decision decision = Decision::pending;

  bool operator==(const Approver&) const = default;
};

struct Progress {
  std::vector<Approver> approvers;
  std::string quorum;                  // "2 of 3 in group ops", or "quorum unknown"
  std::optional<Instant> about_until;  // when the provider gives up, as far as known
  std::string note;                    // anything else a person should know ("approved, timelock runs until …")

  bool operator==(const Progress&) const = default;
};

// What a provider handed out, or a person brought, exactly as it came. Written to disk before anything else happens to
// it.
struct Handout {
  enum class Content {
    certificate,  // in its provider's own form: only that provider reads it
    signature,
    file,  // a certificate that a person brought, whoever issued it
  };
  Content content = Content::certificate;
  Bytes result;  // the certificate (PEM or DER as sent; of a file: its DER) or the signature's octets
  Bytes raw;     // the response body; of a file: all of it
  // The provider's clock (its Date header) minus this machine's when it came, where that is known.
  std::optional<Duration> clock_ahead = std::nullopt;

  bool operator==(const Handout&) const = default;
};

// A certificate that is as it should be and whose first day has not come.
struct NotYet {
  std::string certificate;              // SHA-256 of the DER, hex
  Instant not_before{};                 // it is judged again then
  std::optional<Duration> clock_ahead;  // Handout::clock_ahead
  bool operator==(const NotYet&) const = default;
};

struct TargetState {
  InstallTarget target;
  enum class Stage { waiting, done, failed, skipped };
  Stage stage = Stage::waiting;
  unsigned failures = 0;
  std::string last_error;

  bool operator==(const TargetState&) const = default;
};
// Nothing is done about it any more.
constexpr bool is_over(TargetState::Stage stage) {
  return stage == TargetState::Stage::done || stage == TargetState::Stage::skipped;
}

// One person's approval at this bridge.
struct LocalApproval {
  std::string person;
  std::string draft_digest;
  Instant at{};
  std::string evidence;  // the signed approval as it came

  bool operator==(const LocalApproval&) const = default;
};

// An Error as the journal keeps it.
struct Problem {
  std::string kind;  // a word of ErrorKind
  std::string message;
  std::string hint;

  bool operator==(const Problem&) const = default;
};

// One difference between the certificate and what was asked.
struct Finding {
  std::string name;  // a name of x509's table, for example "san-missing"
  bool fatal = false;
  std::string explanation;

  bool operator==(const Finding&) const = default;
};

}  // namespace hsmbridge::workflow
