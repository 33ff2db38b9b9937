#pragma once

#include "config/settings.h"
#include "pkcs11/token.h"
#include "service/effects.h"
#include "tools/hsmbridge/wiring_providers.h"
#include "workflow/engine.h"
#include "workflow/store.h"

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hsmbridge::cli {

// The one place that introduces configuration, store, tokens and providers to each other. Everything is opened when it
// is first needed: a `request list` logs in nowhere.
// Thread rule: every function may be called from any thread, except settings(), whose sections are for one.
class Wiring final : public service::World {
 public:
  // Reads the configuration: `config` as given with --config, else where find_file looks. Throws not_found when there
  // is none, invalid_input with every problem in it.
  static std::unique_ptr<Wiring> open(const std::optional<std::filesystem::path>& config);
  ~Wiring() override;

  const config::Settings& settings() const { return settings_; }
  const Clock& clock() const override { return clock_; }

  // A new store object, for one thread. Throws invalid_input when no store is configured, and what opening it throws.
  std::unique_ptr<workflow::Store> store();

  std::shared_ptr<workflow::Provider> provider(const std::string& name) override;
  std::shared_ptr<workflow::Token> token(const std::string& name) override;
  std::vector<Bytes> anchors(const workflow::Order& order) override;
  std::optional<workflow::CertificateRecord> certificate(const std::string& fingerprint) override;
  bool is_issuer(const std::string& fingerprint) override;

  // The token itself, for what the workflow does not do: planning a key, an approver's signature. Opened once.
  std::shared_ptr<pkcs11::Token> pkcs11_token(const std::string& name);
  // The memory of refused PINs: the store's, or files when no store is configured.
  std::shared_ptr<pkcs11::PinRefusals> refusals();

  // Appends a leaf to the audit log; durable when it returns.
  void record(std::string_view kind, const Json& facts);

  // What a provider, or an approver at one, is put together from.
  ProviderNeeds provider_needs();

  // What the engine of this process may do: the lanes of the tokens and providers that it can use (a token whose module
  // or PIN this process cannot read belongs to another one), their limits and times.
  workflow::EngineOptions engine_options(const std::vector<RequestId>& only);
  // A token or provider that this process does not work for, and why. Found by engine_options.
  struct LeftOut {
    std::string lane;  // "token:web"
    std::string why;
  };
  std::vector<LeftOut> left_out();
  // Whether one of them could be used now: engine_options gives its lane then.
  bool left_out_changed();

 private:
  explicit Wiring(config::Settings settings);
  // Throws when this process cannot work in that lane.
  void check_lane(const std::string& lane);

  config::Settings settings_;
  SystemClock clock_;
  std::recursive_mutex mutex_;  // making a provider may open the token of its keys
  std::map<std::string, std::shared_ptr<workflow::Provider>> providers_;
  std::map<std::string, std::shared_ptr<workflow::Token>> workflow_tokens_;
  std::map<std::string, std::shared_ptr<pkcs11::Token>> tokens_;
  std::shared_ptr<pkcs11::PinRefusals> refusals_;
  std::vector<LeftOut> left_out_;
};

}  // namespace hsmbridge::cli
