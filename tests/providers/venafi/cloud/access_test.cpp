#include "flow.h"
#include "x509/objects/spki.h"

#include <catch2/catch.hpp>

using namespace hsmbridge;
using namespace hsmbridge::venafi;
using namespace hsmbridge::workflow;
using test::Flow;

namespace {

// A built-in service account whose public key is registered there, as its owner would with curl.
std::string register_account(Flow& flow, const x509::Signer& signer) {
  const auto transport = flow.transport();
  const Json body = Json::object({{"name", "hsmbridge"},
                                  {"owner", "team"},
                                  {"authenticationType", "rsaKey"},
                                  {"scopes", Json::array({"certificate-issuance"})},
                                  {"credentialLifetime", 30},
                                  {"publicKey", x509::spki_to_pem(signer.subject_public_key_info())}});
  net::Request request{"POST", "/v1/serviceaccounts", {}, body.dump(), {}, std::chrono::seconds{20}};
  request.headers = {{"tppl-api-key", flow.rig.api_key("ops")}, {"Content-Type", "application/json"}};
  const auto answer = std::get<net::Response>(transport->send(request));
  return Json::parse(answer.body).at("id").as_string();
}

Access service_account(Flow& flow, std::shared_ptr<x509::Signer> signer, const std::string& id) {
  return token_access(flow.transport(), service_account_order(std::move(signer), id, flow.clock), flow.clock);
}

Error error_of(Flow& flow) {
  try {
    flow.freeze();
    flow.provider().check(flow.call());
  } catch (const Error& error) {
    return error;
  }
  return {ErrorKind::internal, "no error"};
}

}  // namespace

TEST_CASE("a service account orders with a JWT that its own key signed, for every kind of key") {
  for (const char* spec : {"rsa:2048", "ec:P-256", "ec:P-384", "ec:P-521"}) {
    INFO(spec);
    Flow flow;
    auto signer = std::make_shared<test::SoftwareSigner>(spec);
    flow.use(service_account(flow, signer, register_account(flow, *signer)));
    CHECK(flow.issue().findings.empty());
    CHECK(flow.rig.count("POST /v1/oauth/token/serviceaccount 200") == 1);
    const Bytes journal = read_file(flow.rig.about().at("journal").as_string());
    CHECK(as_text(journal).find("assertion=(left out)") != std::string_view::npos);
  }
}

TEST_CASE("a key that is not registered, and an account that is not there, are denied in words") {
  Flow flow;
  auto signer = std::make_shared<test::SoftwareSigner>("ec:P-256");
  const std::string id = register_account(flow, *signer);
  flow.use(service_account(flow, std::make_shared<test::SoftwareSigner>("ec:P-256"), id));
  const Error wrong = error_of(flow);
  CHECK(wrong.kind() == ErrorKind::denied);
  CHECK(wrong.message().find("token_signature_verification_error") != std::string::npos);
  CHECK(wrong.hint().find("the one that is registered there") != std::string::npos);
  flow.use(service_account(flow, signer, "nobody"));
  CHECK(error_of(flow).message().find("unknown service account") != std::string::npos);
}

TEST_CASE("a token that ends in mid-poll is replaced without anybody noticing") {
  Flow flow("Slow");
  auto signer = std::make_shared<test::SoftwareSigner>("ec:P-256");
  flow.use(service_account(flow, signer, register_account(flow, *signer)));
  flow.submit();
  flow.rig.command("venafi set --expire-tokens");
  CHECK(flow.poll().status == RequestStatus::awaiting_issuance);
  CHECK(flow.rig.count("POST /v1/oauth/token/serviceaccount 200") == 2);
}

TEST_CASE("a token that ends before a submission costs an attempt and no second request") {
  Flow flow;
  auto signer = std::make_shared<test::SoftwareSigner>("ec:P-256");
  flow.use(service_account(flow, signer, register_account(flow, *signer)));
  flow.freeze();
  flow.provider().check(flow.call());
  flow.rig.command("venafi set --expire-tokens");
  CHECK(std::holds_alternative<workflow::NotAccepted>(flow.try_submit()));
  CHECK(flow.rig.count("POST /outagedetection/v1/certificaterequests 401") == 1);
  CHECK(flow.submit().status == RequestStatus::ready);
  CHECK(flow.rig.count("POST /outagedetection/v1/certificaterequests 201") == 1);
}

TEST_CASE("short tokens are renewed in time") {
  Flow flow("Slow");
  flow.knobs(R"({"token_seconds":3600})");
  auto signer = std::make_shared<test::SoftwareSigner>("ec:P-256");
  flow.use(service_account(flow, signer, register_account(flow, *signer)));
  flow.submit();
  flow.poll();
  CHECK(flow.rig.count("POST /v1/oauth/token/serviceaccount") == 1);
}

TEST_CASE("a wrong API key is denied in plain words and never tried twice") {
  Flow flow;
  flow.use(stored_access(Access::Kind::api_key, {[] { return Secret("no-such-key"); }, true}));
  const Error error = error_of(flow);
  CHECK(error.kind() == ErrorKind::denied);
  CHECK(error.message().find("Invalid api key") != std::string::npos);
  CHECK(flow.rig.journal().size() == 1);
}

TEST_CASE("an access token that is not one is denied") {
  Flow flow;
  flow.use(stored_access(Access::Kind::bearer, {[] { return Secret("stale"); }, true}));
  CHECK(error_of(flow).kind() == ErrorKind::denied);
  CHECK(flow.provider().capabilities().revoke);
}

TEST_CASE("the provider's test shows account, zone and template") {
  Flow flow;
  const auto lines = flow.provider().test();
  REQUIRE(lines.size() == 3);
  CHECK(lines[0].find("API key of ops@example.com at example, valid until ") == 0);
  CHECK(lines[1] == "zone Payments\\Default: issuing template Default, authority BUILTIN");
  Flow token;
  auto signer = std::make_shared<test::SoftwareSigner>("ec:P-256");
  token.use(service_account(token, signer, register_account(token, *signer)));
  CHECK(token.provider().test().front() == "an access token is given");
  CHECK(token.rig.count("GET /v1/useraccounts") == 0);
}

TEST_CASE("below a base path the service is another edition: tokens only, and the alias alone") {
  Flow flow;
  auto signer = std::make_shared<test::SoftwareSigner>("ec:P-256");
  const std::string id = register_account(flow, *signer);
  const auto credentials = service_account(flow, signer, id);
  const auto key = flow.key_of("ops");
  flow.settings.url += "/ngts";
  flow.settings.zone = {"", "Default"};
  flow.use(credentials);
  CHECK(flow.issue().findings.empty());
  CHECK(flow.rig.count("GET /ngts/v1/certificateissuingtemplates 200") == 1);
  CHECK(flow.rig.count("POST /ngts/outagedetection/v1/certificaterequests 201") == 1);
  flow.use(key);
  flow.draft = {};
  CHECK(error_of(flow).kind() == ErrorKind::denied);
}
