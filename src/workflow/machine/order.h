#pragma once

#include "approval/policy.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "base/strong.h"
#include "x509/content/requested_content.h"

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

// What was asked and what was prepared for it. Values only: everything here can be written to the journal and read
// back.
namespace hsmbridge::workflow {

// The key of a request: one to be made, one that is there, or somebody else's.
struct KeyWish {
  enum class Source {
    make,
    use,
    brought,  // in no token of ours: a CSR that it signed was brought, which goes as it is
  };
  Source source = Source::use;
  // use: label, id=hex or RFC 7512 URI. make: the label of the new key. brought: what lists call it, "csr:" and the
  // beginning of the SHA-256 of the CSR
  std::string selector;
  std::string spec;    // make: "ec:P-256", "rsa:3072", "ed25519"
  std::string cka_id;  // make: 32 hex digits, chosen before generation and journalled with the order
  SpkiHash spki =
      {};  // use: the one that is meant, where it was known; empty: whichever the selector names. brought: it
  // use: what may be wrong with it, names of config::key_flaws().
  std::vector<std::string> accept = {};
  Bytes csr = {};  // brought: DER, its own signature verified when the order was made

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

// A certificate that is asked for a key.
struct Enroll {
  std::string token;  // a name in the configuration; "" for a key that was brought
  KeyWish key;
  x509::RequestedContent content;  // what the certificate shall say
  std::vector<InstallTarget> targets;
  // Cross-signing: the certificate (DER) that the CA has already, and that the new one must be like (ca/cross.h). Empty:
  // none.
  Bytes cross_signs = {};

  bool operator==(const Enroll&) const = default;
};
// The same, in the place of another certificate.
struct Renew : Enroll {
  Predecessor predecessor;

  bool operator==(const Renew&) const = default;
};
struct Revoke {
  Predecessor predecessor;
  std::string reason;  // a name of RFC 5280 §5.3.1, "keyCompromise"
  // Since when its key is in wrong hands, as far as is known; nothing: nobody said. Only where Capabilities::revoke_since.
  std::optional<Instant> since = {};

  bool operator==(const Revoke&) const = default;
};

// The next CRL of a CA of this bridge (the order's provider) whose key is at a service: its signature may take days. What
// it says is the CA's to know.
struct IssueCrl {
  // A person wants it after a CRL with this thisUpdate, which has not come yet: it was signed while the clock was ahead.
  std::optional<Instant> after_future = {};

  bool operator==(const IssueCrl&) const = default;
};

// What a kind of order is: one row each, in the order of Order::what. A new kind is a struct, an alternative there and a
// row here.
enum class Kind { enroll, renew, revoke, issue_crl };
enum class Product {
  certificate,
  nothing,  // it took effect, or it did not: the provider's word is all that comes back
  crl,
};
struct KindTraits {
  Kind kind;
  std::string_view name;  // in journals and lists; it never changes
  bool needs_key;         // there is a CSR, signed by a key of ours unless one was brought (KeyWish::Source)
  Product product;
};
inline constexpr KindTraits kKinds[] = {
    {Kind::enroll, "enroll", true, Product::certificate},
    {Kind::renew, "renew", true, Product::certificate},
    {Kind::revoke, "revoke", false, Product::nothing},
    {Kind::issue_crl, "issue-crl", false, Product::crl},
};
constexpr std::string_view to_string(Kind kind) {
  return kKinds[static_cast<std::size_t>(kind)].name;
}

// The approvals that are wanted at this bridge before anything is sent, fixed with the order: by them and by what was
// signed it is judged at any time whether there are enough.
struct ApprovalTerms {
  approval::Policy policy;
  std::vector<std::string> requesters;  // who asked for it, of the people of the policy: their word does not count
  std::string store;                    // whose request it is (service::store_identity)
  std::string environment;              // "real" or "rehearsal"

  bool operator==(const ApprovalTerms&) const = default;
};

// One order, fixed at creation. A profile that changes later does not change an order.
struct Order {
  RequestId id;
  std::string provider;  // names in the configuration
  std::string profile;
  std::variant<Enroll, Renew, Revoke, IssueCrl> what;
  Instant created_at{};
  std::string created_by;  // who asked, "uid:NAME" of the process or what an API knows
  // Whose accounts asked besides ("uid:alice"): the login that became that one since (sudo); of what nobody that was
  // known asked for (a timer's renewal), those who asked for the order before. Whose they are may be known later.
  std::vector<std::string> asked_by = {};
  std::optional<Instant> deadline;  // after it the request is withdrawn
  // From draft to signature. An older draft is built again while nothing was sent, and withdrawn at the provider later:
  // its dates are frozen in it.
  std::optional<Duration> max_age;
  std::optional<ApprovalTerms> approval = std::nullopt;
  // Of an older program, which did not write down whose approvals it wanted: nobody can give them.
  unsigned local_approvals = 0;
  bool wants_command = false;  // the profile wants an operator's direct command (a root CA)

  const KindTraits& traits() const { return kKinds[what.index()]; }
  Kind kind() const { return traits().kind; }
  bool brings_certificate() const { return traits().product == Product::certificate; }
  bool brings_result() const { return traits().product != Product::nothing; }
  bool wants_approval() const { return approval.has_value() || local_approvals > 0; }
  // What it asks of a certificate, of an enrolment and of a renewal; null for a kind that brings none.
  const Enroll* enrolment() const;
  const Predecessor* predecessor() const;  // of a renewal and a revocation, else null
  const Revoke* revocation() const { return std::get_if<Revoke>(&what); }
  bool issues_crl() const { return kind() == Kind::issue_crl; }
  std::string token() const;  // whose key it uses; "" for none
  // The CSR that somebody else made and that goes as it is: no token has a part in it. Empty for a key of ours.
  const Bytes& brought_csr() const;

  bool operator==(const Order&) const = default;
};

// Who asked, for people: "uid:hsmbridge for uid:alice".
std::string who_asked(const Order& order);

// The enrolment of an order that must have one. Throws internal.
const Enroll& enrolment_of(const Order& order);

// What must not be ordered twice at the same time: a key of one label to be made in one token; the same certificate for
// the same key at the same provider; a renewal or a revocation of the same certificate; a CRL of the same CA. Lower-case
// hex SHA-256; equal for two orders of the same work.
std::string work_of(const Order& order);

// What its certificate is for, in one line for lists: "www.example.com, api.example.com", a name's kind left out where
// it is dns; the subject where there are no names. Of a revocation, those of the certificate; "" when it cannot be read.
// Of a CRL, whose it is.
std::string names_of(const Order& order);
// By what it is found: each of those names without its kind, and the common name of the subject; in lower case, once
// each, in their order. Stores keep them: whoever changes this brings their rows up to it.
std::vector<std::string> search_names(const Order& order);
// A name as a person types it, with or without its kind, as search_names gives it: "DNS:WWW.example.com" is
// "www.example.com".
std::string search_name(std::string_view typed);

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
  std::string provider_type = {};  // of the provider that it was made for; "" in drafts of older programs

  bool operator==(const Draft&) const = default;
};

// What a store keeps of a draft once: both lengths (8 octets each, the highest first), csr, to_be_signed. Two drafts that
// differ in either have different octets.
Bytes draft_octets(const Draft& draft);
// Sets csr and to_be_signed again. Throws corrupt.
void set_draft_octets(Draft& draft, ByteView octets);
// What approvals, commands and people name a draft by: lower-case hex SHA-256 over draft_octets() and provider_state,
// which the provider sends beside a CSR.
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

// What came back, each as it came.
struct IssuedCertificate {
  Bytes octets;  // PEM or DER in the provider's own form: only that provider reads it
  bool operator==(const IssuedCertificate&) const = default;
};
struct IssuedSignature {
  Bytes octets;
  bool operator==(const IssuedSignature&) const = default;
};
// A certificate that a person brought, whoever issued it.
struct BroughtCertificate {
  Bytes octets;  // DER, one of those in the file
  bool operator==(const BroughtCertificate&) const = default;
};

// What a provider gave, or a person brought, exactly as it came. Written to disk before anything else happens to it.
struct IssuedResult {
  std::variant<IssuedCertificate, IssuedSignature, BroughtCertificate> product;
  Bytes raw;  // the response body; of a file: all of it
  // The provider's clock (its Date header) minus this machine's when it came, where that is known.
  std::optional<Duration> clock_ahead = std::nullopt;

  const Bytes& octets() const;
  bool operator==(const IssuedResult&) const = default;
};

// A certificate that is as it should be and whose first day has not come.
struct NotYet {
  std::string certificate;              // SHA-256 of the DER, hex
  Instant not_before{};                 // it is judged again then
  std::optional<Duration> clock_ahead;  // IssuedResult::clock_ahead
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
  std::string evidence;  // the signed vote (approval/vote.h)

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
