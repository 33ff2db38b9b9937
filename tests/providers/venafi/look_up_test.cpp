#include "base/error.h"
#include "provider_bench.h"
#include "support/orders.h"

#include <catch2/catch.hpp>

using namespace hsmbridge;
using namespace hsmbridge::venafi;
using namespace hsmbridge::workflow;
using test::ProviderBench;

namespace {

// A document of the search: no CSR, no client.
Json document(const std::string& id, const std::string& created, const std::vector<std::string>& tags = {}) {
  Json json = Json::object({{"id", id},
                            {"status", "PENDING"},
                            {"applicationIds", Json::array({test::kApplicationId})},
                            {"creationDate", created}});
  if (!tags.empty()) json.set("tags", Json(tags));
  return json;
}

std::string page(const std::vector<Json>& documents, std::int64_t found) {
  return Json::object(
             {{"certificateRequests", Json(Json::Array(documents.begin(), documents.end()))}, {"numFound", found}})
      .dump();
}

// One whole request.
std::string whole(const std::string& id, const Bytes& csr, const std::string& created) {
  Json json = document(id, created);
  json.set("certificateSigningRequest", x509::csr_to_pem(csr));
  return json.dump();
}

const std::string kTag = "hsmbridge:0123456789ABCDEF-1";

const std::string kMe = R"({"user":{"id":"u-1","username":"a@x.com"},"company":{"id":"c-1"}})";

// A look-up of a draft that names us, and that is answered that we are still the same.
LookUpAnswer look_up(ProviderBench& bench) {
  State state;
  state.account = "user u-1, company c-1";
  bench.draft.provider_state = to_text(state);
  bench.transport->then(200, kMe);
  const auto last = [&] {
    // Nobody asked.
    if (!bench.transport->answers.empty()) bench.transport->answers.pop_back();
  };
  try {
    LookUpAnswer answer = bench.provider().look_up(bench.call());
    last();
    return answer;
  } catch (...) {
    last();
    throw;
  }
}

struct Bench : ProviderBench {
  Bench() {
    test::wanted(order).key.source = KeyWish::Source::make;
    zone();
  }
  std::string after(int seconds) const { return rfc3339(draft.built_at + std::chrono::seconds{seconds}); }
  LookUpAnswer look() { return look_up(*this); }
};

bool says(const LookUpAnswer& answer, const std::string& part) {
  INFO(std::get<CannotTell>(answer).why);
  return std::get<CannotTell>(answer).why.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("a lost submission is found by its tag") {
  Bench bench;
  bench.transport->then(200,
                        page({document("other", bench.after(1)), document("ours", bench.after(2), {"x", kTag})}, 2));
  bench.transport->then(200, whole("ours", bench.draft.csr, bench.after(2)));
  const LookUpAnswer answer = bench.look();
  CHECK(std::get<Found>(answer).report.reference.str() == "ours");
  CHECK(std::get<Found>(answer).report.status == RequestStatus::awaiting_issuance);
  CHECK(state_from(std::get<Found>(answer).report.provider_state).request == "ours");
}

TEST_CASE("a lost submission whose tag was dropped is found by its CSR") {
  Bench bench;
  bench.transport->then(200, page({document("a", bench.after(1)), document("b", bench.after(2))}, 2));
  bench.transport->then(200, whole("a", test::csr_for(bench.key, bench.ask), bench.after(1)));
  bench.transport->then(200, whole("b", bench.draft.csr, bench.after(2)));
  CHECK(std::get<Found>(bench.look()).report.reference.str() == "b");
}

TEST_CASE("an unmarked request with the CSR of an older key may be anybody's who has that key") {
  Bench bench;
  test::wanted(bench.order).key.source = KeyWish::Source::use;
  bench.transport->then(200, page({document("a", bench.after(-60))}, 1));
  bench.transport->then(200, whole("a", bench.draft.csr, bench.after(-60)));
  CHECK(says(bench.look(), "nothing that marks it as ours"));
}

TEST_CASE("a search proves nothing under another account than the one that ordered") {
  const auto look = [](const std::string& pinned, const std::string& me, long status = 200) {
    ProviderBench bench;
    bench.zone();
    State state;
    state.account = pinned;
    bench.draft.provider_state = to_text(state);
    bench.transport->then(200, page({}, 0)).then(200, page({}, 0)).then(status, me);
    return bench.provider().look_up(bench.call());
  };
  const std::string us = "user u-1, company c-1";
  CHECK(std::holds_alternative<Absent>(look(us, kMe)));
  CHECK(says(look("user u-9, company c-1", kMe),
             "not found, which proves nothing: it was ordered by user u-9, company c-1, and this search was made by "
             "user u-1, company c-1"));
  CHECK(says(look(us, test::errors_answer(1002, "forbidden"), 403), "somebody whom the service does not name"));
  CHECK(says(look("", ""), "did not tell who ordered it"));
}

TEST_CASE("last year's request of the same bytes is not this one") {
  Bench bench;
  const std::string old = rfc3339(bench.draft.built_at - std::chrono::hours{24 * 365});
  // Even where the service ignores the date of the search.
  bench.transport->then(200, page({document("old", old)}, 1)).then(200, page({document("old", old)}, 1));
  CHECK(std::holds_alternative<Absent>(bench.look()));
}

TEST_CASE("a request of the same bytes without a date leaves it to a person") {
  Bench bench;
  bench.transport->then(200, page({document("a", "never")}, 1));
  bench.transport->then(200, whole("a", bench.draft.csr, "never"));
  CHECK(says(bench.look(), "may be an older one"));
}

TEST_CASE("a mark of another request or attempt is not ours, whatever its CSR") {
  Bench bench;
  const std::vector<Json> others{document("a", bench.after(1), {"hsmbridge:0123456789ABCDEF-2"}),
                                 document("b", bench.after(1), {"hsmbridge:FEDCBA9876543210-1"})};
  bench.transport->then(200, page(others, 2)).then(200, page(others, 2));
  CHECK(std::holds_alternative<Absent>(bench.look()));
}

TEST_CASE("our mark over another CSR is not trusted") {
  Bench bench;
  bench.transport->then(200, page({document("a", bench.after(1), {kTag})}, 1));
  bench.transport->then(200, whole("a", test::csr_for(bench.key, bench.ask), bench.after(1)));
  CHECK(says(bench.look(), "carries our mark and another CSR"));
}

TEST_CASE("our mark in the client's identifier is enough where the CSR is not shown") {
  Bench bench;
  bench.transport->then(200, page({document("a", bench.after(1))}, 1));
  Json shown = document("a", bench.after(1));
  shown.set("apiClientInformation", Json::object({{"type", "hsmbridge"}, {"identifier", "0123456789ABCDEF-1"}}));
  bench.transport->then(200, shown.dump());
  CHECK(std::get<Found>(bench.look()).report.reference.str() == "a");
}

TEST_CASE("two requests that could be this one are both named") {
  Bench bench;
  bench.transport->then(200, page({document("a", bench.after(1), {kTag}), document("b", bench.after(2), {kTag})}, 2));
  bench.transport->then(200, whole("a", bench.draft.csr, bench.after(1)));
  bench.transport->then(200, whole("b", bench.draft.csr, bench.after(2)));
  CHECK(says(bench.look(), "2 requests there could be this one: a, b"));
}

TEST_CASE("all pages are read, and absent is said only after a search without the application filter too") {
  Bench bench;
  std::vector<Json> first;
  for (int i = 0; i < 100; ++i) first.push_back(document("r" + std::to_string(i), bench.after(1), {"hsmbridge:X-1"}));
  for (int round = 0; round < 2; ++round) {
    bench.transport->then(200, page(first, 101));
    bench.transport->then(200, page({document("last", bench.after(2), {"hsmbridge:X-2"})}, 101));
  }
  CHECK(std::holds_alternative<Absent>(bench.look()));
  REQUIRE(bench.transport->sent.size() == 7);  // the last asks who we are
  CHECK(Json::parse(bench.transport->sent.at(3).body).at("paging").at("pageNumber").as_integer() == 1);
  CHECK(bench.transport->sent.at(3).body.find("applicationId") != std::string::npos);
  CHECK(bench.transport->sent.at(4).body.find("applicationId") == std::string::npos);
}

TEST_CASE("a search that is cut, or contradicts itself, proves nothing") {
  Bench cut;
  cut.transport->then(200, page({document("a", cut.after(1), {"hsmbridge:X-1"})}, 7)).then(200, page({}, 7));
  CHECK(says(cut.look(), "counts 7 requests and showed 1"));

  Bench same;
  std::vector<Json> full;
  for (int i = 0; i < 100; ++i) full.push_back(document("r" + std::to_string(i), same.after(1), {"hsmbridge:X-1"}));
  same.transport->then(200, page(full, 500)).then(200, page(full, 500));
  CHECK(says(same.look(), "same page of its search twice"));

  Bench late;
  late.transport->then(200, page({document("a", late.after(1))}, 1));
  late.transport->answers.push_back([&late](const net::Request&) -> net::Exchange {
    late.clock.advance(std::chrono::minutes{5});
    return test::response(200, document("a", late.after(1)).dump());
  });
  CHECK_FALSE(std::holds_alternative<Absent>(late.look()));

  Bench down;
  down.transport->then(502, test::kProxyPage, "text/html");
  CHECK_THROWS_AS(down.look(), Error);
}

TEST_CASE("a service whose clock is behind ours is searched from an earlier time") {
  Bench bench;
  const Instant server = bench.clock.now() - std::chrono::hours{2};
  const auto then = [&](const std::string& body) {
    bench.transport->then(test::response(200, body, "application/json", {test::date_header(server)}));
  };
  const std::string created = rfc3339(bench.draft.built_at - std::chrono::hours{2});
  then(page({}, 0));
  then(page({document("a", created, {kTag})}, 1));
  then(whole("a", bench.draft.csr, created));
  CHECK(std::get<Found>(bench.look()).report.reference.str() == "a");
}

TEST_CASE("a service that shows fewer a page than it is asked for is read to its end") {
  Bench bench;
  std::vector<Json> fifty;
  for (int i = 0; i < 50; ++i) fifty.push_back(document("r" + std::to_string(i), bench.after(1), {"hsmbridge:X-1"}));
  bench.transport->then(200, page(fifty, 51)).then(200, page({document("ours", bench.after(2), {kTag})}, 51));
  bench.transport->then(200, whole("ours", bench.draft.csr, bench.after(2)));
  CHECK(std::get<Found>(bench.look()).report.reference.str() == "ours");

  // Without a count only an empty page is the last one.
  Bench uncounted;
  const auto bare = [](const std::vector<Json>& documents) {
    return Json::object({{"certificateRequests", Json(Json::Array(documents.begin(), documents.end()))}}).dump();
  };
  uncounted.transport->then(200, bare(fifty)).then(200, bare({document("ours", uncounted.after(2), {kTag})}));
  uncounted.transport->then(200, bare({})).then(200, whole("ours", uncounted.draft.csr, uncounted.after(2)));
  CHECK(std::get<Found>(uncounted.look()).report.reference.str() == "ours");
}

TEST_CASE("a full page is not the last one, whatever the service counts") {
  Bench bench;
  std::vector<Json> full;
  for (int i = 0; i < 100; ++i) full.push_back(document("r" + std::to_string(i), bench.after(1), {"hsmbridge:X-1"}));
  bench.transport->then(200, page(full, 100)).then(200, page({document("ours", bench.after(2), {kTag})}, 100));
  bench.transport->then(200, whole("ours", bench.draft.csr, bench.after(2)));
  CHECK(std::get<Found>(bench.look()).report.reference.str() == "ours");
}

TEST_CASE("a certificate that cannot be compared leaves absence unproven") {
  const std::string unknown = test::errors_answer(10051, "Unable to find CertificateRequest");
  for (const std::vector<std::string>& tags : {std::vector<std::string>{kTag}, std::vector<std::string>{}}) {
    Bench gone;
    gone.transport->then(200, page({document("a", gone.after(1), tags)}, 1)).then(404, unknown);
    gone.transport->then(200, page({document("a", gone.after(1), tags)}, 1));
    CHECK(says(gone.look(), "cannot be fetched"));
  }
  Bench hidden;
  hidden.transport->then(200, page({document("a", hidden.after(1))}, 1));
  hidden.transport->then(200, document("a", hidden.after(1)).dump());
  hidden.transport->then(200, page({document("a", hidden.after(1))}, 1));
  CHECK(says(hidden.look(), "its CSR is not shown"));
  Bench odd;
  Json unreadable = document("a", odd.after(1));
  unreadable.set("certificateSigningRequest", "?");
  odd.transport->then(200, page({document("a", odd.after(1))}, 1)).then(200, unreadable.dump());
  odd.transport->then(200, page({document("a", odd.after(1))}, 1));
  CHECK(says(odd.look(), "its CSR cannot be read"));
}

TEST_CASE("a lost submission is found although its zone is gone") {
  ProviderBench bench;
  bench.settings.zone.alias = "Gone";
  bench.transport->then(200, test::application_answer());
  const std::string created = rfc3339(bench.draft.built_at + std::chrono::seconds{1});
  bench.transport->then(200, page({document("ours", created, {kTag})}, 1));
  bench.transport->then(200, whole("ours", bench.draft.csr, created));
  CHECK(std::get<Found>(look_up(bench)).report.reference.str() == "ours");
  CHECK(bench.transport->sent.at(1).body.find("applicationId") == std::string::npos);
}

TEST_CASE("a lost submission is looked for in the application of its draft, whatever the zone is now") {
  ProviderBench bench;
  State state;
  state.account = "user u-1, company c-1";
  state.zone = "Test\\Default";
  state.application = "the-application-then";
  bench.draft.provider_state = to_text(state);
  const std::string created = rfc3339(bench.draft.built_at + std::chrono::seconds{1});
  bench.transport->then(200, page({document("ours", created, {kTag})}, 1));
  bench.transport->then(200, whole("ours", bench.draft.csr, created));
  const LookUpAnswer answer = bench.provider().look_up(bench.call());
  CHECK(state_from(std::get<Found>(answer).report.provider_state).application == "the-application-then");
  CHECK(bench.transport->sent.at(0).body.find("the-application-then") != std::string::npos);
}

TEST_CASE("a service that refuses the filter is asked without it, a refused credential is not") {
  Bench bench;
  bench.transport->then(400, test::errors_answer(1006, "Invalid or missing request parameters"));
  bench.transport->then(200, page({document("ours", bench.after(1), {kTag})}, 1));
  bench.transport->then(200, whole("ours", bench.draft.csr, bench.after(1)));
  CHECK(std::get<Found>(bench.look()).report.reference.str() == "ours");
  Bench denied;
  denied.transport->then(400, test::errors_answer(1004, "Invalid or missing request header"));
  CHECK_THROWS_AS(denied.look(), Error);
}

TEST_CASE("an earlier attempt that arrived late is the order that was wanted, and no second one is made") {
  Bench bench;
  bench.attempt = 2;
  bench.transport->then(200, page({document("late", bench.after(1), {kTag})}, 1));
  bench.transport->then(200, whole("late", bench.draft.csr, bench.after(1)));
  CHECK(std::get<Found>(bench.look()).report.reference.str() == "late");

  // This attempt's own comes before it.
  Bench both;
  both.attempt = 2;
  both.transport->then(200, page({document("late", both.after(1), {kTag}),
                                  document("this", both.after(2), {"hsmbridge:0123456789ABCDEF-2"})},
                                 2));
  both.transport->then(200, whole("this", both.draft.csr, both.after(2)));
  CHECK(std::get<Found>(both.look()).report.reference.str() == "this");
}

TEST_CASE(
    "a request that another order of this bridge made is not ours, although tags were dropped and its CSR is equal") {
  Bench bench;
  Json other = document("a", bench.after(1));
  other.set("certificateSigningRequest", x509::csr_to_pem(bench.draft.csr));
  other.set("apiClientInformation", Json::object({{"type", "hsmbridge"}, {"identifier", "FEDCBA9876543210-1"}}));
  bench.transport->then(200, page({document("a", bench.after(1))}, 1)).then(200, other.dump());
  bench.transport->then(200, page({document("a", bench.after(1))}, 1));
  CHECK(std::holds_alternative<Absent>(bench.look()));
}

TEST_CASE("a clock that was wrong when the request was sent, and was set right since, hides nothing") {
  // Two hours ahead at that time: by the service's clock it was made long before our draft.
  ProviderBench bench;
  bench.zone();
  const std::string created = rfc3339(bench.clock.now());
  bench.order.created_at += std::chrono::hours{2};
  bench.draft.built_at += std::chrono::hours{2};
  bench.transport->then(200, page({document("ours", created, {kTag})}, 1));
  bench.transport->then(200, whole("ours", bench.draft.csr, created));
  CHECK(std::get<Found>(look_up(bench)).report.reference.str() == "ours");
  const Json search = Json::parse(bench.transport->sent.at(2).body);
  INFO(search.dump());
  CHECK(search.dump().find(rfc3339(bench.clock.now() - std::chrono::hours{48}).substr(0, 10)) != std::string::npos);

  // Not found while it seems to be of the future: that proves nothing.
  bench.transport->then(200, page({}, 0)).then(200, page({}, 0));
  CHECK(says(bench.provider().look_up(bench.call()), "our clock was set back"));

  // Its time has come again by the clock that is right.
  bench.clock.advance(std::chrono::hours{3});
  bench.zone();
  bench.transport->then(200, page({document("ours", created, {kTag})}, 1));
  bench.transport->then(200, whole("ours", bench.draft.csr, created));
  CHECK(std::get<Found>(look_up(bench)).report.reference.str() == "ours");
}

TEST_CASE("what a draft adds to the CSR is who orders and what the template writes itself") {
  ProviderBench bench;
  Json rules = test::open_template();
  rules.set("extendedKeyUsageValues", Json::array({"SERVER", "CLIENT"}));
  bench.transport->then(200, R"({"user":{"id":"u-1"},"company":{"id":"c-1"}})");
  bench.zone(rules);
  const ProviderDraft draft = bench.provider().draft(bench.order, bench.draft.csr, bench.clock.now());
  CHECK(state_from(draft.provider_state).account == "user u-1, company c-1");
  CHECK(draft.notes == std::vector<std::string>{"the issuing template Test Certs issues clientAuth too"});

  // Another credential by now: nothing is sent under it.
  bench.draft.provider_state = draft.provider_state;
  bench.clock.advance(std::chrono::minutes{2});
  bench.zone().transport->then(200, R"({"user":{"id":"u-2"},"company":{"id":"c-1"}})");
  const SubmitAnswer answer = bench.provider().submit(bench.call());
  CHECK(std::get<NotAccepted>(answer).error.kind() == ErrorKind::unavailable);
  CHECK(bench.transport->lines().back() == "GET /v1/useraccounts");
}
