#pragma once

#include "base/error.h"
#include "base/file.h"
#include "config/settings.h"
#include "service/content/ask.h"
#include "service/content/batch.h"
#include "service/logbook.h"
#include "workflow/ports/key_ring.h"
#include "x509/content/requested_content.h"

#include <functional>
#include <optional>
#include <string>
#include <vector>

// CSRs that a key in a token signs, outside any request: one, or one a row of a file.
namespace hsmbridge::service {

struct NewCsr {
  std::string key;      // selector of a key that is there
  std::string new_key;  // or the label of one to be made
  std::string spec;     // of the new one; "" for the profile's or P-256
  std::string out;      // the file; "" for none
  AskWishes wishes;
};
enum class CsrForm { pem, der };
// What all of a run share.
struct CsrRun {
  const config::ProfileSettings* profile = nullptr;
  std::optional<x509::Content> like;
  CsrForm form = CsrForm::pem;
  Existing existing = Existing::refuse;
};

struct MadeCsr {
  workflow::KeyInfo key;
  bool key_made = false;
  Bytes der;
  x509::RequestedContent ask;
  std::vector<std::string> advice;  // what is odd about a server's names, a sentence each
};

// What can be refused without a token: a malformed name is the user's to correct whether the token is there or not.
// Throws invalid_input.
void refuse_csr(const NewCsr& wanted, const CsrRun& run);
// What can be refused is refused before a key is made or used. Throws what making and opening a key throw, conflict for
// a file that is there.
MadeCsr make_csr(workflow::KeyRing& ring, Logbook& log, const NewCsr& wanted, const CsrRun& run);

struct CsrRow {
  unsigned line = 0;
  NewCsr wanted;                // what of it was understood
  std::optional<MadeCsr> made;  // or
  std::optional<Error> error;
};
// The columns of such a file.
std::vector<std::string> csr_columns();
// A CSR a row, each told as it happens; a row that fails stops nobody else's. What a row says
// replaces what was typed; its file is in `folder`, and called after its key where it names none.
// Throws what logging in throws.
void make_csrs(workflow::KeyRing& ring, Logbook& log, const std::vector<BatchRow>& rows, const NewCsr& typed,
               const CsrRun& run, const std::string& folder, const std::function<void(const CsrRow&)>& told);

}  // namespace hsmbridge::service
