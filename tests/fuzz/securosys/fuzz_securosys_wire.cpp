#include "../fuzzing.h"
#include "providers/securosys/approver.h"
#include "providers/securosys/client.h"
#include "providers/securosys/error_code.h"
#include "providers/securosys/wire/wire.h"

using namespace hsmbridge;
using namespace hsmbridge::securosys;

namespace {

// An answer's reader may say `corrupt` or `unavailable` and nothing else.
template <class Read>
void read(Read reader) {
  try {
    reader();
  } catch (const Error& error) {
    fuzz::promise(error.kind() == ErrorKind::corrupt || error.kind() == ErrorKind::unavailable, error.what());
  }
}

}  // namespace

// Whatever a server answers: no crash, and a submission is always judged.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string body(reinterpret_cast<const char*>(data), size);
  read([&] { sign_request_status_from(body); });
  read([&] { key_attributes_from(body); });
  read([&] { certificate_from(body); });
  read([&] { version_info_from(body); });
  read([&] {
    for (const Task& task : tasks_from(body)) view_of(task);
  });
  for (const long status : {200L, 400L, 404L, 500L}) {
    submission_verdict(
        {dialect(), "POST /v1/sign", net::Response{status, {{"Content-Type", "application/json"}}, body}, Instant{}});
  }
  return 0;
}
