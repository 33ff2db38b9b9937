#include "unit/x509/check_bench.h"
#include "unit/x509/other_program.h"
#include "x509/asn1/der.h"
#include "x509/judge/render.h"
#include "x509/objects/csr.h"
#include "x509/objects/pem.h"

#include <catch2/catch.hpp>

using namespace hsmbridge;
using namespace hsmbridge::x509;
using hsmbridge::test::Bench;
using hsmbridge::test::contains;
using hsmbridge::test::Names;
using hsmbridge::test::run_program;

namespace {

// A request that openssl signs with a key of that kind.
Csr made_by_openssl(const std::vector<std::string>& key, const std::vector<std::string>& signing) {
  std::vector<std::string> words{"openssl",   "req",   "-new",  "-nodes", "-keyout",
                                 "/dev/null", "-subj", "/CN=a", "-batch"};
  words.insert(words.end(), key.begin(), key.end());
  words.insert(words.end(), signing.begin(), signing.end());
  const auto made = run_program(words, {});
  INFO(made.output);
  REQUIRE(made.exit_code == 0);
  const std::size_t begin = made.output.find("-----BEGIN CERTIFICATE");
  REQUIRE(begin != std::string::npos);
  return parse_csr(read_csr(as_bytes(std::string_view(made.output).substr(begin))));
}

std::vector<std::string> pss(const char* salt, const char* mask = "sha256") {
  return {"-sha256",
          "-sigopt",
          "rsa_padding_mode:pss",
          "-sigopt",
          std::string("rsa_pss_saltlen:") + salt,
          "-sigopt",
          std::string("rsa_mgf1_md:") + mask};
}

const std::vector<std::string> kRsa{"-newkey", "rsa:2048"};

}  // namespace

TEST_CASE("A signature by an algorithm that is not ours is checked and a broken one is found out") {
  const struct {
    std::vector<std::string> key;
    std::vector<std::string> signing;
    std::string why;
  } rows[] = {
      {kRsa, pss("0"), ""},
      {kRsa, pss("20"), ""},
      {kRsa, pss("32"), ""},
      {kRsa, pss("222"), ""},
      {kRsa, pss("32", "sha512"), ""},
      {kRsa, {"-sha224"}, ""},
      {{"-newkey", "ed448"}, {}, ""},
      {{"-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:secp256k1"}, {"-sha256"}, ""},
      {kRsa, {"-sha1"}, "the hash SHA1 no longer counts as safe"},
      {kRsa, {"-sha1", "-sigopt", "rsa_padding_mode:pss"}, "the hash SHA1 no longer counts as safe"},
      {{"-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"}, {"-sha1"}, "the hash SHA1 no longer counts as safe"},
      {{"-newkey", "rsa:1024"}, {"-sha256"}, "a key of 1024 bits no longer counts as safe"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.key, row.signing);
    Csr csr = made_by_openssl(row.key, row.signing);
    const SignatureCheck check = check_signature(csr.parts, csr.spki);
    CHECK(check.verdict == SignatureVerdict::verifies);
    CHECK(check.why == row.why);
    CHECK(contains(render(csr), row.why.empty() ? ", verifies\n" : ", verifies, but is weak: " + row.why + "\n"));
    CHECK(to_json(csr).at("signature_verifies").as_bool());
    // Another subject.
    csr.parts.to_be_signed[csr.parts.to_be_signed.size() - 40] ^= 1;
    CHECK(check_signature(csr.parts, csr.spki).verdict == SignatureVerdict::does_not_verify);
    CHECK(contains(render(csr), ", DOES NOT VERIFY\n"));
    CHECK_FALSE(to_json(csr).at("signature_verifies").as_bool());
  }
}

TEST_CASE("What nobody here can check is neither good nor bad") {
  Csr csr = made_by_openssl(kRsa, {"-sha256"});
  // An algorithm that nobody has defined.
  csr.parts.signature_algorithm = from_hex("300506032a0304");
  const SignatureCheck check = check_signature(csr.parts, csr.spki);
  CHECK(check.verdict == SignatureVerdict::cannot_be_checked);
  CHECK(check.why == "unsupported algorithm (1.2.3.4, 300506032a0304)");
  CHECK(contains(render(csr), ", cannot be checked here: unsupported algorithm (1.2.3.4, 300506032a0304)\n"));
  CHECK(to_json(csr).at("signature_verifies").is_null());
  CHECK_FALSE(signature_verifies(csr));

  // OpenSSL makes this one, and knows no name of it when it verifies.
  csr = made_by_openssl({"-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"}, {"-sha3-256"});
  CHECK(check_signature(csr.parts, csr.spki).verdict == SignatureVerdict::cannot_be_checked);

  csr = made_by_openssl(kRsa, {"-sha256"});
  csr.spki = from_hex("300c300506032a03040303000102");  // of a kind that nobody has defined
  CHECK(check_signature(csr.parts, csr.spki).verdict == SignatureVerdict::cannot_be_checked);
}

TEST_CASE("A key that is none makes no error but a signature that cannot be checked") {
  Csr csr = made_by_openssl({"-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"}, {"-sha256"});
  Bytes point(65, 1);
  point.front() = 4;
  csr.spki = spki_from({KeyType::ec, 256}, point);
  CHECK(check_signature(csr.parts, csr.spki).verdict == SignatureVerdict::cannot_be_checked);
  CHECK_FALSE(signature_verifies(csr));
  CHECK(contains(render(csr), ", cannot be checked here: the public key cannot be read"));
}

TEST_CASE("A key of another kind cannot have made a signature") {
  Csr csr = made_by_openssl(kRsa, {"-sha1"});
  csr.spki = test::SoftwareSigner("ec:P-256").subject_public_key_info();
  CHECK(check_signature(csr.parts, csr.spki).verdict == SignatureVerdict::does_not_verify);
}

TEST_CASE("An issuer is not accused of a signature that cannot be checked") {
  Bench bench;
  const Certificate good = bench.issue(bench.expected.content);
  // The same bytes, signed by an algorithm that nobody has defined.
  Bytes tbs = good.parts.to_be_signed;
  const Bytes ours = algorithm_identifier(bench.intermediate.algorithm());
  const auto at = std::search(tbs.begin(), tbs.end(), ours.begin(), ours.end());
  REQUIRE(at != tbs.end());
  const auto end = at + static_cast<std::ptrdiff_t>(ours.size());
  *(end - 1) = 0x7f;
  const Bytes strange(at, end);
  const Certificate certificate = parse_certificate(der::sequence(tbs, strange, der::bit_string(good.parts.signature)));
  CHECK(bench.findings(certificate) == Names{"chain-unanchored!"});
}
