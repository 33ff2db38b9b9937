#pragma once

#include "config/secret_source.h"

namespace hsmbridge::cli {

// Asks on the controlling terminal without showing what is typed (`pin: prompt`). Without a terminal nobody can be
// asked: an empty function, which SecretSource::fetch turns into a sentence. Thread rule: the function may be called
// from any thread; questions come one after another.
config::Prompter terminal_prompter();

}  // namespace hsmbridge::cli
