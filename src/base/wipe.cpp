#include "base/wipe.h"

#include <openssl/crypto.h>

namespace hsmbridge {

void wipe(std::string& text) noexcept {
  // What it held before it became shorter is overwritten too. Within its capacity nothing is allocated.
  text.resize(text.capacity());
  ::OPENSSL_cleanse(text.data(), text.size());
  text.clear();
}

}  // namespace hsmbridge
