// What a store may hold, damaged or written by somebody else: each journal text is one order, state or event that is
// written and read back the same, or it is refused as corrupt or invalid_input; never guessed, never a crash.
#include "../fuzzing.h"
#include "base/json.h"
#include "workflow/machine/codec.h"

namespace {

using namespace hsmbridge;

template <class Read>
void read_back(const Json& json, Read read) {
  try {
    const Json written = to_json(read(json));
    fuzz::promise(to_json(read(written)) == written, "what was written is read back the same");
  } catch (const Error& error) {
    fuzz::promise(error.kind() == ErrorKind::corrupt || error.kind() == ErrorKind::invalid_input, error.what());
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto json = fuzz::accepted([&] { return Json::parse(as_text(ByteView(data, size))); });
  if (!json) return 0;
  read_back(*json, workflow::order_from);
  read_back(*json, [](const Json& text) { return workflow::state_from(text); });
  read_back(*json, workflow::event_body_from);
  return 0;
}
