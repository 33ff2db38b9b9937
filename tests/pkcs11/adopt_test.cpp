// Plans that are carried out again, by the same worker or another one: what is found under their ids.
#include "openssl_ca.h"
#include "pkcs11/keys/contract_table.h"
#include "pkcs11/keys/generate.h"
#include "pkcs11/keys/signer.h"
#include "pkcs11/login/token_lock.h"
#include "pkcs11/token/token_state.h"
#include "private_token.h"
#include "support/variable.h"
#include "x509/objects/spki.h"

#include <p11-kit/pkcs11.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <chrono>
#include <optional>
#include <span>
#include <thread>

using namespace hsmbridge;
using namespace hsmbridge::pkcs11;
using namespace hsmbridge::test;

namespace {

// Another key's public half, with id and label of the plan.
void put_public_key(const PrivateToken& mine, const OpensslCa& files, const std::string& spec, const KeyPlan& plan) {
  const std::string file = files.path("stray.der");
  const std::vector<std::string> kind = spec == "rsa:2048"
                                            ? std::vector<std::string>{"RSA", "-pkeyopt", "rsa_keygen_bits:2048"}
                                            : std::vector<std::string>{"EC", "-pkeyopt", "ec_paramgen_curve:P-256"};
  std::vector<std::string> make{"openssl", "genpkey", "-out", files.path("stray.pem"), "-algorithm"};
  make.insert(make.end(), kind.begin(), kind.end());
  REQUIRE(run_program(make).status == 0);
  REQUIRE(run_program({"openssl", "pkey", "-in", files.path("stray.pem"), "-pubout", "-outform", "DER", "-out", file})
              .status == 0);
  REQUIRE(mine.tool({"--write-object", file, "--type", "pubkey", "--id", hex(plan.id), "--label", plan.label}).status ==
          0);
}

// The same token, not through the faulty module, in which a call hangs. It waits for no lock.
std::shared_ptr<Token> past_the_faults(const PrivateToken& mine) {
  auto access = mine.access();
  access.module = SoftHsm::module();
  access.making_wait = Duration{0};
  return Token::open(access, mine.refusals);
}

// Where the locks of this one are not seen.
template <class Work>
void on_another_host(Work work) {
  const TempFolder locks;
  const Variable folder("HSMBRIDGE_LOCK_FOLDER", locks.path().string());
  work();
}

constexpr x509::KeySpec kP256{x509::KeyType::ec, 256};

}  // namespace

TEST_CASE("a plan that was carried out before a crash is adopted") {
  PrivateToken mine;
  const auto token = mine.open();
  const KeyPlan plan = plan_key(*token, "web", kP256);
  const MadeKey first = make_key(*token, plan);
  const MadeKey again = make_key(*mine.open(), plan);
  CHECK(again.origin == MadeKey::Origin::adopted);
  CHECK(again.key.spki == first.key.spki);
  CHECK(again.contract.quirk == "adopted");
  CHECK(list_keys(*token).size() == 1);
}

TEST_CASE("half a pair that a crash left is destroyed and made again") {
  for (const char* lost_half : {"privkey", "pubkey"}) {
    INFO(lost_half);
    PrivateToken mine;
    const auto token = mine.open();
    const KeyPlan plan = plan_key(*token, "web", kP256);
    const MadeKey first = make_key(*token, plan);
    REQUIRE(mine.tool({"--delete-object", "--type", lost_half, "--id", hex(plan.id)}).status == 0);
    const MadeKey again = make_key(*mine.open(), plan);
    CHECK(again.origin == MadeKey::Origin::generated);
    CHECK(again.key.spki != first.key.spki);
    CHECK(again.key.has_private);
    CHECK(list_keys(*token).size() == 1);
  }
}

TEST_CASE("half a pair that may be another program's key is never destroyed") {
  PrivateToken mine;
  const OpensslCa ca;
  const auto token = mine.open();
  KeyPlan plan = plan_key(*token, "ca", kP256);
  const auto made_by_another_program = [&] {
    REQUIRE(mine.tool({"--keypairgen", "--key-type", "EC:prime256v1", "--id", hex(plan.id), "--label", "ca"}).status ==
            0);
  };
  const auto certified = [&](const Bytes& der) {
    write_file(ca.path("cert.der"), der, FileMode::public_0644, Existing::refuse);
    REQUIRE(mine.tool({"--write-object", ca.path("cert.der"), "--type", "cert", "--id", hex(plan.id)}).status == 0);
  };
  const char* other_half = "pubkey";
  SECTION("a person chose its id") {
    plan.id = GENERATE(Bytes{1}, Bytes(kIdOctets, 7));
    plan.id_from = KeyPlan::IdFrom::chosen;
    other_half = GENERATE("pubkey", "privkey");
    made_by_another_program();
  }
  SECTION("its id is too short to be certainly ours") {
    plan.id = {1, 2};
    made_by_another_program();
  }
  SECTION("a certificate has its id") {
    certified(ca.issue(make_key(*token, plan).key.spki, "ca"));
  }
  SECTION("a certificate of another key has its id") {
    make_key(*token, plan);
    certified(ca.issue(make_key(*token, plan_key(*token, "other", kP256)).key.spki, "other"));
    destroy_key(*token, find_key(*token, KeySelector::by_label("other")));
  }
  SECTION("it was imported") {
    REQUIRE(run_program({"openssl", "pkcs8", "-topk8", "-nocrypt", "-in", ca.path("ca.key"), "-outform", "DER", "-out",
                         ca.path("ca.der")})
                .status == 0);
    REQUIRE(mine.tool({"--write-object", ca.path("ca.der"), "--type", "privkey", "--id", hex(plan.id), "--label", "ca"})
                .status == 0);
    other_half = nullptr;
  }
  if (other_half != nullptr) {
    REQUIRE(mine.tool({"--delete-object", "--type", other_half, "--id", hex(plan.id)}).status == 0);
  }
  const Error error = error_of([&] { make_key(*mine.open(), plan); });
  CHECK(error.kind() == ErrorKind::conflict);
  CHECK(details(error, "candidate").size() == 1);
  const auto left = list_keys(*token);
  REQUIRE(left.size() == 1);
  CHECK(left.front().id == plan.id);
  CHECK(left.front().has_private != left.front().has_public);
}

TEST_CASE("what a failed generation leaves under an id that a person chose stays and is reported") {
  PrivateToken mine(Through::faulty_module);
  Faults faults;
  const auto token = mine.open();
  KeyPlan plan = plan_key(*token, "web", kP256);
  plan.id = {1};
  plan.id_from = KeyPlan::IdFrom::chosen;
  faults.half_pairs(1);
  const Error error = error_of([&] { make_key(*token, plan); });
  CHECK(error.detail("ckr") == "CKR_DEVICE_ERROR");
  CHECK(error.detail("left_on_token") == "id=01");
  CHECK(list_keys(*token).size() == 1);
}

TEST_CASE("a generation whose answer is lost with its session is adopted and not repeated") {
  PrivateToken mine(Through::faulty_module);
  Faults faults;
  const auto token = mine.open();
  const KeyPlan plan = plan_key(*token, "web", kP256);
  faults.fail_after("C_GenerateKeyPair", CKR_SESSION_HANDLE_INVALID);
  make_key(*token, plan);
  CHECK(list_keys(*token).size() == 1);
}

TEST_CASE("a stray public key beside a complete pair is removed and the pair stays") {
  PrivateToken mine;
  OpensslCa other;
  const auto token = mine.open();
  for (const char* spec : {"rsa:2048", "ec:P-256"}) {
    INFO(spec);
    const KeyPlan plan = plan_key(*token, spec, x509::parse_key_spec(spec));
    const MadeKey first = make_key(*token, plan);
    put_public_key(mine, other, spec, plan);
    if (plan.spec.type == x509::KeyType::rsa) {
      CHECK(make_key(*mine.open(), plan).key.spki == first.key.spki);
      CHECK(match_keys(*token, KeySelector::by_id(plan.id)).size() == 1);
    } else {
      // An EC private half does not show which of the two is its own: nothing is destroyed.
      const Error error = error_of([&] { make_key(*mine.open(), plan); });
      CHECK(error.kind() == ErrorKind::conflict);
      CHECK_FALSE(details(error, "candidate").empty());
      const auto keys = match_keys(*token, KeySelector::by_id(plan.id));
      CHECK(std::count_if(keys.begin(), keys.end(), [](const KeyInfo& key) { return key.has_private; }) == 1);
    }
  }
}

TEST_CASE("two complete pairs under one planned id are a conflict and both stay") {
  PrivateToken mine;
  const auto token = mine.open();
  const KeyPlan plan = plan_key(*token, "web", {x509::KeyType::rsa, 2048});
  for (int i = 0; i < 2; ++i) {
    REQUIRE(mine.tool({"--keypairgen", "--key-type", "rsa:2048", "--id", hex(plan.id), "--label", "web"}).status == 0);
  }
  const Error error = error_of([&] { make_key(*token, plan); });
  CHECK(error.kind() == ErrorKind::conflict);
  CHECK(details(error, "candidate").size() == 2);
  CHECK(list_keys(*token).size() == 2);
}

TEST_CASE("an adopted key that violates the contract is refused and left on the token") {
  PrivateToken mine;
  const auto token = mine.open();
  const KeyPlan plan = plan_key(*token, "web", kP256);
  // SoftHSM gives TRUE to what pkcs11-tool leaves out.
  REQUIRE(mine.tool({"--keypairgen", "--key-type", "EC:prime256v1", "--id", hex(plan.id), "--label", "web"}).status ==
          0);
  const Error error = error_of([&] { make_key(*token, plan); });
  CHECK(error.kind() == ErrorKind::corrupt);
  CHECK_FALSE(details(error, "violation").empty());
  CHECK(list_keys(*token).size() == 1);
}

TEST_CASE("a usage that an adopted key does not show is a violation unless its id is one that we draw") {
  PrivateToken mine(Through::faulty_module);
  Faults faults;
  const auto token = mine.open();
  const KeyPlan plan = plan_key(*token, "web", kP256);
  make_key(*token, plan);
  KeyPlan short_id = plan_key(*token, "short", kP256);
  short_id.id = {0x0a};
  make_key(*token, short_id);
  faults.show_flag(CKA_SIGN_RECOVER, 2);
  const MadeKey adopted = make_key(*mine.open(), plan);
  CHECK(adopted.origin == MadeKey::Origin::adopted);
  CHECK_FALSE(adopted.contract.violated());
  CHECK(details(error_of([&] { make_key(*mine.open(), short_id); }), "violation") ==
        std::vector<std::string>{"private CKA_SIGN_RECOVER: asked false, found not shown"});
  // What must be shown must be shown under any id.
  faults.show_flag(CKA_EXTRACTABLE, 2);
  CHECK_FALSE(details(error_of([&] { make_key(*mine.open(), plan); }), "violation").empty());
  CHECK(list_keys(*token).size() == 2);
}

TEST_CASE("a key that was made for TLS clients is not adopted as one that signs") {
  PrivateToken mine;
  const auto token = mine.open();
  KeyPlan plan = plan_key(*token, "web", {x509::KeyType::rsa, 2048});
  plan.use = KeyUse::tls_client;
  make_key(*token, plan);
  CHECK(make_key(*mine.open(), plan).origin == MadeKey::Origin::adopted);
  plan.use = KeyUse::sign;
  const Error error = error_of([&] { make_key(*mine.open(), plan); });
  CHECK(error.kind() == ErrorKind::corrupt);
  CHECK(error.message().find("was left on the token") != std::string::npos);
  CHECK(error.hint().find("hsmbridge key show id=" + hex(plan.id)) != std::string::npos);
  CHECK(list_keys(*token).size() == 1);
}

TEST_CASE("a key that was made and cannot be read back stays and is found by its plan") {
  PrivateToken mine(Through::faulty_module);
  Faults faults;
  const auto token = mine.open();
  const KeyPlan plan = plan_key(*token, "web", kP256);
  faults.hang("C_GenerateKeyPair");
  std::optional<Error> late;
  std::thread first([&] { late = error_of([&] { make_key(*token, plan); }); });
  for (int i = 0; i < 1000 && faults.calls("C_GenerateKeyPair") == 0; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds{5});
  }
  // Twice: what one answer in bulk does not carry is asked for one by one.
  faults.fail("C_GetAttributeValue", CKR_DEVICE_ERROR, 2);
  faults.release();
  first.join();
  REQUIRE(late.has_value());
  CHECK(late->detail("ckr") == "CKR_DEVICE_ERROR");
  CHECK(late->detail("left_on_token") == "id=" + hex(plan.id));
  CHECK(faults.calls("C_DestroyObject") == 0);
  CHECK(make_key(*token, plan).origin == MadeKey::Origin::adopted);
}

TEST_CASE("a plan that somebody else carried out while this one waited is refused under the lock") {
  PrivateToken mine;
  const auto token = mine.open();
  const KeyPlan plan = plan_key(*token, "web", kP256);
  make_key(*token, plan);
  std::size_t asked = 0;
  const auto refuse = [&](std::span<const KeyPlan> due) {
    asked += due.size();
    CHECK(error_of([&] { TokenLock second(LockedWork::making_keys, token->state().uri, Duration{0}); }).kind() ==
          ErrorKind::unavailable);
    throw Error{ErrorKind::conflict, "key web was made meanwhile"};
  };
  const auto again = mine.open();
  CHECK(error_of([&] { make_keys(*again, std::span(&plan, 1), {}, refuse); }).kind() == ErrorKind::conflict);
  CHECK(asked == 1);
}

TEST_CASE("a generation that comes back late leaves the key that another worker made alone") {
  const bool fails = GENERATE(true, false);
  INFO((fails ? "it fails" : "it made a pair of its own"));
  PrivateToken mine(Through::faulty_module);
  Faults faults;
  const auto token = mine.open();
  const KeyPlan plan = plan_key(*token, "web", kP256);
  faults.hang("C_GenerateKeyPair");
  std::optional<Error> late;
  std::thread first([&] { late = error_of([&] { make_key(*token, plan); }); });
  for (int i = 0; i < 1000 && faults.calls("C_GenerateKeyPair") == 0; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds{5});
  }

  const auto beside = past_the_faults(mine);
  // A second worker of this host has to wait.
  const Error busy = error_of([&] { make_key(*beside, plan); });
  CHECK(busy.kind() == ErrorKind::unavailable);
  CHECK(busy.message().find("has been making keys on token") != std::string::npos);

  MadeKey made;
  on_another_host([&] { made = make_key(*beside, plan); });
  CHECK(made.origin == MadeKey::Origin::generated);

  if (fails) faults.fail("C_GenerateKeyPair", CKR_DEVICE_ERROR);
  faults.release();
  first.join();
  REQUIRE(late.has_value());
  CHECK(late->kind() == ErrorKind::unavailable);
  const auto keys = list_keys(*beside);
  REQUIRE(keys.size() == 1);
  CHECK(keys.front().spki == made.key.spki);
  CHECK(keys.front().has_private);
  // And whoever runs the plan again has that key.
  CHECK(make_key(*token, plan).key.spki == made.key.spki);
}

TEST_CASE("a label that another host gave meanwhile takes the new key back") {
  PrivateToken mine(Through::faulty_module);
  Faults faults;
  const auto token = mine.open();
  const KeyPlan plan = plan_key(*token, "web", kP256);
  faults.hang("C_GenerateKeyPair");
  std::optional<Error> refused;
  std::thread first([&] { refused = error_of([&] { make_key(*token, plan); }); });
  for (int i = 0; i < 1000 && faults.calls("C_GenerateKeyPair") == 0; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds{5});
  }
  const auto beside = past_the_faults(mine);
  const KeyPlan other = plan_key(*beside, "web", kP256);
  on_another_host([&] { make_key(*beside, other); });
  faults.release();
  first.join();
  REQUIRE(refused.has_value());
  CHECK(refused->kind() == ErrorKind::conflict);
  CHECK(refused->detail("existing_id") == hex(other.id));
  const auto keys = list_keys(*token);
  REQUIRE(keys.size() == 1);
  CHECK(keys.front().id == other.id);
}

TEST_CASE("an adopted key whose label another key has too is refused and stays") {
  PrivateToken mine;
  const auto token = mine.open();
  const KeyPlan plan = plan_key(*token, "web", kP256);
  make_key(*token, plan);
  REQUIRE(mine.tool({"--keypairgen", "--key-type", "EC:prime256v1", "--id", "0a", "--label", "web"}).status == 0);
  const Error error = error_of([&] { make_key(*mine.open(), plan); });
  CHECK(error.kind() == ErrorKind::conflict);
  CHECK(error.detail("existing_id") == "0a");
  CHECK(list_keys(*token).size() == 2);
}

TEST_CASE("an id that the token chooses is adopted unless a person chose another or a key has it already") {
  PrivateToken mine(Through::faulty_module);
  Faults faults;
  const auto token = mine.open();
  faults.own_ids(3);
  const MadeKey made = make_key(*token, plan_key(*token, "web", kP256));
  CHECK(made.key.id == Bytes{0x77});
  CHECK(made.origin == MadeKey::Origin::generated);
  CHECK(find_key(*token, KeySelector::parse(made.key.uri)).spki == made.key.spki);

  const Error taken = error_of([&] { make_key(*token, plan_key(*token, "other", kP256)); });
  CHECK(taken.kind() == ErrorKind::corrupt);
  CHECK(taken.hint() == "another key has that id already: choose another label, the key then gets another id");
  KeyPlan chosen = plan_key(*token, "third", kP256);
  chosen.id = {1, 2, 3};
  chosen.id_from = KeyPlan::IdFrom::chosen;
  const Error refused = error_of([&] { make_key(*token, chosen); });
  CHECK(refused.kind() == ErrorKind::corrupt);
  CHECK(refused.hint() == "the token may keep only 1 octets of a CKA_ID: give an --id of that length, or none");
  CHECK(list_keys(*token).size() == 1);
}

TEST_CASE("a token that keeps two octets of an id makes keys that are found again") {
  const CK_RV refusal = GENERATE(CKR_OK, CKR_ATTRIBUTE_VALUE_INVALID);
  INFO(return_code_name(refusal));
  PrivateToken mine(Through::faulty_module);
  Faults faults;
  const auto token = mine.open();
  faults.short_ids(2, refusal);
  const auto plans = plan_keys(*token, std::vector<std::string>{"a", "b", "c"}, kP256);
  const auto made = make_keys(*token, plans);
  REQUIRE(made.size() == 3);
  for (std::size_t i = 0; i < made.size(); ++i) {
    CHECK(made[i].key.id.size() == 2);
    CHECK(made[i].contract.violated() == false);
    CHECK(find_pinned(*token, KeySelector::by_id(made[i].key.id), made[i].key.spki_hash).label == plans[i].label);
    // The plan alone is on disk after a crash.
    const MadeKey again = make_key(*mine.open(), plans[i]);
    CHECK(again.origin == MadeKey::Origin::adopted);
    CHECK(again.key.spki == made[i].key.spki);
    CHECK(plan_keys(*token, std::vector<std::string>{plans[i].label}, kP256, {{plans[i].label, plans[i].id}})
              .front()
              .id == plans[i].id);
  }
  CHECK(list_keys(*token).size() == 3);
  CHECK(error_of([&] { plan_key(*token, "a", kP256); }).kind() == ErrorKind::conflict);

  KeyPlan chosen = plan_key(*token, "d", kP256);
  chosen.id_from = KeyPlan::IdFrom::chosen;
  const Error refused = error_of([&] { make_key(*token, chosen); });
  CHECK(refused.hint().find("--id") != std::string::npos);
  CHECK(list_keys(*token).size() == 3);
}

TEST_CASE("a part of an id that names another key is left to it and the plan still finds its own key") {
  const CK_RV refusal = GENERATE(CKR_OK, CKR_ATTRIBUTE_VALUE_INVALID);
  INFO(return_code_name(refusal));
  PrivateToken mine(Through::faulty_module);
  Faults faults;
  const auto token = mine.open();
  const KeyPlan plan = plan_key(*token, "web", kP256);
  const std::string first = hex(plan.id).substr(0, 4);
  const std::string second = hex(plan.id).substr(4, 4);
  for (const auto& [id, label] : {std::pair{first, "one"}, std::pair{second, "two"}}) {
    REQUIRE(mine.tool({"--keypairgen", "--key-type", "EC:prime256v1", "--id", id, "--label", label}).status == 0);
  }
  faults.short_ids(2, refusal);
  const MadeKey made = make_key(*token, plan);
  CHECK(hex(made.key.id) == hex(plan.id).substr(8, 4));
  // After a crash the plan alone is known.
  const MadeKey again = make_key(*mine.open(), plan);
  CHECK(again.origin == MadeKey::Origin::adopted);
  CHECK(again.key.spki == made.key.spki);
  CHECK(list_keys(*token).size() == 3);
}

TEST_CASE("another key of the label is neither adopted nor destroyed whatever its id looks like") {
  PrivateToken mine;
  const auto token = mine.open();
  const auto put = [&](const std::string& id, bool half) {
    REQUIRE(mine.tool({"--keypairgen", "--key-type", "EC:prime256v1", "--id", id, "--label", "web"}).status == 0);
    if (half) REQUIRE(mine.tool({"--delete-object", "--type", "pubkey", "--id", id}).status == 0);
  };
  SECTION("before a key is planned") {
    put("01", GENERATE(true, false));
    // The octet is in one of sixteen random ids.
    for (int i = 0; i < 200; ++i) {
      CHECK(error_of([&] { plan_key(*token, "web", kP256); }).detail("existing_id") == "01");
    }
  }
  SECTION("after it was planned, by one octet") {
    const KeyPlan plan = plan_key(*token, "web", kP256);
    put(hex(plan.id).substr(10, 2), GENERATE(true, false));
    CHECK(error_of([&] { make_key(*token, plan); }).kind() == ErrorKind::conflict);
  }
  SECTION("after it was planned, half a pair") {
    const KeyPlan plan = plan_key(*token, "web", kP256);
    put(hex(plan.id).substr(0, 4), true);
    CHECK(error_of([&] { make_key(*token, plan); }).kind() == ErrorKind::conflict);
  }
  SECTION("after it was planned, by octets from the midst of the id") {
    const KeyPlan plan = plan_key(*token, "web", kP256);
    put(hex(plan.id).substr(2, 6), false);
    CHECK(error_of([&] { make_key(*token, plan); }).kind() == ErrorKind::conflict);
  }
  const auto left = list_keys(*token);
  REQUIRE(left.size() == 1);
  CHECK(left.front().has_private);
}

TEST_CASE("half a pair that did not get its label is removed and the key is made") {
  PrivateToken mine;
  OpensslCa other;
  const auto token = mine.open();
  KeyPlan plan = plan_key(*token, "web", kP256);
  KeyPlan unlabelled = plan;
  unlabelled.label = "";
  put_public_key(mine, other, "ec:P-256", unlabelled);
  CHECK(make_key(*token, plan).origin == MadeKey::Origin::generated);
  CHECK(list_keys(*token).size() == 1);
}

TEST_CASE("a refusal after which a complete pair is there makes no second one") {
  PrivateToken mine(Through::faulty_module);
  Faults faults;
  const auto token = mine.open();
  const KeyPlan plan = plan_key(*token, "web", kP256);
  faults.fail_after("C_GenerateKeyPair", CKR_FUNCTION_FAILED);
  const Error error = error_of([&] { make_key(*token, plan); });
  CHECK(error.detail("ckr") == "CKR_FUNCTION_FAILED");
  CHECK(error.detail("left_on_token") == "id=" + hex(plan.id));
  CHECK(faults.calls("C_GenerateKeyPair") == 1);
  CHECK(make_key(*token, plan).origin == MadeKey::Origin::adopted);
}
