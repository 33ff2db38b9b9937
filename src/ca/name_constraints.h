#pragma once

#include "x509/content/content.h"
#include "x509/objects/certificate.h"

#include <string>
#include <vector>

// Name constraints of issuers (RFC 5280 §4.2.1.10) against names that nobody has certified yet.
namespace hsmbridge::ca {

// Every name of `content` that the constraints of `issuer` forbid, one sentence each with the constraint quoted: the
// subject, the mail addresses in it, the alternative names, and a common name that looks like a DNS name where there is
// no DNS name among the alternative names (as OpenSSL does). Of a CA also each permitted subtree of its own that lies
// outside. A constraint on a kind of name that cannot be compared forbids every name of that kind.
std::vector<std::string> forbidden_names(const x509::Content& content, const x509::Certificate& issuer);
// The same for constraints wherever they stand: `by` is who has them, in the sentences.
std::vector<std::string> forbidden_names(const x509::Content& content, const x509::NameConstraints& limits,
                                         const std::string& by);
// The names that people and programs read in the subject, as names of their kind, whatever the alternative names say:
// its mail addresses, and each word of a common name, or part of a URL in it, that reads like a host, an address or a mail
// address, in any script and with a port or a dot behind it.
std::vector<x509::GeneralName> names_read_in_subject(const x509::Content& content);
// Whether that address is in that network, the base of a constraint (GeneralName::parse_constraint).
bool ip_within(const x509::GeneralName& name, const x509::GeneralName& base);

}  // namespace hsmbridge::ca
