#include "fuzzing.h"
#include "x509/content/extensions.h"
#include "x509/judge/render.h"
#include "x509/objects/certificate.h"
#include "x509/objects/crl.h"

using namespace hsmbridge;
using namespace hsmbridge::x509;

// Certificates, revocation lists and the bare bytes that a CA signs.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteView bytes(data, size);
  if (const auto certificate = fuzz::accepted([&] { return parse_certificate(bytes); })) {
    render(*certificate);
    to_json(*certificate).dump();
    signature_verifies(*certificate, certificate->spki());
    content_like(certificate->content());
    for (const Extension& extension : certificate->tbs.extensions) {
      fuzz::accepted([&] { return crl_urls(extension.value); });
    }
    fuzz::promise(certificate->der.size() == size, "every byte belongs to the certificate");
  }
  if (const auto list = fuzz::accepted([&] { return parse_crl(bytes); })) render(list->tbs);
  const ToBeSigned what = what_is_to_be_signed(bytes);
  if (const auto* tbs = std::get_if<TbsCertificate>(&what)) {
    render(*tbs);
    fuzz::promise(equal(tbs->der, bytes), "the bytes that are shown are the bytes that are signed");
  } else if (const auto* list = std::get_if<TbsCertList>(&what)) {
    render(*list);
    to_json(*list).dump();
    fuzz::promise(equal(list->der, bytes), "the bytes that are shown are the bytes that are signed");
  }
  return 0;
}
