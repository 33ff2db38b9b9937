#include "tools/rig/digicert/digicert.h"

#include "base/clock.h"
#include "base/file.h"
#include "support/temp_folder.h"
#include "tools/rig/pki/software_key.h"

#include <catch2/catch.hpp>
#include <fstream>
#include <optional>

using namespace hsmbridge;
using namespace hsmbridge::rig;

namespace {

const std::string kProfiles = "36f011b7-5fa1-4c6d-83f3-00000000000";

// The simulated service without a server around it.
struct Bench {
  Bench() {
    options.dir = folder.path();
    options.api_keys = {{"11111111-0000-4000-8000-000000000001", "good"},
                        {"22222222-0000-4000-8000-000000000002", "other"}};
    CertificateContent content;
    content.subject = {{"CN", "www.example.com"}};
    const SoftwareKey key = SoftwareKey::generate("EC", 256);
    content.subject_public_key = key.public_key();
    const SignatureScheme scheme{"SHA256", SignatureScheme::Padding::pkcs1};
    const Bytes tbs = csr_to_be_signed(content, key, scheme);
    csr = to_pem("CERTIFICATE REQUEST", assemble(tbs, key, scheme, key.sign(scheme, tbs)), PemLayout::lines);
  }
  Digicert& service() {
    if (!made) made.emplace(options, clock);
    return *made;
  }
  Answer call(const std::string& method, const std::string& target, const std::string& body = "",
              const std::string& key = "good", const std::string& accept = "application/json") {
    Call call;
    call.method = method;
    call.target = target;
    call.body = body;
    if (!key.empty()) call.headers["x-api-key"] = key;
    if (!accept.empty()) call.headers["accept"] = accept;
    return service().handle(call);
  }
  Json order(const std::string& profile = kProfiles + "1") const {
    return Json::object({{"profile", Json::object({{"id", profile}})},
                         {"seat", Json::object({{"seat_id", "ops@example.com"}})},
                         {"csr", csr},
                         {"attributes", Json::parse(R"({"subject":{"common_name":"www.example.com"},
                                                        "extensions":{"san":{"dns_names":["www.example.com"]}}})")}});
  }
  Answer post(const Json& body) { return call("POST", "/mpki/api/v1/certificate", body.dump()); }

  test::TempFolder folder;
  SystemClock clock;
  DigicertOptions options;
  std::string csr;
  std::optional<Digicert> made;
};

std::string code_of(const Answer& answer) {
  return Json::parse(answer.body).at("errors").as_array().at(0).string_or("code", "");
}
std::string field_of(const Answer& answer) {
  return Json::parse(answer.body).at("errors").as_array().at(0).string_or("field", "");
}

}  // namespace

TEST_CASE("the simulated DigiCert checks key, Accept, path and JSON in that order") {
  Bench bench;
  CHECK(bench.call("GET", "/mpki/api/v1/hello").body == "Hello from DigiCert ONE - Trust Lifecycle Manager REST API!");
  CHECK(bench.call("GET", "/nowhere", "", "").status == 401);
  CHECK(code_of(bench.call("GET", "/nowhere", "", "")) == "AUTHORIZATION_ERROR");
  CHECK(code_of(bench.call("GET", "/nowhere", "", "wrong")) == "invalid_api_key");
  CHECK(bench.call("GET", "/nowhere", "", "good", "text/html").status == 406);
  CHECK(bench.call("GET", "/mpki/api/v1/hello", "", "good", "application/*").status == 200);
  CHECK(bench.call("GET", "/nowhere").status == 404);
  CHECK(bench.call("DELETE", "/mpki/api/v1/hello").status == 405);
  CHECK(bench.call("POST", "/mpki/api/v1/certificate", "{").status == 400);
}

TEST_CASE("errors come in the envelope that was chosen") {
  Bench bench;
  bench.options.envelope = DigicertEnvelope::object;
  const Json error = Json::parse(bench.call("GET", "/mpki/api/v2/profile/none").body).at("error");
  CHECK(error.at("code").as_string() == "no_access");
  Bench plain;
  plain.options.wrong_key = DigicertWrongKey::text;
  CHECK(plain.call("GET", "/mpki/api/v1/hello", "", "wrong").body == "Unauthorized");
}

TEST_CASE("a profile bound to another token is not shown and not used") {
  Bench bench;
  CHECK(bench.call("GET", "/mpki/api/v2/profile/" + kProfiles + "5").status == 403);
  CHECK(bench.call("GET", "/mpki/api/v2/profile/" + kProfiles + "5", "", "other").status == 200);
  CHECK(bench.post(bench.order(kProfiles + "5")).status == 403);
}

TEST_CASE("both shapes of a request are strict, and each can be switched off") {
  Bench bench;
  const Json real = bench.order();
  Json inner = Json::object({{"id", kProfiles + "1"},
                             {"seat", Json::object({{"id", "ops@example.com"}})},
                             {"csr", bench.csr},
                             {"attributes", real.at("attributes")}});
  const Json tutorial = Json::object({{"profile", inner}});
  CHECK(bench.post(real).status == 201);
  CHECK(bench.post(tutorial).status == 201);

  Json unknown = real;
  unknown.set("colour", "blue");
  CHECK(field_of(bench.post(unknown)) == "colour");
  Json misplaced = real;
  misplaced.set("seat", Json::object({{"id", "ops@example.com"}}));
  CHECK(bench.post(misplaced).status == 400);
  Json odd = real;
  odd.set("attributes", Json::parse(R"({"subject":{"common_name":"x","favourite":"y"}})"));
  CHECK(field_of(bench.post(odd)) == "attributes.subject.favourite");

  bench.options.shape = DigicertShape::real;
  bench.made.reset();
  CHECK(bench.post(real).status == 201);
  CHECK(code_of(bench.post(tutorial)) == "invalid_input_field");
  bench.options.shape = DigicertShape::tutorial;
  bench.made.reset();
  CHECK(bench.post(tutorial).status == 201);
  CHECK(bench.post(real).status == 400);
}

TEST_CASE("a request is judged against its profile") {
  Bench bench;
  CHECK(code_of(bench.post(bench.order(kProfiles + "8"))) == "invalid_input_field");
  CHECK(code_of(bench.post(bench.order(kProfiles + "9"))) == "invalid_input_field");
  Json nameless = bench.order();
  nameless.set("attributes", Json::object());
  CHECK(field_of(bench.post(nameless)) == "attributes.subject.common_name");
  Json broken = bench.order();
  broken.set("csr", "hello");
  CHECK(field_of(bench.post(broken)) == "csr");
  CHECK(bench.post(bench.order(kProfiles + "6")).status == 201);
  CHECK(code_of(bench.post(bench.order(kProfiles + "6"))) == "duplicate_error");
}

TEST_CASE("what was issued survives a restart, and a reset does not spare it") {
  Bench bench;
  const std::string serial = Json::parse(bench.post(bench.order()).body).at("serial_number").as_string();
  CHECK(bench.call("PUT", "/mpki/api/v1/certificate/" + serial + "/revoke", R"({"revocation_reason":"superseded"})")
            .status == 204);
  const std::string pending = Json::parse(bench.post(bench.order(kProfiles + "3")).body).at("request_id").as_string();
  bench.service().advance(std::chrono::hours{1});

  bench.made.reset();
  const Json details = Json::parse(bench.call("GET", "/mpki/api/v1/certificate/" + serial).body);
  CHECK(details.at("status").as_string() == "revoked");
  CHECK(details.at("revocation").at("reason").as_string() == "superseded");
  CHECK(bench.service().advanced() == std::chrono::hours{1});
  const std::string profile = R"({"profile":{"id":")" + kProfiles + R"(3"}})";
  const std::string pickup = "/mpki/api/v1/certificate-pickup/" + pending;
  CHECK(Json::parse(bench.call("POST", pickup, profile).body).at("status").as_string() == "PENDING");
  REQUIRE(bench.service().control("POST /rig/approve", Json::object()));
  CHECK(Json::parse(bench.call("POST", pickup, profile).body).at("status").as_string() == "ISSUED");

  bench.service().reset();
  CHECK(bench.call("GET", "/mpki/api/v1/certificate/" + serial).status == 404);
  CHECK(bench.service().requests().as_array().empty());
}

TEST_CASE("what is issued after a torn last line of the state survives a restart too") {
  Bench bench;
  const auto issue = [&] { return Json::parse(bench.post(bench.order()).body).at("serial_number").as_string(); };
  const std::string before = issue();
  bench.made.reset();
  std::ofstream(bench.folder / "digicert-state.jsonl", std::ios::app) << R"({"certificate":{"serial":"A)";
  const std::string after = issue();
  bench.made.reset();
  for (const std::string& serial : {before, after}) {
    CHECK(bench.call("GET", "/mpki/api/v1/certificate/" + serial).status == 200);
  }
}

TEST_CASE("a suspended certificate can be revoked, and once only") {
  Bench bench;
  const std::string serial = Json::parse(bench.post(bench.order()).body).at("serial_number").as_string();
  const std::string path = "/mpki/api/v1/certificate/" + serial + "/revoke";
  CHECK(bench.call("PUT", path, R"({"revocation_reason":"certificate_hold"})").status == 204);
  CHECK(bench.call("PUT", path, R"({"revocation_reason":"no reason"})").status == 400);
  CHECK(bench.call("PUT", path, R"({"revocation_reason":"superseded"})").status == 204);
  CHECK(Json::parse(bench.call("PUT", path, R"({"revocation_reason":"superseded"})").body)
            .at("errors")
            .as_array()
            .at(0)
            .at("message")
            .as_string() == "Certificate already has been revoked");
}

TEST_CASE("a search has pages, a total and strict parameters") {
  Bench bench;
  for (int i = 0; i < 3; ++i) bench.post(bench.order());
  const auto search = [&](const std::string& query) {
    return bench.call("GET", "/mpki/api/v1/certificate-search?" + query);
  };
  const Json page = Json::parse(search("seat_id=ops%40example.com&status=Issued&offset=2&limit=2").body);
  CHECK(page.at("total").as_integer() == 3);
  CHECK(page.at("items").as_array().size() == 1);
  CHECK(Json::parse(search("seat_id=nobody").body).at("total").as_integer() == 0);
  CHECK(search("colour=blue").status == 400);
  CHECK(search("limit=many").status == 400);
}

TEST_CASE("details of a certificate have the members of the service's own example") {
  Bench bench;
  const std::string serial = Json::parse(bench.post(bench.order()).body).at("serial_number").as_string();
  const Json details = Json::parse(bench.call("GET", "/mpki/api/v1/certificate/" + serial).body);
  for (const char* name : {"profile", "seat", "business_unit", "account", "certificate", "ica", "common_name", "status",
                           "serial_number", "thumbprint", "valid_from", "valid_to", "template_name", "issuing_ca_name",
                           "key_size", "signature_algorithm", "subject", "cert_security_rating"}) {
    CAPTURE(name);
    CHECK(details.find(name) != nullptr);
  }
  CHECK(details.at("key_size").as_integer() == 256);
  CHECK(details.at("thumbprint").as_string().size() == 64);
}

TEST_CASE("the calls of DigiCert's own Terraform client are served") {
  Bench bench;
  CHECK(bench.call("GET", "/mpki/api/v1/hello").body.starts_with("Hello from DigiCert ONE"));
  const Json profile = Json::parse(bench.call("GET", "/mpki/api/v2/profile/" + kProfiles + "3").body);
  for (const char* name : {"id", "name", "status", "signature_algorithm", "override_cert_validity_via_api",
                           "certificate_delivery_format", "account_id", "enrollment_method", "template"}) {
    CAPTURE(name);
    CHECK(profile.find(name) != nullptr);
  }
  // It writes null for what is not asked, takes the delivery format from the profile and the seat from the common name.
  Json order = Json::parse(R"({"validity":{"unit":"days","duration":30},"include_ca_chain":true,"tags":["terraform"],
      "attributes":{"subject":{"common_name":"www.example.com","organization_units":null},
                    "extensions":{"san":{"dns_names":["www.example.com"],"ip_addresses":null,"emails":null}}}})");
  order.set("profile", Json::object({{"id", kProfiles + "3"}}));
  order.set("seat", Json::object({{"seat_id", "www.example.com"}}));
  order.set("csr", bench.csr);
  order.set("delivery_format", profile.at("certificate_delivery_format"));
  const Answer pending = bench.post(order);
  CHECK(pending.status == 201);
  CHECK(Json::parse(pending.body).find("serial_number") == nullptr);
  const std::string pickup =
      "/mpki/api/v1/certificate-pickup/" + Json::parse(pending.body).at("request_id").as_string();
  const std::string body = R"({"profile":{"id":")" + kProfiles + R"(3"}})";
  CHECK(Json::parse(bench.call("POST", pickup, body).body).at("status").as_string() == "PENDING");
  REQUIRE(bench.service().control("POST /rig/approve", Json::object()));
  const Json issued = Json::parse(bench.call("POST", pickup, body).body);
  CHECK(issued.at("status").as_string() == "ISSUED");
  CHECK(issued.at("ca_certs").as_array().size() == 2);
  const std::string path = "/mpki/api/v1/certificate/" + issued.at("serial_number").as_string();
  CHECK(Json::parse(bench.call("GET", path).body).at("status").as_string() == "issued");
  CHECK(bench.call("PUT", path + "/revoke", R"({"revocation_reason":"cessation_of_operation"})").status == 204);
  CHECK(Json::parse(bench.call("GET", path).body).at("status").as_string() == "revoked");
}
