// Whatever a server sends: it is one JSON value that is written and read back the same, or an invalid_input.
#include "base/bytes.h"
#include "base/error.h"
#include "base/json.h"

#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace hsmbridge;
  try {
    const Json value = Json::parse(as_text(ByteView(data, size)));
    if (!(Json::parse(value.dump()) == value) || !(Json::parse(value.pretty()) == value)) std::abort();
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::invalid_input) std::abort();
  }
  return 0;
}
