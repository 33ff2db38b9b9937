#pragma once

#include "pkcs11/token/token.h"
#include "workflow/ports/key_ring.h"

#include <memory>
#include <string>

namespace hsmbridge::pkcs11 {

// The keys of a token for people's commands: on the caller's thread, without a deadline of its own (a person sees that
// it hangs; the workflow uses WorkflowToken).
std::unique_ptr<workflow::KeyRing> key_ring(std::shared_ptr<Token> token);

}  // namespace hsmbridge::pkcs11
