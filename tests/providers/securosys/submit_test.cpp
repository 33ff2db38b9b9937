#include "provider_bench.h"
#include "x509/objects/verify.h"

using namespace hsmbridge;
using namespace hsmbridge::securosys;
using namespace hsmbridge::test;
using namespace hsmbridge::workflow;
using namespace std::chrono_literals;

TEST_CASE("a submission hands its deadline to the transport") {
  TsbBench bench;
  bench.freeze();
  bench.transport->then(201, R"({"signRequestId":")" + std::string(kId) + "\"}");
  ProviderCall call = bench.call();
  call.call_until = bench.clock.since_boot() + 3s;
  REQUIRE(std::holds_alternative<Accepted>(bench.provider().submit(call)));
  CHECK(bench.transport->sent.back().call_until == call.call_until);
}

TEST_CASE("a submission carries the frozen bytes and a mark that finds it again") {
  TsbBench bench;
  bench.freeze();
  bench.transport->then(201, std::string(R"({"signRequestId":")") + kId + "\"}");
  const SubmitAnswer answer = bench.provider().submit(bench.call());
  const Report& report = std::get<Accepted>(answer).report;
  CHECK(report.status == RequestStatus::awaiting_approval);
  CHECK(report.reference == ProviderReference(kId));
  CHECK(report.progress.quorum == "quorum unknown");

  CHECK(bench.transport->lines() == std::vector<std::string>{"POST /v1/sign"});
  const Json sent = sent_json(bench, 0).at("signRequest");
  CHECK(from_base64(sent.at("payload").as_string()) == bench.draft.to_be_signed);
  CHECK(sent.at("signatureAlgorithm").as_string() == "SHA256_WITH_ECDSA");
  const auto meta = meta_data_from(from_base64(sent.at("metaData").as_string()));
  REQUIRE(meta);
  CHECK(meta->request == "0123456789ABCDEF");
  CHECK(meta->attempt == 1);
  CHECK(meta->payload_sha256 == hex(sha256(bench.draft.to_be_signed)));
  CHECK(meta->summary == "certificate for www");
}

TEST_CASE("the application key signs metaData and the request when configured") {
  TsbBench bench;
  auto application = std::make_shared<test::SoftwareSigner>("rsa:2048");
  bench.keys.application = application;
  bench.settings.request_signature = true;
  bench.freeze();
  bench.transport->then(201, std::string(R"({"signRequestId":")") + kId + "\"}");
  CHECK(std::holds_alternative<Accepted>(bench.provider().submit(bench.call())));
  const std::string& body = bench.transport->sent[0].body;
  const Json sent = Json::parse(body);
  const Json& inner = sent.at("signRequest");
  const auto& rsa = x509::signature_algorithm("rsa-sha256");
  CHECK(x509::verify(application->subject_public_key_info(), rsa, from_base64(inner.at("metaData").as_string()),
                     from_base64(inner.at("metaDataSignature").as_string())));
  // the signature covers the inner object's characters as they stand in the body
  const std::size_t begin = body.find("{\"payload\"");
  const std::size_t end = body.find(",\"requestSignature\"");
  CHECK(x509::verify(application->subject_public_key_info(), rsa, as_bytes(body.substr(begin, end - begin)),
                     from_base64(sent.at("requestSignature").at("signature").as_string())));
}

TEST_CASE("a submission whose secret cannot be read was not accepted and nothing was sent") {
  TsbBench bench;
  bench.options.api_keys[Role::key_operation].clear();
  bench.options.api_keys[Role::key_operation].push_back({[]() -> Secret { throw Error{ErrorKind::denied, "no"}; }});
  bench.freeze();
  CHECK(std::holds_alternative<NotAccepted>(bench.provider().submit(bench.call())));
  CHECK(bench.transport->sent.empty());
}

TEST_CASE("a result that comes at once in an answer that cannot be read is kept raw") {
  TsbBench bench;
  bench.freeze();
  const std::string body = R"({"signature":"c2lnbmF0dXJl","signature":"c2lnbmF0dXJl"})";
  bench.transport->then(201, body).then(201, "<html>").then(201, R"({"a":1,"a":2})");
  const SubmitAnswer answer = bench.provider().submit(bench.call());
  const Report& report = std::get<Accepted>(answer).report;
  CHECK(report.status == RequestStatus::handed_out);
  REQUIRE(report.result);
  CHECK(report.result->raw == to_bytes(body));
  CHECK(std::holds_alternative<OutcomeUnknown>(bench.provider().submit(bench.call())));
  CHECK(std::holds_alternative<OutcomeUnknown>(bench.provider().submit(bench.call())));
}

TEST_CASE("the policy is read from the key where a key-management key is given") {
  TsbBench bench;
  test::SoftwareSigner anna("ec:P-256");
  bench.options.api_keys[Role::key_management].push_back({[] { return Secret("km"); }});
  bench.freeze();
  bench.transport
      ->then(200, R"({"json":{"label":"ca-key","policy":{"ruleUse":{"tokens":[{"timelock":0,"timeout":600,"groups":[)"
                  R"({"name":"ops","quorum":1,"approvals":[{"type":"public_key","name":"anna","value":")" +
                      base64(anna.subject_public_key_info()) + R"("}]}]}]}}}})")
      .then(201, std::string(R"({"signRequestId":")") + kId + "\"}");
  const Report report = std::get<Accepted>(bench.provider().submit(bench.call())).report;
  CHECK(report.progress.quorum == "1 of 1 in group ops");
  CHECK(bench.transport->lines() == std::vector<std::string>{"POST /v1/key/attributes", "POST /v1/sign"});
}

TEST_CASE("a policy that may not be read does not stop a submission") {
  TsbBench bench;
  bench.options.api_keys[Role::key_management].push_back({[] { return Secret("km"); }});
  bench.freeze();
  bench.transport->then(tsb_refusal(500, 701)).then(201, std::string(R"({"signRequestId":")") + kId + "\"}");
  CHECK(std::get<Accepted>(bench.provider().submit(bench.call())).report.progress.quorum == "quorum unknown");
}

TEST_CASE("what a TSB is asked beside a CSR is fixed with the draft, and another one is made where it changed") {
  TsbBench bench(Mode::certificate);
  bench.settings.generation = Generation::modern;
  bench.freeze();
  const std::string drafted = R"({"url":"https://tsb.example","sign_key":"ca-key","generation":"modern"})";
  CHECK(bench.draft.provider_state == drafted);
  bench.made.reset();
  // Neither by the check nor by the submission, and nothing is sent.
  const auto outdated = [&](const std::string& now) {
    const std::string why =
        "the draft fixes what is sent beside the CSR as " + drafted + ", and now it would be " + now;
    CHECK(bench.outdated() == why);
    const SubmitAnswer answer = bench.provider().submit(bench.call());
    REQUIRE(std::holds_alternative<NotAccepted>(answer));
    CHECK(says_draft_is_outdated(std::get<NotAccepted>(answer).error));
    CHECK(std::get<NotAccepted>(answer).error.message() == why);
    CHECK(bench.transport->sent.empty());
  };
  const auto sent = [&] {
    bench.transport->then(201, std::string(R"({"signRequestId":")") + kId + "\"}");
    const SubmitAnswer answer = bench.provider().submit(bench.call());
    return std::holds_alternative<Accepted>(answer) &&
           bench.transport->lines() == std::vector<std::string>{"POST /v1/certificate/sign"};
  };
  SECTION("nothing changed") {
    CHECK(sent());
  }
  SECTION("the key") {
    bench.settings.sign_key = "ca-prod";
    outdated(R"({"url":"https://tsb.example","sign_key":"ca-prod","generation":"modern"})");
    // A draft of an earlier version fixes nothing.
    bench.draft.provider_state.clear();
    CHECK(sent());
  }
  SECTION("the algorithm") {
    bench.settings.algorithm = "ecdsa-sha384";
    outdated(R"({"url":"https://tsb.example","sign_key":"ca-key","algorithm":"ecdsa-sha384","generation":"modern"})");
  }
  SECTION("the TSB") {
    bench.settings.url = "https://another.example";
    outdated(R"({"url":"https://another.example","sign_key":"ca-key","generation":"modern"})");
  }
  SECTION("the generation") {
    bench.settings.generation = Generation::classic;
    outdated(R"({"url":"https://tsb.example","sign_key":"ca-key","generation":"classic"})");
  }
}

TEST_CASE("a certificate to be signed that was approved is not certified by its CSR in the other mode") {
  TsbBench bench;
  bench.freeze();
  bench.settings.mode = Mode::certificate;
  bench.settings.generation = Generation::modern;
  bench.made.reset();
  CHECK(bench.outdated().find("the draft is a certificate to be signed") == 0);
  const SubmitAnswer answer = bench.provider().submit(bench.call());
  REQUIRE(std::holds_alternative<NotAccepted>(answer));
  CHECK(says_draft_is_outdated(std::get<NotAccepted>(answer).error));
  CHECK(bench.transport->sent.empty());
}

TEST_CASE("a CSR that the TSB was to certify is drafted again where it is to sign a certificate now") {
  TsbBench bench(Mode::certificate);
  bench.settings.generation = Generation::modern;
  bench.freeze();
  REQUIRE(bench.draft.to_be_signed.empty());
  bench.settings.mode = Mode::raw_signature;
  bench.made.reset();
  const SubmitAnswer answer = bench.provider().submit(bench.call());
  REQUIRE(std::holds_alternative<NotAccepted>(answer));
  CHECK(says_draft_is_outdated(std::get<NotAccepted>(answer).error));
  CHECK(bench.transport->sent.empty());
  bench.attached(bench.ca.certificate);
  CHECK(bench.outdated() == "the draft holds no TBSCertificate (it was made for another mode)");

  bench.freeze();
  CHECK(bench.check().empty());
  bench.transport->then(201, R"({"signRequestId":")" + std::string(kId) + "\"}");
  CHECK(std::holds_alternative<Accepted>(bench.provider().submit(bench.call())));
  CHECK(bench.transport->lines().back() == "POST /v1/sign");
}

TEST_CASE("bytes that were frozen for one key or CA are not sent to another one") {
  TsbBench bench;
  bench.freeze();
  bench.made.reset();
  SECTION("the label of the key is another one by now") {
    bench.settings.sign_key = "other-key";
    CHECK(bench.settings.issuer);
  }
  SECTION("another TSB is configured by now") {
    bench.settings.url = "https://other.example";
    CHECK(bench.settings.issuer);
  }
  SECTION("the CA has another key by now") {
    const test::TestCa other("ec:P-256");
    write_file(*bench.settings.issuer, to_bytes(x509::certificate_to_pem(other.certificate.der)), FileMode::public_0644,
               Existing::replace);
    CHECK(bench.settings.issuer);
  }
  const SubmitAnswer answer = bench.provider().submit(bench.call());
  REQUIRE(std::holds_alternative<NotAccepted>(answer));
  INFO(std::get<NotAccepted>(answer).error.message());
  CHECK(says_draft_is_outdated(std::get<NotAccepted>(answer).error));
  CHECK(bench.transport->sent.empty());
}
