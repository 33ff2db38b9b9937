#pragma once

#include "base/error.h"

#include <string>
#include <string_view>

// What is wrong with the place of one CRL (its file, its lock, what is there) holds up no other CRL of the CA; what is
// wrong with the key does. CertificateAuthority marks the former by a detail.
namespace hsmbridge::workflow {

inline constexpr std::string_view kCrlPlaceDetail = "crl-file";

inline Error of_crl_place(Error error, const std::string& file) {
  error.with(std::string(kCrlPlaceDetail), file);
  return error;
}
// Of the key or the token: no other CRL of this CA can be signed now either.
inline bool stops_every_crl(const Error& error) {
  const bool is_of_key = error.kind() == ErrorKind::unavailable || error.kind() == ErrorKind::denied;
  return is_of_key && error.detail(kCrlPlaceDetail).empty();
}

}  // namespace hsmbridge::workflow
