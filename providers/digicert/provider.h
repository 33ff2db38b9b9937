#pragma once

#include "base/clock.h"
#include "providers/cached.h"
#include "providers/digicert/client.h"
#include "providers/digicert/profile_rules.h"
#include "providers/digicert/settings.h"
#include "workflow/ports/provider.h"
#include "x509/objects/certificate.h"

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hsmbridge::digicert {

// What provider_state keeps: the profile and seat an order is made with, fixed when it is drafted, since a pick-up and
// a search after a lost answer need them even after the configuration has changed; in a draft also what else will be
// asked beside the CSR, so that approvals are for that too; and the serial number once it is known.
struct Pinned {
  std::string profile;
  std::string seat;
  std::string serial;
  // Whether the profile issued at once when the order was drafted. False where that could not be read.
  bool issued_at_once = false;
  // Since when a certificate that was issued is not to be had by its number.
  std::optional<Instant> missing_since = std::nullopt;
  // WhoAmI::account of who drafted it: only under that account does a search that finds nothing prove anything. ""
  // where the service did not tell.
  std::string account = {};
  // Of a draft: validity_text of what is asked; "" in those of earlier versions, which fix neither this nor the tags.
  std::string validity = {};
  std::vector<std::string> tags = {};
};
std::string to_text(const Pinned& pinned);
// Empty fields for "". Throws corrupt.
Pinned pinned_from(const std::string& provider_state);
// The certificate's serial number, in the service's own spelling where that is known.
std::string known_serial(const Pinned& pinned, const x509::Certificate& certificate);

// What a refused attempt told about how to send the next one (ProviderCall::remembered).
struct Remembered {
  std::string usual_form;  // why the usual form was refused: the other one is sent; "" for it was not
  std::string renewal;     // why the renewal was refused: a fresh request is sent; "" for it was not
  unsigned refused = 0;    // so many attempts, the first ones, are known to have left nothing
};
std::string to_text(const Remembered& remembered);
// Empty for "" and for what cannot be read.
Remembered remembered_from(const std::string& text);

// What DigiCert can do with a profile that always issues at once, or that may make a request wait (an approval, a
// connector, or not known yet).
enum class Issues { at_once, later };
workflow::Capabilities capabilities_of(Issues issues);

// DigiCert Trust Lifecycle Manager as a certificate provider. A request's reference is its request_id while it is
// pending; a certificate that was issued at once, or that a person names, is "serial:HEX".
class DigicertProvider final : public workflow::Provider,
                               public workflow::ProfileCatalogue,
                               public workflow::SerialLookUp {
 public:
  // The clock must outlive the provider. Reads the files named in the settings: throws what reading them throws.
  DigicertProvider(Settings settings, std::shared_ptr<Client> client, const Clock& clock);

  std::string_view type() const override { return "digicert-tlm"; }
  workflow::Capabilities capabilities() const override;
  workflow::ProviderDraft draft(const workflow::Order& order, ByteView csr, Instant now) override;
  std::vector<std::string> check(const workflow::ProviderCall& call) override;
  workflow::SubmitAnswer submit(const workflow::ProviderCall& call) override;
  // Found by its public key among the certificates of the seat. Absent only under the account that drafted it and where
  // the profile issues at once and did so when the order was drafted: a pending request cannot be searched for. After
  // an attempt that may have arrived, only where the profile allows duplicates: else the refusal of one may have told
  // of a certificate that the search does not show yet.
  workflow::LookUpAnswer look_up(const workflow::ProviderCall& call) override;
  workflow::Report poll(const workflow::ProviderCall& call) override;
  // A certificate that was issued and is not there is waited for, for an hour: the inventory may be behind.
  workflow::Report retrieve(const workflow::ProviderCall& call) override;
  // There is no such call.
  workflow::CancelAnswer cancel(const workflow::ProviderCall& call) override;
  std::vector<Bytes> issuers() const override;
  workflow::Issued certificate_in(const workflow::ProviderCall& call,
                                  const workflow::IssuedResult& result) const override;
  std::vector<Bytes> issuers_for(const workflow::ProviderCall& call, const workflow::Issued& issued) override;
  void confirm(const workflow::ProviderCall& call, const workflow::Issued& issued) override;
  std::vector<std::string> test() override;
  std::optional<Duration> server_ahead() const override { return client_->server_ahead(); }

  std::vector<Entry> profiles(Duration limit) override;
  workflow::Report find_by_serial(const workflow::ProviderCall& call, const std::string& serial) override;

 private:
  enum class Freshness { any, read_now };
  Profile profile(const std::string& id, Freshness freshness, Duration limit);
  // Throws unavailable while nothing can be ordered under it.
  void expect_usable(const Profile& profile) const;
  // As it was read last, if it was.
  std::optional<Profile> known_profile(const std::string& id) const;
  // Under what and for whom this request is, or was, ordered.
  Pinned pinned_for(const workflow::ProviderCall& call) const;
  // Throws outdated_draft where the draft fixes another validity or other tags than would be sent now. How the answer is
  // to be written (delivery_format, include_ca_chain, request_shape) is nothing that anybody approves.
  void expect_as_drafted(const workflow::ProviderCall& call, const Profile& profile) const;

  // provider_submit.cpp
  CertificateOrder order_for(const workflow::ProviderCall& call, const Pinned& pinned, const Profile& profile) const;
  // Serial number to renew, or why it is to be a fresh request.
  struct RenewalPlan {
    std::string serial;
    std::string thumbprint;  // SHA-256 in hex, sent with every serial number
    std::string why_not;
  };
  workflow::SubmitAnswer renew(const workflow::ProviderCall& call, const CertificateOrder& order,
                               const RenewalPlan& plan, const Profile& profile, const Once& once);
  workflow::SubmitAnswer request(const workflow::ProviderCall& call, const CertificateOrder& order,
                                 const Profile& profile, const std::string& note, const Once& once);
  workflow::Report report_of(Taken taken, const CertificateOrder& order, const Profile& profile,
                             const std::string& note) const;
  RenewalPlan plan_renewal(const workflow::ProviderCall& call, const Pinned& pinned, const Profile& profile) const;

  // provider_find.cpp
  struct Search;
  Search search(const workflow::ProviderCall& call, const SearchFilter& filter, Duration limit);
  workflow::LookUpAnswer look_up_certificate(const workflow::ProviderCall& call);
  std::optional<workflow::Report> found_by_key(const workflow::ProviderCall& call, Duration limit);

  // provider_poll.cpp
  workflow::Report by_serial(const workflow::ProviderCall& call, const std::string& serial, Duration limit);

  // provider_read.cpp
  enum class IssuersIn { formats, profile };
  std::vector<x509::Certificate> issuers_from(IssuersIn where, const std::string& name, Duration limit);

  // provider_revoke.cpp
  std::vector<std::string> check_revocation(const workflow::ProviderCall& call) const;
  workflow::SubmitAnswer revoke(const workflow::ProviderCall& call);
  workflow::LookUpAnswer look_up_revocation(const workflow::ProviderCall& call);
  workflow::Report revocation_standing(const workflow::ProviderCall& call);

  const Settings settings_;
  const std::shared_ptr<Client> client_;
  const Clock& clock_;
  std::vector<x509::Certificate> chain_;

  providers::Cached<Profile> profile_;
  providers::Cached<Shape> shape_;  // which of the two is understood: known once and for all
};

// A certificate as text, with the body that brought it.
workflow::IssuedResult result_of(const std::string& certificate, const std::string& body);
// The last common name of a request, or "".
std::string common_name_of(const x509::Content& content);

}  // namespace hsmbridge::digicert
