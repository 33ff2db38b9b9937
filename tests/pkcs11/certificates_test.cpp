#include "pkcs11/certificates.h"

#include "base/file.h"
#include "openssl_ca.h"
#include "pkcs11/generate.h"
#include "pkcs11/signer.h"
#include "private_token.h"
#include "x509/spki.h"

#include <p11-kit/pkcs11.h>

#include <catch2/catch.hpp>

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
  CHECK(error_of([&] { put_certificate(*token, key, certificate, {}); }).message() ==
        "these bytes are no DER certificate");
}

TEST_CASE("a certificate that reads back differently is removed and its predecessor stays") {
  PrivateToken mine(Through::faulty_module);
  Faults faults;
  OpensslCa ca;
  const auto token = mine.open();
  const KeyInfo key = make_key(*token, plan_key(*token, "web", {x509::KeyType::ec, 256})).key;
  const Bytes first = ca.issue(key.spki, "first");
  put_certificate(*token, key, first, {});
  // The predecessor is read first, then the new one: both garbled.
  faults.garble_values(2);
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

TEST_CASE("a key whose public half is gone is known by its certificate") {
  PrivateToken mine;
  OpensslCa ca;
  const auto token = mine.open();
  const KeyInfo key = make_key(*token, plan_key(*token, "web", {x509::KeyType::ec, 256})).key;
  put_certificate(*token, key, ca.issue(key.spki, "web"), {});
  REQUIRE(mine.tool({"--delete-object", "--type", "pubkey", "--id", hex(key.id)}).status == 0);
  const auto signer = TokenKey::open(mine.open(), KeySelector::by_label("web"));
  CHECK(signer->info().spki == key.spki);
  CHECK_FALSE(signer->prove(random_bytes(16)).signature.empty());
}
