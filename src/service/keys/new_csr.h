#pragma once

#include "base/error.h"
#include "base/file.h"
#include "config/settings.h"
#include "service/content/ask.h"
#include "service/logbook.h"
#include "workflow/ports/key_ring.h"
#include "x509/content/requested_content.h"

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

// CSRs that a key in a token signs, outside any request. Many from a file: csr_batch.h.
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
  // The CA whose key this is (service::authority_of); empty where there are no CAs. Called from any thread.
  std::function<std::optional<std::string>(const workflow::KeyInfo&)> authority;
};

struct MadeCsr {
  workflow::KeyInfo key;
  bool key_made = false;
  bool already = false;  // its file was there: no CSR was signed and none written
  Bytes der;
  x509::RequestedContent ask;
  std::vector<std::string> advice;  // what is odd about a server's names, a sentence each
};

// What can be refused without a token: a malformed name is the user's to correct whether the token is there or not.
// Throws invalid_input.
void refuse_csr(const NewCsr& wanted, const CsrRun& run);

// Makes the CSRs of one run. A key is found, compared with its contract and opened once, however many CSRs it signs;
// again when the login is new. Thread rule: make() may be called from any thread, but not for two new keys at once;
// look_for() before.
class CsrMaker {
 public:
  // All three must outlive it.
  CsrMaker(workflow::KeyRing& ring, Logbook& log, const CsrRun& run) : ring_(ring), log_(log), run_(run) {}

  // Looks for the keys that will be named, all at once.
  void look_for(std::span<const std::string> selectors);

  enum class Part {
    alone,
    // One whose file is what would be written (same key, which may still sign, content and algorithm, and the signature
    // verifies) is taken.
    of_batch,
  };
  // What can be refused is refused before a key is made or used. Throws what making and opening a key throw, conflict
  // for a file that is there.
  MadeCsr make(const NewCsr& wanted, Part part);

 private:
  using Opened = std::shared_ptr<const workflow::KeyRing::Opened>;
  // By what was typed and which of its flaws are accepted.
  using Name = std::pair<std::string, std::vector<std::string>>;
  struct KeyEntry {
    std::mutex mutex;  // held while the key is looked for
    Opened opened;
    std::optional<Error> failure;  // one that looking again would not mend
  };
  Opened open(workflow::KeyInfo key, const workflow::Intent& intent);
  Opened opened(const std::string& selector, const workflow::Intent& intent);
  workflow::KeyInfo make_key(const NewCsr& wanted, const x509::KeySpec& spec, Part part);
  void forget(const std::string& label);
  std::string why_not_there(const NewCsr& wanted, MadeCsr& made, const workflow::Intent& intent);

  workflow::KeyRing& ring_;
  Logbook& log_;
  const CsrRun& run_;
  std::mutex mutex_;  // guards the two below
  std::map<Name, std::shared_ptr<KeyEntry>> entries_;
  std::deque<Name> oldest_first_;
  std::map<std::string, workflow::KeyInfo> seen_;  // by look_for
};

MadeCsr make_csr(workflow::KeyRing& ring, Logbook& log, const NewCsr& wanted, const CsrRun& run);

}  // namespace hsmbridge::service
