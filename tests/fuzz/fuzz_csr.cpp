#include "fuzzing.h"
#include "x509/judge/render.h"
#include "x509/judge/weak_key.h"
#include "x509/objects/csr.h"

using namespace hsmbridge;
using namespace hsmbridge::x509;

// A request that is read can be shown, and asking for the same again gives the same.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto csr = fuzz::accepted([&] { return parse_csr(ByteView(data, size)); });
  if (!csr) return 0;
  fuzz::promise(render(*csr).find('\x1b') == std::string::npos, "an escape character is never shown");
  to_json(*csr).dump();
  for (const KeyWeakness& one : key_weaknesses(csr->spki)) {
    fuzz::promise(!one.explanation.empty() && !one.reference.empty(), "a weakness is explained");
  }
  const auto built = fuzz::accepted([&] { return build_certification_request_info(csr->spki, csr->content); });
  if (!built) return 0;
  const Csr again = parse_csr(assemble(*built, signature_algorithm("ed25519"), {}));
  fuzz::promise(difference(csr->content, again.content).empty(), "content survives encoding");
  return 0;
}
