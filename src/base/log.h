#pragma once

#include <string_view>

namespace hsmbridge::log {

enum class Level { quiet, normal, verbose, debug };

// Lines for a person who watches the program, on standard error; results never go here. Never log a secret.
// Thread rule: every function may be called from any thread; set_level once, at the start.
void set_level(Level level);
void debug(std::string_view message);
void info(std::string_view message);  // shown from `verbose` on, and by the daemon
void warning(std::string_view message);
void error(std::string_view message);

}  // namespace hsmbridge::log
