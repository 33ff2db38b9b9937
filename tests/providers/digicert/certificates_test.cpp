#include "providers/digicert/certificates.h"

#include "base/error.h"
#include "base/file.h"
#include "support/temp_folder.h"
#include "unit/x509/test_authority.h"
#include "x509/objects/pem.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <deque>

using namespace hsmbridge;
using namespace hsmbridge::digicert;

namespace {

struct Chain {
  Chain() {
    x509::Content content;
    content.subject = x509::Name::parse("CN=www.example.com");
    leaf = issuing.issue(key.subject_public_key_info(), content);
  }
  test::TestAuthority root{"CN=Root"};
  test::TestAuthority issuing{"CN=Issuing", root};
  test::SoftwareSigner key{"ec:P-256"};
  x509::Certificate leaf;
  std::vector<x509::Certificate> above() const { return {issuing.certificate(), root.certificate()}; }
};

std::string pem(const x509::Certificate& certificate) {
  return x509::certificate_to_pem(certificate.der);
}

}  // namespace

TEST_CASE("certificates are found in each form the service uses") {
  const Chain chain;
  CHECK(certificates_in(pem(chain.leaf)) == std::vector<Bytes>{chain.leaf.der});
  CHECK(certificates_in(pem(chain.leaf) + pem(chain.issuing.certificate())).size() == 2);
  CHECK(certificates_in(base64(chain.leaf.der)) == std::vector<Bytes>{chain.leaf.der});
  std::string wrapped = base64(chain.leaf.der);
  wrapped.insert(64, "\r\n");
  CHECK(certificates_in(wrapped) == std::vector<Bytes>{chain.leaf.der});
}

TEST_CASE("a PKCS#7 bundle of openssl is read as PEM and as base64") {
  const Chain chain;
  const test::TempFolder folder;
  write_file(folder / "all.pem", to_bytes(pem(chain.root.certificate()) + pem(chain.leaf)), FileMode::public_0644,
             Existing::refuse);
  const std::string dir = folder.path().string();
  REQUIRE(std::system(("cd " + dir + " && openssl crl2pkcs7 -nocrl -certfile all.pem -out all.p7b && " +
                       "openssl crl2pkcs7 -nocrl -certfile all.pem -outform DER -out all.der")
                          .c_str()) == 0);
  const std::string text = hsmbridge::to_text(read_file(folder / "all.p7b"));
  CHECK(certificates_in(text).size() == 2);
  CHECK(certificates_in(base64(read_file(folder / "all.der"))).size() == 2);
}

TEST_CASE("what is no certificate is corrupt") {
  for (const std::string text :
       {"", "hello", "<html></html>", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        "-----BEGIN PKCS7-----\nAAAA\n-----END PKCS7-----\n", "-----BEGIN PKCS7-----\nAAAA"}) {
    CAPTURE(text);
    try {
      for (const Bytes& der : certificates_in(text)) x509::parse_certificate(der);
      FAIL("it was read");
    } catch (const Error& error) {
      CHECK((error.kind() == ErrorKind::corrupt || error.kind() == ErrorKind::invalid_input));
    }
  }
}

TEST_CASE("the leaf is the certificate with our key, wherever it stands") {
  const Chain chain;
  const std::vector<x509::Certificate> bundle{chain.root.certificate(), chain.leaf, chain.issuing.certificate()};
  CHECK(leaf_among(bundle, chain.key.subject_public_key_info(), "") == 1);
  const std::string serial = serial_text(chain.issuing.certificate().serial());
  CHECK(leaf_among(bundle, Bytes{}, serial) == 2);
  CHECK(leaf_among(bundle, Bytes{}, "") == 0);
}

TEST_CASE("of two certificates with our key the one with the serial number is the leaf") {
  Chain chain;
  x509::Content content;
  content.subject = x509::Name::parse("CN=www.example.com");
  const x509::Certificate newer = chain.issuing.issue(chain.key.subject_public_key_info(), content);
  const std::vector<x509::Certificate> bundle{chain.leaf, chain.root.certificate(), newer};
  CHECK(leaf_among(bundle, chain.key.subject_public_key_info(), serial_text(newer.serial())) == 2);
  CHECK(leaf_among(bundle, chain.key.subject_public_key_info(), "") == 0);
}

TEST_CASE("a chain is put in order, without duplicates, and nothing of it is lost") {
  const Chain chain;
  const test::TestAuthority stranger("CN=Stranger");
  const std::vector<x509::Certificate> pool{stranger.certificate(), chain.root.certificate(), chain.leaf,
                                            chain.issuing.certificate(), chain.root.certificate()};
  x509::SignatureBudget signatures;
  CHECK(chain_from(chain.leaf, pool, signatures).certificates ==
        std::vector<Bytes>{chain.issuing.certificate().der, chain.root.certificate().der, stranger.certificate().der});
  CHECK(chain_from(chain.leaf, pool, signatures).reaches_a_root);
  CHECK(chain_from(chain.leaf, chain.above(), signatures).reaches_a_root);
  CHECK_FALSE(chain_from(chain.leaf, {chain.issuing.certificate()}, signatures).reaches_a_root);
  CHECK_FALSE(chain_from(chain.leaf, {}, signatures).reaches_a_root);
}

TEST_CASE("an issuer of the right name and another key is not a link") {
  const Chain chain;
  test::TestAuthority impostor("CN=Issuing");
  x509::SignatureBudget signatures;
  CHECK_FALSE(chain_from(chain.leaf, {impostor.certificate(), chain.root.certificate()}, signatures).reaches_a_root);
}

TEST_CASE("of an answer full of certificates with two names only so many signatures are checked, and none is lost") {
  // Each is issued by the one before it, and of each name the right one comes last.
  std::deque<test::TestAuthority> path;
  path.emplace_back("CN=X");
  while (path.size() < 60) path.emplace_back(path.size() % 2 == 0 ? "CN=X" : "CN=Y", path.back());
  x509::Content content;
  content.subject = x509::Name::parse("CN=www.example.com");
  const test::SoftwareSigner key("ec:P-256");
  const x509::Certificate leaf = path.back().issue(key.subject_public_key_info(), content);
  std::vector<x509::Certificate> pool;
  for (const auto& one : path) pool.push_back(one.certificate());
  x509::SignatureBudget signatures;
  CHECK_FALSE(chain_from(leaf, pool, signatures).reaches_a_root);
  CHECK_FALSE(chain_from(leaf, pool, signatures).reaches_a_root);
  std::vector<Bytes> chain = chain_from(leaf, pool, signatures).certificates;
  CHECK(signatures.is_spent());
  std::vector<Bytes> given;
  for (const auto& one : pool) given.push_back(one.der);
  std::sort(chain.begin(), chain.end());
  std::sort(given.begin(), given.end());
  CHECK(chain == given);
}

TEST_CASE("an honest chain takes one signature a link") {
  const Chain chain;
  x509::SignatureBudget signatures;
  CHECK(chain_from(chain.leaf, chain.above(), signatures).reaches_a_root);
  CHECK(signatures.left() == x509::kMostSignatures - 2);
}
