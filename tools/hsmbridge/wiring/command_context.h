#pragma once

#include "base/clock.h"
#include "base/json.h"
#include "pkcs11/keys/generate.h"
#include "pkcs11/keys/keys.h"
#include "pkcs11/token/token.h"
#include "tools/hsmbridge/wiring/invocation.h"
#include "tools/hsmbridge/wiring/wiring.h"

#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace hsmbridge::cli {

// Where a command about tokens and keys runs: with a configuration or without one, with a store or without one.
// Everything is opened when it is first needed.
class CommandContext {
 public:
  explicit CommandContext(Invocation& invocation);
  ~CommandContext();

  // Null when there is no configuration file and none was named.
  Wiring* wiring() const { return wiring_.get(); }
  // The profile of that name. Throws not_found, invalid_input when there is no configuration.
  const config::ProfileSettings& profile(const std::string& name) const;

  // The token that the options name: --module, else the configuration's token `name`, else --token, else the only one
  // there is. Not logged in. Throws what Token::open throws, invalid_input when nothing names a token.
  std::shared_ptr<pkcs11::Token> token(const std::optional<std::string>& name = std::nullopt);
  // The store's memory of refused PINs, or the files' when there is no store.
  std::shared_ptr<pkcs11::PinRefusals> refusals();

  // Appends a leaf to the audit log: durable when it returns, so that nothing leaves the process before. Without a
  // store it says so, once, on standard error. Throws unavailable: then nothing may be signed or destroyed.
  void record(std::string_view kind, const Json& facts);
  // The same as a function, which this must outlive.
  workflow::RecordFact recorder();
  // The same, and the key's record in the same commit.
  void record_key(std::string_view kind, const Json& facts, const workflow::KeyRecord& key);
  // A person saw the lane work ("token:web"): workers that leave it alone try it at once. Nothing without a
  // store, or where this user may only read it.
  void lane_works(const std::string& lane);
  // Under a label, the id of the key that was planned for this token and is not known to be made: a crash, or a token
  // that failed, may have left it there.
  struct OpenPlan {
    Bytes id;
    bool random = false;  // known to be an id of this program: nobody else's key is under it
  };
  // With `chosen` the plan of that id alone counts, else those under ids that no person chose. Empty without a store.
  // Throws conflict when an open request is about to make one of them.
  std::map<std::string, OpenPlan> open_plans(const std::string& token, std::span<const std::string> labels,
                                             const x509::KeySpec& spec, const std::optional<Bytes>& chosen);
  // Whether a key of this id was planned and, as far as the store knows, not made.
  bool is_planned(const std::string& token, const Bytes& id);
  // Throws conflict when one of these plans was carried out, or given up, since it was written down. Nothing without a
  // store.
  void expect_planned(const std::string& token, std::span<const pkcs11::KeyPlan> plans);

  const Clock& clock() const { return clock_; }

 private:
  workflow::Store* store();  // null when no store is configured

  Invocation& invocation_;
  std::unique_ptr<Wiring> wiring_;
  SystemClock clock_;
  std::unique_ptr<workflow::Store> store_;
  bool store_looked_for_ = false;
  bool said_no_log_ = false;
  std::shared_ptr<pkcs11::PinRefusals> refusals_;
};

// The record of a key, with a status of workflow::KeyRecord.
workflow::KeyRecord key_record(const pkcs11::Token& token, const pkcs11::KeyInfo& key, std::string status, Instant at);

}  // namespace hsmbridge::cli
