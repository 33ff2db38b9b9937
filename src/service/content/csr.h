#pragma once

#include "base/bytes.h"
#include "config/settings.h"
#include "service/content/ask.h"
#include "service/content/batch.h"
#include "x509/objects/csr.h"
#include "x509/objects/signer.h"

#include <string>
#include <vector>

namespace hsmbridge::service {

// The algorithm that `ask` names, or the key's usual one. Throws invalid_input when it is not for such a key: to be
// asked before a key is made for it.
const x509::SignatureAlgorithm& algorithm_for(const x509::RequestedContent& ask, const x509::KeySpec& key);

// Makes the CSR that `ask` describes: the key signs, then the result is proved. Gives DER. Throws invalid_input (the
// algorithm is not for that key, the content contradicts itself), and what the signer throws.
Bytes create_csr(x509::Signer& signer, const x509::RequestedContent& ask);

// The CSR in a PEM or DER file. Throws invalid_input naming it, and what reading it throws.
x509::Csr csr_in(const std::string& file);
// What the certificate or CSR in a file says, as a model for another one. Throws likewise.
x509::Content content_in(const std::string& file);

struct CsrFault {
  std::string name;         // "signature", "key", "subject", "extended_key_usage", …
  std::string explanation;  // what is asked and what was found, in one line
};

// What speaks against a CSR: its signature, a content that contradicts itself, and, with a profile, each field that is
// not as the profile asks. Empty when nothing does. A profile's subject must be contained (part by part, in its order),
// its alternative names too; a field that the profile leaves out may be anything, except CA:TRUE.
// Throws invalid_input for a profile that cannot be read.
std::vector<CsrFault> check_csr(const x509::Csr& csr, const config::ProfileSettings* profile);

// Everything there is to say against the CSR in a file, and what is odd about a server's names, a sentence each.
struct CsrCheck {
  std::vector<CsrFault> faults;
  std::vector<std::string> notes;
};
CsrCheck check_csr_in(const std::string& file, const config::ProfileSettings* profile);
// Why its signature does not prove its key; "" where it does.
std::string signature_flaw(const x509::Csr& csr);

// The columns of a batch that speak about content, named like the options of `csr create`.
const std::vector<std::string>& ask_columns();
// What was typed, with every field replaced that the row speaks about. Throws invalid_input naming the column.
AskWishes wishes_of(const BatchRow& row, AskWishes typed);

}  // namespace hsmbridge::service
