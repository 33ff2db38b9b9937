#pragma once

#include "base/clock.h"
#include "base/json.h"
#include "x509/content/content.h"

#include <string>
#include <vector>

namespace hsmbridge::x509 {

// What a certificate shall say and what may differ: fixed when an order is made, written to its journal, read by the
// provider that drafts and by the check of the certificate that comes back.
struct RequestedContent {
  Content content;
  Duration validity{};    // from issue to expiry; zero: whatever the provider gives
  std::string algorithm;  // of the CSR's signature, a name of signature_algorithms(); "" for the key's usual one
  std::vector<std::string> accept;  // names of finding_kinds() that the profile accepts

  bool operator==(const RequestedContent&) const = default;
};

// {"subject", "subject_der", "names": […], "key_usage": […], …, "validity": "90d", "algorithm", "accept": […]}. Names
// are carried as text for people and as base64 DER for exactness; the DER counts, and the subject's text only where its
// DER is absent. requested_content_from is strict: an unknown member is invalid_input, since an order that is only half
// understood must not be carried out.
Json to_json(const RequestedContent& ask);
RequestedContent requested_content_from(const Json& json);

}  // namespace hsmbridge::x509
