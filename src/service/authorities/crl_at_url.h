#pragma once

#include "net/http_client.h"
#include "workflow/ports/provider.h"
#include "x509/objects/certificate.h"

#include <optional>
#include <string>
#include <vector>

// What the URL of a CRL gives to those who verify certificates. The file is the publication: a web server that serves
// another one, or a cache in front of it, is what is found here.
namespace hsmbridge::service {

struct CrlAtUrl {
  enum class Gives { the_same, an_older_one, something_else, nothing } gives = Gives::the_same;
  std::string sentence;  // names the URL
};

// Whether the URL of this CRL is looked at: it has one, was published, and the last one is not lost.
bool is_read_back(const workflow::PlacedCrl& crl);
// Fetches it and compares it with the last one, to the octet. Throws nothing for what an answer is like.
CrlAtUrl look_at_url(const workflow::PlacedCrl& crl, const x509::Certificate& issuer,
                     const net::FetchPublic& fetch = net::fetch_public);
// The same of each, in their order; nothing for one that is not looked at. Once a server does not answer, the others are
// not asked: each would be waited for.
std::vector<std::optional<CrlAtUrl>> look_at_urls(const std::vector<workflow::PlacedCrl>& crls,
                                                  const x509::Certificate& issuer,
                                                  const net::FetchPublic& fetch = net::fetch_public);

}  // namespace hsmbridge::service
