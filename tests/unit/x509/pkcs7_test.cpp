#include "x509/pkcs7.h"

#include "base/error.h"
#include "base/file.h"
#include "support/temp_folder.h"
#include "test_authority.h"
#include "x509/pem.h"

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
