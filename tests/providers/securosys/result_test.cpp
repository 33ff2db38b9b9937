#include "provider_bench.h"
#include "x509/judge/check.h"

using namespace hsmbridge;
using namespace hsmbridge::securosys;
using namespace hsmbridge::test;
using namespace hsmbridge::workflow;
using namespace std::chrono_literals;

TEST_CASE("an answer with a result is kept whole though it is not about this request") {
  for (const std::string body : {R"({"id":"other","status":"EXECUTED","result":"AAAA"})",
                                 R"({"status":"EXECUTED","result":"AAAA"})", R"({"result":"AAAA"})"}) {
    CAPTURE(body);
    TsbBench bench;
    bench.transport->then(200, body);
    const Report report = bench.provider().poll(bench.call());
    CHECK(report.status == RequestStatus::handed_out);
    REQUIRE(report.result);
    CHECK(report.result->raw == to_bytes(body));
    // No certificate is made of it: it ends with a person, the bytes at hand.
    try {
      issued_by(bench.provider(), bench.call(), *report.result);
      FAIL("it was read");
    } catch (const Error& error) {
      CHECK(error.kind() == ErrorKind::corrupt);
    }
  }
}

TEST_CASE("a result is taken with any status word and before anything else is asked") {
  TsbBench bench;
  bench.options.api_keys[Role::key_management].push_back({[] { return Secret("km"); }});
  bench.submission.provider_state.clear();
  for (const char* status : {"EXECUTED", "COMPLETED", "APPROVED", "PENDING", "FAILED"}) {
    CAPTURE(status);
    bench.transport->then(200, std::string(R"({"id":")") + kId + R"(","status":")" + status + R"(","result":"AAAA"})");
    const Report report = bench.provider().poll(bench.call());
    CHECK(report.status == RequestStatus::handed_out);
    REQUIRE(report.result);
    CHECK(report.result->octets() == from_base64("AAAA"));
  }
  CHECK(bench.transport->sent.size() == 5);
}

TEST_CASE("a result given once is kept raw when its answer cannot be read") {
  const std::string result = R"("result":"c2lnbmF0dXJl")";
  const std::string id = std::string(R"("id":")") + kId + "\"";
  const std::vector<std::string> bodies{
      "{" + id + R"(,"status":"EXECUTED","status":"EXECUTED",)" + result + "}",  // a duplicate member
      "{" + id + R"(,"status":"EXECUTED","approvedBy":[")" + "\xFF" + R"("],)" + result + "}",
      "{" + id + R"(,"status":"EXECUTED","x":)" + std::string(100, '[') + std::string(100, ']') + "," + result + "}",
      "{" + id + R"(,"status":"EXECUTED",)" + result,  // its end is missing
  };
  for (const std::string& body : bodies) {
    CAPTURE(body);
    TsbBench bench;
    bench.settings.result_once = true;
    bench.transport->then(200, body).then(200, body);
    const Report report = bench.provider().poll(bench.call());
    CHECK(report.status == RequestStatus::handed_out);
    REQUIRE(report.result);
    CHECK(report.result->raw == to_bytes(body));
    CHECK(report.result->octets().empty());
    CHECK_FALSE(report.message.empty());
    CHECK(bench.provider().retrieve(bench.call()).result == report.result);
    CHECK_THROWS_WITH(issued_by(bench.provider(), bench.call(), *report.result), Catch::Contains("what came is kept"));
    // Where a result may be asked for again, it is.
    TsbBench always;
    always.transport->then(200, body);
    CHECK_THROWS_AS(always.provider().poll(always.call()), Error);
  }
}

TEST_CASE("an answer that can hold no result is asked for again though results are given once") {
  for (const std::string body :
       {"<html>Please log in</html>", "", "{\"status\":\"PENDING\",\"status\":\"PENDING\",\"result\":null}",
        "{\"status\":\"PENDING\",\"result\":\"\"", "not JSON"}) {
    CAPTURE(body);
    TsbBench bench;
    bench.settings.result_once = true;
    bench.transport->then(200, body);
    CHECK_THROWS_AS(bench.provider().poll(bench.call()), Error);
  }
}

TEST_CASE("a result given once in an answer that is too large is told as lost at once") {
  TsbBench bench;
  bench.settings.result_once = true;
  bench.transport->then(net::OutcomeUnknown{"it was larger than 4 MiB", true}).then(net::OutcomeUnknown{"cut", false});
  const Report report = bench.provider().poll(bench.call());
  CHECK(report.status == RequestStatus::handed_out);
  CHECK_FALSE(report.result);
  CHECK(report.message.find("larger than 4 MiB") != std::string::npos);
  CHECK_THROWS_AS(bench.provider().poll(bench.call()), Error);
}

TEST_CASE("what is kept of an answer that nobody can read is bounded") {
  TsbBench bench;
  bench.settings.result_once = true;
  bench.transport->then(200, "{\"result\":\"AAAA\"," + std::string(1'000'000, 'x'));
  const Report report = bench.provider().poll(bench.call());
  REQUIRE(report.result);
  CHECK(report.result->raw.size() == 256U << 10U);
}

TEST_CASE("the signature that comes back is assembled into a certificate that answers the request") {
  const auto [ca_key, algorithm] = GENERATE(table<std::string, std::string>({{"ec:P-256", "ecdsa-sha256"},
                                                                             {"ec:P-384", "ecdsa-sha384"},
                                                                             {"rsa:2048", "rsa-sha256"},
                                                                             {"ed25519", "ed25519"}}));
  CAPTURE(ca_key);
  TsbBench bench(Mode::raw_signature, ca_key);
  bench.freeze();
  CHECK(bench.draft.algorithm == algorithm);
  const Bytes signature = bench.ca.sign(bench.draft.to_be_signed, algorithm);
  const std::string body =
      std::string(R"({"id":")") + kId + R"(","status":"EXECUTED","result":")" + base64(signature) + "\"}";
  bench.transport->then(200, body);
  const Report report = bench.provider().poll(bench.call());
  CHECK(report.status == RequestStatus::handed_out);
  REQUIRE(report.result);
  CHECK(report.result->raw == to_bytes(body));
  CHECK(std::holds_alternative<IssuedSignature>(report.result->product));

  const Issued issued = issued_by(bench.provider(), bench.call(), *report.result);
  const x509::Certificate certificate = x509::parse_certificate(issued.certificate);
  CHECK(x509::signature_verifies(certificate, bench.ca.certificate.spki()));
  CHECK(issued.chain == std::vector<Bytes>{bench.ca.certificate.der});
  x509::Expectation expected;
  expected.spki = bench.key.subject_public_key_info();
  expected.content = bench.ask.content;
  expected.anchors = {bench.ca.certificate};
  CHECK(x509::check_answer(certificate, expected, bench.clock.now()).findings.empty());
}

TEST_CASE("a result is kept though what was pinned beside it cannot be read") {
  TsbBench bench;
  bench.submission.provider_state = "{";
  const std::string head = std::string(R"({"id":")") + kId;
  bench.transport->then(200, head + R"(","status":"EXECUTED","result":"AAAA"})")
      .then(200, head + R"(","status":"PENDING"})");
  const Report report = bench.provider().poll(bench.call());
  CHECK(report.status == RequestStatus::handed_out);
  CHECK(report.result);
  CHECK_THROWS_AS(bench.provider().poll(bench.call()), Error);
}

TEST_CASE("the certificate that is renewed is not taken for the new one, though both have one key") {
  TsbBench bench(Mode::certificate);
  bench.freeze();
  const auto beginning = [&](const char* from) {
    x509::CertificateFields fields = x509::fields_for_issuer(bench.ca.certificate);
    fields.serial = x509::random_serial();
    fields.validity = {parse_rfc3339(from), parse_rfc3339("2030-01-01T00:00:00Z")};
    fields.spki = bench.key.subject_public_key_info();
    fields.content.subject = bench.ask.content.subject;
    fields.algorithm = &x509::signature_algorithm("ecdsa-sha256");
    const Bytes tbs = x509::build_tbs_certificate(fields);
    return x509::assemble(tbs, *fields.algorithm, bench.ca.sign(tbs, "ecdsa-sha256"));
  };
  const Bytes old = beginning("2026-05-01T00:00:00Z");
  const Bytes fresh = beginning("2026-06-01T00:00:00Z");
  const std::string authority = x509::certificate_to_pem(bench.ca.certificate.der);
  test::make_renewal(bench.order, {"f", old, {}, "current", {}, ""});
  const auto read = [&](const std::string& bundle) {
    return issued_by(bench.provider(), bench.call(), {IssuedCertificate{to_bytes(bundle)}, {}}).certificate;
  };
  CHECK(read(x509::certificate_to_pem(old) + authority + x509::certificate_to_pem(fresh)) == fresh);
  CHECK(read(authority + x509::certificate_to_pem(old)) == old);
}

TEST_CASE("a signature by another key makes no valid certificate") {
  TsbBench bench;
  bench.freeze();
  test::TestCa other;
  IssuedResult result{IssuedSignature{other.sign(bench.draft.to_be_signed, "ecdsa-sha256")}, {}};
  CHECK_THROWS_AS(issued_by(bench.provider(), bench.call(), result), Error);
  result.product = IssuedSignature{to_bytes("not a signature")};
  CHECK_THROWS_AS(issued_by(bench.provider(), bench.call(), result), Error);
}

TEST_CASE("a result given once that nobody kept is told truthfully") {
  TsbBench bench;
  bench.settings.result_once = true;
  bench.transport->then(200, status_body("EXECUTED")).then(200, status_body("EXECUTED"));
  // At once: no second look will bring it.
  for (const Report& report : {bench.provider().poll(bench.call()), bench.provider().retrieve(bench.call())}) {
    CHECK(report.status == RequestStatus::handed_out);
    CHECK_FALSE(report.result);
    CHECK(report.message.find("hands out no result") != std::string::npos);
  }
}

TEST_CASE("a result that is late is looked for during an hour") {
  TsbBench bench;
  test::SoftwareSigner anna("ec:P-256");
  bench.settings.policy = {{{"", 0s, 24h, {{"ops", 1, {{"anna", x509::spki_hash(anna.subject_public_key_info())}}}}}}};
  const auto look = [&] {
    bench.transport->then(200, status_body("EXECUTED"));
    const Report report = bench.provider().retrieve(bench.call());
    if (!report.provider_state.empty()) bench.submission.provider_state = report.provider_state;
    return report;
  };
  const Report first = look();
  CHECK(first.status == RequestStatus::ready);
  CHECK(first.message ==
        "executed, and its result is not there yet; it is looked for until about " + rfc3339(bench.clock.now() + 1h));
  CHECK(first.provider_status == "EXECUTED (" + first.message + ")");
  CHECK_FALSE(first.provider_state.empty());
  bench.clock.advance(59min);
  bench.made.reset();  // another process
  const Report second = look();
  CHECK(second.status == RequestStatus::ready);
  CHECK(second.message == first.message);  // nothing new is written down
  CHECK(second.provider_state.empty());
  CHECK(second.progress.quorum == "1 of 1 in group ops");
  bench.clock.advance(1min);
  const Report last = look();
  CHECK(last.status == RequestStatus::handed_out);
  CHECK_FALSE(last.result);
}
