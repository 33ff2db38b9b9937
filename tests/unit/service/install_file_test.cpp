// What a file target may replace, and what not.
#include "base/error.h"
#include "base/file.h"
#include "service/install.h"
#include "support/temp_folder.h"
#include "x509/pem.h"

#include <sys/stat.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <string>
#include <vector>

using namespace hsmbridge;
using namespace hsmbridge::test;

namespace {

struct Fixture {
  TempFolder folder;
  std::filesystem::path path = folder / "server.pem";
  Bytes one = x509::read_certificate(read_file(HSMBRIDGE_TEST_DATA "/x509/one.pem"));
  Bytes two = x509::read_certificate(read_file(HSMBRIDGE_TEST_DATA "/x509/two.pem"));

  Bytes root = x509::read_certificate(read_file(HSMBRIDGE_TEST_DATA "/x509/root.pem"));
  std::string which = "leaf:";
  std::vector<Bytes> chain, ours, issuers;

  void put(const std::string& content) {
    write_file(path, as_bytes(content), FileMode::private_0600, Existing::replace);
  }
  void install() {
    workflow::CertificateRecord record;
    record.der = one;
    record.chain = chain;
    const auto one_of = [](const std::vector<Bytes>& all) {
      return [all](const std::string& fingerprint) {
        return std::any_of(all.begin(), all.end(),
                           [&fingerprint](const Bytes& der) { return hex(sha256(der)) == fingerprint; });
      };
    };
    service::install_file(service::install_target("file:" + which + path.string()), record,
                          {one_of(ours), one_of(issuers)});
  }
  void refused(const std::string& content) {
    put(content);
    try {
      install();
      FAIL("it was overwritten");
    } catch (const Error& error) {
      CHECK(error.kind() == ErrorKind::conflict);
    }
    CHECK(to_text(read_file(path)) == content);
  }
};

}  // namespace

TEST_CASE_METHOD(Fixture, "a file whose first certificate is this bridge's own is replaced") {
  ours = {two};
  put(x509::certificate_to_pem(two) + x509::certificate_to_pem(root));
  install();
  CHECK(to_text(read_file(path)) == x509::certificate_to_pem(one));
  put(to_text(two));
  install();
  CHECK(to_text(read_file(path)) == x509::certificate_to_pem(one));
  // For the same key: from the time before the bridge.
  ours.clear();
  put(x509::certificate_to_pem(one) + x509::certificate_to_pem(root));
  install();
  CHECK(to_text(read_file(path)) == x509::certificate_to_pem(one));
}

TEST_CASE_METHOD(Fixture, "certificates that are somebody else's are never replaced") {
  ours = {one};
  issuers = {root};
  // A list of trusted CAs, with the root of ours among them.
  refused(x509::certificate_to_pem(two) + x509::certificate_to_pem(one));
  refused(x509::certificate_to_pem(root) + x509::certificate_to_pem(two));
  which = "chain:";
  chain = {root};
  refused(x509::certificate_to_pem(root) + x509::certificate_to_pem(two));
}

TEST_CASE_METHOD(Fixture, "a file of issuers is replaced when every one of them is an issuer that is known here") {
  which = "chain:";
  chain = {root};
  issuers = {two};
  put(x509::certificate_to_pem(two) + x509::certificate_to_pem(root));
  install();
  CHECK(to_text(read_file(path)) == x509::certificate_to_pem(root));
}

TEST_CASE_METHOD(Fixture, "a file that holds anything beside certificates is never replaced") {
  refused("my notes");
  // A private key in DER and a PKCS #12 store begin as a certificate does: with a SEQUENCE of the file's whole length.
  refused(std::string("\x30\x03\x02\x01\x03", 5));
  ours = {two};
  refused(x509::certificate_to_pem(two) + x509::write_pem("DH PARAMETERS", Bytes{0x30, 0x00}));
  refused(x509::certificate_to_pem(two) + x509::write_pem("PRIVATE KEY", Bytes{0x30, 0x00}));
}

TEST_CASE_METHOD(Fixture, "a pipe in the place of the file is refused and not waited for") {
  REQUIRE(::mkfifo(path.c_str(), 0600) == 0);
  CHECK_THROWS_AS(install(), Error);
  CHECK(std::filesystem::is_fifo(path));
}
