#include "pkcs11/token/token.h"

#include "base/json.h"
#include "pkcs11/cryptoki/mechanism_name.h"
#include "pkcs11/cryptoki/return_code.h"
#include "pkcs11/login/pin_attempt.h"
#include "pkcs11/token/module_state.h"
#include "pkcs11/token/session.h"
#include "pkcs11/token/token_state.h"
#include "pkcs11/token/uri.h"
#include "pkcs11/token/uri_match.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

namespace hsmbridge::pkcs11 {
namespace {

// The token's URI with its slot, which tells it from every other one.
std::string with_slot(const TokenInfo& info) {
  return format_uri({.token = info.label,
                     .manufacturer = info.manufacturer,
                     .serial = info.serial,
                     .model = info.model,
                     .slot = info.slot,
                     .id = {},
                     .object = {},
                     .type = {}});
}

Error not_one_token(const TokenAccess& access, const std::vector<TokenInfo>& found, const Slots& all) {
  if (!found.empty()) {
    Error error{ErrorKind::ambiguous,
                fmt::format("{} tokens of {} match {}", found.size(), access.module.string(), access.uri)};
    const auto differ = [&found](std::string TokenInfo::*text) {
      return std::all_of(found.begin(), found.end(), [&](const TokenInfo& one) {
        return !(one.*text).empty() && std::count_if(found.begin(), found.end(), [&](const TokenInfo& other) {
                                         return other.*text == one.*text;
                                       }) == 1;
      });
    };
    const std::string_view what = differ(&TokenInfo::serial)  ? "serial=…"
                                  : differ(&TokenInfo::label) ? "token=…"
                                                              : "slot-id=…";
    for (const TokenInfo& token : found) {
      error.with("candidate", what == "slot-id=…" ? with_slot(token) : token.uri);
    }
    return std::move(error).hint(fmt::format("add {} to the token's uri, as the candidates show it", what));
  }
  if (!all.unread.empty()) {
    // What could not be read may be the one that is looked for.
    const Error& unread = all.unread.front();
    return unread
        .restated(ErrorKind::unavailable, fmt::format("no token of {} that answers matches {}; {}",
                                                      access.module.string(), access.uri, unread.message()))
        .with("lane", "down")
        .hint("look at the HSM and its connection, then try again");
  }
  Error error{ErrorKind::not_found, fmt::format("no token of {} matches {}", access.module.string(), access.uri)};
  bool blank = false;
  for (const SlotContents& slot : all.read) {
    if (slot.info.initialized) {
      error.with("candidate", slot.info.uri);
    } else {
      blank = true;
    }
  }
  if (blank && error.detail("candidate").empty()) {
    return std::move(error)
        .with("lane", "down")
        .hint("the module has no initialised token: make one with hsmbridge token init");
  }
  return std::move(error).with("lane", "down").hint("is the token in its slot? hsmbridge token list shows all of them");
}

bool is_the_same(const TokenState& token, const TokenInfo& info) {
  return info.serial == token.serial && info.label == token.label && info.manufacturer == token.manufacturer &&
         info.model == token.model && info.initialized;
}

Slots slots_of(const TokenAccess& access, const ModuleState& module) {
  module.refuse_in_child();
  try {
    return slots_with_token(module);
  } catch (TokenFailure& failure) {
    throw failure.with("module", access.module.string());
  }
}

}  // namespace

// The slot comes last: another module numbers slots in its own way.
std::string distinction_of(const TokenInfo& token, std::span<const TokenInfo> all) {
  const bool blank = token.serial.find_first_not_of("0 ") == std::string::npos;
  bool alone = true;
  bool alone_with_label = true;
  for (const TokenInfo& other : all) {
    if (other.slot == token.slot || !other.initialized || other.serial != token.serial) continue;
    alone = false;
    if (other.label == token.label) alone_with_label = false;
  }
  if (alone && !blank) return {};
  return alone_with_label ? "label " + well_formed(token.label) : fmt::format("slot {}", token.slot);
}

const CK_FUNCTION_LIST& TokenState::functions() const {
  return *module->state().functions;
}

CK_SLOT_ID TokenState::current_slot() {
  const std::lock_guard lock(mutex);
  return slot;
}

UriParts TokenState::uri_parts() const {
  UriParts parts;
  parts.token = label;
  parts.serial = serial;
  parts.slot = twin_slot;
  return parts;
}

void find_slot_again(TokenState& token) {
  const ModuleState& module = token.module->state();
  const Slots slots = slots_of(token.access, module);
  std::vector<const SlotContents*> same;
  for (const SlotContents& slot : slots.read) {
    if (is_the_same(token, slot.info)) same.push_back(&slot);
  }
  // One of several tokens that look alike came back alone: which of them it is nobody can tell, and its slot may have
  // got the other one's number.
  if (token.twin_slot && same.size() == 1 && slots.unread.empty()) {
    throw Error{ErrorKind::unavailable,
                fmt::format("token {} was lost, and only one of several tokens that look alike is there now (slot {}): "
                            "whether it is the one that was used cannot be told",
                            token.access.name, same.front()->info.slot)}
        .with("lane", "down")
        .with("token", token.uri)
        .hint("put the tokens back, or start the program again when the right one is in its slot");
  }
  // What the configuration says of the slot must be true again.
  const CK_INFO about = module_info_of(module);
  std::erase_if(same, [&](const SlotContents* slot) {
    return !uri_matches_token(token.access.uri, about, slot->slot, slot->info.slot, slot->token);
  });
  if (same.size() > 1) {
    Error error{ErrorKind::unavailable, fmt::format("token {} was lost, and {} tokens that look alike match {} now",
                                                    token.access.name, same.size(), token.access.uri)};
    for (const SlotContents* const slot : same) error.with("candidate", with_slot(slot->info));
    throw std::move(error).with("lane", "down").hint("add slot-id=… to the token's uri, as the candidates show it");
  }
  if (same.empty()) {
    if (!slots.unread.empty()) throw slots.unread.front();
    throw TokenFailure(CKR_TOKEN_NOT_PRESENT, "C_GetSlotList", fmt::format("use token {}", token.access.name));
  }
  const std::lock_guard lock(token.mutex);
  token.slot = same.front()->info.slot;
}

void expect_same_token(TokenState& token) {
  const CK_SLOT_ID slot = token.current_slot();
  if (token.twin_slot) {
    find_slot_again(token);
    if (token.current_slot() == slot) return;
  } else if (is_the_same(token, token_info_of(token.module->state(), slot))) {
    return;
  }
  throw TokenFailure(CKR_TOKEN_NOT_PRESENT, "C_GetTokenInfo", fmt::format("use token {}", token.access.name));
}

std::shared_ptr<Token> Token::open(TokenAccess access, std::shared_ptr<PinRefusals> refusals) {
  if (access.uri.empty()) access.uri = "pkcs11:";
  check_uri(access.uri);
  if (access.name.empty()) access.name = access.uri;
  const std::shared_ptr<Module> module = Module::load(access.module, access.module_arguments);

  Slots all;
  try {
    all = slots_of(access, module->state());
  } catch (const TokenFailure& failure) {
    if (failure.recovery() != Recovery::reinitialize) throw;
    module->state().initialize();
    all = slots_of(access, module->state());
  }
  const CK_INFO about = module_info_of(module->state());
  std::vector<TokenInfo> found;
  std::vector<TokenInfo> there;
  for (const SlotContents& slot : all.read) {
    there.push_back(slot.info);
    if (slot.info.initialized && uri_matches_token(access.uri, about, slot.slot, slot.info.slot, slot.token)) {
      found.push_back(slot.info);
    }
  }
  if (found.size() != 1) throw not_one_token(access, found, all);

  auto state = std::make_unique<TokenState>();
  const TokenInfo& info = found.front();
  state->label = info.label;
  state->serial = info.serial;
  state->manufacturer = info.manufacturer;
  state->model = info.model;
  state->uri = info.uri;
  if (info.uri == with_slot(info)) state->twin_slot = info.slot;
  state->distinction = distinction_of(info, there);
  state->login_required = info.login_required;
  state->slot = info.slot;
  state->limit = std::max(1U, access.most_sessions);
  if (info.most_sessions != 0 && info.most_sessions < state->limit) {
    state->limit = static_cast<unsigned>(info.most_sessions);
  }
  state->module = module;
  state->refusals = std::make_shared<HostPins>(std::move(refusals));
  state->access = std::move(access);
  return std::shared_ptr<Token>(new Token(std::move(state)));
}

Token::Token(std::unique_ptr<TokenState> state) : state_(std::move(state)) {}

// Sessions are closed, the login is not ended: another Token of this process may live on it. (The last session takes it
// along; that is PKCS#11's own rule.)
Token::~Token() {
  for (const IdleSession& session : state_->idle) state_->functions().C_CloseSession(session.handle);
}

const std::string& Token::name() const {
  return state_->access.name;
}

const TokenAccess& Token::access() const {
  return state_->access;
}

TokenInfo Token::info() const {
  TokenInfo info = slot_contents(state_->module->state(), state_->current_slot()).info;
  if (is_the_same(*state_, info)) info.uri = state_->uri;
  return info;
}

unsigned Token::sessions() const {
  const std::lock_guard lock(state_->mutex);
  return state_->limit;
}

namespace {

// Under the lock of the mechanisms.
const std::optional<MechanismInfo>& known_mechanism(TokenState& state, unsigned long type) {
  static const std::optional<MechanismInfo> kNone;
  const CK_SLOT_ID slot = state.current_slot();
  if (!state.mechanism_types) state.mechanism_types = state.module->mechanism_types(slot);
  const auto& types = *state.mechanism_types;
  if (std::find(types.begin(), types.end(), type) == types.end()) return kNone;
  auto known = state.mechanisms.find(type);
  if (known == state.mechanisms.end()) {
    known = state.mechanisms.emplace(type, state.module->mechanism(slot, type)).first;
  }
  return known->second;
}

}  // namespace

std::optional<MechanismInfo> Token::mechanism(unsigned long type) const {
  const std::lock_guard lock(state_->mechanisms_mutex);
  return known_mechanism(*state_, type);
}

bool Token::can_sign_with(unsigned long type) const {
  const std::lock_guard lock(state_->mechanisms_mutex);
  const auto& known = known_mechanism(*state_, type);
  return known && std::find(known->flags.begin(), known->flags.end(), "sign") != known->flags.end();
}

std::vector<MechanismInfo> Token::mechanisms() const {
  std::vector<MechanismInfo> described;
  for (const unsigned long type : state_->module->mechanism_types(state_->current_slot())) {
    try {
      if (auto known = mechanism(type)) described.push_back(std::move(*known));
    } catch (const TokenFailure&) {
      described.push_back({.type = type, .name = mechanism_name(type), .flags = {"not_described"}});
    }
  }
  return described;
}

void Token::login(LoginAttempt attempt) {
  with_session(*state_, Access::read, Needs::nothing, Ask::always, UsageGate::Use::shared, [&](Session& session) {
    if (state_->login_required) {
      log_in(*state_, session.handle(), attempt);
    } else if (attempt == LoginAttempt::retry) {
      // No login tries a PIN here; a signature with an always-authenticate key does.
      allow_signature_pin(*state_);
    }
    return true;
  });
}

std::optional<PinRefusal> Token::remembered_pin() const {
  return pkcs11::remembered_pin(*state_);
}

Error for_a_waiting_request(const Error& error) {
  if (error.kind() == ErrorKind::unavailable || error.detail(kLane) != kLaneDown) return error;
  return error.restated(ErrorKind::unavailable, error.message());
}

bool Token::logged_in() const {
  return with_session(*state_, Access::read, Needs::nothing, Ask::always, UsageGate::Use::shared, [](Session& session) {
    CK_SESSION_INFO info{};
    session.check(session.functions().C_GetSessionInfo(session.handle(), &info), "C_GetSessionInfo",
                  "ask for the login");
    return info.state != CKS_RO_PUBLIC_SESSION && info.state != CKS_RW_PUBLIC_SESSION;
  });
}

}  // namespace hsmbridge::pkcs11
