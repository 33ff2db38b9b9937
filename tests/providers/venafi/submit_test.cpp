#include "provider_bench.h"
#include "providers/venafi/progress.h"

using namespace hsmbridge;
using namespace hsmbridge::venafi;
using namespace hsmbridge::workflow;
using test::error_of;
using test::ProviderBench;
using test::says;

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

namespace {

const std::string kMe = R"({"user":{"id":"u-1"},"company":{"id":"c-1"}})";

// Drafted, and then submitted by a process that has read another configuration.
struct Drafted : ProviderBench {
  Drafted() {
    settings.tags = {"team:web"};
    settings.validity = std::chrono::hours{24 * 7};
    ask.validity = {};
    freeze();
    transport->then(200, kMe);
    zone();
    draft.provider_state = provider().draft(order, draft.csr, clock.now()).provider_state;
    made.reset();
  }
  // Why another draft is wanted; nothing is ordered then.
  std::string outdated() {
    const SubmitAnswer answer = provider().submit(call());
    CHECK(transport->lines().back() != "POST /outagedetection/v1/certificaterequests");
    const auto* again = std::get_if<NotAccepted>(&answer);
    return again != nullptr && says_draft_is_outdated(again->error) ? again->error.message() : "not that";
  }
  bool ordered() {
    transport->then(200, kMe).then(201, test::created_answer("NEW"));
    return std::holds_alternative<Accepted>(provider().submit(call()));
  }
};

}  // namespace

TEST_CASE("a draft fixes what is sent beside its CSR, and another one is made where it is something else by now") {
  Drafted bench;
  CHECK(bench.draft.provider_state ==
        R"({"zone":"Payments\\Default","application":")" + test::kApplicationId + R"(","template":")" +
            test::kTemplateId + R"(","validity":"P7D","tags":["team:web"],"account":"user u-1, company c-1"})");
  SECTION("nothing changed") {
    bench.zone();
    CHECK(bench.ordered());
  }
  SECTION("the zone") {
    bench.settings.zone = {"Prod", "Public"};
    const std::size_t before = bench.transport->sent.size();
    const std::string why =
        R"(the draft is for the zone Payments\Default, and provider cloud has the zone Prod\Public now)";
    CHECK(bench.outdated() == why);
    const Error error = error_of([&] { bench.provider().check(bench.call()); });
    CHECK(says_draft_is_outdated(error));
    CHECK(error.message() == why);
    CHECK(bench.transport->sent.size() == before);
  }
  SECTION("what the alias stands for there") {
    const std::string another = "61cb8340-a993-11ea-8a4f-3f9fa45442b2";
    bench.transport
        ->then(200, R"({"id":")" + test::kApplicationId +
                        R"(","name":"Payments","certificateIssuingTemplateAliasIdMap":{"Default":")" + another + "\"}}")
        .then(200, test::open_template().dump());
    CHECK(says(bench.outdated(), R"(, and now it would be {"zone":"Payments\\Default","application":")" +
                                     test::kApplicationId + R"(","template":")" + another + "\""));
  }
  SECTION("the validity") {
    bench.settings.validity = std::chrono::hours{24 * 30};
    bench.zone();
    CHECK(says(bench.outdated(), R"("validity":"P30D")"));
  }
  SECTION("the tags") {
    bench.settings.tags = {"team:all"};
    bench.zone();
    CHECK(says(bench.outdated(), R"("tags":["team:all"])"));
  }
}

TEST_CASE("a draft of an earlier version fixes the account alone, and goes on") {
  Drafted bench;
  State state;
  state.account = "user u-1, company c-1";
  bench.draft.provider_state = to_text(state);
  bench.settings.validity = std::chrono::hours{24 * 30};
  bench.zone();
  CHECK(bench.ordered());
}

TEST_CASE("a certificate to be signed that was approved is not ordered by its CSR") {
  Drafted bench;
  bench.draft.to_be_signed = {0x30, 0x00};
  const std::size_t before = bench.transport->sent.size();
  CHECK(says(bench.outdated(), "the draft is a certificate to be signed"));
  CHECK(bench.transport->sent.size() == before);
}
