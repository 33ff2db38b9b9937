#include "base/error.h"
#include "bench.h"
#include "support/orders.h"

#include <fmt/core.h>

#include <catch2/catch.hpp>

using namespace hsmbridge;
using namespace hsmbridge::digicert;
using namespace hsmbridge::workflow;
using namespace std::chrono_literals;
using test::TlmBench;

namespace {

// After a lost answer the bench knows no submission of its own.
ProviderCall lost(TlmBench& bench) {
  ProviderCall call = bench.call();
  call.submission = nullptr;
  return call;
}
const std::string kNothing = TlmBench::found({});
const std::string kUs = "user u-1, account a-1";

// A look-up of a draft that names us, and that is answered that we are still the same.
LookUpAnswer look(TlmBench& bench, const ProviderCall& call) {
  bench.then_me();
  const auto last = [&] {
    // Nobody asked.
    if (!bench.transport->answers.empty()) bench.transport->answers.pop_back();
  };
  try {
    LookUpAnswer answer = bench.provider().look_up(call);
    last();
    return answer;
  } catch (...) {
    last();
    throw;
  }
}
LookUpAnswer look(TlmBench& bench) {
  return look(bench, lost(bench));
}

std::string why(const LookUpAnswer& answer) {
  return std::get<CannotTell>(answer).why;
}
}  // namespace

TEST_CASE("a lost certificate is found by its key") {
  TlmBench bench;
  bench.account = kUs;
  bench.freeze();
  const x509::Certificate ours = bench.issue();
  test::SoftwareSigner stranger("ec:P-256");
  const x509::Certificate other = bench.issue_for(stranger.subject_public_key_info(), bench.ask.content);
  bench.transport->then(200, TlmBench::found({TlmBench::details(other), TlmBench::details(ours)}));
  const LookUpAnswer answer = look(bench);
  const Report& report = std::get<Found>(answer).report;
  CHECK(report.status == RequestStatus::handed_out);
  CHECK(report.reference.str() == "serial:" + TlmBench::serial(ours));
  CHECK(
      bench.transport->lines() ==
      std::vector<std::string>{"GET /mpki/api/v1/certificate-search?offset=0&limit=50&seat_id=ops%40example.com&common_"
                               "name=www.example.com&status=issued"});
  bench.transport->then(404, test::tlm_error("resource_not_found", "no"));
  CHECK(issued_by(bench.provider(), bench.call(), *report.result).certificate == ours.der);
}

TEST_CASE("every page of the search is read") {
  TlmBench bench;
  bench.account = kUs;
  bench.freeze();
  test::SoftwareSigner stranger("ec:P-256");
  const Json other = TlmBench::details(bench.issue_for(stranger.subject_public_key_info(), bench.ask.content));
  Json page = Json::object({{"total", 3}, {"items", Json::array({other, other})}});
  bench.transport->then(200, page.dump());
  page.set("items", Json::array({TlmBench::details(bench.issue())}));
  bench.transport->then(200, page.dump());
  CHECK(std::holds_alternative<Found>(look(bench)));
  CHECK(bench.transport->lines().back().find("offset=2&") != std::string::npos);
}

TEST_CASE("an item's bundle is searched for our key, whatever its order") {
  TlmBench bench;
  bench.account = kUs;
  bench.freeze();
  const x509::Certificate ours = bench.issue();
  const std::string issuer = x509::certificate_to_pem(bench.issuing.certificate().der);
  Json item = TlmBench::details(ours);
  SECTION("the issuer first") {
    item.set("certificate", issuer + TlmBench::pem(ours));
    bench.transport->then(200, TlmBench::found({item}));
    const LookUpAnswer answer = look(bench);
    CHECK(std::get<Found>(answer).report.reference.str() == "serial:" + TlmBench::serial(ours));
  }
  SECTION("the issuer alone") {
    item.set("certificate", issuer);
    bench.transport->then(200, TlmBench::found({item}));
    bench.then_profile();
    bench.transport->then(200, TlmBench::found({item}));
    CHECK(why(look(bench)).find("could not be read completely") != std::string::npos);
  }
}

TEST_CASE("a total where search indexes stop counting is no complete search") {
  TlmBench bench;
  bench.account = kUs;
  bench.freeze();
  test::SoftwareSigner stranger("ec:P-256");
  const Json other = TlmBench::details(bench.issue_for(stranger.subject_public_key_info(), bench.ask.content));
  const auto all_of = [&](std::size_t count) {
    Json::Array items(count, other);
    for (std::size_t i = 0; i < count; ++i) items[i].set("thumbprint", fmt::format("{:064x}", i));
    bench.transport->answers.clear();
    bench.transport->then(200, kNothing);
    bench.then_profile();
    bench.transport->then(200, TlmBench::found(items));
    return look(bench);
  };
  CHECK(std::holds_alternative<Absent>(all_of(20)));
  CHECK(why(all_of(10'000)).find("could not be read completely") != std::string::npos);
}

TEST_CASE("Absent is not said where the profile may have kept the order waiting when it was made") {
  TlmBench bench;
  bench.account = kUs;
  bench.freeze();
  Pinned pinned;
  pinned.account = kUs;
  bench.draft.provider_state = to_text(pinned);
  bench.transport->then(200, kNothing);
  bench.then_profile();
  bench.transport->then(200, kNothing);
  CHECK(why(look(bench)).find("it is not known that the profile") != std::string::npos);
}

TEST_CASE("after a second attempt Absent is said only of a profile that allows duplicates") {
  TlmBench bench;
  bench.account = kUs;
  bench.freeze();
  Json profile = test::tlm_profile();
  const auto look_up = [&] {
    bench.transport->then(200, kNothing);
    bench.then_profile(profile);
    bench.transport->then(200, kNothing);
    ProviderCall call = lost(bench);
    call.attempt = 2;
    return look(bench, call);
  };
  CHECK(std::holds_alternative<Absent>(look_up()));
  profile.set("duplicate_cert_policy", false);
  CHECK(why(look_up()).find("may refuse duplicates") != std::string::npos);
}

TEST_CASE("a server that does not page never looks like a complete search") {
  TlmBench bench;
  bench.account = kUs;
  bench.freeze();
  test::SoftwareSigner stranger("ec:P-256");
  std::vector<Json> items;
  for (int i = 0; i < 2; ++i) {
    items.push_back(TlmBench::details(bench.issue_for(stranger.subject_public_key_info(), bench.ask.content)));
  }
  Json page = Json::object({{"items", Json(Json::Array(items))}});
  SECTION("with a total") {
    page.set("total", 4);
    REQUIRE(page.find("total") != nullptr);
  }
  SECTION("without one") {
    REQUIRE(page.find("total") == nullptr);
  }
  bench.transport->then(200, kNothing);
  bench.then_profile();
  bench.transport->then(200, page.dump()).then(200, page.dump());
  CHECK(why(look(bench)).find("could not be read completely") != std::string::npos);
}

TEST_CASE("a certificate whose name the service built otherwise is found by its key in the whole seat") {
  TlmBench bench;
  bench.account = kUs;
  bench.freeze();
  const x509::Certificate ours = bench.issue();
  // The narrow search knows it not, or is refused.
  const bool refused = GENERATE(false, true);
  if (refused) {
    bench.transport->then(400, test::tlm_error("invalid_input_field", "Wrong input", "status"));
  } else {
    bench.transport->then(200, kNothing);
  }
  bench.then_profile();
  bench.transport->then(200, TlmBench::found({TlmBench::details(ours)}));
  const LookUpAnswer answer = look(bench);
  CHECK(std::get<Found>(answer).report.reference.str() == "serial:" + TlmBench::serial(ours));
}

TEST_CASE("a search that does not end in time is trouble that says so, and no answer") {
  TlmBench bench;
  bench.account = kUs;
  bench.freeze();
  test::SoftwareSigner stranger("ec:P-256");
  const Json other = TlmBench::details(bench.issue_for(stranger.subject_public_key_info(), bench.ask.content));
  const std::string page = Json::object({{"total", 2}, {"items", Json::array({other})}}).dump();
  bench.transport->answers.push_back([&](const net::Request&) {
    bench.clock.advance(20s);
    return test::response(200, page);
  });
  CHECK_THROWS_WITH(look(bench),
                    "the search among the certificates of seat ops@example.com did not end in time: 1 were read");
}

TEST_CASE("a certificate that our store knows as another request's answer is never this one's") {
  TlmBench bench;
  bench.account = kUs;
  bench.freeze();
  const x509::Certificate known = bench.issue();
  const x509::Certificate ours = bench.issue();
  ProviderCall call = lost(bench);
  call.answers_another = [&](ByteView der) { return equal(der, known.der); };
  bench.transport->then(200, TlmBench::found({TlmBench::details(known), TlmBench::details(ours)}));
  CHECK(std::get<Found>(look(bench, call)).report.reference.str() == "serial:" + TlmBench::serial(ours));
  const std::string body = TlmBench::found({TlmBench::details(known)});
  bench.transport->then(200, body);
  bench.then_profile();
  bench.transport->then(200, body);
  CHECK(std::holds_alternative<Absent>(look(bench, call)));
}

TEST_CASE("an item's thumbprint that is none does not get into a path") {
  TlmBench bench;
  bench.account = kUs;
  bench.freeze();
  const x509::Certificate ours = bench.issue();
  Json item = TlmBench::details(ours);
  item.set("certificate", Json());
  item.set("thumbprint", "FE&status=issued\r\nHost: x");
  bench.transport->then(200, TlmBench::found({item})).then(200, TlmBench::details(ours).dump());
  CHECK(std::holds_alternative<Found>(look(bench)));
  CHECK(bench.transport->lines().back() == "GET /mpki/api/v1/certificate/" + TlmBench::serial(ours));
}

TEST_CASE("Absent is said only of a profile that always issues at once, and only by a complete search") {
  TlmBench bench;
  bench.account = kUs;
  bench.freeze();
  Json profile = test::tlm_profile();
  SECTION("at once") {
    bench.transport->then(200, kNothing);
    bench.then_profile(profile);
    bench.transport->then(200, kNothing);
    CHECK(std::holds_alternative<Absent>(look(bench)));
    CHECK(bench.transport->lines().back() == "GET /account/api/v1/user/me");
    CHECK(bench.transport->lines().at(2) ==
          "GET /mpki/api/v1/certificate-search?offset=0&limit=50&seat_id=ops%40example.com");
    CHECK(bench.provider().capabilities().complete_look_up);
  }
  SECTION("approval, second approval, connector, another method") {
    const auto change = GENERATE(as<std::pair<std::string, Json>>{},
                                 std::pair<std::string, Json>{"authentication_method", "manual_approval"},
                                 std::pair<std::string, Json>{"enable_dual_admin_approval", true},
                                 std::pair<std::string, Json>{"enable_dual_admin_approval", "true"},
                                 std::pair<std::string, Json>{"enable_dual_admin_approval", 1},
                                 std::pair<std::string, Json>{"connector_id", "914bfbc2"},
                                 std::pair<std::string, Json>{"connector_id", Json::object({{"id", "914bfbc2"}})},
                                 std::pair<std::string, Json>{"template", Json::object({{"trust_type", "Public"}})},
                                 std::pair<std::string, Json>{"enrollment_method", "est"});
    profile.set(change.first, change.second);
    bench.transport->then(200, kNothing);
    bench.then_profile(profile);
    bench.transport->then(200, kNothing);
    CHECK(why(look(bench)).find("proves nothing") != std::string::npos);
    CHECK_FALSE(bench.provider().capabilities().complete_look_up);
  }
  SECTION("an unreadable entry") {
    bench.transport->then(200, kNothing);
    bench.then_profile(profile);
    bench.transport->then(200, R"({"total":1,"items":[{"serial_number":"?"}]})");
    CHECK(why(look(bench)).find("could not be read completely") != std::string::npos);
  }
  SECTION("fewer entries than the total") {
    bench.transport->then(200, kNothing);
    bench.then_profile(profile);
    bench.transport->then(200, R"({"total":1,"items":[]})");
    CHECK(why(look(bench)).find("could not be read completely") != std::string::npos);
  }
}

TEST_CASE("a certificate for a key that is older than the order is ours only when its date and names say so") {
  TlmBench bench;
  bench.account = kUs;
  test::wanted(bench.order).key.source = KeyWish::Source::use;
  bench.freeze();
  const auto ask = [&](const x509::Certificate& certificate) {
    const std::string body = TlmBench::found({TlmBench::details(certificate)});
    bench.transport->answers.clear();
    bench.made.reset();
    bench.transport->then(200, body);
    bench.then_profile();
    bench.transport->then(200, body);
    return look(bench);
  };
  CHECK(std::holds_alternative<Found>(ask(bench.issue(0s))));
  // Dated back, or older: a person decides.
  CHECK(why(ask(bench.issue(-1h))).find("is not certain") != std::string::npos);
  // Certainly older.
  CHECK(std::holds_alternative<Absent>(ask(bench.issue(-72h))));
  x509::Content other = bench.ask.content;
  other.subject_alternative_names.push_back(x509::GeneralName::parse("dns:other.example.com"));
  CHECK(why(ask(bench.issue_for(bench.key.subject_public_key_info(), other, 1min))).find("is not certain") !=
        std::string::npos);
}

TEST_CASE("two certificates for our key, or a revoked one, are for a person to judge") {
  TlmBench bench;
  bench.account = kUs;
  bench.freeze();
  const x509::Certificate one = bench.issue();
  const x509::Certificate two = bench.issue();
  SECTION("two") {
    const std::string body = TlmBench::found({TlmBench::details(one), TlmBench::details(two)});
    bench.transport->then(200, body);
    bench.then_profile();
    bench.transport->then(200, body);
    const std::string text = why(look(bench));
    CHECK(text.find(TlmBench::serial(one)) != std::string::npos);
    CHECK(text.find(TlmBench::serial(two)) != std::string::npos);
  }
  SECTION("revoked") {
    bench.transport->then(200, kNothing);
    bench.then_profile();
    bench.transport->then(200, TlmBench::found({TlmBench::details(one, "revoked")}));
    CHECK(why(look(bench)).find("revoked") != std::string::npos);
  }
}

TEST_CASE("the certificate that a renewal replaces is never taken for its answer") {
  TlmBench bench;
  bench.account = kUs;
  bench.freeze();
  const x509::Certificate old = bench.issue(1min);
  test::make_renewal(bench.order, {"", old.der, {}, "current", {}, ""});
  const std::string body = TlmBench::found({TlmBench::details(old)});
  bench.transport->then(200, body);
  bench.then_profile();
  bench.transport->then(200, body);
  CHECK(std::holds_alternative<Absent>(look(bench)));
}

TEST_CASE("an item without its certificate is asked for by its number") {
  TlmBench bench;
  bench.account = kUs;
  bench.freeze();
  const x509::Certificate ours = bench.issue();
  Json item = TlmBench::details(ours);
  item.set("certificate", Json());
  bench.transport->then(200, TlmBench::found({item})).then(200, TlmBench::details(ours).dump());
  CHECK(std::holds_alternative<Found>(look(bench)));
}

TEST_CASE("trouble while looking up is trouble, and a search that is not allowed is for a person") {
  TlmBench bench;
  bench.account = kUs;
  bench.freeze();
  bench.transport->then(502, "<html>", "text/html").then(401, test::tlm_error("AUTHORIZATION_ERROR", "no"));
  CHECK_THROWS_AS(look(bench), Error);
  CHECK_THROWS_AS(look(bench), Error);
  bench.transport->then(403, test::tlm_error("no_access", "Not enough permissions"));
  CHECK(why(look(bench)).find("Not enough permissions") != std::string::npos);
}

TEST_CASE("a search proves nothing under another account than the one that ordered") {
  TlmBench bench;
  bench.account = kUs;
  bench.freeze();
  const auto nothing_there = [&] {
    bench.made.reset();
    bench.transport->then(200, kNothing);
    bench.then_profile();
    bench.transport->then(200, kNothing);
  };
  nothing_there();
  bench.then_me("U-2");
  CHECK(
      why(bench.provider().look_up(lost(bench)))
          .find("which proves nothing: it was ordered by user u-1, account a-1, and this search was made by user u-2, "
                "account a-1") != std::string::npos);
  nothing_there();
  bench.transport->then(403, test::tlm_error("no_access", "Not enough permissions"));
  CHECK(why(bench.provider().look_up(lost(bench))).find("somebody whom the service does not name") !=
        std::string::npos);
  // Who we are could not be asked: asked again later.
  nothing_there();
  bench.transport->then(503, "");
  CHECK_THROWS_AS(bench.provider().look_up(lost(bench)), Error);
  // The draft does not name anybody: nobody need be asked.
  bench.account.clear();
  bench.freeze();
  nothing_there();
  CHECK(why(bench.provider().look_up(lost(bench))).find("did not tell who ordered it") != std::string::npos);
}

TEST_CASE("a certificate that is found is ours under whatever account") {
  TlmBench bench;
  bench.freeze();
  bench.transport->then(200, TlmBench::found({TlmBench::details(bench.issue())}));
  CHECK(std::holds_alternative<Found>(bench.provider().look_up(lost(bench))));
}

TEST_CASE("attempts that were refused for their form have left nothing that a search could miss") {
  TlmBench bench;
  bench.account = kUs;
  bench.freeze();
  Json profile = test::tlm_profile();
  profile.set("duplicate_cert_policy", false);
  bench.transport->then(200, kNothing);
  bench.then_profile(profile);
  bench.transport->then(200, kNothing);
  ProviderCall call = lost(bench);
  call.attempt = 2;
  call.remembered = to_text(Remembered{"wrong input", "", 1});
  CHECK(std::holds_alternative<Absent>(look(bench, call)));
}
