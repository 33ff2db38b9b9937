#include "service/certificates/placing.h"

#include "service/certificates/renewal.h"
#include "service/effects/effects.h"
#include "workflow/machine/lifecycle.h"
#include "x509/objects/pem.h"
#include "x509/objects/pkcs7.h"

#include <fmt/core.h>

#include <utility>

namespace hsmbridge::service {

namespace {

constexpr Duration kTimeLimit = std::chrono::seconds{60};

// The request that renewed it in the place of this late one, if any.
std::optional<RequestId> renewed_otherwise(workflow::Store& store, const workflow::CertificateRecord& late) {
  if (late.predecessor.empty()) return std::nullopt;
  for (const auto& other : store.requests_about(late.predecessor)) {
    const auto* completed = std::get_if<workflow::Completed>(&other.state);
    if (completed == nullptr || completed->late || other.order.kind() != workflow::Kind::renew) continue;
    if (completed->certificate != late.fingerprint) return other.order.id;
  }
  return std::nullopt;
}

void refuse_unfit(workflow::Store& store, const workflow::CertificateRecord& record, Force force) {
  const std::string name = record.fingerprint.substr(0, 12);
  if (record.status == workflow::status::kQuarantined) {
    throw Error{ErrorKind::refused,
                fmt::format("certificate {} is quarantined: it does not answer its request and is not installed", name)}
        .hint("`hsmbridge cert export` gives the bytes to who wants to look at them");
  }
  namespace status = workflow::status;
  if (record.status == status::kRevoked || record.status == status::kRevoking || record.status == status::kHeld) {
    throw Error{ErrorKind::refused, fmt::format("certificate {} is {}: it is not installed", name, record.status)}.hint(
        fmt::format("hsmbridge cert renew {}", name));
  }
  // It would take the place of the newer one.
  if ((record.status == status::kSuperseded || record.status == status::kExpired) && force == Force::no) {
    throw Error{ErrorKind::refused, fmt::format("certificate {} is {}", name, record.status)}.hint(
        "give --force to put it in its places anyway; or install the one that renewed it");
  }
  if (record.status != status::kLate || force == Force::yes) return;
  if (const auto other = renewed_otherwise(store, record)) {
    throw Error{ErrorKind::refused, fmt::format("certificate {} came late, and request {} renewed its predecessor "
                                                "{} meanwhile",
                                                name, other->str(), record.predecessor.substr(0, 12))}
        .hint("give --force to put it in its places anyway");
  }
}

workflow::Key key_for(workflow::Store& store, const workflow::CertificateRecord& record,
                      const workflow::Record& request) {
  if (const auto* key = workflow::key_of(request.state)) return *key;
  const auto known = key_of(store, record, request.order);
  return {"", known.label, known.cka_id, record.spki, false};
}

struct Placing {
  const Actor& actor;
  Bridge& bridge;
  workflow::Store& store;
  const workflow::CertificateRecord& record;
  const workflow::Record& request;
  Force force;
  bool typed = false;  // the places were named on the command line
};

// A hook tells its runs apart by this number: those by hand have the second in which they began, far above what the
// workflow counts to.
unsigned attempt_by_hand(Instant now) {
  return static_cast<unsigned>(std::chrono::duration_cast<std::chrono::seconds>(now.time_since_epoch()).count());
}

void place_at(const Placing& placing, const workflow::InstallTarget& target) {
  const auto now = placing.bridge.clock().now();
  // What a person types is that person's to run; what the store says is not.
  if (!placing.typed) {
    const auto& profile = placing.request.order.profile;
    refuse_foreign_hook(target, profile, placing.bridge.hook_of(profile));
  }
  if (placing.force == Force::no && placing.store.replaced_at(placing.record.fingerprint, target.name)) {
    throw Error{ErrorKind::refused, "a certificate that renews it is there"}.hint(
        "give --force to put the older one back");
  }
  const auto key = key_for(placing.store, placing.record, placing.request);
  const workflow::Draft none;
  const workflow::Submission submission{1, placing.record.reference, placing.record.provider_state,
                                        placing.record.stored_at};
  // On record before it is done: a hook that never comes back was begun by somebody.
  placing.bridge.recorder()("certificate-install-begun",
                            Json::object({{"certificate", placing.record.fingerprint}, {"target", target.name}}));
  install_certificate(placing.bridge, {placing.request.order, key, none, &submission, attempt_by_hand(now)}, target,
                      placing.record, now, kTimeLimit);
  placing.store.note_installed(placing.record.fingerprint, target, placing.actor.name, now);
}

std::vector<workflow::InstallTarget> targets_of(const std::vector<std::string>& typed, const workflow::Order& order) {
  std::vector<workflow::InstallTarget> targets;
  for (const auto& text : typed) targets.push_back(install_target(text));
  if (targets.empty()) targets = workflow::enrolment_of(order).targets;
  if (targets.empty()) {
    throw Error{ErrorKind::invalid_input,
                "the request that issued it has no install target: name one with --to TARGET"};
  }
  return targets;
}

}  // namespace

std::vector<Placed> place_certificate(const Actor& actor, Bridge& bridge, workflow::Store& store,
                                      const workflow::CertificateRecord& record, const std::vector<std::string>& typed,
                                      Force force) {
  refuse_unfit(store, record, force);
  if (const auto why = force == Force::no ? store.restored() : std::nullopt) {
    throw Error{ErrorKind::refused, fmt::format("nothing was installed: the store is an older copy ({}), and a newer "
                                                "certificate may be in the places of this one",
                                                *why)}
        .hint("look at them; then `hsmbridge store accept-restored`, or give --force");
  }
  const auto request = request_of(store, record);
  const auto targets = targets_of(typed, request.order);
  for (const auto& target : targets) {
    if (kind_of(target) == "provider") {
      const std::string& name = request.order.provider;
      refuse_import({target}, name, bridge.provider(name)->capabilities());
    }
    // A token that is not configured any more can still have its files installed.
    if (!request.order.brought_csr().empty()) {
      refuse_token_target({target});
    } else if (kind_of(target) == "token") {
      refuse_impossible_targets({target}, bridge.settings().token(request.order.token()));
    }
  }
  bool everywhere = typed.empty();
  std::vector<Placed> placed;
  for (const auto& target : targets) {
    placed.push_back({target, std::nullopt});
    try {
      place_at({actor, bridge, store, record, request, force, !typed.empty()}, target);
    } catch (...) {
      placed.back().trouble = current_error();
      everywhere = false;
    }
  }
  namespace status = workflow::status;
  if (everywhere && record.status == status::kLate) {
    using workflow::StatusChange;
    store.change_records({{StatusChange::Of::certificate, record.fingerprint, {status::kLate}, status::kCurrent},
                          {StatusChange::Of::certificate, record.predecessor, {status::kCurrent}, status::kSuperseded}},
                         actor.name, bridge.clock().now());
  }
  return placed;
}

Bytes exported(const workflow::CertificateRecord& record, CertificateForm form, Selection selection) {
  const auto certificates = select(record, selection);
  if (certificates.empty()) {
    throw Error{ErrorKind::not_found,
                fmt::format("certificate {} came without its issuers", record.fingerprint.substr(0, 12))}
        .hint("give --chain leaf");
  }
  if (form == CertificateForm::pem) return to_bytes(pem_of(certificates));
  if (form == CertificateForm::pkcs7) return to_bytes(x509::write_pem("PKCS7", x509::pkcs7_bundle(certificates)));
  if (certificates.size() == 1) return certificates.front();
  throw Error{ErrorKind::invalid_input, fmt::format("DER holds one certificate, and these are {}", certificates.size())}
      .hint("give --chain leaf, or --format pkcs7");
}

}  // namespace hsmbridge::service
