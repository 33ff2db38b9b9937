#include "../fuzzing.h"
#include "providers/securosys/approval_bytes.h"

using namespace hsmbridge;
using namespace hsmbridge::securosys;

// What an approver signs. Whatever is accepted holds its payload and nothing that was not looked at; whatever is not is
// refused, never anything else.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteView bytes(data, size);
  try {
    const ApprovalBytes approval = parse_approval_to_be_signed(bytes);
    fuzz::promise(equal(approval.whole, bytes), "the whole is what came");
    fuzz::promise(!approval.payload.empty() && approval.payload.size() < size, "the payload lies inside");
    // One more byte anywhere at the end is another message.
    Bytes longer(bytes.begin(), bytes.end());
    longer.push_back(0);
    bool refused = false;
    try {
      parse_approval_to_be_signed(longer);
    } catch (const Error&) {
      refused = true;
    }
    fuzz::promise(refused, "a trailing byte is refused");
  } catch (const Error& error) {
    fuzz::promise(error.kind() == ErrorKind::refused, error.what());
  }
  return 0;
}
