#include "x509/pem.h"

#include "base/file.h"
#include "error_of.h"
#include "x509/certificate.h"
#include "x509/csr.h"

#include <catch2/catch.hpp>

using namespace hsmbridge;
using namespace hsmbridge::x509;
using hsmbridge::test::refusal;

namespace {

std::string data(const std::string& name) {
  return to_text(read_file(HSMBRIDGE_TEST_DATA "/x509/" + name));
}

const char* const kBlock = "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n";

}  // namespace

TEST_CASE("Our PEM is byte by byte what openssl writes") {
  const std::string pem = data("root.pem");
  CHECK(certificate_to_pem(read_certificate(as_bytes(pem))) == pem);
}

TEST_CASE("A certificate in one long line without a newline at its end is read") {
  const Bytes der = read_certificate(as_bytes(data("root.pem")));
  CHECK(read_certificate(as_bytes("-----BEGIN CERTIFICATE-----\n" + base64(der) + "\n-----END CERTIFICATE-----")) ==
        der);
  CHECK(read_certificate(
            as_bytes("-----BEGIN CERTIFICATE-----\r\n" + base64(der) + "\r\n-----END CERTIFICATE-----\r\n")) == der);
  CHECK(read_certificate(der) == der);
}

TEST_CASE("A chain is read in its order with text around the blocks") {
  const std::string chain = "subject=a\n" + data("one.pem") + "\nissuer: b\n" + data("root.pem") + "end";
  const auto found = read_certificates(as_bytes(chain));
  REQUIRE(found.size() == 2);
  CHECK(parse_certificate(found[0]).subject().to_string() == "CN=one.example.com");
  CHECK(parse_certificate(found[1]).subject().to_string() == "C=CH, O=Example, CN=Root");
  CHECK(refusal([&] { read_certificate(as_bytes(chain)); }) == "one certificate was expected, the file holds 2");
}

TEST_CASE("Both names of a certificate request are read") {
  CHECK(parse_csr(read_csr(as_bytes(data("gnutls.csr")))).content.subject.to_string() == "CN=www.example.com");
  const Bytes der = read_csr(as_bytes(data("everything.csr")));
  CHECK(read_csr(as_bytes(write_pem("NEW CERTIFICATE REQUEST", der))) == der);
}

TEST_CASE("A private key is refused before it is decoded") {
  for (const char* label : {"PRIVATE KEY", "EC PRIVATE KEY", "ENCRYPTED PRIVATE KEY"}) {
    const std::string text = std::string(kBlock) + "-----BEGIN " + label + "-----\nMAA=\n-----END " + label + "-----\n";
    CHECK(refusal([&] { read_certificates(as_bytes(text)); }).find("holds a private key") != std::string::npos);
  }
}

TEST_CASE("Broken PEM is refused with what is wrong") {
  const struct {
    const char* text;
    const char* part;
  } rows[] = {
      {"", "the file is empty"},
      {"hello", "neither PEM nor DER"},
      {"<html><body>502</body></html>", "neither PEM nor DER"},
      {"-----BEGIN CERTIFICATE-----\nMAA=\n", "has no END line"},
      {"-----BEGIN CERTIFICATE-----\nMAA=\n-----BEGIN CERTIFICATE-----\n", "has no END line"},
      {"-----BEGIN CERTIFICATE-----\nMAA=\n-----END PUBLIC KEY-----\n", "ends as PUBLIC KEY"},
      {"-----BEGIN CERTIFICATE-----\nMA*=\n-----END CERTIFICATE-----\n", "PEM block CERTIFICATE"},
      {"-----BEGIN CERTIFICATE-----\nMAA\n-----END CERTIFICATE-----\n", "PEM block CERTIFICATE"},
      {"-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n", "PEM block CERTIFICATE"},
      {"-----BEGIN CERTIFICATE-----\nMAAA\n-----END CERTIFICATE-----\n", "octets too many"},
      {"-----BEGIN CERTIFICATE-----\nProc-Type: 4\n\nMAA=\n-----END CERTIFICATE-----\n", "header lines"},
      {"-----BEGIN PUBLIC KEY-----\nMAA=\n-----END PUBLIC KEY-----\n",
       "a certificate was expected, the file holds PUBLIC KEY"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.text);
    const std::string message = refusal([&] { read_certificates(as_bytes(row.text)); });
    CAPTURE(message);
    CHECK(message.find(row.part) != std::string::npos);
  }
}
