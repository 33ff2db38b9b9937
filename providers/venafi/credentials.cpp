#include "providers/venafi/credentials.h"

#include "base/bytes.h"
#include "base/error.h"
#include "base/json.h"
#include "providers/api_client.h"
#include "providers/jose.h"
#include "providers/venafi/error_code.h"
#include "providers/venafi/wire/wire.h"

#include <algorithm>
#include <atomic>
#include <deque>
#include <mutex>
#include <optional>
#include <utility>

namespace hsmbridge::venafi {
namespace {

// How long a token is taken for good when the endpoint does not say: less than any documented lifetime.
constexpr Duration kUnstated = std::chrono::minutes{10};
// It is renewed so long before its end, or a quarter of its life where that is less.
constexpr Duration kMargin = std::chrono::minutes{2};

class TokenCredentials final : public providers::Credentials {
 public:
  TokenCredentials(std::shared_ptr<net::Transport> transport, TokenOrder order, const Clock& clock)
      : endpoint_(std::move(transport), token_dialect(), {}, clock), order_(std::move(order)), clock_(clock) {}

  // The source of the JWTs may be another account's by the next renewal: the account goes with the token.
  Held current(Duration limit) override {
    // Another thread may be getting one right now: that is waited for, no longer than this call may last.
    const Duration end = clock_.since_boot() + limit;
    const std::unique_lock lock(mutex_, std::max(limit, Duration::zero()));
    if (!lock.owns_lock()) {
      throw Error{ErrorKind::unavailable, "no access token came in time from the service's token endpoint"};
    }
    if (!token_ || clock_.since_boot() >= renew_at_) get(end - clock_.since_boot());
    return {*token_, account_};
  }

  bool replace(const Secret& used) override {
    const std::lock_guard lock(mutex_);
    if (token_ && token_->reveal() != used.reveal()) return true;
    token_.reset();
    return !replaced_.exchange(true);
  }

  void taken(const Secret&) override { replaced_ = false; }

  // The tokens before this one too: an answer that was on its way may repeat one.
  std::vector<Secret> known() override {
    const std::lock_guard lock(known_mutex_);
    return {known_.begin(), known_.end()};
  }

 private:
  void get(Duration limit) {
    const Duration begin = clock_.since_boot();
    TokenOrder::Request made = providers::read_credential(order_.make);
    net::Request request{"POST",
                         order_.path,
                         {{"Content-Type", "application/x-www-form-urlencoded"}},
                         std::move(made.body),
                         net::Repeat::never};
    request.secrets.emplace_back(request.body.substr(request.body.rfind('=') + 1));
    // Its life began at the endpoint, at the earliest when it was asked for. Making the JWT may have waited for the
    // token that holds its key.
    const Duration asked = clock_.since_boot();
    const providers::Answer answer = endpoint_.call(std::move(request), limit - (asked - begin));
    Token token;
    try {
      token = token_from(answer.success().body);
    } catch (const Error& error) {
      // RFC 6749 §5.2 refuses a client with 400 as well as with 401.
      if (error.kind() == ErrorKind::refused || error.kind() == ErrorKind::denied) {
        throw providers::about_credentials(
            Error{ErrorKind::denied, "the service issued no access token: " + error.message()}.hint(order_.advice));
      }
      throw;
    }
    const Duration lifetime = token.lifetime.value_or(kUnstated);
    renew_at_ = asked + lifetime - std::min(kMargin, lifetime / 4);
    token_ = Secret(std::move(token.value));
    account_ = std::move(made.account);
    constexpr std::size_t kMostKnown = 4;
    const std::lock_guard lock(known_mutex_);
    known_.push_back(*token_);
    if (known_.size() > kMostKnown) known_.pop_front();
  }

  providers::ApiClient endpoint_;
  const TokenOrder order_;
  const Clock& clock_;
  std::timed_mutex mutex_;  // held while a token is got: one at a time is enough for all
  std::optional<Secret> token_;
  std::string account_;  // of token_
  Duration renew_at_{};
  std::atomic<bool> replaced_{false};  // since one was taken
  std::mutex known_mutex_;             // not the one above: nobody waits here for a token
  std::deque<Secret> known_;           // the latest last
};

}  // namespace

Access stored_access(Access::Kind kind, providers::Source source) {
  const auto told = [](const Secret& token) { return providers::subject_of(token.reveal()); };
  return {kind, providers::stored_credentials(
                    {std::move(source)}, providers::NeededBy::every_request,
                    kind == Access::Kind::bearer ? std::function<std::string(const Secret&)>(told) : nullptr)};
}

Access token_access(std::shared_ptr<net::Transport> transport, TokenOrder order, const Clock& clock) {
  return {Access::Kind::bearer, std::make_shared<TokenCredentials>(std::move(transport), std::move(order), clock)};
}

TokenOrder federated_order(std::string path, providers::SecretGetter jwt) {
  const std::string endpoint = path;
  return {
      std::move(path),
      [jwt = std::move(jwt), endpoint]() -> TokenOrder::Request {
        const Secret now = jwt();
        const std::string subject = providers::subject_of(now.reveal());
        return {federated_token_text(now.reveal()), subject.empty() ? "" : subject + " at " + endpoint};
      },
      "the JWT must not be over, its issuer, subject and audience must be those of the service account, and its key "
      "must be in the account's jwksURI"};
}

std::string service_account_jwt(x509::Signer& signer, std::string_view client_id, Instant now, std::string_view jti) {
  // Long enough for a clock that is a little behind, short enough to be worth nothing when it leaks.
  constexpr std::chrono::seconds kLifetime{300};
  const auto issued = std::chrono::floor<std::chrono::seconds>(now).time_since_epoch();
  const Json claims = Json::object({{"iss", client_id},
                                    {"sub", client_id},
                                    {"aud", kAudience},
                                    {"iat", static_cast<std::int64_t>(issued.count())},
                                    {"exp", static_cast<std::int64_t>((issued + kLifetime).count())},
                                    {"jti", jti}});
  return providers::signed_jwt(signer, claims);
}

TokenOrder service_account_order(std::shared_ptr<x509::Signer> signer, std::string client_id, const Clock& clock) {
  return {
      "/v1/oauth/token/serviceaccount",
      [signer = std::move(signer), client_id, &clock]() -> TokenOrder::Request {
        return {service_account_token_text(
                    service_account_jwt(*signer, client_id, clock.now(), providers::uuid_v4(random_bytes(16)))),
                "service account " + client_id};
      },
      "client_id must be that of the service account, and the key's public half the one that is registered there; see "
      "the account's expiry date too"};
}

}  // namespace hsmbridge::venafi
