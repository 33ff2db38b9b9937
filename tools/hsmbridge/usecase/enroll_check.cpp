#include "tools/hsmbridge/usecase/enroll_check.h"

#include "base/error.h"
#include "service/content/csr.h"
#include "tools/hsmbridge/wiring/wiring.h"
#include "workflow/ports/provider.h"
#include "x509/judge/advice.h"
#include "x509/objects/csr.h"
#include "x509/objects/signed_object.h"
#include "x509/objects/spki.h"

#include <fmt/core.h>

namespace hsmbridge::cli {
namespace {

constexpr Duration kLimit = std::chrono::minutes{1};

// The CSR that the new key would sign, with a signature that is none.
Bytes unsigned_csr(const service::NewRequest& request) {
  const auto spec = x509::parse_key_spec(request.key.spec);
  const auto& algorithm =
      request.ask.algorithm.empty() ? x509::default_algorithm(spec) : x509::signature_algorithm(request.ask.algorithm);
  const auto info = x509::build_certification_request_info(x509::spki_of_nobody(spec), request.ask.content);
  return x509::assemble(info, algorithm, Bytes(64, 0));
}

Bytes signed_csr(Wiring& wiring, CommandContext& context, const service::NewRequest& request) {
  const auto ring = wiring.key_ring(request.token);
  const auto opened =
      ring->signer(ring->find(request.key.selector),
                   {workflow::Purpose::csr, "enroll --check",
                    Json::object({{"subject", request.ask.content.subject.to_string()}}), request.key.accept},
                   context.log().recorder());
  return service::create_csr(*opened.signer, request.ask);
}

std::string lines(const std::string& title, const std::vector<std::string>& reasons) {
  std::string text = title + "\n";
  for (const auto& reason : reasons) text += "  - " + commandline::safe(reason) + "\n";
  return text;
}

}  // namespace

ExitCode check_enrolment(Invocation& invocation, CommandContext& context, const service::NewRequest& request) {
  auto& wiring = *context.wiring();
  const bool made = request.key.source == workflow::KeyWish::Source::make;
  workflow::Order order;
  order.id = RequestId(std::string(16, '0'));
  order.provider = request.provider;
  order.profile = request.profile;
  order.token = request.token;
  order.key = request.key;
  order.ask = x509::to_json(request.ask).dump();
  const auto now = wiring.clock().now();
  order.created_at = now;
  workflow::Draft draft;
  draft.csr = made ? unsigned_csr(request) : signed_csr(wiring, context, request);
  draft.built_at = now;
  const auto provider = wiring.provider(request.provider);
  auto added = provider->draft(order, draft.csr, now);
  draft.to_be_signed = std::move(added.to_be_signed);
  draft.algorithm = std::move(added.algorithm);
  draft.issuer = std::move(added.issuer);
  draft.provider_state = std::move(added.provider_state);
  auto notes = x509::advice(request.ask.content);
  notes.insert(notes.end(), added.notes.begin(), added.notes.end());
  const workflow::Key key;
  const workflow::ProviderCall call{order, key, draft, 1, nullptr, now, kLimit};

  const auto reasons = provider->check(call);
  std::vector<std::string> objections;
  std::string dry_run = "the provider has no dry run";
  if (auto* service = dynamic_cast<workflow::DryRun*>(provider.get()); service != nullptr) {
    if (made) {
      dry_run = "its dry run wants a signed CSR: name a key that is there with --key";
    } else {
      objections = service->dry_run(call);
      dry_run = objections.empty() ? "its dry run accepts the request" : "its dry run refuses the request";
    }
  }
  std::string text;
  if (!reasons.empty()) text += lines(fmt::format("{} cannot carry this request:", request.provider), reasons);
  if (!objections.empty()) text += lines(fmt::format("{} itself would refuse it:", request.provider), objections);
  const bool good = text.empty();
  if (good) text = fmt::format("no objections at {}; {}\n", request.provider, dry_run);
  if (!notes.empty()) text += lines("to know:", notes);
  invocation.output.result("hsmbridge.enroll-check/1",
                           Json::object({{"provider", request.provider},
                                         {"profile", request.profile},
                                         {"reasons", Json(reasons)},
                                         {"objections", Json(objections)},
                                         {"notes", Json(notes)},
                                         {"dry_run", dry_run}}),
                           text);
  return good ? ExitCode::done : ExitCode::refused;
}

}  // namespace hsmbridge::cli
