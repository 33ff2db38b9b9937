#include "x509/objects/pkcs7.h"

#include "base/error.h"
#include "base/file.h"
#include "support/temp_folder.h"
#include "unit/x509/test_authority.h"
#include "x509/objects/pem.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdlib>

using namespace hsmbridge;

TEST_CASE("a certs-only bundle of openssl gives its certificates") {
  test::TestAuthority root("CN=Root");
  test::TestAuthority issuing("CN=Issuing", root);
  const test::TempFolder folder;
  write_file(
      folder / "all.pem",
      to_bytes(x509::certificate_to_pem(issuing.certificate().der) + x509::certificate_to_pem(root.certificate().der)),
      FileMode::public_0644, Existing::refuse);
  REQUIRE(std::system(("cd " + folder.path().string() +
                       " && openssl crl2pkcs7 -nocrl -certfile all.pem -out all.p7b"
                       " && openssl crl2pkcs7 -nocrl -certfile all.pem -outform DER -out all.der"
                       " && openssl crl2pkcs7 -nocrl -outform DER -out none.der </dev/null")
                          .c_str()) == 0);
  for (const char* file : {"all.p7b", "all.der"}) {
    CAPTURE(file);
    const std::vector<Bytes> found = x509::read_pkcs7_certificates(read_file(folder / file));
    REQUIRE(found.size() == 2);
    CHECK(std::count(found.begin(), found.end(), root.certificate().der) == 1);
    CHECK(std::count(found.begin(), found.end(), issuing.certificate().der) == 1);
  }
  CHECK_THROWS_WITH(x509::read_pkcs7_certificates(read_file(folder / "none.der")), Catch::Contains("no certificate"));
  Bytes longer = read_file(folder / "all.der");
  longer.push_back(0);
  CHECK_THROWS_WITH(x509::read_pkcs7_certificates(longer), Catch::Contains("follows"));
}

TEST_CASE("what is no bundle is refused") {
  for (const std::string text :
       {"", "hello", "-----BEGIN PKCS7-----\nAAAA\n", "-----BEGIN PKCS7-----\n!\n-----END PKCS7-----"}) {
    CAPTURE(text);
    CHECK_THROWS_AS(x509::read_pkcs7_certificates(as_bytes(text)), Error);
  }
}

TEST_CASE("a bundle that we make is read by openssl and recognised as one of ours, as DER and as PEM") {
  test::TestAuthority root("CN=Root");
  test::TestAuthority issuing("CN=Issuing", root);
  const std::vector<Bytes> certificates{issuing.certificate().der, root.certificate().der};
  const Bytes bundle = x509::pkcs7_bundle(certificates);
  const std::string pem = x509::write_pem("PKCS7", bundle);
  for (const Bytes& file : {bundle, to_bytes(pem)}) {
    std::vector<Bytes> found = x509::certificates_of_bundle(file);
    CHECK(found.size() == 2);
    CHECK(found == x509::read_pkcs7_certificates(file));
  }
  std::string escaped;
  for (const char c : pem) escaped += c == '\n' ? "\\n" : std::string(1, c);
  CHECK(x509::read_pkcs7_certificates(as_bytes(escaped)) == x509::read_pkcs7_certificates(bundle));
  for (const Bytes& file : {bundle, to_bytes(pem)}) {
    std::vector<Bytes> found = x509::certificates_of_bundle(file);
    CHECK(std::is_permutation(found.begin(), found.end(), certificates.begin()));
  }
  const test::TempFolder folder;
  write_file(folder / "ours.p7b", to_bytes(pem), FileMode::public_0644, Existing::refuse);
  CHECK(std::system(
            ("openssl pkcs7 -in " + (folder / "ours.p7b").string() + " -print_certs -noout >/dev/null").c_str()) == 0);
}

TEST_CASE("what is more than a bundle, or signed, is not taken for one of ours") {
  test::TestAuthority root("CN=Root");
  const std::string pem = x509::write_pem("PKCS7", x509::pkcs7_bundle({root.certificate().der}));
  CHECK(x509::certificates_of_bundle(as_bytes(pem + pem)).empty());
  CHECK(x509::certificates_of_bundle(as_bytes(pem + x509::certificate_to_pem(root.certificate().der))).empty());
  CHECK(x509::certificates_of_bundle(as_bytes("hello")).empty());
  const test::TempFolder folder;
  const std::string dir = folder.path().string();
  REQUIRE(
      std::system(("cd " + dir +
                   " && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout k.pem -out c.pem"
                   " -subj /CN=signer -days 2 2>/dev/null"
                   " && echo text | openssl smime -sign -signer c.pem -inkey k.pem -outform DER -out signed.der")
                      .c_str()) == 0);
  const Bytes signed_data = read_file(folder / "signed.der");
  CHECK(x509::certificates_of_bundle(signed_data).empty());
  CHECK(x509::read_pkcs7_certificates(signed_data).size() == 1);
}

TEST_CASE("a bundle of something that is no certificate is not made") {
  CHECK_THROWS_AS(x509::pkcs7_bundle({Bytes{1, 2, 3}}), Error);
}
