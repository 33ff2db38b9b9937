#include "x509/objects/signature_budget.h"

namespace hsmbridge::x509 {

SignatureVerdict SignatureBudget::verdict(const Certificate& issuer, const Certificate& certificate) {
  if (!(issuer.subject() == certificate.issuer())) return SignatureVerdict::does_not_verify;
  if (left_ == 0) return SignatureVerdict::cannot_be_checked;
  --left_;
  return check_signature(certificate.parts, issuer.spki()).verdict;
}

}  // namespace hsmbridge::x509
