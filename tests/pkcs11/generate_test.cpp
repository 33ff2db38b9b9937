#include "pkcs11/keys/generate.h"

#include "pkcs11/keys/contract_table.h"
#include "pkcs11/keys/signer.h"
#include "pkcs11/token/token_state.h"
#include "private_token.h"
#include "x509/objects/spki.h"
#include "x509/objects/verify.h"

#include <p11-kit/pkcs11.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <chrono>
#include <optional>
#include <span>

using namespace hsmbridge;
using namespace hsmbridge::pkcs11;
using namespace hsmbridge::test;

namespace {

constexpr x509::KeySpec kP256{x509::KeyType::ec, 256};

}  // namespace

TEST_CASE("a key of every type is made under the whole contract and proves itself") {
  PrivateToken mine;
  const auto token = mine.open();
  for (const char* spec : {"ec:P-256", "ec:P-384", "ec:P-521", "ed25519", "rsa:2048", "rsa:3072"}) {
    INFO(spec);
    const KeyPlan plan = plan_key(*token, spec, x509::parse_key_spec(spec));
    CHECK(plan.id.size() == 16);
    const MadeKey made = make_key(*token, plan);
    CHECK(made.origin == MadeKey::Origin::generated);
    CHECK(made.contract.quirk == "full");
    CHECK(made.contract.rows.size() == contract_terms().size() + 1);
    for (const ContractRow& row : made.contract.rows) {
      INFO(row.half << ' ' << row.attribute << ": asked " << row.asked << ", found " << row.found);
      CHECK(row.verdict == Verdict::held);
    }
    CHECK(made.key.label == spec);
    CHECK(made.key.id == plan.id);
    CHECK(made.key.type == spec);

    const auto key = open_key(token, KeySelector::by_id(plan.id));
    const workflow::KeyProof proof = key->prove(random_bytes(32));
    CHECK(x509::verify(made.key.spki, x509::signature_algorithm(proof.algorithm), proof.message, proof.signature));
    CHECK(proof.message == proof_message(proof.nonce, made.key.spki));
  }
  // pkcs11-tool sees what we made.
  const auto listed = mine.tool({"--list-objects", "--type", "privkey"});
  INFO(listed.out);
  CHECK(listed.out.find("Access:     sensitive, always sensitive, never extractable, local") != std::string::npos);
  CHECK(listed.out.find("decrypt") == std::string::npos);
}

TEST_CASE("a label that is taken is refused naming both ids") {
  PrivateToken mine;
  const auto token = mine.open();
  const KeyPlan first = plan_key(*token, "web", kP256);
  const KeyPlan second = plan_key(*token, "web", kP256);
  make_key(*token, first);
  const Error planned = error_of([&] { plan_key(*token, "web", kP256); });
  CHECK(planned.kind() == ErrorKind::conflict);
  CHECK(planned.detail("existing_id") == hex(first.id));
  const Error made = error_of([&] { make_key(*token, second); });
  CHECK(made.kind() == ErrorKind::conflict);
  CHECK(made.detail("existing_id") == hex(first.id));
  CHECK(made.detail("new_id") == hex(second.id));
  CHECK(list_keys(*token).size() == 1);
}

TEST_CASE("an id that is another key's is refused") {
  PrivateToken mine;
  const auto token = mine.open();
  const KeyPlan plan = plan_key(*token, "web", kP256);
  make_key(*token, plan);
  const KeyPlan same_id{.label = "other", .id = plan.id, .spec = kP256};
  CHECK(error_of([&] { make_key(*token, same_id); }).kind() == ErrorKind::conflict);
  const KeyPlan other_type{.label = "web", .id = plan.id, .spec = {x509::KeyType::rsa, 2048}};
  CHECK(error_of([&] { make_key(*token, other_type); }).kind() == ErrorKind::conflict);
  CHECK(list_keys(*token).size() == 1);
}

TEST_CASE("a generation that fails half-way leaves nothing behind") {
  PrivateToken mine(Through::faulty_module);
  Faults faults;
  const auto token = mine.open();
  const KeyPlan plan = plan_key(*token, "web", kP256);
  faults.half_pairs(1);
  CHECK(error_of([&] { make_key(*token, plan); }).detail("ckr") == "CKR_DEVICE_ERROR");
  CHECK(list_keys(*token).empty());
  CHECK(make_key(*token, plan).origin == MadeKey::Origin::generated);
}

TEST_CASE("a long batch gives the lock away between its parts") {
  PrivateToken mine;
  const auto token = mine.open();
  std::vector<std::string> labels;
  for (int i = 0; i < 66; ++i) labels.push_back("web-" + std::to_string(i));
  const auto plans = plan_keys(*token, labels, kP256);
  std::vector<std::size_t> due;
  const auto made = make_keys(*token, plans, {}, [&](std::span<const KeyPlan> next) { due.push_back(next.size()); });
  CHECK(made.size() == 66);
  // More parts on a slow machine: a part has its time too.
  REQUIRE(due.size() >= 2);
  CHECK(due.front() == 64);
  CHECK(due[1] < 64);
}

TEST_CASE("of a batch that fails midway its caller hears of each key that was made") {
  PrivateToken mine(Through::faulty_module);
  Faults faults;
  const auto token = mine.open();
  const auto plans = plan_keys(*token, std::vector<std::string>{"a", "b", "c"}, kP256);
  faults.fail("C_GenerateKeyPair", CKR_DEVICE_ERROR, 1, 2);
  std::vector<std::string> made;
  const auto note = [&](const MadeKey& key) { made.push_back(key.key.label); };
  CHECK(error_of([&] { make_keys(*token, plans, note); }).detail("ckr") == "CKR_DEVICE_ERROR");
  CHECK(made == std::vector<std::string>{"a", "b"});
  CHECK(list_keys(*token).size() == 2);
}

TEST_CASE("a plan that was journalled before is given again under its id") {
  PrivateToken mine;
  const auto token = mine.open();
  const KeyPlan first = plan_key(*token, "web", kP256);
  make_key(*token, first);
  const auto again = plan_keys(*token, std::vector<std::string>{"web"}, kP256, {{"web", first.id}});
  REQUIRE(again.size() == 1);
  CHECK(again.front() == first);
}

TEST_CASE("many keys are planned and made with as many searches each") {
  PrivateToken mine(Through::faulty_module);
  Faults faults;
  const auto token = mine.open();
  std::vector<std::string> labels;
  for (int i = 0; i < 20; ++i) labels.push_back("web-" + std::to_string(i));
  const auto plans = plan_keys(*token, labels, kP256);
  CHECK(faults.calls("C_FindObjectsInit") == 20);
  const auto made = make_keys(*token, plans);
  CHECK(made.size() == 20);
  // Its id and its label before it is made, and its label again, which somebody else may have given meanwhile.
  CHECK(faults.calls("C_FindObjectsInit") == 20 + 20 * 3);
  CHECK(list_keys(*token).size() == 20);
  CHECK(error_of([&] { plan_keys(*token, std::vector<std::string>{"a", "a"}, kP256); }).kind() == ErrorKind::conflict);
}

TEST_CASE("a token without the mechanism or the size says so before anything is made") {
  PrivateToken mine(Through::faulty_module);
  Faults faults;
  faults.without_mechanism(CKM_EC_EDWARDS_KEY_PAIR_GEN);
  const auto token = mine.open();
  const Error error = error_of([&] { plan_key(*token, "web", {x509::KeyType::ed25519, 255}); });
  CHECK(error.kind() == ErrorKind::invalid_input);
  CHECK(error.message() == "token web cannot make ed25519 keys: it has no CKM_EC_EDWARDS_KEY_PAIR_GEN");
  CHECK(error_of([&] { plan_key(*token, "", kP256); }).kind() == ErrorKind::invalid_input);
}

TEST_CASE("a label that could be taken for another selector or does not read as it looks is refused") {
  PrivateToken mine;
  const auto token = mine.open();
  for (const char* label : {"", "a\nb", "id=0a", "id=", "pkcs11:object=web",
                            "a\xc2\x9b"
                            "b",
                            "a\xe2\x80\xae"
                            "b",
                            "a\xff", "\xe2\x80\x8b"}) {
    INFO(label);
    CHECK(error_of([&] { plan_key(*token, label, kP256); }).kind() == ErrorKind::invalid_input);
  }
  CHECK(plan_key(*token, "Zürich id=1", kP256).label == "Zürich id=1");
}
