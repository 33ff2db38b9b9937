#pragma once

#include "config/secret_source.h"

namespace hsmbridge::cli {

// Asks on the controlling terminal without showing what is typed (`pin: prompt`). Without a terminal nobody can be
// asked: an empty function, which SecretSource::fetch turns into a sentence. Thread rule: the function may be called
// from any thread; questions come one after another.
config::Prompter terminal_prompter();

// For a handler of a signal that is to end what waits at the terminal: the echo is back at once, and the question ends
// with an error. Async-signal-safe. Nothing without a question.
void give_up_prompt() noexcept;

}  // namespace hsmbridge::cli
