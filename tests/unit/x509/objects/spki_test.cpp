#include "x509/objects/spki.h"

#include "base/file.h"
#include "support/software_signer.h"
#include "unit/x509/error_of.h"
#include "unit/x509/other_program.h"
#include "x509/asn1/der.h"
#include "x509/objects/csr.h"
#include "x509/objects/pem.h"

#include <catch2/catch.hpp>

using namespace hsmbridge;
using namespace hsmbridge::x509;
using hsmbridge::test::refusal;

TEST_CASE("A public key built from its parts is the one that openssl writes") {
  for (const char* kind : {"rsa:2048", "rsa:3072", "ec:P-256", "ec:P-384", "ec:P-521", "ed25519"}) {
    CAPTURE(kind);
    test::SoftwareSigner key(kind);
    const Bytes& spki = key.subject_public_key_info();
    CHECK(to_string(key_spec_of(spki)) == kind);
    der::Reader info = der::inside(spki, der::kSequence, "SubjectPublicKeyInfo");
    info.expect(der::kSequence, "algorithm");
    ByteView value = info.octet_aligned_bits("subjectPublicKey");
    const bool rsa = key_kind(key.spec()).form == PublicKeyForm::rsa;
    if (rsa) value = der::inside(value, der::kSequence, "RSAPublicKey").integer("modulus");
    CHECK((rsa ? spki_from_rsa(value, from_hex("00010001")) : spki_from(key.spec(), value)) == spki);
    CHECK(read_public_key(as_bytes(spki_to_pem(spki))) == spki);
    CHECK(spki_hash(spki).str() == hex(sha256(spki)));
  }
}

TEST_CASE("A key that nobody has is of the kind that was asked for") {
  for (const char* kind : {"rsa:2048", "rsa:8192", "ec:P-256", "ec:P-384", "ec:P-521", "ed25519"}) {
    CHECK(to_string(key_spec_of(spki_of_nobody(parse_key_spec(kind)))) == kind);
  }
}

TEST_CASE("ssh-keygen reads our SSH form as the same key") {
  for (const char* kind : {"rsa:2048", "ec:P-256", "ec:P-384", "ec:P-521"}) {
    CAPTURE(kind);
    test::SoftwareSigner key(kind);
    const std::string line = spki_to_ssh(key.subject_public_key_info()) + "\n";
    const auto result = test::run_program({"ssh-keygen", "-e", "-m", "PKCS8", "-f", "{}"}, as_bytes(line));
    CHECK(result.exit_code == 0);
    CHECK(result.output == spki_to_pem(key.subject_public_key_info()));
  }
  const Bytes ed = test::SoftwareSigner("ed25519").subject_public_key_info();
  CHECK(test::run_program({"ssh-keygen", "-l", "-f", "{}"}, as_bytes(spki_to_ssh(ed) + "\n")).exit_code == 0);
}

TEST_CASE("Keys without a row are refused with what they are") {
  const auto pkcs = [](const char* der) { return refusal([&] { key_spec_of(from_hex(der)); }); };
  CHECK(pkcs("302a300506032b6571032100"
             "0000000000000000000000000000000000000000000000000000000000000000") ==
        "this public key is not supported: algorithm ED448");
  CHECK(pkcs("3019301306072a8648ce3d020106082a8648ce3d03010103020004").find("not supported") != std::string::npos);
  for (const char* exponent : {"01", "02", "010000", "0001"}) {
    CAPTURE(exponent);
    CHECK(refusal([&] { key_spec_of(spki_from_rsa(Bytes(256, 0xFF), from_hex(exponent))); }).find("RSA exponent") !=
          std::string::npos);
  }
  CHECK(hex(rsa_numbers(spki_from_rsa(Bytes(256, 0xFF), from_hex("00010001"))).value().exponent) == "010001");
  CHECK(hex(rsa_numbers(spki_from_rsa(Bytes(256, 0xFF), from_hex("03"))).value().exponent) == "03");
  CHECK(refusal([] { key_spec_of(spki_from_rsa(Bytes(128, 0xFF), from_hex("010001"))); }) ==
        "this public key is not supported: RSA with 1024 bits (2048 to 8192 are)");
  CHECK(refusal([] { spki_from(parse_key_spec("ec:P-256"), Bytes(64)); }) != "accepted");
  CHECK(refusal([] { spki_from(parse_key_spec("ed25519"), Bytes(31)); }) != "accepted");
}

TEST_CASE("An RSA-8192 request with PSS made by openssl is read and verifies") {
  const Csr csr = parse_csr(read_csr(read_file(HSMBRIDGE_TEST_DATA "/x509/rsa8192.csr")));
  CHECK(to_string(key_spec_of(csr.spki)) == "rsa:8192");
  CHECK(algorithm_of(csr.parts.signature_algorithm).name == "rsa-pss-sha512");
  CHECK(signature_verifies(csr));
}

namespace {

// Other encodings of a key: what is not ours is made by openssl.
Bytes without_null(const Bytes& spki) {
  der::Reader outer(spki);
  der::Reader fields = outer.enter(der::kSequence, "");
  der::Reader algorithm = fields.enter(der::kSequence, "");
  return der::sequence(der::sequence(der::oid(algorithm.oid(""))), fields.any("").whole);
}

Bytes openssl_form(const Bytes& spki, const std::string& option, const std::string& value) {
  const auto made =
      test::run_program({"openssl", "pkey", "-pubin", "-inform", "DER", "-in", "{}", "-pubout", option, value}, spki);
  REQUIRE(made.exit_code == 0);
  return read_public_key(as_bytes(made.output));
}

}  // namespace

TEST_CASE("A key in another encoding is the same key with the same hash") {
  for (const char* kind : {"rsa:2048", "ec:P-256", "ec:P-384", "ec:P-521"}) {
    CAPTURE(kind);
    const Bytes spki = test::SoftwareSigner(kind).subject_public_key_info();
    CHECK(canonical_spki(spki) == spki);
    std::vector<Bytes> others;
    if (key_spec_of(spki).type == KeyType::rsa) {
      others = {without_null(spki)};
    } else {
      others = {openssl_form(spki, "-ec_conv_form", "compressed"), openssl_form(spki, "-ec_conv_form", "hybrid"),
                openssl_form(spki, "-ec_param_enc", "explicit")};
    }
    for (const Bytes& other : others) {
      CHECK(other != spki);
      CHECK(canonical_spki(other) == spki);
      CHECK(spki_hash(other) == spki_hash(spki));
      CHECK(key_spec_of(other) == key_spec_of(spki));
    }
  }
}

TEST_CASE("What is not a supported key has no other encoding") {
  for (const char* hex_text : {"", "3000", "30", "deadbeef", "302a300506032b656e032100"}) {
    const Bytes bytes = from_hex(hex_text);
    CHECK(canonical_spki(bytes) == bytes);
  }
  // A point that is not on its curve.
  Bytes broken = test::SoftwareSigner("ec:P-256").subject_public_key_info();
  broken.resize(broken.size() - 32);
  broken[1] = static_cast<std::uint8_t>(broken[1] - 32);
  broken[24] = static_cast<std::uint8_t>(broken[24] - 32);
  broken[26] = 2;
  for (std::size_t i = 27; i < broken.size(); ++i) broken[i] = 0xff;
  CHECK(canonical_spki(broken) == broken);
}
