// How a person names a key or token: a URI, a label or an id, or invalid_input. What this program prints for a label
// and an id selects them when it is typed back.
#include "../fuzzing.h"
#include "pkcs11/token/uri.h"

#include <string>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace hsmbridge;
  const std::string text(as_text(ByteView(data, size)));
  fuzz::accepted([&] {
    pkcs11::check_uri(text);
    return true;
  });
  fuzz::accepted([&] { return pkcs11::KeySelector::parse(text); });
  if (text.empty()) return 0;
  pkcs11::UriParts parts;
  parts.object = text;
  parts.id = Bytes(data, data + size);
  const auto typed = fuzz::accepted([&] { return pkcs11::KeySelector::parse(pkcs11::format_uri(parts)); });
  if (typed && typed->has_id()) fuzz::promise(typed->id() == parts.id, "the printed id is the id");
  return 0;
}
