#pragma once

#include "x509/asn1/bounds.h"
#include "x509/objects/certificate.h"

#include <cstddef>

namespace hsmbridge::x509 {

// Asks who signed what among certificates that strangers sent, and is asked only so often: of many certificates with
// one name each could have signed each, and with a public exponent as long as its modulus one check takes
// milliseconds. One budget for each step that reads one answer. Not for several threads.
class SignatureBudget {
 public:
  // By name and signature; another name costs nothing. cannot_be_checked too when the budget is spent.
  SignatureVerdict verdict(const Certificate& issuer, const Certificate& certificate);
  bool issued(const Certificate& issuer, const Certificate& certificate) {
    return verdict(issuer, certificate) == SignatureVerdict::verifies;
  }
  bool is_spent() const { return left_ == 0; }
  std::size_t left() const { return left_; }

 private:
  std::size_t left_ = kMostSignatures;
};

}  // namespace hsmbridge::x509
