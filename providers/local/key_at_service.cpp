#include "base/error.h"
#include "ca/lint.h"
#include "providers/issuing.h"
#include "providers/local/parts.h"
#include "providers/local/provider.h"
#include "x509/objects/crl.h"
#include "x509/objects/spki.h"

#include <fmt/core.h>

#include <utility>
#include <variant>

// A CA whose key a service keeps: everything is decided here as for a key in a token, and who signs is asked there.
namespace hsmbridge::local {

using namespace workflow;

namespace {

// What the leaf says that is written before the bytes leave.
Json facts_of_crl(const std::string& provider, const std::string& request, const x509::TbsCertList& list) {
  return Json::object({{"provider", provider},
                       {"request", request},
                       {"issuer", list.issuer.to_string()},
                       {"crl_number", static_cast<std::int64_t>(ca::crl_number(list))},
                       {"entries", static_cast<std::int64_t>(list.revoked.size())},
                       {"to_be_signed_sha256", hex(sha256(list.der))}});
}

}  // namespace

std::string LocalProvider::key_place() const {
  if (!settings_.key_service) return "";
  return fmt::format("key {} at provider {}", settings_.key.key, settings_.key_service->provider);
}

// For whoever asks what is waited for (`request explain`).
Report LocalProvider::with_key_place(Report report) const {
  if (!is_waiting(report.status)) return report;
  std::string& note = report.progress.note;
  note += (note.empty() ? "" : "; ") + ("it is signed with " + key_place());
  return report;
}

// A quorum would approve in vain, and the signature verify with nothing.
void LocalProvider::expect_key_at_service(const x509::Certificate& issuer, Duration limit) {
  const auto there = dependencies_.service->public_key(limit);
  if (!there || x509::same_key(*there, issuer.spki())) return;
  throw Error{ErrorKind::conflict, fmt::format("{} is not the key of {} ({})", key_place(),
                                               settings_.certificate.string(), issuer.subject().to_string())}
      .hint(fmt::format("correct `key` or `certificate` of provider {}", settings_.name));
}

std::vector<std::string> LocalProvider::check_with_service(const ProviderCall& call) {
  ProviderCall part = call;
  part.time_limit = call.time_limit / 2;
  expect_key_at_service(x509::parse_certificate(call.draft.issuer), part.time_limit);
  return dependencies_.service->check(part);
}

SubmitAnswer LocalProvider::submit_to_service(const ProviderCall& call) {
  const Draft& draft = call.draft;
  const Duration begin = clock_.since_boot();
  // Everything before the one submission: whatever fails here, nothing was sent.
  try {
    const bool is_crl = call.order.issues_crl();
    // It was checked, and may have waited for days since.
    if (const auto reasons = is_crl ? judge_crl(call) : judge(call); !reasons.empty()) {
      return RefusedForGood{
          Error{ErrorKind::refused,
                providers::lines(fmt::format("provider {} does not have it signed:", settings_.name), reasons)}};
    }
    expect_key_at_service(x509::parse_certificate(draft.issuer), call.time_limit / 4);
    Json facts;
    std::optional<x509::TbsCertificate> certificate;
    if (is_crl) {
      facts = facts_of_crl(settings_.name, call.order.id.str(), x509::parse_tbs_cert_list(draft.to_be_signed));
    } else {
      try {
        ca::LintedTbs::of(draft.to_be_signed, profile_of(call.order.profile).rules, call.now);
      } catch (const Error& error) {
        return NotAccepted{outdated_draft(error.message()), std::nullopt};  // on the day of the draft it was in order
      }
      certificate = x509::parse_tbs_certificate(draft.to_be_signed);
      facts = facts_of(settings_.name, call.order.id.str(), *certificate);
    }
    facts.set("key", settings_.key.key);
    facts.set("key_provider", settings_.key_service->provider);
    facts.set("attempt", static_cast<std::int64_t>(call.attempt));
    dependencies_.record("ca-signature-asked", facts);
    if (certificate) log_serial(*certificate);
  } catch (const Error& error) {
    return NotAccepted{error, std::nullopt};
  }
  ProviderCall left = call;
  left.time_limit = call.time_limit - (clock_.since_boot() - begin);
  if (left.time_limit <= Duration::zero()) {
    return NotAccepted{Error{ErrorKind::unavailable, "the time of the call was over before anything was sent"},
                       std::nullopt};
  }
  SubmitAnswer answer = dependencies_.service->submit(left);
  if (auto* const accepted = std::get_if<Accepted>(&answer)) {
    accepted->report = with_key_place(std::move(accepted->report));
  }
  return answer;
}

}  // namespace hsmbridge::local
