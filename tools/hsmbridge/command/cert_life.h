#pragma once

#include "service/certificates/certificates.h"
#include "tools/hsmbridge/wiring/invocation.h"

#include <cstddef>
#include <string>
#include <vector>

// The certificates in the store: `cert list`, `renew` (cert_life.cpp), `revoke` (cert_revoke.cpp), `install`, `export`
// (cert_places.cpp).
namespace hsmbridge::cli {

// Of a certificate's SHA-256, where a person reads it.
inline constexpr std::size_t kShownDigits = 12;

Command certificate_revoke_command();

std::vector<Command> certificate_life_commands();
std::vector<Command> certificate_place_commands();

// What the records say about one certificate, beside what it says itself: status, request, places, renewal.
std::string record_text(const service::CertificateRow& row, Instant now);

}  // namespace hsmbridge::cli
