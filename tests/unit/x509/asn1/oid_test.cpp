#include "x509/asn1/oid.h"

#include "unit/x509/error_of.h"

#include <catch2/catch.hpp>

using namespace hsmbridge;
using namespace hsmbridge::x509;
using hsmbridge::test::refusal;

TEST_CASE("Every identifier that is read from DER is read again from its text") {
  // The longest texts: small arcs, one arc of every octet, and the first arc alone.
  Bytes one_arc(64, 0xff);
  one_arc.back() = 0x7f;
  Bytes after_small = one_arc;
  after_small.front() = 0x2a;
  for (const Bytes& content : {Bytes(64, 0x7f), one_arc, after_small}) {
    const Oid oid = Oid::from_content(content);
    CAPTURE(oid.dotted());
    CHECK(Oid::parse(oid.dotted()) == oid);
    CHECK(oid.content() == content);
    CHECK(oid.name() == oid.dotted());
  }
  CHECK(refusal([] { Oid::from_content(Bytes(65, 0x7f)); }).find("has 65 octets") != std::string::npos);
}
