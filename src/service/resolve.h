#pragma once

#include "base/bytes.h"
#include "service/effects.h"
#include "workflow/order.h"
#include "workflow/store.h"

#include <string>

// What a person found for a request, proved before it is written down: a typing error must not end a request with
// somebody else's certificate.
namespace hsmbridge::service {

// The reference under which the request's provider knows the certificate with that serial number (hex), after the
// certificate was fetched and its key compared with the request's. Throws invalid_input where the provider looks
// nothing up by a serial number, not_found when it has none of that number, conflict when that is for another key or
// answered another request; and what calling the provider throws.
ProviderReference proved_by_serial(World& world, const workflow::Record& record, const std::string& serial,
                                   Instant now);

// The certificate for the request's key in a file (PEM, or one in DER) that a person brought, with the whole file as
// its evidence. Throws conflict when there is none or it answered
// another request, invalid_input when it holds no certificate.
workflow::Handout proved_certificate(World& world, const workflow::Record& record, ByteView file);

}  // namespace hsmbridge::service
