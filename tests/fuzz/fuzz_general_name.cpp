#include "fuzzing.h"
#include "x509/content/content.h"
#include "x509/names/general_name.h"

using namespace hsmbridge;
using namespace hsmbridge::x509;

// The text of alternative names and of the other parts of a request, and a GeneralName as DER.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteView bytes(data, size);
  const std::string_view text = as_text(bytes);
  if (const auto name = fuzz::accepted([&] { return GeneralName::parse(text); })) {
    fuzz::promise(GeneralName::parse(name->text) == *name, "an alternative name survives its text");
    fuzz::promise(GeneralName::from_der(name->der).text == name->text, "an alternative name survives its DER");
  }
  if (const auto base = fuzz::accepted([&] { return GeneralName::parse_constraint(text); })) {
    fuzz::promise(GeneralName::constraint_from_der(base->der).text == base->text, "a constraint survives its DER");
  }
  if (const auto name = fuzz::accepted([&] { return GeneralName::from_der(bytes); })) {
    fuzz::promise(printable(name->text) == name->text, "an alternative name is shown without control characters");
  }
  fuzz::accepted([&] { return GeneralName::constraint_from_der(bytes); });
  fuzz::accepted([&] { return parse_policy(text); });
  fuzz::accepted([&] { return parse_extension(text); });
  fuzz::accepted([&] { return parse_basic_constraints(text); });
  fuzz::accepted([&] { return parse_extended_key_usage(text); });
  return 0;
}
