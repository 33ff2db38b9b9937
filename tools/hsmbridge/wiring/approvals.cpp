#include "tools/hsmbridge/wiring/approvals.h"

#include "base/error.h"
#include "base/trust.h"
#include "providers/securosys/key_approvals.h"
#include "service/approvals/account.h"
#include "tools/hsmbridge/wiring/securosys.h"
#include "x509/objects/pem.h"
#include "x509/objects/pem_file.h"

#include <fmt/core.h>

#include <utility>

namespace hsmbridge::cli {

namespace {

const config::PersonSettings& person_of(const config::Settings& settings, const std::optional<std::string>& name) {
  const config::PersonSettings* found = nullptr;
  Error several{ErrorKind::ambiguous, "several people of the configuration have a key here"};
  unsigned count = 0;
  for (const auto& person : settings.people) {
    if (!person.token || (name && person.name != *name)) continue;
    found = &person;
    several.with("candidate", person.name);
    ++count;
  }
  if (count == 1) return *found;
  if (count > 1) throw several.hint("say who you are: --as NAME");
  throw Error{ErrorKind::not_found,
              name ? fmt::format("the configuration has no person {} with a token and a key", *name)
                   : std::string("the configuration has no person with a token and a key")}
      .hint("add  people: {NAME: {token: TOKEN, key: SELECTOR}}");
}

// In the form in which the TSB's policy names this person: with the certificate when that is what is configured.
securosys::Identity identity_of(const config::PersonSettings& person, const x509::Signer& signer) {
  const auto& spki = signer.subject_public_key_info();
  if (person.spki && *person.spki != base64(spki)) {
    throw Error{ErrorKind::conflict, fmt::format("the key {} in token {} is not the one that `spki` of {} names",
                                                 *person.key, *person.token, person.name)}
        .with("sha256 of the token's key", hex(sha256(spki)));
  }
  if (person.public_key) {
    const auto content = read_trusted(*person.public_key, kBelieved);
    bool certificate = true;
    Bytes der;
    try {
      der = x509::read_certificate(content);
    } catch (const Error&) {
      certificate = false;
    }
    if (certificate) return securosys::Identity::certificate(signer, der);
    if (!equal(x509::read_public_key(content), spki)) {
      throw Error{ErrorKind::conflict, fmt::format("the key {} in token {} is not the one of {}", *person.key,
                                                   *person.token, person.public_key->string())};
    }
  }
  return securosys::Identity::public_key(signer);
}

// Whose signature a note should carry: the application key's public half, or why it is not known here.
void find_application_key(const securosys::Settings& provider, Wiring& wiring, const workflow::RecordFact& record,
                          securosys::KeyApprovals::Parts& parts) {
  try {
    if (provider.application_public_key) {
      parts.application_key =
          x509::key_of_person_in_file(*provider.application_public_key, x509::Given::to_be_believed);
    }
    if (parts.application_key || !provider.application_key) return;
    const auto& token = wiring.settings().token(provider.application_key->token);
    // An approver is not asked for the PIN of somebody else's token.
    if (token.pin && token.pin->kind() == config::SecretSource::Kind::prompt) {
      parts.application_key_unknown = "its PIN would have to be typed; name its public half as application_public_key";
      return;
    }
    const auto ring = wiring.key_ring(token.name);
    const auto opened = ring->signer(ring->find(provider.application_key->key),
                                     {workflow::Purpose::metadata, "identifying this bridge's notes", Json::object(),
                                      provider.application_key->accept},
                                     record);
    parts.application_key = opened.key.spki;
  } catch (const Error& error) {
    parts.application_key_unknown = error.message();
  }
}

// An approver may be allowed to read the bridge's store and nothing more.
workflow::RecordFact recorder(CommandContext& context, commandline::Output& output) {
  return [&context, &output, said = std::make_shared<bool>(false)](std::string_view kind, const Json& facts) {
    try {
      context.log().record(kind, facts);
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::denied) throw;
      if (!std::exchange(*said, true)) {
        output.note(
            fmt::format("hsmbridge: uses of this key are in no audit log: {}", commandline::safe(error.message())));
      }
    }
  };
}

// Where those decide whose key signs for a provider: at the one that keeps a CA's key.
const config::ProviderSettings& keeper_of(const config::Settings& settings, const config::ProviderSettings& provider) {
  return provider.key_at ? settings.provider(provider.key_at->provider) : provider;
}

// Of a person whose entry names none, nor the command: the only one at which people decide with their keys.
const config::ProviderSettings& only_keeper(const config::Settings& settings) {
  const config::ProviderSettings* found = nullptr;
  for (const auto& provider : settings.providers) {
    if (provider_type(provider).approvers != Approvers::with_a_key) continue;
    if (found != nullptr) return settings.provider("");  // throws what can be named
    found = &provider;
  }
  return found != nullptr ? *found : settings.provider("");
}

std::unique_ptr<workflow::Approvals> with_a_key(Wiring& wiring, const config::PersonSettings& person,
                                                const config::ProviderSettings& provider, workflow::RecordFact record) {
  if (provider_type(provider).approvers != Approvers::with_a_key) {
    throw Error{ErrorKind::invalid_input, fmt::format("provider {} is of type {}: its approvers decide there, not here",
                                                      provider.name, provider.type)};
  }
  securosys::KeyApprovals::Parts parts;
  parts.person = person.name;
  parts.provider = provider.name;
  const auto ring = wiring.key_ring(*person.token);
  parts.signer = ring->signer(ring->find(*person.key),
                              {workflow::Purpose::approval, "listing approval tasks (a time stamp)",
                               Json::object({{"person", person.name}}), person.accept_key},
                              record)
                     .signer;
  const auto needs = wiring.provider_needs();
  auto there = securosys_parts(provider, needs);
  parts.client = std::move(there.client);
  if (!there.settings.sign_key.empty()) parts.sign_keys[there.settings.sign_key] = provider.name;
  for (const auto* ca : needs.cas_at(provider.name)) parts.sign_keys[ca->key_at->key] = ca->name;
  parts.limit = there.settings.time_limit;
  find_application_key(there.settings, wiring, record, parts);
  parts.identity = identity_of(person, *parts.signer);
  return std::make_unique<securosys::KeyApprovals>(std::move(parts), std::move(record), wiring.clock());
}

}  // namespace

std::unique_ptr<workflow::Approvals> approvals_of(CommandContext& context, commandline::Output& output,
                                                  const std::optional<std::string>& person,
                                                  const std::optional<std::string>& provider) {
  auto& wiring = context.configured();
  const auto& settings = wiring.settings();
  if (provider && !person &&
      provider_type(keeper_of(settings, settings.provider(*provider))).approvers != Approvers::with_a_key) {
    const auto& name = settings.provider(*provider).name;
    return std::make_unique<service::AccountApprovals>(
        name, wiring.provider(name),
        [&context](std::string_view kind, const Json& facts) { context.log().record(kind, facts); });
  }
  const auto& who = person_of(settings, person);
  const auto& named = provider ? provider : who.provider;
  const auto& at = named ? keeper_of(settings, settings.provider(*named)) : only_keeper(settings);
  return with_a_key(wiring, who, at, recorder(context, output));
}

}  // namespace hsmbridge::cli
