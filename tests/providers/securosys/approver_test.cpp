#include "providers/securosys/approver.h"

#include "approval_sample.h"
#include "base/error.h"
#include "base/file.h"
#include "support/fake_clock.h"
#include "support/fake_transport.h"
#include "support/temp_folder.h"
#include "test_ca.h"
#include "tsb_answers.h"
#include "x509/objects/pem.h"
#include "x509/objects/verify.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdlib>

using namespace hsmbridge;
using namespace hsmbridge::securosys;
using namespace std::chrono_literals;
using test::FakeTransport;
using test::to_be_approved;
using test::tsb_refusal;

namespace {

Bytes some_tbs(test::TestCa& ca, const std::string& name = "www.example.com") {
  test::SoftwareSigner key("ec:P-256");
  x509::CertificateFields fields = x509::fields_for_issuer(ca.certificate);
  fields.serial = x509::random_serial();
  fields.validity = {parse_rfc3339("2026-06-01T00:00:00Z"), parse_rfc3339("2026-09-01T00:00:00Z")};
  fields.spki = key.subject_public_key_info();
  fields.content.subject = x509::Name::parse("CN=" + name);
  fields.content.subject_alternative_names = {x509::GeneralName::parse("dns:" + name)};
  fields.algorithm = &x509::signature_algorithm("ecdsa-sha256");
  return x509::build_tbs_certificate(fields);
}

std::string task_json(const std::string& id, ByteView whole, const std::string& more = "") {
  return R"({"id":")" + id + R"(","approvalToBeSigned":")" + base64(whole) + "\"" + more + "}";
}

struct Desk {
  explicit Desk(const std::string& key = "ec:P-256")
      : signer(key),
        client(transport, ClientOptions{}, clock),
        approver(client, signer, Identity::public_key(signer), clock, 10s) {}

  TaskView shown(ByteView whole, const std::string& more = "") {
    transport->then(200, R"({"tasks":[)" + task_json("t1", whole, more) + "]}");
    return approver.show("t1");
  }

  test::FakeClock clock{parse_rfc3339("2026-06-01T12:00:00Z")};
  std::shared_ptr<FakeTransport> transport = std::make_shared<FakeTransport>();
  test::SoftwareSigner signer;
  Client client;
  Approver approver;
};

std::string refusal_of(Desk& desk, const TaskView& view, const Expectation& expectation) {
  try {
    desk.approver.sign(view, expectation);
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::refused);
    return error.message();
  }
  return "";
}

}  // namespace

TEST_CASE("an approver sees what the certificate will say before signing") {
  test::TestCa ca;
  Desk desk;
  const Bytes tbs = some_tbs(ca);
  const TaskView view = desk.shown(to_be_approved("ca-key", tbs), R"(,"payload":")" + base64(tbs) + "\"");
  CHECK(view.fault.empty());
  CHECK(view.title == "certificate for CN=www.example.com (dns:www.example.com), until 2026-09-01T00:00:00Z");
  CHECK(view.text.find("dns:www.example.com") != std::string::npos);
  CHECK(view.payload_sha256 == hex(sha256(tbs)));
  CHECK(view.approval.key_label == "ca-key");
  CHECK(objections(view, {"ca-key", tbs, {}, {}}, desk.signer.subject_public_key_info()).empty());
}

TEST_CASE("what is signed is the very bytes that were shown and openssl agrees") {
  const auto [key, digest, command] = GENERATE(table<std::string, std::string, std::string>(
      {{"rsa:2048", "SHA-256", "openssl dgst -sha256 -verify key.pem -signature signature data"},
       {"ec:P-256", "SHA-256", "openssl dgst -sha256 -verify key.pem -signature signature data"},
       {"ec:P-384", "SHA-256", "openssl dgst -sha256 -verify key.pem -signature signature data"},
       {"ed25519", "EdDSA", "openssl pkeyutl -verify -pubin -inkey key.pem -rawin -sigfile signature -in data"}}));
  CAPTURE(key);
  test::TestCa ca;
  Desk desk(key);
  const Bytes whole = to_be_approved("ca-key", some_tbs(ca));
  const Approval approval = desk.approver.sign(desk.shown(whole), {});
  CHECK(approval.to_be_signed == whole);
  CHECK(approval.digest == digest);

  desk.transport->then(200, "");
  desk.approver.send(approval);
  const Json sent = Json::parse(desk.transport->sent.back().body);
  CHECK(desk.transport->sent.back().path == "/v1/approval");
  CHECK(from_base64(sent.at("approverPublicKey").as_string()) == desk.signer.subject_public_key_info());

  const test::TempFolder folder;
  write_file(folder / "key.pem", to_bytes(x509::spki_to_pem(desk.signer.subject_public_key_info())),
             FileMode::public_0644, Existing::refuse);
  write_file(folder / "data", from_base64(sent.at("approvalToBeSigned").as_string()), FileMode::public_0644,
             Existing::refuse);
  write_file(folder / "signature", from_base64(sent.at("signature").as_string()), FileMode::public_0644,
             Existing::refuse);
  CHECK(std::system(("cd " + folder.path().string() + " && " + command + " >/dev/null 2>&1").c_str()) == 0);
  // the proof for the listing too
  const Json listing = Json::parse(desk.transport->sent.front().body);
  CHECK(x509::verify(desk.signer.subject_public_key_info(), *approver_algorithm(desk.signer).algorithm,
                     as_bytes(listing.at("timestamp").as_string()),
                     from_base64(listing.at("timestampSignature").as_string())));
}

TEST_CASE("every mismatch is refused and named") {
  test::TestCa ca;
  Desk desk;
  const Bytes tbs = some_tbs(ca);
  const Bytes whole = to_be_approved("ca-key", tbs);
  const TaskView good = desk.shown(whole);
  CHECK(refusal_of(desk, good, {}) == "");
  CHECK(refusal_of(desk, good, {"other-key", {}, {}, {}}) ==
        "task t1 is not approved: the key \"ca-key\" would sign, not \"other-key\"");
  CHECK(refusal_of(desk, good, {{}, some_tbs(ca), {}, {}}).find("the bytes are not those of our request") !=
        std::string::npos);
  CHECK(refusal_of(desk, good, {{}, {}, "0123456789ABCDEF", {}}).find("does not name our request") !=
        std::string::npos);
  CHECK(refusal_of(desk, good, {{}, {}, {}, std::string(64, '0')}).find("has the SHA-256") != std::string::npos);

  CHECK(refusal_of(desk, desk.shown(whole, R"(,"payload":")" + base64(some_tbs(ca)) + "\""), {}).find("shows is not") !=
        std::string::npos);
  test::SoftwareSigner other("ec:P-256");
  CHECK(refusal_of(desk,
                   desk.shown(whole, R"(,"approverPublicKey":")" + base64(other.subject_public_key_info()) + "\""), {})
            .find("another approver") != std::string::npos);
  const Bytes meta = meta_data_octets({"s", hex(sha256(to_bytes("x"))), "", "R", 1});
  CHECK(refusal_of(desk, desk.shown(whole, R"(,"metaData":")" + base64(meta) + "\""), {}).find("other bytes") !=
        std::string::npos);
  CHECK(refusal_of(desk, desk.shown(Bytes(whole.begin(), whole.end() - 4)), {}) != "");
  // an expectation that holds
  const Bytes ours = meta_data_octets({"s", hex(sha256(tbs)), "", "0123456789ABCDEF", 1});
  CHECK(refusal_of(desk, desk.shown(whole, R"(,"metaData":")" + base64(ours) + "\""),
                   {"ca-key", tbs, "0123456789ABCDEF", {}}) == "");
}

TEST_CASE("a certificate that the TSB builds must say what our request asked") {
  test::TestCa ca;
  Desk desk;
  const Bytes tbs = some_tbs(ca);
  const x509::TbsCertificate asked = x509::parse_tbs_certificate(tbs);
  Expectation ours;
  ours.certificate = x509::Expectation{};
  ours.certificate->spki = asked.spki;
  ours.certificate->content = asked.content;
  ours.at = desk.clock.now();
  CHECK(refusal_of(desk, desk.shown(to_be_approved("ca-key", tbs)), ours) == "");

  // Our CSR and our copied mark, and another content: the key alone says nothing.
  x509::CertificateFields evil = x509::fields_for_issuer(ca.certificate);
  evil.serial = x509::random_serial();
  evil.validity = asked.validity;
  evil.spki = asked.spki;
  evil.content = asked.content;
  evil.content.subject = x509::Name::parse("CN=evil");
  evil.content.basic_constraints = x509::parse_basic_constraints("CA:TRUE");
  evil.algorithm = &x509::signature_algorithm("ecdsa-sha256");
  const TaskView view = desk.shown(to_be_approved("ca-key", x509::build_tbs_certificate(evil)));
  const std::vector<std::string> against = objections(view, ours, desk.signer.subject_public_key_info());
  CAPTURE(against);
  REQUIRE(against.size() == 4);
  CHECK(against[3] == "its common name is \"evil\", and our request is for \"www.example.com\"");
  for (const char* finding : {"ca-unrequested", "subject-changed", "common-name-changed"}) {
    CHECK(std::count_if(against.begin(), against.end(),
                        [&](const std::string& reason) { return reason.find(finding) != std::string::npos; }) == 1);
  }
  CHECK_FALSE(refusal_of(desk, view, ours).empty());
  // What the profile accepts is no objection, what can never be accepted stays one; and so does another name.
  ours.certificate->accept = {"subject-changed", "common-name-changed"};
  CHECK(objections(view, ours, desk.signer.subject_public_key_info()).size() == 2);

  ours.certificate->spki = desk.signer.subject_public_key_info();
  CHECK(refusal_of(desk, desk.shown(to_be_approved("ca-key", tbs)), ours).find("key-differs") != std::string::npos);
  CHECK(refusal_of(desk, desk.shown(to_be_approved("ca-key", to_bytes("no certificate"))), ours)
            .find("it is not a certificate, and our request is for one") != std::string::npos);
}

TEST_CASE("a certificate that has ended before it is signed is not approved") {
  test::TestCa ca;
  Desk desk;
  const Bytes tbs = some_tbs(ca);
  Expectation at;
  at.at = x509::parse_tbs_certificate(tbs).validity.not_after;
  CHECK(refusal_of(desk, desk.shown(to_be_approved("ca-key", tbs)), at).find("would have ended already, at ") !=
        std::string::npos);
  at.at -= std::chrono::seconds{1};
  CHECK(refusal_of(desk, desk.shown(to_be_approved("ca-key", tbs)), at) == "");
}

TEST_CASE("what differs and is no objection is told too") {
  test::TestCa ca;
  Desk desk;
  const Bytes tbs = some_tbs(ca);
  Expectation ours;
  ours.certificate = x509::Expectation{};
  ours.certificate->spki = x509::parse_tbs_certificate(tbs).spki;
  ours.certificate->content = x509::parse_tbs_certificate(tbs).content;
  ours.at = desk.clock.now();
  CHECK(deviations(desk.shown(to_be_approved("ca-key", tbs)), ours).empty());
  // The profile accepts another subject.
  ours.certificate->accept = {"subject-changed"};
  ours.certificate->content.subject = x509::Name::parse("O=Example, CN=www.example.com");
  const TaskView view = desk.shown(to_be_approved("ca-key", tbs));
  CHECK(objections(view, ours, desk.signer.subject_public_key_info()).empty());
  const std::vector<std::string> found = deviations(view, ours);
  REQUIRE(found.size() == 1);
  CHECK(found[0].find("subject-changed: ") == 0);
  CHECK(deviations(view, {}).empty());
}

TEST_CASE("what is known against a task from elsewhere refuses it") {
  test::TestCa ca;
  Desk desk;
  Expectation over;
  over.known = {"our request 06 is Cancelled here"};
  CHECK(refusal_of(desk, desk.shown(to_be_approved("ca-key", some_tbs(ca))), over) ==
        "task t1 is not approved: our request 06 is Cancelled here");
}

TEST_CASE("several objections are all told") {
  test::TestCa ca;
  Desk desk;
  try {
    desk.approver.sign(desk.shown(to_be_approved("ca-key", some_tbs(ca))), {"a", some_tbs(ca), "R", {}});
    FAIL("it was signed");
  } catch (const Error& error) {
    CHECK(error.details().size() == 3);
  }
}

TEST_CASE("bytes that are no certificate are signed only for their SHA-256") {
  Desk desk;
  const Bytes payload = to_bytes("pay 1000000 to mallory");
  const TaskView view = desk.shown(to_be_approved("ca-key", payload));
  CHECK(view.title == "22 bytes that are neither certificate nor revocation list");
  CHECK(refusal_of(desk, view, {}).find("neither a TBSCertificate nor a TBSCertList") != std::string::npos);
  CHECK(refusal_of(desk, view, {{}, {}, {}, hex(sha256(payload))}) == "");
}

TEST_CASE("an approver named by a certificate sends the certificate") {
  test::TestCa self("ec:P-384", "CN=Anna", "CA:FALSE");
  test::TestCa ca;
  test::FakeClock clock;
  auto transport = std::make_shared<FakeTransport>();
  Client client(transport, {}, clock);
  Approver approver(client, self.signer, Identity::certificate(self.signer, self.certificate.der), clock, 10s);
  transport->then(200, R"({"tasks":[)" + task_json("t1", to_be_approved("ca-key", some_tbs(ca))) + "]}").then(200, "");
  approver.send(approver.sign(approver.show("t1"), {}));
  for (const net::Request& request : transport->sent) {
    CHECK(from_base64(Json::parse(request.body).at("approverCertificate").as_string()) == self.certificate.der);
  }
  test::SoftwareSigner other("ec:P-256");
  CHECK_THROWS_AS(Identity::certificate(other, self.certificate.der), Error);
}

TEST_CASE("all pages are listed and one that cannot be read hides no other") {
  Desk desk;
  test::TestCa ca;
  std::string first;
  for (int i = 0; i < 25; ++i) {
    first += (i == 0 ? "" : ",") +
             task_json("t" + std::to_string(i), i == 3 ? Bytes{1, 2, 3} : to_be_approved("k", some_tbs(ca)));
  }
  desk.transport->then(200, R"({"tasks":[)" + first + "]}")
      .then(200, R"({"tasks":[)" + task_json("t24", to_be_approved("k", some_tbs(ca))) + "," +
                     task_json("t25", to_be_approved("k", some_tbs(ca))) + "]}")
      .then(200, R"({"tasks":[)" + first + "]}");
  const std::vector<TaskView> views = desk.approver.list();
  REQUIRE(views.size() == 26);
  CHECK(views[3].fault != "");
  CHECK(views[25].id == "t25");
  CHECK(Json::parse(desk.transport->sent[1].body).at("paging").at("pageNumber").as_integer() == 1);
  // one time stamp, signed once, serves both pages
  CHECK(Json::parse(desk.transport->sent[0].body).at("timestampSignature") ==
        Json::parse(desk.transport->sent[1].body).at("timestampSignature"));
}

TEST_CASE("a listing asks for the bytes alone and a shown task for what comes beside them") {
  Desk desk;
  test::TestCa ca;
  desk.transport->then(200, R"({"tasks":[]})");
  desk.approver.list();
  desk.shown(to_be_approved("k", some_tbs(ca)));
  CHECK(Json::parse(desk.transport->sent[0].body).at("detailLevel").as_string() == "level1");
  CHECK(Json::parse(desk.transport->sent[1].body).at("detailLevel").as_string() == "level2");
}

TEST_CASE("an entry that is malformed is that task's fault and hides no other") {
  Desk desk;
  test::TestCa ca;
  const Bytes whole = to_be_approved("k", some_tbs(ca));
  desk.transport->then(200, R"({"tasks":[{"id":5},)" + task_json("t1", whole) +
                                R"(,{"id":"t2","approvalToBeSigned":"???"},)" + task_json("t3", whole) + "]}");
  const std::vector<TaskView> views = desk.approver.list();
  REQUIRE(views.size() == 4);
  CHECK(views[0].id == "");
  CHECK_FALSE(views[0].fault.empty());
  CHECK(views[1].fault == "");
  CHECK(views[2].id == "t2");
  CHECK_FALSE(views[2].fault.empty());
  CHECK(views[3].fault == "");
  CHECK_FALSE(objections(views[2], {}, desk.signer.subject_public_key_info()).empty());
}

TEST_CASE("a page that is too large is asked for in smaller ones and a huge task hides no other") {
  Desk desk;
  test::TestCa ca;
  const Bytes whole = to_be_approved("k", some_tbs(ca));
  const net::OutcomeUnknown too_large{"larger than 4194304 bytes", true};
  desk.transport
      ->then(too_large)  // 25
      .then(too_large)   // 5
      .then(200, R"({"tasks":[)" + task_json("t0", whole) + "]}")
      .then(too_large)
      .then(200, R"({"tasks":[)" + task_json("t2", whole) + "]}")
      .then(200, R"({"tasks":[]})")
      .then(200, R"({"tasks":[)" + task_json("t2", whole) + "]}")  // and back
      .then(too_large)
      .then(200, R"({"tasks":[)" + task_json("t0", whole) + "]}");
  const std::vector<TaskView> views = desk.approver.list();
  REQUIRE(views.size() == 3);
  CHECK(views[0].id == "t0");
  CHECK(views[1].fault.find("task number 2 of the listing is too large") != std::string::npos);
  CHECK(views[2].id == "t2");
  std::vector<std::string> pages;
  for (const net::Request& request : desk.transport->sent) {
    const Json paging = Json::parse(request.body).at("paging");
    pages.push_back(std::to_string(paging.at("pageNumber").as_integer()) + "/" +
                    std::to_string(paging.at("pageSize").as_integer()));
  }
  CHECK(pages == std::vector<std::string>{"0/25", "0/5", "0/1", "1/1", "2/1", "3/1", "2/1", "1/1", "0/1"});

  // One whose notes are too large can be seen and refused, and not approved.
  desk.transport->then(too_large).then(200, R"({"tasks":[)" + task_json("t1", whole) + "]}");
  const TaskView view = desk.approver.show("t1");
  CHECK(view.fault.find("too large") != std::string::npos);
  CHECK_FALSE(refusal_of(desk, view, {}).empty());
}

TEST_CASE("a server that is too large for ever is not asked indefinitely") {
  Desk desk;
  for (int i = 0; i < 20; ++i) desk.transport->then(net::OutcomeUnknown{"larger than 4194304 bytes", true});
  CHECK_THROWS_AS(desk.approver.list(), Error);
  CHECK(desk.transport->sent.size() == 8);
}

TEST_CASE("letters that may look like others are marked in the title wherever a name holds them") {
  Desk desk;
  test::TestCa ca;
  const TaskView view = desk.shown(to_be_approved("k", some_tbs(ca, "ascii.example.com")));
  CHECK(view.title.find("NOT ASCII") == std::string::npos);
  x509::CertificateFields fields = x509::fields_for_issuer(ca.certificate);
  fields.serial = x509::random_serial();
  fields.validity = {parse_rfc3339("2026-06-01T00:00:00Z"), parse_rfc3339("2026-09-01T00:00:00Z")};
  fields.spki = desk.signer.subject_public_key_info();
  fields.algorithm = &x509::signature_algorithm("ecdsa-sha256");
  const auto marks = [&] {
    const std::string title = desk.shown(to_be_approved("k", x509::build_tbs_certificate(fields))).title;
    const std::size_t at = title.find(" [");
    return at == std::string::npos ? std::string() : title.substr(at + 1);
  };
  fields.content.subject = x509::Name::parse("CN=www.p\xD0\xB0ypal.com");
  CHECK(marks() == "[NOT ASCII, in CN: U+0430]");
  fields.content.subject = x509::Name::parse("O=Ex\xD0\xB0mple, OU=\xD0\xB5\xD0\xBE, CN=www.example.com");
  CHECK(marks() == "[NOT ASCII, in O: U+0430; OU: U+0435 U+043E]");
  fields.content.subject = x509::Name::parse("CN=www.example.com");
  fields.content.subject_alternative_names = {x509::GeneralName::parse("dirname:O=Ex\xD0\xB0mple"),
                                              x509::GeneralName::parse("upn:\xD0\xB0nna@example.com")};
  CHECK(marks() == "[NOT ASCII, in dirname: U+0430; upn: U+0430]");
  fields.content.subject_alternative_names.clear();
  fields.content.policies = {x509::parse_policy("1.2.3.4;notice:Is\xD1\x95ued by us")};
  CHECK(marks() == "[NOT ASCII, in notice: U+0455]");
}

TEST_CASE("a server that gives one page indefinitely is not asked indefinitely") {
  Desk desk;
  test::TestCa ca;
  const Bytes whole = to_be_approved("k", some_tbs(ca));
  std::string page;
  for (int i = 0; i < 25; ++i) page += (i == 0 ? "" : ",") + task_json("t" + std::to_string(i), whole);
  for (int i = 0; i < 3; ++i) desk.transport->then(200, R"({"tasks":[)" + page + "]}");
  const std::vector<TaskView> views = desk.approver.list();
  REQUIRE(views.size() == 26);
  CHECK(views[25].fault == "the listing was cut after 25 tasks: there may be more");
  CHECK(desk.transport->sent.size() == 2);
}

TEST_CASE("the time stamp lies a few seconds back and follows the server's clock when it is refused") {
  Desk desk;
  const auto off = [](const std::string& date) {
    return test::response(400, R"({"errorCode":404,"reason":"res.error.input.timestamp.off"})", "application/json",
                          {test::date_header(parse_rfc3339(date))});
  };
  desk.transport->then(off("2026-06-01T11:30:00Z")).then(200, R"({"tasks":[]})").then(200, R"({"tasks":[]})");
  desk.approver.list();
  const auto stamp = [&](std::size_t call) {
    return Json::parse(desk.transport->sent.at(call).body).at("timestamp").as_string();
  };
  CHECK(stamp(0) == "2026-06-01T11:59:55Z");
  CHECK(stamp(1) == "2026-06-01T11:29:55Z");
  desk.clock.advance(2min);
  desk.approver.list();
  CHECK(stamp(2) == "2026-06-01T11:31:55Z");
}

TEST_CASE("a clock that the server never accepts is an error and not a loop") {
  Desk desk;
  const net::Response off =
      test::response(400, R"({"errorCode":404,"reason":"res.error.input.timestamp.off"})", "application/json",
                     {test::date_header(parse_rfc3339("2026-06-01T11:30:00Z"))});
  desk.transport->then(off).then(off);
  CHECK_THROWS_AS(desk.approver.list(), Error);
  CHECK(desk.transport->sent.size() == 2);
}

TEST_CASE("a task that is gone is not found") {
  Desk desk;
  desk.transport->then(200, R"({"tasks":[]})").then(tsb_refusal(404, 652));
  CHECK_THROWS_AS(desk.approver.show("t1"), Error);
  try {
    desk.approver.reject("t1");
    FAIL("it was rejected");
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::not_found);
  }
}

TEST_CASE("metaData cannot drive the terminal") {
  Desk desk;
  test::TestCa ca;
  const TaskView view =
      desk.shown(to_be_approved("k", some_tbs(ca)), R"(,"metaData":")" + base64(to_bytes("\x1b[2J{}")) + "\"");
  CHECK(view.meta_text.find('\x1b') == std::string::npos);
  CHECK_FALSE(view.meta_data);
}
