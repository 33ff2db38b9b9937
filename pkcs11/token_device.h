#pragma once

#include "pkcs11/token/token.h"
#include "workflow/ports/token_device.h"

#include <filesystem>
#include <functional>
#include <memory>

namespace hsmbridge::pkcs11 {

// A token and a module for people's commands: on the caller's thread, without a deadline of its own.
std::unique_ptr<workflow::TokenDevice> token_device(std::shared_ptr<Token> token);
// Throws what Module::load throws. `refusals`: asked for when an SO PIN is about to be sent.
std::unique_ptr<workflow::TokenModule> token_module(const std::filesystem::path& path,
                                                    std::function<std::shared_ptr<PinRefusals>()> refusals);

}  // namespace hsmbridge::pkcs11
