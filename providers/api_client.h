#pragma once

#include "base/clock.h"
#include "base/secret.h"
#include "net/transport.h"
#include "providers/credentials.h"
#include "providers/verdict.h"

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace hsmbridge::providers {

// A header that opens the service: "Authorization", "Bearer ", and where the token comes from.
struct CredentialHeader {
  std::string name;
  std::string prefix;
  std::shared_ptr<Credentials> credentials;
};

// What a call needs beyond its request.
struct Terms {
  std::string name = {};                                       // in messages; "": its method and path
  const std::vector<CredentialHeader>* credentials = nullptr;  // null: all of the client
  Answer::Credential refused = Answer::Credential::of_all;     // what a refused credential means to other calls
  std::string account = {};                                    // it goes out under this one or not at all; "": any
};

// How every call of a provider's client is made: headers, credentials and their replacement, time limit, and the words
// of secrets that the server may repeat. A call that may be repeated is made again with another credential when one is
// refused; every other one is one request, and the next call uses the next credential. Thread rule: may be called from
// several threads at once.
class ApiClient {
 public:
  // The dialect and the clock must outlive it.
  ApiClient(std::shared_ptr<net::Transport> transport, const Dialect& dialect,
            std::vector<CredentialHeader> credentials, const Clock& clock);

  // `request` has its path, body, `repeat` and `call_until`; what is in its headers stays. `limit` bounds everything,
  // getting a credential included. Throws `internal` alone: whatever else fails before a byte leaves is in the answer,
  // and a call that is made once was not accepted then.
  Answer call(net::Request request, Duration limit, const Terms& terms = {});

  // A call that may be repeated.
  Answer get(std::string path, Duration limit) {
    return call({"GET", std::move(path), {}, "", net::Repeat::allowed}, limit);
  }
  Answer post(std::string path, std::string body, Duration limit, const Terms& terms = {});
  // One that is made once: `call_until` as of net::Request.
  Answer once(std::string method, std::string path, std::string body, Duration limit,
              std::optional<Duration> call_until = std::nullopt, const Terms& terms = {});

  // Whose the credentials in use are, as they tell themselves; "" else. Throws what getting them throws.
  std::string told_account(Duration limit) const;
  // The same as the service says, asked by `ask` (Duration -> std::string, by `call`), or as it said no longer ago than
  // `age`, of the same credentials; "" where they may not see it. It is kept with the credential, for Terms::account to
  // be compared with.
  std::string asked_account(Duration age, Duration limit, const std::function<std::string(Duration)>& ask);

  // What the server knows of us besides the credentials: taken out of every later answer too, as a server may repeat
  // it whenever it likes.
  void leave_out(const Secret& secret);

  const Clock& clock() const { return clock_; }
  // How far the service's clock is ahead of ours, by the Date header of its last answer (RFC 9110 §6.6.1): to the
  // second, and late by the time that the answer took. Nothing before the first that tells; negative where ours is
  // ahead.
  std::optional<Duration> server_ahead() const;

 private:
  std::vector<Secret> secrets_at_hand();

  const std::shared_ptr<net::Transport> transport_;
  const Dialect& dialect_;
  const std::vector<CredentialHeader> credentials_;
  const Clock& clock_;
  mutable std::mutex mutex_;      // guards the rest
  std::vector<Secret> left_out_;  // the latest last
  std::optional<Duration> ahead_;
  std::optional<std::string> account_;
  Duration account_asked_at_{};
};

}  // namespace hsmbridge::providers
