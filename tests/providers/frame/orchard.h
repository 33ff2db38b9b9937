#pragma once

#include "providers/api_client.h"
#include "workflow/ports/provider.h"

// A certificate service that nobody has: what a provider takes beside the frame, and what the frame's tests are made
// with. POST /orders {csr, tag} makes an order, GET /orders?tag= and /orders/{id} tell of it, and
// GET /orders/{id}/certificate brings PEM. A refusal is {"fault": WORD, "text": TEXT}.
namespace hsmbridge::orchard {

const providers::Dialect& dialect();

class Orchard final : public workflow::Provider {
 public:
  Orchard(std::shared_ptr<net::Transport> transport, providers::Source token, const Clock& clock);

  std::string_view type() const override { return "orchard"; }
  workflow::Capabilities capabilities() const override { return {.complete_look_up = true}; }
  workflow::ProviderDraft draft(const workflow::Order&, ByteView, Instant) override { return {}; }
  std::vector<std::string> check(const workflow::ProviderCall&) override { return {}; }
  workflow::SubmitAnswer submit(const workflow::ProviderCall& call) override;
  workflow::LookUpAnswer look_up(const workflow::ProviderCall& call) override;
  workflow::Report poll(const workflow::ProviderCall& call) override;
  workflow::Report retrieve(const workflow::ProviderCall& call) override;
  workflow::CancelAnswer cancel(const workflow::ProviderCall&) override;
  workflow::Issued certificate_in(const workflow::ProviderCall& call,
                                  const workflow::IssuedResult& result) const override;
  void confirm(const workflow::ProviderCall&, const workflow::Issued&) override {}
  std::vector<std::string> test() override;

 private:
  providers::ApiClient api_;
};

}  // namespace hsmbridge::orchard
