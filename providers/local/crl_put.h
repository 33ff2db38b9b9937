#pragma once

#include "base/bytes.h"
#include "base/clock.h"
#include "net/transport.h"
#include "providers/api_client.h"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

// CRLs on a web server, put there with HTTP PUT by compare-and-swap (RFC 9110 §13.1): what is replaced is what was looked
// at, by its ETag, or nothing.
//
//   GET    what is there now, and its ETag; what may be replaced is for the caller to say
//   PUT    If-Match: that ETag, or If-None-Match: * where nothing is there; 412: somebody else was there in between
//   GET    to the octet what was put, also when the answer to the PUT was lost
namespace hsmbridge::local {

class CrlPut {
 public:
  // `service` is the origin of the URLs that are put, "https://files.example.com", and the transport's. The clock must
  // outlive it.
  CrlPut(std::string service, std::shared_ptr<net::Transport> transport,
         std::vector<providers::CredentialHeader> credentials, const Clock& clock);

  // Throws what this CA may not replace, given the octets that are there.
  using ExpectOwn = std::function<void(ByteView there)>;
  // Repeatable: nothing is put where the very octets are there. Throws what `expect_own` throws; conflict where somebody
  // else put something in between; refused for a server without (strong) ETags or that does not take it; denied,
  // unavailable; corrupt where something else is there afterwards.
  void put(const std::string& url, const Bytes& der, const ExpectOwn& expect_own, Duration limit);
  // What is there now; nothing where nothing is. Throws as above.
  std::optional<Bytes> there(const std::string& url, Duration limit);

 private:
  struct There {
    Bytes octets;
    std::string etag;
  };
  // Nothing where nothing is there.
  std::optional<There> look(const std::string& url, Duration end);
  std::string path_of(const std::string& url) const;

  const std::string service_;
  const Clock& clock_;
  providers::ApiClient client_;
};

// Of RFC 7617: `password` gives the password alone.
providers::CredentialHeader basic_credentials(const std::string& user, providers::Source password);

}  // namespace hsmbridge::local
