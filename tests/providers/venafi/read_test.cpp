#include "provider_bench.h"
#include "providers/venafi/progress.h"

using namespace hsmbridge;
using namespace hsmbridge::venafi;
using namespace hsmbridge::workflow;
using test::error_of;
using test::ProviderBench;
using test::says;

TEST_CASE("the leaf is found in a bundle of any order by our key") {
  ProviderBench bench;
  test::TestCa ca;
  const Bytes leaf = bench.certificate(ca, bench.key.subject_public_key_info());
  const std::string authority = x509::certificate_to_pem(ca.certificate.der);
  for (const std::string& bundle :
       {x509::certificate_to_pem(leaf) + authority, authority + x509::certificate_to_pem(leaf)}) {
    const Issued issued = issued_by(bench.provider(), bench.call(), {IssuedCertificate{to_bytes(bundle)}, {}});
    CHECK(issued.certificate == leaf);
    CHECK(issued.chain == std::vector<Bytes>{ca.certificate.der});
  }
  // With another key: still a leaf, which the check of the certificate then refuses.
  const Bytes other = bench.certificate(ca, test::SoftwareSigner("ec:P-256").subject_public_key_info());
  const Issued wrong = issued_by(bench.provider(), bench.call(),
                                 {IssuedCertificate{to_bytes(authority + x509::certificate_to_pem(other))}, {}});
  CHECK(wrong.certificate == other);
  CHECK(error_of([&] {
          issued_by(bench.provider(), bench.call(), {IssuedCertificate{to_bytes("-----BEGIN CERTIFICATE-----")}, {}});
        }).kind() == ErrorKind::corrupt);
}

TEST_CASE("the certificate that is renewed is not taken for the new one, though both have one key") {
  ProviderBench bench;
  test::TestCa ca;
  const Bytes leaf = bench.certificate(ca, bench.key.subject_public_key_info());
  bench.replaces("");
  const std::string renewed = x509::certificate_to_pem(test::predecessor_in(bench.order).der);
  const auto read = [&](const std::string& bundle) {
    return issued_by(bench.provider(), bench.call(), {IssuedCertificate{to_bytes(bundle)}, {}}).certificate;
  };
  CHECK(read(renewed + x509::certificate_to_pem(leaf)) == leaf);
  CHECK(read(x509::certificate_to_pem(leaf) + renewed) == leaf);
  // Alone it is what came, and the check of the certificate says so; beside one that cannot be read it is not.
  CHECK(read(x509::certificate_to_pem(ca.certificate.der) + renewed) == test::predecessor_in(bench.order).der);
  const std::string unreadable = "-----BEGIN CERTIFICATE-----\nMAMCAQA=\n-----END CERTIFICATE-----\n";
  CHECK(error_of([&] { read(renewed + unreadable); }).kind() == ErrorKind::corrupt);
}

TEST_CASE("a chain that did not come is fetched by the ids that the request told") {
  ProviderBench bench;
  test::TestCa ca;
  const Bytes leaf = bench.certificate(ca, bench.key.subject_public_key_info());
  const IssuedResult result{IssuedCertificate{to_bytes(x509::certificate_to_pem(leaf))}, {}};
  bench.submission.provider_state = to_text(State{test::kRequestId, {test::kCertificateId, "i", "r"}, "a", "t", {}});
  bench.transport->then(200, x509::certificate_to_pem(ca.certificate.der), "text/plain");
  bench.transport->then(404, test::errors_answer(10051, "x"));
  CHECK(issued_by(bench.provider(), bench.call(), result).chain == std::vector<Bytes>{ca.certificate.der});
  CHECK(bench.transport->lines().front() ==
        "GET /outagedetection/v1/certificates/i/contents?chainOrder=EE_ONLY&format=PEM");
  bench.transport->then(503, "");
  CHECK(error_of([&] { issued_by(bench.provider(), bench.call(), result); }).kind() == ErrorKind::unavailable);
}

TEST_CASE("an answer with more certificates than any chain has is not read through") {
  ProviderBench bench;
  test::TestCa ca;
  const std::string one = x509::certificate_to_pem(ca.certificate.der);
  std::string many;
  for (int i = 0; i < 101; ++i) many += one;
  const IssuedResult result{IssuedCertificate{to_bytes(many)}, to_bytes(many)};
  const Error error = error_of([&] { issued_by(bench.provider(), bench.call(), result); });
  CHECK(error.kind() == ErrorKind::corrupt);
  CHECK(error.message().find("101 certificates") != std::string::npos);
}
