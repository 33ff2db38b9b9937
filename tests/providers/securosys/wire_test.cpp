#include "providers/securosys/wire/wire.h"

#include "base/error.h"
#include "base/file.h"
#include "x509/objects/certificate.h"
#include "x509/objects/pem.h"
#include "x509/objects/spki.h"

#include <catch2/catch.hpp>

using namespace hsmbridge;
using namespace hsmbridge::securosys;
using namespace std::chrono_literals;

namespace {

std::string kind_of(const std::function<void()>& act) {
  try {
    act();
  } catch (const Error& error) {
    return std::string(to_string(error.kind()));
  }
  return "";
}

TimestampProof proof() {
  return {"2026-01-01T00:00:00Z", from_hex("0102"), "SHA-256", TimestampProof::Form::public_key, from_hex("0304")};
}

}  // namespace

TEST_CASE("a raw signature is asked for with exactly the documented fields") {
  const SignRequest request{
      "ca-key", Secret("aö"), from_hex("3000"), "SHA256_WITH_ECDSA", {to_bytes("{}"), std::nullopt}};
  CHECK(outer_text("signRequest", inner_text(request), std::nullopt).reveal() ==
        R"({"signRequest":{"payload":"MAA=","payloadType":"UNSPECIFIED","signKeyName":"ca-key",)"
        R"("keyPassword":["a","ö"],"metaData":"e30=","metaDataSignature":null,)"
        R"("signatureAlgorithm":"SHA256_WITH_ECDSA","signatureType":"DER"},"requestSignature":null})");
}

TEST_CASE("a request signature stands beside the very characters it covers") {
  const Secret inner = inner_text(SignRequest{"k", {}, from_hex("00"), "EDDSA", {to_bytes("x"), from_hex("ff")}});
  const std::string outer(outer_text("signRequest", inner, RequestSignature{from_hex("01"), from_hex("02")}).reveal());
  CHECK(outer == R"({"signRequest":)" + std::string(inner.reveal()) +
                     R"(,"requestSignature":{"signature":"AQ==","digestAlgorithm":"SHA-256","publicKey":"Ag=="}})");
  CHECK(Json::parse(outer).at("signRequest").at("metaDataSignature").as_string() == "/w==");
  CHECK(Json::parse(outer).at("signRequest").at("keyPassword").is_null());
}

TEST_CASE("an older server is sent no field that it does not know") {
  CertificateSignRequest request;
  request.key = "ca";
  request.algorithm = "SHA256_WITH_RSA";
  request.common_name = "www";
  request.csr_pem = "PEM\n";
  request.key_usage = {"DIGITAL_SIGNATURE"};
  request.meta_data.octets = to_bytes("m");
  CHECK(inner_text(request).reveal() ==
        R"({"signKeyName":"ca","keyPassword":null,"signatureAlgorithm":"SHA256_WITH_RSA","commonName":"www",)"
        R"("certificateAuthority":false,"certificateSigningRequest":"PEM\n","keyUsage":["DIGITAL_SIGNATURE"],)"
        R"("extendedKeyUsage":null,"metaData":"bQ==","metaDataSignature":null})");
}

TEST_CASE("a newer server is sent subject names and days") {
  CertificateSignRequest request;
  request.common_name = "www";
  request.modern =
      CertificateSignRequest::Modern{{{"country", "CH"}, {"commonName", "www"}}, {{"DNS", "a.b"}}, 30, false};
  const Json json = Json::parse(inner_text(request).reveal());
  CHECK(json.at("standardCertificateAttributes").dump() == R"({"country":"CH","commonName":"www"})");
  CHECK(json.at("validity").as_integer() == 30);
  CHECK(json.at("copyExtensions").as_string() == "NO_COPY");
  CHECK(json.at("subjectAlternativeNames").dump() == R"([{"sanType":"DNS","sanValue":"a.b"}])");
}

TEST_CASE("a key password that a Java char array cannot hold is refused") {
  CHECK(key_password(Secret("")).is_null());
  CHECK(key_password(Secret("pw")).dump() == R"(["p","w"])");
  CHECK(kind_of([] { key_password(Secret("\xF0\x9F\x98\x80")); }) == "invalid_input");
  CHECK(kind_of([] { key_password(Secret("\xff")); }) == "invalid_input");
}

TEST_CASE("an approver lists tasks and decides with the documented fields") {
  CHECK(tasks_text(proof(), {"", 2, 1, 25}) ==
        R"({"timestamp":"2026-01-01T00:00:00Z","timestampSignature":"AQI=","timestampDigestAlgorithm":"SHA-256",)"
        R"("approverPublicKey":"AwQ=","detailLevel":"level2",)"
        R"("paging":{"pageNumber":1,"pageSize":25,"sortOrder":"CREATION_DATE_ASC"}})");
  CHECK(reject_text(proof(), "t1") == R"({"id":"t1","timestamp":"2026-01-01T00:00:00Z","timestampSignature":"AQI=",)"
                                      R"("timestampDigestAlgorithm":"SHA-256","approverPublicKey":"AwQ="})");
  TimestampProof by_certificate = proof();
  by_certificate.form = TimestampProof::Form::certificate;
  CHECK(Json::parse(tasks_text(by_certificate, {"t", 1, 0, 1})).at("approverCertificate").as_string() == "AwQ=");
  by_certificate.form = TimestampProof::Form::timestamp_certificate;
  CHECK(Json::parse(reject_text(by_certificate, "t")).at("timestampSigningCertificate").as_string() == "AwQ=");
  CHECK(approval_text(
            {"t1", from_hex("00"), from_hex("01"), "EdDSA", TimestampProof::Form::certificate, from_hex("02")}) ==
        R"({"id":"t1","approvalToBeSigned":"AA==","signature":"AQ==","approvalDigestAlgorithm":"EdDSA",)"
        R"("approverCertificate":"Ag=="})");
  CHECK(import_text("label", from_hex("30")) == R"({"label":"label","certificate":"MA=="})");
}

TEST_CASE("the tutorial's answer is read with its certificate on one line") {
  const Bytes body = read_file(HSMBRIDGE_TEST_DATA "/securosys/issued_certificate.json");
  const SignRequestStatus status = sign_request_status_from(as_text(body));
  CHECK(status.id == "9dd448e1-6d34-4b98-a05b-3ec006d99fef");
  CHECK(status.status == "EXECUTED");
  CHECK(status.approved_by.size() == 1);
  CHECK(status.not_yet_approved_by.empty());
  REQUIRE(status.result);
  const x509::Certificate certificate = x509::parse_certificate(x509::read_certificate(as_bytes(*status.result)));
  CHECK(certificate.subject().to_string() == "CN=Approver-Intermediate-SUB");
  CHECK(x509::serial_text(certificate.serial()) == "00");
}

TEST_CASE("unknown fields and null results of a status are no trouble") {
  const SignRequestStatus status = sign_request_status_from(
      R"({"id":"a","status":"PENDING","executionTime":null,"approvedBy":[],"rejectedBy":null,"result":null,)"
      R"("inputOfflineHsm":{"x":1}})");
  CHECK_FALSE(status.result);
  CHECK(status.rejected_by.empty());
  CHECK_FALSE(sign_request_status_from(R"({"id":"a","status":"EXECUTED","result":""})").result);
}

TEST_CASE("JSON of the wrong shape is corrupt, and what is not JSON means that the service is unavailable") {
  CHECK(kind_of([] { sign_request_status_from("<html>502</html>"); }) == "unavailable");
  CHECK(kind_of([] { sign_request_status_from(R"({"id":"a","stat)"); }) == "unavailable");
  CHECK(kind_of([] { sign_request_status_from("[]"); }) == "corrupt");
  CHECK(kind_of([] { sign_request_status_from(R"({"id":"a"})"); }) == "corrupt");
  CHECK(kind_of([] { sign_request_status_from(R"({"id":"a","status":1})"); }) == "corrupt");
  CHECK(kind_of([] { sign_request_status_from(R"({"id":"a","status":"X","approvedBy":"k"})"); }) == "corrupt");
  CHECK(kind_of([] { sign_request_status_from(R"({"id":"a","status":7})"); }) == "corrupt");
  CHECK(kind_of([] { tasks_from(R"({"tasks":{"id":"t"}})"); }) == "corrupt");
  CHECK(kind_of([] { tasks_from("{}"); }) == "corrupt");
  CHECK(kind_of([] { version_info_from("{}"); }) == "corrupt");
}

TEST_CASE("a result is kept when another member is faulty") {
  const SignRequestStatus status =
      sign_request_status_from(R"({"id":"a","status":"EXECUTED","executionTime":7,"approvedBy":"k","result":"AAAA"})");
  CHECK(status.result == "AAAA");
  CHECK(status.approved_by.empty());
}

TEST_CASE("the generation follows the version") {
  CHECK(version_info_from(R"({"Version":"2.5.1","Vendor":"Securosys SA"})").vendor == "Securosys SA");
  CHECK(generation_of("2.5.1") == Generation::modern);
  CHECK(generation_of("2.4") == Generation::modern);
  CHECK(generation_of("3.0.0") == Generation::modern);
  CHECK(generation_of("2.3.9") == Generation::classic);
  CHECK(generation_of("1.17.1.20231211T114600") == Generation::classic);
  CHECK(kind_of([] { generation_of("development"); }) == "corrupt");
}

TEST_CASE("the policy of a key is read with its groups") {
  const Bytes spki = from_base64(
      "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEWgUYdv2ZSkS7MAxUPQP3PWFzSn4jqWZLdhYZdRnEgYHxsFD7oGmvL0sWc1fVeo0sOYfLs3NN2ycB"
      "hJWZrYQxRA==");
  const std::string body = R"({"xml":"<x/>","json":{"label":"ca","algorithm":"EC","policy":{"ruleUse":{"tokens":[)"
                           R"({"name":"T","timelock":60,"timeout":600,"groups":[{"name":"G","quorum":1,"approvals":[)"
                           R"({"type":"public_key","name":"anna","value":")" +
                           base64(spki) +
                           R"("},{"type":"onboarded_approver_certificate","name":"ben"}]}]}]},"ruleBlock":null,)"
                           R"("keyStatus":{"blocked":true}}},"xmlSignature":"AA=="})";
  const KeyAttributes attributes = key_attributes_from(body);
  CHECK(attributes.blocked);
  REQUIRE(attributes.rule_use);
  REQUIRE(attributes.rule_use->alternatives.size() == 1);
  const approval::Alternative& alternative = attributes.rule_use->alternatives[0];
  CHECK(alternative.timelock == 60s);
  CHECK(alternative.timeout == 600s);
  REQUIRE(alternative.groups.size() == 1);
  CHECK(alternative.groups[0].members ==
        std::vector<approval::Person>{{"anna", x509::spki_hash(spki)}, {"ben", SpkiHash()}});
}

TEST_CASE("a missing rule is always met and a rule without tokens never") {
  const auto rule = [](const std::string& text) {
    return *key_attributes_from(R"({"json":{"label":"k","policy":{"ruleUse":)" + text + "}}}").rule_use;
  };
  CHECK(approval::judge(rule("null"), {}, 0s) == approval::Outcome::met);
  CHECK(approval::judge(rule(R"({"tokens":null})"), {}, 0s) == approval::Outcome::impossible);
  CHECK(approval::judge(rule(R"({"tokens":[{"timelock":0,"timeout":0,"groups":null}]})"), {}, 0s) ==
        approval::Outcome::met);
  CHECK_FALSE(key_attributes_from(R"({"json":{"label":"k","policy":null}})").rule_use);
}

TEST_CASE("a task is read with what its level brings") {
  const std::vector<Task> tasks = tasks_from(
      R"({"tasks":[{"detailLevel":"level6","id":"t","approvalToBeSigned":"AAE=","metaData":"e30=","payload":"MAA=",)"
      R"("requestStatus":{"id":"r","status":"PENDING"}},{"id":"u","approvalToBeSigned":"AAI=","approverPublicKey":"AA=="}]})");
  REQUIRE(tasks.size() == 2);
  CHECK(tasks[0].approval_to_be_signed == from_hex("0001"));
  CHECK(tasks[0].meta_data == to_bytes("{}"));
  CHECK(tasks[0].payload == from_hex("3000"));
  CHECK(tasks[0].request_id == "r");
  CHECK_FALSE(tasks[1].request_id);
  CHECK(tasks[1].approver_public_key == "AA==");
}

TEST_CASE("an invalid id is refused before it is shown") {
  const auto task = [](const std::string& fields) {
    return tasks_from(R"({"tasks":[{"approvalToBeSigned":"AAE=",)" + fields + "}]}").at(0);
  };
  CHECK(task(R"("id":"t")").fault.empty());
  for (const char* fields : {R"("id":"\u001b[2J")", R"("id":"")", R"("id":7)"}) {
    CAPTURE(fields);
    CHECK(task(fields).id.empty());
    CHECK_FALSE(task(fields).fault.empty());
  }
  for (const char* fields : {R"("id":"t","requestStatus":{"id":"../x"})", R"("id":"t","requestStatus":{"id":".."})"}) {
    CAPTURE(fields);
    CHECK(task(fields).id == "t");
    CHECK_FALSE(task(fields).request_id);
    CHECK_FALSE(task(fields).fault.empty());
  }
  CHECK(kind_of([] { created_from(R"({"signRequestId":".."})"); }) == "corrupt");
}

TEST_CASE("a rule with impossible times or too many approvers is corrupt") {
  const auto rule = [](const std::string& token) {
    return kind_of(
        [&] { key_attributes_from(R"({"json":{"label":"k","policy":{"ruleUse":{"tokens":[)" + token + "]}}}}"); });
  };
  CHECK(rule(R"({"timelock":0,"timeout":3000000000,"groups":[]})").empty());
  CHECK(rule(R"({"timelock":0,"timeout":9223372036854775807,"groups":[]})") == "corrupt");
  CHECK(rule(R"({"timelock":-1,"timeout":0,"groups":[]})") == "corrupt");
  std::string people = R"({"name":"a"})";
  for (int i = 0; i < 1000; ++i) people += R"(,{"name":"a"})";
  CHECK(rule(R"({"groups":[{"quorum":1,"approvals":[)" + people + "]}]}") == "corrupt");
}

TEST_CASE("a result is kept whatever is wrong with the other members") {
  CHECK(*sign_request_status_from(R"({"result":"AAAA"})").result == "AAAA");
  CHECK(*sign_request_status_from(R"({"id":5,"status":"EXECUTED","result":"AAAA"})").result == "AAAA");
  CHECK(*sign_request_status_from(R"({"id":"a","status":"EXECUTED","approvedBy":7,"result":"AAAA"})").result == "AAAA");
  CHECK(*sign_request_status_from(R"({"id":"a","status":"EXECUTED","result":{"signature":"AAAA"}})").result ==
        R"({"signature":"AAAA"})");
  CHECK(kind_of([] { sign_request_status_from(R"({"status":"PENDING"})"); }) == "corrupt");
}

TEST_CASE("an import's answer is read in either form and nothing else passes for one") {
  const Bytes der = from_hex("3000");
  CHECK(imported_from(R"({"label":"sub","certificate":"MAA="})").certificate == der);
  CHECK(imported_from(R"({"label":"sub","certificate":"-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----"})")
            .certificate == der);
  CHECK(imported_from(R"({"label":"sub"})").label == "sub");
  CHECK(kind_of([] { imported_from("{}"); }) == "corrupt");
  CHECK(kind_of([] { imported_from("<html>"); }) == "unavailable");
  CHECK(kind_of([] { imported_from(""); }) == "unavailable");
}

TEST_CASE("our own metaData is recognised and that of others is not") {
  const MetaData meta{"certificate for www", "aa", "bb", "0123456789ABCDEF", 3};
  const auto read = meta_data_from(meta_data_octets(meta));
  REQUIRE(read);
  CHECK(read->summary == meta.summary);
  CHECK(read->payload_sha256 == "aa");
  CHECK(read->csr_sha256 == "bb");
  CHECK(read->request == meta.request);
  CHECK(read->attempt == 3);
  CHECK_FALSE(meta_data_from(to_bytes("{}")));
  CHECK_FALSE(meta_data_from(to_bytes("hello")));
  CHECK_FALSE(meta_data_from(to_bytes(R"({"app":"hsmbridge","request":"x","attempt":"1"})")));
}

TEST_CASE("a certificate is read from either field") {
  const Bytes body = read_file(HSMBRIDGE_TEST_DATA "/securosys/issued_certificate.json");
  const std::string pem = *sign_request_status_from(as_text(body)).result;
  const Bytes der = x509::read_certificate(as_bytes(pem));
  CHECK(certificate_from(Json::object({{"label", "ca"}, {"certificate", pem}}).dump()) == der);
  CHECK(certificate_from(
            Json::object({{"label", "ca"}, {"certificate", pem}, {"rawCertificate", base64(der)}}).dump()) == der);
  CHECK(kind_of([] { certificate_from(R"({"label":"ca","certificate":"nothing"})"); }) == "corrupt");
}
