#include "x509/judge/weak_key.h"

#include "base/error.h"
#include "base/file.h"
#include "support/software_signer.h"
#include "x509/judge/weak_key_list.h"
#include "x509/objects/csr.h"
#include "x509/objects/pem.h"
#include "x509/objects/spki.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <string>
#include <utility>

using namespace hsmbridge;
using namespace hsmbridge::x509;

namespace {

Bytes spki_in(const std::string& name) {
  const Bytes file = read_file(std::string(HSMBRIDGE_TEST_DATA "/x509/weak/") + name);
  if (name.ends_with(".csr")) return parse_csr(read_csr(file)).spki;
  return read_public_key(file);
}

// The names of what is wrong, "none" for nothing.
std::string weaknesses(ByteView spki) {
  std::string names;
  for (const KeyWeakness& one : key_weaknesses(spki)) {
    CHECK_FALSE(one.explanation.empty());
    CHECK_FALSE(one.reference.empty());
    names += (names.empty() ? "" : " ") + one.name;
  }
  return names.empty() ? "none" : names;
}

Bytes rsa_with(const Bytes& spki, const std::string& exponent) {
  return spki_from_rsa(rsa_numbers(spki).value().modulus, from_hex(exponent));
}

}  // namespace

TEST_CASE("keys that others published as weak are weak for their reason") {
  // file, weaknesses
  const std::pair<const char*, const char*> kCases[] = {
      {"close-primes.csr", "close-primes"},
      {"badkeys-roca.pub", "roca"},
      {"roca.csr", "roca"},
      {"badkeys-smallfactors-valid.pub", "rsa-modulus"},
      {"badkeys-nprime.pub", "rsa-modulus"},
      {"badkeys-e1.pub", "rsa-exponent"},
      {"badkeys-debianweak.pub", "none"},  // nothing is to be seen of it: only a list knows it
  };
  for (const auto& [file, expected] : kCases) {
    CAPTURE(file);
    CHECK(weaknesses(spki_in(file)) == expected);
  }
}

TEST_CASE("the size and the exponent of an RSA key have bounds") {
  const Bytes good = spki_in("badkeys-debianweak.pub");
  // exponent, weaknesses
  const std::pair<const char*, const char*> kExponents[] = {
      {"010001", "none"},
      {"010003", "none"},
      {"03", "rsa-exponent"},
      {"11", "rsa-exponent"},
      {"ffff", "rsa-exponent"},
      {"010000", "rsa-exponent"},
      {"01000000000000000000000000000000000000000000000000000000000000000001", "rsa-exponent"},
  };
  for (const auto& [exponent, expected] : kExponents) {
    CAPTURE(exponent);
    CHECK(weaknesses(rsa_with(good, exponent)) == expected);
  }
  const auto found = key_weaknesses(spki_from_rsa(Bytes(128, 0xFF), from_hex("010001")));
  REQUIRE_FALSE(found.empty());
  CHECK(found.front().name == "rsa-size");
  CHECK(found.front().explanation == "an RSA key of 1024 bits is too small: at least 2048 are required");
  CHECK(weaknesses(spki_from_rsa(Bytes(1025, 0xFF), from_hex("010001"))) == "rsa-size");
  // 2047 bits and 2049 bits: no whole number of octets.
  Bytes modulus = rsa_numbers(good).value().modulus;
  modulus.insert(modulus.begin(), 1);
  CHECK(weaknesses(spki_from_rsa(modulus, from_hex("010001"))).starts_with("rsa-size"));
  CHECK(weaknesses(spki_from_rsa(Bytes{1}, Bytes{1})).starts_with("rsa-size"));
}

TEST_CASE("a modulus that is a square is found by Fermat's method") {
  // (2^1023 + 1)^2 = 2^2046 + 2^1024 + 1
  Bytes square(256, 0);
  square.front() = 0x40;
  square[255 - 128] = 0x01;
  square.back() = 0x01;
  const auto found = key_weaknesses(spki_from_rsa(square, from_hex("010001")));
  CHECK(std::any_of(found.begin(), found.end(), [](const auto& one) { return one.name == "close-primes"; }));
}

TEST_CASE("a key of a kind that is not supported, and a point beside its curve, get a reason") {
  CHECK(weaknesses(test::SoftwareSigner("ec:P-256").subject_public_key_info()) == "none");
  CHECK(weaknesses(test::SoftwareSigner("ec:P-521").subject_public_key_info()) == "none");
  CHECK(weaknesses(test::SoftwareSigner("ed25519").subject_public_key_info()) == "none");
  Bytes beside = test::SoftwareSigner("ec:P-256").subject_public_key_info();
  beside.back() ^= 1U;
  CHECK(weaknesses(beside) == "key");
  Bytes infinity = from_hex("3019301306072a8648ce3d020106082a8648ce3d030107030200");
  infinity.push_back(0);
  infinity[1] = static_cast<std::uint8_t>(infinity.size() - 2);
  CHECK(weaknesses(infinity) == "key");
  CHECK(weaknesses(Bytes{}) == "key");
  // Points of small order, and an encoding of one that is not the canonical one.
  for (const std::string point : {"0100000000000000000000000000000000000000000000000000000000000000",
                                  "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
                                  "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
                                  "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"}) {
    CAPTURE(point);
    CHECK(weaknesses(from_hex("302a300506032b6570032100" + point)) == "key");
  }
}

TEST_CASE("keys that openssl makes are sound") {
  for (const std::string spec : {"rsa:2048", "rsa:3072", "rsa:4096"}) {
    CAPTURE(spec);
    CHECK(weaknesses(test::SoftwareSigner(spec).subject_public_key_info()) == "none");
  }
}

TEST_CASE("a list knows a key by its hash and by Debian's hash of its modulus") {
  const Bytes debian = spki_in("badkeys-debianweak.pub");
  const Bytes other = test::SoftwareSigner("ec:P-256").subject_public_key_info();
  WeakKeyList lists;
  CHECK(lists.find(debian).empty());
  lists.add("# of openssl-blacklist\n\n00005890bc78bcbee3ca\r\n  b7ead9492dfd921fc4f9\n", "debian");
  lists.add(hex(sha256(other)) + "\n", "ours");
  CHECK(lists.find(debian) == "debian");
  CHECK(lists.find(other) == "ours");
  CHECK(lists.find(spki_in("badkeys-roca.pub")).empty());
}

TEST_CASE("a list that is only half understood is refused with its line") {
  for (const std::string bad :
       {"b7ead9492dfd921fc4f", "b7ead9492dfd921fc4fz", "b7ead9492dfd921fc4f9 # a key", "-----BEGIN PUBLIC KEY-----"}) {
    CAPTURE(bad);
    WeakKeyList lists;
    try {
      lists.add("00005890bc78bcbee3ca\n" + bad + "\n", "weak.txt");
      FAIL("it was taken");
    } catch (const Error& error) {
      CHECK(error.kind() == ErrorKind::invalid_input);
      CHECK(error.message().starts_with("weak.txt, line 2: "));
    }
    // Nothing of it counts.
    CHECK(lists.find(spki_in("badkeys-debianweak.pub")).empty());
  }
}
