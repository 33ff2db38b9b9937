#pragma once

#include "providers/digicert/settings.h"
#include "providers/digicert/wire/wire.h"
#include "workflow/ports/provider.h"
#include "x509/content/requested_content.h"
#include "x509/objects/algorithm.h"

#include <string>
#include <vector>

// What a profile at the service means for us.
namespace hsmbridge::digicert {

// Why nothing can be ordered under it from here; empty: something can.
std::vector<std::string> obstacles(const Profile& profile);
// For a person: how it issues, keys, validity, mandatory fields.
workflow::Facts facts(const Profile& profile);

// Every way in which this request breaks the profile's rules. A rule that the profile does not show
// is not guessed at. `ask.accept` lets pass what its names cover.
std::vector<std::string> violations(const Profile& profile, const Settings& settings, const x509::RequestedContent& ask,
                                    const x509::KeySpec& key);

// What it is known to write into a certificate in addition to what is asked: not an objection.
std::vector<std::string> notes(const Profile& profile, const x509::Content& asked);

// Whether the service answers a request under it with the certificate, always: rest_api with third_party_app, no second
// approval, no connector behind which another CA works, no public CA that validates first. False when in doubt.
bool issues_at_once(const Profile& profile);
// What a pending request waits for, in words: the answer itself never says.
std::string what_is_awaited(const Profile* profile);

// The validity that goes into a request, nothing when none does.
std::optional<Term> term_for(const Profile& profile, const Settings& settings, const x509::RequestedContent& ask);
// For a person: "30 days", or "of the profile" where none goes into a request.
std::string validity_text(const std::optional<Term>& asked);
// Whole days, hours or minutes; nothing for what is none of them.
std::optional<Term> term_of(Duration validity);

}  // namespace hsmbridge::digicert
