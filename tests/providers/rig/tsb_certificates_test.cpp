#include "providers/rig/bench.h"
#include "tools/rig/pki/certificates.h"

#include <catch2/catch.hpp>

using namespace hsmbridge;
using namespace hsmbridge::test;

namespace {

int error_code(const rig::Answer& answer) {
  return static_cast<int>(Json::parse(answer.body).at("errorCode").as_integer());
}

std::string message(const rig::Answer& answer) {
  return Json::parse(answer.body).at("message").as_string();
}

Json self_sign_body(const std::string& key) {
  return Json::object(
      {{"selfSignCertificateRequest", Json::object({{"signKeyName", key},
                                                    {"keyPassword", Json()},
                                                    {"validity", 3650},
                                                    {"signatureAlgorithm", "SHA256_WITH_RSA"},
                                                    {"commonName", "Approver-Intermediate-CA"},
                                                    {"certificateAuthority", true},
                                                    {"keyUsage", Json::array({"DIGITAL_SIGNATURE", "KEY_CERT_SIGN"})},
                                                    {"extendedKeyUsage", Json::array({"ANY_EXTENDED_KEY_USAGE"})}})}});
}

Json csr_body(const std::string& key) {
  return Json::object({{"csrSignRequest",
                        Json::object({{"signKeyName", key},
                                      {"keyPassword", Json()},
                                      {"signatureAlgorithm", "SHA256_WITH_RSA"},
                                      {"validity", 365},
                                      {"standardCertificateAttributes",
                                       Json::object({{"commonName", "Approver-Intermediate-SUB"}, {"country", "CH"}})},
                                      {"keyUsage", Json::array({"DIGITAL_SIGNATURE"})},
                                      {"extendedKeyUsage", Json::array({"CODE_SIGNING"})}})}});
}

// The body of the vendor's tutorial.
Json sign_body(const std::string& key, const std::string& csr) {
  return Json::object(
      {{"signCertificateRequest", Json::object({{"signKeyName", key},
                                                {"keyPassword", Json()},
                                                {"signatureAlgorithm", "SHA256_WITH_RSA"},
                                                {"commonName", "Approver-Intermediate-SUB"},
                                                {"certificateAuthority", false},
                                                {"certificateSigningRequest", csr},
                                                {"keyUsage", Json::array({"DIGITAL_SIGNATURE"})},
                                                {"extendedKeyUsage", Json::array({"ANY_EXTENDED_KEY_USAGE"})}})}});
}

Json inner(Json body) {
  return body.as_object().front().second;
}

// A CA key whose use alice approves, with its certificate.
void make_ca(Bench& bench, const Person& alice) {
  bench.make_key("CA", "RSA", policy({token(0, 600, {group("g", 1, {&alice})})}));
  const std::string id = bench.ask("/v1/certificate/selfsign", self_sign_body("CA"));
  if (bench.approve(alice, id).status != 200) throw std::runtime_error("not approved");
  if (bench.request(id).at("result").as_string() != "true") throw std::runtime_error("no certificate");
}

std::string csr_by_openssl(const TempFolder& folder, const std::string& subject) {
  const std::string dir = folder.path().string();
  const Finished made =
      run_program("openssl req -new -newkey rsa:2048 -nodes -keyout " + dir + "/leaf.key -subj '" + subject +
                  "' -addext subjectAltName=DNS:www.example.com,IP:192.0.2.1 -out " + dir + "/leaf.csr");
  if (made.status != 0) throw std::runtime_error(made.output);
  return to_text(read_file(folder / "leaf.csr"));
}

// openssl x509 over the given PEM.
std::string show(const TempFolder& folder, const std::string& pem, const std::string& options) {
  write_text(folder / "shown.pem", pem);
  return run_program("openssl x509 -noout -nameopt RFC2253 " + options + " -in " + (folder / "shown.pem").string())
      .output;
}

}  // namespace

TEST_CASE("the tutorial runs from the key of the CA to the imported certificate") {
  Bench bench;
  const Person alice("alice", "RSA", 2048);
  const TempFolder& folder = bench.folder();
  make_ca(bench, alice);
  const Json ca = Json::parse(bench.send("GET", "/v1/certificate/CA").body);
  CHECK(ca.at("label").as_string() == "CA");
  CHECK(ca.find("rawCertificate") == nullptr);
  write_text(folder / "ca.pem", ca.at("certificate").as_string());

  bench.make_key("SUB", "RSA", policy({token(0, 600, {group("g", 1, {&alice})})}));
  std::string id = bench.ask("/v1/certificate/request", csr_body("SUB"));
  CHECK(bench.approve(alice, id).status == 200);
  const std::string csr = bench.request(id).at("result").as_string();
  CHECK(csr.substr(0, 40) == "-----BEGIN NEW CERTIFICATE REQUEST-----\n");
  CHECK(csr.find('\n', 40) == 104);
  CHECK(csr.back() == '\n');
  write_text(folder / "sub.csr", csr);
  CHECK(
      run_program("openssl req -verify -noout -nameopt RFC2253 -subject -in " + (folder / "sub.csr").string()).output ==
      "Certificate request self-signature verify OK\nsubject=CN=Approver-Intermediate-SUB,C=CH\n");

  id = bench.ask("/v1/certificate/sign", sign_body("CA", csr));
  CHECK(bench.request(id).at("result").is_null());
  CHECK(bench.approve(alice, id).status == 200);
  const std::string pem = bench.request(id).at("result").as_string();
  CHECK(pem.substr(0, 28) == "-----BEGIN CERTIFICATE-----\n");
  CHECK(pem.find('\n', 28) == pem.rfind('\n'));
  CHECK(pem.substr(pem.size() - 25) == "-----END CERTIFICATE-----");
  write_text(folder / "sub.pem", pem);
  CHECK(run_program("openssl verify -CAfile " + (folder / "ca.pem").string() + " " + (folder / "sub.pem").string())
            .output == (folder / "sub.pem").string() + ": OK\n");

  const std::string base64_only = pem.substr(28, pem.rfind('\n') - 28);
  const rig::Answer imported =
      bench.post("/v1/certificate/import/plain", Json::object({{"label", "SUB"}, {"certificate", base64_only}}));
  CHECK(imported.status == 200);
  CHECK(Json::parse(bench.send("GET", "/v1/certificate/SUB").body).at("certificate").as_string() == pem);
}

TEST_CASE("certificates of the older generation have the documented gaps") {
  Bench bench;
  const Person alice("alice");
  make_ca(bench, alice);
  bench.clock().set_wall(parse_rfc3339("2026-11-23T15:42:07Z"));
  const std::string csr = csr_by_openssl(bench.folder(), "/C=CH/O=Example/CN=leaf");
  Json body = inner(sign_body("CA", csr));
  body.set("certificateAuthority", true);
  const std::string id = bench.ask("/v1/certificate/sign", Json::object({{"signCertificateRequest", body}}));
  CHECK(bench.approve(alice, id).status == 200);
  const std::string pem = bench.request(id).at("result").as_string();
  CHECK(show(bench.folder(), pem, "-serial -subject -issuer -dates") ==
        "serial=00\nsubject=CN=Approver-Intermediate-SUB\nissuer=CN=Approver-Intermediate-CA\n"
        "notBefore=Nov 23 00:00:00 2026 GMT\nnotAfter=Feb 21 00:00:00 2027 GMT\n");
  // The sentence depends on the version of openssl.
  CHECK(show(bench.folder(), pem, "-ext keyUsage,extendedKeyUsage,basicConstraints,subjectAltName").substr(0, 13) ==
        "No extensions");
  CHECK(show(bench.folder(), pem, "-ext subjectKeyIdentifier,authorityKeyIdentifier").find("Authority") !=
        std::string::npos);
}

TEST_CASE("a complete certificate has what was asked for") {
  rig::TsbOptions options;
  options.generation = rig::Generation::v2_5;
  options.certificates = rig::CertificateStyle::complete;
  Bench bench(options);
  const Person alice("alice");
  make_ca(bench, alice);
  Json body = inner(sign_body("CA", csr_by_openssl(bench.folder(), "/CN=leaf")));
  body.set("certificateAuthority", true);
  body.set("validity", 30);
  body.set("standardCertificateAttributes",
           Json::object({{"commonName", "leaf"}, {"organizationName", "Example"}, {"country", "CH"}}));
  body.set("extendedKeyUsage", Json::array({"SERVER_AUTH"}));
  body.set("copyExtensions", "COPY");
  const std::string id = bench.ask("/v1/certificate/sign", Json::object({{"signCertificateRequest", body}}));
  CHECK(bench.approve(alice, id).status == 200);
  const std::string pem = bench.request(id).at("result").as_string();
  CHECK(show(bench.folder(), pem, "-subject") == "subject=CN=leaf,O=Example,C=CH\n");
  CHECK(show(bench.folder(), pem, "-serial") != "serial=00\n");
  CHECK(show(bench.folder(), pem, "-ext keyUsage,extendedKeyUsage,basicConstraints,subjectAltName") ==
        "X509v3 Basic Constraints: \n    CA:TRUE\n"
        "X509v3 Extended Key Usage: critical\n    TLS Web Server Authentication\n"
        "X509v3 Key Usage: critical\n    Digital Signature\n"
        "X509v3 Subject Alternative Name: \n    DNS:www.example.com, IP Address:192.0.2.1\n");
  const Json ca = Json::parse(bench.send("GET", "/v1/certificate/CA").body);
  CHECK_NOTHROW(rig::read_certificate(from_base64(ca.at("rawCertificate").as_string())));
}

TEST_CASE("what an approver sees is the certificate that will be issued") {
  Bench bench;
  const Person alice("alice");
  make_ca(bench, alice);
  const std::string id = bench.ask("/v1/certificate/sign", sign_body("CA", csr_by_openssl(bench.folder(), "/CN=leaf")));
  const Json task = bench.tasks(alice, "level3").as_array().at(0);
  const Bytes payload = from_base64(task.at("payload").as_string());
  CHECK(task.find("signedSignCertificateRequest") != nullptr);
  CHECK(bench.post("/v1/filteredSignApprovalTask", bench.proof(alice)).body == R"({"tasks":[]})");
  bench.clock().advance(std::chrono::seconds{100});
  CHECK(bench.approve(alice, id).status == 200);
  const std::string pem = bench.request(id).at("result").as_string();
  const Bytes der = from_base64(pem.substr(28, pem.rfind('\n') - 28));
  CHECK(Bytes(der.begin() + 4, der.begin() + 4 + static_cast<std::ptrdiff_t>(payload.size())) == payload);
}

TEST_CASE("what a certificate request gets wrong is said with the vendor's code and text") {
  Bench bench;
  const Person alice("alice");
  make_ca(bench, alice);
  bench.make_key("bare", "RSA", Json());
  const std::string csr = csr_by_openssl(bench.folder(), "/CN=leaf");
  const auto with = [&](const char* name, Json value) {
    Json body = inner(sign_body("CA", csr));
    body.set(name, std::move(value));
    return bench.post("/v1/certificate/sign", Json::object({{"signCertificateRequest", body}}));
  };
  CHECK(with("keyPassword", Json()).status == 201);

  const rig::Answer bare = with("signKeyName", "bare");
  CHECK(bare.status == 400);
  CHECK(message(bare) ==
        "Key with name 'bare' does not have a valid signing-certificate, so key cannot be used for "
        "certificate-signing, use the endpoint '/v1/certificate/synchronous/selfsign' first and then perform this "
        "request again.");
  CHECK(error_code(with("signKeyName", "nobody")) == 650);
  const rig::Answer algorithm = with("signatureAlgorithm", "SHA256_WITH_ECDSA");
  CHECK(algorithm.status == 500);
  CHECK(message(algorithm) == "Could not issue certificate: The signature Algorithm is not valid for this key type.");
  CHECK(message(with("signatureAlgorithm", "SHA256_WITH_RSA_PSS")) ==
        "Value 'SHA256_WITH_RSA_PSS' is not valid for field signCertificateRequest");
  CHECK(message(with("keyUsage", Json::array({"SIGNING"}))) ==
        "Value 'SIGNING' is not valid for field signCertificateRequest");
  CHECK(message(with("commonName", "")) == "'signCertificateRequest.commonName' must not be empty");
  CHECK(message(with("certificateAuthority", Json())) ==
        "'signCertificateRequest.certificateAuthority' must not be null");
  CHECK(message(with("certificateAuthority", "true")) == "Invalid request. Cannot parse json string");
  CHECK(error_code(with("certificateSigningRequest", "nonsense")) == 628);
  // A comma in a name is where the real one splits it.
  CHECK(error_code(with("commonName", "a,b")) == 701);
  // The older generation has no validity here; the newer one does.
  CHECK(message(with("validity", 365)) == "Invalid request. Cannot parse json string");

  std::string forged = csr;
  const std::size_t end = forged.find("\n-----END");
  forged[end - 6] = forged[end - 6] == 'A' ? 'B' : 'A';
  CHECK(error_code(with("certificateSigningRequest", forged)) == 701);
}

TEST_CASE("an import needs base64 of a certificate and overwrites whatever is attached") {
  Bench bench;
  const Person alice("alice");
  make_ca(bench, alice);
  bench.make_key("other", "EC", Json());
  const auto import_certificate = [&](const char* label, const std::string& text) {
    return bench.post("/v1/certificate/import/plain", Json::object({{"label", label}, {"certificate", text}}));
  };
  const std::string pem = Json::parse(bench.send("GET", "/v1/certificate/CA").body).at("certificate").as_string();
  CHECK(message(import_certificate("CA", pem)) == "'certificate' is not a valid base64 encoded value");
  CHECK(message(import_certificate("CA", base64(as_bytes("x")))) == "Could not read certificate.");
  const std::string text = pem.substr(28, pem.rfind('\n') - 28);
  CHECK(error_code(import_certificate("nobody", text)) == 650);
  // The real one does not ask whose certificate it is.
  CHECK(import_certificate("other", text).status == 200);
  CHECK(import_certificate("CA", text).status == 200);
}

TEST_CASE("a key without a certificate says so") {
  Bench bench;
  bench.make_key("CA", "EC", Json());
  const rig::Answer answer = bench.send("GET", "/v1/certificate/CA");
  CHECK(answer.status == 400);
  CHECK(message(answer) == "Key with name 'CA' does not have a valid certificate attached.");
  CHECK(bench.send("GET", "/v1/certificate/nobody").status == 404);
}

TEST_CASE("certify makes a CA certificate for a key of any kind") {
  Bench bench;
  for (const char* algorithm : {"EC", "RSA", "ED"}) {
    bench.make_key(algorithm, algorithm, Json());
    bench.tsb().certify(algorithm, "CN=Rig CA,O=Example", std::chrono::days{365});
    const std::string pem =
        Json::parse(bench.send("GET", std::string("/v1/certificate/") + algorithm).body).at("certificate").as_string();
    CHECK(show(bench.folder(), pem, "-subject -ext basicConstraints,keyUsage") ==
          "subject=CN=Rig CA,O=Example\nX509v3 Basic Constraints: critical\n    CA:TRUE\n"
          "X509v3 Key Usage: critical\n    Certificate Sign, CRL Sign\n");
    const std::string file = (bench.folder() / "shown.pem").string();
    CHECK(
        run_program(
            "openssl verify -attime " +
            std::to_string(
                std::chrono::duration_cast<std::chrono::seconds>(bench.clock().now().time_since_epoch()).count() + 1) +
            " -check_ss_sig -CAfile " + file + " " + file)
            .output == file + ": OK\n");
  }
}
