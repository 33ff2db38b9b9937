#include "base/error.h"
#include "bench.h"

#include <catch2/catch.hpp>

using namespace hsmbridge;
using namespace hsmbridge::digicert;
using namespace hsmbridge::workflow;
using namespace std::chrono_literals;
using test::FakeTransport;
using test::TlmBench;

namespace {

// After a lost answer the bench knows no submission of its own.
ProviderCall lost(TlmBench& bench) {
  ProviderCall call = bench.call();
  call.submission = nullptr;
  return call;
}
const std::string kNothing = TlmBench::found({});

std::string why(const LookUpAnswer& answer) {
  return std::get<CannotTell>(answer).why;
}

struct Pending : TlmBench {
  Pending() {
    freeze();
    submission.reference = ProviderReference("r-1");
    submission.provider_state = to_text(Pinned{"the-profile-then", "ops@example.com", ""});
  }
  Report poll(const std::string& body) {
    transport->then(200, body);
    return provider().poll(call());
  }
};

}  // namespace

// ---- look-up after a lost answer ----

TEST_CASE("a lost certificate is found by its key") {
  TlmBench bench;
  bench.freeze();
  const x509::Certificate ours = bench.issue();
  test::SoftwareSigner stranger("ec:P-256");
  const x509::Certificate other = bench.issue_for(stranger.subject_public_key_info(), bench.ask.content);
  bench.transport->then(200, TlmBench::found({TlmBench::details(other), TlmBench::details(ours)}));
  const LookUpAnswer answer = bench.provider().look_up(lost(bench));
  const Report& report = std::get<Found>(answer).report;
  CHECK(report.standing == Standing::handed_out);
  CHECK(report.reference.str() == "serial:" + TlmBench::serial(ours));
  CHECK(
      bench.transport->lines() ==
      std::vector<std::string>{"GET /mpki/api/v1/certificate-search?offset=0&limit=50&seat_id=ops%40example.com&common_"
                               "name=www.example.com&status=issued"});
  bench.transport->then(404, test::tlm_error("resource_not_found", "no"));
  CHECK(bench.provider().read(bench.call(), *report.handout).certificate == ours.der);
}

TEST_CASE("every page of the search is read") {
  TlmBench bench;
  bench.freeze();
  test::SoftwareSigner stranger("ec:P-256");
  const Json other = TlmBench::details(bench.issue_for(stranger.subject_public_key_info(), bench.ask.content));
  Json page = Json::object({{"total", 3}, {"items", Json::array({other, other})}});
  bench.transport->then(200, page.dump());
  page.set("items", Json::array({TlmBench::details(bench.issue())}));
  bench.transport->then(200, page.dump());
  CHECK(std::holds_alternative<Found>(bench.provider().look_up(lost(bench))));
  CHECK(bench.transport->lines().back().find("offset=2&") != std::string::npos);
}

TEST_CASE("Absent is said only of a profile that always issues at once, and only by a complete search") {
  TlmBench bench;
  bench.freeze();
  Json profile = test::tlm_profile();
  SECTION("at once") {
    bench.transport->then(200, kNothing);
    bench.then_profile(profile);
    bench.transport->then(200, kNothing);
    CHECK(std::holds_alternative<Absent>(bench.provider().look_up(lost(bench))));
    CHECK(bench.transport->lines().back() ==
          "GET /mpki/api/v1/certificate-search?offset=0&limit=50&seat_id=ops%40example.com");
    CHECK(bench.provider().capabilities().complete_look_up);
  }
  SECTION("approval, second approval, connector, another method") {
    const auto change = GENERATE(as<std::pair<std::string, Json>>{},
                                 std::pair<std::string, Json>{"authentication_method", "manual_approval"},
                                 std::pair<std::string, Json>{"enable_dual_admin_approval", true},
                                 std::pair<std::string, Json>{"connector_id", "914bfbc2"},
                                 std::pair<std::string, Json>{"enrollment_method", "est"});
    profile.set(change.first, change.second);
    bench.transport->then(200, kNothing);
    bench.then_profile(profile);
    bench.transport->then(200, kNothing);
    CHECK(why(bench.provider().look_up(lost(bench))).find("proves nothing") != std::string::npos);
    CHECK_FALSE(bench.provider().capabilities().complete_look_up);
  }
  SECTION("an unreadable entry") {
    bench.transport->then(200, kNothing);
    bench.then_profile(profile);
    bench.transport->then(200, R"({"total":1,"items":[{"serial_number":"?"}]})");
    CHECK(why(bench.provider().look_up(lost(bench))).find("could not be read completely") != std::string::npos);
  }
  SECTION("fewer entries than the total") {
    bench.transport->then(200, kNothing);
    bench.then_profile(profile);
    bench.transport->then(200, R"({"total":1,"items":[]})");
    CHECK(why(bench.provider().look_up(lost(bench))).find("could not be read completely") != std::string::npos);
  }
}

TEST_CASE("a certificate for a key that is older than the order is ours only when its date and names say so") {
  TlmBench bench;
  bench.order.key.source = KeyWish::Source::use;
  bench.freeze();
  const auto ask = [&](const x509::Certificate& certificate) {
    const std::string body = TlmBench::found({TlmBench::details(certificate)});
    bench.transport->answers.clear();
    bench.made.reset();
    bench.transport->then(200, body);
    bench.then_profile();
    bench.transport->then(200, body);
    return bench.provider().look_up(lost(bench));
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
  bench.freeze();
  const x509::Certificate one = bench.issue();
  const x509::Certificate two = bench.issue();
  SECTION("two") {
    const std::string body = TlmBench::found({TlmBench::details(one), TlmBench::details(two)});
    bench.transport->then(200, body);
    bench.then_profile();
    bench.transport->then(200, body);
    const std::string text = why(bench.provider().look_up(lost(bench)));
    CHECK(text.find(TlmBench::serial(one)) != std::string::npos);
    CHECK(text.find(TlmBench::serial(two)) != std::string::npos);
  }
  SECTION("revoked") {
    bench.transport->then(200, kNothing);
    bench.then_profile();
    bench.transport->then(200, TlmBench::found({TlmBench::details(one, "revoked")}));
    CHECK(why(bench.provider().look_up(lost(bench))).find("revoked") != std::string::npos);
  }
}

TEST_CASE("the certificate that a renewal replaces is never taken for its answer") {
  TlmBench bench;
  bench.freeze();
  const x509::Certificate old = bench.issue(1min);
  bench.order.kind = Kind::renew;
  bench.order.predecessor = Predecessor{"", old.der, {}, "current", {}, ""};
  const std::string body = TlmBench::found({TlmBench::details(old)});
  bench.transport->then(200, body);
  bench.then_profile();
  bench.transport->then(200, body);
  CHECK(std::holds_alternative<Absent>(bench.provider().look_up(lost(bench))));
}

TEST_CASE("an item without its certificate is asked for by its number") {
  TlmBench bench;
  bench.freeze();
  const x509::Certificate ours = bench.issue();
  Json item = TlmBench::details(ours);
  item.set("certificate", Json());
  bench.transport->then(200, TlmBench::found({item})).then(200, TlmBench::details(ours).dump());
  CHECK(std::holds_alternative<Found>(bench.provider().look_up(lost(bench))));
}

TEST_CASE("trouble while looking up is trouble, and a search that is not allowed is for a person") {
  TlmBench bench;
  bench.freeze();
  bench.transport->then(502, "<html>", "text/html").then(401, "no", "text/plain");
  CHECK_THROWS_AS(bench.provider().look_up(lost(bench)), Error);
  CHECK_THROWS_AS(bench.provider().look_up(lost(bench)), Error);
  bench.transport->then(403, test::tlm_error("no_access", "Not enough permissions"));
  CHECK(why(bench.provider().look_up(lost(bench))).find("Not enough permissions") != std::string::npos);
}

TEST_CASE("a certificate that is revoked there is not handed out") {
  Pending bench;
  const x509::Certificate ours = bench.issue();
  bench.submission.reference = ProviderReference("serial:" + TlmBench::serial(ours));
  CHECK(bench.poll(TlmBench::details(ours, "revoked").dump()).standing == Standing::failed);
  CHECK(bench.poll(TlmBench::details(ours, "suspended").dump()).standing == Standing::unrecognised);
  CHECK(bench.poll(TlmBench::details(ours, "EXPIRED").dump()).standing == Standing::handed_out);
}

// ---- poll ----

TEST_CASE("a pick-up names the profile that was stored") {
  Pending bench;
  const Report report = bench.poll(R"({"status":"PENDING","request_id":"r-1"})");
  CHECK(report.standing == Standing::awaiting_approval);
  CHECK(bench.transport->lines().back() == "POST /mpki/api/v1/certificate-pickup/r-1");
  CHECK(bench.sent_json(0) == Json::parse(R"({"profile":{"id":"the-profile-then"}})"));
}

TEST_CASE("each status of a pick-up has a meaning, and an unknown one is recorded") {
  struct Row {
    const char* body;
    Standing standing;
    const char* status;
  };
  const Row rows[] = {
      {R"({"status":"pending"})", Standing::awaiting_approval, "PENDING"},
      {R"({"status":"PENDING_SECOND_APPROVAL"})", Standing::awaiting_approval, "PENDING_SECOND_APPROVAL"},
      {R"({"status":"APPROVED"})", Standing::awaiting_issuance, "APPROVED"},
      {R"({"status":"REJECTED","message":"not ours"})", Standing::rejected, "REJECTED"},
      {R"({"status":"rejected"})", Standing::rejected, "REJECTED"},
      {R"({"status":"EXPIRED"})", Standing::expired, "EXPIRED"},
      {R"({"status":"CANCELED"})", Standing::cancelled, "CANCELED"},
      {R"({"status":"FAILED"})", Standing::failed, "FAILED"},
      {R"({"status":"ISSUED"})", Standing::unrecognised, "ISSUED"},
      {R"({"status":"TELEPORTED"})", Standing::unrecognised, "TELEPORTED"},
      {R"({"status":"ISSUED","certificate":"x"})", Standing::unrecognised, "ISSUED"},
      {R"({"status":"ISSUED","serial_number":"AB"})", Standing::ready, "ISSUED"},
      {"{}", Standing::unrecognised, "(no status)"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.body);
    Pending bench;
    const Report report = bench.poll(row.body);
    CHECK(report.standing == row.standing);
    CHECK(report.provider_status == row.status);
    CHECK_FALSE(report.handout);
  }
  Pending bench;
  CHECK(bench.poll(R"({"status":"REJECTED","message":"not ours"})").message == "not ours");
  CHECK(bench.poll(R"({"status":"ISSUED"})").progress.note == "DigiCert says 'ISSUED' and gives no certificate");
}

TEST_CASE("an issued certificate is handed out by the pick-up, whatever its status says") {
  for (const char* status : {"ISSUED", "issued", "PENDING", ""}) {
    Pending bench;
    const x509::Certificate certificate = bench.issue();
    Json body = Json::parse(TlmBench::issued_body(certificate));
    body.set("status", status);
    const Report report = bench.poll(body.dump());
    CHECK(report.standing == Standing::handed_out);
    REQUIRE(report.handout);
    CHECK(hsmbridge::to_text(report.handout->raw) == body.dump());
    CHECK(pinned_from(report.provider_state).serial == TlmBench::serial(certificate));
    CHECK(pinned_from(report.provider_state).profile == "the-profile-then");
  }
}

TEST_CASE("a rejection that comes as an error is a rejection, and other errors are not") {
  Pending bench;
  const auto poll = [&](long status, const std::string& code) {
    bench.transport->then(status, test::tlm_error(code, "some words"));
    return bench.provider().poll(bench.call());
  };
  CHECK(poll(400, "request_rejected").standing == Standing::rejected);
  CHECK(poll(400, "request_expired").standing == Standing::expired);
  CHECK(poll(409, "ENROLLMENT_CANCELLED").standing == Standing::cancelled);
  CHECK_THROWS_AS(poll(400, "invalid_input_field"), Error);
  CHECK_THROWS_AS(poll(403, "access_denied"), Error);
  CHECK_THROWS_AS(poll(401, "AUTHORIZATION_ERROR"), Error);
  CHECK_THROWS_AS(poll(500, "request_rejected"), Error);
}

TEST_CASE("a request that is gone is looked for by its key before it is called so") {
  Pending bench;
  bench.transport->then(404, test::tlm_error("resource_not_found", "no")).then(200, kNothing);
  CHECK(bench.provider().poll(bench.call()).standing == Standing::gone);
  const x509::Certificate ours = bench.issue();
  bench.transport->then(404, test::tlm_error("resource_not_found", "no"))
      .then(200, TlmBench::found({TlmBench::details(ours)}));
  const Report report = bench.provider().poll(bench.call());
  CHECK(report.standing == Standing::handed_out);
  CHECK(report.message == "found by its key as certificate " + TlmBench::serial(ours));
}

TEST_CASE("a web server's 404 does not make a request gone") {
  Pending bench;
  bench.transport->then(404, "<html>", "text/html");
  CHECK_THROWS_AS(bench.provider().poll(bench.call()), Error);
}

TEST_CASE("a person may name a certificate by its serial number") {
  Pending bench;
  const x509::Certificate ours = bench.issue();
  bench.submission.reference = ProviderReference("serial:" + TlmBench::serial(ours));
  bench.submission.provider_state.clear();
  const Report report = bench.poll(TlmBench::details(ours).dump());
  CHECK(report.standing == Standing::handed_out);
  bench.transport->then(404, test::tlm_error("resource_not_found", "no"));
  CHECK(bench.provider().poll(bench.call()).standing == Standing::gone);
  bench.transport->then(200, TlmBench::details(bench.issue()).dump());
  CHECK_THROWS_WITH(bench.provider().poll(bench.call()), Catch::Contains("answered with"));
}

// ---- read ----

namespace {

std::string formats(const std::vector<x509::Certificate>& chain) {
  Json list = Json::array();
  for (const x509::Certificate& one : chain)
    list.push(Json::object({{"common_name", "x"}, {"cert_blob", TlmBench::pem(one)}}));
  return Json::object({{"x509_cert_chain", list}}).dump();
}

Handout handout(const std::string& body) {
  return {Handout::Content::certificate, {}, to_bytes(body)};
}

}  // namespace

TEST_CASE("a chain is asked of additional-formats and put in order") {
  Pending bench;
  const x509::Certificate leaf = bench.issue();
  const x509::Certificate issuing = bench.issuing.certificate();
  const x509::Certificate root = bench.root.certificate();
  const std::vector<Bytes> wanted{issuing.der, root.der};
  for (const auto& order : {std::vector{leaf, issuing, root}, std::vector{root, issuing, leaf}}) {
    bench.transport->then(200, formats(order));
    const Issued issued = bench.provider().read(bench.call(), handout(TlmBench::issued_body(leaf)));
    CHECK(issued.certificate == leaf.der);
    CHECK(issued.chain == wanted);
  }
  CHECK(bench.transport->lines().back() ==
        "GET /mpki/api/v1/certificate/" + TlmBench::serial(leaf) + "/additional-formats");
}

TEST_CASE("a chain in the answer is enough when it reaches a root") {
  Pending bench;
  const x509::Certificate leaf = bench.issue();
  const std::vector<Bytes> wanted{bench.issuing.certificate().der, bench.root.certificate().der};
  Json body = Json::parse(TlmBench::issued_body(leaf));
  body.set("ca_certs", Json::array({Json::object({{"pem", TlmBench::pem(bench.root.certificate())}}),
                                    Json::object({{"pem", TlmBench::pem(bench.issuing.certificate())}})}));
  CHECK(bench.provider().read(bench.call(), handout(body.dump())).chain == wanted);
  body = Json::parse(TlmBench::issued_body(leaf));
  body.set("certificate",
           TlmBench::pem(leaf) + TlmBench::pem(bench.issuing.certificate()) + TlmBench::pem(bench.root.certificate()));
  CHECK(bench.provider().read(bench.call(), handout(body.dump())).chain == wanted);
  CHECK(bench.transport->sent.empty());
}

TEST_CASE("a missing chain is no reason to lose the certificate, and a busy service is one to wait") {
  Pending bench;
  const x509::Certificate leaf = bench.issue();
  bench.transport->then(404, test::tlm_error("resource_not_found", "no")).then(200, "[]").then(503, "");
  CHECK(bench.provider().read(bench.call(), handout(TlmBench::issued_body(leaf))).chain.empty());
  CHECK(bench.provider().read(bench.call(), handout(TlmBench::issued_body(leaf))).chain.empty());
  try {
    bench.provider().read(bench.call(), handout(TlmBench::issued_body(leaf)));
    FAIL("it was read");
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::unavailable);
  }
}

TEST_CASE("a certificate under another serial number is not taken") {
  Pending bench;
  Json body = Json::parse(TlmBench::issued_body(bench.issue()));
  body.set("serial_number", "0F6F");
  try {
    bench.provider().read(bench.call(), handout(body.dump()));
    FAIL("it was read");
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::corrupt);
    CHECK(error.message().find("under the serial number 0F6F") != std::string::npos);
  }
}

TEST_CASE("a wrong certificate is read all the same: judging it is for the check") {
  Pending bench;
  test::SoftwareSigner stranger("ec:P-256");
  const x509::Certificate other = bench.issue_for(stranger.subject_public_key_info(), bench.ask.content);
  bench.transport->then(404, test::tlm_error("resource_not_found", "no"));
  CHECK(bench.provider().read(bench.call(), handout(TlmBench::issued_body(other))).certificate == other.der);
}

TEST_CASE("a certificate that a person brought is read without the service's frame") {
  Pending bench;
  const x509::Certificate leaf = bench.issue();
  Handout brought{Handout::Content::certificate, to_bytes(TlmBench::pem(leaf)), to_bytes(TlmBench::pem(leaf))};
  bench.transport->then(404, test::tlm_error("resource_not_found", "no"));
  CHECK(bench.provider().read(bench.call(), brought).certificate == leaf.der);
}

TEST_CASE("garbage is corrupt") {
  Pending bench;
  for (const std::string body : {R"({"serial_number":"AB","certificate":"hello"})", "<html>", ""}) {
    try {
      bench.provider().read(bench.call(), handout(body));
      FAIL("it was read");
    } catch (const Error& error) {
      CHECK(error.kind() == ErrorKind::corrupt);
    }
  }
}

// ---- the rest ----

TEST_CASE("a pending request cannot be taken back and that is said in plain words") {
  Pending bench;
  const CancelAnswer answer = bench.provider().cancel(bench.call());
  CHECK(std::get<CancelNotPossible>(answer).why.find("has no call that takes request r-1 back") != std::string::npos);
  CHECK(bench.transport->sent.empty());
}

TEST_CASE("a test proves address, credentials and profile") {
  TlmBench bench;
  bench.transport->then(200, "Hello from DigiCert ONE - Trust Lifecycle Manager REST API!", "text/plain")
      .then(200, R"({"name":"svc","roles":["EM_EPKI_USER_&_CERT_MANAGER"]})");
  bench.then_profile();
  CHECK(bench.provider().test() ==
        std::vector<std::string>{"Hello from DigiCert ONE - Trust Lifecycle Manager REST API!",
                                 "we are svc; roles: EM_EPKI_USER_&_CERT_MANAGER",
                                 "profile \"Web\" is active and issues at once"});
}

TEST_CASE("a test survives a user page that is not shown, and no unusable profile") {
  TlmBench bench;
  bench.transport->then(200, "Hello from DigiCert ONE", "text/plain").then(403, test::tlm_error("no_access", "no"));
  Json profile = test::tlm_profile();
  profile.set("enrollment_method", "est");
  bench.then_profile(profile);
  try {
    bench.provider().test();
    FAIL("it passed");
  } catch (const Error& error) {
    CHECK(error.detail("because") == "its enrollment method is est, not rest_api");
  }
  bench.transport->then(200, "Hello from DigiCert ONE", "text/plain").then(401, "no", "text/plain");
  CHECK_THROWS_WITH(bench.provider().test(), Catch::Contains("credentials"));
}

TEST_CASE("the catalogue marks what can be ordered and says why not") {
  TlmBench bench;
  Json old = test::tlm_profile();
  old.set("status", "Deleted");
  bench.transport->then(200, Json::array({test::tlm_profile(), old}).dump());
  const auto entries = bench.provider().profiles(5s);
  REQUIRE(entries.size() == 2);
  CHECK(entries[0].obstacles.empty());
  CHECK(entries[1].obstacles == std::vector<std::string>{"its status is Deleted, not Active"});
  CHECK(entries[0].facts.front() == std::pair<std::string, std::string>{"issues", "at once"});
}
