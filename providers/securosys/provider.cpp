#include "providers/securosys/provider.h"

#include "base/error.h"
#include "base/json.h"
#include "base/log.h"
#include "base/text.h"
#include "providers/bundle.h"
#include "providers/following.h"
#include "providers/securosys/signing.h"
#include "x509/objects/pem_file.h"
#include "x509/objects/spki.h"

#include <fmt/core.h>

#include <utility>

namespace hsmbridge::securosys {

using namespace workflow;

Pinned pinned_from(const std::string& provider_state) {
  return providers::stored_state<Pinned>(provider_state, [](const providers::Members& in) {
    Pinned pinned{std::nullopt, in.date("result_owed_since")};
    if (const Json* policy = in.find("policy")) pinned.policy = approval::policy_from(*policy);
    return pinned;
  });
}

std::string state_of(const Pinned& pinned) {
  return providers::stored({{"policy", pinned.policy ? approval::to_json(*pinned.policy) : Json()},
                            {"result_owed_since", providers::stored(pinned.result_owed_since)}});
}

workflow::IssuedResult unreadable_result(std::string_view body) {
  constexpr std::size_t kMostKept = 256U << 10U;
  return {workflow::IssuedSignature{}, to_bytes(body.substr(0, kMostKept))};
}

SecurosysProvider::SecurosysProvider(Settings settings, std::shared_ptr<Client> client, Keys keys, const Clock& clock,
                                     config::Prompter prompter, AnchorsOf anchors, Authorities authorities)
    : settings_(std::move(settings)),
      client_(std::move(client)),
      keys_(std::move(keys)),
      clock_(clock),
      prompter_(std::move(prompter)),
      anchors_(std::move(anchors)),
      authorities_(std::move(authorities)),
      issuer_(kLearntAge, clock),
      generation_(kLearntAge, clock),
      attributes_(kLearntAge, clock),
      attached_(kLearntAge, clock) {
  if (settings_.issuer) issuer_file_ = x509::certificate_in_file(*settings_.issuer, x509::Given::to_be_believed);
  if (settings_.chain) chain_ = providers::chain_in_file(settings_.name, *settings_.chain);
  if (settings_.task_reader && keys_.task_reader) {
    reader_.emplace(
        *keys_.task_reader,
        Identity::timestamp_certificate(
            *keys_.task_reader, x509::certificate_in_file(settings_.task_reader->certificate, x509::Given::to_be_read)),
        clock_);
  }
}

Capabilities capabilities_of(Mode mode) {
  return {.cancel = true,
          .shows_approvers = true,
          .shows_quorum = true,
          .full_profile = mode != Mode::certificate,
          .beside_csr = mode == Mode::certificate};
}

Capabilities SecurosysProvider::capabilities() const {
  Capabilities can = capabilities_of(settings_.mode);
  can.shows_quorum = settings_.policy.has_value() || client_->may_call(Endpoint::key_attributes);
  can.result_once = settings_.result_once;
  can.imports = !settings_.import_label.empty();
  return can;
}

// ---- what is learnt from the server ---------------------------------------------------------------------------------

x509::Certificate SecurosysProvider::issuer(Duration limit, Freshness freshness) {
  if (issuer_file_) return x509::parse_certificate(*issuer_file_);
  if (freshness == Freshness::recent) {
    if (auto known = issuer_.recent()) return *known;
  }
  x509::Certificate read = x509::parse_certificate(client_->certificate(settings_.sign_key, limit));
  issuer_.keep(read);
  return read;
}

Generation SecurosysProvider::generation(Duration limit) {
  if (settings_.generation) return *settings_.generation;
  if (const auto known = generation_.recent()) return *known;
  try {
    const Generation learnt = generation_of(client_->version_info(limit).version);
    generation_.keep(learnt);
    return learnt;
  } catch (Error& error) {
    if (error.kind() == ErrorKind::denied) {
      error.hint("give a service API key (api_keys: {service: …}), or state `generation: classic` or `modern`");
    }
    throw;
  }
}

// Never an obstacle: whoever may not read them knows less.
std::optional<KeyAttributes> SecurosysProvider::attributes(Duration limit) {
  if (!client_->may_call(Endpoint::key_attributes)) return std::nullopt;
  if (auto known = attributes_.recent()) return known;
  try {
    KeyAttributes read = client_->key_attributes(settings_.sign_key, key_password(), limit);
    if (read.rule_use) approval::validate(*read.rule_use);
    // A key that is unblocked must not be called blocked for minutes.
    if (!read.blocked) attributes_.keep(read);
    return read;
  } catch (const Error& error) {
    log::debug(fmt::format("provider {}: the attributes of key {} cannot be read: {}", settings_.name,
                           settings_.sign_key, error.message()));
    return std::nullopt;
  }
}

// Without one the three lists are shown, and "quorum unknown".
std::optional<approval::Policy> SecurosysProvider::policy(Duration limit) {
  if (settings_.policy || settings_.sign_key.empty()) return settings_.policy;
  const std::optional<KeyAttributes> known = attributes(limit);
  return known ? known->rule_use : std::nullopt;
}

Secret SecurosysProvider::key_password() const {
  if (!settings_.key_password) return {};
  Secret password = providers::read_credential(
      [&] { return settings_.key_password->fetch(prompter_, "the password of key " + settings_.sign_key); });
  client_->leave_out(password);
  return password;
}

// ---- test -----------------------------------------------------------------------------------------------------------

std::vector<std::string> SecurosysProvider::test() {
  std::vector<std::string> learnt;
  const Duration limit = settings_.time_limit;
  const bool may_ask = client_->may_call(Endpoint::version_info);
  const auto service = [&](const char* what, auto ask) {
    try {
      learnt.push_back(ask());
    } catch (const Error& error) {
      // A key-operation key alone is an ordinary set-up.
      if (may_ask || error.kind() != ErrorKind::denied) throw;
      learnt.push_back(fmt::format("{}: not shown without a service API key", what));
    }
  };
  service("version", [&] {
    const VersionInfo version = client_->version_info(limit);
    return fmt::format("TSB {}{}, {} generation", version.version,
                       version.vendor.empty() ? "" : " of " + version.vendor,
                       generation_of(version.version) == Generation::modern ? "modern" : "classic");
  });
  service("licence",
          [&] { return fmt::format("licence: {} (the HSM answers)", joined(client_->license_flags(limit))); });
  if (settings_.sign_key.empty()) {
    learnt.emplace_back("it has no sign_key: it certifies nothing itself, and keeps the keys of CAs");
  } else if (settings_.mode != Mode::given_bytes) {
    test_issuer(learnt);
  }
  if (const std::optional<approval::Policy> rule = policy(limit)) {
    learnt.push_back("approval: " + approval::quorum_text(*rule));
  } else if (!settings_.sign_key.empty()) {
    learnt.emplace_back("approval: quorum unknown (no approval_policy and no key_management API key)");
  }
  if (reader_) {
    if (const std::string objection = reader_objection(limit); !objection.empty()) {
      throw Error{ErrorKind::refused, objection}.hint("a lost submission would have to be resolved by hand");
    }
    const auto turn = reader_turn(limit);
    reader_->with_proof([&](const TimestampProof& proof) { return client_->tasks(proof, {"", 1, 0, 1}, limit); });
    learnt.emplace_back("task_reader: may list approval tasks");
  }
  return learnt;
}

void SecurosysProvider::test_issuer(std::vector<std::string>& learnt) {
  const x509::Certificate certificate =
      x509::parse_certificate(client_->certificate(settings_.sign_key, settings_.time_limit));
  learnt.push_back(fmt::format("key {} issues as {} until {}", settings_.sign_key, certificate.subject().to_string(),
                               rfc3339(certificate.tbs.validity.not_after)));
  if (issuer_file_ && !x509::same_key(x509::parse_certificate(*issuer_file_).spki(), certificate.spki())) {
    throw Error{ErrorKind::conflict, fmt::format("the certificate of key {} at the TSB is for another key than the "
                                                 "configured issuer",
                                                 settings_.sign_key)}
        .hint("correct `issuer` or `sign_key`");
  }
  if (settings_.mode == Mode::raw_signature) {
    learnt.push_back(fmt::format("signs with {}", issuing_algorithm(settings_, certificate).name));
  }
}

}  // namespace hsmbridge::securosys
