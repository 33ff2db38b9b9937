#pragma once

#include "base/error.h"
#include "tools/rig/server/call.h"

#include <string>
#include <string_view>

// How the simulated DigiCert says no.
namespace hsmbridge::rig {

// {"errors":[{"code","message","field"}]} as its pages and clients show, or {"error":{"code","message"}} as two of its
// texts describe.
enum class DigicertEnvelope { array, object };

// An Error that becomes an HTTP answer: what a caller of the simulated service did wrong. `field` may be "".
Error digicert_error(int status, std::string_view code, std::string_view message, std::string_view field = "");
// What most bad bodies get.
Error wrong_input(std::string_view field);

std::string digicert_error_body(std::string_view code, std::string_view message, std::string_view field,
                                DigicertEnvelope envelope);
// The answer for an error that digicert_error made; 500 for any other.
Answer digicert_error_answer(const Error& error, DigicertEnvelope envelope);

}  // namespace hsmbridge::rig
