#include "base/error.h"
#include "base/log.h"
#include "providers/bundle.h"
#include "providers/digicert/certificates.h"
#include "providers/digicert/provider.h"
#include "x509/objects/csr.h"

#include <fmt/core.h>

#include <algorithm>

// Making the certificate and its chain of what the service handed out.
namespace hsmbridge::digicert {

using namespace workflow;

namespace {

// What was handed out, from the whole body; from the certificate alone where a person brought it.
CertificateAnswer answer_in(const IssuedResult& result) {
  try {
    CertificateAnswer answer = certificate_answer_from(as_text(result.raw));
    if (!answer.certificate.empty()) return answer;
  } catch (const Error&) {
    // no body of this service
  }
  CertificateAnswer answer;
  // A person's file was read already: the result is the certificate itself (a SEQUENCE), which no text begins like.
  const Bytes& octets = result.octets();
  const bool is_der = !octets.empty() && octets.front() == 0x30 && octets.size() > 1 && octets[1] >= 0x80;
  answer.certificate = is_der ? base64(octets) : hsmbridge::to_text(octets);
  return answer;
}

constexpr std::size_t kMostIssuers = 100;

std::vector<x509::Certificate> parsed(const std::vector<Bytes>& ders) {
  if (ders.size() > kMostIssuers) {
    throw Error{ErrorKind::corrupt, fmt::format("DigiCert handed out {} certificates for one", ders.size())};
  }
  try {
    return providers::parsed(ders);
  } catch (const Error& error) {
    throw Error{ErrorKind::corrupt, "a certificate that DigiCert handed out cannot be read: " + error.message()};
  }
}

template <class T>
void append(std::vector<T>& to, std::vector<T> more) {
  for (T& one : more) to.push_back(std::move(one));
}

}  // namespace

// Every certificate of GET …/additional-formats, or of the issuer that the profile shows, whatever their order. Throws
// unavailable; any other trouble means that there are none: the check of the certificate says whether the chain is
// enough.
std::vector<x509::Certificate> DigicertProvider::issuers_from(IssuersIn where, const std::string& name,
                                                              Duration limit) {
  try {
    std::vector<Bytes> ders;
    if (where == IssuersIn::formats) {
      const AdditionalFormats formats = client_->additional_formats(name, limit);
      append(ders, issuers_in(formats.chain));
      if (!formats.pkcs7.empty()) append(ders, issuers_in({formats.pkcs7}));
    } else {
      append(ders, issuers_in(profile(name, Freshness::any, limit).issuer_chain));
    }
    return parsed(ders);
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::unavailable) throw;
    log::warning(fmt::format("provider {}: the chain of {} {} could not be fetched: {}", settings_.name,
                             where == IssuersIn::formats ? "certificate" : "profile", name, error.message()));
    return {};
  }
}

std::vector<Bytes> DigicertProvider::issuers() const {
  std::vector<Bytes> ders;
  for (const x509::Certificate& one : chain_) ders.push_back(one.der);
  return ders;
}

Issued DigicertProvider::certificate_in(const ProviderCall& call, const IssuedResult& result) const {
  const CertificateAnswer answer = answer_in(result);
  std::vector<x509::Certificate> all = parsed(certificates_of(answer));
  const Bytes spki = call.draft.csr.empty() ? Bytes{} : x509::parse_csr(call.draft.csr).spki;
  const std::size_t at = leaf_among(all, spki, answer.serial);
  const x509::Certificate leaf = std::move(all[at]);
  all.erase(all.begin() + static_cast<std::ptrdiff_t>(at));
  const std::string serial = serial_text(leaf.serial());
  if (!answer.serial.empty() && !same_serial(answer.serial, serial)) {
    throw Error{ErrorKind::corrupt,
                fmt::format("DigiCert handed out certificate {} under the serial number {}", serial, answer.serial)};
  }
  if (call.order.predecessor() && equal(leaf.der, call.order.predecessor()->der)) {
    throw Error{ErrorKind::corrupt,
                fmt::format("DigiCert handed out certificate {}, which is the one that was to be replaced", serial)};
  }
  append(all, chain_);
  x509::SignatureBudget signatures;
  return {leaf.der, chain_from(leaf, all, signatures).certificates};
}

std::vector<Bytes> DigicertProvider::issuers_for(const ProviderCall& call, const Issued& issued) {
  const x509::Certificate leaf = x509::parse_certificate(issued.certificate);
  std::vector<x509::Certificate> all = providers::parsed(issued.chain);
  const Pinned pinned = pinned_for(call);
  x509::SignatureBudget signatures;
  for (const auto& [where, name] :
       {std::pair{IssuersIn::formats, known_serial(pinned, leaf)}, std::pair{IssuersIn::profile, pinned.profile}}) {
    if (chain_from(leaf, all, signatures).reaches_a_root) break;
    append(all, issuers_from(where, name, call.time_limit / 2));
  }
  std::vector<Bytes> found = chain_from(leaf, all, signatures).certificates;
  std::erase_if(found, [&](const Bytes& der) {
    return std::find(issued.chain.begin(), issued.chain.end(), der) != issued.chain.end();
  });
  return found;
}

}  // namespace hsmbridge::digicert
