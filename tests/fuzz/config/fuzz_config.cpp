// Whatever stands in a configuration file: it is read, or every problem is reported as one invalid_input.
#include "base/bytes.h"
#include "config/settings.h"

#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace hsmbridge;
  try {
    config::read_settings(config::Document::parse(as_text(ByteView(data, size)), "fuzz.yaml", "/etc/hsmbridge"));
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::invalid_input || error.message().empty()) std::abort();
  }
  return 0;
}
