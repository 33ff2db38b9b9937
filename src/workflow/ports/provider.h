#pragma once

#include "base/bytes.h"
#include "base/clock.h"
#include "base/error.h"
#include "workflow/machine/order.h"
#include "workflow/machine/report.h"
#include "workflow/ports/revocations.h"
#include "x509/objects/algorithm.h"

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace hsmbridge::workflow {

class SerialNumbers;

// Everything a provider may need to know about one request. References live as long as the call.
struct ProviderCall {
  const Order& order;
  const Key& key;
  const Draft& draft;
  unsigned attempt = 1;
  const Submission* submission = nullptr;  // null before a submission is known
  Instant now{};
  Duration time_limit{};  // the call returns or throws within this
  // submit alone: the hard deadline that was journalled with the intent, on CLOCK_BOOTTIME. Past it no byte may leave
  // any more, whatever is left of the time limit: other processes count on it, and may ask and try again. It is handed
  // to the transport, which looks just before the first byte.
  std::optional<Duration> call_until = std::nullopt;
  // Whether a certificate (DER) is in our store as the answer to another request: then it is none to this one. Empty:
  // there is no store to ask.
  std::function<bool(ByteView)> answers_another = {};
  std::string remembered = {};  // NotAccepted::remember of an earlier attempt; "" for none
};

// What a submission brought: whether it may be sent again hangs on nothing else.
struct Accepted {
  Report report;
};
struct NotAccepted {
  Error error;
  std::optional<Duration> retry_after;
  // Handed to the attempts that follow as ProviderCall::remembered, also after a restart: one attempt is one creating
  // request, so that another way of sending it is another attempt. "": what was remembered before stays.
  std::string remember = {};
};  // nothing happened: another attempt may follow
struct RefusedForGood {
  Error error;
};  // nothing happened, and repeating cannot help
struct OutcomeUnknown {
  std::string why;
};  // it may have happened
using SubmitAnswer = std::variant<Accepted, NotAccepted, RefusedForGood, OutcomeUnknown>;

struct Found {
  Report report;
};
// Said only where the provider's search is complete and asked under the account that submitted. It counts when it is
// said twice, across Timing::search_lag.
struct Absent {};
struct CannotTell {
  std::string why;
};
using LookUpAnswer = std::variant<Found, Absent, CannotTell>;

struct CancelNotPossible {
  std::string why;
};
using CancelAnswer = std::variant<Report, CancelNotPossible>;

// The certificate of a result, leaf first; chain as far as the provider gives it. DER.
struct Issued {
  Bytes certificate;
  std::vector<Bytes> chain;
};

// What a provider's draft adds to the CSR: the TBSCertificate it will be asked to sign, when it only signs.
struct ProviderDraft {
  Bytes to_be_signed;
  std::string algorithm;
  Bytes issuer;
  std::string provider_state;  // Draft::provider_state
  // What the provider is known to set itself ("the profile adds clientAuth"): for whoever approves. No objection.
  std::vector<std::string> notes = {};
};

// Names what a provider can do; `provider show` prints it and README's table is made of it.
struct Capabilities {
  bool cancel = false;
  bool complete_look_up = false;  // can say Absent
  bool shows_approvers = false;
  bool shows_quorum = false;
  bool result_once = false;   // the poll is the hand-out
  bool full_profile = false;  // SANs, usages, validity and serial are ours
  bool beside_csr = false;    // usages and whether it is a CA are asked beside the CSR, which need not say so
  bool imports = false;       // it takes the certificate for a key that it keeps (install target provider:import)
  bool renew = false;         // a renewal is linked to the certificate it replaces; else it is a request like any other
  bool revoke = false;        // Kind::revoke is carried out
  bool revoke_hold = false;   // the reason certificateHold too
  bool revoke_since = false;  // Revoke::since is what the revocation says
};

// The convention for a draft that its provider would not make like this any more (its issuer was replaced, say):
// check() throws an error with the detail `draft` = `outdated`, or submit() returns it as NotAccepted, and the draft is
// built again.
inline constexpr std::string_view kDraftDetail = "draft";
inline constexpr std::string_view kDraftOutdated = "outdated";
inline Error outdated_draft(std::string why) {
  return Error{ErrorKind::conflict, std::move(why)}.with(std::string(kDraftDetail), std::string(kDraftOutdated));
}
inline bool says_draft_is_outdated(const Error& error) {
  return error.detail(kDraftDetail) == kDraftOutdated;
}

// One certificate service. Thread rule: every function may be called from several effect threads at once. Each blocks,
// keeps to its time limit, and speaks of transport trouble by throwing unavailable (repeatable calls only: submit
// returns its four answers instead and throws nothing but `internal`).
class Provider {
 public:
  virtual ~Provider() = default;
  virtual std::string_view type() const = 0;  // "securosys-tsb"
  virtual Capabilities capabilities() const = 0;

  // What shall be sent or signed for this CSR (DER). Frozen afterwards. Throws refused for what it cannot carry; any
  // other kind is waited for, as by check(). Not called for a revocation: its order is all that is asked.
  virtual ProviderDraft draft(const Order& order, ByteView csr, Instant now) = 0;
  // What draft() would give, for somebody who only asks what would be said to it (check, dry_run): nothing is taken for
  // it, and it is never submitted.
  virtual ProviderDraft trial_draft(const Order& order, ByteView csr, Instant now) { return draft(order, csr, now); }
  // Every reason not to submit this draft, all at once; empty when it may go. A reason ends the request: only what no
  // later attempt can change is one. What time, the configuration, a CA file or somebody at the service can change is
  // thrown (with a detail "until" where only time is missing: decide.h), and the request waits. A revocation has
  // neither key nor CSR: what speaks against it is in call.order (predecessor, reason). Asked of a provider that
  // revokes only.
  virtual std::vector<std::string> check(const ProviderCall& call) = 0;
  // Once per attempt. Nothing is repeated inside.
  virtual SubmitAnswer submit(const ProviderCall& call) = 0;
  virtual LookUpAnswer look_up(const ProviderCall& call) = 0;
  virtual Report poll(const ProviderCall& call) = 0;
  virtual Report retrieve(const ProviderCall& call) = 0;
  virtual CancelAnswer cancel(const ProviderCall& call) = 0;
  // Makes the certificate of what came back (assembles a signature, reads PEM), with the chain that came with it or is
  // configured. Asks nobody: a stored result can be read again at any time. Throws corrupt when no certificate can be
  // made of it.
  virtual Issued certificate_in(const ProviderCall& call, const IssuedResult& result) const = 0;
  // The certificates of issuers (DER) that are missing from such a chain, asked of the service as far as it gives them.
  // Throws unavailable when another try may bring them.
  virtual std::vector<Bytes> issuers_for(const ProviderCall&, const Issued&) { return {}; }
  // The certificates of CAs that its configuration gives for building chains (DER): for a certificate that a person
  // brought. Asks nobody.
  virtual std::vector<Bytes> issuers() const { return {}; }
  // After our own check passed: what the provider's side still wants (an import, a pick-up confirmation). Repeatable.
  virtual void confirm(const ProviderCall& call, const Issued& issued) = 0;
  // One exchange that proves address, credentials and permission; what was learnt, one line each.
  virtual std::vector<std::string> test() = 0;
  // How far the service's clock was ahead of ours by its last answer to this process; negative where ours is ahead.
  // Nothing where it has not told. A certificate that is not valid yet is explained with it.
  virtual std::optional<Duration> server_ahead() const { return std::nullopt; }
};

// Both: the certificate of a result with its chain, as far as it can be had. Throws what they throw.
inline Issued issued_by(Provider& provider, const ProviderCall& call, const IssuedResult& result) {
  Issued issued = provider.certificate_in(call, result);
  // In front, where no limit of what came with it cuts them off.
  const std::vector<Bytes> fetched = provider.issuers_for(call, issued);
  std::erase_if(issued.chain,
                [&](const Bytes& der) { return std::find(fetched.begin(), fetched.end(), der) != fetched.end(); });
  issued.chain.insert(issued.chain.begin(), fetched.begin(), fetched.end());
  return issued;
}

// What only some providers have: a Provider that has it is also one of these (dynamic_cast). Thread rule and errors as
// for Provider's repeatable calls: each blocks and keeps to its limit.

// One name and value, in the order in which a person reads them.
using Facts = std::vector<std::pair<std::string, std::string>>;

// Lists what can be ordered there.
class ProfileCatalogue {
 public:
  virtual ~ProfileCatalogue() = default;
  struct Entry {
    std::string id;
    std::string name;
    Facts facts;
    std::vector<std::string> obstacles;  // why it cannot be used from here; empty: it can
  };
  virtual std::vector<Entry> profiles(Duration limit) = 0;
};

// Finds a certificate by its serial number, for a request whose answer a person looked for.
class SerialLookUp {
 public:
  virtual ~SerialLookUp() = default;
  // `serial`: hex as a person typed it. The certificate is the report's result, and `reference` what poll() asks for
  // from then on; RequestStatus::gone when there is none. Whether it is for the request's key is for the caller to compare.
  // Throws invalid_input when that is no serial number.
  virtual Report find_by_serial(const ProviderCall& call, const std::string& serial) = 0;
};

// Tells the rules that a request must keep there.
class PolicySource {
 public:
  virtual ~PolicySource() = default;
  virtual Facts policy(Duration limit) = 0;
};

// Lets the service itself judge a request without making one.
class DryRun {
 public:
  virtual ~DryRun() = default;
  // Every objection; empty when it would be taken.
  virtual std::vector<std::string> dry_run(const ProviderCall& call) = 0;
};

// The type of provider that is one.
inline constexpr std::string_view kLocalAuthority = "local-ca";
// One of the CRLs of such a CA: the complete one, or a shard.
struct CrlPlace {
  std::string shard;                                          // "3"; "" for the complete one
  std::filesystem::path file;                                 // where it is published
  std::string url;                                            // where others fetch it; "" where that is not known
  enum class ReadBack { yes, no } read_back = ReadBack::yes;  // whether that URL is looked at
  // Whose certificates it is about. Of a CA of CAs alone nobody looks for another one in it (onlyContainsCACerts).
  enum class Scope { all, authorities } scope = Scope::all;
  std::string put = {};         // https://…, where it is put once it is in its file; "" for nowhere
  std::size_t most_octets = 0;  // of it before its signature, where a service signs it; 0: nobody counts

  // PublishedCrl::distribution_point.
  std::string distribution_point() const { return shard.empty() ? std::string() : url; }
};
struct PlacedCrl {
  CrlPlace place;
  std::optional<PublishedCrl> last;
  bool overdue = false;      // nobody has one that is valid now
  std::string due;           // why the next one is wanted now; "" where it is not
  std::string not_put = {};  // "CRL number 7 is not at https://… yet", as far as the store knows; "" else
};
inline std::string why_not_put(const CrlPlace& place, const std::optional<PublishedCrl>& last,
                               std::uint64_t number_put) {
  if (place.put.empty() || !last || last->sha256 == kLostCrl || last->number == number_put) return "";
  return "CRL number " + std::to_string(last->number) + " is not at " + place.put + " yet";
}
// How it stands with the CRLs of such a CA.
struct CrlStanding {
  std::optional<Bytes> certificate;
  std::vector<PlacedCrl> crls;        // none: it publishes none
  Duration crl_life{};                // how long each is valid
  std::optional<Duration> crl_every;  // its schedule; nothing: they are published by hand alone
  // Why none is published as the configuration has it: a revocation would be on no CRL. With its hint.
  std::optional<Error> obstacle;
};
// A CA whose key this bridge uses itself, as it is now.
struct AuthorityView : CrlStanding {
  std::filesystem::path file;  // of its certificate
  std::vector<Bytes> chain;
  std::string token, key;                 // names in the configuration, and what selects the key
  std::string key_provider;               // the service that keeps the key, a provider; then there is no token
  std::vector<std::string> accept;        // flaws that the key may have
  std::optional<x509::KeySpec> root_key;  // of a root: the kind of its key
  // And the subject that it gives itself.
  std::optional<x509::Name> root_subject;
  std::optional<std::filesystem::path> serial_log;  // where it writes down what it signs
  std::vector<std::string> profiles;
  std::uint64_t serials_taken = 0;
  std::size_t revoked = 0;             // certificates that have not ended and are on its next CRL
  std::vector<std::string> obstacles;  // why it cannot issue now; empty: it can
};

// A CRL that was published.
struct MadeCrl {
  PublishedCrl crl;
  std::size_t entries = 0;
  CrlPlace place;
  // thisUpdate of the one before, where that is later: it was signed while the clock was ahead.
  std::optional<Instant> after_future = {};
};

// The key of a CA of this bridge.
struct AuthorityKey {
  std::string token, key, provider;   // as in AuthorityView: token, key, key_provider
  std::optional<SpkiHash> certified;  // in its certificate; nothing where none is there, or it cannot be read
};

// Certifies with a key of ours, in a token or at a service.
class CertificateAuthority {
 public:
  virtual ~CertificateAuthority() = default;
  // Asks no token, and throws nothing.
  virtual AuthorityKey key() const = 0;
  virtual AuthorityView view() = 0;
  // The complete CRL first. Asks neither token nor store.
  virtual std::vector<CrlPlace> crl_places() const = 0;
  // The part of it that a schedule asks again and again. Throws not_found for a CA that has no certificate yet.
  virtual CrlStanding crl_standing() = 0;
  virtual CrlStanding crl_standing(Revocations& book, SerialNumbers& serials) = 0;  // by these, not by its own store
  // The certificate (DER) that its own key, the one of this SubjectPublicKeyInfo, signs of itself: of a root. A serial
  // number is taken, the bytes are linted, and one signature is made. Throws invalid_input where it is not described.
  virtual Bytes certify_itself(ByteView spki, Instant now) = 0;
  // What a certificate is asked to say that cross-signs the CA of `existing` (DER), by the profile for requests of that
  // name. Throws refused with every reason why this CA does not cross-sign it.
  virtual x509::Content cross_content(const std::string& request_profile, ByteView existing, Instant now) = 0;
  // Signs the CRL of that shard, or with "" the complete one, under the next number and puts it in its file in one step,
  // where nobody has put a newer one, and reads it back. Throws invalid_input where none is configured, conflict for a
  // file that holds something else or a newer CRL and where a revocation would be on no CRL, refused for a CA that may
  // not sign CRLs, unavailable. Not for a key at a service: its CRL is a request (Kind::issue_crl), drafted and
  // submitted as every other.
  virtual MadeCrl publish_crl(const std::string& shard, Instant now) = 0;
  // The same of one that is due (PlacedCrl::due). Nothing where it is not any more: another process has published it.
  virtual std::optional<MadeCrl> publish_due_crl(const std::string& shard, Instant now) = 0;
  // The same after one whose thisUpdate has not come, which publish_crl refuses with conflict: it was signed while the
  // clock was ahead, and a person knows that the clock is right now. Nothing where the last one is not of the future.
  virtual std::optional<MadeCrl> publish_crl_after_future(const std::string& shard, Instant now) = 0;
  // Before a number is taken each of these, and put_crl, looks at the URL of the CRL where that is read back. Throws
  // conflict where it gives a CRL of this CA that is newer than `last`, the last one that is known, or another one with
  // a number that was given to it: the store, or the whole machine, is an older copy of itself, or another program
  // publishes there. A server that does not answer, and whatever is not a CRL of this CA, hold nothing up.
  virtual void expect_newest(const std::string& shard, const std::optional<PublishedCrl>& last) = 0;
  // The end of such a request: its frozen bytes with the signature that came back, verified and put in their file in the
  // same way. Repeatable: what is there is not done again. Throws corrupt where no CRL can be made of it, and what
  // publish_crl throws.
  virtual MadeCrl publish_signed(const ProviderCall& call, const IssuedResult& signature) = 0;
  // Puts the last CRL, as it is in its file, where CrlPlace::put says, in the place of one that this CA published before
  // or of none, and reads it back. Signs nothing, and may be repeated: what is there is not put again. Throws conflict for
  // what is somebody else's, or was put there meanwhile; refused for a server that cannot compare and swap; denied,
  // unavailable, corrupt; invalid_input where it is put nowhere.
  virtual MadeCrl put_crl(const std::string& shard, Duration limit) = 0;
};

// Approves and rejects there, as the user whose credentials the provider was configured with.
class ApprovalAuthority {
 public:
  virtual ~ApprovalAuthority() = default;
  enum class Decision { approve, reject };
  // What is awaited of whom for this reference: for showing it before anything is decided. `csr` (DER) of a request of
  // ours, else empty: what stands there must be a request for it. Throws corrupt when it is for another one.
  virtual Report standing(const ProviderReference& reference, ByteView csr, Duration limit) = 0;
  // Irrevocable there. Throws outcome_unknown when no complete answer came.
  virtual void decide(const ProviderReference& reference, Decision decision, const std::string& reason,
                      Duration limit) = 0;
};

}  // namespace hsmbridge::workflow
