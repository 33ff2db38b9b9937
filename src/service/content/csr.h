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

// Whether a public key is of the kind that a profile names ("ec:P-256"). Throws invalid_input for a kind that there is
// not.
bool is_of_kind(ByteView spki, const std::string& spec);

// Makes the CSR that `ask` describes: the key signs, then the result is proved. Gives DER. Throws invalid_input (the
// algorithm is not for that key, the content contradicts itself), and what the signer throws.
Bytes create_csr(x509::Signer& signer, const x509::RequestedContent& ask);

// The CSR in a PEM or DER file. Throws invalid_input naming it, and what reading it throws.
x509::Csr csr_in(const std::string& file);
// What the certificate or CSR in a file says, as a model for another one. Throws likewise.
x509::Content content_in(const std::string& file);

struct CsrFault {
  std::string name;            // "signature", "key", "subject", "extended_key_usage", …
  std::string explanation;     // what is asked and what was found, in one line
  std::string reference = {};  // where it is written that this is a fault; "" where the profile or the command says so
};
// "explanation (reference)".
std::string sentence_of(const CsrFault& fault);

// What is wrong with a CSR whoever asks: its signature, a key that is weak (x509/judge/weak_key.h), a content that
// contradicts itself.
std::vector<CsrFault> flaws_of(const x509::Csr& csr);

// What speaks against a CSR: its signature, its key, a content that contradicts itself, and, with a profile, each field
// that is not as the profile asks. Empty when nothing does. A profile's subject must be contained (part by part, in its
// order), its alternative names too; a field that the profile leaves out may be anything, except CA:TRUE.
// Throws invalid_input for a profile that cannot be read.
std::vector<CsrFault> check_csr(const x509::Csr& csr, const config::ProfileSettings* profile);

// Whether each part of `wanted` is in `found`, in the same order; others may be between.
bool contains(const x509::Name& found, const x509::Name& wanted);

// Everything there is to say against a CSR, and what is odd about a server's names, a sentence each.
struct CsrCheck {
  std::vector<CsrFault> faults;
  std::vector<std::string> notes;
};
// Why its signature does not prove its key; "" where it does.
std::string signature_flaw(const x509::Csr& csr);

// The columns of a batch that speak about content, named like the options of `csr create`.
const std::vector<std::string>& ask_columns();
// What was typed, with every field replaced that the row speaks about. Throws invalid_input naming the column.
AskWishes wishes_of(const BatchRow& row, AskWishes typed);

}  // namespace hsmbridge::service
