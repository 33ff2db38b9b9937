#include "providers/securosys/provider.h"

#include "approval_sample.h"
#include "base/error.h"
#include "base/file.h"
#include "providers/securosys/signing.h"
#include "support/fake_clock.h"
#include "support/fake_transport.h"
#include "support/orders.h"
#include "support/temp_folder.h"
#include "test_ca.h"
#include "tsb_answers.h"
#include "x509/judge/check.h"
#include "x509/objects/pem.h"
#include "x509/objects/verify.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <sstream>
#include <thread>

using namespace hsmbridge;
using namespace hsmbridge::securosys;
using namespace hsmbridge::workflow;
using namespace std::chrono_literals;
using test::FakeTransport;
using test::tsb_refusal;

namespace {

const char* const kId = "4e8731d8-0ae6-4444-8a8c-b73ab5f0ba18";

struct Bench {
  explicit Bench(Mode mode = Mode::raw_signature, const std::string& ca_key = "ec:P-256") : ca(ca_key) {
    settings.name = "tsb";
    settings.url = "https://tsb.example";
    settings.sign_key = "ca-key";
    settings.mode = mode;
    settings.issuer = folder / "issuer.pem";
    write_file(*settings.issuer, to_bytes(x509::certificate_to_pem(ca.certificate.der)), FileMode::public_0644,
               Existing::refuse);
    order.id = RequestId("0123456789ABCDEF");
    order.provider = "tsb";
    ask = test::server_ask();
    submission.reference = ProviderReference(kId);
    submission.submitted_at = clock.now();
    options.api_keys[Role::key_operation].push_back({[] { return Secret("ko"); }});
  }

  SecurosysProvider& provider() {
    if (!made) {
      auto client = std::make_shared<Client>(transport, options, clock);
      made = std::make_unique<SecurosysProvider>(settings, client, keys, clock);
    }
    return *made;
  }
  void freeze() {
    test::wanted(order).content = ask;
    draft.csr = test::csr_for(key, ask);
    ProviderDraft made_draft = provider().draft(order, draft.csr, clock.now());
    draft.to_be_signed = made_draft.to_be_signed;
    draft.algorithm = made_draft.algorithm;
    draft.issuer = made_draft.issuer;
    draft.summary = "certificate for www";
    draft.built_at = clock.now();
  }
  // The certificate that is attached to the signing key at the TSB.
  void attached(const x509::Certificate& certificate) {
    transport->then(
        200, Json::object({{"label", "ca-key"}, {"certificate", x509::certificate_to_pem(certificate.der)}}).dump());
  }
  std::vector<std::string> check() { return provider().check(call()); }
  static std::string not_waiting(const std::vector<std::string>& reasons) {
    return "nothing is waited for, and it is refused for " + std::to_string(reasons.size()) + " reasons";
  }
  // What the check says that the request waits for.
  std::vector<std::string> waits_for() {
    try {
      const std::vector<std::string> reasons = check();
      return {not_waiting(reasons)};
    } catch (const Error& error) {
      CHECK(error.kind() == ErrorKind::unavailable);
      // What is waited for may be a file, which a daemon reads once; or a date, which comes.
      CHECK((error.hint().find("kill -HUP") != std::string::npos) == error.detail("until").empty());
      CHECK(!error.hint().empty());
      std::vector<std::string> lines;
      std::istringstream text(error.message());
      for (std::string line; std::getline(text, line);) {
        if (line.starts_with("  - ")) lines.push_back(line.substr(4));
      }
      return lines;
    }
  }
  // Why the check wants another draft; "" when it does not.
  std::string outdated() {
    try {
      return not_waiting(check());
    } catch (const Error& error) {
      return says_draft_is_outdated(error) ? error.message() : "not that: " + error.message();
    }
  }
  ProviderCall call() { return {order, token_key, draft, 1, &submission, clock.now(), 10s}; }

  test::TempFolder folder;
  test::FakeClock clock{parse_rfc3339("2026-06-01T12:00:00.250Z")};
  test::TestCa ca;
  test::SoftwareSigner key{"ec:P-256"};
  std::shared_ptr<FakeTransport> transport = std::make_shared<FakeTransport>();
  Settings settings;
  ClientOptions options;
  Keys keys;
  x509::RequestedContent ask;
  Order order;
  Key token_key{"pkcs11:x", "web", "00", {}, true};
  Draft draft;
  Submission submission;
  std::unique_ptr<SecurosysProvider> made;
};

Json sent_json(const Bench& bench, std::size_t call) {
  return Json::parse(bench.transport->sent.at(call).body);
}

std::string status_body(const std::string& status, const std::string& more = "") {
  return std::string(R"({"id":")") + kId + R"(","status":")" + status +
         R"(","executionTime":null,"approvedBy":[],"notYetApprovedBy":[],"rejectedBy":[],"result":null)" + more + "}";
}

approval::Policy two_of_three(const Bytes& anna, const Bytes& ben, const Bytes& cleo) {
  return {{{"",
            0s,
            24h,
            {{"ops",
              2,
              {{"anna", x509::spki_hash(anna)}, {"ben", x509::spki_hash(ben)}, {"cleo", x509::spki_hash(cleo)}}}}}}};
}

// Another certificate of the same CA key and name; with another key identifier, as another program computes it.
x509::Certificate renewed(test::TestCa& ca, std::string_view until, const Bytes& key_identifier = {}) {
  const auto& algorithm = x509::default_algorithm(ca.signer.spec());
  x509::CertificateFields fields = x509::fields_for_issuer(ca.certificate);
  fields.serial = x509::random_serial();
  fields.validity = {ca.certificate.tbs.validity.not_before, parse_rfc3339(std::string(until))};
  fields.spki = ca.signer.subject_public_key_info();
  fields.content = ca.certificate.content();
  fields.algorithm = &algorithm;
  Bytes tbs = x509::build_tbs_certificate(fields);
  const Bytes usual = *ca.certificate.content().subject_key_identifier;
  std::copy(key_identifier.begin(), key_identifier.end(),
            std::search(tbs.begin(), tbs.end(), usual.begin(), usual.end()));
  return x509::parse_certificate(x509::assemble(tbs, algorithm, ca.signer.sign(tbs, algorithm)));
}

}  // namespace

TEST_CASE("the draft says what the request asks and what the issuer is") {
  Bench bench;
  bench.freeze();
  const x509::TbsCertificate tbs = x509::parse_tbs_certificate(bench.draft.to_be_signed);
  CHECK(tbs.issuer == bench.ca.certificate.subject());
  CHECK(tbs.authority_key_identifier == bench.ca.certificate.content().subject_key_identifier);
  CHECK(tbs.spki == bench.key.subject_public_key_info());
  CHECK(tbs.validity.not_before == parse_rfc3339("2026-06-01T12:00:00Z"));
  CHECK(tbs.validity.not_after == parse_rfc3339("2026-07-01T12:00:00Z"));
  CHECK(tbs.content.subject == bench.ask.content.subject);
  CHECK(tbs.content.subject_alternative_names == bench.ask.content.subject_alternative_names);
  CHECK(tbs.content.key_usage == bench.ask.content.key_usage);
  CHECK(tbs.serial.size() <= 20);
  CHECK(x509::serial_sign(tbs.serial) == x509::SerialSign::positive);
  CHECK(bench.draft.algorithm == "ecdsa-sha256");
  bench.attached(bench.ca.certificate);
  CHECK(bench.check().empty());
}

TEST_CASE("a request that is not what the order asks is not drafted") {
  Bench bench;
  bench.freeze();
  x509::RequestedContent other = bench.ask;
  other.content.subject_alternative_names.push_back(x509::GeneralName::parse("dns:evil.example"));
  const Bytes csr = test::csr_for(bench.key, other);
  CHECK_THROWS_WITH(bench.provider().draft(bench.order, csr, bench.clock.now()),
                    Catch::Contains("is not what the order asks for"));
}

TEST_CASE("a revocation is not drafted") {
  Bench bench;
  test::make_revocation(bench.order, {}, "superseded");
  CHECK_THROWS_AS(bench.provider().draft(bench.order, {}, bench.clock.now()), Error);
}

TEST_CASE("a draft never begins before its issuer and always names its key") {
  Bench bench;
  bench.settings.backdate = 24h * 365 * 20;
  bench.ask.validity = 24h * 300;
  x509::Certificate without = bench.ca.certificate;
  bench.freeze();
  const x509::TbsCertificate clamped = x509::parse_tbs_certificate(bench.draft.to_be_signed);
  CHECK(clamped.validity.not_before == bench.ca.certificate.tbs.validity.not_before);
  without.tbs.content.subject_key_identifier.reset();
  const ProviderDraft drafted = raw_draft(bench.settings, without, bench.order, bench.draft.csr, bench.clock.now());
  const auto identifier = x509::parse_tbs_certificate(drafted.to_be_signed).authority_key_identifier;
  REQUIRE(identifier);
  CHECK(identifier->size() == 20);
}

TEST_CASE("a draft waits for the first day of its issuer and is not made before") {
  Bench bench;
  bench.clock.set_wall(bench.ca.certificate.tbs.validity.not_before - 36h);
  const std::string begin = rfc3339(bench.ca.certificate.tbs.validity.not_before);
  try {
    bench.freeze();
    FAIL("a draft was made below an issuer that is not valid yet");
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::unavailable);
    CHECK(error.detail("until") == begin);
    CHECK(error.message() ==
          "provider tsb cannot issue now:\n  - the issuer \"C=CH, O=Example, CN=Test CA\" is not valid before " +
              begin + "; if that is past, this machine's clock is slow");
  }
  bench.clock.advance(36h);
  bench.freeze();
  bench.attached(bench.ca.certificate);
  CHECK(bench.check().empty());
  // The clock is set back after the draft was made.
  bench.clock.set_wall(bench.ca.certificate.tbs.validity.not_before - 1h);
  CHECK(bench.waits_for().size() == 1);
}

TEST_CASE("nothing is drafted below an issuer that has ended") {
  Bench bench;
  bench.freeze();
  const x509::Certificate ended = renewed(bench.ca, "2026-05-01T00:00:00Z");
  write_file(*bench.settings.issuer, to_bytes(x509::certificate_to_pem(ended.der)), FileMode::public_0644,
             Existing::replace);
  bench.made.reset();
  bench.draft = {};
  CHECK_THROWS_WITH(bench.freeze(), Catch::Contains("ended 2026-05-01T00:00:00Z"));
}

TEST_CASE("what cannot verify up to the profile's anchors is told before anybody approves") {
  Bench bench;
  bench.freeze();
  test::TestCa stranger("ec:P-256", "CN=Another Root");
  std::vector<Bytes> anchors{stranger.certificate.der};
  auto client = std::make_shared<Client>(bench.transport, bench.options, bench.clock);
  bench.made = std::make_unique<SecurosysProvider>(bench.settings, client, bench.keys, bench.clock, config::Prompter{},
                                                   [&](const Order&) { return anchors; });
  bench.attached(bench.ca.certificate);
  CHECK(bench.waits_for() ==
        std::vector<std::string>{"the path from the issuer ends at \"C=CH, O=Example, CN=Test CA\", which is not among "
                                 "the trust anchors"});
  anchors = {bench.ca.certificate.der};
  CHECK(bench.check().empty());
  anchors = {};
  bench.order.profile = "server";
  CHECK(bench.waits_for() ==
        std::vector<std::string>{"profile server names no anchors: no certificate could be trusted"});
}

TEST_CASE("a draft can be looked at before there is a key, and is not sent with a request nobody signed") {
  Bench bench;
  bench.freeze();
  // As `enroll --check --new-key` makes it: everything but the signature.
  x509::Csr csr = x509::parse_csr(bench.draft.csr);
  bench.draft.csr = x509::assemble(csr.parts.to_be_signed, x509::signature_algorithm("ecdsa-sha256"), Bytes(64, 0));
  const ProviderDraft drafted = bench.provider().draft(bench.order, bench.draft.csr, bench.clock.now());
  bench.draft.to_be_signed = drafted.to_be_signed;
  bench.attached(bench.ca.certificate);
  CHECK(bench.check().empty());
  bench.token_key.spki = x509::spki_hash(bench.key.subject_public_key_info());
  CHECK(bench.check() == std::vector<std::string>{"the certificate request is not signed by its own key"});
}

TEST_CASE("an Ed25519 application key cannot sign requests at the TSB") {
  Bench bench;
  bench.keys.application = std::make_shared<test::SoftwareSigner>("ed25519");
  bench.settings.request_signature = true;
  bench.freeze();
  bench.attached(bench.ca.certificate);
  const std::vector<std::string> reasons = bench.waits_for();
  REQUIRE(reasons.size() == 1);
  CHECK(reasons[0].find("is an Ed25519 key, and a request signature at the TSB names one of the SHA-2 or SHA-3") !=
        std::string::npos);
}

TEST_CASE("the issuer at the TSB is the configured one whatever its string types, and not in another order") {
  Bench bench;
  bench.freeze();
  // The same name with a PrintableString where the configured certificate has a UTF8String.
  x509::CertificateFields fields;
  fields.serial = x509::random_serial();
  const Bytes name = [] {
    Bytes der = x509::Name::parse("C=CH, O=Example, CN=Test CA").der();
    for (std::uint8_t& octet : der) {
      if (octet == 0x0C) octet = 0x13;
    }
    return der;
  }();
  fields.issuer = x509::Name::from_der(name);
  fields.validity = bench.ca.certificate.tbs.validity;
  fields.spki = bench.ca.signer.subject_public_key_info();
  fields.content = bench.ca.certificate.content();
  fields.content.subject = fields.issuer;
  fields.algorithm = &x509::signature_algorithm("ecdsa-sha256");
  const auto issue = [&] {
    const Bytes tbs = x509::build_tbs_certificate(fields);
    return x509::parse_certificate(x509::assemble(tbs, *fields.algorithm, bench.ca.sign(tbs, "ecdsa-sha256")));
  };
  bench.attached(issue());
  CHECK(bench.check().empty());

  Bench other;
  other.freeze();
  fields.spki = other.ca.signer.subject_public_key_info();
  fields.content.subject = x509::Name::parse("CN=Test CA, O=Example, C=CH");
  other.attached(issue());
  const std::vector<std::string> reasons = other.waits_for();
  REQUIRE(reasons.size() == 1);
  CHECK(reasons[0].find("(the same fields in another order, which is another name)") != std::string::npos);
}

TEST_CASE("each fault of a draft is named at once") {
  Bench bench;
  bench.ask.validity = std::chrono::hours{24 * 365 * 20};
  bench.freeze();
  bench.attached(bench.ca.certificate);
  CHECK(bench.provider().check(bench.call()) ==
        std::vector<std::string>{"it would end 2046-05-27T12:00:00Z, after its issuer (2036-01-01T00:00:00Z)"});

  test::TestCa leaf("ec:P-256", "CN=No CA", "CA:FALSE");
  write_file(*bench.settings.issuer, to_bytes(x509::certificate_to_pem(leaf.certificate.der)), FileMode::public_0644,
             Existing::replace);
  bench.made.reset();
  bench.attached(leaf.certificate);
  // What another draft would mend is not the request's fault.
  CHECK(bench.provider().check(bench.call()).size() == 1);
}

TEST_CASE("a submission hands its deadline to the transport") {
  Bench bench;
  bench.freeze();
  bench.transport->then(201, R"({"signRequestId":")" + std::string(kId) + "\"}");
  ProviderCall call = bench.call();
  call.call_until = bench.clock.since_boot() + 3s;
  REQUIRE(std::holds_alternative<Accepted>(bench.provider().submit(call)));
  CHECK(bench.transport->sent.back().call_until == call.call_until);
}

TEST_CASE("a draft that waited for half of its life is built again and never sent") {
  Bench bench;
  bench.settings.backdate = 24h * 30;
  bench.ask.validity = 24h * 40;
  bench.freeze();
  // Three quarters of its life are before the draft: they do not count, or no draft would ever do.
  bench.attached(bench.ca.certificate);
  CHECK(bench.check().empty());
  bench.clock.advance(24h * 5 - 1s);
  bench.attached(bench.ca.certificate);
  CHECK(bench.check().empty());

  const auto not_sent = [&] {
    const std::size_t before = bench.transport->sent.size();
    const SubmitAnswer answer = bench.provider().submit(bench.call());
    CHECK(bench.transport->sent.size() == before);
    const auto* again = std::get_if<NotAccepted>(&answer);
    return again != nullptr && says_draft_is_outdated(again->error) ? again->error.message() : "not that";
  };
  bench.clock.advance(2s);
  std::string why = bench.outdated();
  CHECK(why ==
        "the draft has waited since 2026-06-01T12:00:00Z, and more than half of the time until its certificate ends "
        "(2026-06-11T12:00:00Z) is over");
  CHECK(not_sent() == why);
  bench.clock.advance(24h * 5);
  bench.attached(bench.ca.certificate);
  why = bench.outdated();
  CHECK(why == "the certificate in the draft ended 2026-06-11T12:00:00Z: nobody could use it");
  CHECK(not_sent() == why);

  bench.freeze();
  CHECK(bench.check().empty());
  bench.transport->then(201, R"({"signRequestId":")" + std::string(kId) + "\"}");
  CHECK(std::holds_alternative<Accepted>(bench.provider().submit(bench.call())));
}

TEST_CASE("no draft is made whose certificate has ended already") {
  Bench bench;
  bench.settings.backdate = 24h;
  bench.ask.validity = 24h;
  CHECK_THROWS_WITH(bench.freeze(), Catch::Contains("the certificate would have ended already"));
  bench.ask.validity = 25h;
  CHECK_NOTHROW(bench.freeze());
}

TEST_CASE("a submission carries the frozen bytes and a mark that finds it again") {
  Bench bench;
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
  Bench bench;
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
  Bench bench;
  bench.options.api_keys[Role::key_operation].clear();
  bench.options.api_keys[Role::key_operation].push_back({[]() -> Secret { throw Error{ErrorKind::denied, "no"}; }});
  bench.freeze();
  CHECK(std::holds_alternative<NotAccepted>(bench.provider().submit(bench.call())));
  CHECK(bench.transport->sent.empty());
}

TEST_CASE("every status has its standing") {
  const std::vector<std::pair<std::string, RequestStatus>> rows{
      {"PENDING", RequestStatus::awaiting_approval},
      {"APPROVED", RequestStatus::awaiting_issuance},
      {"EXECUTED", RequestStatus::ready},
      {"FAILED", RequestStatus::failed},
      {"EXPIRED", RequestStatus::expired},
      {"REJECTED", RequestStatus::rejected},
      {"CANCELLED", RequestStatus::cancelled},
      {"PARKED", RequestStatus::unrecognised},
  };
  for (const auto& [status, standing] : rows) {
    CAPTURE(status);
    Bench bench;
    bench.transport->then(200, status_body(status));
    const Report report = bench.provider().poll(bench.call());
    CHECK(report.status == standing);
    CHECK(report.provider_status == status);
    CHECK_FALSE(report.result);
  }
}

TEST_CASE("a request that vanished is gone and an answer about another one is corrupt") {
  Bench bench;
  bench.transport->then(tsb_refusal(404, 651));
  CHECK(bench.provider().poll(bench.call()).status == RequestStatus::gone);
  bench.transport->then(200, R"({"id":"other","status":"PENDING"})");
  CHECK_THROWS_AS(bench.provider().poll(bench.call()), Error);
}

TEST_CASE("an answer with a result is kept whole though it is not about this request") {
  for (const std::string body : {R"({"id":"other","status":"EXECUTED","result":"AAAA"})",
                                 R"({"status":"EXECUTED","result":"AAAA"})", R"({"result":"AAAA"})"}) {
    CAPTURE(body);
    Bench bench;
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
  Bench bench;
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
    Bench bench;
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
    Bench always;
    always.transport->then(200, body);
    CHECK_THROWS_AS(always.provider().poll(always.call()), Error);
  }
}

TEST_CASE("an answer that can hold no result is asked for again though results are given once") {
  for (const std::string body :
       {"<html>Please log in</html>", "", "{\"status\":\"PENDING\",\"status\":\"PENDING\",\"result\":null}",
        "{\"status\":\"PENDING\",\"result\":\"\"", "not JSON"}) {
    CAPTURE(body);
    Bench bench;
    bench.settings.result_once = true;
    bench.transport->then(200, body);
    CHECK_THROWS_AS(bench.provider().poll(bench.call()), Error);
  }
}

TEST_CASE("a result given once in an answer that is too large is told as lost at once") {
  Bench bench;
  bench.settings.result_once = true;
  bench.transport->then(net::OutcomeUnknown{"it was larger than 4 MiB", true}).then(net::OutcomeUnknown{"cut", false});
  const Report report = bench.provider().poll(bench.call());
  CHECK(report.status == RequestStatus::handed_out);
  CHECK_FALSE(report.result);
  CHECK(report.message.find("larger than 4 MiB") != std::string::npos);
  CHECK_THROWS_AS(bench.provider().poll(bench.call()), Error);
}

TEST_CASE("what is kept of an answer that nobody can read is bounded") {
  Bench bench;
  bench.settings.result_once = true;
  bench.transport->then(200, "{\"result\":\"AAAA\"," + std::string(1'000'000, 'x'));
  const Report report = bench.provider().poll(bench.call());
  REQUIRE(report.result);
  CHECK(report.result->raw.size() == 256U << 10U);
}

TEST_CASE("a result that comes at once in an answer that cannot be read is kept raw") {
  Bench bench;
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

TEST_CASE("a reference typed in capitals is the same request") {
  Bench bench;
  bench.submission.reference = ProviderReference("4E8731D8-0AE6-4444-8A8C-B73AB5F0BA18");
  bench.transport->then(200, status_body("PENDING"));
  CHECK(bench.provider().poll(bench.call()).status == RequestStatus::awaiting_approval);
}

TEST_CASE("a newer server whose version may not be asked says what to configure") {
  Bench bench(Mode::certificate);
  bench.freeze();
  bench.attached(bench.ca.certificate);
  bench.transport->then(tsb_refusal(400, 416));
  try {
    bench.provider().check(bench.call());
    FAIL("it was checked");
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::denied);
    CHECK(error.hint().find("generation: classic") != std::string::npos);
  }
}

TEST_CASE("progress is told with names against the pinned policy") {
  Bench bench;
  test::SoftwareSigner anna("ec:P-256"), ben("ec:P-256"), cleo("ed25519"), stranger("ec:P-256");
  const auto spki = [](test::SoftwareSigner& signer) { return signer.subject_public_key_info(); };
  bench.settings.policy = two_of_three(spki(anna), spki(ben), spki(cleo));
  bench.freeze();
  bench.transport->then(201, std::string(R"({"signRequestId":")") + kId + "\"}");
  const Report first = std::get<Accepted>(bench.provider().submit(bench.call())).report;
  REQUIRE(first.progress.approvers.size() == 3);
  CHECK(first.progress.about_until == bench.clock.now() + 24h);
  bench.submission.provider_state = first.provider_state;

  // The policy of the configuration changes; the pinned one counts.
  bench.settings.policy.reset();
  bench.made.reset();
  bench.transport->then(200, std::string(R"({"id":")") + kId + R"(","status":"PENDING","approvedBy":[")" +
                                 base64(spki(ben)) + R"("],"notYetApprovedBy":[")" + base64(spki(cleo)) + R"(",")" +
                                 base64(spki(stranger)) + R"("],"rejectedBy":[")" + base64(spki(anna)) + R"("]})");
  const Progress now = bench.provider().poll(bench.call()).progress;
  CHECK(now.quorum == "2 of 3 in group ops");
  CHECK(now.note == "group ops: 1 of 2 approvals given");
  REQUIRE(now.approvers.size() == 4);
  CHECK(now.approvers[0] == Approver{"anna", x509::spki_hash(spki(anna)).str(), "ops", Approver::Decision::rejected});
  CHECK(now.approvers[1] == Approver{"ben", x509::spki_hash(spki(ben)).str(), "ops", Approver::Decision::approved});
  CHECK(now.approvers[2] == Approver{"cleo", x509::spki_hash(spki(cleo)).str(), "ops", Approver::Decision::pending});
  CHECK(now.approvers[3] == Approver{"", x509::spki_hash(spki(stranger)).str(), "", Approver::Decision::pending});
}

TEST_CASE("who rejected is named") {
  Bench bench;
  test::SoftwareSigner anna("ec:P-256");
  bench.settings.names[x509::spki_hash(anna.subject_public_key_info())] = "anna";
  bench.transport->then(200, std::string(R"({"id":")") + kId + R"(","status":"REJECTED","rejectedBy":[")" +
                                 base64(anna.subject_public_key_info()) + R"("]})");
  const Report report = bench.provider().poll(bench.call());
  CHECK(report.by == "anna");
  CHECK(report.status == RequestStatus::rejected);
}

TEST_CASE("a list entry that is no key is kept as one without") {
  Bench bench;
  bench.transport->then(200, std::string(R"({"id":")") + kId + R"(","status":"PENDING","approvedBy":["???"]})");
  const Progress progress = bench.provider().poll(bench.call()).progress;
  REQUIRE(progress.approvers.size() == 1);
  CHECK(progress.approvers[0] == Approver{"(unreadable key)", "", "", Approver::Decision::approved});
}

TEST_CASE("the policy is read from the key where a key-management key is given") {
  Bench bench;
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
  Bench bench;
  bench.options.api_keys[Role::key_management].push_back({[] { return Secret("km"); }});
  bench.freeze();
  bench.transport->then(tsb_refusal(500, 701)).then(201, std::string(R"({"signRequestId":")") + kId + "\"}");
  CHECK(std::get<Accepted>(bench.provider().submit(bench.call())).report.progress.quorum == "quorum unknown");
}

TEST_CASE("the signature that comes back is assembled into a certificate that answers the request") {
  const auto [ca_key, algorithm] = GENERATE(table<std::string, std::string>({{"ec:P-256", "ecdsa-sha256"},
                                                                             {"ec:P-384", "ecdsa-sha384"},
                                                                             {"rsa:2048", "rsa-sha256"},
                                                                             {"ed25519", "ed25519"}}));
  CAPTURE(ca_key);
  Bench bench(Mode::raw_signature, ca_key);
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
  Bench bench;
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
  Bench bench(Mode::certificate);
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

TEST_CASE("a signature by another key is no certificate") {
  Bench bench;
  bench.freeze();
  test::TestCa other;
  IssuedResult result{IssuedSignature{other.sign(bench.draft.to_be_signed, "ecdsa-sha256")}, {}};
  CHECK_THROWS_AS(issued_by(bench.provider(), bench.call(), result), Error);
  result.product = IssuedSignature{to_bytes("not a signature")};
  CHECK_THROWS_AS(issued_by(bench.provider(), bench.call(), result), Error);
}

TEST_CASE("a result given once that nobody kept is told truthfully") {
  Bench bench;
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
  Bench bench;
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

TEST_CASE("cancelling reports what the request is afterwards") {
  const std::string status = GENERATE("PENDING", "APPROVED");
  CAPTURE(status);
  Bench bench;
  bench.transport->then(200, status_body(status)).then(200, "").then(200, status_body("CANCELLED"));
  CHECK(std::get<Report>(bench.provider().cancel(bench.call())).status == RequestStatus::cancelled);
  const std::string request = std::string("/v1/request/") + kId;
  CHECK(bench.transport->lines() == std::vector<std::string>{"GET " + request, "DELETE " + request, "GET " + request});

  // it was executed just before the deletion came: the result is not lost
  bench.transport->then(200, status_body(status))
      .then(200, "")
      .then(200, std::string(R"({"id":")") + kId + R"(","status":"EXECUTED","result":"AAAA"})");
  CHECK(std::get<Report>(bench.provider().cancel(bench.call())).result.has_value());

  bench.transport->then(200, status_body(status)).then(tsb_refusal(404, 651)).then(tsb_refusal(404, 651));
  CHECK(std::get<Report>(bench.provider().cancel(bench.call())).status == RequestStatus::gone);
}

TEST_CASE("a request that is over or in a state that nobody knows is not deleted") {
  const auto [status, standing] =
      GENERATE(table<std::string, RequestStatus>({{"EXECUTED", RequestStatus::ready},
                                                  {"FAILED", RequestStatus::failed},
                                                  {"EXPIRED", RequestStatus::expired},
                                                  {"REJECTED", RequestStatus::rejected},
                                                  {"CANCELLED", RequestStatus::cancelled},
                                                  {"PARKED", RequestStatus::unrecognised}}));
  CAPTURE(status);
  Bench bench;
  bench.transport->then(200, status_body(status));
  CHECK(std::get<Report>(bench.provider().cancel(bench.call())).status == standing);
  CHECK(bench.transport->sent.size() == 1);
}

TEST_CASE("a result that is met by a cancel is handed out and nothing is deleted") {
  Bench bench;
  bench.transport->then(200, std::string(R"({"id":")") + kId + R"(","status":"EXECUTED","result":"AAAA"})");
  const Report report = std::get<Report>(bench.provider().cancel(bench.call()));
  CHECK(report.status == RequestStatus::handed_out);
  REQUIRE(report.result);
  CHECK(report.result->octets() == from_base64("AAAA"));
  bench.transport->then(tsb_refusal(404, 651));
  CHECK(std::get<Report>(bench.provider().cancel(bench.call())).status == RequestStatus::gone);
  CHECK(bench.transport->sent.size() == 2);
}

TEST_CASE("a cancel is impossible only when the TSB refuses it for good") {
  const net::Exchange no_endpoint =
      test::response(405, R"({"timestamp":"t","status":405,"error":"Method Not Allowed","path":"/v1/x"})");
  for (const auto& answer : {tsb_refusal(403, 451), tsb_refusal(400, 400), no_endpoint}) {
    Bench bench;
    bench.transport->then(200, status_body("PENDING")).then(answer);
    CHECK(std::holds_alternative<CancelNotPossible>(bench.provider().cancel(bench.call())));
  }
  const auto bare = [](long status) { return test::response(status, "no", "text/plain"); };
  // Credentials can be renewed, gateways come right again, a code without a row says nothing.
  for (const auto& answer :
       {tsb_refusal(401, 631), tsb_refusal(400, 617), tsb_refusal(400, 618), tsb_refusal(400, 406),
        tsb_refusal(400, 416), tsb_refusal(400, 999), tsb_refusal(500, 701), net::Exchange(bare(401)),
        net::Exchange(bare(403)), net::Exchange(bare(404)), net::Exchange(bare(502))}) {
    Bench bench;
    bench.transport->then(200, status_body("PENDING")).then(answer);
    CHECK_THROWS_AS(bench.provider().cancel(bench.call()), Error);
    CHECK(bench.transport->sent.size() == 2);
  }
}

TEST_CASE("without a task reader a lost submission cannot be told and nothing is asked") {
  Bench bench;
  bench.freeze();
  CHECK(std::holds_alternative<CannotTell>(bench.provider().look_up(bench.call())));
  CHECK(bench.transport->sent.empty());
}

namespace {

// A request whose answer was lost, a task reader, and an approver who is somebody else.
struct Lost : Bench {
  explicit Lost(Mode mode = Mode::raw_signature) : Bench(mode) {
    settings.task_reader = Settings::TaskReader{folder / "reader.pem", {"web", "reader"}};
    write_file(settings.task_reader->certificate, to_bytes(x509::certificate_to_pem(reader->certificate.der)),
               FileMode::public_0644, Existing::refuse);
    keys.task_reader = std::shared_ptr<x509::Signer>(reader, &reader->signer);
    settings.names[x509::spki_hash(anna.subject_public_key_info())] = "anna";
    freeze();
  }
  // What the TSB's own certificate would say, for the key.
  Bytes built_there(test::SoftwareSigner& for_key) {
    x509::CertificateFields fields = x509::fields_for_issuer(ca.certificate);
    fields.serial = x509::random_serial();
    fields.validity = {clock.now(), clock.now() + 24h};
    fields.spki = for_key.subject_public_key_info();
    fields.content.subject = x509::Name::parse("CN=www.example.com");
    fields.algorithm = &x509::signature_algorithm("ecdsa-sha256");
    return x509::build_tbs_certificate(fields);
  }
  std::string task(const std::string& id, const std::string& request, unsigned attempt, const Bytes& payload,
                   const std::string& more = "") {
    const MetaData meta{"s", "", hex(sha256(draft.csr)), request, attempt};
    const Bytes octets = meta_data_octets(meta);
    std::string signature;
    if (signer != nullptr) {
      signature =
          R"(,"metaDataSignature":")" + base64(signer->sign(octets, *approver_algorithm(*signer).algorithm)) + "\"";
    }
    return R"({"id":")" + id + R"(","approvalToBeSigned":")" + base64(test::to_be_approved("ca-key", payload)) +
           R"(","metaData":")" + base64(octets) + "\"" + signature + more + "}";
  }
  std::string mine(const std::string& id, const std::string& more = "") {
    return task(id, order.id.str(), 1, draft.to_be_signed, more);
  }
  void tasks(const std::string& all) { transport->then(200, R"({"tasks":[)" + all + "]}"); }
  std::string cannot_tell() { return std::get<CannotTell>(provider().look_up(call())).why; }

  std::shared_ptr<test::TestCa> reader = std::make_shared<test::TestCa>("ec:P-256", "CN=Reader", "CA:FALSE");
  test::SoftwareSigner anna{"ec:P-256"};
  test::SoftwareSigner* signer = nullptr;  // of metaData
};

const char* const kStatus = R"(,"requestStatus":{"id":"r9","status":"PENDING"})";

}  // namespace

TEST_CASE("a submission whose tasks are there is found by its mark") {
  Lost lost;
  const std::string mine = lost.order.id.str();
  const Bytes& ours = lost.draft.to_be_signed;
  SECTION("found") {
    lost.tasks(lost.task("t1", "OTHER", 1, to_bytes("x")) + "," + lost.task("t2", mine, 2, ours) + "," +
               lost.task("t3", mine, 1, to_bytes("x")) + "," + lost.mine("t4"));
    lost.tasks(lost.task("t2", mine, 2, ours, kStatus));
    lost.tasks(lost.mine("t4", kStatus));
    const LookUpAnswer answer = lost.provider().look_up(lost.call());
    CHECK(std::get<Found>(answer).report.reference == ProviderReference("r9"));
    // others' tasks are only listed; no request is ever asked for
    CHECK(lost.transport->lines() == std::vector<std::string>(3, "POST /v1/filteredAllApprovalTask"));
    CHECK(sent_json(lost, 0).at("detailLevel").as_string() == "level1");
    CHECK(sent_json(lost, 0).find("timestampSigningCertificate") != nullptr);
    CHECK(sent_json(lost, 2).at("id").as_string() == "t4");
    CHECK(sent_json(lost, 2).at("detailLevel").as_string() == "level6");
  }
  SECTION("not found proves nothing") {
    lost.tasks("");
    CHECK(std::holds_alternative<CannotTell>(lost.provider().look_up(lost.call())));
  }
  SECTION("found without the request's id") {
    lost.tasks(lost.mine("t4"));
    lost.tasks(lost.mine("t4"));
    CHECK(lost.cannot_tell().find("t4") != std::string::npos);
  }
  SECTION("found on a server that has no such level") {
    lost.tasks(lost.mine("t4"));
    lost.transport->then(tsb_refusal(400, 600));
    lost.tasks(lost.mine("t4"));
    CHECK(lost.cannot_tell().find("the submission arrived") != std::string::npos);
    CHECK(sent_json(lost, 2).at("detailLevel").as_string() == "level2");
  }
  SECTION("a task that was decided meanwhile leaves those of other approvers") {
    lost.tasks(lost.mine("t4") + "," + lost.mine("t5"));
    lost.transport->then(tsb_refusal(404, 652));
    lost.tasks(lost.mine("t5", kStatus));
    CHECK(std::holds_alternative<Found>(lost.provider().look_up(lost.call())));
  }
}

TEST_CASE("a look-up that is refused ends with a person and trouble on the way is tried again") {
  for (const auto& refusal : {tsb_refusal(400, 405), tsb_refusal(400, 403), tsb_refusal(403, 451),
                              tsb_refusal(401, 416), tsb_refusal(401, 631)}) {
    Lost lost;
    lost.transport->then(refusal);
    CHECK(lost.cannot_tell().find("looking for it failed") != std::string::npos);
  }
  Lost lost;
  lost.transport->then(200, R"({"tasks":7})");
  CHECK(lost.cannot_tell().find("cannot be read") != std::string::npos);
  lost.transport->then(502, "<html>", "text/html");
  CHECK_THROWS_AS(lost.provider().look_up(lost.call()), Error);
}

TEST_CASE("a look-up that waits for another one gives up in time") {
  Lost lost;
  std::optional<ErrorKind> second;
  lost.transport->answers.push_back([&](const net::Request&) {
    // Another thread looks for its own request meanwhile.
    std::thread other([&] {
      ProviderCall call = lost.call();
      call.time_limit = 20ms;
      try {
        lost.provider().look_up(call);
      } catch (const Error& error) {
        second = error.kind();
      }
    });
    other.join();
    return test::response(200, R"({"tasks":[]})");
  });
  CHECK(std::holds_alternative<CannotTell>(lost.provider().look_up(lost.call())));
  CHECK(second == ErrorKind::unavailable);
  CHECK(lost.transport->sent.size() == 1);
}

TEST_CASE("a look-up has one time limit for everything it asks") {
  Lost lost;
  lost.options.api_keys[Role::key_management].push_back({[] { return Secret("km"); }});
  lost.made.reset();
  const auto slow = [&lost](Duration takes, long status, const std::string& body) {
    lost.transport->answers.push_back([&lost, takes, status, body](const net::Request&) {
      lost.clock.advance(takes);
      return test::response(status, body);
    });
  };
  // the key's attributes, which cannot be read and are asked for twice, then a page of tasks
  slow(2s, 500, "");
  slow(2s, 500, "");
  slow(7s, 200, R"({"tasks":[)" + lost.mine("t4") + "]}");
  try {
    lost.provider().look_up(lost.call());
    FAIL("it went on");
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::unavailable);
  }
  REQUIRE(lost.transport->sent.size() == 3);
  CHECK(lost.transport->sent[2].time_limit == Duration(6s));
}

TEST_CASE("a look-up says when not all tasks could be listed") {
  Lost lost;
  std::string page;
  for (int i = 0; i < 25; ++i) {
    page += (i == 0 ? "" : ",") + lost.task("t" + std::to_string(i), "OTHER", 1, to_bytes("x"));
  }
  lost.tasks(page);
  lost.tasks(page);
  CHECK(lost.cannot_tell().find("not all tasks could be listed") != std::string::npos);
}

TEST_CASE("an approver's key is not used for looking") {
  Lost lost;
  const SpkiHash key = x509::spki_hash(lost.reader->certificate.spki());
  const std::string known = GENERATE("by the approval policy", "by the names of approvers", "by the people");
  INFO(known);
  if (known == "by the approval policy") lost.settings.policy = {{{"", 0s, 0s, {{"ops", 1, {{"anna", key}}}}}}};
  if (known == "by the names of approvers") lost.settings.names[key] = "anna";
  if (known == "by the people") lost.keys.people = {key};
  lost.made.reset();
  CHECK(lost.cannot_tell().find("key of an approver") != std::string::npos);
  CHECK(lost.transport->sent.empty());
  lost.attached(lost.ca.certificate);
  lost.options.api_keys[Role::service].push_back({[] { return Secret("sv"); }});
  lost.made.reset();
  lost.transport->answers.clear();
  lost.transport->then(200, R"({"Version":"2.5.1"})").then(200, R"({"clientFlags":[]})");
  lost.attached(lost.ca.certificate);
  CHECK_THROWS_WITH(lost.provider().test(), Catch::Contains("key of an approver"));
}

TEST_CASE("where no approver is known the task reader is not used") {
  Lost lost;
  lost.settings.names.clear();
  lost.made.reset();
  CHECK(lost.cannot_tell().find("no approver's key is known") != std::string::npos);
  CHECK(lost.transport->sent.empty());
}

TEST_CASE("a mark that the application key did not sign is not ours") {
  const Mode mode = GENERATE(Mode::raw_signature, Mode::certificate);
  Lost lost(mode);
  const auto application = std::make_shared<test::SoftwareSigner>("ec:P-256");
  lost.keys.application = application;
  lost.made.reset();
  if (mode == Mode::certificate) lost.draft.to_be_signed.clear();
  const Bytes payload = mode == Mode::certificate ? lost.built_there(lost.key) : lost.draft.to_be_signed;
  const auto look = [&] {
    const std::string task = lost.task("t4", lost.order.id.str(), 1, payload, kStatus);
    lost.tasks(task);
    lost.tasks(task);
    return lost.provider().look_up(lost.call());
  };
  CHECK(std::holds_alternative<CannotTell>(look()));
  test::SoftwareSigner somebody("ec:P-256");
  lost.signer = &somebody;
  CHECK(std::holds_alternative<CannotTell>(look()));
  lost.signer = application.get();
  CHECK(std::holds_alternative<Found>(look()));
}

TEST_CASE("in certificate mode a mark on a certificate for another key is not ours") {
  Lost lost(Mode::certificate);
  lost.draft.to_be_signed.clear();
  test::SoftwareSigner other("ec:P-256");
  lost.tasks(lost.task("t4", lost.order.id.str(), 1, lost.built_there(other), kStatus));
  CHECK(lost.cannot_tell().find("no open approval task") != std::string::npos);
  CHECK(lost.transport->sent.size() == 1);
}

TEST_CASE("a wrong issuer file is found before anybody approves and asked about once in a while") {
  Bench bench;
  bench.freeze();
  test::TestCa other("ec:P-256", "C=CH, O=Example, CN=Test CA");
  bench.attached(other.certificate);
  const std::vector<std::string> reasons = bench.waits_for();
  REQUIRE(reasons.size() == 1);
  CHECK(reasons[0].find("is of another key than the configured issuer") != std::string::npos);

  // right
  bench.attached(bench.ca.certificate);
  CHECK(bench.check().empty());
  CHECK(bench.check().empty());
  CHECK(bench.transport->sent.size() == 2);
  bench.clock.advance(11min);
  bench.attached(other.certificate);
  CHECK(bench.waits_for().size() == 1);
}

TEST_CASE("a TSB without a certificate on its key still signs bytes") {
  for (const auto& answer : {tsb_refusal(400, 402), tsb_refusal(401, 416), tsb_refusal(403, 451)}) {
    Bench bench;
    bench.freeze();
    bench.transport->then(answer);
    CHECK(bench.check().empty());
  }
  Bench missing;
  missing.freeze();
  missing.transport->then(tsb_refusal(404, 650));
  CHECK(missing.waits_for().size() == 1);
  Bench away;
  away.freeze();
  away.transport->then(net::NotSent{"no connection"});
  CHECK_THROWS_AS(away.check(), Error);
  // and builds no certificates
  Bench builds(Mode::certificate);
  builds.settings.generation = Generation::modern;
  builds.ask.content.subject = x509::Name::parse("CN=www.example.com");
  builds.freeze();
  builds.transport->then(tsb_refusal(400, 402));
  CHECK(builds.waits_for().size() == 1);
}

TEST_CASE("a blocked signing key is told before anybody approves") {
  Bench bench;
  bench.options.api_keys[Role::key_management].push_back({[] { return Secret("km"); }});
  bench.freeze();
  const auto attributes = [&](bool blocked) {
    bench.transport->then(200,
                          std::string(R"({"json":{"label":"ca-key","policy":{"ruleUse":null,"keyStatus":{"blocked":)") +
                              (blocked ? "true" : "false") + "}}}}");
  };
  attributes(true);
  bench.attached(bench.ca.certificate);
  attributes(true);
  const std::vector<std::string> reasons = bench.waits_for();
  REQUIRE(reasons.size() == 1);
  CHECK(reasons[0].find("blocked at the TSB") != std::string::npos);
  // While it waits it is not built again at every look, however old it grows; then it is.
  bench.clock.advance(24h * 20);
  attributes(true);
  bench.attached(bench.ca.certificate);
  CHECK(bench.waits_for() == reasons);
  attributes(false);
  bench.attached(bench.ca.certificate);
  CHECK(bench.outdated().find("half of the time") != std::string::npos);
  bench.freeze();
  attributes(false);
  CHECK(bench.check().empty());
}

TEST_CASE("a server that wants no API key is asked for its quorum") {
  Bench bench;
  bench.options.api_keys.clear();
  CHECK(bench.provider().capabilities().shows_quorum);
  test::SoftwareSigner anna("ec:P-256");
  bench.freeze();
  bench.transport
      ->then(200, R"({"json":{"label":"ca-key","policy":{"ruleUse":{"tokens":[{"timelock":0,"timeout":600,"groups":[)"
                  R"({"name":"ops","quorum":1,"approvals":[{"type":"public_key","name":"anna","value":")" +
                      base64(anna.subject_public_key_info()) + R"("}]}]}]}}}})")
      .then(201, std::string(R"({"signRequestId":")") + kId + "\"}");
  CHECK(std::get<Accepted>(bench.provider().submit(bench.call())).report.progress.quorum == "1 of 1 in group ops");

  Bench with_another_role;
  CHECK_FALSE(with_another_role.provider().capabilities().shows_quorum);
}

TEST_CASE("the issuer and the generation are asked for again after a while") {
  Bench bench(Mode::certificate);
  bench.settings.issuer.reset();
  bench.ask.content.subject = x509::Name::parse("CN=www.example.com");
  bench.freeze();
  bench.attached(bench.ca.certificate);
  bench.transport->then(200, R"({"Version":"2.2.0"})");
  CHECK_FALSE(bench.check().empty());
  // The server was updated.
  bench.clock.advance(11min);
  bench.attached(bench.ca.certificate);
  bench.transport->then(200, R"({"Version":"2.5.1"})");
  CHECK(bench.check().empty());
}

TEST_CASE("nothing is imported over the CA's certificate or to another key") {
  Bench bench;
  bench.settings.import_label = "{key}-key";
  bench.token_key.label = "ca";
  CHECK_THROWS_WITH(bench.provider().confirm(bench.call(), {bench.ca.certificate.der, {}}),
                    Catch::Contains("own certificate it would overwrite"));
  CHECK(bench.transport->sent.empty());

  Bench other;
  other.settings.import_label = "sub";
  other.options.api_keys[Role::key_management].push_back({[] { return Secret("km"); }});
  const auto key = [&](const Bytes& spki) {
    other.transport->then(200, R"({"json":{"label":"sub","publicKey":")" + base64(spki) + R"(","policy":null}})");
  };
  key(other.key.subject_public_key_info());
  CHECK_THROWS_WITH(other.provider().confirm(other.call(), {other.ca.certificate.der, {}}),
                    Catch::Contains("is another one than the certificate's"));
  CHECK(other.transport->lines() == std::vector<std::string>{"POST /v1/key/attributes"});
  key(other.ca.certificate.spki());
  other.transport->then(tsb_refusal(400, 402)).then(200, R"({"label":"sub"})");
  CHECK_NOTHROW(other.provider().confirm(other.call(), {other.ca.certificate.der, {}}));
  // Whose attributes may not be read (another password) is imported all the same.
  other.transport->then(tsb_refusal(400, 620)).then(tsb_refusal(400, 402)).then(200, R"({"label":"sub"})");
  CHECK_NOTHROW(other.provider().confirm(other.call(), {other.ca.certificate.der, {}}));
}

TEST_CASE("the certificate is imported beside the key that the label names") {
  Bench bench;
  bench.settings.import_label = "sub-{key}";
  bench.transport->then(tsb_refusal(400, 402))
      .then(200, Json::object({{"label", "sub-web"}, {"certificate", base64(bench.ca.certificate.der)}}).dump());
  bench.provider().confirm(bench.call(), {bench.ca.certificate.der, {}});
  CHECK(bench.transport->lines() ==
        std::vector<std::string>{"GET /v1/certificate/sub-web", "POST /v1/certificate/import/plain"});
  CHECK(sent_json(bench, 1).at("label").as_string() == "sub-web");
  CHECK(from_base64(sent_json(bench, 1).at("certificate").as_string()) == bench.ca.certificate.der);

  Bench without;
  CHECK_THROWS_AS(without.provider().confirm(without.call(), {without.ca.certificate.der, {}}), Error);
}

TEST_CASE("an import that is tried again never overwrites a newer certificate") {
  Bench bench;
  bench.settings.import_label = "sub";
  const auto beginning = [&](const std::string& from) {
    x509::CertificateFields fields = x509::fields_for_issuer(bench.ca.certificate);
    fields.serial = x509::random_serial();
    fields.validity = {parse_rfc3339(from), parse_rfc3339("2030-01-01T00:00:00Z")};
    fields.spki = bench.key.subject_public_key_info();
    fields.content.subject = x509::Name::parse("CN=sub");
    fields.algorithm = &x509::signature_algorithm("ecdsa-sha256");
    const Bytes tbs = x509::build_tbs_certificate(fields);
    return x509::parse_certificate(x509::assemble(tbs, *fields.algorithm, bench.ca.sign(tbs, "ecdsa-sha256")));
  };
  const x509::Certificate older = beginning("2026-05-01T00:00:00Z");
  const x509::Certificate ours = beginning("2026-06-01T00:00:00Z");
  const x509::Certificate newer = beginning("2026-06-01T00:00:01Z");
  const auto confirm = [&] { bench.provider().confirm(bench.call(), {ours.der, {}}); };
  const auto kind = [&] {
    try {
      confirm();
    } catch (const Error& error) {
      return error.kind();
    }
    return ErrorKind::internal;
  };

  // An older one is replaced; the answer is lost.
  bench.attached(older);
  bench.transport->then(net::OutcomeUnknown{"cut"});
  CHECK(kind() == ErrorKind::unavailable);
  // It had arrived: done.
  bench.attached(ours);
  CHECK_NOTHROW(confirm());
  // Somebody attached a newer one meanwhile.
  bench.attached(newer);
  CHECK_THROWS_WITH(confirm(), Catch::Contains("has a newer one (valid from 2026-06-01T00:00:01Z"));
  bench.attached(newer);
  CHECK(kind() == ErrorKind::conflict);
  // Who cannot look does not import.
  bench.transport->then(502, "<html>", "text/html");
  CHECK(kind() == ErrorKind::unavailable);
  bench.transport->then(tsb_refusal(401, 631));
  CHECK(kind() == ErrorKind::denied);
  const std::string get = "GET /v1/certificate/sub";
  CHECK(bench.transport->lines() ==
        std::vector<std::string>{get, "POST /v1/certificate/import/plain", get, get, get, get, get});
}

TEST_CASE("the issuer is asked for when no file names it and anew before anything is submitted") {
  Bench bench;
  bench.settings.issuer.reset();
  bench.attached(bench.ca.certificate);
  bench.freeze();
  bench.attached(bench.ca.certificate);
  CHECK(bench.check().empty());
  // It has another key now.
  test::TestCa other;
  bench.attached(other.certificate);
  CHECK(bench.outdated() == "the issuer has another key now than when the draft was made");
  CHECK(bench.transport->lines() == std::vector<std::string>(3, "GET /v1/certificate/ca-key"));
}

TEST_CASE("a renewed certificate of the issuer stands for the drafted one only where both fit") {
  Bench bench;
  bench.settings.issuer.reset();
  bench.attached(renewed(bench.ca, "2030-01-01T00:00:00Z"));
  bench.freeze();
  bench.attached(renewed(bench.ca, "2036-01-01T00:00:00Z"));
  CHECK(bench.check().empty());
  bench.attached(renewed(bench.ca, "2036-01-01T00:00:00Z", Bytes(20, 7)));
  CHECK(bench.outdated() ==
        "the issuer's certificate has another key identifier now than the draft names: nobody could chain to it");

  // What comes back is verified with the certificate that was drafted for, whatever the key has now.
  Bench short_lived;
  short_lived.settings.issuer.reset();
  short_lived.attached(renewed(short_lived.ca, "2026-06-10T00:00:00Z"));
  short_lived.freeze();
  short_lived.attached(renewed(short_lived.ca, "2036-01-01T00:00:00Z"));
  CHECK_FALSE(short_lived.check().empty());
}

TEST_CASE("a test says what was learnt") {
  Bench bench;
  bench.options.api_keys[Role::service].push_back({[] { return Secret("sv"); }});
  bench.transport->then(200, R"({"Version":"2.5.1","Vendor":"Securosys SA"})")
      .then(200, R"({"clientFlags":["REST_API","TSB_ENGINE"]})")
      .then(200, Json::object({{"certificate", x509::certificate_to_pem(bench.ca.certificate.der)}}).dump());
  CHECK(bench.provider().test() ==
        std::vector<std::string>{
            "TSB 2.5.1 of Securosys SA, modern generation", "licence: REST_API, TSB_ENGINE (the HSM answers)",
            "key ca-key issues as C=CH, O=Example, CN=Test CA until 2036-01-01T00:00:00Z", "signs with ecdsa-sha256",
            "approval: quorum unknown (no approval_policy and no key_management API key)"});
}

TEST_CASE("a test without a service key goes on with what it may ask") {
  Bench bench;
  bench.transport->then(tsb_refusal(400, 416))
      .then(tsb_refusal(400, 416))
      .then(200, Json::object({{"certificate", x509::certificate_to_pem(bench.ca.certificate.der)}}).dump());
  CHECK(bench.provider().test().size() == 5);
}
