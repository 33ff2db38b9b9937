#include "service/effects/effect_parts.h"

#include <utility>

namespace hsmbridge::service {

CallParts parts_of(const workflow::Claim& claim) {
  const auto* key = workflow::key_of(claim.record.state);
  const auto* draft = workflow::draft_of(claim.record.state);
  if (key == nullptr || draft == nullptr) {
    throw Error{ErrorKind::internal,
                fmt::format("request {}: {} was asked in {}, which has no draft", claim.record.order.id.str(),
                            to_string(claim.effect.name), to_string(workflow::name_of(claim.record.state)))};
  }
  const auto* submission = workflow::submission_of(claim.record.state);
  return {*key, *draft, submission != nullptr && submission->is_known() ? submission : nullptr};
}

workflow::Draft draft_of(Bytes csr, workflow::ProviderDraft added, Instant now) {
  workflow::Draft draft;
  draft.csr = std::move(csr);
  draft.to_be_signed = std::move(added.to_be_signed);
  draft.algorithm = std::move(added.algorithm);
  draft.issuer = std::move(added.issuer);
  draft.provider_state = std::move(added.provider_state);
  draft.built_at = now;
  return draft;
}

workflow::ProviderCall call_of(Dependencies& world, const workflow::Claim& claim, const CallParts& parts, Instant now,
                               Duration time_limit) {
  const auto attempt = claim.effect.attempt != 0                                       ? claim.effect.attempt
                       : parts.submission != nullptr && parts.submission->attempt != 0 ? parts.submission->attempt
                                                                                       : 1U;
  const auto answers_another = [&world, &order = claim.record.order](ByteView der) {
    const auto known = world.records().certificate(hex(sha256(der)));
    return known.has_value() && known->request != order.id;
  };
  // The provider's clock is this machine's.
  std::optional<Duration> call_until;
  if (claim.call_until) call_until = world.clock().since_boot() + claim.call_until->left();
  const auto* dossier = workflow::dossier_of(claim.record.state);
  return {claim.record.order, parts.key,
          parts.draft,        attempt,
          parts.submission,   now,
          time_limit,         call_until,
          answers_another,    dossier == nullptr ? std::string{} : dossier->remembered};
}

std::shared_ptr<workflow::Provider> provider_of(Dependencies& world, const workflow::Order& order) {
  return lane_usable("provider", order.provider, [&] { return world.provider(order.provider); });
}

}  // namespace hsmbridge::service
