#include "pkcs11/keys/signer.h"

#include "base/file.h"
#include "pkcs11/keys/generate.h"
#include "private_token.h"
#include "x509/objects/spki.h"
#include "x509/objects/verify.h"

#include <p11-kit/pkcs11.h>

#include <catch2/catch.hpp>
#include <iterator>
#include <utility>

using namespace hsmbridge;
using namespace hsmbridge::pkcs11;
using namespace hsmbridge::test;

namespace {

const Bytes kMessage = to_bytes("the bytes to be signed");

// OpenSSL's own program, with the options that the algorithm needs.
bool openssl_verifies(const x509::SignatureAlgorithm& algorithm, const Bytes& spki, const Bytes& signature) {
  const TempFolder folder;
  const auto file = [&](const char* name, ByteView content) {
    write_file(folder.path() / name, content, FileMode::public_0644, Existing::refuse);
    return (folder.path() / name).string();
  };
  std::vector<std::string> argv{"openssl",
                                "pkeyutl",
                                "-verify",
                                "-pubin",
                                "-inkey",
                                file("key.pem", as_bytes(x509::spki_to_pem(spki))),
                                "-rawin",
                                "-in",
                                file("message", kMessage),
                                "-sigfile",
                                file("signature", signature)};
  if (!algorithm.digest.empty()) argv.insert(argv.end(), {"-digest", std::string(algorithm.digest)});
  if (algorithm.token_input == x509::TokenInput::pss_digest) {
    argv.insert(argv.end(), {"-pkeyopt", "rsa_padding_mode:pss", "-pkeyopt", "rsa_pss_saltlen:digest"});
  }
  const auto result = run_program(argv);
  INFO(result.err);
  return result.status == 0 && result.out == "Signature Verified Successfully\n";
}

struct FaultyKey {
  explicit FaultyKey(const x509::KeySpec& spec = {x509::KeyType::ec, 256}) {
    token = mine.open();
    key = open_key(token, make_key(*token, plan_key(*token, "web", spec)).key);
  }
  PrivateToken mine{Through::faulty_module};
  std::shared_ptr<Token> token;
  std::unique_ptr<TokenKey> key;
};

}  // namespace

TEST_CASE("openssl verifies every algorithm with every key that can do it") {
  PrivateToken mine;
  const auto token = mine.open();
  unsigned pairs = 0;
  for (const char* spec : {"rsa:2048", "ec:P-256", "ec:P-384", "ec:P-521", "ed25519"}) {
    const auto key = open_key(token, make_key(*token, plan_key(*token, spec, x509::parse_key_spec(spec))).key);
    for (const x509::SignatureAlgorithm& algorithm : x509::signature_algorithms()) {
      INFO(spec << " " << algorithm.name);
      if (algorithm.key_type != key->info().spec->type) {
        CHECK(error_of([&] { key->sign(kMessage, algorithm); }).kind() == ErrorKind::invalid_input);
        continue;
      }
      CHECK(openssl_verifies(algorithm, key->info().spki, key->sign(kMessage, algorithm)));
      ++pairs;
    }
  }
  CHECK(pairs == 6 + 3 * 3 + 1);
}

TEST_CASE("a wrong signature never leaves") {
  Faults faults;
  FaultyKey on;
  faults.wrong_signatures(1);
  const auto& algorithm = x509::signature_algorithm("ecdsa-sha256");
  const Error error = error_of([&] { on.key->sign(kMessage, algorithm); });
  CHECK(error.kind() == ErrorKind::corrupt);
  CHECK(error.message() == "token web answered a wrong signature with key web (ecdsa-sha256): it was not used");
  CHECK(x509::verify(on.key->info().spki, algorithm, kMessage, on.key->sign(kMessage, algorithm)));
}

TEST_CASE("a token that only hashes itself is asked to") {
  Faults faults;
  faults.without_mechanism(CKM_RSA_PKCS);
  faults.without_mechanism(CKM_RSA_PKCS_PSS);
  FaultyKey on({x509::KeyType::rsa, 2048});
  for (const char* name : {"rsa-sha256", "rsa-sha512", "rsa-pss-sha256", "rsa-pss-sha384"}) {
    INFO(name);
    const auto& algorithm = x509::signature_algorithm(name);
    CHECK(openssl_verifies(algorithm, on.key->info().spki, on.key->sign(kMessage, algorithm)));
  }
}

TEST_CASE("a token without any mechanism for an algorithm says which it lacks") {
  Faults faults;
  faults.without_mechanism(CKM_ECDSA);
  FaultyKey on;
  const Error error = error_of([&] { on.key->sign(kMessage, x509::signature_algorithm("ecdsa-sha256")); });
  CHECK(error.kind() == ErrorKind::invalid_input);
  CHECK(error.message() == "token web cannot sign ecdsa-sha256: it has neither CKM_ECDSA nor CKM_ECDSA_SHA256");
}

TEST_CASE("a pinned key is not exchanged for another of its name") {
  PrivateToken mine;
  const auto token = mine.open();
  const MadeKey first = make_key(*token, plan_key(*token, "web", {x509::KeyType::ec, 256}));
  const auto held = open_pinned_key(token, KeySelector::by_label("web"), first.key.spki_hash);
  destroy_key(*token, first.key);
  const KeyPlan same_name{.label = "web", .id = first.key.id, .spec = {x509::KeyType::ec, 256}};
  const MadeKey second = make_key(*token, same_name);
  CHECK(second.key.spki_hash != first.key.spki_hash);
  const Error error = error_of([&] { open_pinned_key(token, KeySelector::by_label("web"), first.key.spki_hash); });
  CHECK(error.kind() == ErrorKind::conflict);
  CHECK(error.detail("expected_spki") == first.key.spki_hash.str());
  // And the one that is held does not sign with its successor.
  const Error held_error = error_of([&] { held->sign(kMessage, x509::signature_algorithm("ecdsa-sha256")); });
  CHECK((held_error.kind() == ErrorKind::conflict || held_error.kind() == ErrorKind::corrupt));
}

TEST_CASE("a key that wants its PIN every time gets it between the start and the end of each signature") {
  PrivateToken mine(Through::faulty_module);
  REQUIRE(mine.tool({"--keypairgen", "--key-type", "EC:prime256v1", "--id", "0a", "--label", "always", "--always-auth"})
              .status == 0);
  Faults faults;
  const auto token = mine.open();
  const auto key = open_key(token, KeySelector::by_label("always"), any_flaw());
  CHECK(key->info().always_authenticate);
  const auto& algorithm = x509::signature_algorithm("ecdsa-sha256");
  for (unsigned i = 1; i <= 3; ++i) {
    CHECK(x509::verify(key->info().spki, algorithm, kMessage, key->sign(kMessage, algorithm)));
    CHECK(faults.calls("C_Login") == 1 + i);
  }
}

TEST_CASE("a key PIN of its own is used for the key and a wrong one is tried once") {
  PrivateToken mine(Through::faulty_module);
  REQUIRE(mine.tool({"--keypairgen", "--key-type", "EC:prime256v1", "--id", "0a", "--label", "always", "--always-auth"})
              .status == 0);
  Faults faults;
  auto access = mine.access();
  access.key_pin = PinSource::from("env:KEY_PIN", [] { return Secret("000000"); });
  const auto token = Token::open(access, mine.refusals);
  const auto key = open_key(token, KeySelector::by_label("always"), any_flaw());
  const auto& algorithm = x509::signature_algorithm("ecdsa-sha256");
  CHECK(error_of([&] { key->sign(kMessage, algorithm); }).kind() == ErrorKind::denied);
  CHECK(faults.calls("C_Login") == 2);
  CHECK(faults.calls("C_Sign") == 0);
  const unsigned starts = faults.calls("C_SignInit");
  CHECK(error_of([&] { key->sign(kMessage, algorithm); }).kind() == ErrorKind::denied);
  CHECK(faults.calls("C_Login") == 2);
  CHECK(faults.calls("C_SignInit") == starts);
  // A person's retry allows one more.
  token->login(LoginAttempt::retry);
  CHECK(error_of([&] { key->sign(kMessage, algorithm); }).kind() == ErrorKind::denied);
  CHECK(faults.calls("C_Login") == 3);
}

TEST_CASE("a PIN refused for one signature is not tried for the token either") {
  PrivateToken mine(Through::faulty_module);
  REQUIRE(mine.tool({"--keypairgen", "--key-type", "EC:prime256v1", "--id", "0a", "--label", "always", "--always-auth"})
              .status == 0);
  Faults faults;
  const auto& algorithm = x509::signature_algorithm("ecdsa-sha256");
  auto access = mine.access();
  {
    std::string pin = PrivateToken::kPin;
    access.pin = PinSource::from(access.pin.name, [&pin] { return Secret(std::string(pin)); });
    const auto token = Token::open(access, mine.refusals);
    const auto key = open_key(token, KeySelector::by_label("always"), any_flaw());
    pin = "000000";  // the file was changed while this process was logged in
    CHECK(error_of([&] { key->sign(kMessage, algorithm); }).kind() == ErrorKind::denied);
    CHECK(faults.calls("C_Login") == 2);
  }
  // Its last session is gone and the login with it, as in the next process.
  const auto token = mine.open("000000");
  CHECK(error_of([&] { token->login(); }).detail("reason") == "CKR_PIN_INCORRECT");
  CHECK(faults.calls("C_Login") == 2);
}

TEST_CASE("a token that refuses a digest longer than the order of the curve gets its leftmost bits") {
  PrivateToken mine(Through::faulty_module);
  Faults faults;
  const auto token = mine.open();
  const KeyInfo key = make_key(*token, plan_key(*token, "web", {x509::KeyType::ec, 256})).key;
  faults.most_digest(32);
  const auto signer = open_key(token, key);
  for (const char* name : {"ecdsa-sha256", "ecdsa-sha384", "ecdsa-sha512"}) {
    INFO(name);
    const auto& algorithm = x509::signature_algorithm(name);
    CHECK(openssl_verifies(algorithm, key.spki, signer->sign(kMessage, algorithm)));
  }
}

TEST_CASE("what cannot be written down is not signed, and what the token fails to sign was written down") {
  PrivateToken mine(Through::faulty_module);
  Faults faults;
  const auto token = mine.open();
  const KeyInfo made = make_key(*token, plan_key(*token, "web", {x509::KeyType::ec, 256})).key;
  UsesSeen seen;
  const auto key = TokenKey::open(token, made, for_csr(), seen.log());
  const auto& algorithm = x509::signature_algorithm("ecdsa-sha256");
  CHECK(seen.uses.empty());
  seen.refusing = true;
  CHECK(error_of([&] { key->sign(kMessage, algorithm); }).message() == "the audit log cannot be written");
  CHECK(error_of([&] { key->prove(Bytes(16, 1)); }).message() == "the audit log cannot be written");
  CHECK(faults.calls("C_SignInit") == 0);
  seen.refusing = false;
  faults.fail("C_Sign", CKR_FUNCTION_FAILED);
  CHECK(error_of([&] { key->sign(kMessage, algorithm); }).detail("ckr") == "CKR_FUNCTION_FAILED");
  REQUIRE(seen.uses.size() == 1);
  CHECK(seen.uses.front().kind == "key-use");
  CHECK(seen.uses.front().spki_sha256 == made.spki_hash.str());
  CHECK(seen.uses.front().signed_sha256 == hex(sha256(kMessage)));
  key->prove(Bytes(16, 1));
  REQUIRE(seen.uses.size() == 2);
  CHECK(seen.uses.back().kind == "key-prove");
  CHECK(error_of([&] { TokenKey::open(token, made, for_csr(), nullptr); }).kind() == ErrorKind::internal);
}

TEST_CASE("whatever a key is used for, the intent is on record before it signs and the outcome before anybody has it") {
  PrivateToken mine(Through::faulty_module);
  Faults faults;
  const auto token = mine.open();
  const KeyInfo made = make_key(*token, plan_key(*token, "web", {x509::KeyType::ec, 256})).key;
  const auto& algorithm = x509::signature_algorithm("ecdsa-sha256");
  const std::vector<std::pair<workflow::Purpose, std::vector<std::string>>> leaves{
      {workflow::Purpose::csr, {"key-use"}},
      {workflow::Purpose::proof, {"key-prove"}},
      {workflow::Purpose::approval, {"approver-key-use", "approver-key-used"}},
      {workflow::Purpose::metadata, {"application-key-use", "application-key-used"}},
      {workflow::Purpose::time_stamp, {"task-reader-key-use", "task-reader-key-used"}},
      {workflow::Purpose::jwt, {"service-account-key-use", "service-account-key-used"}},
      {workflow::Purpose::tls_client, {"client-key-use"}},
      {workflow::Purpose::certificate, {"ca-key-use", "ca-key-used"}},
      {workflow::Purpose::crl, {"ca-key-use-for-crl", "ca-key-used-for-crl"}},
  };
  REQUIRE(leaves.size() == std::size(workflow::kPurposes));
  for (const auto& [purpose, kinds] : leaves) {
    INFO(kinds.front());
    CHECK(workflow::row_of(purpose).purpose == purpose);
    UsesSeen seen;
    const auto key = TokenKey::open(token, made, {purpose, "a test", Json::object(), {}}, seen.log());
    // Their one use has a function of its own (prove, lend).
    if (purpose == workflow::Purpose::proof || purpose == workflow::Purpose::tls_client) {
      CHECK(error_of([&] { key->sign(kMessage, algorithm); }).kind() == ErrorKind::internal);
      CHECK(seen.uses.empty());
      continue;
    }
    faults.fail("C_Sign", CKR_FUNCTION_FAILED);
    CHECK_THROWS(key->sign(kMessage, algorithm));
    CHECK(seen.kinds() == std::vector<std::string>{kinds.front()});
    seen.uses.clear();
    CHECK_FALSE(key->sign(kMessage, algorithm).empty());
    CHECK(seen.kinds() == kinds);
    for (const auto& use : seen.uses) CHECK(use.signed_sha256 == hex(sha256(kMessage)));
  }
}

TEST_CASE("a signature that was made once and for all and cannot be written down is not said to be none") {
  PrivateToken mine;
  const auto token = mine.open();
  const KeyInfo made = make_key(*token, plan_key(*token, "web", {x509::KeyType::ec, 256})).key;
  const auto& algorithm = x509::signature_algorithm("ecdsa-sha256");
  for (const auto& [purpose, kind] : {std::pair{workflow::Purpose::certificate, ErrorKind::outcome_unknown},
                                      std::pair{workflow::Purpose::crl, ErrorKind::outcome_unknown},
                                      std::pair{workflow::Purpose::metadata, ErrorKind::unavailable}}) {
    const auto outcome = workflow::row_of(purpose).outcome;
    INFO(outcome);
    const auto key =
        TokenKey::open(token, made, {purpose, "a test", Json::object(), {}}, [&](std::string_view leaf, const Json&) {
          if (leaf == outcome) throw Error{ErrorKind::unavailable, "the disk is full"};
        });
    const Error error = error_of([&] { key->sign(kMessage, algorithm); });
    CHECK(error.kind() == kind);
    CHECK(error.message().find("the disk is full") != std::string::npos);
  }
}

TEST_CASE("a key that shows a flaw after a new login neither signs nor is written down as about to") {
  PrivateToken mine(Through::faulty_module);
  Faults faults;
  const auto token = mine.open();
  const KeyInfo made = make_key(*token, plan_key(*token, "web", {x509::KeyType::ec, 256})).key;
  const auto& algorithm = x509::signature_algorithm("ecdsa-sha256");
  UsesSeen seen;
  const auto key = TokenKey::open(token, made, for_csr(), seen.log());
  const auto proof = TokenKey::open(token, made, {workflow::Purpose::proof, "proof", Json::object(), {}}, seen.log());
  faults.show_flag(CKA_EXTRACTABLE, 1);
  faults.log_out();
  CHECK(list_keys(*token).size() == 1);
  const unsigned before = faults.calls("C_SignInit");
  const Error refused = error_of([&] { key->sign(kMessage, algorithm); });
  CHECK(refused.kind() == ErrorKind::refused);
  CHECK(refused.detail("flaws").find("key-extractable") != std::string::npos);
  CHECK(faults.calls("C_SignInit") == before);
  CHECK(seen.uses.empty());
  // A proof certifies nothing: whatever may be wrong with the key, it says so.
  CHECK_FALSE(proof->prove(Bytes(16, 1)).signature.empty());
  CHECK(error_of([&] { proof->sign(kMessage, algorithm); }).kind() == ErrorKind::internal);
  CHECK(seen.kinds() == std::vector<std::string>{"key-prove"});
}

TEST_CASE("a key is handed to OpenSSL for TLS client authentication alone") {
  PrivateToken mine;
  const auto token = mine.open();
  const KeyInfo made = make_key(*token, plan_key(*token, "web", {x509::KeyType::ec, 256})).key;
  UsesSeen seen;
  const auto key = TokenKey::open(token, made, for_csr(), seen.log());
  CHECK(error_of([&] { key->lend([] { FAIL("the key was handed over"); }); }).kind() == ErrorKind::internal);
  CHECK(seen.uses.empty());
}

TEST_CASE("a proof is over a message that is no certificate and holds nonce and key") {
  const Bytes spki = to_bytes("spki");
  const Bytes nonce(16, 7);
  const Bytes message = proof_message(nonce, spki);
  CHECK(to_text(ByteView(message).first(23)) == std::string("hsmbridge key proof v1\0", 23));
  CHECK(message.size() == 23 + 16 + 32);
  CHECK(message[0] != 0x30);
}

TEST_CASE("the numbers in the tables of keys and algorithms are those of the Cryptoki header") {
  const auto kind = [](const char* name) { return x509::key_kind(x509::parse_key_spec(name)); };
  const std::vector<std::pair<unsigned long, unsigned long>> rows = {
      {kind("rsa:2048").token_type, CKK_RSA},       {kind("rsa:2048").token_generation, CKM_RSA_PKCS_KEY_PAIR_GEN},
      {kind("ec:P-521").token_type, CKK_EC},        {kind("ec:P-521").token_generation, CKM_EC_KEY_PAIR_GEN},
      {kind("ed25519").token_type, CKK_EC_EDWARDS}, {kind("ed25519").token_generation, CKM_EC_EDWARDS_KEY_PAIR_GEN},
  };
  for (const auto& [ours, cryptoki] : rows) CHECK(ours == cryptoki);

  struct Row {
    const char* name;
    CK_MECHANISM_TYPE raw;
    CK_MECHANISM_TYPE hashed;
  };
  const std::vector<Row> algorithms = {
      {"ecdsa-sha256", CKM_ECDSA, CKM_ECDSA_SHA256},
      {"ecdsa-sha384", CKM_ECDSA, CKM_ECDSA_SHA384},
      {"ecdsa-sha512", CKM_ECDSA, CKM_ECDSA_SHA512},
      {"rsa-sha256", CKM_RSA_PKCS, CKM_SHA256_RSA_PKCS},
      {"rsa-sha384", CKM_RSA_PKCS, CKM_SHA384_RSA_PKCS},
      {"rsa-sha512", CKM_RSA_PKCS, CKM_SHA512_RSA_PKCS},
      {"rsa-pss-sha256", CKM_RSA_PKCS_PSS, CKM_SHA256_RSA_PKCS_PSS},
      {"rsa-pss-sha384", CKM_RSA_PKCS_PSS, CKM_SHA384_RSA_PKCS_PSS},
      {"rsa-pss-sha512", CKM_RSA_PKCS_PSS, CKM_SHA512_RSA_PKCS_PSS},
      {"ed25519", CKM_EDDSA, 0},
  };
  REQUIRE(algorithms.size() == x509::signature_algorithms().size());
  for (const Row& row : algorithms) {
    CAPTURE(row.name);
    CHECK(x509::signature_algorithm(row.name).token_mechanism == row.raw);
    CHECK(x509::signature_algorithm(row.name).hashed_mechanism == row.hashed);
  }
}
