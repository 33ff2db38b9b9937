#include "../fuzzing.h"
#include "providers/venafi/policy.h"

using namespace hsmbridge;
using namespace hsmbridge::venafi;

// A template's expression and a value, split at the first zero octet: whoever wrote either, it ends soon.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string input(reinterpret_cast<const char*>(data), size);
  const std::size_t zero = input.find('\0');
  const std::string expression = input.substr(0, zero);
  const std::string value = zero == std::string::npos ? "" : input.substr(zero + 1);
  const Passes result = passes({expression}, value);
  // A second expression that matches every octet makes it pass whatever the first one is.
  fuzz::promise(passes({expression, "\\C*"}, value) != Passes::no, "one match is enough");
  fuzz::promise(passes({}, value) == Passes::no, "an empty list matches nothing");
  (void)result;
  return 0;
}
