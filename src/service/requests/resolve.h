#pragma once

#include "base/bytes.h"
#include "config/settings.h"
#include "service/actor.h"
#include "service/bridge.h"
#include "workflow/machine/event.h"
#include "workflow/machine/order.h"
#include "workflow/ports/store.h"

#include <optional>
#include <string>
#include <vector>

// What a person found for a request, proved before it is written down: a typing error must not end a request with
// somebody else's certificate.
namespace hsmbridge::service {

// The reference under which the request's provider knows the certificate with that serial number (hex), after the
// certificate was fetched and its key compared with the request's. Throws invalid_input where the provider looks
// nothing up by a serial number, not_found when it has none of that number, conflict when that is for another key or
// answered another request; and what calling the provider throws.
ProviderReference proved_by_serial(Dependencies& world, const workflow::Record& record, const std::string& serial,
                                   Instant now);

// The certificate for the request's key in a file (see x509::certificates_in_any_form) that a person brought, with the
// whole file as its evidence. Throws conflict when there is none or it answered another request, invalid_input when the file holds no
// certificate.
workflow::IssuedResult proved_certificate(Dependencies& world, const workflow::Record& record, ByteView file);

// What a person accepts about a quarantined certificate. Throws invalid_input for a name that does not exist, refused
// for one that can never be accepted, conflict when the certificate was revoked meanwhile. Whether these are all that
// stop it is the machine's question.
workflow::DeviationsAccepted proved_acceptance(Dependencies& world, const workflow::Record& record,
                                               std::vector<std::string> findings, const std::string& reason);
// What to judge a stored result again by: what its profile accepts in this configuration beyond the order. Throws
// conflict when the certificate was revoked meanwhile.
workflow::JudgementAsked proved_judgement(Dependencies& world, const workflow::Record& record,
                                          const config::Settings& settings);

// How a person ends, or goes on with, a request that waits for a decision: exactly one of these.
struct Resolution {
  std::vector<std::string> accept;         // findings of a quarantined certificate
  bool judge_again = false;                // by what its profile accepts now
  std::optional<std::string> reference;    // the provider has it, under this
  std::optional<std::string> serial;       // the provider issued the certificate of this serial number (hex)
  std::optional<std::string> certificate;  // the file with it
  bool not_there = false;                  // the provider does not have it: it is submitted again
  bool abandon = false;                    // given up for good
  bool look_up = false;                    // the provider is asked once more
  std::optional<std::string> skip_target;  // of the installation
  bool done = false;                       // a person did what was missing
  std::string reason;                      // stays in the journal; demanded where something is given up or accepted
};
// Throws invalid_input where not exactly one is given or the reason is missing: for a word before anything is opened.
void refuse_resolution(const Resolution& resolution);
// Proves what can be proved, then writes it down in the actor's name. Throws as refuse_resolution, not_found, what
// proving throws, and conflict when the request does not wait for such a decision.
workflow::Record resolve_request(const Actor& actor, Bridge& bridge, workflow::Store& store, const RequestId& id,
                                 const Resolution& resolution);
// Asks for a request to be cancelled, in the actor's name. Throws conflict where it is too late.
workflow::Record cancel_request(const Actor& actor, Bridge& bridge, workflow::Store& store, const RequestId& id,
                                const std::string& reason);

}  // namespace hsmbridge::service
