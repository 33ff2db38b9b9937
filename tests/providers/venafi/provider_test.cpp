#include "base/error.h"
#include "provider_bench.h"
#include "providers/venafi/progress.h"
#include "support/orders.h"

#include <catch2/catch.hpp>

using namespace hsmbridge;
using namespace hsmbridge::venafi;
using namespace hsmbridge::workflow;
using test::ProviderBench;

namespace {

const std::string kRequestPath = "/outagedetection/v1/certificaterequests/" + test::kRequestId;
const std::string kApprovalPath = "/v1/certificaterequests/approvalrequests/" + test::kRequestId;

template <class Call>
Error error_of(Call call) {
  try {
    call();
  } catch (const Error& error) {
    return error;
  }
  return {ErrorKind::internal, "no error"};
}

bool says(const std::string& text, const std::string& part) {
  INFO(text);
  return text.find(part) != std::string::npos;
}

std::string approvals(const std::string& status, const std::string& outcome,
                      const std::string& entity = test::kRequestId) {
  return R"({"id":"a","entityId":")" + entity + R"(","requiredApprovalsCount":1,"status":")" + status +
         R"(","approvers":[{"id":"u1","type":"USER"}],"approversOutcome":[)" + outcome + "]}";
}

}  // namespace

TEST_CASE("a submission resolves the zone and sends exactly what the reference says") {
  ProviderBench bench;
  bench.settings.tags = {"team:web"};
  bench.zone().transport->then(201, test::created_answer("PENDING"));
  const SubmitAnswer answer = bench.provider().submit(bench.call());
  const Report& report = std::get<Accepted>(answer).report;
  CHECK(report.status == RequestStatus::awaiting_issuance);
  CHECK(report.provider_status == "PENDING");
  CHECK(report.reference.str() == test::kRequestId);
  CHECK(state_from(report.provider_state) == State{test::kRequestId, {}, test::kApplicationId, test::kTemplateId, {}});
  CHECK(bench.transport->lines() ==
        std::vector<std::string>{"GET /outagedetection/v1/applications/name/Payments",
                                 "GET /outagedetection/v1/applications/Payments/certificateissuingtemplates/Default",
                                 "POST /outagedetection/v1/certificaterequests"});
  const Json body = Json::parse(bench.transport->sent.back().body);
  CHECK(body == Json::object({{"applicationId", test::kApplicationId},
                              {"certificateIssuingTemplateId", test::kTemplateId},
                              {"isVaaSGenerated", false},
                              {"certificateSigningRequest", x509::csr_to_pem(bench.draft.csr)},
                              {"validityPeriod", "P30D"},
                              {"tags", Json::array({"team:web", "hsmbridge:0123456789ABCDEF-1"})},
                              {"apiClientInformation",
                               Json::object({{"type", "hsmbridge"}, {"identifier", "0123456789ABCDEF-1"}})}}));
  CHECK(bench.transport->sent.back().repeat == net::Repeat::never);
}

TEST_CASE("a certificate that is issued at once pins its ids, and one without ids is recorded") {
  ProviderBench bench;
  bench.zone().transport->then(201, test::created_answer("ISSUED"));
  const SubmitAnswer issued = bench.provider().submit(bench.call());
  CHECK(std::get<Accepted>(issued).report.status == RequestStatus::ready);
  CHECK(state_from(std::get<Accepted>(issued).report.provider_state).certificates.front() == test::kCertificateId);

  bench.transport->then(201, R"({"certificateRequests":[{"id":"a","status":"ISSUED","certificateIds":null}]})");
  const SubmitAnswer without = bench.provider().submit(bench.call());
  CHECK(std::get<Accepted>(without).report.status == RequestStatus::ready);
  CHECK(says(std::get<Accepted>(without).report.message, "does not say yet which certificate"));
}

TEST_CASE("validity is the order's, else the provider's, else the template's") {
  ProviderBench bench;
  bench.ask.validity = {};
  bench.freeze();
  bench.zone().transport->then(201, test::created_answer("NEW"));
  bench.provider().submit(bench.call());
  CHECK(Json::parse(bench.transport->sent.back().body).find("validityPeriod") == nullptr);

  ProviderBench other;
  other.ask.validity = {};
  other.settings.validity = std::chrono::hours{24 * 7};
  other.freeze();
  other.zone().transport->then(201, test::created_answer("NEW"));
  other.provider().submit(other.call());
  CHECK(Json::parse(other.transport->sent.back().body).at("validityPeriod").as_string() == "P7D");
}

TEST_CASE("an unknown alias lists the aliases that there are, and an unknown application says so") {
  ProviderBench alias;
  alias.settings.zone.alias = "Defalt";
  alias.transport->then(200, test::application_answer());
  const Error unknown = error_of([&] { alias.provider().check(alias.call()); });
  CHECK(unknown.kind() == ErrorKind::invalid_input);
  CHECK(unknown.message() ==
        R"(application "Payments" has no issuing template with the alias "Defalt"; it has: Default, Web)");

  for (const long status : {404L, 400L}) {
    ProviderBench application;
    application.transport->then(status, test::errors_answer(10051, "Unable to find Application for key [Payments]"));
    const Error missing = error_of([&] { application.provider().check(application.call()); });
    CHECK(missing.kind() == ErrorKind::invalid_input);
    CHECK(says(missing.message(), "has no application \"Payments\""));
  }

  ProviderBench proxy;
  proxy.transport->then(404, test::kProxyPage, "text/html");
  CHECK_FALSE(says(error_of([&] { proxy.provider().check(proxy.call()); }).message(), "has no application"));
  ProviderBench header;
  header.transport->then(400, test::errors_answer(1004, "Invalid or missing request header"));
  CHECK(error_of([&] { header.provider().check(header.call()); }).kind() == ErrorKind::denied);

  ProviderBench key;
  key.transport->then(401, "Invalid api key", "text/plain");
  const Error denied = error_of([&] { key.provider().check(key.call()); });
  CHECK(denied.kind() == ErrorKind::denied);
  CHECK(says(denied.message(), "Invalid api key"));
}

TEST_CASE("on an NGTS service a template is found by its name, and no application is sent") {
  ProviderBench bench;
  bench.settings.zone = {"", "Test Certs"};
  bench.transport->then(200,
                        Json::object({{"certificateIssuingTemplates", Json::array({test::open_template()})}}).dump());
  bench.transport->then(201, test::created_answer("NEW"));
  CHECK(std::holds_alternative<Accepted>(bench.provider().submit(bench.call())));
  CHECK(bench.transport->lines().front() == "GET /v1/certificateissuingtemplates");
  CHECK(Json::parse(bench.transport->sent.back().body).find("applicationId") == nullptr);

  ProviderBench wrong;
  wrong.settings.zone = {"", "Other"};
  wrong.transport->then(200,
                        Json::object({{"certificateIssuingTemplates", Json::array({test::open_template()})}}).dump());
  CHECK(says(error_of([&] { wrong.provider().check(wrong.call()); }).message(), "it has: Test Certs"));
}

TEST_CASE("the zone is read once for a batch, and again after a minute") {
  ProviderBench bench;
  bench.zone();
  bench.provider().check(bench.call());
  bench.provider().check(bench.call());
  CHECK(bench.transport->sent.size() == 2);
  bench.clock.advance(std::chrono::seconds{61});
  bench.zone();
  bench.provider().check(bench.call());
  CHECK(bench.transport->sent.size() == 4);
}

TEST_CASE("what fails before the one POST is not accepted, or refused where repeating cannot help") {
  ProviderBench down;
  down.transport->then(502, test::kProxyPage, "text/html");
  CHECK(std::get<NotAccepted>(down.provider().submit(down.call())).error.kind() == ErrorKind::unavailable);

  // A key in the middle of its rotation, before the POST and by the POST; a proxy in between.
  ProviderBench denied;
  denied.transport->then(401, "Invalid api key", "text/plain");
  CHECK(std::get<NotAccepted>(denied.provider().submit(denied.call())).error.kind() == ErrorKind::denied);
  denied.zone().transport->then(401, "Invalid api key", "text/plain");
  CHECK(std::get<NotAccepted>(denied.provider().submit(denied.call())).error.kind() == ErrorKind::denied);
  for (const long status : {403L, 404L}) {
    ProviderBench proxy;
    proxy.transport->then(status, test::kProxyPage, "text/html");
    CHECK(std::holds_alternative<NotAccepted>(proxy.provider().submit(proxy.call())));
  }
  ProviderBench odd;
  odd.transport->then(200, R"({"name":7})");
  CHECK(std::get<NotAccepted>(odd.provider().submit(odd.call())).error.kind() == ErrorKind::corrupt);

  ProviderBench alias;
  alias.settings.zone.alias = "Gone";
  alias.transport->then(200, test::application_answer());
  CHECK(std::get<NotAccepted>(alias.provider().submit(alias.call())).error.kind() == ErrorKind::unavailable);
  ProviderBench broken;
  broken.draft.csr = {1};
  CHECK(std::holds_alternative<RefusedForGood>(broken.provider().submit(broken.call())));
  CHECK(broken.transport->sent.empty());

  ProviderBench lost;
  lost.zone().transport->then(net::OutcomeUnknown{"cut"});
  CHECK(says(std::get<OutcomeUnknown>(lost.provider().submit(lost.call())).why, "no complete answer came"));
}

TEST_CASE("a poll tells who must approve, and goes on where that is not shown") {
  ProviderBench bench;
  bench.settings.people = {{"u1", "alice"}};
  bench.submission.reference = ProviderReference(test::kRequestId);
  bench.transport->then(200, test::request_json("PENDING_APPROVAL").dump());
  bench.transport->then(200, approvals("PENDING_APPROVAL", ""));
  const Report report = bench.provider().poll(bench.call());
  CHECK(report.status == RequestStatus::awaiting_approval);
  CHECK(report.reference.empty());
  REQUIRE(report.progress.approvers.size() == 1);
  CHECK(report.progress.approvers.front().name == "alice");
  CHECK(bench.transport->lines() == std::vector<std::string>{"GET " + kRequestPath, "GET " + kApprovalPath});

  bench.transport->then(200, test::request_json("PENDING_FINAL_APPROVAL").dump());
  bench.transport->then(403, test::errors_answer(1002, "forbidden"));
  CHECK(says(bench.provider().poll(bench.call()).progress.note, "not shown to these credentials"));
  bench.transport->then(200, test::request_json("PENDING_APPROVAL").dump());
  bench.transport->then(404, test::errors_answer(10051, "none"));
  CHECK(says(bench.provider().poll(bench.call()).progress.note, "does not say who"));
}

TEST_CASE("a rejection names who and why, every final status ends at once") {
  ProviderBench bench;
  bench.submission.reference = ProviderReference(test::kRequestId);
  bench.transport->then(200, test::request_json("REJECTED_APPROVAL").dump());
  bench.transport->then(200, approvals("REJECTED", R"({"userId":"u1","status":"REJECTED","reason":"wrong team"})"));
  const Report rejected = bench.provider().poll(bench.call());
  CHECK(rejected.status == RequestStatus::rejected);
  CHECK(rejected.by == "user u1");
  CHECK(rejected.message == "wrong team");
  for (const auto& [status, standing] :
       {std::pair{"REJECTED", RequestStatus::rejected}, std::pair{"FAILED", RequestStatus::failed},
        std::pair{"CANCELLED", RequestStatus::cancelled}, std::pair{"DELETED", RequestStatus::cancelled},
        std::pair{"REVOKED", RequestStatus::failed}, std::pair{"FUTURE", RequestStatus::unrecognised}}) {
    INFO(status);
    bench.transport->then(200, test::request_json(status).dump());
    CHECK(bench.provider().poll(bench.call()).status == standing);
  }
}

TEST_CASE("the approvers of another request are not shown, and nobody in time is an end of its own") {
  ProviderBench bench;
  bench.submission.reference = ProviderReference(test::kRequestId);
  bench.transport->then(200, test::request_json("PENDING_APPROVAL").dump());
  bench.transport->then(200, approvals("PENDING_APPROVAL", "", test::kTemplateId));
  const Report other = bench.provider().poll(bench.call());
  CHECK(other.status == RequestStatus::awaiting_approval);
  CHECK(other.progress.approvers.empty());
  CHECK(says(other.progress.note, "could not be read"));

  bench.transport->then(200, test::request_json("REJECTED_APPROVAL").dump());
  bench.transport->then(200, approvals("EXPIRED", R"({"userId":"u1","status":"APPROVED"})"));
  const Report late = bench.provider().poll(bench.call());
  CHECK(late.status == RequestStatus::expired);
  CHECK(late.message == "nobody approved it in time");
}

TEST_CASE("a request that the service does not know is gone, a proxy's 404 is not its word") {
  ProviderBench bench;
  bench.submission.reference = ProviderReference(test::kRequestId);
  bench.transport->then(404, test::errors_answer(10051, "Unable to find CertificateRequest"));
  CHECK(bench.provider().poll(bench.call()).status == RequestStatus::gone);
  bench.transport->then(404, test::kProxyPage, "text/html");
  CHECK_THROWS_AS(bench.provider().poll(bench.call()), Error);
  Json other = test::request_json("PENDING");
  other.set("id", test::kTemplateId);
  bench.transport->then(200, other.dump());
  CHECK(error_of([&] { bench.provider().poll(bench.call()); }).kind() == ErrorKind::corrupt);
}

TEST_CASE("a certificate is fetched by its own id, leaf first") {
  ProviderBench bench;
  bench.submission.reference = ProviderReference(test::kRequestId);
  bench.submission.provider_state = to_text(State{test::kRequestId, {test::kCertificateId}, "a", "t", {}});
  test::TestCa ca;
  const std::string pem = x509::certificate_to_pem(bench.certificate(ca, bench.key.subject_public_key_info()));
  bench.transport->then(200, pem, "text/plain");
  const Report report = bench.provider().retrieve(bench.call());
  CHECK(report.status == RequestStatus::handed_out);
  REQUIRE(report.result);
  CHECK(as_text(report.result->raw) == pem);
  CHECK(bench.transport->lines().front() ==
        "GET /outagedetection/v1/certificates/" + test::kCertificateId + "/contents?chainOrder=EE_FIRST&format=PEM");
}

TEST_CASE("the inventory may be behind for a while, and then a person looks") {
  ProviderBench bench;
  bench.submission.reference = ProviderReference(test::kRequestId);
  bench.submission.provider_state = to_text(State{test::kRequestId, {test::kCertificateId}, "a", "t", {}});
  bench.transport->then(404, test::errors_answer(10051, "Unable to find Certificate"));
  Report report = bench.provider().retrieve(bench.call());
  CHECK(report.status == RequestStatus::ready);
  CHECK(state_from(report.provider_state).missing_since == bench.clock.now());
  bench.submission.provider_state = report.provider_state;
  bench.clock.advance(std::chrono::minutes{59});
  bench.transport->then(409, test::errors_answer(1, "not signed"));
  report = bench.provider().retrieve(bench.call());
  CHECK(report.status == RequestStatus::ready);
  // Counted from the first time.
  CHECK(report.provider_state == bench.submission.provider_state);
  bench.clock.advance(std::chrono::minutes{2});
  bench.transport->then(404, test::errors_answer(10051, "Unable to find Certificate"));
  report = bench.provider().retrieve(bench.call());
  CHECK(report.status == RequestStatus::gone);
  CHECK(says(report.message, "not in the service's inventory"));
}

TEST_CASE("an answer without a certificate is no certificate") {
  ProviderBench bench;
  bench.submission.reference = ProviderReference(test::kRequestId);
  bench.submission.provider_state = to_text(State{test::kRequestId, {test::kCertificateId}, "a", "t", {}});
  bench.transport->then(200, "", "text/plain");
  CHECK(bench.provider().retrieve(bench.call()).status == RequestStatus::ready);
  bench.transport->then(200, test::kProxyPage, "text/html");
  CHECK(error_of([&] { bench.provider().retrieve(bench.call()); }).kind() == ErrorKind::unavailable);
  bench.transport->then(401, "expired", "text/plain");
  CHECK(error_of([&] { bench.provider().retrieve(bench.call()); }).kind() == ErrorKind::denied);
}

TEST_CASE("issued without ids: the request is asked until it names them") {
  ProviderBench bench;
  bench.submission.reference = ProviderReference(test::kRequestId);
  Json without = test::request_json("ISSUED");
  without.set("certificateIds", Json());
  bench.transport->then(200, without.dump());
  const Report report = bench.provider().retrieve(bench.call());
  CHECK(report.status == RequestStatus::ready);
  CHECK(state_from(report.provider_state).missing_since.has_value());
  bench.transport->then(200, test::request_json("ISSUED").dump()).then(200, "-----BEGIN CERTIFICATE-----\n");
  CHECK(bench.provider().retrieve(bench.call()).status == RequestStatus::handed_out);
  bench.transport->then(200, test::request_json("FAILED").dump());
  CHECK(bench.provider().retrieve(bench.call()).status == RequestStatus::failed);
  for (const Json& nothing : {Json::array(), Json::array({""}), Json::array({Json()})}) {
    without.set("certificateIds", nothing);
    bench.transport->then(200, without.dump());
    CHECK(bench.provider().retrieve(bench.call()).status == RequestStatus::ready);
  }
}

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

TEST_CASE("a request cannot be cancelled, and that is said in plain words") {
  ProviderBench bench;
  const CancelAnswer answer = bench.provider().cancel(bench.call());
  CHECK(says(std::get<CancelNotPossible>(answer).why, "no call that cancels"));
  CHECK(bench.transport->sent.empty());
  CHECK_FALSE(bench.provider().capabilities().cancel);
}

TEST_CASE("a renewal names the certificate that it replaces") {
  ProviderBench bench;
  bench.replaces(to_text(State{test::kRequestId, {test::kCertificateId}, "a", "t", {}}));
  bench.settings.tags = {"team"};
  bench.zone().transport->then(200, R"({"id":"c","tags":["env:prod","team","hsmbridge:FEDCBA9876543210-1"]})");
  bench.transport->then(201, test::created_answer("NEW"));
  CHECK(std::holds_alternative<Accepted>(bench.provider().submit(bench.call())));
  const Json body = Json::parse(bench.transport->sent.back().body);
  CHECK(body.at("existingCertificateId").as_string() == test::kCertificateId);
  // They replace the certificate's: what others wrote on it stays.
  CHECK(body.at("tags") == Json::array({"team", "env:prod", "hsmbridge:0123456789ABCDEF-1"}));
}

TEST_CASE("a predecessor without a state is searched by its fingerprint, an unknown one is no obstacle") {
  for (const bool known : {true, false}) {
    ProviderBench bench;
    bench.replaces(known ? "" : R"({"policy":{}})");
    const std::string fingerprint = fingerprint_of(test::predecessor_in(bench.order).der);
    bench.zone();
    bench.transport->then(
        200, known ? R"({"count":1,"certificates":[{"id":"found","fingerprint":")" + fingerprint + R"("}]})"
                   : std::string(R"({"count":0,"certificates":[]})"));
    if (known) bench.transport->then(200, R"({"id":"found"})");
    bench.transport->then(201, test::created_answer("NEW"));
    CHECK(std::holds_alternative<Accepted>(bench.provider().submit(bench.call())));
    CHECK(says(bench.transport->sent.at(2).body, fingerprint));
    const Json body = Json::parse(bench.transport->sent.back().body);
    CHECK((body.find("existingCertificateId") != nullptr) == known);
  }
}

TEST_CASE("what cannot be renewed there is said before anything is sent") {
  ProviderBench bench;
  bench.replaces(to_text(State{test::kRequestId, {test::kCertificateId}, "a", "t", {}}));
  Json rules = test::open_template();
  rules.set("keyReuse", false);
  bench.zone(rules).transport->then(200, R"({"id":"c","versionType":"OLD","certificateStatus":"RETIRED"})");
  const auto reasons = bench.provider().check(bench.call());
  REQUIRE(reasons.size() == 3);
  CHECK(says(reasons[0], "wants a new key at each renewal"));
  CHECK(says(reasons[1], "was renewed there before"));
  CHECK(says(reasons[2], "is RETIRED there"));
  bench.transport->then(404, test::errors_answer(10051, "x"));
  CHECK(says(bench.provider().check(bench.call()).back(), "does not know the certificate"));
}

TEST_CASE("a renewal needs no right to read the inventory") {
  ProviderBench bench;
  bench.replaces(to_text(State{test::kRequestId, {test::kCertificateId}, "a", "t", {}}));
  bench.zone().transport->then(403, test::errors_answer(1002, "forbidden"));
  CHECK(bench.provider().check(bench.call()).empty());
  bench.transport->then(403, test::errors_answer(1002, "forbidden")).then(201, test::created_answer("NEW"));
  CHECK(std::holds_alternative<Accepted>(bench.provider().submit(bench.call())));
  bench.transport->then(401, "Invalid api key", "text/plain");
  CHECK(std::holds_alternative<NotAccepted>(bench.provider().submit(bench.call())));
}

TEST_CASE("a revocation goes by fingerprint and reason, and is not done when it was submitted") {
  ProviderBench bench;
  bench.revokes("keyCompromise");
  CHECK(bench.provider().check(bench.call()).empty());
  bench.transport->then(200, R"({"data":{"revokeCertificate":{"id":"c","revocation":{"status":"SUBMITTED"}}}})");
  const SubmitAnswer answer = bench.provider().submit(bench.call());
  const Report& report = std::get<Accepted>(answer).report;
  CHECK(report.status == RequestStatus::awaiting_issuance);
  CHECK(report.provider_status == "SUBMITTED");
  const Json variables = Json::parse(bench.transport->sent.back().body).at("variables");
  CHECK(variables.at("revocationReason").as_string() == "KEY_COMPROMISE");
  CHECK(variables.at("fingerprint").as_string() == report.reference.str());
  CHECK(bench.transport->sent.back().repeat == net::Repeat::never);
  bench.submission.reference = report.reference;

  const std::string submitted = R"({"data":{"certificate":{"id":"c","revocation":{"status":"SUBMITTED"},)"
                                R"("globalRevocation":{"status":"NOT_REVOKED"}}}})";
  bench.transport->then(200, submitted).then(200, test::request_json("ISSUED").dump());
  CHECK(bench.provider().poll(bench.call()).status == RequestStatus::awaiting_issuance);
  bench.transport->then(200, submitted).then(200, test::request_json("REVOKED").dump());
  CHECK(bench.provider().poll(bench.call()).status == RequestStatus::done);
  bench.transport->then(
      200, R"({"data":{"certificate":{"id":"c","revocation":null,"globalRevocation":{"status":"REVOKED"}}}})");
  CHECK(bench.provider().poll(bench.call()).status == RequestStatus::done);
}

TEST_CASE("an answer about another certificate says nothing about this revocation") {
  ProviderBench bench;
  bench.revokes("superseded");
  bench.transport->then(
      200, R"({"data":{"revokeCertificate":{"id":"c","fingerprint":"AB","revocation":{"status":"SUBMITTED"}}}})");
  CHECK(says(std::get<OutcomeUnknown>(bench.provider().submit(bench.call())).why, "was answered with AB"));
  bench.submission.reference = ProviderReference("AB");
  bench.transport->then(
      200, R"({"data":{"certificate":{"id":"c","fingerprint":"AB","globalRevocation":{"status":"REVOKED"}}}})");
  CHECK(error_of([&] { bench.provider().poll(bench.call()); }).kind() == ErrorKind::corrupt);
  // Nor does another request's status.
  Json other = test::request_json("REVOKED");
  other.set("id", test::kTemplateId);
  bench.transport->then(200, R"({"data":{"certificate":{"id":"c","revocation":{"status":"SUBMITTED"}}}})");
  bench.transport->then(200, other.dump());
  CHECK(bench.provider().poll(bench.call()).status == RequestStatus::awaiting_issuance);
}

TEST_CASE("a reason without a word there is refused before anything is sent") {
  ProviderBench bench;
  bench.revokes("cACompromise");
  const auto reasons = bench.provider().check(bench.call());
  REQUIRE(reasons.size() == 1);
  CHECK(says(reasons[0], "no word for the revocation reason \"cACompromise\""));
  CHECK(std::get<RefusedForGood>(bench.provider().submit(bench.call())).error.kind() == ErrorKind::refused);
  CHECK(bench.transport->sent.empty());
}

TEST_CASE("a revocation that fails, waits or is refused is told as such") {
  ProviderBench bench;
  bench.revokes("superseded");
  bench.submission.reference = ProviderReference("AB");
  const auto poll = [&](const std::string& revocation, const std::string& request) {
    bench.transport->then(200, R"({"data":{"certificate":{"id":"c","revocation":)" + revocation + "}}}");
    bench.transport->then(200, test::request_json(request).dump());
    return bench.provider().poll(bench.call());
  };
  CHECK(poll(R"({"status":"PENDING_APPROVAL"})", "ISSUED").status == RequestStatus::awaiting_approval);
  CHECK(poll(R"({"status":"FAILED","error":{"message":"CA says no"}})", "ISSUED").message == "CA says no");
  const Report refused =
      poll(R"({"status":"REJECTED_APPROVAL","approvalDetails":{"rejectionReason":"in use"}})", "ISSUED");
  CHECK(refused.status == RequestStatus::rejected);
  CHECK(refused.message == "in use");
  bench.transport->then(200, R"({"data":{"certificate":null}})").then(200, test::request_json("ISSUED").dump());
  CHECK(bench.provider().poll(bench.call()).status == RequestStatus::gone);
}

TEST_CASE("a lost revocation is found, absent, or left to a person") {
  ProviderBench bench;
  bench.revokes("superseded");
  const auto look = [&](const std::string& certificate, const std::string& request) {
    bench.transport->then(200, R"({"data":{"certificate":)" + certificate + "}}");
    bench.transport->then(200, test::request_json(request).dump());
    return bench.provider().look_up(bench.call());
  };
  const LookUpAnswer found = look(R"({"id":"c","revocation":{"status":"SUBMITTED"}})", "ISSUED");
  CHECK(std::get<Found>(found).report.status == RequestStatus::awaiting_issuance);
  CHECK_FALSE(std::get<Found>(found).report.reference.empty());
  CHECK(std::get<Found>(look(R"({"id":"c","revocation":null})", "REVOKED")).report.status == RequestStatus::done);
  CHECK(std::holds_alternative<Absent>(look(R"({"id":"c","revocation":null})", "ISSUED")));
  CHECK(says(std::get<CannotTell>(look(R"({"id":"c","revocation":{"status":"FAILED"}})", "ISSUED")).why, "earlier"));
  CHECK(std::holds_alternative<CannotTell>(look("null", "ISSUED")));
  // Half an answer does not say that there is no revocation.
  bench.transport->then(200, R"({"data":{"certificate":{"id":"c","revocation":null}},)"
                             R"("errors":[{"message":"timeout","path":["certificate","revocation"]}]})");
  CHECK(error_of([&] { bench.provider().look_up(bench.call()); }).kind() == ErrorKind::unavailable);
}

TEST_CASE("a test of the provider says what a user needs to know") {
  ProviderBench bench;
  bench.transport->then(200, R"({"user":{"username":"ops@x"},"company":{"id":"c","urlPrefix":"x"},)"
                             R"("apiKey":{"validityEndDate":"2027-01-01T00:00:00.000+0000"}})");
  bench.zone();
  const auto lines = bench.provider().test();
  REQUIRE(lines.size() == 3);
  CHECK(lines[0] == "API key of ops@x at x, valid until 2027-01-01T00:00:00Z");
  CHECK(says(lines[1], "zone Payments\\Default: issuing template Test Certs, authority BUILTIN"));

  for (const char* wrong : {"csrUploadAllowed", "status"}) {
    ProviderBench unusable;
    Json rules = test::open_template();
    rules.set(wrong, std::string(wrong) == "status" ? Json("UNAVAILABLE") : Json(false));
    unusable.transport->then(200, R"({"company":{"id":"c"}})");
    unusable.zone(rules);
    const Error refused = error_of([&] { unusable.provider().test(); });
    CHECK(refused.kind() == ErrorKind::refused);
    CHECK(says(refused.message(), "issuing template Test Certs"));
  }

  ProviderBench alone;
  alone.transport->then(200, R"({"user":{"username":"ops@x"}})");
  CHECK(error_of([&] { alone.provider().test(); }).kind() == ErrorKind::denied);
}

TEST_CASE("a provider shows its policy, runs the service's dry run, and decides") {
  ProviderBench bench;
  bench.zone();
  const Facts facts = bench.provider().policy(std::chrono::seconds{10});
  CHECK(facts.front() == std::pair<std::string, std::string>{"Zone", "Payments\\Default"});
  bench.transport->then(412, test::errors_answer(10702, "Unable to parse bytes"));
  CHECK(bench.provider().dry_run(bench.call()) == std::vector<std::string>{"Unable to parse bytes [10702]"});
  CHECK(bench.transport->lines().back() == "POST /outagedetection/v1/certificaterequests/validation");
  bench.transport->then(200, test::request_json("PENDING_APPROVAL").dump())
      .then(200, approvals("PENDING_APPROVAL", ""));
  const ProviderReference reference(test::kRequestId);
  CHECK(says(bench.provider().standing(reference, {}, std::chrono::seconds{10}).message,
             "cn=www.example.com; ATTENTION: the CSR, and so its names, cannot be shown"));
  Json request = test::request_json("PENDING_APPROVAL");
  request.set("certificateSigningRequest", x509::csr_to_pem(bench.draft.csr));
  bench.transport->then(200, request.dump()).then(200, test::request_json("PENDING").dump());
  bench.provider().decide(reference, ApprovalAuthority::Decision::approve, "fine", std::chrono::seconds{10});
  CHECK(bench.transport->lines().back() == "POST /v1/certificaterequests/" + test::kRequestId + "/approval/APPROVE");
  CHECK(error_of([&] {
          bench.provider().decide(reference, ApprovalAuthority::Decision::reject, std::string(1025, 'x'),
                                  std::chrono::seconds{10});
        }).kind() == ErrorKind::invalid_input);
}

TEST_CASE("what is approved is the request that was asked about, with the CSR that we sent") {
  ProviderBench bench;
  const ProviderReference reference(test::kRequestId);
  const auto standing = [&](const Json& request, const Bytes& csr) {
    bench.transport->then(200, request.dump()).then(200, approvals("PENDING_APPROVAL", ""));
    Error error = error_of([&] { bench.provider().standing(reference, csr, std::chrono::seconds{10}); });
    bench.transport->answers.clear();
    return error;
  };
  Json request = test::request_json("PENDING_APPROVAL");
  CHECK(standing(request, {}).message() == "no error");
  CHECK(says(standing(request, bench.draft.csr).message(), "does not show the CSR"));
  request.set("certificateSigningRequest", x509::csr_to_pem(bench.draft.csr));
  CHECK(standing(request, bench.draft.csr).message() == "no error");
  // Names and key too: an approver must not read a subject alone.
  bench.transport->then(200, request.dump()).then(200, approvals("PENDING_APPROVAL", ""));
  const std::string asked = bench.provider().standing(reference, {}, std::chrono::seconds{10}).message;
  CHECK(says(asked, "(dns:www.example.com, ip:192.0.2.1), EC P-256 key"));
  CHECK(says(standing(request, test::csr_for(bench.key, bench.ask)).message(), "another CSR than ours"));
  request.set("id", test::kTemplateId);
  CHECK(standing(request, {}).kind() == ErrorKind::corrupt);

  Json before = request;
  before.set("id", test::kRequestId);
  bench.transport->then(200, before.dump()).then(200, request.dump());
  CHECK(error_of([&] {
          bench.provider().decide(reference, ApprovalAuthority::Decision::approve, "", std::chrono::seconds{10});
        }).kind() == ErrorKind::outcome_unknown);
}

TEST_CASE("a decision is told as taken only in the service's own words") {
  ProviderBench bench;
  using Decision = ApprovalAuthority::Decision;
  const auto decide = [&](Decision decision, const std::string& status) {
    Json now = test::request_json(status);
    now.set("certificateSigningRequest", x509::csr_to_pem(bench.draft.csr));
    bench.transport->answers.clear();
    if (decision == Decision::approve) {
      Json before = now;
      before.set("status", "PENDING_APPROVAL");
      bench.transport->then(200, before.dump());
    }
    bench.transport->then(200, now.dump());
    return error_of(
        [&] { bench.provider().decide(ProviderReference(test::kRequestId), decision, "", std::chrono::seconds{10}); });
  };
  CHECK(decide(Decision::reject, "REJECTED_APPROVAL").message() == "no error");
  for (const char* status : {"ISSUED", "REQUESTED", "PENDING_APPROVAL", "CANCELLED", ""}) {
    const Error error = decide(Decision::reject, status);
    CHECK(error.kind() == ErrorKind::outcome_unknown);
    CHECK(says(error.message(), status));
  }
  for (const char* status : {"PENDING_APPROVAL", "PENDING_FINAL_APPROVAL", "PENDING", "REQUESTED", "ISSUED"}) {
    CHECK(decide(Decision::approve, status).message() == "no error");
  }
  for (const char* status : {"REJECTED_APPROVAL", "REJECTED", "CANCELLED", "FAILED", "FUTURE"}) {
    CHECK(decide(Decision::approve, status).kind() == ErrorKind::outcome_unknown);
  }
}

TEST_CASE("whoever approves sees the names that would be certified, and other names than the CSR's are not approved") {
  ProviderBench bench;
  const ProviderReference reference(test::kRequestId);
  Json plain = test::request_json("PENDING_APPROVAL");
  plain.set("certificateSigningRequest", x509::csr_to_pem(bench.draft.csr));
  plain.set("validityPeriod", "P30D");
  plain.set("errorInformation", Json::object({{"message", "the CA was slow"}}));
  const auto shown = [&](const Json& request) {
    bench.transport->answers.clear();
    bench.transport->then(200, request.dump()).then(200, approvals("PENDING_APPROVAL", ""));
    return bench.provider().standing(reference, {}, std::chrono::seconds{10});
  };
  const auto approved = [&](const Json& request) {
    bench.transport->answers.clear();
    bench.transport->then(200, request.dump()).then(200, test::request_json("PENDING").dump());
    return error_of([&] {
      bench.provider().decide(reference, ApprovalAuthority::Decision::approve, "", std::chrono::seconds{10});
    });
  };
  // An error hides nothing of what is asked for.
  CHECK(says(shown(plain).message, "(dns:www.example.com, ip:192.0.2.1), EC P-256 key, validity P30D"));
  CHECK(says(shown(plain).progress.note, "the service says: the CA was slow"));
  CHECK(approved(plain).message() == "no error");

  Json same = plain;
  same.set("subjectAlternativeNamesByType", Json::object({{"dNSName", Json::array({"WWW.example.com"})},
                                                          {"iPAddress", Json::array({"192.0.2.1"})},
                                                          {"otherName", Json::array()}}));
  same.set("customAttributesInformation", Json::object({{"dnsNames", Json::array()}, {"overwriteSans", false}}));
  CHECK(approved(same).message() == "no error");

  Json custom = plain;
  custom.set("customAttributesInformation",
             Json::object({{"dnsNames", Json::array({"bank.example"})}, {"overwriteSans", true}}));
  Json names = same;
  names.set("subjectAlternativeNamesByType",
            Json::object({{"dNSName", Json::array({"bank.example"})}, {"iPAddress", Json::array({"192.0.2.1"})}}));
  // As many addresses as in the CSR, and another one; and a text that is none.
  Json address = same;
  address.set("subjectAlternativeNamesByType", Json::object({{"dNSName", Json::array({"www.example.com"})},
                                                             {"iPAddress", Json::array({"192.0.2.99"})}}));
  CHECK(says(shown(address).message, "ATTENTION: its iPAddress names are not the CSR's: 192.0.2.99"));
  CHECK(approved(address).kind() == ErrorKind::refused);
  address.set("subjectAlternativeNamesByType",
              Json::object({{"dNSName", Json::array({"www.example.com"})}, {"iPAddress", Json::array({"192.0.2"})}}));
  CHECK(approved(address).kind() == ErrorKind::refused);
  for (const Json& request : {custom, names}) {
    CHECK(says(shown(request).message, "bank.example"));
    const std::size_t sent = bench.transport->sent.size();
    const Error refused = approved(request);
    CHECK(refused.kind() == ErrorKind::refused);
    CHECK(says(refused.message(), "bank.example"));
    CHECK(bench.transport->sent.size() == sent + 1);
  }
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
