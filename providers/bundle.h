#pragma once

#include "base/error.h"
#include "base/log.h"
#include "base/text.h"
#include "workflow/ports/provider.h"
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

// The first certificate for the key `spki`, other than the one that is renewed (DER; empty: none): it may have the same
// key, and a service may put it first.
inline std::vector<Bytes>::const_iterator new_one(const std::vector<Bytes>& ders, ByteView spki, ByteView renewed) {
  return std::find_if(ders.begin(), ders.end(), [&](const Bytes& der) {
    return !equal(der, renewed) && x509::same_key(x509::parse_certificate(der).spki(), spki);
  });
}

// Where only the renewed one is there, that: so that the check of it says what came.
inline std::vector<Bytes>::const_iterator new_or_renewed(const std::vector<Bytes>& ders, ByteView spki,
                                                         ByteView renewed) {
  const auto found = new_one(ders, spki, renewed);
  return found != ders.end() ? found : new_one(ders, spki, {});
}

// Throws invalid_input.
inline std::vector<x509::Certificate> parsed(const std::vector<Bytes>& ders) {
  std::vector<x509::Certificate> certificates;
  for (const Bytes& der : ders) certificates.push_back(x509::parse_certificate(der));
  return certificates;
}

// What `new_one` calls renewed.
inline ByteView renewed_by(const workflow::Order& order) {
  return order.predecessor() ? ByteView(order.predecessor()->der) : ByteView{};
}

// The PEM or DER that `whose` ("the TSB") handed out for the key `spki` (DER; empty: for no key in particular). What
// cannot be read of it is left out and named in the log, but where ours is not among the rest: it may be that one.
// Throws invalid_input.
inline std::vector<Bytes> handed_out(std::string_view whose, ByteView text, ByteView spki, ByteView renewed = {}) {
  x509::Bundle bundle = x509::read_bundle(text);
  if (bundle.skipped.empty()) return std::move(bundle.certificates);
  const std::string skipped = joined(bundle.skipped, "; ");
  const bool ours = new_one(bundle.certificates, spki, renewed) != bundle.certificates.end();
  if (!spki.empty() && !ours) throw Error{ErrorKind::invalid_input, "it cannot be read whole: " + skipped};
  log::warning(fmt::format("of the certificates that {} handed out some are left out: {}", whose, skipped));
  return std::move(bundle.certificates);
}

// The certificate for the key `spki` that `whose` handed out, whatever its place (root first was seen too), and what came
// with it. Where none has that key: whichever issued no other, so that the check of it says what came. Throws corrupt.
inline workflow::Issued issued_from(std::string_view whose, ByteView text, ByteView spki,
                                    const workflow::Order& order) {
  constexpr std::size_t kMost = 100;  // no chain is near it
  try {
    const ByteView renewed = renewed_by(order);
    std::vector<Bytes> ders = handed_out(whose, text, spki, renewed);
    if (ders.size() > kMost) {
      throw Error{ErrorKind::corrupt, fmt::format("it holds {} certificates, which no chain does", ders.size())};
    }
    auto leaf = new_or_renewed(ders, spki, renewed);
    if (leaf == ders.end()) {
      const std::vector<x509::Certificate> all = parsed(ders);
      const auto issues_none = [&](const x509::Certificate& one) {
        return std::none_of(all.begin(), all.end(), [&](const x509::Certificate& other) {
          return &other != &one && other.issuer() == one.subject();
        });
      };
      const auto found = std::find_if(all.begin(), all.end(), issues_none);
      leaf = ders.begin() + (found == all.end() ? 0 : found - all.begin());
    }
    workflow::Issued issued{*leaf, {}};
    ders.erase(leaf);
    issued.chain = std::move(ders);
    return issued;
  } catch (const Error& error) {
    throw Error{ErrorKind::corrupt, fmt::format("what {} handed out is not a certificate: {}", whose, error.message())};
  }
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
