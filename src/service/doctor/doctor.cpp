#include "service/doctor/doctor.h"

#include "base/error.h"
#include "base/program.h"
#include "base/trust.h"
#include "config/secret_source.h"
#include "service/content/ask.h"
#include "x509/asn1/bounds.h"
#include "x509/judge/weak_key_list.h"
#include "x509/objects/algorithm.h"
#include "x509/objects/pem_file.h"

#include <fmt/core.h>
#include <sys/timex.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <utility>

namespace hsmbridge::service {

namespace {

void examine_secret(std::vector<Check>& checks, const std::string& subject, const config::SecretSource& source) {
  examine(checks, subject, [&](Check& check) {
    using Kind = config::SecretSource::Kind;
    check.what = source.name();
    if (source.kind() == Kind::prompt) {
      check.what = "prompted for when it is needed";
    } else if (source.kind() == Kind::protected_path) {
      check.what = "the token's own PIN pad asks";
    } else {
      source.fetch({}, subject);
      check.what = fmt::format("readable, {}", source.name());
    }
  });
}

void examine_refusal(const config::TokenSettings& settings, const workflow::TokenDevice& token, Check& check) {
  if (!settings.pin) return;
  const auto refusal = token.remembered_pin();
  if (!refusal) return;
  const bool refused = refusal->state.standing == workflow::PinStanding::refused;
  check.health = refused ? Health::fault : Health::note;
  check.what = fmt::format("a PIN was {} at {} ({}){}{}", refused ? "refused" : "tried without a clear answer",
                           rfc3339(refusal->at), refusal->state.words(),
                           refusal->recorded_by ? fmt::format(" by uid {}", *refusal->recorded_by) : "",
                           refused ? " and none is tried again" : "");
  if (refused) {
    check.hint = fmt::format("correct {}, then: hsmbridge token login {} --retry", settings.pin->name(), settings.name);
  }
}

void examine_pin_state(const workflow::TokenInfo& info, Check& check) {
  check.what = fmt::format("user PIN {}", workflow::to_string(info.user_pin));
  switch (info.user_pin) {
    case workflow::PinState::fine:
      break;
    case workflow::PinState::count_low:
      check.health = Health::note;
      check.what = "a wrong PIN was entered since the last right one";
      break;
    case workflow::PinState::not_set:
      check.health = Health::fault;
      check.what = "no user PIN is set";
      check.hint = "the token's security officer sets it";
      break;
    case workflow::PinState::final_try:
      check.health = Health::fault;
      check.what = "one more wrong PIN locks the token, so no PIN is tried";
      check.hint = "log in once with the vendor's tool and the right PIN";
      break;
    case workflow::PinState::locked:
      check.health = Health::fault;
      check.what = "the user PIN is locked";
      check.hint = "the token's security officer unlocks it";
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

Check public_key(std::string subject, const std::filesystem::path& file) {
  std::vector<Check> checks;
  examine(checks, std::move(subject), [&](Check& check) {
    const Bytes spki = x509::key_of_person_in_file(file, x509::Given::to_be_believed);
    check.what = fmt::format("{}, key with SHA-256 {}", file.string(), hex(sha256(spki)));
  });
  return std::move(checks.front());
}

std::vector<Check> examine_token(Bridge& bridge, const config::TokenSettings& settings, DoctorLogin login) {
  std::vector<Check> checks;
  const std::string name = fmt::format("token {}", settings.name);
  examine(checks, name + ": module", [&](Check& check) {
    const workflow::ModuleInfo info = bridge.token_module(settings.module)->info();
    check.what = fmt::format("{}, {}", info.description, info.path.string());
  });
  if (settings.pin) {
    examine_secret(checks, name + ": PIN source", *settings.pin);
  } else {
    checks.push_back(
        {name + ": PIN source", Health::note, "none is configured: no login is possible", "add  pin: file:PATH"});
  }
  if (settings.key_pin) examine_secret(checks, name + ": key PIN source", *settings.key_pin);
  if (checks.front().health == Health::fault) return checks;

  std::unique_ptr<workflow::TokenDevice> token;
  examine(checks, name, [&](Check& check) {
    token = bridge.token_device(settings.name);
    const workflow::TokenInfo info = token->info();
    check.what = fmt::format("present: {}, {}, serial {}", info.label, info.model, info.serial);
  });
  if (token == nullptr) return checks;
  examine(checks, name + ": PIN", [&](Check& check) {
    const workflow::TokenInfo info = token->info();
    examine_pin_state(info, check);
    if (check.health != Health::fault) examine_refusal(settings, *token, check);
  });
  examine(checks, name + ": locks",
          [&](Check& check) { check.what = fmt::format("can be opened, in {}", token->lock_folder().string()); });
  examine(checks, name + ": signs", [&](Check& check) {
    for (const x509::SignatureAlgorithm& row : x509::signature_algorithms()) {
      if (!token->can_sign(row)) continue;
      check.what += (check.what.empty() ? "" : ", ") + std::string(row.name);
    }
    if (check.what.empty()) {
      check.health = Health::fault;
      check.what = "it has no signature mechanism that this program knows";
    }
  });
  if (login == DoctorLogin::once) {
    examine(checks, name + ": login", [&](Check& check) {
      token->login(workflow::LoginAttempt::unless_refused);
      check.what = token->info().login_required ? "the PIN is right" : "the token requires none";
    });
  }
  return checks;
}

std::vector<Check> examine_provider(const config::ProviderSettings& provider) {
  std::vector<Check> checks;
  const std::string name = fmt::format("provider {}", provider.name);
  for (const char* const key : {"ca", "issuer", "chain"}) {
    if (provider.section.shape(key) != config::Section::Shape::text) continue;
    examine(checks, fmt::format("{}: {}", name, key), [&](Check& check) {
      config::Section section = provider.section;
      const auto file = section.file(key);
      check.what = fmt::format("{}, {} certificates", file.string(),
                               x509::bundle_in_file(file, x509::Given::to_be_believed).certificates.size());
    });
  }
  if (provider.section.shape("application_public_key") == config::Section::Shape::text) {
    config::Section section = provider.section;
    checks.push_back(public_key(name + ": application_public_key", section.file("application_public_key")));
  }
  for (const std::string& key : provider.section.keys()) {
    for (const std::string& text : texts_of(provider.section, key)) {
      if (!looks_like_source(text)) continue;
      examine_secret(checks, fmt::format("{}: {}", name, key),
                     config::SecretSource::parse(text, config::SecretUse::any, std::filesystem::current_path()));
    }
  }
  return checks;
}

std::vector<Check> examine_person(const config::PersonSettings& person) {
  if (!person.public_key) return {};
  return {public_key(fmt::format("person {}", person.name), *person.public_key)};
}

std::vector<Check> examine_profile(const config::Settings& settings, const config::ProfileSettings& profile) {
  std::vector<Check> checks;
  examine(checks, fmt::format("profile {}", profile.name), [&](Check& check) {
    service::profile_content(profile);
    if (profile.key) x509::parse_key_spec(*profile.key);
    if (profile.token) settings.token(*profile.token);
    if (profile.provider) settings.provider(*profile.provider);
    std::size_t anchors = 0;
    for (const auto& file : profile.anchors) {
      const auto bundle = x509::bundle_in_file(file, x509::Given::to_be_believed);
      anchors += bundle.certificates.size();
      if (bundle.skipped.empty()) continue;
      check.health = Health::note;
      check.hint += fmt::format("{}{}: left out: {}", check.hint.empty() ? "" : "; ", file.string(),
                                x509::listed(bundle.skipped));
    }
    const auto& hook = profile.install.hook;
    if (!hook.empty()) {
      if (const auto file = program_file(hook[0])) expect_trusted(*file, {"it is run after an installation"});
    }
    check.what = profile.anchors.empty() ? "readable" : fmt::format("readable, {} trust anchors", anchors);
  });
  return checks;
}

}  // namespace

void examine(std::vector<Check>& checks, std::string subject, const std::function<void(Check&)>& look) {
  Check check{std::move(subject), Health::ok, "", ""};
  try {
    look(check);
  } catch (...) {
    const Error error = current_error();
    check.health = Health::fault;
    check.what = error.message();
    check.hint = error.hint();
  }
  checks.push_back(std::move(check));
}

std::vector<Check> examine(Bridge& bridge, const ExaminedStore& store, DoctorLogin login) {
  std::vector<Check> checks = examine_store(bridge, store);
  const auto add = [&](std::vector<Check> more) { checks.insert(checks.end(), more.begin(), more.end()); };
  const auto& settings = bridge.settings();
  for (const auto& token : settings.tokens) add(examine_token(bridge, token, login));
  for (const auto& provider : settings.providers) add(examine_provider(provider));
  add(examine_authorities(bridge, store));
  for (const auto& person : settings.people) add(examine_person(person));
  for (const auto& profile : settings.profiles) add(examine_profile(settings, profile));
  if (!settings.weak_keys.empty()) {
    examine(checks, "lists of weak keys",
            [&](Check& check) { check.what = fmt::format("readable, {} keys", bridge.weak_keys().size()); });
  }
  return checks;
}

Check examine_clock(const Clock& clock) {
  Check check{"clock", Health::ok, rfc3339(std::chrono::floor<std::chrono::seconds>(clock.now())), ""};
  // adjtimex(2) with no modes only reads. A provider refuses a time stamp of the future: even a second counts.
  timex state{};
  if (::adjtimex(&state) < 0 || (state.status & STA_UNSYNC) != 0) {
    check.health = Health::note;
    check.what += ", and nothing tells that it is synchronised";
    check.hint = "run an NTP client, for example chrony or systemd-timesyncd";
  }
  return check;
}

}  // namespace hsmbridge::service
