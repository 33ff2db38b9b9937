#include "providers/venafi/wire/wire.h"

#include "base/error.h"
#include "cloud_answers.h"

#include <catch2/catch.hpp>

using namespace hsmbridge;
using namespace hsmbridge::venafi;

namespace {

template <class Read>
ErrorKind kind_of(Read read) {
  try {
    read();
  } catch (const Error& error) {
    return error.kind();
  }
  return ErrorKind::internal;
}

}  // namespace

TEST_CASE("a certificate request is read with dates of both forms") {
  Json json = test::request_json("ISSUED");
  const CertificateRequest request = certificate_request_from(json.dump());
  CHECK(request.id == test::kRequestId);
  CHECK(request.status == "ISSUED");
  CHECK(request.certificate_ids.size() == 2);
  CHECK(request.certificate_ids.front() == test::kCertificateId);
  CHECK(request.created == parse_rfc3339("2026-09-21T14:13:30.047Z"));
  CHECK(request.applications == std::vector<std::string>{test::kApplicationId});
  json.set("creationDate", "2026-09-21T14:13:30.047+00:00");
  CHECK(certificate_request_from(json.dump()).created == request.created);
  json.set("creationDate", "yesterday");
  CHECK_FALSE(certificate_request_from(json.dump()).created);
}

TEST_CASE("numbers in place of texts, texts in place of numbers and nulls are read") {
  const CertificateRequest request =
      certificate_request_from(R"({"id":17,"status":null,"certificateIds":[1,null,"b"],"tags":null})");
  CHECK(request.id == "17");
  CHECK(request.status.empty());
  CHECK(request.certificate_ids == std::vector<std::string>{"1", "b"});
  const Template rules = template_from(
      R"({"id":"t","keyTypes":[{"keyType":"RSA","keyLengths":["2048",4096]}],"keyReuse":"false","csrUploadAllowed":null})");
  CHECK(rules.key_types.front().lengths == std::vector<std::int64_t>{2048, 4096});
  CHECK(rules.key_reuse == false);
  CHECK_FALSE(rules.csr_upload_allowed);
}

TEST_CASE("errorInformation is told whatever its args are") {
  Json json = test::request_json("FAILED");
  json.set("errorInformation", Json::parse(R"({"type":"X","code":1,"message":"CA rejected it","args":[]})"));
  CHECK(certificate_request_from(json.dump()).error == "CA rejected it (code 1)");
  json.set("errorInformation", Json::parse(R"({"code":"10726","message":"bad","args":["CN",["x",[7]]]})"));
  CHECK(certificate_request_from(json.dump()).error == R"(bad ["CN",["x",[7]]] (code 10726))");
  json.set("errorInformation", "plain");
  CHECK(certificate_request_from(json.dump()).error == "plain");
}

TEST_CASE("a submission's answer with no request or with two is corrupt") {
  CHECK(created_from(test::created_answer("NEW")).status == "NEW");
  CHECK(kind_of([] { created_from(R"({"certificateRequests":[]})"); }) == ErrorKind::corrupt);
  CHECK(kind_of([] { created_from(R"({"certificateRequests":[{"id":"a"},{"id":"b"}]})"); }) == ErrorKind::corrupt);
  CHECK(kind_of([] { created_from(R"({"certificateRequests":[{"status":"NEW"}]})"); }) == ErrorKind::corrupt);
  CHECK(kind_of([] { created_from(test::kProxyPage); }) == ErrorKind::unavailable);
}

TEST_CASE("the service's refusal is read in all its forms, and nobody else's") {
  const auto errors = refusal_from(412, "application/json", test::errors_answer(10702, "Unable", Json::array({""})));
  REQUIRE(errors);
  CHECK(errors->errors.front().code == 10702);
  const auto plain = refusal_from(401, "text/plain", "Invalid api key");
  REQUIRE(plain);
  CHECK(plain->errors.front().message == "Invalid api key");
  CHECK(refusal_from(401, "", ""));
  const auto gateway = refusal_from(403, "application/json", R"({"_error":{"code":"IAM_401","message":"Invalid."}})");
  REQUIRE(gateway);
  CHECK(gateway->errors.front().message == "Invalid. (IAM_401)");
  CHECK_FALSE(refusal_from(401, "text/html", test::kProxyPage));
  CHECK_FALSE(refusal_from(401, "", "  <!DOCTYPE html>"));
  CHECK_FALSE(refusal_from(404, "text/plain", "not found"));
  CHECK_FALSE(refusal_from(404, "application/json", R"({"timestamp":"x","status":404,"error":"Not Found"})"));
  CHECK_FALSE(refusal_from(400, "application/json", R"({"errors":[]})"));
  CHECK_FALSE(refusal_from(400, "application/json", R"({"errors":"many"})"));
  // Only a token endpoint speaks OAuth's form.
  const std::string oauth = R"({"error":"invalid_client","error_description":"token_signature_verification_error"})";
  CHECK_FALSE(refusal_from(400, "application/json", oauth));
  CHECK(token_refusal_from(400, "application/json", oauth)->errors.front().message ==
        "invalid_client: token_signature_verification_error");
}

TEST_CASE("a token is bearer, and its lifetime may be a text") {
  CHECK(token_from(R"({"access_token":"t","expires_in":900,"token_type":"Bearer"})").lifetime ==
        std::chrono::seconds{900});
  CHECK(token_from(R"({"access_token":"t","expires_in":"60"})").lifetime == std::chrono::seconds{60});
  CHECK_FALSE(token_from(R"({"access_token":"t"})").lifetime);
  CHECK(kind_of([] { token_from(R"({"access_token":"t","token_type":"mac"})"); }) == ErrorKind::corrupt);
  CHECK(kind_of([] { token_from(R"({"access_token":"a\nb"})"); }) == ErrorKind::corrupt);
  CHECK(kind_of([] { token_from(R"({"expires_in":900})"); }) == ErrorKind::corrupt);
}

TEST_CASE("whole days are asked as days and never as hours") {
  CHECK(iso_duration(std::chrono::hours{24 * 90}) == "P90D");
  CHECK(iso_duration(std::chrono::hours{12}) == "PT12H0M0S");
  CHECK(iso_duration(std::chrono::hours{36}) == "P1DT12H0M0S");
  CHECK(iso_duration(std::chrono::seconds{90}) == "PT0H1M30S");
}

TEST_CASE("a template's longest validity is read in every form") {
  CHECK(longest_of_iso("P90D") == std::chrono::hours{24 * 90});
  CHECK(longest_of_iso("PT2160H") == std::chrono::hours{2160});
  CHECK(longest_of_iso("P1Y") == std::chrono::hours{24 * 366});
  CHECK(longest_of_iso("P2M19DT1H") == std::chrono::hours{24 * 81 + 1});
  CHECK(longest_of_iso("PT1M") == std::chrono::minutes{1});
  for (const char* text : {"", "P", "PT", "90D", "P-1D", "P1.5D", "PD", "P1D1", "P99999999999999999999D", "x"}) {
    INFO(text);
    CHECK_FALSE(longest_of_iso(text));
  }
}

TEST_CASE("what is sent has the names and values of the reference") {
  NewRequest request;
  request.csr = "-----BEGIN CERTIFICATE REQUEST-----\nMII\n-----END CERTIFICATE REQUEST-----\n";
  request.application = "a";
  request.issuing_template = "t";
  request.validity = "P7D";
  request.tags = {"hsmbridge:X-1"};
  request.client_identifier = "X-1";
  CHECK(Json::parse(text_of(request)) ==
        Json::parse(R"({"applicationId":"a","certificateIssuingTemplateId":"t","isVaaSGenerated":false,)"
                    R"("certificateSigningRequest":"-----BEGIN CERTIFICATE REQUEST-----\nMII\n-----END CERTIFICATE )"
                    R"(REQUEST-----\n","validityPeriod":"P7D","tags":["hsmbridge:X-1"],)"
                    R"("apiClientInformation":{"type":"hsmbridge","identifier":"X-1"}})"));
  request.application.clear();
  request.validity.clear();
  request.existing_certificate = "c";
  const Json renewal = Json::parse(text_of(request));
  CHECK(renewal.at("existingCertificateId").as_string() == "c");
  CHECK(renewal.find("applicationId") == nullptr);
  CHECK(renewal.find("validityPeriod") == nullptr);

  CHECK(Json::parse(text_of(RequestSearch{"a", parse_rfc3339("2026-01-01T00:00:00.5Z"), 2, 50})) ==
        Json::parse(R"({"expression":{"operator":"AND","operands":[{"field":"applicationId","operator":"IN",)"
                    R"("values":["a"]},{"field":"creationDate","operator":"GTE","value":"2026-01-01T00:00:00Z"}]},)"
                    R"("ordering":{"orders":[{"direction":"ASC","field":"creationDate"}]},)"
                    R"("paging":{"pageNumber":2,"pageSize":50}})"));
  const Json revoke = Json::parse(revoke_text("AB", "SUPERSEDED", "rekey"));
  CHECK(revoke.at("operationName").as_string() == "RevokeCertificateRequest");
  CHECK(revoke.at("variables") ==
        Json::parse(R"({"fingerprint":"AB","revocationReason":"SUPERSEDED","revocationComment":"rekey"})"));
  CHECK(service_account_token_text("a.b") ==
        "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=a.b");
  CHECK(federated_token_text("a.b") ==
        "grant_type=client_credentials&client_assertion_type="
        "urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer&client_assertion=a.b");
}

TEST_CASE("a revocation's answer is read with its troubles") {
  const RevocationAnswer submitted = revocation_from(
      R"({"data":{"revokeCertificate":{"id":"1","fingerprint":"AB","revocation":{"status":"SUBMITTED","error":null,)"
      R"("approvalDetails":null}}}})",
      "revokeCertificate");
  CHECK(submitted.present);
  CHECK(submitted.status == "SUBMITTED");
  CHECK(submitted.error.empty());
  const RevocationAnswer refused = revocation_from(R"({"errors":[{"message":"no"}],"data":null})", "revokeCertificate");
  CHECK_FALSE(refused.present);
  CHECK(refused.troubles.front().message == "no");
  const RevocationAnswer failed = revocation_from(
      R"({"data":{"certificate":{"revocation":{"status":"REJECTED_APPROVAL","error":{"arguments":[],"code":5,)"
      R"("message":"m"},"approvalDetails":{"rejectionReason":"not now"}},"globalRevocation":{"status":"REVOKED"}}}})",
      "certificate");
  CHECK(failed.error == "m (code 5); not now");
  CHECK(failed.listed);
  CHECK(kind_of([] { revocation_from("{}", "certificate"); }) == ErrorKind::corrupt);
}

TEST_CASE("an id is one word, and what is kept of a status is short") {
  const auto with_id = [](Json id) {
    Json json = test::request_json("NEW");
    json.set("id", std::move(id));
    return kind_of([&] { certificate_request_from(json.dump()); });
  };
  CHECK(with_id("ee8ae040-B19E") == ErrorKind::internal);
  for (const Json& id : {Json(), Json(""), Json("a b"), Json("a\nb"), Json(std::string(201, 'a')), Json::array()}) {
    INFO(id.dump());
    CHECK(with_id(id) == ErrorKind::corrupt);
  }
  Json json = test::request_json("ISSUED");
  json.set("certificateIds", Json::parse(R"(["","../x y"])"));
  CHECK(kind_of([&] { certificate_request_from(json.dump()); }) == ErrorKind::corrupt);
  json.set("certificateIds", Json::parse(R"([null,"","leaf"])"));
  json.set("status", std::string(1'000'000, 'X'));
  CHECK(certificate_request_from(json.dump()).certificate_ids == std::vector<std::string>{"leaf"});
  CHECK(certificate_request_from(json.dump()).status.size() == 60);
}

TEST_CASE("tags that are not texts are ignored") {
  Json json = test::request_json("NEW");
  json.set("tags", Json::parse(R"([{"key":"env"},"team",7,null])"));
  CHECK(certificate_request_from(json.dump()).tags == std::vector<std::string>{"team"});
}

TEST_CASE("a dry run's success tells what was validated") {
  check_validated(R"({"subjectDN":"cn=x","keyType":"EC","keyCurve":"P256"})");
  for (const char* body : {"{}", "[]", R"({"errors":[]})", R"({"subjectDN":null})"}) {
    INFO(body);
    CHECK(kind_of([&] { check_validated(body); }) == ErrorKind::corrupt);
  }
  CHECK(kind_of([] { check_validated(test::kProxyPage); }) == ErrorKind::unavailable);
}
