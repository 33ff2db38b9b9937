#include "tools/hsmbridge/usecase/doctor.h"

#include "base/error.h"
#include "base/trust.h"
#include "config/secret_source.h"
#include "pkcs11/login/pin.h"
#include "pkcs11/login/token_lock.h"
#include "pkcs11/token/module.h"
#include "pkcs11/token/token.h"
#include "service/content/ask.h"
#include "tools/hsmbridge/wiring/token_access.h"
#include "x509/asn1/bounds.h"
#include "x509/objects/algorithm.h"
#include "x509/objects/pem_file.h"

#include <fmt/core.h>
#include <sys/timex.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <utility>

namespace hsmbridge::cli {

namespace {

void examine_secret(std::vector<Finding>& findings, const std::string& subject, const config::SecretSource& source) {
  examine(findings, subject, [&](Finding& finding) {
    using Kind = config::SecretSource::Kind;
    finding.what = source.name();
    if (source.kind() == Kind::prompt) {
      finding.what = "asked for when it is needed";
    } else if (source.kind() == Kind::protected_path) {
      finding.what = "the token's own PIN pad asks";
    } else {
      source.fetch({}, subject);
      finding.what = fmt::format("readable, {}", source.name());
    }
  });
}

void examine_refusal(const config::TokenSettings& settings, const pkcs11::Token& token, Finding& finding) {
  if (!settings.pin) return;
  const auto refusal = token.remembered_pin();
  if (!refusal) return;
  const bool refused = refusal->state.standing == pkcs11::PinStanding::refused;
  finding.health = refused ? Health::fault : Health::note;
  finding.what = fmt::format("a PIN was {} at {} ({}){}{}", refused ? "refused" : "tried without a clear answer",
                             rfc3339(refusal->at), refusal->state.words(),
                             refusal->recorded_by ? fmt::format(" by uid {}", *refusal->recorded_by) : "",
                             refused ? " and none is tried again" : "");
  if (refused) {
    finding.hint =
        fmt::format("correct {}, then: hsmbridge token login {} --retry", settings.pin->name(), settings.name);
  }
}

void examine_pin_state(const pkcs11::TokenInfo& info, Finding& finding) {
  finding.what = fmt::format("user PIN {}", pkcs11::to_string(info.user_pin));
  switch (info.user_pin) {
    case pkcs11::PinState::fine:
      break;
    case pkcs11::PinState::count_low:
      finding.health = Health::note;
      finding.what = "a wrong PIN was entered since the last right one";
      break;
    case pkcs11::PinState::not_set:
      finding.health = Health::fault;
      finding.what = "no user PIN is set";
      finding.hint = "the token's security officer sets it";
      break;
    case pkcs11::PinState::final_try:
      finding.health = Health::fault;
      finding.what = "one more wrong PIN locks the token, so no PIN is tried";
      finding.hint = "log in once with the vendor's tool and the right PIN";
      break;
    case pkcs11::PinState::locked:
      finding.health = Health::fault;
      finding.what = "the user PIN is locked";
      finding.hint = "the token's security officer unlocks it";
      break;
  }
}

// A provider's secrets are read by its own reader; here every value that is the text form of a source is tried.
std::vector<std::string> texts_of(config::Section section, std::string_view key) {
  using Shape = config::Section::Shape;
  switch (section.shape(key)) {
    case Shape::text:
    case Shape::list:
      return section.texts(key);
    default:
      return {};
  }
}

bool looks_like_source(std::string_view text) {
  for (const std::string_view prefix : {"env:", "file:", "credential:"}) {
    if (text.substr(0, prefix.size()) == prefix) return true;
  }
  return false;
}

Finding public_key(std::string subject, const std::filesystem::path& file) {
  std::vector<Finding> findings;
  examine(findings, std::move(subject), [&](Finding& finding) {
    const Bytes spki = x509::key_of_person_in_file(file, x509::Given::to_be_believed);
    finding.what = fmt::format("{}, key with SHA-256 {}", file.string(), hex(sha256(spki)));
  });
  return std::move(findings.front());
}

}  // namespace

std::vector<Finding> examine_token(Wiring& wiring, const config::TokenSettings& settings, DoctorLogin login) {
  std::vector<Finding> findings;
  const std::string name = fmt::format("token {}", settings.name);
  examine(findings, name + ": module", [&](Finding& finding) {
    const pkcs11::ModuleInfo info = pkcs11::Module::load(settings.module)->info();
    finding.what = fmt::format("{}, {}", info.description, info.path.string());
  });
  if (settings.pin) {
    examine_secret(findings, name + ": PIN source", *settings.pin);
  } else {
    findings.push_back(
        {name + ": PIN source", Health::note, "none is configured: no login is possible", "add  pin: file:PATH"});
  }
  if (settings.key_pin) examine_secret(findings, name + ": key PIN source", *settings.key_pin);
  if (findings.front().health == Health::fault) return findings;

  std::shared_ptr<pkcs11::Token> token;
  examine(findings, name, [&](Finding& finding) {
    token = wiring.pkcs11_token(settings.name);
    const pkcs11::TokenInfo info = token->info();
    finding.what = fmt::format("present: {}, {}, serial {}", info.label, info.model, info.serial);
  });
  if (token == nullptr) return findings;
  examine(findings, name + ": PIN", [&](Finding& finding) {
    const pkcs11::TokenInfo info = token->info();
    examine_pin_state(info, finding);
    if (finding.health != Health::fault) examine_refusal(settings, *token, finding);
  });
  examine(findings, name + ": locks", [&](Finding& finding) {
    for (const auto work : {pkcs11::LockedWork::login, pkcs11::LockedWork::making_keys}) {
      finding.what = fmt::format("can be opened, in {}",
                                 pkcs11::open_token_lock(work, token->info().serial).parent_path().string());
    }
  });
  examine(findings, name + ": signs", [&](Finding& finding) {
    for (const x509::SignatureAlgorithm& row : x509::signature_algorithms()) {
      if (!token->can_sign_with(row.token_mechanism)) continue;
      finding.what += (finding.what.empty() ? "" : ", ") + std::string(row.name);
    }
    if (finding.what.empty()) {
      finding.health = Health::fault;
      finding.what = "it has no signature mechanism that this program knows";
    }
  });
  if (login == DoctorLogin::once) {
    examine(findings, name + ": login", [&](Finding& finding) {
      token->login();
      finding.what = token->info().login_required ? "the PIN is right" : "the token wants none";
    });
  }
  return findings;
}

std::vector<Finding> examine_provider(const config::ProviderSettings& provider) {
  std::vector<Finding> findings;
  const std::string name = fmt::format("provider {}", provider.name);
  for (const char* const key : {"ca", "issuer", "chain"}) {
    if (provider.section.shape(key) != config::Section::Shape::text) continue;
    examine(findings, fmt::format("{}: {}", name, key), [&](Finding& finding) {
      config::Section section = provider.section;
      const auto file = section.file(key);
      finding.what = fmt::format("{}, {} certificates", file.string(), read_anchors(file).certificates.size());
    });
  }
  if (provider.section.shape("application_public_key") == config::Section::Shape::text) {
    config::Section section = provider.section;
    findings.push_back(public_key(name + ": application_public_key", section.file("application_public_key")));
  }
  for (const std::string& key : provider.section.keys()) {
    for (const std::string& text : texts_of(provider.section, key)) {
      if (!looks_like_source(text)) continue;
      examine_secret(findings, fmt::format("{}: {}", name, key),
                     config::SecretSource::parse(text, config::SecretUse::any, std::filesystem::current_path()));
    }
  }
  return findings;
}

std::vector<Finding> examine_person(const config::PersonSettings& person) {
  if (!person.public_key) return {};
  return {public_key(fmt::format("person {}", person.name), *person.public_key)};
}

std::vector<Finding> examine_profile(const config::Settings& settings, const config::ProfileSettings& profile) {
  std::vector<Finding> findings;
  examine(findings, fmt::format("profile {}", profile.name), [&](Finding& finding) {
    service::profile_content(profile);
    if (profile.key) x509::parse_key_spec(*profile.key);
    if (profile.token) settings.token(*profile.token);
    if (profile.provider) settings.provider(*profile.provider);
    std::size_t anchors = 0;
    for (const auto& file : profile.anchors) {
      const auto bundle = read_anchors(file);
      anchors += bundle.certificates.size();
      if (bundle.skipped.empty()) continue;
      finding.health = Health::note;
      finding.hint += fmt::format("{}{}: left out: {}", finding.hint.empty() ? "" : "; ", file.string(),
                                  x509::listed(bundle.skipped));
    }
    const auto& hook = profile.install.hook;
    if (!hook.empty() && hook[0].find('/') != std::string::npos) {
      expect_trusted(hook[0], {"it is run after an installation"});
    }
    finding.what = profile.anchors.empty() ? "readable" : fmt::format("readable, {} trust anchors", anchors);
  });
  return findings;
}

Finding examine_clock(const Clock& clock) {
  Finding finding{"clock", Health::ok, rfc3339(std::chrono::floor<std::chrono::seconds>(clock.now())), ""};
  // adjtimex(2) with no modes only reads. A provider refuses a time stamp of the future: even a second counts.
  timex state{};
  if (::adjtimex(&state) < 0 || (state.status & STA_UNSYNC) != 0) {
    finding.health = Health::note;
    finding.what += ", and nothing tells that it is synchronised";
    finding.hint = "run an NTP client, for example chrony or systemd-timesyncd";
  }
  return finding;
}

}  // namespace hsmbridge::cli
