#include "base/error.h"
#include "bench.h"
#include "support/orders.h"

#include <catch2/catch.hpp>

using namespace hsmbridge;
using namespace hsmbridge::digicert;
using namespace hsmbridge::workflow;
using namespace std::chrono_literals;
using test::TlmBench;
using test::TlmPending;

namespace {

std::string formats(const std::vector<x509::Certificate>& chain) {
  Json list = Json::array();
  for (const x509::Certificate& one : chain) {
    list.push(Json::object({{"common_name", "x"}, {"cert_blob", TlmBench::pem(one)}}));
  }
  return Json::object({{"x509_cert_chain", list}}).dump();
}

IssuedResult received(const std::string& body) {
  return {IssuedCertificate{{}}, to_bytes(body)};
}

}  // namespace

TEST_CASE("a chain is asked of additional-formats and put in order") {
  TlmPending bench;
  const x509::Certificate leaf = bench.issue();
  const x509::Certificate issuing = bench.issuing.certificate();
  const x509::Certificate root = bench.root.certificate();
  const std::vector<Bytes> wanted{issuing.der, root.der};
  for (const auto& order : {std::vector{leaf, issuing, root}, std::vector{root, issuing, leaf}}) {
    bench.transport->then(200, formats(order));
    const Issued issued = issued_by(bench.provider(), bench.call(), received(TlmBench::issued_body(leaf)));
    CHECK(issued.certificate == leaf.der);
    CHECK(issued.chain == wanted);
  }
  CHECK(bench.transport->lines().back() ==
        "GET /mpki/api/v1/certificate/" + TlmBench::serial(leaf) + "/additional-formats");
}

TEST_CASE("a chain in the answer is enough when it reaches a root") {
  TlmPending bench;
  const x509::Certificate leaf = bench.issue();
  const std::vector<Bytes> wanted{bench.issuing.certificate().der, bench.root.certificate().der};
  Json body = Json::parse(TlmBench::issued_body(leaf));
  body.set("ca_certs", Json::array({Json::object({{"pem", TlmBench::pem(bench.root.certificate())}}),
                                    Json::object({{"pem", TlmBench::pem(bench.issuing.certificate())}})}));
  CHECK(issued_by(bench.provider(), bench.call(), received(body.dump())).chain == wanted);
  body = Json::parse(TlmBench::issued_body(leaf));
  body.set("certificate",
           TlmBench::pem(leaf) + TlmBench::pem(bench.issuing.certificate()) + TlmBench::pem(bench.root.certificate()));
  CHECK(issued_by(bench.provider(), bench.call(), received(body.dump())).chain == wanted);
  CHECK(bench.transport->sent.empty());
}

TEST_CASE("a certificate is kept without its chain, and a busy service is waited for") {
  TlmPending bench;
  const x509::Certificate leaf = bench.issue();
  const std::string no_profile = test::tlm_error("no_access", "Not enough permissions");
  bench.transport->then(404, test::tlm_error("resource_not_found", "no")).then(403, no_profile);
  bench.transport->then(200, "[]").then(403, no_profile).then(503, "");
  CHECK(issued_by(bench.provider(), bench.call(), received(TlmBench::issued_body(leaf))).chain.empty());
  CHECK(issued_by(bench.provider(), bench.call(), received(TlmBench::issued_body(leaf))).chain.empty());
  try {
    issued_by(bench.provider(), bench.call(), received(TlmBench::issued_body(leaf)));
    FAIL("it was read");
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::unavailable);
  }
}

TEST_CASE("a missing chain is taken from the profile's issuer") {
  TlmPending bench;
  bench.submission.provider_state = to_text(Pinned{test::kTlmProfileId, "ops@example.com", ""});
  const x509::Certificate leaf = bench.issue();
  Json profile = test::tlm_profile();
  Json certificate = profile.at("certificate");
  certificate.set(
      "issuer",
      Json::object({{"certificate", TlmBench::pem(bench.issuing.certificate())},
                    {"chain", Json::array({Json::object({{"certificate", base64(bench.root.certificate().der)}})})}}));
  profile.set("certificate", certificate);
  const IssuedResult stored = received(TlmBench::issued_body(leaf));
  CHECK(bench.provider().certificate_in(bench.call(), stored).chain.empty());
  CHECK(bench.transport->sent.empty());
  bench.transport->then(404, test::tlm_error("resource_not_found", "no"));
  bench.then_profile(profile);
  const std::vector<Bytes> wanted{bench.issuing.certificate().der, bench.root.certificate().der};
  CHECK(issued_by(bench.provider(), bench.call(), stored).chain == wanted);
}

TEST_CASE("a certificate under another serial number is not taken") {
  TlmPending bench;
  Json body = Json::parse(TlmBench::issued_body(bench.issue()));
  body.set("serial_number", "0F6F");
  try {
    issued_by(bench.provider(), bench.call(), received(body.dump()));
    FAIL("it was read");
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::corrupt);
    CHECK(error.message().find("under the serial number 0F6F") != std::string::npos);
  }
}

TEST_CASE("a wrong certificate is read, because the check judges it") {
  TlmPending bench;
  test::SoftwareSigner stranger("ec:P-256");
  const x509::Certificate other = bench.issue_for(stranger.subject_public_key_info(), bench.ask.content);
  bench.transport->then(404, test::tlm_error("resource_not_found", "no"));
  CHECK(issued_by(bench.provider(), bench.call(), received(TlmBench::issued_body(other))).certificate == other.der);
}

TEST_CASE("a certificate that a person brought is read without the service's frame") {
  TlmPending bench;
  const x509::Certificate leaf = bench.issue();
  IssuedResult brought{IssuedCertificate{to_bytes(TlmBench::pem(leaf))}, to_bytes(TlmBench::pem(leaf))};
  bench.transport->then(404, test::tlm_error("resource_not_found", "no"));
  CHECK(issued_by(bench.provider(), bench.call(), brought).certificate == leaf.der);
}

TEST_CASE("the certificate that was to be replaced is not taken for its renewal") {
  TlmPending bench;
  const x509::Certificate old = bench.issue();
  test::make_renewal(bench.order, {"", old.der, {}, {}, {}, {}});
  CHECK_THROWS_WITH(issued_by(bench.provider(), bench.call(), received(TlmBench::issued_body(old))),
                    Catch::Contains("was to be replaced"));
}

TEST_CASE("a chain without an end is refused as such") {
  TlmPending bench;
  const x509::Certificate leaf = bench.issue();
  Json body = Json::parse(TlmBench::issued_body(leaf));
  Json above = Json::array();
  for (int i = 0; i < 101; ++i) above.push(TlmBench::pem(bench.root.certificate()));
  body.set("ca_certs", above);
  CHECK_THROWS_WITH(issued_by(bench.provider(), bench.call(), received(body.dump())),
                    Catch::Contains("102 certificates"));
}

TEST_CASE("garbage is corrupt") {
  TlmPending bench;
  for (const std::string body : {R"({"serial_number":"AB","certificate":"hello"})", "<html>", ""}) {
    try {
      issued_by(bench.provider(), bench.call(), received(body));
      FAIL("it was read");
    } catch (const Error& error) {
      CHECK(error.kind() == ErrorKind::corrupt);
    }
  }
}

TEST_CASE("a certificate that a person brought is read, in whatever form its file was") {
  TlmBench bench;
  bench.freeze();
  const x509::Certificate ours = bench.issue();
  for (const Bytes& file : {ours.der, to_bytes(TlmBench::pem(ours))}) {
    bench.transport->answers.clear();
    bench.transport->then(404, test::tlm_error("resource_not_found", "no"));
    bench.then_profile();
    const IssuedResult brought{IssuedCertificate{ours.der}, file};
    CHECK(issued_by(bench.provider(), bench.call(), brought).certificate == ours.der);
    bench.made.reset();
  }
}
