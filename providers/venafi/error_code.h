#pragma once

#include "base/error.h"
#include "providers/venafi/wire/wire.h"
#include "providers/verdict.h"

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

// What the service says when it refuses, in a person's words.
namespace hsmbridge::venafi {

struct ErrorCode {
  std::int64_t code;
  ErrorKind kind;
  std::string_view advice;  // a plain sentence: what to do
};

// The codes that were seen, by ascending code. Most are documented nowhere.
std::span<const ErrorCode> error_codes();
// Null for a code without a row.
const ErrorCode* find_error_code(std::int64_t code);

// One error as a sentence: 10726 names the component, the value and what is allowed, whatever its args look like.
std::string spoken(const ServiceError& error);
// All of them, one after another.
std::string spoken(const Refusal& refusal);

// A refusal's Error has every entry in its message, with the details "code" (each) and "http". The kind is that of the
// first code with a row, else by the status.
// - A refusal of our credential (401 in the service's own form, plain text included, or one of the codes for it): not
//   accepted. It may be in the middle of a rotation.
// - Any other refusal in the service's own form is for good: none of them goes away by sending the same again.
const providers::Dialect& dialect();
// The same of a token endpoint.
const providers::Dialect& token_dialect();

}  // namespace hsmbridge::venafi
