#pragma once

#include "approval/policy.h"
#include "base/clock.h"
#include "ca/path.h"
#include "providers/cached.h"
#include "providers/key_service.h"
#include "providers/securosys/client.h"
#include "providers/securosys/progress.h"
#include "providers/securosys/settings.h"
#include "providers/securosys/task_walk.h"
#include "providers/securosys/timestamp_prover.h"
#include "workflow/ports/provider.h"
#include "x509/objects/certificate.h"
#include "x509/objects/signer.h"

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace hsmbridge::securosys {

// Keys in tokens that this provider was configured with; `tools` opens them. Each may be null where it is not
// configured. Used by one thread at a time (this provider sees to it).
struct Keys {
  std::shared_ptr<x509::Signer> application;  // settings.application_key
  std::shared_ptr<x509::Signer> task_reader;  // settings.task_reader->key
  std::vector<SpkiHash> people;               // of everybody in the configuration: the task reader must be none of them
  std::vector<std::string> unread_people;     // whose key could not be read: "bob: FILE: why"
};

// The trust anchors (DER) that an order's profile names: what is signed must verify up to one of them. Empty: unknown.
using AnchorsOf = std::function<std::vector<Bytes>(const workflow::Order&)>;

// The certificates (DER) of the CAs of this bridge. Empty: there are none.
using Authorities = std::function<std::vector<Bytes>()>;

// What a TSB can do in this mode, with everything configured that it can be given.
workflow::Capabilities capabilities_of(Mode mode);

// How long what was read from the server is taken for current.
inline constexpr Duration kLearntAge = std::chrono::minutes{10};

// Securosys TSB as a certificate provider. A request's reference is its signRequestId; provider_state pins the approval
// policy as it was when the request was submitted ({"policy": …}), so that progress is told against it even when the
// key's policy changes later, and says since when a result is owed ("result_owed_since"). In mode given_bytes it is the
// service that keeps a CA's key.
class SecurosysProvider final : public providers::KeyService {
 public:
  // The clock must outlive the provider. Reads the files named in the settings: throws what reading them throws.
  SecurosysProvider(Settings settings, std::shared_ptr<Client> client, Keys keys, const Clock& clock,
                    config::Prompter prompter = {}, AnchorsOf anchors = {}, Authorities authorities = {});

  std::string_view type() const override { return "securosys-tsb"; }
  workflow::Capabilities capabilities() const override;
  workflow::ProviderDraft draft(const workflow::Order& order, ByteView csr, Instant now) override;
  std::vector<std::string> check(const workflow::ProviderCall& call) override;
  workflow::SubmitAnswer submit(const workflow::ProviderCall& call) override;
  // Found or CannotTell, never Absent: a task disappears once its approver has decided.
  workflow::LookUpAnswer look_up(const workflow::ProviderCall& call) override;
  workflow::Report poll(const workflow::ProviderCall& call) override;
  workflow::Report retrieve(const workflow::ProviderCall& call) override;
  workflow::CancelAnswer cancel(const workflow::ProviderCall& call) override;
  std::vector<Bytes> issuers() const override { return chain_; }
  workflow::Issued certificate_in(const workflow::ProviderCall& call,
                                  const workflow::IssuedResult& result) const override;
  std::vector<Bytes> issuers_for(const workflow::ProviderCall& call, const workflow::Issued& issued) override;
  void confirm(const workflow::ProviderCall& call, const workflow::Issued& issued) override;
  std::vector<std::string> test() override;
  std::optional<Bytes> public_key(Duration limit) override;
  std::size_t most_octets() const override;

 private:
  // What was learnt from the server, and when.
  enum class Freshness { recent, now };
  x509::Certificate issuer(Duration limit, Freshness freshness);
  Generation generation(Duration limit);
  std::optional<KeyAttributes> attributes(Duration limit);
  std::optional<approval::Policy> policy(Duration limit);
  std::vector<std::string> signing_key_objections(Duration limit);
  std::vector<std::string> request_signature_objections() const;
  std::vector<std::string> check_given_bytes(const workflow::ProviderCall& call);
  // Of mode certificate. Throws outdated_draft where something else would be sent with the CSR than the draft fixes.
  void expect_as_drafted(const workflow::Draft& draft) const;
  void expect_place_as_drafted(const workflow::Draft& draft) const;  // of bytes that the TSB signs
  std::vector<std::string> judge_raw(const workflow::ProviderCall& call, const x509::Certificate& now,
                                     bool waits) const;
  void test_issuer(std::vector<std::string>& learnt);
  ca::Path path_above(const x509::Certificate& signs, const workflow::Order& order) const;
  // `reasons`, with the others where there are any; else throws unavailable where `waits_for` names something.
  std::vector<std::string> or_wait(std::vector<std::string> reasons, std::vector<std::string> waits_for) const;
  std::optional<x509::Certificate> attached(Duration limit, std::vector<std::string>& reasons);
  std::optional<Bytes> attached_to(const std::string& label, Duration limit);
  std::optional<Bytes> public_key_at(const std::string& label, Duration limit);
  Secret key_password() const;
  void know_key_password() const;
  SignedMetaData meta_data(const workflow::ProviderCall& call);
  Secret body(const workflow::ProviderCall& call);
  workflow::Report status(const workflow::ProviderCall& call);
  RequestAnswer ask(const workflow::ProviderCall& call, std::optional<workflow::Report>& lost);
  std::optional<workflow::Report> lost_result(const Error& fault, std::string_view body) const;
  void note_missing_result(workflow::Report& report, const workflow::ProviderCall& call,
                           const std::string& since) const;
  workflow::Progress progress_without_asking(const SignRequestStatus& now,
                                             const workflow::Submission& submission) const;
  workflow::IssuedResult result_of(const std::string& result, std::string body) const;
  std::string reader_objection(Duration limit);
  struct Search {
    std::optional<Task> task;
    Extent extent;
  };
  workflow::LookUpAnswer search(const workflow::ProviderCall& call, Duration end);
  Search find_task(const workflow::ProviderCall& call, Duration end);
  std::unique_lock<std::timed_mutex> reader_turn(Duration limit);
  bool may_be_ours(const Task& task, const workflow::ProviderCall& call) const;
  bool is_ours(const Task& task, const workflow::ProviderCall& call) const;

  const Settings settings_;
  const std::shared_ptr<Client> client_;
  const Keys keys_;
  const Clock& clock_;
  const config::Prompter prompter_;
  const AnchorsOf anchors_;
  const Authorities authorities_;
  std::optional<Bytes> issuer_file_;
  std::vector<Bytes> chain_;

  providers::Cached<x509::Certificate> issuer_;
  providers::Cached<Generation> generation_;
  providers::Cached<KeyAttributes> attributes_;
  providers::Cached<x509::Certificate> attached_;  // and found to be of the configured issuer
  std::mutex application_mutex_;                   // held while the application key signs
  std::timed_mutex reader_mutex_;                  // held while the task reader works, which may be a whole look-up
  std::optional<TimestampProver> reader_;
};

// What provider_state holds.
struct Pinned {
  std::optional<approval::Policy> policy;
  std::optional<Instant> result_owed_since;
};
// Throws corrupt. "" is a request that has none.
Pinned pinned_from(const std::string& provider_state);
std::string state_of(const Pinned& pinned);

// An answer with a result that is about something else, or does not say what it is about, or that cannot be read: kept
// as it came, its first 256 KiB at most, and no certificate is made of it.
workflow::IssuedResult unreadable_result(std::string_view body);

}  // namespace hsmbridge::securosys
