#include "pkcs11/token.h"

#include "pkcs11/module_state.h"
#include "pkcs11/return_code.h"
#include "pkcs11/session.h"
#include "pkcs11/token_state.h"
#include "pkcs11/uri.h"
#include "pkcs11/uri_match.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

namespace hsmbridge::pkcs11 {
namespace {

// Asked of the module itself and not of TokenInfo: p11-kit compares the padded fields.
bool matches(const ModuleState& module, const std::string& uri, CK_SLOT_ID slot) {
  CK_INFO info{};
  CK_SLOT_INFO slot_info{};
  CK_TOKEN_INFO token{};
  return module.functions->C_GetInfo(&info) == CKR_OK && module.functions->C_GetSlotInfo(slot, &slot_info) == CKR_OK &&
         module.functions->C_GetTokenInfo(slot, &token) == CKR_OK &&
         uri_matches_token(uri, info, slot_info, slot, token);
}

Error not_one_token(const TokenAccess& access, const std::vector<TokenInfo>& found, const std::vector<TokenInfo>& all) {
  const bool none = found.empty();
  Error error{none ? ErrorKind::not_found : ErrorKind::ambiguous,
              none ? fmt::format("no token of {} matches {}", access.module.string(), access.uri)
                   : fmt::format("{} tokens of {} match {}", found.size(), access.module.string(), access.uri)};
  unsigned blank = 0;
  for (const TokenInfo& token : none ? all : found) {
    if (token.initialized) {
      error.with("candidate", token.uri);
    } else {
      ++blank;
    }
  }
  if (none && blank != 0 && error.detail("candidate").empty()) {
    return std::move(error).hint("the module has no initialised token: make one with hsmbridge token init");
  }
  return std::move(error).hint(none ? "is the token in its slot? hsmbridge token list shows all of them"
                                    : "add serial=… to the token's uri");
}

}  // namespace

const CK_FUNCTION_LIST& TokenState::functions() const {
  return *module->state().functions;
}

CK_SLOT_ID TokenState::current_slot() {
  const std::lock_guard lock(mutex);
  return slot;
}

void find_slot_again(TokenState& token) {
  for (const TokenInfo& info : token.module->tokens()) {
    if (info.serial == token.serial && info.label == token.label && info.manufacturer == token.manufacturer &&
        info.model == token.model && info.initialized) {
      const std::lock_guard lock(token.mutex);
      token.slot = info.slot;
      return;
    }
  }
  throw TokenFailure(CKR_TOKEN_NOT_PRESENT, "C_GetSlotList", fmt::format("use token {}", token.access.name));
}

std::shared_ptr<Token> Token::open(TokenAccess access, std::shared_ptr<PinRefusals> refusals) {
  if (access.uri.empty()) access.uri = "pkcs11:";
  check_uri(access.uri);
  if (access.name.empty()) access.name = access.uri;
  const std::shared_ptr<Module> module = Module::load(access.module, access.module_arguments);

  std::vector<TokenInfo> all;
  try {
    all = module->tokens();
  } catch (const TokenFailure& failure) {
    if (failure.recovery() != Recovery::reinitialize) throw;
    module->state().initialize();
    all = module->tokens();
  }
  std::vector<TokenInfo> found;
  std::copy_if(all.begin(), all.end(), std::back_inserter(found), [&](const TokenInfo& info) {
    return info.initialized && matches(module->state(), access.uri, info.slot);
  });
  if (found.size() != 1) throw not_one_token(access, found, all);

  auto state = std::make_unique<TokenState>();
  const TokenInfo& info = found.front();
  state->label = info.label;
  state->serial = info.serial;
  state->manufacturer = info.manufacturer;
  state->model = info.model;
  state->uri = info.uri;
  state->login_required = info.login_required;
  state->slot = info.slot;
  state->limit = std::max(1U, access.most_sessions);
  if (info.most_sessions != 0 && info.most_sessions < state->limit) {
    state->limit = static_cast<unsigned>(info.most_sessions);
  }
  state->module = module;
  state->refusals = std::move(refusals);
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
  return token_info_of(state_->module->state(), state_->current_slot());
}

const std::vector<MechanismInfo>& Token::mechanisms() const {
  std::call_once(state_->mechanisms_once,
                 [this] { state_->mechanisms = state_->module->mechanisms(state_->current_slot()); });
  return state_->mechanisms;
}

bool Token::can_sign_with(unsigned long mechanism) const {
  const auto& known = mechanisms();
  return std::any_of(known.begin(), known.end(), [mechanism](const MechanismInfo& row) {
    return row.type == mechanism && std::find(row.flags.begin(), row.flags.end(), "sign") != row.flags.end();
  });
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

bool Token::logged_in() const {
  return with_session(*state_, Access::read, Needs::nothing, Ask::always, UsageGate::Use::shared, [](Session& session) {
    CK_SESSION_INFO info{};
    session.check(session.functions().C_GetSessionInfo(session.handle(), &info), "C_GetSessionInfo",
                  "ask for the login");
    return info.state != CKS_RO_PUBLIC_SESSION && info.state != CKS_RW_PUBLIC_SESSION;
  });
}

}  // namespace hsmbridge::pkcs11
