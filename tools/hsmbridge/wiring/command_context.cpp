#include "tools/hsmbridge/wiring/command_context.h"

#include "base/unicode.h"
#include "service/requests/requests.h"
#include "tools/hsmbridge/wiring/token_access.h"
#include "workflow/machine/lifecycle.h"

#include <fmt/core.h>

#include <algorithm>
#include <set>
#include <utility>

namespace hsmbridge::cli {

CommandContext::CommandContext(Invocation& invocation) : invocation_(invocation) {
  if (config::find_file(invocation.config)) wiring_ = Wiring::open(invocation.config);
}

CommandContext::~CommandContext() = default;

const config::ProfileSettings& CommandContext::profile(const std::string& name) const {
  if (wiring_ == nullptr) {
    throw Error{ErrorKind::invalid_input, fmt::format("profile {} needs a configuration and there is none", name)}.hint(
        "name it with --config FILE, or put it at ~/.config/hsmbridge/hsmbridge.yaml");
  }
  return wiring_->settings().profile(name);
}

std::shared_ptr<pkcs11::Token> CommandContext::token(const std::optional<std::string>& name) {
  const Arguments& arguments = invocation_.arguments;
  if (names_module(arguments)) return pkcs11::Token::open(token_access(arguments), refusals());
  for (const char* option : {"--uri", "--pin"}) {
    if (arguments.has(option)) {
      throw Error{ErrorKind::invalid_input, fmt::format("{} belongs to a token named with --module", option)}.hint(
          "add --module PATH, or leave it out: the configuration says it");
    }
  }
  const auto typed = arguments.text("--token");
  if (wiring_ == nullptr) {
    throw Error{ErrorKind::invalid_input, "no token is named and there is no configuration"}.hint(
        "--module /usr/lib/softhsm/libsofthsm2.so --token LABEL --pin file:PATH, or --config FILE");
  }
  const std::string wanted = typed ? *typed : name.value_or("");
  return wiring_->pkcs11_token(wiring_->settings().token(wanted).name);
}

std::shared_ptr<pkcs11::PinRefusals> CommandContext::refusals() {
  if (wiring_ != nullptr) return wiring_->refusals();
  if (refusals_ == nullptr) {
    refusals_ = std::make_shared<pkcs11::FilePinRefusals>(pkcs11::FilePinRefusals::default_folder());
  }
  return refusals_;
}

workflow::Store* CommandContext::store() {
  if (!store_looked_for_) {
    store_looked_for_ = true;
    if (wiring_ != nullptr && wiring_->settings().store.path) store_ = wiring_->store();
  }
  return store_.get();
}

void CommandContext::record(std::string_view kind, const Json& facts) {
  if (workflow::Store* log = store()) {
    log->append_audit(std::string(kind), facts.dump(), service::actor_of_process(), clock_.now());
    return;
  }
  if (!said_no_log_) invocation_.output.note("hsmbridge: no store is configured, so this is in no audit log");
  said_no_log_ = true;
}

workflow::RecordFact CommandContext::recorder() {
  return [this](std::string_view kind, const Json& facts) { record(kind, facts); };
}

void CommandContext::record_key(std::string_view kind, const Json& facts, const workflow::KeyRecord& key) {
  if (workflow::Store* log = store()) {
    log->record_key(key, std::string(kind), facts.dump(), service::actor_of_process(), clock_.now());
  } else {
    record(kind, facts);  // which says that it is nowhere
  }
}

void CommandContext::lane_works(const std::string& lane) {
  try {
    if (workflow::Store* const memory = store()) memory->lane_works(lane);
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::denied) throw;  // a store that this user may only read: workers find out later
  }
}

std::map<std::string, CommandContext::OpenPlan> CommandContext::open_plans(const std::string& token,
                                                                           std::span<const std::string> labels,
                                                                           const x509::KeySpec& spec,
                                                                           const std::optional<Bytes>& chosen) {
  namespace status = workflow::status;
  std::map<std::string, OpenPlan> plans;
  workflow::Store* const memory = store();
  if (memory == nullptr) return plans;
  std::map<std::string, Instant> newest;
  workflow::KeyQuery planned;
  planned.statuses = {status::kPlanned, status::kPlannedAtRandom, status::kPlannedById};
  for (const workflow::KeyRecord& key : memory->keys(planned)) {
    const bool wanted = key.token == token && key.spec == x509::to_string(spec) &&
                        std::find(labels.begin(), labels.end(), key.label) != labels.end();
    if (!wanted) continue;
    workflow::Order order;
    order.token = token;
    order.key.source = workflow::KeyWish::Source::make;
    order.key.selector = key.label;
    if (const auto open = memory->open_request_for(workflow::work_of(order))) {
      throw Error{ErrorKind::conflict,
                  fmt::format("request {} makes the key {} in token {}", open->str(), key.label, token)}
          .with("request", open->str())
          .hint(fmt::format("let it finish (hsmbridge request wait {}), or choose another label", open->str()));
    }
    const bool counts = chosen ? key.cka_id == hex(*chosen) : key.status != status::kPlannedById;
    const auto known = newest.find(key.label);
    if (!counts || (known != newest.end() && known->second > key.changed_at)) continue;
    newest[key.label] = key.changed_at;
    plans[key.label] = {from_hex(key.cka_id), key.status == status::kPlannedAtRandom};
  }
  return plans;
}

bool CommandContext::is_planned(const std::string& token, const Bytes& id) {
  workflow::Store* const memory = store();
  if (memory == nullptr || id.empty()) return false;
  const auto keys = memory->keys({std::nullopt, token, std::nullopt, hex(id)});
  return std::any_of(keys.begin(), keys.end(),
                     [](const workflow::KeyRecord& key) { return workflow::is_planned(key.status); });
}

void CommandContext::expect_planned(const std::string& token, std::span<const pkcs11::KeyPlan> plans) {
  workflow::Store* const memory = store();
  if (memory == nullptr) return;
  for (const pkcs11::KeyPlan& plan : plans) {
    const auto known = memory->keys({std::nullopt, token, std::nullopt, hex(plan.id)});
    const std::string status = known.empty() ? "" : known.front().status;
    if (workflow::is_planned(status)) continue;
    if (plan.id_from == pkcs11::KeyPlan::IdFrom::chosen && !status.empty() && status != workflow::status::kActive) {
      throw Error{ErrorKind::conflict,
                  fmt::format("id {} was used in token {} before, for a key that is {}", hex(plan.id), token, status)}
          .hint("choose another id: what is written down about that key stays");
    }
    throw Error{ErrorKind::conflict, fmt::format("key {} was made meanwhile in token {}", plan.label, token)}
        .with("id", hex(plan.id))
        .hint("another process made it: use that key, or choose another label");
  }
}

workflow::KeyRecord key_record(const pkcs11::Token& token, const pkcs11::KeyInfo& key, std::string status, Instant at) {
  workflow::KeyRecord record;
  record.token = token.name();
  record.label = escape_non_utf8(key.label);
  record.cka_id = hex(key.id);
  record.spec = key.type;
  record.spki = key.spki_hash;
  record.status = std::move(status);
  record.changed_at = at;
  return record;
}

}  // namespace hsmbridge::cli
