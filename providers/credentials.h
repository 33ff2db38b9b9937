#pragma once

#include "base/clock.h"
#include "base/error.h"
#include "base/secret.h"
#include "workflow/engine/lane_pauses.h"

#include <functional>
#include <memory>
#include <string>
#include <vector>

// What opens a service: API keys and bearer tokens. Where they come from, when they are read again, which one takes the
// place of a refused one, and whose they are. What is wrong with a provider's own credentials is wrong for every
// request: its lane waits (lane_pauses.h) until they are corrected.
namespace hsmbridge::providers {

// Gives a secret when it is needed, so that a rotated file needs no restart. Throws what reading it throws.
using SecretGetter = std::function<Secret()>;

// Marks an error as one about the credentials that every request needs. Only for what the service's reference says of
// the credential; what these credentials may not see or do is about one request.
Error about_credentials(Error error);

// Reads a secret with `get`. Whatever it fails with, the request that needed it is not at fault.
template <class Get>
auto read_credential(Get&& get) {
  try {
    return get();
  } catch (const Error& error) {
    const bool waits = error.kind() == ErrorKind::unavailable || error.kind() == ErrorKind::denied;
    throw about_credentials(error.restated(waits ? error.kind() : ErrorKind::unavailable, error.message()));
  }
}

// The secrets of one header, one of them in use. Thread rule: every function may be called from any thread.
class Credentials {
 public:
  virtual ~Credentials() = default;
  struct Held {
    Secret secret;
    std::string account;  // whose it is, as far as that is known; "" else
  };
  // For a call that begins now. Throws what getting one throws, unavailable when that takes too long.
  virtual Held current(Duration limit) = 0;
  // The service refused `used`: whether `current` gives another one now, which is worth a call. Does not throw.
  virtual bool replace(const Secret& used) = 0;
  // Something answered 401 that is not the service, and may have judged them: they are read again for the next call.
  virtual void doubted() {}
  // The service took `used`.
  virtual void taken(const Secret&) {}
  // The service says whose `used` is. Forgotten as soon as another one takes its place.
  virtual void belongs_to(const Secret&, const std::string&) {}
  // Every one that was read: the service may have been sent it in another call.
  virtual std::vector<Secret> known() { return {}; }
};

struct Source {
  SecretGetter get;
  // A refused secret is read again, since somebody may have renewed it. False where a person was asked: then the
  // refusal stands, and nobody is asked again by a server.
  bool reread = true;
};
enum class NeededBy { every_request, some_calls };
// From sources that somebody else keeps fresh. When one is refused the next takes its place, after the last the first
// again, all of them read again. `account` tells whose a secret is from itself; empty: the service alone knows.
std::shared_ptr<Credentials> stored_credentials(std::vector<Source> sources, NeededBy needed = NeededBy::every_request,
                                                std::function<std::string(const Secret&)> account = {});

}  // namespace hsmbridge::providers
