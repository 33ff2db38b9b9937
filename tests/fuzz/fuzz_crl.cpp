#include "fuzzing.h"
#include "x509/judge/render.h"
#include "x509/objects/crl.h"

using namespace hsmbridge;
using namespace hsmbridge::x509;

// Certificate revocation lists, whole and as the bare bytes that a CA signs.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteView bytes(data, size);
  if (const auto list = fuzz::accepted([&] { return parse_crl(bytes); })) {
    fuzz::promise(list->der.size() == size, "every byte belongs to the list");
    render(list->tbs);
    to_json(list->tbs).dump();
    const auto inner = fuzz::accepted([&] { return parse_tbs_cert_list(list->parts.to_be_signed); });
    fuzz::promise(inner.has_value() && inner->der == list->tbs.der, "the part that is signed is read as in the whole");
    fuzz::promise(inner->revoked.size() == list->tbs.revoked.size(), "the part that is signed revokes the same");
  }
  if (const auto list = fuzz::accepted([&] { return parse_tbs_cert_list(bytes); })) {
    fuzz::promise(equal(list->der, bytes), "the bytes that are shown are the bytes that are signed");
    render(*list);
  }
  return 0;
}
