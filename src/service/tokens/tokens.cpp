#include "service/tokens/tokens.h"

#include <fmt/core.h>

#include <cstdint>
#include <utility>

namespace hsmbridge::service {

std::vector<ListedToken> list_tokens(Bridge& bridge) {
  std::vector<ListedToken> tokens;
  for (const auto& settings : bridge.settings().tokens) {
    ListedToken token{settings.name, settings.module, {}, {}};
    try {
      token.info = bridge.token_device(settings.name)->info();
    } catch (...) {
      token.error = current_error();
    }
    tokens.push_back(std::move(token));
  }
  return tokens;
}

TokenView view_token(workflow::TokenDevice& token) {
  TokenView view{token.name(), token.module(), token.info(), token.mechanisms(), {}};
  for (const auto& algorithm : x509::signature_algorithms()) {
    if (token.can_sign(algorithm)) view.signs.emplace_back(algorithm.name);
  }
  return view;
}

workflow::TokenInfo log_in(workflow::TokenDevice& token, Logbook& log, workflow::LoginAttempt attempt,
                           const std::function<void(const Error&)>& no_log) {
  if (attempt == workflow::LoginAttempt::retry) {
    try {
      log.record("token-login-retry", Json::object({{"token", token.name()}}));
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::denied) throw;
      no_log(error);
    }
  }
  token.login(attempt);
  log.lane_works("token:" + token.name());
  return token.info();
}

workflow::TokenInfo token_in_slot(const workflow::TokenModule& module, unsigned long slot) {
  std::vector<Error> unread;
  for (auto& info : module.tokens(unread)) {
    if (info.slot == slot) return std::move(info);
  }
  if (!unread.empty()) throw unread.front();
  throw Error{ErrorKind::not_found, fmt::format("slot {} holds no token", slot)}.hint(
      "hsmbridge token list shows the slots");
}

workflow::TokenInfo initialize_token(workflow::TokenModule& module, Logbook& log, const workflow::NewToken& wanted,
                                     workflow::Reinitialize existing) {
  Json intent = Json::object({{"label", wanted.label}, {"module", module.info().path.string()}});
  if (wanted.slot) intent.set("slot", static_cast<std::uint64_t>(*wanted.slot));
  if (existing == workflow::Reinitialize::destroy_everything) intent.set("destroys", true);
  if (wanted.confirmed) intent.set("destroyed_token", wanted.confirmed->uri);
  log.record("token-initialize", intent);
  auto info = module.initialize(wanted, existing);
  log.record("token-initialized",
             Json::object({{"label", info.label}, {"serial", info.serial}, {"module", module.info().path.string()}}));
  return info;
}

}  // namespace hsmbridge::service
