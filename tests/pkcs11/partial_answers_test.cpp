#include "base/bytes.h"
#include "pkcs11/keys/generate.h"
#include "pkcs11/keys/keys.h"
#include "pkcs11/keys/signer.h"
#include "private_token.h"
#include "support/faulty_module/faults.h"

#include <p11-kit/pkcs11.h>

#include <catch2/catch.hpp>
#include <string>
#include <vector>

// Modules that answer in part, and what is believed of it.

using namespace hsmbridge;
using namespace hsmbridge::pkcs11;
using namespace hsmbridge::test;

namespace {

const x509::KeySpec kP256 = x509::parse_key_spec("ec:P-256");

}  // namespace

TEST_CASE("a module that stops at an attribute which it does not show hides no flag and no key") {
  const auto rest = GENERATE(Faults::Rest::untouched, Faults::Rest::lengths_alone, Faults::Rest::unavailable);
  const auto* const spec = GENERATE("ec:P-256", "rsa:2048", "ed25519");
  INFO(static_cast<int>(rest) << ' ' << spec);
  PrivateToken mine(Through::faulty_module);
  Faults faults;
  faults.stop_at_unknown(rest);
  const auto token = mine.open();
  const KeyPlan plan = plan_key(*token, "web", x509::parse_key_spec(spec));
  const MadeKey made = make_key(*token, plan);
  CHECK_FALSE(made.contract.violated());
  CHECK(made.key.spec == x509::parse_key_spec(spec));
  const auto key = open_key(token, KeySelector::by_label("web"));
  CHECK(key->standing().flaws.empty());
  CHECK(key->standing().not_shown.empty());
  key->prove(random_bytes(16));
  // Another program's key may derive: seen whatever is not shown before that flag.
  const auto foreign =
      mine.tool({"--keypairgen", "--key-type", "EC:prime256v1", "--id", "0a", "--label", "old", "--usage-derive"});
  REQUIRE(foreign.status == 0);
  faults.show_flag(CKA_SENSITIVE, 2);
  const auto report = check_contract(*token, find_key(*token, KeySelector::by_label("old")));
  bool derives = false;
  for (const auto& flaw : report.standing.flaws) derives = derives || flaw == "key-may-derive";
  CHECK(derives);
}

TEST_CASE("a module that gives the handles of a search in pages hides none") {
  PrivateToken mine(Through::faulty_module);
  Faults faults;
  const auto token = mine.open();
  std::vector<std::string> labels;
  for (int i = 0; i < 25; ++i) labels.push_back("web-" + std::to_string(i));
  make_keys(*token, plan_keys(*token, labels, kP256));
  for (const unsigned page : {10U, 12U, 25U}) {
    faults.most_found(page);
    CHECK(list_keys(*token).size() == 25);
  }
}

TEST_CASE("a key that is named by id and label together is read with everything that has its id") {
  PrivateToken mine;
  const auto token = mine.open();
  // An EC private half does not show its point here, and its public half has another label.
  REQUIRE(mine.tool({"--keypairgen", "--key-type", "EC:prime256v1", "--id", "0b", "--label", "half"}).status == 0);
  const TempFolder folder;
  const std::string file = folder.path() / "public.der";
  REQUIRE(mine.tool({"--read-object", "--type", "pubkey", "--id", "0b", "--output-file", file}).status == 0);
  REQUIRE(mine.tool({"--delete-object", "--type", "pubkey", "--id", "0b"}).status == 0);
  REQUIRE(mine.tool({"--write-object", file, "--type", "pubkey", "--id", "0b", "--label", "other"}).status == 0);
  const auto key = find_key(*token, KeySelector::parse("pkcs11:id=%0b;object=half"));
  CHECK(key.has_public);
  CHECK(key.spec == kP256);
}
