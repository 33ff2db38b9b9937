// What a file target may replace, and what not.
#include "base/error.h"
#include "base/file.h"
#include "service/install.h"
#include "support/temp_folder.h"
#include "x509/pem.h"

#include <sys/stat.h>

#include <catch2/catch.hpp>
#include <string>

using namespace hsmbridge;
using namespace hsmbridge::test;

namespace {

struct Fixture {
  TempFolder folder;
  std::filesystem::path path = folder / "server.pem";
  Bytes one = x509::read_certificate(read_file(HSMBRIDGE_TEST_DATA "/x509/one.pem"));
  Bytes two = x509::read_certificate(read_file(HSMBRIDGE_TEST_DATA "/x509/two.pem"));

  void put(const std::string& content) {
    write_file(path, as_bytes(content), FileMode::private_0600, Existing::replace);
  }
  void install() {
    workflow::CertificateRecord record;
    record.der = one;
    service::install_file(service::install_target("file:leaf:" + path.string()), record);
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

TEST_CASE_METHOD(Fixture, "a file of certificates alone is replaced") {
  put(x509::certificate_to_pem(two) + x509::certificate_to_pem(one));
  install();
  CHECK(to_text(read_file(path)) == x509::certificate_to_pem(one));
  put(to_text(two));
  install();
  CHECK(to_text(read_file(path)) == x509::certificate_to_pem(one));
}

TEST_CASE_METHOD(Fixture, "a file that holds anything beside certificates is never replaced") {
  refused("my notes");
  // A private key in DER and a PKCS #12 store begin as a certificate does: with a SEQUENCE of the file's whole length.
  refused(std::string("\x30\x03\x02\x01\x03", 5));
  refused(x509::certificate_to_pem(two) + x509::write_pem("DH PARAMETERS", Bytes{0x30, 0x00}));
  refused(x509::certificate_to_pem(two) + x509::write_pem("PRIVATE KEY", Bytes{0x30, 0x00}));
}

TEST_CASE_METHOD(Fixture, "a pipe in the place of the file is refused and not waited for") {
  REQUIRE(::mkfifo(path.c_str(), 0600) == 0);
  CHECK_THROWS_AS(install(), Error);
  CHECK(std::filesystem::is_fifo(path));
}
