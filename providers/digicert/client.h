#pragma once

#include "base/clock.h"
#include "base/secret.h"
#include "net/transport.h"
#include "providers/digicert/submission.h"
#include "providers/digicert/wire/wire.h"
#include "providers/server_clock.h"

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hsmbridge::digicert {

// Gives a secret when it is needed, so that a rotated file needs no restart. Throws what reading it throws.
using SecretGetter = std::function<Secret()>;

struct ClientOptions {
  SecretGetter api_key;  // may be empty: a TLS client certificate speaks for us, and no x-api-key is sent
  // A refused key is read anew for the next call. False where a person was asked: then the refusal stands.
  bool reread = true;
};

// The bounds of a call that is sent once.
struct Once {
  Duration limit{};
  // ProviderCall::call_until: on CLOCK_BOOTTIME; past it nothing is sent.
  std::optional<Duration> until = std::nullopt;
};

struct SearchFilter {
  std::string seat;
  std::string common_name;  // "": any
  std::string status;       // "": any
};

// The REST interface of Trust Lifecycle Manager, one function an endpoint. `limit` bounds a whole call. Functions that
// are not submissions throw what success_of throws, and corrupt for a success of another shape. Thread rule: may be
// called from several threads at once.
class Client {
 public:
  // The clock must outlive the client.
  Client(std::shared_ptr<net::Transport> transport, ClientOptions options, const Clock& clock);

  // Reads the API key when it is not at hand, so that a call that is sent once does not fail over it. Throws what
  // reading it throws.
  void fetch_key() { key(); }

  std::string hello(Duration limit);
  WhoAmI who_am_i(Duration limit);
  // Every page.
  std::vector<Profile> profiles(Duration limit);
  Profile profile(const std::string& id, Duration limit);

  // Sent once. `body` as siblings_text, nested_text or renewal_text made it.
  Verdict request_certificate(const std::string& body, const Once& once);
  // `thumbprint` is the SHA-256 of the certificate in hex, or "".
  Verdict renew(const std::string& serial, const std::string& thumbprint, const std::string& body, const Once& once);
  // Sent once.
  RevocationVerdict revoke(const std::string& serial, const std::string& thumbprint, std::string_view reason,
                           const Once& once);

  struct Pickup {
    CertificateAnswer answer;
    std::string body;  // exactly as it came
    std::optional<Duration> retry_after;
  };
  // A POST that is repeated as a poll. Whether a second pick-up works after the first that brought the certificate is
  // not known, so the bytes never go out twice by themselves.
  Pickup pick_up(const std::string& request_id, const std::string& profile, Duration limit);

  struct Details {
    CertificateDetails details;
    std::string body;
  };
  // `thumbprint` as for revoke.
  Details certificate(const std::string& serial, const std::string& thumbprint, Duration limit);
  AdditionalFormats additional_formats(const std::string& serial, Duration limit);
  SearchPage search(const SearchFilter& filter, std::size_t offset, std::size_t most, Duration limit);

  const Clock& clock() const { return clock_; }
  std::optional<Duration> server_ahead() const { return server_clock_.ahead(); }

 private:
  struct Call {
    std::string method;
    std::string path;
    std::string body = {};
    net::Repeat repeat = net::Repeat::allowed;
    std::optional<Duration> call_until = std::nullopt;
  };
  net::Exchange exchange(const Call& call, Duration limit);
  // The body of a repeatable call that succeeded.
  std::string body_of(const Call& call, Duration limit);
  std::optional<Secret> key();
  std::optional<Secret> key_at_hand();

  const std::shared_ptr<net::Transport> transport_;
  const ClientOptions options_;
  const Clock& clock_;
  providers::ServerClock server_clock_;
  std::mutex asking_;  // held while the key is got: one at a time is enough for all that have none
  std::mutex mutex_;   // guards the one below
  std::optional<Secret> key_;
};

}  // namespace hsmbridge::digicert
