#include "../fuzzing.h"
#include "ca/openssl_index.h"
#include "x509/objects/serial.h"

using namespace hsmbridge;

// The database of `openssl ca`.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto all = fuzz::accepted([&] { return ca::read_openssl_index(as_text(ByteView(data, size)), "index.txt"); });
  if (!all) return 0;
  fuzz::promise(!all->empty(), "what is read says something");
  for (const ca::IssuedBefore& one : *all) {
    fuzz::promise(x509::parse_serial(one.serial) == one.serial, "a serial number is written in one way");
    fuzz::promise(!one.revoked || one.revoked->reason <= 6, "a reason is one that openssl writes");
  }
  return 0;
}
