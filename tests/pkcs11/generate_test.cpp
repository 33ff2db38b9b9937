#include "pkcs11/generate.h"

#include "base/file.h"
#include "pkcs11/signer.h"
#include "private_token.h"
#include "x509/spki.h"
#include "x509/verify.h"

#include <catch2/catch.hpp>

using namespace hsmbridge;
using namespace hsmbridge::pkcs11;
using namespace hsmbridge::test;

TEST_CASE("a P-256 key is made under the contract and signs") {
  PrivateToken softhsm;
  const auto token = softhsm.open();
  const KeyPlan plan = plan_key(*token, "web-2026", {x509::KeyType::ec, 256});
  CHECK(plan.id.size() == 16);
  const MadeKey made = make_key(*token, plan);
  CHECK(made.origin == MadeKey::Origin::generated);
  CHECK(made.contract.quirk == "full");
  CHECK(made.contract.violations().empty());
  for (const ContractRow& row : made.contract.rows) {
    INFO(row.half << ' ' << row.attribute << ": asked " << row.asked << ", found " << row.found);
    CHECK(row.verdict == Verdict::held);
  }
  CHECK(made.key.label == "web-2026");
  CHECK(made.key.id == plan.id);
  CHECK(made.key.type == "ec:P-256");

  const auto key = TokenKey::open(token, KeySelector::by_label("web-2026"));
  const Bytes message = to_bytes("to be signed");
  const auto& algorithm = x509::signature_algorithm("ecdsa-sha256");
  const Bytes signature = key->sign(message, algorithm);
  CHECK(x509::verify(made.key.spki, algorithm, message, signature));

  // openssl agrees.
  const TemporaryFolder folder;
  write_file(folder.path() / "key.pem", as_bytes(x509::spki_to_pem(made.key.spki)), FileMode::public_0644,
             Existing::refuse);
  write_file(folder.path() / "message", message, FileMode::public_0644, Existing::refuse);
  write_file(folder.path() / "signature", signature, FileMode::public_0644, Existing::refuse);
  const auto verified = run_program({"openssl", "dgst", "-sha256", "-verify", folder.path() / "key.pem", "-signature",
                                     folder.path() / "signature", folder.path() / "message"});
  CHECK(verified.out == "Verified OK\n");
}
