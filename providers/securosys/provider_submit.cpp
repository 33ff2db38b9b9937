#include "base/error.h"
#include "providers/issuing.h"
#include "providers/securosys/certificate_mode.h"
#include "providers/securosys/provider.h"
#include "providers/securosys/signing.h"
#include "x509/objects/csr.h"

#include <fmt/core.h>

#include <utility>

namespace hsmbridge::securosys {

using namespace workflow;

SignedMetaData SecurosysProvider::meta_data(const ProviderCall& call) {
  const Bytes& payload = call.draft.to_be_signed;
  SignedMetaData result;
  result.octets = meta_data_octets({call.draft.summary, payload.empty() ? "" : hex(sha256(payload)),
                                    hex(sha256(call.draft.csr)), call.order.id.str(), call.attempt});
  if (!keys_.application) return result;
  const std::lock_guard lock(application_mutex_);
  result.signature = keys_.application->sign(result.octets, *approver_algorithm(*keys_.application).algorithm);
  return result;
}

Secret SecurosysProvider::body(const ProviderCall& call) {
  std::string name;
  Secret inner;
  if (settings_.mode != Mode::certificate) {
    name = "signRequest";
    inner = inner_text(SignRequest{settings_.sign_key, key_password(), call.draft.to_be_signed,
                                   std::string(algorithm_word(x509::signature_algorithm(call.draft.algorithm).name)),
                                   meta_data(call)});
  } else {
    CertificateSignRequest request = certificate_sign_request(
        generation(call.time_limit / 4), workflow::enrolment_of(call.order).content, x509::parse_csr(call.draft.csr));
    request.key = settings_.sign_key;
    request.key_password = key_password();
    const x509::SignatureAlgorithm& algorithm =
        settings_.algorithm.empty() ? issuing_algorithm(settings_, issuer(call.time_limit / 4, Freshness::recent))
                                    : x509::signature_algorithm(settings_.algorithm);
    request.algorithm = algorithm_word(algorithm.name);
    request.meta_data = meta_data(call);
    name = "signCertificateRequest";
    inner = inner_text(request);
  }
  std::optional<RequestSignature> signature;
  if (settings_.request_signature && keys_.application) {
    const std::lock_guard lock(application_mutex_);
    signature = RequestSignature{
        keys_.application->sign(as_bytes(inner.reveal()), *approver_algorithm(*keys_.application).algorithm),
        keys_.application->subject_public_key_info()};
  }
  return outer_text(name, inner, signature);
}

SubmitAnswer SecurosysProvider::submit(const ProviderCall& call) {
  // Everything before the one POST: whatever fails here, nothing was sent.
  Secret text;
  std::string state;
  std::optional<approval::Policy> pinned;
  const Duration begin = clock_.since_boot();
  try {
    // It was checked, and has waited since: for approvals here, or for the TSB.
    if (settings_.mode == Mode::raw_signature) {
      if (call.draft.to_be_signed.empty()) {
        return NotAccepted{outdated_draft("the TSB was to certify the CSR itself, and is to sign a certificate now"),
                           std::nullopt};
      }
      expect_place_as_drafted(call.draft);
      const auto reasons = judge_raw(call, issuer(call.time_limit / 4, Freshness::recent), false);
      if (!reasons.empty()) {
        return RefusedForGood{
            Error{ErrorKind::refused,
                  providers::lines(fmt::format("provider {} does not have it signed:", settings_.name), reasons)}};
      }
    }
    if (settings_.mode == Mode::certificate) expect_as_drafted(call.draft);
    text = body(call);
    pinned = policy(call.time_limit / 4);
    state = state_of({pinned, std::nullopt});
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::invalid_input || error.kind() == ErrorKind::refused) return RefusedForGood{error};
    return NotAccepted{error, std::nullopt};
  }
  const Duration left = call.time_limit - (clock_.since_boot() - begin);

  Verdict verdict =
      client_->submit(settings_.mode == Mode::certificate ? Client::Creates::certificate : Client::Creates::signature,
                      text.reveal(), left, call.call_until);
  if (auto ended = providers::passed_on(verdict)) return std::move(*ended);

  Taken& taken = std::get<Taken>(verdict);
  Report report;
  report.provider_state = state;
  if (taken.created.request_id.empty()) {
    report.status = RequestStatus::handed_out;
    report.provider_status = "EXECUTED";
    report.message = taken.fault;
    report.result =
        taken.fault.empty() ? result_of(taken.created.result, std::move(taken.body)) : unreadable_result(taken.body);
    return Accepted{std::move(report)};
  }
  report.status = RequestStatus::awaiting_approval;
  report.provider_status = "PENDING";
  report.reference = ProviderReference(taken.created.request_id);
  report.progress = progress_at_start({pinned, settings_.names, call.now});
  return Accepted{std::move(report)};
}

}  // namespace hsmbridge::securosys
