#include "x509/objects/algorithm.h"

#include "support/software_signer.h"
#include "unit/x509/error_of.h"
#include "x509/objects/verify.h"

#include <catch2/catch.hpp>

using namespace hsmbridge;
using namespace hsmbridge::x509;
using hsmbridge::test::refusal;

TEST_CASE("Every algorithm is found again by its name and by its AlgorithmIdentifier") {
  for (const SignatureAlgorithm& row : signature_algorithms()) {
    CAPTURE(std::string(row.name));
    CHECK(signature_algorithm(row.name).name == row.name);
    CHECK(algorithm_of(algorithm_identifier(row)).name == row.name);
  }
}

TEST_CASE("Every kind of key is read as it is written and signs with an algorithm of its own") {
  for (const KeyKind& kind : key_kinds()) {
    CAPTURE(std::string(kind.name));
    const KeySpec spec{kind.spec.type, kind.spec.bits == 0 ? 3072 : kind.spec.bits};
    CHECK(key_kind(spec).name == kind.name);
    CHECK(parse_key_spec(to_string(spec)) == spec);
    CHECK(default_algorithm(spec).key_type == spec.type);
  }
}

TEST_CASE("AlgorithmIdentifiers are the bytes of their RFCs") {
  const struct {
    const char* name;
    const char* der;
  } rows[] = {
      {"ecdsa-sha256", "300a06082a8648ce3d040302"},
      {"ecdsa-sha512", "300a06082a8648ce3d040304"},
      {"rsa-sha256", "300d06092a864886f70d01010b0500"},
      {"ed25519", "300506032b6570"},
      {"rsa-pss-sha256",
       "304106092a864886f70d01010a3034a00f300d06096086480165030402010500a11c301a06092a864886f70d010108300d0609608648016"
       "503"
       "04020105"
       "00a203020120"},
  };
  for (const auto& row : rows) CHECK(hex(algorithm_identifier(signature_algorithm(row.name))) == row.der);
}

TEST_CASE("PSS parameters that mean the same in other bytes are read and weaker ones are refused") {
  // Hash identifiers without NULL, trailer field stated.
  CHECK(algorithm_of(
            from_hex("304206092a864886f70d01010a3035a00d300b0609608648016503040201a11a301806092a864886f70d010108300b"
                     "0609608648016503040201a203020120a303020101"))
            .name == "rsa-pss-sha256");
  // Everything by default: SHA-1, salt of 20.
  CHECK(refusal([] { algorithm_of(from_hex("300d06092a864886f70d01010a3000")); }) ==
        "signature algorithm RSASSA-PSS (1.2.840.113549.1.1.10) with these parameters is not supported");
  CHECK(refusal([] { algorithm_of(from_hex("300a06082a8648ce3d040302ff")); }).find("not supported") !=
        std::string::npos);
}

TEST_CASE("Kinds of keys are read as a user writes them") {
  for (const char* text : {"rsa:2048", "rsa:8192", "ec:P-256", "ec:P-384", "ec:P-521", "ed25519"}) {
    CHECK(to_string(parse_key_spec(text)) == text);
  }
  CHECK(to_string(parse_key_spec("EC:secp384r1")) == "ec:P-384");
  CHECK(to_string(parse_key_spec("ec:prime256v1")) == "ec:P-256");
  for (const char* text : {"", "rsa", "rsa:1024", "rsa:2049", "rsa:16384", "rsa:2048x", "ec:", "ec:P-192", "ed448",
                           "ec:p256 ec:prime256v1"}) {
    CHECK(refusal([&] { parse_key_spec(text); }) == "\"" + std::string(text) + "\" is not a supported key type");
  }
}

TEST_CASE("An ECDSA answer of a token becomes the shortest DER") {
  const KeySpec p256 = parse_key_spec("ec:P-256");
  Bytes plain(64);
  plain[31] = 0x80;
  plain[63] = 0x01;
  CHECK(hex(signature_from_token(signature_algorithm("ecdsa-sha256"), p256, plain)) == "300702020080020101");
  plain.pop_back();
  CHECK(refusal([&] { signature_from_token(signature_algorithm("ecdsa-sha256"), p256, plain); }) == "corrupt");
  CHECK(signature_from_token(signature_algorithm("ecdsa-sha512"), parse_key_spec("ec:P-521"), Bytes(132, 1)).size() ==
        139);
}

TEST_CASE("A DigestInfo carries the hash with its NULL") {
  CHECK(hex(token_input(signature_algorithm("rsa-sha256"), as_bytes("abc"))) ==
        "3031300d060960864801650304020105000420ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(hex(token_input(signature_algorithm("ed25519"), as_bytes("abc"))) == "616263");
}

TEST_CASE("A signature verifies with its own key and algorithm and message only") {
  const Bytes message = to_bytes("to be signed");
  for (const SignatureAlgorithm& row : signature_algorithms()) {
    CAPTURE(std::string(row.name));
    test::SoftwareSigner key(test::usual_key_for(row));
    const Bytes& spki = key.subject_public_key_info();
    const Bytes signature = key.sign(message, row);
    CHECK(verify(spki, row, message, signature));
    CHECK(verify(spki, row, message, signature));  // from the cache
    CHECK_FALSE(verify(spki, row, to_bytes("to be signed."), signature));
    CHECK_FALSE(verify(spki, row, message, {}));
    CHECK_FALSE(verify(spki, row, message, Bytes(signature.begin(), signature.end() - 1)));
    Bytes longer = signature;
    longer.push_back(0);
    CHECK_FALSE(verify(spki, row, message, longer));
    CHECK_FALSE(
        verify(test::SoftwareSigner(test::usual_key_for(row)).subject_public_key_info(), row, message, signature));
    for (const SignatureAlgorithm& wrong : signature_algorithms()) {
      if (wrong.name != row.name) CHECK_FALSE(verify(spki, wrong, message, signature));
    }
  }
}

TEST_CASE("A public key that cannot be read is an error and not a wrong signature") {
  CHECK(refusal([] { verify(from_hex("3000"), signature_algorithm("ed25519"), {}, {}); }) != "accepted");
}
