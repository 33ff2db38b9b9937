// Tokens that do not take the whole template: what is left out, and what never is.
#include "pkcs11/keys/contract_table.h"
#include "pkcs11/keys/generate.h"
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

TEST_CASE("a refused attribute steps down to the first rung without it") {
  struct Row {
    CK_ATTRIBUTE_TYPE refused;
    const char* quirk;
  };
  for (const Row& row : {Row{CKA_ALLOWED_MECHANISMS, "no-allowed-mechanisms"}, Row{CKA_COPYABLE, "no-copyable"},
                         Row{CKA_MODIFIABLE, "no-modifiable"}}) {
    INFO(row.quirk);
    PrivateToken mine(Through::faulty_module);
    Faults faults;
    const auto token = mine.open();
    faults.refuse_attribute(row.refused, CKR_ATTRIBUTE_TYPE_INVALID);
    const MadeKey made = make_key(*token, plan_key(*token, "web", kP256));
    CHECK(made.contract.quirk == row.quirk);
    CHECK_FALSE(made.contract.violated());
    unsigned ungranted = 0;
    for (const ContractRow& term : made.contract.rows) ungranted += term.verdict == Verdict::wish_not_granted ? 1 : 0;
    CHECK(ungranted > 0);
  }
}

TEST_CASE("no rung gives up a hard attribute") {
  // Refusing CKA_DECRYPT leads to the small signing template; SoftHSM then sets it to TRUE by itself.
  PrivateToken mine(Through::faulty_module);
  Faults faults;
  const auto token = mine.open();
  faults.refuse_attribute(CKA_DECRYPT, CKR_TEMPLATE_INCONSISTENT);
  const Error error = error_of([&] { make_key(*token, plan_key(*token, "web", kP256)); });
  CHECK(error.kind() == ErrorKind::corrupt);
  CHECK(details(error, "violation")[0] == "private CKA_DECRYPT: asked false, found true");
  CHECK(list_keys(*token).empty());
  faults.refuse_attribute(CKA_SENSITIVE, CKR_TEMPLATE_INCONSISTENT);
  CHECK(error_of([&] { make_key(*token, plan_key(*token, "web", kP256)); }).detail("ckr") ==
        "CKR_TEMPLATE_INCONSISTENT");
  CHECK(list_keys(*token).empty());
}

TEST_CASE("every hard attribute that reads back wrong destroys both halves") {
  for (const ContractTerm& term : contract_terms()) {
    PrivateToken mine(Through::faulty_module);
    Faults faults;
    const auto token = mine.open();
    const KeyPlan plan = plan_key(*token, "web", kP256);
    if (term.attribute == CKA_PRIVATE) {
      // Hard TRUE on one half, wished FALSE on the other: only one of them shows the wrong value.
      if (term.half == Half::public_half) continue;
      faults.show_private(0);
    } else {
      // A search asks for CKA_TOKEN inside the token; the others are only read.
      faults.show_flag(term.attribute, term.value ? 0 : 1);
    }
    INFO("attribute 0x" << std::hex << term.attribute);
    if (term.rule == Rule::wish) {
      CHECK_FALSE(make_key(*token, plan).contract.violated());
      continue;
    }
    const Error error = error_of([&] { make_key(*token, plan); });
    CHECK(error.kind() == ErrorKind::corrupt);
    CHECK_FALSE(details(error, "violation").empty());
    CHECK(list_keys(*token).empty());
  }
}

TEST_CASE("an attribute that is not shown is a violation unless it is a usage that the token was told") {
  struct Row {
    CK_ATTRIBUTE_TYPE hidden;
    bool violated;
  };
  for (const Row& row : {Row{CKA_SIGN_RECOVER, false}, Row{CKA_UNWRAP, false}, Row{CKA_EXTRACTABLE, true},
                         Row{CKA_NEVER_EXTRACTABLE, true}, Row{CKA_LOCAL, true}, Row{CKA_SENSITIVE, true}}) {
    PrivateToken mine(Through::faulty_module);
    Faults faults;
    const auto token = mine.open();
    const KeyPlan plan = plan_key(*token, "web", kP256);
    faults.show_flag(row.hidden, 2);
    INFO("attribute 0x" << std::hex << row.hidden);
    if (row.violated) {
      CHECK(error_of([&] { make_key(*token, plan); }).kind() == ErrorKind::corrupt);
    } else {
      CHECK_FALSE(make_key(*token, plan).contract.violated());
    }
  }
}
