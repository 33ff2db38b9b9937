#include "x509/objects/pem.h"

#include "base/file.h"
#include "unit/x509/error_of.h"
#include "x509/objects/certificate.h"
#include "x509/objects/csr.h"

#include <algorithm>
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

TEST_CASE("A chain is read whatever editors and scripts did to its lines") {
  const std::string one = data("one.pem");
  const std::string root = data("root.pem");
  const auto with = [](std::string text, const std::string& from, const std::string& to) {
    for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size()) {
      text.replace(at, from.size(), to);
    }
    return text;
  };
  const std::string both = one + root;
  const std::string mark = "\xEF\xBB\xBF";
  const std::string unended = one.substr(0, one.size() - 1);
  const std::string texts[] = {
      unended + root,  // END and BEGIN on one line
      unended + "  " + root,
      mark + both,
      mark + one + mark + root,  // two files with a mark, one after the other
      unended + mark + root,
      with(both, "\n", "\r\n"),
      with(both, "\n", "\r"),
      with(both, "\n", "\\n"),  // an escape of JSON that nobody undid
      with(both, "\n", "\\r\\n"),
      with(both, "\n", ""),  // all on one line
      with(both, "\n", " "),
      with(both, "\n", "\n   "),
      "\t" + both,
      with(both, "\n", " \n"),
      "# -----BEGIN CERTIFICATE-----\n# MAA=\n# -----END CERTIFICATE-----\n" + both,
  };
  const auto wanted = read_certificates(as_bytes(both));
  REQUIRE(wanted.size() == 2);
  for (const std::string& text : texts) {
    CAPTURE(text.substr(0, 60));
    CHECK(read_certificates(as_bytes(text)) == wanted);
  }
}

TEST_CASE("A message about PEM names the line") {
  const std::string one = data("one.pem");
  const auto lines = static_cast<std::size_t>(std::count(one.begin(), one.end(), '\n'));
  const std::string next = "line " + std::to_string(lines + 1) + ": ";
  const auto after = [&](const std::string& text) { return refusal([&] { read_certificates(as_bytes(one + text)); }); };
  CHECK(after("-----BEGIN CERTIFICATE-----\nMAA\n-----END CERTIFICATE-----\n") ==
        next + "PEM block CERTIFICATE: base64 needs a multiple of four characters");
  CHECK(after("-----BEGIN CERTIFICATE-----\nMAA=\n") == next + "PEM block CERTIFICATE has no END line");
  CHECK(after("-----BEGIN CERT") == next + "a PEM boundary without its closing -----");
  CHECK(after("-----BEGIN RSA PRIVATE KEY-----\nMAA=\n-----END RSA PRIVATE KEY-----\n") ==
        next + "it holds a private key (RSA PRIVATE KEY), which is not read");
  CHECK(after("cert: -----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n") ==
        next + "\"cert: \" is in front of -----BEGIN, which must begin its line");
}

TEST_CASE("Text in UTF-16 is named as that") {
  for (const bool little : {true, false}) {
    for (const bool marked : {true, false}) {
      std::string text = !marked ? "" : little ? "\xFF\xFE" : "\xFE\xFF";
      for (const char c : data("one.pem")) {
        if (!little) text.push_back('\0');
        text.push_back(c);
        if (little) text.push_back('\0');
      }
      CHECK(refusal([&] { read_certificates(as_bytes(text)); }) == "the text is UTF-16, which is not read");
    }
  }
}

TEST_CASE("Of a bundle the unusable members are named and the others count") {
  const std::string one = data("one.pem");
  const std::string root = data("root.pem");
  const auto certificate = [&](const std::string& from, const std::string& to) {
    Bytes der = read_certificate(as_bytes(one));
    const Bytes old_bytes = from_hex(from);
    const Bytes new_bytes = from_hex(to);
    const auto at = std::search(der.begin(), der.end(), old_bytes.begin(), old_bytes.end());
    REQUIRE(at != der.end());
    std::copy(new_bytes.begin(), new_bytes.end(), at);
    return certificate_to_pem(der);
  };
  // commonName becomes an attribute whose tag does not exist.
  const std::string odd = certificate("0603550403", "1f03550403");
  const auto lines = [](const std::string& text) {
    return static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
  };
  const std::string first = odd + root;
  const std::string text = first + "-----BEGIN X509 CRL-----\nMAA=\n-----END X509 CRL-----\n" + one +
                           "-----BEGIN TRUSTED CERTIFICATE-----\nMAAA\n-----END TRUSTED CERTIFICATE-----\n" +
                           "-----BEGIN CERTIFICATE-----\nM\n-----END CERTIFICATE-----\n";
  const Bundle bundle = read_bundle(as_bytes(text));
  CHECK(bundle.certificates == std::vector<Bytes>{read_certificate(as_bytes(root)), read_certificate(as_bytes(one))});
  REQUIRE(bundle.skipped.size() == 4);
  CHECK(bundle.skipped[0].find("line 1: certificate: ") == 0);
  CHECK(bundle.skipped[1] ==
        "line " + std::to_string(lines(first) + 1) + ": X509 CRL, which is not read as a certificate");
  CHECK(bundle.skipped[2].find("TRUSTED CERTIFICATE, which is not read as a certificate") != std::string::npos);
  CHECK(bundle.skipped[3].find("PEM block CERTIFICATE: base64") != std::string::npos);

  CHECK(read_bundle(read_certificate(as_bytes(root))).certificates.size() == 1);
  CHECK(refusal([&] { read_bundle(as_bytes(odd)); }).find("none of its certificates can be read: line 1: ") == 0);
  CHECK(refusal([&] { read_bundle(as_bytes("hello")); }) == "neither PEM nor DER: certificates were expected");
  CHECK(refusal([&] {
          read_bundle(as_bytes(root + "-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----\n"));
        }).find("holds a private key") != std::string::npos);
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
