#include "tools/rig/venafi/venafi.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "support/temp_folder.h"
#include "tools/rig/pki/certificates.h"

#include <algorithm>
#include <catch2/catch.hpp>

using namespace hsmbridge;
using namespace hsmbridge::rig;

namespace {

const SignatureScheme kScheme{"SHA256", SignatureScheme::Padding::pkcs1};

// The simulated service without a server.
struct Cloud {
  Json call(const std::string& method, const std::string& target, const Json& body, int status,
            const std::string& user = "ops") {
    Call sent{method, target, {{"tppl-api-key", keys.at(user).as_array().at(0).as_string()}}, ""};
    if (!body.is_null()) sent.body = body.dump();
    const Answer answer = service.handle(sent);
    INFO(answer.body);
    REQUIRE(answer.status == status);
    last = answer;
    return answer.content_type == "application/json" ? Json::parse(answer.body) : Json();
  }
  Json order(const std::string& alias, const std::string& pem) {
    const Json application = call("GET", "/outagedetection/v1/applications/name/Payments", {}, 200);
    return Json::object(
        {{"applicationId", application.at("id")},
         {"certificateIssuingTemplateId", application.at("certificateIssuingTemplateAliasIdMap").at(alias)},
         {"certificateSigningRequest", pem}});
  }
  Json submit(const std::string& alias) {
    return call("POST", "/outagedetection/v1/certificaterequests", order(alias, csr()), 201)
        .at("certificateRequests")
        .as_array()
        .at(0);
  }
  std::string csr(const std::string& subject = "CN=www.example.com", bool broken = false) {
    CertificateContent content;
    content.subject = parse_name(subject);
    content.alternative_names = {{"DNS", "www.example.com"}};
    const Bytes tbs = csr_to_be_signed(content, key, kScheme);
    Bytes signature = key.sign(kScheme, tbs);
    if (broken) signature = key.sign(kScheme, as_bytes("something else"));
    return to_pem("CERTIFICATE REQUEST", assemble(tbs, key, kScheme, signature), PemLayout::lines);
  }
  static int code(const Json& errors, std::size_t at = 0) {
    return static_cast<int>(errors.at("errors").as_array().at(at).at("code").as_integer());
  }

  test::TempFolder folder;
  SystemClock clock;
  venafi::Venafi service{folder.path(), clock};
  Json keys = service.about().at("api_keys");
  SoftwareKey key = SoftwareKey::generate("EC", 256);
  Answer last;
};

const std::string kRequests = "/outagedetection/v1/certificaterequests";

}  // namespace

TEST_CASE("the simulated Venafi refuses credentials as the real one does") {
  Cloud cloud;
  Answer answer = cloud.service.handle({"GET", "/v1/useraccounts", {}, ""});
  CHECK(answer.status == 400);
  CHECK(Json::parse(answer.body) ==
        Json::parse(R"({"errors":[{"code":1004,"message":"Invalid or missing request header [SESSION, tppl-api-key]",)"
                    R"("args":[["SESSION","tppl-api-key"]]}]})"));
  answer = cloud.service.handle({"GET", "/v1/useraccounts", {{"tppl-api-key", "x"}}, ""});
  CHECK(answer.status == 401);
  CHECK(answer.body == "Invalid api key");
  CHECK(answer.content_type == "text/plain");
  const Json account = cloud.call("GET", "/v1/useraccounts", {}, 200);
  CHECK(account.at("company").at("companyType").as_string() == "TPP_CUSTOMER");
}

TEST_CASE("the simulated Venafi takes Go's odd JSON and no unknown field") {
  Cloud cloud;
  Json body = cloud.order("Default", cloud.csr());
  body.set("tags", Json());
  body.set("csrAttributes", Json::object());
  body.set("apiClientInformation", Json::object({{"type", ""}, {"identifier", ""}}));
  const Json made = cloud.call("POST", kRequests, body, 201).at("certificateRequests").as_array().at(0);
  CHECK(made.at("status").as_string() == "ISSUED");
  CHECK(made.at("certificateIds").as_array().size() == 3);
  body.set("csr", "x");
  const Json refused = cloud.call("POST", kRequests, body, 400);
  CHECK(Cloud::code(refused) == 1006);
  CHECK(refused.at("errors").as_array().at(0).at("args").dump() == R"(["json: unknown field \"csr\""])");
}

TEST_CASE("the simulated Venafi refuses a CSR that is none, or that its key did not sign") {
  Cloud cloud;
  CHECK(Cloud::code(cloud.call("POST", kRequests, cloud.order("Default", "no CSR"), 412)) == 10702);
  CHECK(Cloud::code(cloud.call("POST", kRequests, cloud.order("Default", cloud.csr("CN=a", true)), 412)) == 10702);
}

TEST_CASE("the simulated Venafi names one bad component an entry, absent ones as nothing") {
  Cloud cloud;
  const Json refused = cloud.call("POST", kRequests, cloud.order("Strict", cloud.csr("CN=www.example.org")), 412);
  std::vector<std::string> components;
  for (const Json& error : refused.at("errors").as_array()) {
    CHECK(error.at("code").as_integer() == 10726);
    components.push_back(error.at("args").as_array().at(0).as_string() + "=" +
                         error.at("args").as_array().at(1).as_string());
  }
  CHECK(components == std::vector<std::string>{"CN=www.example.org", "O=", "ST=", "C="});
}

TEST_CASE("the simulated Venafi knows ids, and says which it does not know") {
  Cloud cloud;
  CHECK(Cloud::code(cloud.call("GET", kRequests + "/no-uuid", {}, 400)) == 10055);
  const Json unknown = cloud.call("GET", kRequests + "/ee8ae040-b19e-11eb-a502-139659b036ff", {}, 404);
  CHECK(Cloud::code(unknown) == 10051);
  CHECK(unknown.at("errors").as_array().at(0).at("args").dump() ==
        R"(["CertificateRequest",["ee8ae040-b19e-11eb-a502-139659b036ff"]])");
  CHECK(Cloud::code(cloud.call("GET", "/outagedetection/v1/applications/name/Nope", {}, 404)) == 10051);
  CHECK(Cloud::code(cloud.call("GET", "/outagedetection/v1/applications/Payments/certificateissuingtemplates/Nope", {},
                               404)) == 20216);
  cloud.call("GET", "/v2/nothing", {}, 404);
  CHECK(cloud.last.content_type == "text/html");
}

TEST_CASE("the simulated Venafi shows each status of a script once") {
  Cloud cloud;
  const std::string slow = cloud.submit("Slow").at("id").as_string();
  std::vector<std::string> seen;
  for (int i = 0; i < 4; ++i) {
    seen.push_back(cloud.call("GET", kRequests + "/" + slow, {}, 200).at("status").as_string());
  }
  CHECK(seen == std::vector<std::string>{"NEW", "PENDING", "REQUESTED", "ISSUED"});

  const std::string failing = cloud.submit("Failing").at("id").as_string();
  cloud.call("GET", kRequests + "/" + failing, {}, 200);
  const Json failed = cloud.call("GET", kRequests + "/" + failing, {}, 200);
  CHECK(failed.at("status").as_string() == "FAILED");
  CHECK(failed.at("errorInformation").at("message").as_string() == "the CA cannot be reached");
}

TEST_CASE("the simulated Venafi's search shows documents without CSRs, by its operators and pages") {
  Cloud cloud;
  for (int i = 0; i < 3; ++i) cloud.submit("Default");
  const auto search = [&](const std::string& expression, const std::string& paging = "{}") {
    return cloud.call("POST", "/outagedetection/v1/certificaterequestssearch",
                      Json::parse(R"({"expression":)" + expression + R"(,"paging":)" + paging + "}"), 200);
  };
  const Json all = search(R"({"field":"creationDate","operator":"GTE","value":"2020-01-01T00:00:00"})");
  CHECK(all.at("numFound").as_integer() == 3);
  CHECK(all.at("certificateRequests").as_array().at(0).find("certificateSigningRequest") == nullptr);
  CHECK(all.at("certificateRequests").as_array().at(0).find("applicationIds") != nullptr);
  const Json paged = search(R"({"operator":"AND","operands":[{"field":"status","operator":"EQ","value":"ISSUED"}]})",
                            R"({"pageNumber":1,"pageSize":2})");
  CHECK(paged.at("numFound").as_integer() == 3);
  CHECK(paged.at("certificateRequests").as_array().size() == 1);
  CHECK(search(R"({"operator":"NOT","operands":[{"field":"status","operator":"FIND","value":"ISS"}]})")
            .at("numFound")
            .as_integer() == 0);
  CHECK(Cloud::code(cloud.call("POST", "/outagedetection/v1/certificaterequestssearch",
                               Json::parse(R"({"expression":{"field":"colour","operator":"EQ","value":"x"}})"), 400)) ==
        1006);
}

TEST_CASE("the simulated Venafi issues certificates that lead to its own root") {
  Cloud cloud;
  const Json made = cloud.submit("Default");
  const std::string id = made.at("certificateIds").as_array().at(0).as_string();
  cloud.call("GET", "/outagedetection/v1/certificates/" + id + "/contents?chainOrder=EE_FIRST&format=PEM", {}, 200);
  const std::string bundle = cloud.last.body;
  CHECK(cloud.last.content_type == "text/plain");
  const Bytes leaf = certificate_from_pem(bundle);
  CHECK(read_certificate(leaf).public_key == cloud.key.public_key());
  CHECK(read_certificate(leaf).issuer == read_certificate(cloud.service.ca().chain().front()).subject);
  cloud.call("GET", "/outagedetection/v1/certificates/" + id + "/contents?chainOrder=ROOT_FIRST&format=PEM", {}, 200);
  CHECK(certificate_from_pem(cloud.last.body) == cloud.service.ca().chain().back());
  cloud.call("GET", "/outagedetection/v1/certificates/" + id + "/contents?format=DER", {}, 200);
  CHECK(to_bytes(cloud.last.body) == leaf);
  const Json details = cloud.call("GET", "/outagedetection/v1/certificates/" + id, {}, 200);
  CHECK(details.at("versionType").as_string() == "CURRENT");
  const Json found = cloud.call(
      "POST", "/outagedetection/v1/certificatesearch",
      Json::object(
          {{"expression",
            Json::object({{"field", "fingerprint"}, {"operator", "MATCH"}, {"value", details.at("fingerprint")}})}}),
      200);
  CHECK(found.at("count").as_integer() == 1);
}

TEST_CASE("the simulated Venafi keeps its keys and its CA over a restart, and forgets requests") {
  Cloud cloud;
  cloud.submit("Default");
  CHECK(cloud.service.requests().as_array().size() == 1);
  const venafi::Venafi again(cloud.folder.path(), cloud.clock);
  CHECK(again.api_key() == cloud.service.api_key());
  CHECK(again.ca().chain().back() == cloud.service.ca().chain().back());
  CHECK(again.requests().as_array().empty());
  cloud.service.reset();
  CHECK(cloud.service.requests().as_array().empty());
}

TEST_CASE("the simulated Venafi rejects automatically what nobody approved in time") {
  Cloud cloud;
  const std::string id = cloud.submit("Approval").at("id").as_string();
  const std::string approval = "/v1/certificaterequests/approvalrequests/" + id;
  cloud.service.advance(std::chrono::hours{24 * 7 - 1});
  CHECK(cloud.call("GET", kRequests + "/" + id, {}, 200).at("status").as_string() == "PENDING_APPROVAL");
  cloud.service.advance(std::chrono::hours{1});
  CHECK(cloud.call("GET", kRequests + "/" + id, {}, 200).at("status").as_string() == "REJECTED_APPROVAL");
  CHECK(cloud.call("GET", approval, {}, 200).at("status").as_string() == "EXPIRED");
  cloud.call("POST", "/v1/certificaterequests/" + id + "/approval/APPROVE", Json::object({{"reason", ""}}), 412, "bob");
}

TEST_CASE("a knob of the simulated Venafi that does not exist is refused, and then none is turned") {
  Cloud cloud;
  for (const char* bad : {R"({"wrong_key":true,"volume":11})", R"({"wrong_key":true,"chain":"backwards"})"}) {
    CHECK_THROWS_AS(cloud.service.control("POST /rig/knobs", Json::parse(bad)), Error);
  }
  const auto key_of = [&] {
    const std::string id = cloud.submit("Default").at("certificateIds").as_array().at(0).as_string();
    cloud.call("GET", "/outagedetection/v1/certificates/" + id + "/contents?format=PEM", {}, 200);
    return read_certificate(certificate_from_pem(cloud.last.body)).public_key;
  };
  CHECK(key_of() == cloud.key.public_key());
  REQUIRE(cloud.service.control("POST /rig/knobs", Json::parse(R"({"wrong_key":true})")));
  CHECK(key_of() != cloud.key.public_key());
}
