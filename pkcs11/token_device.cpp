#include "pkcs11/token_device.h"

#include "pkcs11/login/token_lock.h"
#include "pkcs11/token/module.h"

#include <utility>

namespace hsmbridge::pkcs11 {
namespace {

class Device final : public workflow::TokenDevice {
 public:
  explicit Device(std::shared_ptr<Token> token) : token_(std::move(token)) {}

  const std::string& name() const override { return token_->name(); }
  std::filesystem::path module() const override { return token_->access().module; }
  TokenInfo info() const override { return token_->info(); }
  std::vector<MechanismInfo> mechanisms() const override { return token_->mechanisms(); }
  bool can_sign(const x509::SignatureAlgorithm& algorithm) const override {
    return token_->can_sign_with(algorithm.token_mechanism);
  }
  std::optional<PinRefusal> remembered_pin() const override { return token_->remembered_pin(); }
  std::filesystem::path lock_folder() const override {
    const auto serial = info().serial;
    open_token_lock(LockedWork::login, serial);
    return open_token_lock(LockedWork::making_keys, serial).parent_path();
  }
  void login(LoginAttempt attempt) override { token_->login(attempt); }

 private:
  const std::shared_ptr<Token> token_;
};

class LoadedModule final : public workflow::TokenModule {
 public:
  LoadedModule(std::shared_ptr<Module> module, std::function<std::shared_ptr<PinRefusals>()> refusals)
      : module_(std::move(module)), refusals_(std::move(refusals)) {}

  ModuleInfo info() const override { return module_->info(); }
  std::vector<TokenInfo> tokens(std::vector<Error>& unread) const override { return module_->tokens(unread); }
  TokenInfo initialize(const NewToken& wanted, Reinitialize existing) override {
    return initialize_token(*module_, wanted, existing, *refusals_());
  }

 private:
  const std::shared_ptr<Module> module_;
  const std::function<std::shared_ptr<PinRefusals>()> refusals_;
};

}  // namespace

std::unique_ptr<workflow::TokenDevice> token_device(std::shared_ptr<Token> token) {
  return std::make_unique<Device>(std::move(token));
}

std::unique_ptr<workflow::TokenModule> token_module(const std::filesystem::path& path,
                                                    std::function<std::shared_ptr<PinRefusals>()> refusals) {
  return std::make_unique<LoadedModule>(Module::load(path), std::move(refusals));
}

}  // namespace hsmbridge::pkcs11
