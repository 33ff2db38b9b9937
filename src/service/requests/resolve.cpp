#include "service/requests/resolve.h"

#include "base/error.h"
#include "base/file.h"
#include "service/requests/requests.h"
#include "workflow/machine/lifecycle.h"
#include "workflow/ports/provider.h"
#include "workflow/ports/serial_numbers.h"
#include "x509/judge/check.h"
#include "x509/objects/certificate.h"
#include "x509/objects/pkcs7.h"
#include "x509/objects/serial.h"
#include "x509/objects/spki.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

namespace hsmbridge::service {
namespace {

// How long a person waits for the provider.
constexpr Duration kQuestionLimit = std::chrono::minutes{1};

const workflow::Key& key_of(const workflow::Record& record) {
  const auto* key = workflow::key_of(record.state);
  if (key == nullptr || key->spki.empty()) {
    throw Error{ErrorKind::conflict, fmt::format("request {} has no key yet that a certificate could be compared with",
                                                 record.order.id.str())};
  }
  return *key;
}

bool is_for(const workflow::Key& key, const x509::Certificate& certificate) {
  return x509::spki_hash(certificate.spki()) == key.spki;
}

std::string described(const x509::Certificate& certificate) {
  return fmt::format("{} of {}", x509::serial_text(certificate.serial()), certificate.subject().to_string());
}

Error another_key(const workflow::Record& record, const x509::Certificate& certificate) {
  const auto& key = key_of(record);
  return Error{ErrorKind::conflict,
               fmt::format("certificate {} is for another key than request {}: nothing was changed",
                           described(certificate), record.order.id.str())}
      .with("key of the certificate", x509::spki_hash(certificate.spki()).str())
      .with("key of the request", key.spki.str());
}

// What answered another request is no answer to this one, though it may be for the same key.
void refuse_known(Dependencies& world, const workflow::Record& record, const x509::Certificate& certificate) {
  const auto known = world.records().certificate(hex(sha256(certificate.der)));
  if (!known || known->request == record.order.id) return;
  throw Error{ErrorKind::conflict, fmt::format("certificate {} is that of request {}: nothing was changed",
                                               described(certificate), known->request.str())};
}

// One that x509 has no row for: the certificate is another one than was frozen and approved, for example.
bool is_own_finding(const workflow::Record& record, const std::string& name) {
  const auto kinds = x509::finding_kinds();
  if (std::any_of(kinds.begin(), kinds.end(), [&](const auto& kind) { return kind.name == name; })) return false;
  const auto* quarantined = std::get_if<workflow::Quarantined>(&record.state);
  return quarantined != nullptr && std::any_of(quarantined->findings.begin(), quarantined->findings.end(),
                                               [&](const auto& finding) { return finding.name == name; });
}

// What was revoked since is not taken into use, whatever a person thinks of its content.
void refuse_spent(Dependencies& world, const workflow::Record& record) {
  const auto* quarantined = std::get_if<workflow::Quarantined>(&record.state);
  const auto known = quarantined == nullptr ? std::nullopt : world.records().certificate(quarantined->certificate);
  if (!known || known->status == workflow::status::kQuarantined) return;
  throw Error{ErrorKind::conflict, fmt::format("certificate {} is {}: it is not taken into use",
                                               known->fingerprint.substr(0, 12), known->status)}
      .hint(fmt::format("give the request up: hsmbridge request resolve {} --abandon --reason TEXT",
                        record.order.id.str()));
}

}  // namespace

ProviderReference proved_by_serial(Dependencies& world, const workflow::Record& record, const std::string& serial,
                                   Instant now) {
  const auto& order = record.order;
  const auto provider = world.provider(order.provider);
  auto* finder = dynamic_cast<workflow::SerialLookUp*>(provider.get());
  if (finder == nullptr || !order.brings_certificate()) {
    throw Error{ErrorKind::invalid_input,
                finder == nullptr ? fmt::format("provider {} ({}) looks no certificate up by its serial number",
                                                order.provider, provider->type())
                                  : fmt::format("request {} is a revocation: it brings no certificate", order.id.str())}
        .hint(finder == nullptr ? "give --certificate FILE, or --reference with the provider's own name of the request"
                                : "give --done when it took effect");
  }
  const auto& key = key_of(record);
  const auto* draft = workflow::draft_of(record.state);
  const auto* submission = workflow::submission_of(record.state);
  const workflow::Draft none;
  const workflow::ProviderCall call{order,
                                    key,
                                    draft == nullptr ? none : *draft,
                                    submission == nullptr ? 1U : submission->attempt,
                                    submission != nullptr && submission->is_known() ? submission : nullptr,
                                    now,
                                    kQuestionLimit};
  auto report = finder->find_by_serial(call, serial);
  if (!report.result) {
    const bool gone = report.status == workflow::RequestStatus::gone;
    throw Error{
        gone ? ErrorKind::not_found : ErrorKind::conflict,
        gone ? fmt::format("provider {} knows no certificate {}: nothing was changed", order.provider, serial)
             : fmt::format("{}: nothing was changed", report.message.empty() ? report.progress.note : report.message)};
  }
  const auto issued = provider->certificate_in(call, *report.result);
  const auto certificate = x509::parse_certificate(issued.certificate);
  if (!is_for(key, certificate)) throw another_key(record, certificate);
  refuse_known(world, record, certificate);
  return std::move(report.reference);
}

workflow::IssuedResult proved_certificate(Dependencies& world, const workflow::Record& record, ByteView file) {
  const auto& key = key_of(record);
  const auto ders = x509::certificates_in_any_form(file);
  for (const auto& der : ders) {
    const auto certificate = x509::parse_certificate(der);
    if (!is_for(key, certificate)) continue;
    refuse_known(world, record, certificate);
    return {workflow::BroughtCertificate{der}, Bytes(file.begin(), file.end())};
  }
  throw another_key(record, x509::parse_certificate(ders.front()));
}

workflow::DeviationsAccepted proved_acceptance(Dependencies& world, const workflow::Record& record,
                                               std::vector<std::string> findings, const std::string& reason) {
  for (const auto& name : findings) {
    if (!is_own_finding(record, name) && x509::finding_kind(name).acceptable) continue;
    throw Error{ErrorKind::refused, fmt::format("{} can never be accepted: nothing was changed", name)}.hint(
        fmt::format("`hsmbridge request explain {}` names the other ways", record.order.id.str()));
  }
  refuse_spent(world, record);
  return {std::move(findings), reason};
}

workflow::JudgementAsked proved_judgement(Dependencies& world, const workflow::Record& record,
                                          const config::Settings& settings) {
  refuse_spent(world, record);
  const workflow::Enroll* const wanted = record.order.enrolment();
  if (wanted == nullptr) {
    throw Error{ErrorKind::conflict,
                fmt::format("request {} brings no certificate that could be judged again", record.order.id.str())}
        .hint(fmt::format("see what it waits for: hsmbridge request explain {}", record.order.id.str()));
  }
  const auto& ordered = wanted->content.accept;
  workflow::JudgementAsked asked;
  for (const auto& profile : settings.profiles) {
    if (profile.name != record.order.profile) continue;
    for (const auto& name : profile.accept) {
      if (std::find(ordered.begin(), ordered.end(), name) == ordered.end()) asked.accept.push_back(name);
    }
  }
  return asked;
}

namespace {

// What of a resolution needs no proof; nothing where it is one that does.
std::optional<workflow::EventBody> plain_event(const Resolution& resolution) {
  std::vector<workflow::EventBody> given;
  const auto& reason = resolution.reason;
  if (resolution.reference) {
    given.emplace_back(workflow::ResolvedAsThere{ProviderReference{*resolution.reference}});
  }
  if (resolution.not_there) given.emplace_back(workflow::ResolvedAsAbsent{reason});
  if (resolution.abandon) given.emplace_back(workflow::ResolvedAsAbandoned{reason});
  if (resolution.look_up) given.emplace_back(workflow::LookUpAsked{});
  if (resolution.done) given.emplace_back(workflow::ResolvedAsDone{reason});
  if (resolution.skip_target) given.emplace_back(workflow::TargetSkipped{*resolution.skip_target, reason});
  const std::size_t proved = (resolution.serial ? 1U : 0U) + (resolution.certificate ? 1U : 0U) +
                             (resolution.accept.empty() ? 0U : 1U) + (resolution.judge_again ? 1U : 0U);
  if (given.size() + proved != 1) {
    throw Error{ErrorKind::invalid_input,
                "say how it is resolved, with exactly one of: --accept, --judge-again, --reference, --serial, "
                "--certificate, --not-there, --abandon, --look-up, --skip-target, --done"};
  }
  const bool gives_up = resolution.abandon || resolution.skip_target || resolution.done;
  if ((gives_up || resolution.not_there || !resolution.accept.empty()) && reason.empty()) {
    throw Error{ErrorKind::invalid_input, "this decision stays in the journal under your name: give --reason"};
  }
  if (given.empty()) return std::nullopt;
  return given.front();
}

// What a person found is compared with the request before it is written down.
workflow::EventBody proved_event(Bridge& bridge, const workflow::Record& record, const Resolution& resolution) {
  if (!resolution.accept.empty()) {
    return proved_acceptance(bridge, record, resolution.accept, resolution.reason);
  }
  if (resolution.judge_again) return proved_judgement(bridge, record, bridge.settings());
  if (resolution.certificate) {
    return workflow::ResolvedAsCertificate{proved_certificate(bridge, record, read_file(*resolution.certificate))};
  }
  return workflow::ResolvedAsThere{proved_by_serial(bridge, record, *resolution.serial, bridge.clock().now()), true};
}

workflow::Record found(workflow::Requests& store, const RequestId& id) {
  auto record = store.find(id);
  if (!record) throw Error{ErrorKind::not_found, fmt::format("there is no request {}", id.str())};
  return std::move(*record);
}

// At a CA of this bridge a revocation took effect when it is in our own book.
void refuse_done_without_entry(Bridge& bridge, workflow::Store& store, const workflow::Record& record) {
  const auto* const revocation = record.order.revocation();
  if (revocation == nullptr) return;
  if (bridge.settings().provider(record.order.provider).type != workflow::kLocalAuthority) return;
  const auto certificate = x509::parse_certificate(revocation->predecessor.der);
  const auto issuer = workflow::issuer_id(certificate.issuer());
  if (store.revocation(issuer, x509::serial_text(certificate.serial()))) return;
  throw Error{ErrorKind::refused,
              fmt::format("the CA {} has not revoked it: it is on none of its CRLs", record.order.provider)}
      .hint(fmt::format("hsmbridge request resolve {} --look-up", record.order.id.str()));
}

workflow::Record append(const Actor& actor, Bridge& bridge, workflow::Store& store, const workflow::Record& record,
                        const workflow::EventBody& event) {
  return append_event(store, record.order.id, event, actor.name, bridge.clock().now(),
                      timing_for(bridge.settings(), record.order.provider));
}

}  // namespace

workflow::Record resolve_request(const Actor& actor, Bridge& bridge, workflow::Store& store, const RequestId& id,
                                 const Resolution& resolution) {
  auto event = plain_event(resolution);
  const auto record = found(store, id);
  if (!event) event = proved_event(bridge, record, resolution);
  if (resolution.done) refuse_done_without_entry(bridge, store, record);
  return append(actor, bridge, store, record, *event);
}

void refuse_resolution(const Resolution& resolution) {
  plain_event(resolution);
}

workflow::Record cancel_request(const Actor& actor, Bridge& bridge, workflow::Store& store, const RequestId& id,
                                const std::string& reason) {
  return append(actor, bridge, store, found(store, id), workflow::CancelAsked{reason});
}

}  // namespace hsmbridge::service
