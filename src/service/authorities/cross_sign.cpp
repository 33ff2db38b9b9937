#include "service/authorities/cross_sign.h"

#include "base/error.h"
#include "base/file.h"
#include "ca/cross.h"
#include "service/authorities/authorities.h"
#include "service/effects/install.h"
#include "workflow/machine/lifecycle.h"
#include "x509/judge/same_name.h"
#include "x509/objects/certificate.h"
#include "x509/objects/pem_file.h"
#include "x509/objects/spki.h"

#include <fmt/core.h>

#include <algorithm>
#include <system_error>
#include <utility>

namespace hsmbridge::service {
namespace {

// What the records of this bridge know of the certificate, whoever issued it.
void refuse_known_revoked(workflow::Store& store, const x509::Certificate& existing) {
  const auto record = store.certificate(hex(sha256(existing.der)));
  if (!record || record->status != workflow::status::kRevoked) return;
  throw Error{ErrorKind::refused, fmt::format("certificate {} of \"{}\" is revoked: nobody cross-signs that CA by it",
                                              record->fingerprint.substr(0, 12), existing.subject().to_string())};
}

// The limits of the existing certificate are those of the new one: whoever forged it would choose them. One of its own
// issuer is looked at with its own key (ca/cross.h).
void expect_issued(Bridge& bridge, const NewCrossSigning& wanted, const x509::Certificate& existing) {
  if (x509::same_name(existing.subject(), existing.issuer())) return;
  std::vector<Bytes> known;
  for (const Authority& one : authorities(bridge)) {
    if (one.view.certificate) known.push_back(*one.view.certificate);
  }
  if (wanted.issuer) known.push_back(x509::certificate_in_file(*wanted.issuer, x509::Given::to_be_read));
  const bool is_issued = std::any_of(known.begin(), known.end(), [&](const Bytes& der) {
    const auto issuer = x509::parse_certificate(der);
    return x509::same_name(issuer.subject(), existing.issuer()) && x509::signature_verifies(existing, issuer.spki());
  });
  if (is_issued) return;
  throw Error{
      ErrorKind::refused,
      fmt::format("{} says that \"{}\" issued it, and {}", wanted.certificate.string(), existing.issuer().to_string(),
                  wanted.issuer ? wanted.issuer->string() + " is not the certificate of who signed it"
                                : std::string("nothing here shows that"))}
      .hint("give the certificate of that CA, as you know it: --issuer FILE");
}

// Where its key is: that of a CA of this bridge, or one that the records know.
void find_key(Bridge& bridge, workflow::Store& store, const x509::Certificate& existing, CrossSigning& planned) {
  const SpkiHash spki = x509::spki_hash(existing.spki());
  NewEnrolment& enrolment = planned.enrolment;
  for (const Authority& one : authorities(bridge)) {
    const auto& view = one.view;
    if (!view.certificate || x509::spki_hash(x509::parse_certificate(*view.certificate).spki()) != spki) continue;
    if (!view.key_provider.empty()) break;  // a CSR is made there
    enrolment.token = view.token;
    enrolment.key = view.key;
    enrolment.wishes.accept = view.accept;
    planned.key = fmt::format("the key {} of the CA {} in token {}", view.key, one.name, view.token);
    return;
  }
  for (const auto& key : store.keys({spki, std::nullopt, std::nullopt})) {
    if (key.token.empty() || key.status != workflow::status::kActive) continue;
    enrolment.token = key.token;
    enrolment.key = "id=" + key.cka_id;
    planned.key = fmt::format("the key {} in token {}", key.label, key.token);
    return;
  }
  throw Error{ErrorKind::not_found, fmt::format("the key of \"{}\" is in no token that this bridge knows: a CSR must "
                                                "prove who has it",
                                                existing.subject().to_string())}
      .hint(
          "let whoever has the key make a CSR with it (what it says besides does not matter), and give it as --csr "
          "FILE");
}

// A certificate of a request that asked this CA to cross-sign the same one.
bool is_the_same(const workflow::Order& order, const std::string& provider, const Bytes& existing) {
  const auto* const asked = order.enrolment();
  return asked != nullptr && order.provider == provider && asked->cross_signs == existing;
}

void find_earlier(workflow::Store& store, const std::string& provider, const x509::Certificate& existing,
                  const std::vector<workflow::InstallTarget>& targets, Instant now, CrossSigning& planned) {
  const SpkiHash spki = x509::spki_hash(existing.spki());
  workflow::Requests::ListQuery open;
  open.open_only = true;
  open.spki = spki;
  for (const auto& record : store.list(open)) {
    const auto& order = record.order;
    if (!is_the_same(order, provider, existing.der)) continue;
    if (order.profile != *planned.enrolment.profile || order.enrolment()->targets != targets) {
      throw Error{ErrorKind::conflict, fmt::format("request {} is open for the same cross-certificate, and what it "
                                                   "asks for is something else",
                                                   order.id.str())}
          .hint(fmt::format("look at it: hsmbridge request show {}", order.id.str()));
    }
    planned.open = order.id;
    return;
  }
  workflow::CertificateQuery current;
  current.spki = spki;
  current.statuses = {workflow::status::kCurrent};
  std::optional<workflow::CertificateRecord> elsewhere;
  for (const auto& record : store.certificates(current)) {
    const auto brought = record.not_after > now ? store.find(record.request) : std::nullopt;
    if (!brought || !is_the_same(brought->order, provider, existing.der)) continue;
    if (brought->order.profile != *planned.enrolment.profile) continue;
    if (brought->order.enrolment()->targets == targets) {
      planned.done = brought->order.id;
      return;
    }
    elsewhere = record;
  }
  if (!elsewhere) return;
  // A CA with two of them has one that nobody looks after.
  throw Error{ErrorKind::conflict, fmt::format("request {} brought this cross-certificate, and put it somewhere else",
                                               elsewhere->request.str())}
      .hint(fmt::format("for another copy: hsmbridge cert export {} --chain leaf --out {}",
                        elsewhere->fingerprint.substr(0, 12), planned.file.string()));
}

std::filesystem::path beside(const std::filesystem::path& certificate, const std::string& name) {
  return certificate.parent_path() / fmt::format("{}-by-{}.pem", certificate.stem().string(), name);
}

}  // namespace

CrossSigning plan_cross_signing(Bridge& bridge, workflow::Store& store, const NewCrossSigning& wanted) {
  const Authority issuer = authority(bridge, wanted.name);
  const auto& profile = bridge.settings().profile(wanted.profile);
  const auto existing = x509::parse_certificate(x509::certificate_in_file(wanted.certificate, x509::Given::to_be_read));
  const Instant now = bridge.clock().now();
  refuse_known_revoked(store, existing);
  expect_issued(bridge, wanted, existing);
  const auto provider = bridge.provider(issuer.name);
  CrossSigning planned;
  NewEnrolment& enrolment = planned.enrolment;
  enrolment.cross.emplace();
  enrolment.cross->existing = existing.der;
  x509::RequestedContent& ask = enrolment.cross->ask;
  ask.content = dynamic_cast<workflow::CertificateAuthority&>(*provider).cross_content(profile.name, existing.der, now);
  ask.validity = profile.validity.value_or(Duration::zero());
  ask.accept = profile.accept;
  enrolment.provider = issuer.name;
  enrolment.profile = profile.name;
  enrolment.csr = wanted.csr;
  planned.subject = existing.subject().to_string();
  planned.differences = ca::cross_differences(ask.content, existing);
  planned.file = std::filesystem::absolute(wanted.out.value_or(beside(wanted.certificate, issuer.name)));
  enrolment.install = {"file:leaf:" + planned.file.string()};
  if (wanted.csr) {
    planned.key = fmt::format("the key of {}", *wanted.csr);
  } else {
    find_key(bridge, store, existing, planned);
  }
  find_earlier(store, issuer.name, existing, install_targets(profile, enrolment.install), now, planned);
  if (planned.open || planned.done) return planned;
  std::error_code unknown;
  if (std::filesystem::exists(planned.file, unknown) || unknown) {
    throw Error{ErrorKind::conflict, fmt::format("{} is there, and was not touched", planned.file.string())}.hint(
        "name another file: --out FILE");
  }
  expect_folder_takes_files(planned.file);
  return planned;
}

}  // namespace hsmbridge::service
