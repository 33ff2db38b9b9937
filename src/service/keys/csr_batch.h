#pragma once

#include "service/content/batch.h"
#include "service/keys/new_csr.h"

#include <functional>
#include <optional>
#include <string>
#include <vector>

// A CSR a row of a file. Rows are worked on by several threads, since a row mostly waits: for the token, which is asked
// as many things at once as it has sessions, for the audit log, where the leaves of rows that wait become durable in one
// commit, and for its file, which is on disk before it is put in place. Each row keeps the one order of a signature: leaf
// durable, signed, verified, read back, written.
namespace hsmbridge::service {

struct CsrRow {
  unsigned line = 0;
  NewCsr wanted;                // what of it was understood
  std::optional<MadeCsr> made;  // or
  std::optional<Error> error;
};
// The columns of such a file.
std::vector<std::string> csr_columns();

// Each row is told in the order of the file, on the caller's thread; one that fails stops nobody else's. What a row
// says replaces what was typed; its file is in `folder`, and called after its key where it names none. A row whose file
// is there and is the CSR that it asks for is not done again (MadeCsr::already); a key that is there already is not
// taken for a new one. A row that names a key, or makes one, waits for the rows before it that may have made that key;
// one that names the label of a key that only a later row makes is refused. When the token is lost or refuses the PIN,
// the rows that are not begun end with that error, and the token is left alone.
// Throws what logging in throws.
void make_csrs(workflow::KeyRing& ring, Logbook& log, const std::vector<BatchRow>& rows, const NewCsr& typed,
               const CsrRun& run, const std::string& folder, const std::function<void(const CsrRow&)>& told);

}  // namespace hsmbridge::service
