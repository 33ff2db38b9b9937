#pragma once

#include "base/bytes.h"
#include "base/clock.h"
#include "workflow/machine/lifecycle.h"
#include "workflow/machine/order.h"

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

namespace hsmbridge::workflow {

// The certificate that a Verified or VerificationFailed event brings into the records.
struct CertificateRecord {
  std::string fingerprint;  // SHA-256 of the DER, hex
  Bytes der;
  std::vector<Bytes> chain;
  RequestId request;
  SpkiHash spki;
  std::string subject, issuer, serial;  // for lists
  Instant not_before{}, not_after{};
  std::string status;  // a word of lifecycle.h's `status`
  Instant stored_at{};
  // What its provider knows it by, for renewing and revoking it: of the submission that brought it.
  ProviderReference reference{};         // empty when unknown
  std::string provider_state{};          // "" for none
  std::string predecessor{};             // the certificate that it renews, SHA-256, hex; "" for none
  std::vector<std::string> installed{};  // names of the targets where it was put; written by the store alone
};

// Which certificates; every condition that is set must hold.
struct CertificateQuery {
  std::string prefix;                  // of the fingerprint
  std::vector<std::string> statuses;   // one of these; empty: any
  std::optional<std::string> profile;  // with one status only
  std::optional<RequestId> request;
  std::optional<SpkiHash> spki;
  std::optional<Instant> ends_by;  // its end is then or before
  // At most this part of its life is left at `now`.
  struct LifeLeft {
    unsigned percent = 0;
    Instant now{};
  };
  std::optional<LifeLeft> life_left;  // with one status and a profile only
  bool without_request = false;       // no open request is about it; with one status and a profile only
  // Those behind this one (SHA-256, hex; the store must know it); with one status and a profile only.
  std::optional<std::string> after = std::nullopt;
  unsigned most = 1'000'000;
};

// A certificate as lists show it.
struct CertificateLine {
  CertificateRecord record;  // its DER and chain are not read: both are empty here
  std::string provider, profile;
  std::string names;       // names_of the order that brought it; "" when unknown
  std::string token, key;  // whose key it is for, as RequestLine has it
};

// Which certificates a list shows; every condition that is set must hold.
struct CertificateListQuery {
  std::vector<std::string> statuses;  // one of these; empty: any
  std::optional<std::string> provider, profile;
  std::optional<std::string> name;   // one of the search_names of the order that brought it
  std::optional<Instant> ends_by;    // its end is then or before
  std::optional<Instant> since;      // stored then or later
  std::optional<std::string> after;  // those that a list shows after this one (SHA-256, hex), which the store must know
  unsigned most = 1000;
};

struct KeyRecord {
  std::string token, label, cka_id, spec;
  SpkiHash spki;       // empty while planned
  std::string status;  // a word of lifecycle.h's `status`
  Instant changed_at{};
};

// Which keys; every condition that is set must hold.
// A place in the order of the keys; empty: before all of them.
struct KeyPlace {
  std::string token, cka_id;

  bool operator==(const KeyPlace&) const = default;
};

struct KeyQuery {
  std::optional<SpkiHash> spki;
  std::optional<std::string> token, label;
  std::optional<std::string> cka_id = std::nullopt;  // with its token only
  std::vector<std::string> statuses = {};            // one of these; empty: any. Without other conditions only
};

// The records of certificates and keys, which outlive their requests. Rules of all ports: store.h.
class Records {
 public:
  virtual ~Records() = default;

  virtual std::optional<CertificateRecord> certificate(const std::string& fingerprint) = 0;
  // Newest first; of a profile, and without any condition that names one, those that end first come first. A record
  // that is damaged is logged and left out.
  virtual std::vector<CertificateRecord> certificates(const CertificateQuery& query) = 0;
  std::vector<CertificateRecord> certificates() { return certificates(CertificateQuery{}); }
  // Those that end first come first; with `since` the newest. At most `most`: the cost is that of what it gives, however
  // many certificates there are, unless `since` and `ends_by` are set together. A damaged row is logged and left out.
  // Throws not_found for an `after` that is not in the store.
  virtual std::vector<CertificateLine> page(const CertificateListQuery& query) = 0;
  // How many there are, counted up to `most`.
  virtual std::size_t count(const CertificateListQuery& query) = 0;
  // Those of live statuses (current, superseded, late) that are past their end: SHA-256, hex.
  virtual std::vector<std::string> past_their_end(Instant now) = 0;
  // Expired ones that have not ended by `now`: the clock was wrong when they were marked.
  virtual std::vector<CertificateRecord> not_past_their_end(Instant now) = 0;
  // Whether a certificate that renews this one, or one that renews that, was put at this target.
  virtual bool replaced_at(const std::string& fingerprint, const std::string& target) = 0;
  // Whether a certificate is in the chain of one that was stored, now or before, by its SHA-256 in hex.
  virtual bool is_issuer(const std::string& fingerprint) = 0;
  // A time that has passed by the clock of somebody who wrote here: when the newest request was made, or the last entry of
  // the audit log. The epoch where there is none.
  virtual Instant latest_known() = 0;
  // By token and label.
  virtual std::vector<KeyRecord> keys(const KeyQuery& query) = 0;
  std::vector<KeyRecord> keys() { return keys(KeyQuery{}); }
  // Whether any certificate is for this key.
  virtual bool has_certificate(const SpkiHash& spki) = 0;
  // Active keys that nothing of this profile needs any more: each has certificates, all of them are superseded, revoked
  // or expired, and one of them was replaced by a certificate for another key whose request was completed by
  // `replaced_by` (installed everywhere). Looks at `most` keys at most, those that follow `after` in the order of token
  // and CKA_ID; `after` becomes the last of them, and empty where the end was reached: with a million keys all at once
  // would hold up everything else.
  virtual std::vector<KeyRecord> replaced_keys(const std::string& profile, Instant replaced_by, KeyPlace& after,
                                               std::size_t most) = 0;
  // What time or a person does to records, outside any request: each change that is applied is an audit leaf. Gives how
  // many records changed; writes nothing when none does. Here and in a step: what is to be current again and was
  // renewed meanwhile becomes superseded.
  virtual std::size_t change_records(const std::vector<StatusChange>& changes, const std::string& actor,
                                     Instant at) = 0;
  // A person put the certificate there, outside any request.
  virtual void note_installed(const std::string& fingerprint, const InstallTarget& target, const std::string& actor,
                              Instant at) = 0;

  // The record of a key that is planned, made or destroyed outside any request, with the fact as an audit leaf in one
  // commit.
  virtual void record_key(const KeyRecord& key, const std::string& kind, const std::string& json,
                          const std::string& actor, Instant at) = 0;
};

}  // namespace hsmbridge::workflow
