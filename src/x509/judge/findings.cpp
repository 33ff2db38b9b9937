#include "x509/judge/findings.h"

#include "base/error.h"
#include "base/text.h"
#include "x509/asn1/bounds.h"
#include "x509/names/name.h"

#include <array>
#include <vector>

namespace hsmbridge::x509 {
namespace {

constexpr FindingClass kNever = FindingClass::never_acceptable;
constexpr FindingClass kUnlessAccepted = FindingClass::acceptable;
constexpr FindingClass kReported = FindingClass::reported;

// name, class, what it means
// "-missing": asked and absent; "-changed": asked and not all of it is there, or with another value; "-added": not
// asked and there.
constexpr std::array kFindingKinds{
    FindingKind{"key-differs", kNever, "The certificate is for another public key."},
    FindingKind{"signature-bad", kNever, "The issuer's key did not make this signature."},
    FindingKind{"chain-unanchored", kNever, "No valid chain leads to a configured trust anchor."},
    FindingKind{"san-missing", kNever, "Some of the requested alternative names are missing."},
    FindingKind{"san-unrequested", kNever, "It names something that nobody asked for."},
    FindingKind{"ca-unrequested", kNever, "It may issue certificates and nobody asked for that."},

    // Asked for, and not what came.
    FindingKind{"serial-not-positive", kUnlessAccepted, "The serial number is zero or negative."},
    FindingKind{"san-dropped", kUnlessAccepted, "It carries no alternative names at all, though some were asked for."},
    FindingKind{"subject-changed", kUnlessAccepted, "The subject is another one than asked."},
    FindingKind{"common-name-changed", kUnlessAccepted,
                "It has a common name that is neither the requested one nor one of the requested alternative names."},
    FindingKind{"key-usage-missing", kUnlessAccepted, "It has no key usage, though one was requested."},
    FindingKind{"key-usage-changed", kUnlessAccepted, "It lacks some of the key usages that were asked for."},
    FindingKind{"extended-key-usage-missing", kUnlessAccepted,
                "It has no extended key usage, though one was requested."},
    FindingKind{"extended-key-usage-changed", kUnlessAccepted,
                "It lacks some of the extended key usages that were asked for."},
    FindingKind{"basic-constraints-missing", kUnlessAccepted,
                "It has no basic constraints, though they were requested."},
    FindingKind{"basic-constraints-changed", kUnlessAccepted, "The basic constraints are others than asked."},
    FindingKind{"name-constraints-missing", kUnlessAccepted, "It has no name constraints, though they were requested."},
    FindingKind{"name-constraints-changed", kUnlessAccepted, "The name constraints are others than asked."},
    FindingKind{"policies-missing", kUnlessAccepted, "It has no certificate policies, though they were requested."},
    FindingKind{"policies-changed", kUnlessAccepted, "It lacks some of the certificate policies that were asked for."},
    FindingKind{"tls-features-missing", kUnlessAccepted, "It has no TLS features, though they were requested."},
    FindingKind{"tls-features-changed", kUnlessAccepted, "It lacks some of the TLS features that were asked for."},
    FindingKind{"extension-missing", kUnlessAccepted, "An extension that was asked for is missing."},
    FindingKind{"extension-changed", kUnlessAccepted, "An extension has another value than asked."},
    FindingKind{"criticality-lost", kUnlessAccepted,
                "A constraint or the key usage of a CA is not critical any more: programs that do not know it are not "
                "bound by it."},
    FindingKind{"validity-changed", kUnlessAccepted, "The dates are not the ones that were fixed."},
    FindingKind{"validity-longer", kUnlessAccepted, "It is valid much longer than asked."},
    FindingKind{"validity-shorter", kUnlessAccepted, "It is valid much shorter than asked."},
    FindingKind{"not-valid-yet", kUnlessAccepted,
                "It is not valid yet: its first day is to come, or the clock of this machine is slow."},
    FindingKind{"begins-late", kUnlessAccepted,
                "Its first day is too far away to be waited for unasked: accepted, it waits for that day."},
    FindingKind{"expired", kUnlessAccepted, "It is not valid any more."},
    FindingKind{"issuer-purpose", kUnlessAccepted,
                "An issuer above it may not certify for the purpose that was asked for."},

    // Powers and risks that nobody asked for.
    FindingKind{"crl-sign-added", kUnlessAccepted, "Its key may sign revocation lists, which nobody asked for."},
    FindingKind{"ocsp-signing-added", kUnlessAccepted,
                "Its key may answer OCSP requests for its issuer, which nobody asked for."},
    FindingKind{"any-extended-key-usage-added", kUnlessAccepted,
                "Its key may be used for any purpose, which nobody asked for."},
    FindingKind{"code-signing-added", kUnlessAccepted, "Its key may sign programs, which nobody asked for."},
    FindingKind{"time-stamping-added", kUnlessAccepted, "Its key may sign time stamps, which nobody asked for."},
    FindingKind{"special-usage-added", kUnlessAccepted,
                "It has an extended key usage other than TLS, mail and IPsec that nobody asked for."},
    FindingKind{"tls-features-added", kUnlessAccepted,
                "It has TLS features that nobody asked for: clients refuse a server that does not fulfil them "
                "(must-staple)."},
    FindingKind{"ocsp-nocheck-added", kUnlessAccepted,
                "Clients are told not to check whether it is revoked, which nobody asked for."},
    FindingKind{"delegated-credentials-added", kUnlessAccepted,
                "Its key may sign credentials for other keys (RFC 9345), which nobody asked for."},
    FindingKind{"account-sid-added", kUnlessAccepted,
                "It names an account of a Windows domain, which its key may log on as and nobody asked for."},
    FindingKind{"critical-extension-added", kUnlessAccepted,
                "It has a critical extension that was not asked for: programs that do not know it refuse the "
                "certificate."},
    FindingKind{"version-not-3", kUnlessAccepted, "It is not an X.509 version 3 certificate."},
    FindingKind{"unique-identifiers-added", kUnlessAccepted,
                "It has the unique identifiers that RFC 5280 section 4.1.2.8 forbids."},
    FindingKind{"validity-beyond-ceiling", kUnlessAccepted,
                "No validity was asked for, and it is valid longer than anybody would expect."},

    // What CAs set from their own templates.
    FindingKind{"key-encoding-changed", kReported, "It is for the same public key, in another encoding."},
    FindingKind{"san-from-subject", kReported,
                "A name that was asked for in the subject is an alternative name as well."},
    FindingKind{"subject-encoding-changed", kReported,
                "The subject reads the same but is encoded in other string types."},
    FindingKind{"subject-case-changed", kReported,
                "The subject is the same but for letter case, blanks or the script of a domain name."},
    FindingKind{"subject-order-changed", kReported, "The subject has the same attributes in another order."},
    FindingKind{"key-usage-added", kReported, "It has a key usage that was not asked for."},
    FindingKind{"extended-key-usage-added", kReported,
                "It has an extended key usage for TLS, mail or IPsec that was not asked for."},
    FindingKind{"name-constraints-added", kReported, "It has name constraints that were not asked for."},
    FindingKind{"policies-added", kReported, "It has certificate policies that were not asked for."},
    FindingKind{"extension-added", kReported, "It has an extension that was not asked for."},
    FindingKind{"criticality-changed", kReported, "An extension is marked critical otherwise than asked."},
};

// Names that configurations for earlier versions may accept, and what they accept now.
struct OldName {
  FindingKind kind;
  std::array<std::string_view, 2> now;
};
constexpr std::array kOldNames{
    OldName{{"not-valid-now", kUnlessAccepted, "It is not valid yet, or not any more."}, {"not-valid-yet", "expired"}},
};

const OldName* old_name(std::string_view name) {
  for (const OldName& old : kOldNames) {
    if (old.kind.name == name) return &old;
  }
  return nullptr;
}

}  // namespace

std::span<const FindingKind> finding_kinds() {
  return kFindingKinds;
}

const FindingKind& finding_kind(std::string_view name) {
  std::vector<std::string_view> names;
  for (const FindingKind& kind : kFindingKinds) {
    if (kind.name == name) return kind;
    if (kind.acceptable) names.push_back(kind.name);
  }
  if (const OldName* old = old_name(name)) return old->kind;
  throw Error{ErrorKind::invalid_input,
              "\"" + printable(bounded(name, 60)) + "\" is not a finding of the certificate check"}
      .hint("these can be accepted: " + joined(names));
}

std::span<const std::string_view> accepted_by(std::string_view name) {
  if (const OldName* old = old_name(name)) return old->now;
  return {&finding_kind(name).name, 1};
}

}  // namespace hsmbridge::x509
