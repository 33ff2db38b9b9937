#pragma once

#include "providers/venafi/client.h"
#include "workflow/ports/provider.h"

#include <optional>
#include <string>
#include <string_view>

// Finds a submission whose answer was lost.
namespace hsmbridge::venafi {

constexpr std::string_view kTagName = "hsmbridge:";
// The mark that a submission carries as a tag ("hsmbridge:0123456789ABCDEF-1") and, without the name, as
// apiClientInformation.identifier.
std::string mark_of(const workflow::ProviderCall& call);
std::string tag_of(const workflow::ProviderCall& call);

struct Sought {
  const workflow::ProviderCall& call;
  std::string application;  // its id; "" where the service has none
};

struct LookedUp {
  std::optional<CertificateRequest> found;
  bool absent = false;  // the search was complete and it is not there
  std::string why;      // neither: why nobody can tell
};

// Goes through the certificate requests since two days before the order, all pages: first by our tag, an earlier
// attempt's after this one's, whatever our clock said at that time; then, among those since the draft was frozen and
// since a tag may be dropped on the way, by the CSR of every request that carries no mark at all. Older requests and
// those marked for another order are none of ours, and must be left out: an RSA CSR that is
// sent again is byte-identical to last year's. `absent` only after a search without the application filter came to its
// end too (the name of that field is documented nowhere, and a filter that silently matches nothing must not look like
// proof), when every request that could be ours was seen with another CSR, and when our clock does not show an earlier
// time than the draft's. Throws what the client throws.
LookedUp look_up_request(Client& client, const Sought& sought);

}  // namespace hsmbridge::venafi
