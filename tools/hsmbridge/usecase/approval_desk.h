#pragma once

#include "providers/securosys/approver.h"
#include "tools/hsmbridge/wiring/command_context.h"
#include "tools/hsmbridge/wiring/invocation.h"

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace hsmbridge::cli {

// --as, --provider: who approves, and where.
std::vector<commandline::Option> desk_options();

// What a task was compared with on this side.
struct Comparison {
  securosys::Expectation expectation;
  std::string words;           // "our request 06…, which asked for exactly these bytes", or why nothing is known
  std::string note_signature;  // whether the application key signed its metaData; "" when no key is told
  std::vector<std::string> objections;  // every reason not to approve it
  std::vector<std::string> deviations;  // what differs from what was asked, and is none
};

// One approver at one Securosys TSB, with the key in a token. Every use of that key is in the audit log before the key
// signs, and again before the signature leaves the process.
class ApprovalDesk {
 public:
  // Throws what opening the configuration, the token and the key throws; ambiguous when --as is left out and several
  // people have a key here.
  explicit ApprovalDesk(Invocation& invocation);
  ~ApprovalDesk();

  const std::string& person() const { return person_; }
  const std::string& provider() const { return provider_; }
  std::vector<securosys::TaskView> list();
  // The one task whose id begins with `typed`. Throws not_found, ambiguous.
  securosys::TaskView find(const std::string& typed);
  Comparison compare(const securosys::TaskView& task, const std::optional<std::string>& payload_sha256);

  // Signs and sends. Throws refused naming every objection.
  void accept(const securosys::TaskView& task, const securosys::Expectation& expectation);
  void reject(const securosys::TaskView& task);

 private:
  std::string note_signature(const securosys::TaskView& task) const;
  void record(std::string_view kind, const Json& facts);
  void compare_with_store(const securosys::TaskView& task, Comparison& comparison);

  CommandContext context_;
  commandline::Output& output_;
  bool said_no_log_ = false;
  std::string person_;
  std::string provider_;
  std::string sign_key_;
  std::optional<Bytes> application_key_;  // SPKI
  std::string application_unknown_;       // why it is not known although one is configured
  std::unique_ptr<workflow::KeySigner> signer_;
  std::shared_ptr<securosys::Client> client_;
  std::unique_ptr<securosys::Approver> approver_;
};

}  // namespace hsmbridge::cli
