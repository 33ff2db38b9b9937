#pragma once

#include "base/clock.h"
#include "providers/api_client.h"
#include "providers/digicert/refusal.h"
#include "providers/digicert/wire/wire.h"

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hsmbridge::digicert {

// The bounds of a call that is sent once.
struct Once {
  Duration limit{};
  // ProviderCall::call_until: on CLOCK_BOOTTIME; past it nothing is sent.
  std::optional<Duration> until = std::nullopt;
  // Of Client::account: under this one or not at all; "": under any.
  std::string account = {};
};

struct SearchFilter {
  std::string seat;
  std::string common_name;  // "": any
  std::string status;       // "": any
};

// The REST interface of Trust Lifecycle Manager, one function an endpoint. `limit` bounds a whole call. Functions that
// are not submissions throw what Answer::success throws, and corrupt for a success of another shape. Thread rule: may
// be called from several threads at once.
class Client {
 public:
  // The clock must outlive the client. `api_key` may be empty: a TLS client certificate speaks for us then, and no
  // x-api-key is sent.
  Client(std::shared_ptr<net::Transport> transport, const providers::Source& api_key, const Clock& clock);

  std::string hello(Duration limit);
  WhoAmI who_am_i(Duration limit);
  // WhoAmI::account, printable, asked no longer ago than `age` and of the API key that is used now; "" when it is not
  // shown to us. Throws unavailable, and denied for a refused key.
  std::string account(Duration age, Duration limit);
  // Every page.
  std::vector<Profile> profiles(Duration limit);
  Profile profile(const std::string& id, Duration limit);

  // Sent once. `body` as siblings_text, nested_text or renewal_text made it.
  Verdict request_certificate(const std::string& body, const Once& bounds);
  // `thumbprint` is the SHA-256 of the certificate in hex, or "".
  Verdict renew(const std::string& serial, const std::string& thumbprint, const std::string& body, const Once& bounds);
  // Sent once.
  RevocationVerdict revoke(const std::string& serial, const std::string& thumbprint, std::string_view reason,
                           const Once& bounds);

  struct Pickup {
    CertificateAnswer answer;
    std::string body;  // exactly as it came
    std::optional<Duration> retry_after;
  };
  // A POST that is repeated as a poll. Whether a second pick-up works after the first that brought the certificate is
  // not known, so the bytes are never sent twice automatically.
  Pickup pick_up(const std::string& request_id, const std::string& profile, Duration limit);

  struct Details {
    CertificateDetails details;
    std::string body;
  };
  // `thumbprint` as for revoke.
  Details certificate(const std::string& serial, const std::string& thumbprint, Duration limit);
  AdditionalFormats additional_formats(const std::string& serial, Duration limit);
  SearchPage search(const SearchFilter& filter, std::size_t offset, std::size_t most, Duration limit);

  const Clock& clock() const { return api_.clock(); }
  std::optional<Duration> server_ahead() const { return api_.server_ahead(); }

 private:
  std::string get(std::string path, Duration limit);
  providers::Answer once(std::string method, std::string path, std::string body, const Once& bounds);

  providers::ApiClient api_;
};

}  // namespace hsmbridge::digicert
