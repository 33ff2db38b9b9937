#pragma once

#include "base/error.h"
#include "base/log.h"
#include "x509/objects/certificate.h"
#include "x509/objects/pem_file.h"
#include "x509/objects/spki.h"

#include <fmt/core.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

// Certificates as services and people put them together: in any order, some twice, with members that belong to nothing,
// and with members that cannot be read. Thread rule: plain functions.
namespace hsmbridge::providers {

// The PEM or DER that `whose` ("the TSB") handed out for the key `spki` (DER; empty: for no key in particular). What
// cannot be read of it is left out and named in the log, but where ours is not among the rest: it may be that one.
// Throws invalid_input.
inline std::vector<Bytes> handed_out(std::string_view whose, ByteView text, ByteView spki) {
  x509::Bundle bundle = x509::read_bundle(text);
  if (bundle.skipped.empty()) return std::move(bundle.certificates);
  std::string skipped;
  for (const std::string& one : bundle.skipped) skipped += (skipped.empty() ? "" : "; ") + one;
  const bool ours = std::any_of(bundle.certificates.begin(), bundle.certificates.end(), [&](const Bytes& der) {
    return x509::same_key(x509::parse_certificate(der).spki(), spki);
  });
  if (!spki.empty() && !ours) throw Error{ErrorKind::invalid_input, "it cannot be read whole: " + skipped};
  log::warning(fmt::format("of the certificates that {} handed out some are left out: {}", whose, skipped));
  return std::move(bundle.certificates);
}

// A file of CA certificates that the configuration names.
inline std::vector<Bytes> chain_in_file(const std::string& provider, const std::filesystem::path& file) {
  x509::Bundle bundle = x509::bundle_in_file(file, x509::Given::to_be_believed);
  for (const std::string& skipped : bundle.skipped) {
    log::warning(fmt::format("provider {}: `chain` {}: left out: {}", provider, file.string(), skipped));
  }
  return std::move(bundle.certificates);
}

}  // namespace hsmbridge::providers
