#include "tools/hsmbridge/doctor.h"

#include "base/error.h"
#include "config/secret_source.h"
#include "pkcs11/module.h"
#include "pkcs11/pin.h"
#include "pkcs11/token.h"
#include "pkcs11/token_lock.h"
#include "service/ask.h"
#include "service/requests.h"
#include "tools/hsmbridge/token_access.h"
#include "x509/algorithm.h"
#include "x509/bounds.h"

#include <fmt/core.h>
#include <sys/timex.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <utility>

namespace hsmbridge::cli {

namespace {

// One check; what it throws is the fault.
template <class Check>
void examine(std::vector<Finding>& findings, std::string subject, Check check) {
  Finding finding{std::move(subject), Health::ok, "", ""};
  try {
    check(finding);
  } catch (...) {
    const Error error = current_error();
    finding.health = Health::fault;
    finding.what = error.message();
    finding.hint = error.hint();
  }
  findings.push_back(std::move(finding));
}

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

void examine_refusal(Wiring& wiring, const config::TokenSettings& settings, const std::string& serial,
                     Finding& finding) {
  if (!settings.pin) return;
  // A store that is not there yet remembers nothing, and asking it would make it.
  const auto& store = wiring.settings().store.path;
  if (store && !std::filesystem::exists(*store)) return;
  const auto source = settings.pin->name();
  const auto refusal = wiring.refusals()->refused({serial, settings.user_type, hex(sha256(as_bytes(source)))});
  if (!refusal) return;
  finding.health = Health::fault;
  finding.what =
      fmt::format("{} was refused at {} ({}) and is not tried again", source, rfc3339(refusal->at), refusal->reason);
  finding.hint = fmt::format("mend it, then: hsmbridge token login {} --retry", settings.name);
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

// A key that nobody waits for any more may be in the token.
void examine_plans(std::vector<Finding>& findings, Wiring& wiring) {
  examine(findings, "store: planned keys", [&](Finding& finding) {
    const auto store = wiring.store();
    for (const auto& key : service::forgotten_plans(*store)) {
      finding.health = Health::note;
      finding.what +=
          fmt::format("{}{} (CKA_ID {}) in token {} was planned for a request that is over, and may be there",
                      finding.what.empty() ? "" : "\n", key.label, key.cka_id, key.token);
      finding.hint = fmt::format("`hsmbridge key list --token {}` says whether it is there, and what to do", key.token);
    }
    if (finding.what.empty()) finding.what = "none is left over";
  });
}

}  // namespace

std::vector<Finding> examine_store(Wiring& wiring) {
  std::vector<Finding> findings;
  const auto& path = wiring.settings().store.path;
  bool opened = false;
  examine(findings, "store", [&](Finding& finding) {
    if (!path) {
      finding.health = Health::note;
      finding.what = "none is configured: no requests, and no audit log";
      finding.hint = "add  store: {path: /var/lib/hsmbridge/hsmbridge.db}";
    } else if (std::filesystem::exists(*path)) {
      wiring.store();
      finding.what = fmt::format("opens, {}", path->string());
      opened = true;
    } else {
      // Not made here: a check changes nothing.
      finding.what = fmt::format("{} is made at the first use", path->string());
      std::filesystem::path folder = path->parent_path();
      while (!folder.empty() && folder != folder.root_path() && !std::filesystem::exists(folder)) {
        folder = folder.parent_path();
      }
      if (::access(folder.c_str(), W_OK | X_OK) != 0) {
        finding.health = Health::fault;
        finding.what = fmt::format("{} cannot be made: {} is not writable", path->string(), folder.string());
        finding.hint = "let the user of hsmbridge own that folder";
      }
    }
  });
  if (opened) examine_plans(findings, wiring);
  return findings;
}

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
    if (finding.health != Health::fault) examine_refusal(wiring, settings, info.serial, finding);
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
  for (const std::string& key : provider.section.keys()) {
    for (const std::string& text : texts_of(provider.section, key)) {
      if (!looks_like_source(text)) continue;
      examine_secret(findings, fmt::format("{}: {}", name, key),
                     config::SecretSource::parse(text, config::SecretUse::any, std::filesystem::current_path()));
    }
  }
  return findings;
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
