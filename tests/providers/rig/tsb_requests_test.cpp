#include "providers/rig/bench.h"

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

Json public_key_of(Bench& bench, const std::string& label) {
  return Json::parse(bench.post("/v1/key/attributes", Json::object({{"label", label}})).body)
      .at("json")
      .at("publicKey");
}

}  // namespace

TEST_CASE("keys and requests and the moved clock survive a restart") {
  Bench bench;
  const Person alice("alice");
  bench.make_key("ca", "EC", policy({token(120, 3600, {group("g", 1, {&alice})})}));
  bench.make_key("gone", "EC", Json());
  CHECK(bench.send("DELETE", "/v1/key/gone").status == 200);
  const std::string waiting = bench.ask_signature("ca");
  const std::string cancelled = bench.ask_signature("ca");
  CHECK(bench.send("DELETE", "/v1/request/" + cancelled).status == 200);
  const Json key_before = public_key_of(bench, "ca");
  const Json tasks_before = bench.tasks(alice);
  bench.tsb().advance(std::chrono::seconds{60});

  bench.restart();
  CHECK(public_key_of(bench, "ca") == key_before);
  CHECK(bench.send("GET", "/v1/key").body == R"(["ca"])");
  CHECK(bench.status(cancelled) == "CANCELLED");
  CHECK(bench.tasks(alice) == tasks_before);
  CHECK(bench.approve(alice).status == 200);
  CHECK(bench.status(waiting) == "APPROVED");
  bench.restart();
  bench.clock().advance(std::chrono::seconds{60});
  CHECK(bench.status(waiting) == "EXECUTED");
  const Json result = bench.request(waiting);
  bench.restart();
  CHECK(bench.request(waiting) == result);
}

TEST_CASE("a torn last line of the state file is ignored") {
  Bench bench;
  bench.make_key("ca", "EC", Json());
  bench.restart();
  std::ofstream(bench.folder() / "tsb-state.jsonl", std::ios::app) << R"({"key_removed":"c)";
  CHECK(bench.send("GET", "/v1/key").body == R"(["ca"])");
}

TEST_CASE("a result is handed out once where the server is set so") {
  rig::TsbOptions options;
  options.hand_out = rig::ResultHandOut::once;
  Bench bench(options);
  bench.make_key("ca", "EC", Json());
  const std::string id = bench.ask_signature("ca");
  CHECK(bench.request(id).at("result").is_string());
  CHECK(bench.request(id).at("result").is_null());
  bench.restart();
  CHECK(bench.request(id).at("result").is_null());
  CHECK(bench.status(id) == "EXECUTED");
}

TEST_CASE("cancelling ends an open request and leaves a finished one alone") {
  Bench bench;
  const Person alice("alice");
  bench.make_key("ca", "EC", policy({token(0, 0, {group("g", 1, {&alice})})}));
  const std::string open = bench.ask_signature("ca");
  CHECK(bench.send("DELETE", "/v1/request/" + open).status == 200);
  CHECK(bench.status(open) == "CANCELLED");
  CHECK(bench.tasks(alice) == Json::array());
  const std::string done = bench.ask_signature("ca");
  CHECK(bench.approve(alice).status == 200);
  CHECK(bench.send("DELETE", "/v1/request/" + done).status == 200);
  CHECK(bench.status(done) == "EXECUTED");
}

TEST_CASE("deleting a key cancels its open requests") {
  Bench bench;
  const Person alice("alice");
  bench.make_key("ca", "EC", policy({token(0, 0, {group("g", 1, {&alice})})}));
  const std::string id = bench.ask_signature("ca");
  CHECK(bench.send("DELETE", "/v1/key/ca").status == 200);
  CHECK(bench.status(id) == "CANCELLED");
  CHECK(bench.tasks(alice) == Json::array());
}

TEST_CASE("every algorithm signs so that its own verification agrees") {
  struct Row {
    const char* key;
    const char* word;
    const char* digest;
  };
  Bench bench;
  bench.make_key("rsa", "RSA", Json());
  bench.make_key("ec", "EC", Json());
  bench.make_key("ed", "ED", Json());
  for (const Row& row :
       {Row{"rsa", "SHA256_WITH_RSA", "SHA256"}, Row{"rsa", "SHA512_WITH_RSA", "SHA512"},
        Row{"ec", "SHA256_WITH_ECDSA", "SHA256"}, Row{"ec", "SHA384_WITH_ECDSA", "SHA384"}, Row{"ed", "EDDSA", ""}}) {
    const std::string id = bench.ask("/v1/sign", Bench::sign_body(row.key, row.word, as_bytes("message")));
    CHECK(rig::verify_signature(from_base64(public_key_of(bench, row.key).as_string()), row.digest, as_bytes("message"),
                                from_base64(bench.request(id).at("result").as_string())));
  }
}

TEST_CASE("a PSS signature is one that openssl verifies") {
  Bench bench;
  bench.make_key("rsa", "RSA", Json());
  const std::string id = bench.ask("/v1/sign", Bench::sign_body("rsa", "SHA256_WITH_RSA_PSS", as_bytes("message")));
  const TempFolder& folder = bench.folder();
  write_text(folder / "key.der", as_text(from_base64(public_key_of(bench, "rsa").as_string())));
  write_text(folder / "message", "message");
  write_text(folder / "signature", as_text(from_base64(bench.request(id).at("result").as_string())));
  const std::string dir = folder.path().string();
  const Finished openssl = run_program(
      "openssl dgst -sha256 -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:32 "
      "-verify " +
      dir + "/key.der -keyform DER -signature " + dir + "/signature " + dir + "/message");
  CHECK(openssl.output == "Verified OK\n");
}

TEST_CASE("a request signature is over the compact text of the inner object") {
  const Person application("application", "RSA", 2048);
  const Person stranger("stranger");
  rig::TsbOptions options;
  options.request_signers.push_back(application.key().public_key());
  Bench bench(options);
  bench.make_key("ca", "EC", Json());
  const std::string inner =
      R"({"payload":"aGE=","signKeyName":"ca","metaData":"eyBcICI6IH0=","signatureAlgorithm":"SHA256_WITH_ECDSA"})";
  const auto send = [&](const Person& signer, const std::string& over) {
    const Json signature = Json::object({{"signature", signer.sign(as_bytes(over))},
                                         {"digestAlgorithm", "SHA-256"},
                                         {"publicKey", signer.public_key()}});
    const std::string spaced = R"({ "payload" : "aGE=", "signKeyName":"ca",)"
                               "\n\t"
                               R"("metaData":"eyBcICI6IH0=","signatureAlgorithm": "SHA256_WITH_ECDSA" })";
    return bench.send("POST", "/v1/sign",
                      "{\"requestSignature\": " + signature.dump() + " , \"signRequest\" : " + spaced + "}");
  };
  CHECK(send(application, inner).status == 201);
  CHECK(error_code(send(application, inner + " ")) == 403);
  CHECK(error_code(send(stranger, inner)) == 415);
  CHECK(error_code(bench.post("/v1/sign", Bench::sign_body("ca", "SHA256_WITH_ECDSA", as_bytes("x")))) == 415);
}

TEST_CASE("what a signature request gets wrong is said with the vendor's code and text") {
  Bench bench;
  bench.make_key("ca", "EC", Json());
  const Json good = Bench::sign_body("ca", "SHA256_WITH_ECDSA", as_bytes("x"));
  const auto with = [&](const char* name, Json value) {
    Json body = good;
    Json inner = body.at("signRequest");
    inner.set(name, std::move(value));
    body.set("signRequest", inner);
    return bench.post("/v1/sign", body);
  };
  CHECK(bench.post("/v1/sign", good).status == 201);

  const rig::Answer unknown = with("colour", "red");
  CHECK(unknown.status == 400);
  CHECK(
      unknown.body ==
      R"({"errorCode":600,"reason":"res.error.input.validation.failed","message":"Invalid request. Cannot parse json string"})");
  CHECK(message(with("payload", 17)) == "Invalid request. Cannot parse json string");
  CHECK(message(bench.send("POST", "/v1/sign", "{\"signRequest\":")) == "Invalid request. Cannot parse json string");
  CHECK(message(bench.send("POST", "/v1/sign", "[]")) == "Invalid request. Cannot parse json string");
  CHECK(message(with("signKeyName", "")) == "'signRequest.signKeyName' must not be empty");
  CHECK(message(with("payload", "")) == "'signRequest.payload' must not be empty");
  CHECK(message(with("payload", "***")) == "'signRequest.payload' is not a valid base64 encoded value");
  CHECK(message(with("metaData", "{}")) == "'signRequest.metaData' is not a valid base64 encoded value");
  CHECK(message(with("signatureAlgorithm", "SHA1")) == "Value 'SHA1' is not valid for field signRequest");
  CHECK(message(with("payloadType", "XML")) == "Value 'XML' is not valid for field signRequest");
  CHECK(error_code(with("signatureAlgorithm", "SHA256_WITH_RSA")) == 607);
  CHECK(error_code(with("payload", base64(Bytes(70'000)))) == 612);

  const rig::Answer no_key = with("signKeyName", "nobody");
  CHECK(no_key.status == 404);
  CHECK(
      no_key.body ==
      R"({"errorCode":650,"reason":"res.error.key.not.existent","message":"A key with the name 'nobody' does not exist."})");
  const rig::Answer password = with("keyPassword", Json::array({"a", "b"}));
  CHECK(password.status == 400);
  CHECK(message(password) == "Key password mismatch for key 'ca'.");
}

TEST_CASE("an unknown request is 404 with 651 and what is no UUID is 400 with 609") {
  Bench bench;
  const rig::Answer unknown = bench.send("GET", "/v1/request/87e59ccb-9100-4b03-a279-1b4fa4c45b80");
  CHECK(unknown.status == 404);
  CHECK(error_code(unknown) == 651);
  const rig::Answer malformed = bench.send("GET", "/v1/request/87e59ccb");
  CHECK(malformed.status == 400);
  CHECK(error_code(malformed) == 609);
}

TEST_CASE("unknown paths and verbs and media types get Spring's own errors") {
  Bench bench;
  CHECK(bench.send("GET", "/v1/nothing").status == 404);
  CHECK(Json::parse(bench.send("GET", "/v1/nothing").body).at("error").as_string() == "Not Found");
  CHECK(bench.send("PUT", "/v1/sign", "{}").status == 405);
  rig::Call call;
  call.method = "POST";
  call.target = "/v1/sign";
  call.body = "{}";
  call.headers["content-type"] = "text/plain";
  CHECK(bench.tsb().handle(call).status == 415);
}

TEST_CASE("each role of API key opens its own endpoints and no other") {
  rig::TsbOptions options;
  options.api_keys = rig::ApiKeys{{"keyManagementToken", {"km"}},
                                  {"keyOperationToken", {"ko-old", "ko"}},
                                  {"approverToken", {"ap"}},
                                  {"serviceToken", {"sv"}}};
  Bench bench(options);
  struct Row {
    const char* method;
    const char* path;
    const char* key;
  };
  const std::vector<Row> rows{{"GET", "/v1/versionInfo", "sv"},   {"GET", "/v1/key", "km"},
                              {"POST", "/v1/sign", "ko"},         {"POST", "/v1/certificate/sign", "ko"},
                              {"GET", "/v1/request/x", "ko-old"}, {"POST", "/v1/filteredAllApprovalTask", "ap"},
                              {"POST", "/v1/approval", "ap"},     {"PATCH", "/v1/task", "ap"}};
  for (const Row& row : rows) {
    for (const char* key : {"km", "ko", "ko-old", "ap", "sv"}) {
      bench.use_api_key(key);
      const rig::Answer answer = bench.send(row.method, row.path);
      const bool same_role = std::string_view(key).substr(0, 2) == std::string_view(row.key).substr(0, 2);
      CHECK((answer.status != 401) == same_role);
      if (!same_role) CHECK(error_code(answer) == 631);
    }
    bench.use_api_key("");
    const rig::Answer missing = bench.send(row.method, row.path);
    CHECK(missing.status == 401);
    CHECK(error_code(missing) == 416);
  }
}

TEST_CASE("a bearer token is asked for everywhere but at the approvers' endpoints") {
  rig::TsbOptions options;
  options.bearer = Secret("jwt");
  Bench bench(options);
  rig::Call call;
  call.method = "GET";
  call.target = "/v1/versionInfo";
  CHECK(error_code(bench.tsb().handle(call)) == 406);
  call.headers["authorization"] = "Bearer other";
  CHECK(error_code(bench.tsb().handle(call)) == 617);
  call.headers["authorization"] = "Bearer jwt";
  CHECK(bench.tsb().handle(call).body == R"({"Version":"2.2.0"})");
  const Person alice("alice");
  CHECK(bench.post("/v1/filteredAllApprovalTask", bench.proof(alice)).body == R"({"tasks":[]})");
}

TEST_CASE("the newer generation names its vendor") {
  rig::TsbOptions options;
  options.generation = rig::Generation::v2_5;
  Bench bench(options);
  CHECK(bench.send("GET", "/v1/versionInfo").body == R"({"Version":"2.5.1","Vendor":"Securosys SA"})");
  CHECK(bench.send("GET", "/v1/licenseInfo").body == R"({"clientFlags":["KEY_AUTH","REST_API","TSB_ENGINE"]})");
}

TEST_CASE("the oldest generation has filters by kind only and five levels of detail") {
  rig::TsbOptions options;
  options.generation = rig::Generation::v2_0;
  Bench bench(options);
  CHECK(bench.send("GET", "/v1/versionInfo").body == R"({"Version":"2.0.0"})");
  const Person alice("alice");
  const rig::Answer missing = bench.post("/v1/filteredAllApprovalTask", bench.proof(alice));
  CHECK(missing.status == 404);
  CHECK(missing.body.find("errorCode") == std::string::npos);
  CHECK(bench.post("/v1/filteredSignApprovalTask", bench.proof(alice)).body == R"({"tasks":[]})");
  Json body = bench.proof(alice);
  body.set("detailLevel", "level6");
  CHECK(bench.post("/v1/filteredSignApprovalTask", body).status == 400);
}

TEST_CASE("what a key request gets wrong is said with the vendor's code and text") {
  Bench bench;
  const Person alice("alice");
  const auto create = [&](const Json& body) { return bench.post("/v1/key", body); };
  CHECK(create(key_body("k", "EC", Json())).status == 201);
  const rig::Answer again = create(key_body("k", "EC", Json()));
  CHECK(again.status == 400);
  CHECK(
      again.body ==
      R"({"errorCode":608,"reason":"res.error.key.already.existing","message":"Could not create key. The key name is already in use."})");
  CHECK(message(create(key_body("l", "EC", policy({token(0, 90, {group("g", 1, {&alice})})})))) ==
        "'policy.ruleUse.tokens[0].timeout' seconds must represent full minutes");
  CHECK(message(create(key_body("", "EC", Json()))) == "'label' must not be empty");
  const rig::Answer empty_group = create(key_body("l", "EC", policy({token(0, 0, {group("g", 1, {})})})));
  CHECK(error_code(empty_group) == 401);
  CHECK(empty_group.status == 400);
  CHECK(message(empty_group) == "Group does not contain any approval");
  Json size = key_body("l", "RSA", Json());
  size.set("keySize", 1024);
  CHECK(error_code(create(size)) == 603);
  Json useless = key_body("l", "EC", Json());
  useless.set("attributes", Json::object({{"decrypt", false}, {"sign", false}, {"unwrap", false}}));
  CHECK(error_code(create(useless)) == 606);
  Json no_status = key_body("l", "EC", policy({}));
  Json without = no_status.at("policy");
  without.set("keyStatus", Json());
  no_status.set("policy", without);
  CHECK(message(create(no_status)) == "'policy.keyStatus' must not be null");
  CHECK(bench.send("GET", "/v1/key").body == R"(["k"])");
}

TEST_CASE("short times are accepted where the rig allows them") {
  rig::TsbOptions options;
  options.times = rig::TimeGranularity::seconds;
  Bench bench(options);
  const Person alice("alice");
  bench.make_key("ca", "EC", policy({token(1, 7, {group("g", 1, {&alice})})}));
  CHECK(bench.send("GET", "/v1/key").body == R"(["ca"])");
}

TEST_CASE("a key password is an array of characters or a string and must match") {
  Bench bench;
  Json body = key_body("k", "EC", Json());
  body.set("password", Json::array({"a", "ö"}));
  CHECK(bench.post("/v1/key", body).status == 201);
  const auto attributes = [&](Json password) {
    return bench.post("/v1/key/attributes", Json::object({{"label", "k"}, {"password", std::move(password)}}));
  };
  CHECK(attributes("aö").status == 200);
  CHECK(attributes(Json::array({"a", "ö"})).status == 200);
  CHECK(error_code(attributes("a")) == 620);
  CHECK(error_code(attributes(Json::array({"aö"}))) == 600);
}

TEST_CASE("the attributes of a key repeat its policy and are signed") {
  Bench bench;
  const Person alice("alice");
  const Json rules = policy({token(60, 600, {group("g", 1, {&alice})})});
  bench.make_key("ca", "EC", rules);
  const Json answer = Json::parse(bench.post("/v1/key/attributes", Json::object({{"label", "ca"}})).body);
  CHECK(answer.at("json").at("policy") == rules);
  CHECK(answer.at("json").at("label").as_string() == "ca");
  CHECK(answer.at("json").at("algorithmOid").as_string() == "1.2.840.10045.2.1");
  const rig::SoftwareKey attestation =
      rig::SoftwareKey::from_pem(as_text(read_file(bench.folder() / "tsb-keys/attestation-key.pem")));
  CHECK(rig::verify_signature(attestation.public_key(), "SHA256", as_bytes(answer.at("xml").as_string()),
                              from_base64(answer.at("xmlSignature").as_string())));
}
