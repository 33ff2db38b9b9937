#include "fuzzing.h"
#include "x509/objects/pem.h"

using namespace hsmbridge;
using namespace hsmbridge::x509;

// What is read can be written and is read back.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteView file(data, size);
  if (const auto blocks = fuzz::accepted([&] { return read_pem(as_text(file)); })) {
    for (const PemBlock& block : *blocks) {
      if (block.label.find("----") != std::string::npos) continue;
      const auto again = read_pem(write_pem(block.label, block.der));
      fuzz::promise(again.size() == 1 && again[0].der == block.der, "a block survives writing");
    }
  }
  fuzz::accepted([&] { return read_certificates(file); });
  fuzz::accepted([&] { return read_csr(file); });
  fuzz::accepted([&] { return read_public_key(file); });
  return 0;
}
