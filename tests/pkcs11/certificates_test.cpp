#include "pkcs11/keys/certificates.h"

#include "base/file.h"
#include "openssl_ca.h"
#include "pkcs11/keys/generate.h"
#include "pkcs11/keys/signer.h"
#include "pkcs11/tls_client_key.h"
#include "pkcs11/workflow_token.h"
#include "private_token.h"
#include "x509/objects/spki.h"

#include <p11-kit/pkcs11.h>

#include <catch2/catch.hpp>
#include <functional>

using namespace hsmbridge;
using namespace hsmbridge::pkcs11;
using namespace hsmbridge::test;

TEST_CASE("a certificate is put beside its key and pkcs11-tool reads the same bytes") {
  PrivateToken mine;
  OpensslCa ca;
  const auto token = mine.open();
  const KeyInfo key = make_key(*token, plan_key(*token, "web", {x509::KeyType::ec, 256})).key;
  const Bytes first = ca.issue(key.spki, "first");
  const auto written = put_certificate(*token, key, first, {});
  CHECK(written.outcome == CertificatePlacement::Outcome::written);
  CHECK(written.removed == 0);
  CHECK(find_key(*token, KeySelector::by_label("web")).has_certificate);

  const std::string out = ca.path("read.der");
  REQUIRE(mine.tool({"--read-object", "--type", "cert", "--id", hex(key.id), "--output-file", out}).status == 0);
  CHECK(read_file(out) == first);
  const auto certificates = certificates_of(*token, key);
  REQUIRE(certificates.size() == 1);
  CHECK(certificates[0].label == "web");
  CHECK(certificates[0].id == key.id);
  CHECK(certificates[0].der == first);

  SECTION("putting it again changes nothing") {
    const auto again = put_certificate(*token, key, first, {});
    CHECK(again.outcome == CertificatePlacement::Outcome::already_there);
    CHECK(again.removed == 0);
    CHECK(certificates_of(*token, key).size() == 1);
  }
  SECTION("a successor replaces it") {
    const Bytes second = ca.issue(key.spki, "second");
    const auto replaced = put_certificate(*token, key, second, {first});
    CHECK(replaced.removed == 1);
    REQUIRE(certificates_of(*token, key).size() == 1);
    CHECK(certificates_of(*token, key)[0].der == second);
  }
  SECTION("what else is beside the key stays: a root and a cross-certificate are of one key too") {
    const Bytes cross = ca.issue(key.spki, "cross");
    CHECK(put_certificate(*token, key, cross, {}).removed == 0);
    const Bytes second = ca.issue(key.spki, "second");
    CHECK(put_certificate(*token, key, second, {first}).removed == 1);
    // Written before, by a run that got no further.
    CHECK(put_certificate(*token, key, second, {first, second}).removed == 0);
    const auto left = certificates_of(*token, key);
    REQUIRE(left.size() == 2);
    CHECK(((left[0].der == cross && left[1].der == second) || (left[0].der == second && left[1].der == cross)));
  }
  SECTION("a successor may stand beside it") {
    const auto kept = put_certificate(*token, key, ca.issue(key.spki, "second"), {});
    CHECK(kept.removed == 0);
    CHECK(list_certificates(*token).size() == 2);
  }
  SECTION("the key is destroyed with or without it") {
    destroy_key(*token, key);
    CHECK(list_certificates(*token).size() == 1);
  }
  SECTION("destroying with certificates leaves nothing") {
    destroy_key(*token, find_key(*token, KeySelector::by_label("web")), WithCertificates::destroy);
    CHECK(list_certificates(*token).empty());
  }
}

TEST_CASE("a certificate of another key is refused and so are bytes that are none") {
  PrivateToken mine;
  OpensslCa ca;
  const auto token = mine.open();
  const KeyInfo key = make_key(*token, plan_key(*token, "web", {x509::KeyType::ec, 256})).key;
  const KeyInfo other = make_key(*token, plan_key(*token, "other", {x509::KeyType::ec, 256})).key;
  const Bytes certificate = ca.issue(other.spki, "other");
  CHECK(error_of([&] { put_certificate(*token, key, certificate, {}); }).message() ==
        "the certificate is for another key than web");
  CHECK(error_of([&] { put_certificate(*token, key, to_bytes("hello"), {}); }).kind() == ErrorKind::invalid_input);
  CHECK(list_certificates(*token).empty());
}

TEST_CASE("a certificate of another key under the same id is left alone") {
  PrivateToken mine;
  OpensslCa ca;
  const auto token = mine.open();
  const KeyInfo key = make_key(*token, plan_key(*token, "web", {x509::KeyType::ec, 256})).key;
  const KeyInfo other = make_key(*token, plan_key(*token, "other", {x509::KeyType::ec, 256})).key;
  const Bytes foreign = ca.issue(other.spki, "other");
  write_file(ca.path("foreign.der"), foreign, FileMode::public_0644, Existing::replace);
  REQUIRE(mine.tool({"--write-object", ca.path("foreign.der"), "--type", "cert", "--id", hex(key.id), "--label", "web"})
              .status == 0);
  CHECK_FALSE(find_key(*token, KeySelector::by_label("web")).has_certificate);
  CHECK(certificates_of(*token, key).empty());

  const Bytes first = ca.issue(key.spki, "first");
  CHECK(put_certificate(*token, key, first, {}).removed == 0);
  CHECK(put_certificate(*token, key, ca.issue(key.spki, "second"), {first, foreign}).removed == 1);
  CHECK(certificates_of(*token, key).size() == 1);
  CHECK(list_certificates(*token).size() == 2);

  destroy_key(*token, find_key(*token, KeySelector::by_label("web")), WithCertificates::destroy);
  const auto left = list_certificates(*token);
  REQUIRE(left.size() == 1);
  CHECK(left.front().der == foreign);
}

TEST_CASE("bytes after a certificate make it none") {
  PrivateToken mine;
  OpensslCa ca;
  const auto token = mine.open();
  const KeyInfo key = make_key(*token, plan_key(*token, "web", {x509::KeyType::ec, 256})).key;
  Bytes certificate = ca.issue(key.spki, "web");
  certificate.push_back(0);
  CHECK(error_of([&] { put_certificate(*token, key, certificate, {}); }).message() == "not a valid DER certificate");
}

TEST_CASE("a certificate that reads back differently is removed and its predecessor stays") {
  PrivateToken mine(Through::faulty_module);
  Faults faults;
  OpensslCa ca;
  const auto token = mine.open();
  const KeyInfo key = make_key(*token, plan_key(*token, "web", {x509::KeyType::ec, 256})).key;
  const Bytes first = ca.issue(key.spki, "first");
  put_certificate(*token, key, first, {});
  // The predecessor is read first, then the new one, twice: all garbled.
  faults.garble_values(3);
  const Error error = error_of([&] { put_certificate(*token, key, ca.issue(key.spki, "second"), {first}); });
  CHECK(error.kind() == ErrorKind::corrupt);
  REQUIRE(certificates_of(*token, key).size() == 1);
  CHECK(certificates_of(*token, key)[0].der == first);
}

TEST_CASE("a token that takes no certificates is reported as refusing") {
  PrivateToken mine(Through::faulty_module);
  Faults faults;
  OpensslCa ca;
  auto access = mine.access();
  const auto token = mine.open();
  const KeyInfo key = make_key(*token, plan_key(*token, "web", {x509::KeyType::ec, 256})).key;
  const Bytes certificate = ca.issue(key.spki, "web");
  faults.fail("C_CreateObject", CKR_FUNCTION_NOT_SUPPORTED);
  const Error answered = error_of([&] { put_certificate(*token, key, certificate, {}); });
  CHECK(answered.kind() == ErrorKind::refused);
  CHECK(answered.detail("ckr") == "CKR_FUNCTION_NOT_SUPPORTED");

  access.certificates = CertificateStorage::not_supported;
  const auto declared = Token::open(access, mine.refusals);
  const unsigned before = faults.calls("C_CreateObject");
  CHECK(error_of([&] { put_certificate(*declared, key, certificate, {}); }).kind() == ErrorKind::refused);
  CHECK(faults.calls("C_CreateObject") == before);
}

namespace {

// A key without a public half on the token, as a smart card has it.
struct BareKey {
  BareKey() {
    key = make_key(*token, plan_key(*token, "web", {x509::KeyType::ec, 256})).key;
    REQUIRE(mine.tool({"--delete-object", "--type", "pubkey", "--id", hex(key.id)}).status == 0);
    stranger = make_key(*token, plan_key(*token, "stranger", {x509::KeyType::ec, 256})).key;
  }
  void put(const Bytes& der, const std::string& label) const {
    write_file(ca.path("foreign.der"), der, FileMode::public_0644, Existing::replace);
    REQUIRE(
        mine.tool({"--write-object", ca.path("foreign.der"), "--type", "cert", "--id", hex(key.id), "--label", label})
            .status == 0);
  }
  std::unique_ptr<TokenKey> opened() { return open_key(mine.open(), KeySelector::by_label("web")); }

  PrivateToken mine{Through::faulty_module};
  OpensslCa ca;
  std::shared_ptr<Token> token = mine.open();
  KeyInfo key;
  KeyInfo stranger;
};

}  // namespace

TEST_CASE("a key without a public half is known by its certificates and stays known through renewals") {
  BareKey bare;
  const Bytes old = bare.ca.issue(bare.key.spki, "old");
  const Bytes renewed = bare.ca.issue(bare.key.spki, "renewed");
  bare.put(old, "old");
  bare.put(renewed, "renewed");
  const auto signer = bare.opened();
  CHECK(signer->info().spki == bare.key.spki);
  CHECK(signer->info().has_certificate);
  CHECK_FALSE(signer->prove(random_bytes(16)).signature.empty());
  // As the next renewal installs: only what it replaces goes.
  const Bytes third = bare.ca.issue(bare.key.spki, "third");
  const auto pinned = find_pinned(*bare.token, KeySelector::by_id(bare.key.id), bare.key.spki_hash);
  CHECK(put_certificate(*bare.token, pinned, third, {renewed}).removed == 1);
  CHECK(certificates_of(*bare.token, pinned).size() == 2);
  CHECK(bare.opened()->info().spki == bare.key.spki);
}

TEST_CASE("a stranger's certificate under the id of a key is told from its own by a signature") {
  BareKey bare;
  bare.put(bare.ca.issue(bare.stranger.spki, "stranger"), "of somebody");
  bare.put(bare.ca.issue(bare.key.spki, "own"), "own");
  const auto signer = bare.opened();
  CHECK(signer->info().spki == bare.key.spki);
  CHECK(signer->info().has_certificate);
  // Installing removes nothing of the stranger's.
  const Bytes renewed = bare.ca.issue(bare.key.spki, "renewed");
  CHECK(put_certificate(*bare.token, signer->info(), renewed, {}).removed == 0);
  CHECK(certificates_of(*bare.token, signer->info()).size() == 2);
}

TEST_CASE("whoever opens a key that only certificates tell writes each proof down before the token signs it") {
  BareKey bare;
  Faults faults;
  const Bytes own = bare.ca.issue(bare.key.spki, "own");
  bare.put(bare.ca.issue(bare.stranger.spki, "stranger"), "of somebody");
  bare.put(own, "own");
  const auto selector = KeySelector::by_label("web");
  UsesSeen seen;
  WorkflowToken workflow_token(
      "web", [&] { return bare.mine.open(); }, seen.log(), std::chrono::seconds{30}, 1);
  workflow::KeyWish wish;
  wish.source = workflow::KeyWish::Source::use;
  wish.selector = "web";
  const workflow::Intent tls{workflow::Purpose::tls_client, "TLS", Json::object(), {}};
  const std::vector<std::function<void()>> doors{
      [&] { TokenKey::open(bare.token, selector, for_csr(), seen.log()); },
      [&] { TlsClientKey::open(bare.token, selector, tls, seen.log(), {own}); },
      [&] { workflow_token.ensure_key(wish); },
  };
  for (std::size_t i = 0; i < doors.size(); ++i) {
    INFO("door " << i);
    seen.refusing = true;
    const unsigned before = faults.calls("C_Sign");
    CHECK(error_of(doors[i]).message() == "the audit log cannot be written");
    CHECK(faults.calls("C_Sign") == before);
    // A token that fails has signed nothing, and what was intended is written down.
    seen.refusing = false;
    seen.uses.clear();
    faults.fail("C_Sign", CKR_FUNCTION_FAILED);
    CHECK(error_of(doors[i]).detail("ckr") == "CKR_FUNCTION_FAILED");
    CHECK(seen.uses.size() == 1);
    seen.uses.clear();
    const unsigned signed_before = faults.calls("C_Sign");
    CHECK_NOTHROW(doors[i]());
    CHECK(faults.calls("C_Sign") == signed_before + seen.uses.size());
    REQUIRE_FALSE(seen.uses.empty());
    for (const auto& use : seen.uses) CHECK(use.kind == "key-prove");
    CHECK(seen.uses.back().spki_sha256 == bare.key.spki_hash.str());
  }
}

TEST_CASE("a lone certificate of a stranger is not shown as the key's own and nothing is signed with it") {
  BareKey bare;
  bare.put(bare.ca.issue(bare.stranger.spki, "stranger"), "of somebody");
  for (const KeyInfo& listed : list_keys(*bare.token)) {
    if (listed.label != "web") continue;
    CHECK(listed.spki.empty());
    CHECK_FALSE(listed.has_certificate);
    REQUIRE(listed.claims.size() == 1);
    CHECK(listed.claims.front().certificate == "of somebody");
  }
  const KeyInfo found = find_key(*bare.token, KeySelector::by_label("web"));
  CHECK(found.spki.empty());
  CHECK_FALSE(found.has_certificate);
  const Error error = error_of([&] { bare.opened(); });
  CHECK(error.kind() == ErrorKind::invalid_input);
  CHECK(error.message().find("\"of somebody\"") != std::string::npos);
}

TEST_CASE("an imported key that only its certificate tells signs where its flaws are accepted") {
  PrivateToken mine;
  OpensslCa ca;
  REQUIRE(mine.tool({"--keypairgen", "--key-type", "EC:prime256v1", "--id", "0a", "--label", "web"}).status == 0);
  const auto token = mine.open();
  const KeyInfo whole = find_key(*token, KeySelector::by_label("web"));
  REQUIRE(mine.tool({"--delete-object", "--type", "pubkey", "--id", "0a"}).status == 0);
  write_file(ca.path("own.der"), ca.issue(whole.spki, "own"), FileMode::public_0644, Existing::refuse);
  REQUIRE(mine.tool({"--write-object", ca.path("own.der"), "--type", "cert", "--id", "0a", "--label", "own"}).status ==
          0);
  const auto by_label = KeySelector::by_label("web");
  // A look signs nothing, and is given whatever its flaws.
  const KeyInfo seen = find_key(*token, by_label);
  CHECK(wants_proof(seen));
  CHECK(seen.spki.empty());
  const Error refused = error_of([&] { open_key(token, by_label); });
  CHECK(refused.kind() == ErrorKind::refused);
  CHECK(refused.detail("flaws").find("key-may-decrypt") != std::string::npos);
  CHECK(open_key(token, by_label, any_flaw())->info().spki == whole.spki);

  WorkflowToken workflow_token(
      "web", [&] { return mine.open(); }, forget_use, std::chrono::seconds{30}, 1);
  workflow::KeyWish wish;
  wish.source = workflow::KeyWish::Source::use;
  wish.selector = "web";
  wish.accept = any_flaw();
  CHECK(workflow_token.ensure_key(wish).spki == whole.spki_hash);
  destroy_key(*token, seen);
  CHECK(list_keys(*token).empty());
}

TEST_CASE("a pinned key whose public value is not shown now is not called another one") {
  BareKey bare;
  const Error error = error_of([&] { find_pinned(*bare.token, KeySelector::by_id(bare.key.id), bare.key.spki_hash); });
  CHECK(error.kind() == ErrorKind::not_found);
  CHECK(error.message().find("shows no public key of web now") != std::string::npos);
  bare.put(bare.ca.issue(bare.key.spki, "own"), "own");
  CHECK(find_pinned(*bare.token, KeySelector::by_id(bare.key.id), bare.key.spki_hash).spki == bare.key.spki);
}
