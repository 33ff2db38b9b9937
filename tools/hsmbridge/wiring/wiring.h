#pragma once

#include "config/settings.h"
#include "pkcs11/token/token.h"
#include "pkcs11/token/token_thread.h"
#include "pkcs11/workflow_token.h"
#include "service/worker/workplace.h"
#include "tools/hsmbridge/wiring/providers.h"
#include "tools/hsmbridge/wiring/stores.h"
#include "workflow/ports/key_ring.h"
#include "workflow/ports/store.h"

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace hsmbridge::cli {

// The one place that introduces configuration, store, tokens and providers to each other. Everything is opened when it
// is first needed: a `request list` logs in nowhere.
// Thread rule: every function may be called from any thread, except settings(), whose sections are for one.
class Wiring final : public service::Workplace {
 public:
  // Reads the configuration: `config` as given with --config, else where find_file looks. Throws not_found when there
  // is none, invalid_input with every problem in it.
  static std::unique_ptr<Wiring> open(const std::optional<std::filesystem::path>& config);
  ~Wiring() override;

  const config::Settings& settings() const override { return *settings_; }
  const Clock& clock() const override { return *clock_; }
  const service::Actor& actor() const override { return actor_; }

  Stores& stores() { return *stores_; }
  std::unique_ptr<workflow::Store> store() override { return stores_->open(); }

  std::shared_ptr<workflow::Provider> provider(const std::string& name) override;
  std::shared_ptr<workflow::Token> token(const std::string& name) override;
  std::vector<Bytes> anchors(const workflow::Order& order) override;
  workflow::Records& records() override { return stores_->lent(); }
  workflow::Revocations& revocations() override { return stores_->lent(); }
  std::vector<std::string> hook_of(const std::string& profile) override;
  service::ReleaseTerms release_terms(const workflow::Order& order) override;
  std::unique_ptr<workflow::KeyRing> key_ring(const std::string& name) override;
  std::unique_ptr<workflow::TokenDevice> token_device(const std::string& name) override;
  std::unique_ptr<workflow::TokenModule> token_module(const std::filesystem::path& path) override;
  const x509::WeakKeyList& weak_keys() override;
  workflow::RecordFact recorder() const override;

  // The token itself, for what the workflow does not do: planning a key, an approver's signature. Opened once.
  std::shared_ptr<pkcs11::Token> pkcs11_token(const std::string& name);
  // From now on the memory of refused PINs is read alone: where it cannot be read nothing is known. To be called before
  // a token is opened.
  void only_look_at_refusals();
  // The memory of refused PINs: the store's, or files when no store is configured.
  std::shared_ptr<pkcs11::PinRefusals> refusals();

  // Appends a leaf to the audit log; durable when it returns.
  void record(std::string_view kind, const Json& facts);

  // What a provider, or an approver at one, is put together from.
  ProviderNeeds provider_needs();

  workflow::EngineOptions engine_options(const std::vector<RequestId>& only,
                                         const std::function<void()>& alive) override;
  std::vector<service::LeftOut> left_out() override;
  std::function<bool()> left_out_look() override;

 private:
  explicit Wiring(config::Settings settings);
  // Throws when this process cannot work in that lane, or cannot tell in time: loading a module and making a provider
  // that opens a token may hang, so both are done on a thread that may be left behind.
  std::function<void()> lane_check(const std::string& lane);
  // Makes the provider at the first call. Owns what it uses.
  std::function<std::shared_ptr<workflow::Provider>()> provider_maker(const std::string& name);
  // Throws unavailable where its file is not the one that was read.
  void expect_configuration_as_read() const;

  const std::shared_ptr<const config::Settings> settings_;
  const std::shared_ptr<const std::vector<NamedAuthority>> authorities_;
  // Shared with what may record later than this object lives.
  const std::shared_ptr<std::once_flag> no_log_told_ = std::make_shared<std::once_flag>();
  // A thing that is made once, at its first use, under a lock of its own: a token that hangs while it is opened holds
  // up nobody but its own users.
  template <class T>
  struct Once {
    std::timed_mutex mutex;
    std::shared_ptr<T> made;
  };
  // The tokens of the configuration. Shared by value with whatever may use one later: a call that a hanging token holds
  // outlives the Wiring.
  class Tokens {
   public:
    Tokens(const config::Settings& settings, std::shared_ptr<pkcs11::PinRefusals> refusals);
    std::shared_ptr<pkcs11::Token> open(const std::string& name);

   private:
    std::map<std::string, std::pair<pkcs11::TokenAccess, Once<pkcs11::Token>>> tokens_;
    std::shared_ptr<pkcs11::PinRefusals> refusals_;
  };
  std::shared_ptr<Tokens> tokens();
  static std::shared_ptr<pkcs11::WorkflowToken> workflow_token(const config::TokenSettings& settings,
                                                               const std::shared_ptr<Tokens>& all,
                                                               const workflow::RecordFact& record);

  const Clock* const clock_;
  const service::Actor actor_;
  const std::shared_ptr<Stores> stores_;
  std::mutex mutex_;  // of the maps and of what opens no token: never held over a call of a token
  std::map<std::string, std::shared_ptr<Once<workflow::Provider>>> providers_;
  std::map<std::string, std::shared_ptr<pkcs11::TokenThread>>
      lane_threads_;  // one a lane: a hung check is not repeated
  std::map<std::string, std::shared_ptr<workflow::Token>> workflow_tokens_;
  std::shared_ptr<Tokens> tokens_;
  std::shared_ptr<pkcs11::PinRefusals> refusals_;
  std::mutex weak_keys_mutex_;  // held while the lists are read, which nothing else waits for
  std::shared_ptr<const x509::WeakKeyList> weak_keys_;
  std::vector<service::LeftOut> left_out_;
  std::set<std::string> told_;  // what was said once about trust anchors
};

}  // namespace hsmbridge::cli
