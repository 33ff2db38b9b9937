#pragma once

#include "base/clock.h"
#include "base/error.h"
#include "providers/cached.h"
#include "providers/venafi/client.h"
#include "providers/venafi/policy.h"
#include "providers/venafi/progress.h"
#include "providers/venafi/settings.h"
#include "workflow/ports/provider.h"

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace hsmbridge::venafi {

// The name of its type; and the one under which the service is sold today, CyberArk Certificate Manager, SaaS.
constexpr std::string_view kType = "venafi-tls-protect-cloud";
constexpr std::string_view kTypeToday = "cyberark-certificate-manager";

// What the service can do; no setting changes it.
workflow::Capabilities declared_capabilities();

// The service has no such application or issuing template.
struct ZoneUnknown : Error {
  explicit ZoneUnknown(Error error) : Error(std::move(error)) {}
};

// Venafi TLS Protect Cloud (CyberArk Certificate Manager, SaaS) as a certificate provider. A request's reference is its
// certificate request id, a revocation's the certificate's fingerprint. provider_state: see state.h.
class VenafiProvider final : public workflow::Provider,
                             public workflow::PolicySource,
                             public workflow::DryRun,
                             public workflow::ApprovalAuthority {
 public:
  // The clock must outlive the provider.
  VenafiProvider(Settings settings, std::shared_ptr<Client> client, const Clock& clock);

  std::string_view type() const override { return kType; }
  workflow::Capabilities capabilities() const override;
  workflow::ProviderDraft draft(const workflow::Order& order, ByteView csr, Instant now) override;
  std::vector<std::string> check(const workflow::ProviderCall& call) override;
  workflow::SubmitAnswer submit(const workflow::ProviderCall& call) override;
  workflow::LookUpAnswer look_up(const workflow::ProviderCall& call) override;
  workflow::Report poll(const workflow::ProviderCall& call) override;
  workflow::Report retrieve(const workflow::ProviderCall& call) override;
  // Never possible: the service has no call for it.
  workflow::CancelAnswer cancel(const workflow::ProviderCall& call) override;
  workflow::Issued certificate_in(const workflow::ProviderCall& call,
                                  const workflow::IssuedResult& result) const override;
  std::vector<Bytes> issuers_for(const workflow::ProviderCall& call, const workflow::Issued& issued) override;
  // Nothing is wanted: what the service issued is in its inventory.
  void confirm(const workflow::ProviderCall&, const workflow::Issued&) override {}
  std::vector<std::string> test() override;
  std::optional<Duration> server_ahead() const override { return client_->server_ahead(); }

  workflow::Facts policy(Duration limit) override;
  std::vector<std::string> dry_run(const workflow::ProviderCall& call) override;
  workflow::Report standing(const ProviderReference& reference, ByteView csr, Duration limit) override;
  void decide(const ProviderReference& reference, Decision decision, const std::string& reason,
              Duration limit) override;

 private:
  // The zone, resolved.
  struct Place {
    std::string application;  // its id; "" on a service without applications
    std::string issuing_template;
    Template rules;
  };
  // Throws ZoneUnknown when the service itself says that there is none.
  Place place(Duration limit);
  Place find_place(Duration limit);
  Duration validity_of(const x509::RequestedContent& ask) const;
  // As it is sent; "" for none.
  std::string validity_text(const workflow::Order& order) const;
  // What goes with a CSR that is neither the order's nor the attempt's.
  State beside_csr(const workflow::Order& order, const Place& place) const;
  // Both throw outdated_draft where the draft fixes something else than would be sent now: approvals were for that. The
  // first asks nobody.
  void expect_drafted_zone(const State& drafted) const;
  void expect_as_drafted(const State& drafted, const workflow::Order& order, const Place& place) const;
  // What the order itself says of it; asks nobody. An error of it is the order's, for good.
  NewRequest request_of(const workflow::ProviderCall& call) const;
  NewRequest new_request(const workflow::ProviderCall& call, const Place& place);
  // "" when the service does not know what is to be replaced.
  std::string existing_certificate(const workflow::Predecessor& predecessor, Duration limit);
  void check_renewal(const workflow::ProviderCall& call, std::vector<std::string>& reasons);
  // Its record. Who may order need not be somebody who may read the inventory.
  struct InInventory {
    bool readable = true;
    std::optional<CertificateDetails> details;  // nothing: unknown there
  };
  InInventory in_inventory(const std::string& certificate, Duration limit);

  workflow::Report status(const workflow::ProviderCall& call);
  void add_approvals(const std::string& id, workflow::Report& report, Duration limit);
  workflow::Report not_there_yet(const workflow::ProviderCall& call, workflow::Report report, State state,
                                 const std::string& why) const;

  workflow::SubmitAnswer submit_revocation(const workflow::ProviderCall& call);
  workflow::LookUpAnswer look_up_revocation(const workflow::ProviderCall& call);
  workflow::Report revocation(const workflow::Order& order, Duration limit);

  const Settings settings_;
  const std::shared_ptr<Client> client_;
  const Clock& clock_;

  providers::Cached<Place> place_;
};

}  // namespace hsmbridge::venafi
