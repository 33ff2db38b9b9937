#pragma once

#include "config/settings.h"
#include "x509/content/requested_content.h"

#include <optional>
#include <string>
#include <vector>

// What a certificate shall say, put together from a certificate that is there (`--like`), a profile, and what was
// typed.
namespace hsmbridge::service {

// What was typed, in the text forms of x509/content/content.h and x509/names/general_name.h. An empty list or a missing
// value says nothing about its field.
struct AskWishes {
  std::optional<std::string> subject;      // the whole subject, as given
  std::optional<std::string> common_name;  // instead: this CN after the profile's subject
  std::vector<std::string> names;          // subject alternative names
  std::vector<std::string> usage;
  std::vector<std::string> extended_usage;
  bool ca = false;
  std::optional<unsigned> path_length;  // with `ca`, or where the profile already asks for a CA
  std::vector<std::string> permitted;   // bases of name constraints
  std::vector<std::string> excluded;
  std::vector<std::string> policies;
  std::vector<std::string> tls_features;  // "must-staple" is status_request
  std::vector<std::string> extensions;    // "OID=hex" or "OID:critical=hex"; ":" instead of "=" works too
  std::optional<std::string> challenge_password;
  std::optional<std::string> algorithm;
  std::optional<Duration> validity;
  std::vector<std::string> accept;
};

// The layers, lowest first: `like`, `profile`, `wishes`. A field that a higher layer speaks about replaces the lower
// one's; only the profile's alternative names are added to what was typed, since they belong to every certificate of
// that profile. The result is checked (x509::validate), its `algorithm` and `accept` names too.
// Throws invalid_input, for a profile's value with file and line.
x509::RequestedContent build_ask(const x509::Content* like, const config::ProfileSettings* profile,
                                 const AskWishes& wishes);

// For a CSR that somebody else made: what the profile asks, over it what the profile lets that CSR decide (`copy`), and
// over both what was typed. Powers that are more than the use of a name are never taken from a CSR: to be a CA, to sign
// revocation lists, a key usage other than TLS, mail and IPsec. Not checked by x509::validate: a profile that lets a CSR
// decide too little may ask for no whole certificate, and compare_csr says so better. Throws invalid_input as above.
x509::RequestedContent ask_of_csr(const x509::Content& csr, const config::ProfileSettings& profile,
                                  const AskWishes& wishes);

// What may be wrong with the key: the names of config::key_flaws() that the profile and what was typed accept.
std::vector<std::string> accepted_of_key(const config::ProfileSettings* profile, const AskWishes& wishes);

// What a profile alone asks, unchecked: it may be no whole request (a subject without a common name, no names).
// Throws invalid_input with file and line.
x509::Content profile_content(const config::ProfileSettings& profile);

}  // namespace hsmbridge::service
