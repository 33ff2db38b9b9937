#include "base/error.h"
#include "base/log.h"
#include "providers/securosys/provider.h"
#include "x509/objects/spki.h"

#include <fmt/core.h>

namespace hsmbridge::securosys {

using namespace workflow;

// The public key of a key at the TSB; nothing when it may not be read (its password is not ours to know).
std::optional<Bytes> SecurosysProvider::public_key_at(const std::string& label, Duration limit) {
  if (!client_->may_call(Endpoint::key_attributes)) return std::nullopt;
  try {
    Bytes key = client_->key_attributes(label, {}, limit).public_key;
    return key.empty() ? std::nullopt : std::optional(std::move(key));
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::unavailable || error.detail("errorCode") == "650") throw;
    log::debug(fmt::format("provider {}: the attributes of key {} cannot be read: {}", settings_.name, label,
                           error.message()));
    return std::nullopt;
  }
}

// The certificate at a key of the TSB; nothing when none is attached. Who may not look must not import either.
std::optional<Bytes> SecurosysProvider::attached_to(const std::string& label, Duration limit) {
  try {
    return client_->certificate(label, limit);
  } catch (Error& error) {
    if (error.detail("errorCode") == "402") return std::nullopt;
    if (error.detail("errorCode") == "650") error.hint("check `import_label`: the TSB has no key of that label");
    throw;
  }
}

void SecurosysProvider::confirm(const ProviderCall& call, const Issued& issued) {
  std::string label = settings_.import_label;
  if (label.empty()) {
    throw Error{ErrorKind::invalid_input,
                fmt::format("provider {} has no import_label: it does not say to which key at the TSB the certificate "
                            "belongs",
                            settings_.name)};
  }
  if (const std::size_t at = label.find("{key}"); at != std::string::npos) label.replace(at, 5, call.key.label);
  // Importing overwrites without a question: the certificate that this CA key signs with would be gone.
  if (label == settings_.sign_key || settings_.keys_of_cas.count(label) != 0) {
    throw Error{
        ErrorKind::conflict,
        fmt::format("the certificate is not imported: {} is {} provider "
                    "{}, whose own certificate it would overwrite",
                    label, label == settings_.sign_key ? "the signing key of" : "a CA's key at", settings_.name)}
        .hint("correct `import_label`");
  }
  const Duration end = clock_.since_boot() + call.time_limit;
  const x509::Certificate ours = x509::parse_certificate(issued.certificate);
  if (const std::optional<Bytes> there = public_key_at(label, call.time_limit / 3);
      there && !x509::same_key(*there, ours.spki())) {
    throw Error{ErrorKind::conflict, fmt::format("the certificate is not imported: the key {} at the TSB is another "
                                                 "one than the certificate's",
                                                 label)}
        .hint("correct `import_label`");
  }
  // Looked at each time, and last before importing: this is tried again after a lost answer, perhaps days later, and an
  // import overwrites whatever was attached meanwhile. The TSB offers no way to look and import in one step.
  if (const std::optional<Bytes> there = attached_to(label, (end - clock_.since_boot()) / 2)) {
    if (equal(*there, issued.certificate)) return;
    const Instant since = x509::parse_certificate(*there).tbs.validity.not_before;
    // As late is not later: some servers date every certificate of a day to its midnight.
    if (since > ours.tbs.validity.not_before) {
      throw Error{ErrorKind::conflict,
                  fmt::format("the certificate is not imported: the key {} at the TSB has a newer one (valid from {}, "
                              "ours from {}), which it would overwrite",
                              label, rfc3339(since), rfc3339(ours.tbs.validity.not_before))}
          .hint("if ours belongs there anyway, remove the other one at the TSB (DELETE /v1/certificate/" + label +
                "), then install again; else leave it as it is");
    }
  }
  client_->import_certificate(label, issued.certificate, end - clock_.since_boot());
}

}  // namespace hsmbridge::securosys
