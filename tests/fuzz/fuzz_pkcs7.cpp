#include "fuzzing.h"
#include "x509/objects/pkcs7.h"

using namespace hsmbridge;
using namespace hsmbridge::x509;

// What a bundle holds can be put into a bundle of ours, which is recognised and gives the same certificates.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteView file(data, size);
  fuzz::accepted([&] { return certificates_of_bundle(file); });
  const auto found = fuzz::accepted([&] { return read_pkcs7_certificates(file); });
  if (!found) return 0;
  const auto bundle = fuzz::accepted([&] { return pkcs7_bundle(*found); });
  if (!bundle) return 0;
  const auto again = certificates_of_bundle(*bundle);
  fuzz::promise(again.size() == found->size(), "no certificate is lost");
  return 0;
}
