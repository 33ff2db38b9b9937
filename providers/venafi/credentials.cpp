#include "providers/venafi/credentials.h"

#include "base/bytes.h"
#include "base/error.h"
#include "base/log.h"
#include "providers/credential.h"
#include "providers/venafi/jwt.h"
#include "providers/venafi/submission.h"
#include "providers/venafi/wire/wire.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

namespace hsmbridge::venafi {
namespace {

bool same(const Secret& a, const Secret& b) {
  return a.reveal() == b.reveal();
}

class StoredCredentials final : public Credentials {
 public:
  StoredCredentials(Kind kind, SecretGetter source, bool reread)
      : kind_(kind), source_(std::move(source)), reread_(reread) {}

  Kind kind() const override { return kind_; }

  Held current(Duration) override {
    const std::lock_guard lock(mutex_);
    if (!read_) read_ = providers::read_credential(source_);
    return {*read_, kind_ == Kind::bearer ? subject_of(read_->reveal()) : std::string{}};
  }

  bool replace(const Secret& used) override {
    const std::lock_guard lock(mutex_);
    if (read_ && !same(*read_, used)) return true;
    if (!reread_) return false;
    try {
      Secret now = source_();
      const bool differs = !same(now, used);
      read_ = std::move(now);
      return differs;
    } catch (const Error& error) {
      log::debug("a refused credential cannot be read anew: " + error.message());
      read_.reset();
      return false;
    }
  }

 private:
  const Kind kind_;
  const SecretGetter source_;
  const bool reread_;
  std::mutex mutex_;
  std::optional<Secret> read_;
};

// How long a token is taken for good when the endpoint does not say: less than any documented lifetime.
constexpr Duration kUnstated = std::chrono::minutes{10};
// It is renewed so long before its end, or a quarter of its life where that is less.
constexpr Duration kMargin = std::chrono::minutes{2};

class TokenCredentials final : public Credentials {
 public:
  TokenCredentials(std::shared_ptr<net::Transport> transport, TokenOrder order, const Clock& clock)
      : transport_(std::move(transport)), order_(std::move(order)), clock_(clock) {}

  Kind kind() const override { return Kind::bearer; }

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
    if (token_ && same(*token_, used)) token_.reset();
    return true;
  }

 private:
  void get(Duration limit) {
    const std::string what = "POST " + order_.path;
    const Duration begin = clock_.since_boot();
    TokenOrder::Request made = providers::read_credential(order_.make);
    net::Request request{"POST", order_.path, {}, std::move(made.body), net::Repeat::never, {}};
    // Making the JWT may have waited for the token that holds its key.
    limit -= clock_.since_boot() - begin;
    request.time_limit = limit;
    request.headers.emplace_back("Content-Type", "application/x-www-form-urlencoded");
    request.headers.emplace_back("Accept", "application/json");
    if (limit <= Duration::zero()) {
      throw Error{ErrorKind::unavailable, what + ": the time limit was over before it was sent"};
    }
    // Its life began at the endpoint, at the earliest when it was asked for.
    const Duration asked = clock_.since_boot();
    request.secrets.emplace_back(request.body.substr(request.body.rfind('=') + 1));
    const net::Exchange exchange = transport_->send(request);
    Token token;
    try {
      token = token_from(token_success_of(what, exchange, clock_.now()).body);
    } catch (const Error& error) {
      // RFC 6749 §5.2 refuses a client with 400 as well as with 401.
      if (error.kind() == ErrorKind::refused || error.kind() == ErrorKind::denied) {
        throw providers::about_credentials(
            Error{ErrorKind::denied, "no access token is given: " + error.message()}.hint(order_.advice));
      }
      throw;
    }
    const Duration lifetime = token.lifetime.value_or(kUnstated);
    renew_at_ = asked + lifetime - std::min(kMargin, lifetime / 4);
    token_ = Secret(std::move(token.value));
    account_ = std::move(made.account);
  }

  const std::shared_ptr<net::Transport> transport_;
  const TokenOrder order_;
  const Clock& clock_;
  std::timed_mutex mutex_;  // held while a token is got: one at a time is enough for all
  std::optional<Secret> token_;
  std::string account_;  // of token_
  Duration renew_at_{};
};

}  // namespace

std::unique_ptr<Credentials> stored_credentials(Credentials::Kind kind, SecretGetter source, bool reread) {
  return std::make_unique<StoredCredentials>(kind, std::move(source), reread);
}

std::unique_ptr<Credentials> token_credentials(std::shared_ptr<net::Transport> transport, TokenOrder order,
                                               const Clock& clock) {
  return std::make_unique<TokenCredentials>(std::move(transport), std::move(order), clock);
}

TokenOrder federated_order(std::string path, SecretGetter jwt) {
  const std::string endpoint = path;
  return {
      std::move(path),
      [jwt = std::move(jwt), endpoint]() -> TokenOrder::Request {
        const Secret now = jwt();
        const std::string subject = subject_of(now.reveal());
        return {federated_token_text(now.reveal()), subject.empty() ? "" : subject + " at " + endpoint};
      },
      "the JWT must not be over, its issuer, subject and audience must be those of the service account, and its key "
      "must be in the account's jwksURI"};
}

TokenOrder service_account_order(std::shared_ptr<x509::Signer> signer, std::string client_id, const Clock& clock) {
  return {
      "/v1/oauth/token/serviceaccount",
      [signer = std::move(signer), client_id, &clock]() -> TokenOrder::Request {
        return {
            service_account_token_text(service_account_jwt(*signer, client_id, clock.now(), uuid_v4(random_bytes(16)))),
            "service account " + client_id};
      },
      "client_id must be that of the service account, and the key's public half the one that is registered there; see "
      "the account's expiry date too"};
}

}  // namespace hsmbridge::venafi
