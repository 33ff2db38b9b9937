#pragma once

#include "base/clock.h"
#include "base/json.h"
#include "ca/crl.h"
#include "ca/examine.h"
#include "ca/lint.h"
#include "ca/linters/linter.h"
#include "ca/path.h"
#include "net/http_client.h"
#include "providers/key_service.h"
#include "providers/local/crl_put.h"
#include "providers/local/serial_log.h"
#include "providers/local/settings.h"
#include "workflow/ports/key_use.h"
#include "workflow/ports/provider.h"
#include "workflow/ports/revocations.h"
#include "workflow/ports/serial_numbers.h"
#include "x509/objects/certificate.h"
#include "x509/objects/signer.h"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

// A CA of this bridge as a certificate provider: the key is in a token of ours, and nobody else is asked. Or a service
// keeps the key (Dependencies::service) and signs what was frozen here, under its own approvals and in its own time.
//
//   draft      issuer and profile examined, a serial number taken, the TBSCertificate built and linted
//   check      the same judgement again, of the draft and of what the configuration says now
//   submit     linted once more, and signed: one C_Sign by the one door for keys
//   look_up    a signature that nobody stored is nowhere: the same frozen bytes are signed again
//
// With a key at a service submit hands the very bytes to it, once an attempt, and look_up, poll, retrieve and cancel are
// the service's (key_at_service.cpp). Its CRLs are requests of their own, with the same stations.
//
// A revocation is written down in the store, and is on the next CRL. CRLs are in crls.cpp, and what is looked at before
// one is signed in crl_url.cpp.
//
// A signature leaves this process with the commit that stores it or not at all, so that an attempt without a stored
// answer made no certificate.
// Not checked here: who approved.
namespace hsmbridge::local {

// Opens the CA's key for one certificate or CRL. The key must be `spki`'s; `facts` go into the leaves of that use. Opening and
// signing take `limit` each at most: opening throws unavailable past it, and signing outcome_unknown.
using OpenKey = std::function<std::unique_ptr<x509::Signer>(workflow::Purpose purpose, const SpkiHash& spki,
                                                            const Json& facts, Duration limit)>;

// What the CA needs of this process. Each may be called from any thread.
struct Dependencies {
  OpenKey open;
  std::function<workflow::SerialNumbers&()> serials;                  // the store's, lent to the thread that asks
  std::function<workflow::Revocations&()> revocations;                // likewise
  std::function<std::vector<Bytes>(const workflow::Order&)> anchors;  // of the order's profile, DER
  // How the records call a key that must not sign any more: "compromised"; "" for any other.
  std::function<std::string(const SpkiHash& key)> spent = {};
  // Why the CA may not sign (Takeovers::suspended).
  std::function<std::optional<std::string>(const std::string& issuer)> suspended = {};
  // Whether a certificate of that number is known that this store did not make (Takeovers::certified_elsewhere).
  std::function<bool(const std::string& issuer, const std::string& serial)> signed_elsewhere = {};
  // Keeps the key, where it is in no token (Settings::key_service): then `open` is not used.
  std::shared_ptr<providers::KeyService> service = {};
  workflow::RecordFact record = {};  // what is handed to the service is written down before
  std::shared_ptr<CrlPut> put = {};  // where Settings::Crl::put is
  // The certificates (DER) of all CAs of this bridge, as far as they have one.
  std::function<std::vector<Bytes>()> authorities = {};
  net::FetchPublic fetch = {};  // reads the URLs of CRLs; empty: they are not looked at
};

workflow::Capabilities declared_capabilities();
// The same of a CA whose key a service keeps that can do this.
workflow::Capabilities with_key_at(const workflow::Capabilities& service);

class LocalProvider final : public workflow::Provider, public workflow::CertificateAuthority {
 public:
  // The clock must outlive the provider. Reads no file: a CA's certificate may come later.
  LocalProvider(Settings settings, Dependencies dependencies, const Clock& clock);

  std::string_view type() const override { return workflow::kLocalAuthority; }
  workflow::Capabilities capabilities() const override;
  workflow::ProviderDraft draft(const workflow::Order& order, ByteView csr, Instant now) override;
  workflow::ProviderDraft trial_draft(const workflow::Order& order, ByteView csr, Instant now) override;
  std::vector<std::string> check(const workflow::ProviderCall& call) override;
  workflow::SubmitAnswer submit(const workflow::ProviderCall& call) override;
  workflow::LookUpAnswer look_up(const workflow::ProviderCall& call) override;
  workflow::Report poll(const workflow::ProviderCall& call) override;
  workflow::Report retrieve(const workflow::ProviderCall& call) override;
  workflow::CancelAnswer cancel(const workflow::ProviderCall& call) override;
  workflow::Issued certificate_in(const workflow::ProviderCall& call,
                                  const workflow::IssuedResult& result) const override;
  std::vector<Bytes> issuers() const override;
  void confirm(const workflow::ProviderCall& call, const workflow::Issued& issued) override;
  std::vector<std::string> test() override;

  workflow::AuthorityKey key() const override;
  workflow::AuthorityView view() override;
  std::vector<workflow::CrlPlace> crl_places() const override;
  workflow::CrlStanding crl_standing() override;
  workflow::CrlStanding crl_standing(workflow::Revocations& book, workflow::SerialNumbers& serials) override;
  Bytes certify_itself(ByteView spki, Instant now) override;
  x509::Content cross_content(const std::string& request_profile, ByteView existing, Instant now) override;
  workflow::MadeCrl publish_crl(const std::string& shard, Instant now) override;
  std::optional<workflow::MadeCrl> publish_due_crl(const std::string& shard, Instant now) override;
  std::optional<workflow::MadeCrl> publish_crl_after_future(const std::string& shard, Instant now) override;
  void expect_newest(const std::string& shard, const std::optional<workflow::PublishedCrl>& last) override;
  workflow::MadeCrl publish_signed(const workflow::ProviderCall& call,
                                   const workflow::IssuedResult& signature) override;
  workflow::MadeCrl put_crl(const std::string& shard, Duration limit) override;

 private:
  x509::Certificate certificate() const;
  std::vector<Bytes> chain() const;
  ca::Path path_above(const x509::Certificate& issuer, const workflow::Order& order) const;
  // ca::unfitness, what was revoked or recorded here of the CAs, and whether this one is suspended.
  std::vector<ca::Unfitness> unfitness(const ca::Path& path, Instant now) const;
  std::vector<ca::Unfitness> unfitness_of_path(const ca::Path& path, Instant now) const;  // its suspension left out
  // The CAs of this bridge.
  std::vector<x509::Certificate> authorities() const;
  const ca::Profile& profile_of(const std::string& request_profile) const;
  // Why the CA of that certificate is not cross-signed: ca::against_cross_signing, and what was revoked or recorded
  // here of it.
  std::vector<std::string> against_cross_signing(const x509::Certificate& existing, const x509::Certificate& issuer,
                                                 Instant now) const;
  std::vector<ca::LintFinding> findings(ByteView to_be_signed, const ca::Profile& profile, Instant now);
  // What the other linters find that read such a thing; throws what they throw.
  void ask_linters(ca::Artefact artefact, ByteView to_be_signed, std::vector<ca::LintFinding>& found);
  // All who lint it: name, version and configuration.
  std::string linted_by(ca::Artefact artefact);
  // nobodys: like one that is taken, and neither the store nor a shard hears of it.
  enum class Number { taken, nobodys };
  workflow::ProviderDraft drafted(const workflow::Order& order, ByteView csr, Instant now, Number number);
  // `ends`: the certificate does, at the latest; nothing for a root's own.
  Bytes take_serial(const x509::Name& issuer, const std::string& request, Instant now, std::optional<Instant> ends);
  // Null where there are none.
  const workflow::CrlPlace* shard_of(ByteView serial) const;
  // The profile with the CRL that a certificate of this number names.
  ca::Profile rules_for(const workflow::Order& order, ByteView serial) const;
  // RevokedSerial::distribution_point.
  std::string shard_named_by(const x509::Certificate& certificate) const;
  // Throws refused for a CA of which the store does not know everything.
  void expect_not_suspended(const x509::Name& issuer) const;
  // Into its serial log, where it has one. Throws what SerialLog::append throws.
  void log_serial(const x509::TbsCertificate& tbs);
  // Throws an outdated draft.
  void expect_number_unused(const x509::TbsCertificate& tbs) const;
  std::string remedy() const;
  // What speaks against signing this draft, as far as this CA can tell without asking the service that keeps its key.
  std::vector<std::string> judge(const workflow::ProviderCall& call);
  std::vector<std::string> judge_crl(const workflow::ProviderCall& call);
  workflow::SubmitAnswer submit_to_service(const workflow::ProviderCall& call);
  std::vector<std::string> check_with_service(const workflow::ProviderCall& call);
  std::string key_place() const;  // "key issuing-2026 at provider tsb"
  workflow::Report with_key_place(workflow::Report report) const;
  void expect_key_at_service(const x509::Certificate& issuer, Duration limit);
  workflow::ProviderDraft draft_crl(const workflow::Order& order, Instant now);
  std::vector<std::string> revocation_objections(const workflow::Predecessor& predecessor) const;
  workflow::SubmitAnswer revoke(const workflow::ProviderCall& call, const workflow::Revoke& revocation);
  workflow::LookUpAnswer look_revocation_up(const workflow::ProviderCall& call, const workflow::Revoke& revocation);
  // Why it is published.
  enum class Wanted { anyway, where_due, after_future };
  std::optional<workflow::MadeCrl> publish(const std::string& shard, Instant now, Wanted wanted);
  void expect_newest(const workflow::CrlPlace& place, const x509::Certificate& issuer,
                     const std::optional<workflow::PublishedCrl>& last);
  void expect_newest_at_url(const workflow::CrlPlace& place, const x509::Certificate& issuer,
                            const std::optional<workflow::PublishedCrl>& last);
  void expect_not_newer(const Bytes& there, const std::string& url, const workflow::CrlPlace& place,
                        const x509::Certificate& issuer, const std::optional<workflow::PublishedCrl>& last);
  // What the URL of that CRL gives, and what is where it is put; nothing where nothing is looked at or can be read there.
  std::optional<Bytes> fetched_crl(const workflow::CrlPlace& place);
  std::optional<Bytes> put_before(const workflow::CrlPlace& place);
  void tell_unknown(const std::string& url, const std::string& why) const;
  [[noreturn]] void refuse_elsewhere(const std::string& found) const;
  // Of a CA that has issued nothing here: throws conflict where a CRL of it is out that somebody else has published.
  void expect_begun_here(const x509::Certificate& issuer);
  // Throws what speaks against any CRL of the CA there.
  void expect_to_publish(const workflow::CrlPlace& place, const x509::Certificate& issuer, Instant now) const;
  // Throws conflict where a CRL about CAs alone would leave a certificate out. Nothing is asked of one about all.
  void expect_scope_to_fit(const workflow::CrlPlace& place, const x509::Certificate& issuer,
                           workflow::Revocations& book, workflow::SerialNumbers& serials, Instant now) const;
  // The CRL that a process signed and put in its place, and died before it wrote that down: it is written down now.
  // Nothing where there is none, or where the next one has more to say.
  std::optional<workflow::MadeCrl> left_in_place(const workflow::CrlPlace& place, const x509::Certificate& issuer,
                                                 Instant now);
  // Throws invalid_input where there is none.
  workflow::CrlPlace place_of(const std::string& shard) const;
  // PlacedCrl::due.
  std::string crl_due(const workflow::PlacedCrl& crl, const x509::Certificate& issuer, workflow::Revocations& book,
                      Instant now);
  struct NextCrl {
    workflow::CrlPlace place;
    ca::CrlFields fields;
    Bytes to_be_signed;
    std::optional<Instant> after_future = {};  // MadeCrl
  };
  // Under a number that is taken for good. `after_future`: the latest thisUpdate that the one before may have, where it
  // may have one that has not come.
  NextCrl next_crl(const workflow::CrlPlace& place, const x509::Certificate& issuer, Instant now,
                   const std::optional<Instant>& after_future);
  // Whatever its number will be. Throws refused.
  void expect_to_fit(const NextCrl& next, const x509::Certificate& issuer) const;
  // By every linter that is configured; throws what refuse_errors throws.
  void lint_next(const NextCrl& next, Instant now);
  Bytes sign_crl(const NextCrl& next, const x509::Certificate& issuer, Instant now);
  // In its place, read back, and in the store.
  void put_in_place(const std::string& issuer, const workflow::MadeCrl& made, const Bytes& der);

  const Settings settings_;
  const Dependencies dependencies_;
  const Clock& clock_;
  std::atomic<bool> is_begun_{false};                       // it has numbered certificates: that never changes
  const std::vector<std::unique_ptr<ca::Linter>> linters_;  // beside the one that is built in
  std::optional<SerialLog> serial_log_;
  std::mutex mutex_;             // of what is below
  Duration put_silent_until_{};  // likewise, who takes them
  Duration silent_until_{};  // by Clock::since_boot: who serves the CRLs did not answer, and is not asked again before
  // The last CRL of each place, when it was compared with what is revoked: how many are not on it.
  struct Compared {
    std::uint64_t number = 0;
    std::size_t revoked = 0;
    std::size_t missing = 0;
  };
  std::map<std::string, Compared> compared_;  // by distribution point
};

}  // namespace hsmbridge::local
