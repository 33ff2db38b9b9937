#pragma once

#include <string>

namespace hsmbridge {

// Overwrites a text that held a secret, and empties it.
void wipe(std::string& text) noexcept;

}  // namespace hsmbridge
