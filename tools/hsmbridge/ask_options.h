#pragma once

#include "service/ask.h"
#include "tools/hsmbridge/commands.h"

#include <vector>

// The options that say what a certificate shall say, the same for `csr create` and `enroll`.
namespace hsmbridge::cli {

std::vector<commandline::Option> content_options();
// What was typed. `--challenge-password` is read from its source here. Throws invalid_input.
service::AskWishes wishes_of(const Arguments& arguments);
// The content of the certificate or CSR in the file that --like names, or nothing. Throws invalid_input.
std::optional<x509::Content> like_content(const Arguments& arguments);

}  // namespace hsmbridge::cli
