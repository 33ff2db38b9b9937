#pragma once

#include "service/content/ask.h"
#include "tools/hsmbridge/wiring/invocation.h"

#include <string>
#include <vector>

// The options that say what a certificate shall say, the same words for `csr create` and `enroll`.
namespace hsmbridge::cli {

// Subject, names, usages, constraints, policies, extensions, algorithm.
std::vector<commandline::Option> content_options();
// What they say. Throws invalid_input.
service::AskWishes content_wishes(const Arguments& arguments);

// --validity and --accept, for an order that a provider carries out; and content_wishes with what they say.
std::vector<commandline::Option> order_options();
service::AskWishes order_wishes(const Arguments& arguments);

}  // namespace hsmbridge::cli
