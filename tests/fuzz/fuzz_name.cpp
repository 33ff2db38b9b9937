#include "fuzzing.h"
#include "x509/names/name.h"

using namespace hsmbridge;
using namespace hsmbridge::x509;

// The text of a subject, and a Name as DER.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteView bytes(data, size);
  if (const auto name = fuzz::accepted([&] { return Name::parse(as_text(bytes)); })) {
    fuzz::promise(Name::parse(name->to_string()).same_text(*name), "a subject survives its text");
    fuzz::promise(Name::from_der(name->der()) == *name, "a subject survives its DER");
  }
  if (const auto name = fuzz::accepted([&] { return Name::from_der(bytes); })) {
    const std::string text = name->to_string();
    fuzz::promise(is_utf8(text) && printable(text) == text, "a name is shown without control characters");
    // Names of other people may break bounds that ours keep; where the text is accepted it means the same.
    const auto again = fuzz::accepted([&] { return Name::parse(text); });
    fuzz::promise(!again || again->same_text(*name), "the text of a name means that name");
  }
  return 0;
}
