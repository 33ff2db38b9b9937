#include "workflow/machine/codec.h"

#include "base/error.h"
#include "samples.h"
#include "support/voter.h"
#include "workflow/machine/decide.h"

#include <catch2/catch.hpp>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

using namespace hsmbridge;
using namespace hsmbridge::workflow;

TEST_CASE("every state reads back as it was written") {
  for (const State& state : samples::every_state()) {
    INFO(to_string(name_of(state)));
    const Json written = Json::parse(to_json(state).dump());
    CHECK(written.at("state").as_string() == to_string(name_of(state)));
    CHECK(state_from(written) == state);
  }
}

TEST_CASE("every event reads back as it was written") {
  for (const EventBody& body : samples::every_event()) {
    INFO(to_string(name_of(body)));
    const Json written = Json::parse(to_json(body).dump());
    CHECK(written.at("event").as_string() == to_string(name_of(body)));
    const EventBody back = event_body_from(written);
    CHECK(name_of(back) == name_of(body));
    CHECK(to_json(back) == to_json(body));
  }
}

TEST_CASE("an order with every optional member reads back as it was written") {
  Order order = samples::order();
  CHECK(order_from(Json::parse(to_json(order).dump())) == order);
  order.deadline = samples::kStart + std::chrono::hours(3);
  order.max_age = std::chrono::hours(24);
  order.local_approvals = 2;
  order.approval = test::terms(2);
  order.approval->requesters = {"alice"};
  order.wants_command = true;
  order.asked_by = {"uid:alice", "uid:asmith"};
  CHECK(order_from(Json::parse(to_json(order).dump())) == order);
  for (const Order& one : samples::every_order()) {
    const Json written = Json::parse(to_json(one).dump());
    CHECK(order_from(written) == one);
    CHECK(written.at("kind").as_string() == to_string(one.kind()));
  }
}

TEST_CASE("a member from a newer version is corrupt and not dropped") {
  Json json = to_json(State(samples::sample<Rejected>()));
  json.set("vote_count", Json(3));
  CHECK_THROWS_AS(state_from(json), Error);
  try {
    state_from(json);
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::corrupt);
  }
}

TEST_CASE("an unknown state or event and a missing member are corrupt") {
  CHECK_THROWS_AS(state_from(Json::parse(R"({"state":"Dreaming"})")), Error);
  CHECK_THROWS_AS(state_from(Json::parse(R"({"state":"Rejected","by":"bob"})")), Error);
  CHECK_THROWS_AS(event_body_from(Json::parse(R"({"event":"Dreamt"})")), Error);
  CHECK_THROWS_AS(event_body_from(Json::parse(R"([])")), Error);
}

TEST_CASE("a time that RFC 3339 cannot write does not make a request unreadable") {
  Order far = samples::order();
  far.deadline = far.created_at + std::chrono::hours{24} * 9'999'999;
  CHECK(order_from(to_json(far)).deadline == parse_rfc3339("9999-12-31T23:59:59.999Z"));
}

TEST_CASE("a count that is negative or too large is corrupt and not cut") {
  for (const char* count : {"-1", "4294967296"}) {
    Json json = to_json(samples::order());
    json.set("local_approvals", Json::parse(count));
    CHECK_THROWS_AS(order_from(json), Error);
  }
}

// Schema 1: what stores of versions 3 and 4 hold. tests/data/store has whole stores of it.
TEST_CASE("an order of the first schema reads as one of its kind, with its content") {
  const std::string head =
      R"("id":"0A","provider":"tsb","profile":"server","token":"web",)"
      R"("key":{"source":"make","selector":"web","spec":"ec:P-256","cka_id":"00"},)"
      R"("ask":"{\"subject\":\"CN=www.example.com\",\"validity\":\"90d\"}","targets":[{"name":"token","detail":""}],)"
      R"("created_at":"2026-11-23T12:00:00Z","created_by":"uid:0","deadline":null,"max_age":null,"local_approvals":1,)"
      R"("wants_command":false,)";
  const std::string old =
      R"({"certificate":"5eed","der":"MAA=","spki":"ab12","status":"current","reference":"ref-0","provider_state":""})";
  const auto read = [&](const std::string& rest) { return order_from(Json::parse("{" + head + rest + "}")); };
  const Order enrolment = read(R"("kind":"enroll","predecessor":null,"reason":"")");
  CHECK(enrolment.kind() == Kind::enroll);
  CHECK(enrolment.local_approvals == 1);
  CHECK(enrolment.predecessor() == nullptr);
  CHECK(enrolment.enrolment()->token == "web");
  CHECK(enrolment.enrolment()->content.content.subject.to_string() == "CN=www.example.com");
  CHECK(enrolment.enrolment()->content.validity == std::chrono::hours{24 * 90});
  const Order renewal = read(R"("kind":"renew","reason":"","predecessor":)" + old);
  CHECK(*renewal.enrolment() == *enrolment.enrolment());
  CHECK(renewal.predecessor()->certificate == "5eed");
  const Order revocation = read(R"("kind":"revoke","reason":"superseded","predecessor":)" + old);
  CHECK(revocation.enrolment() == nullptr);
  CHECK(revocation.revocation()->reason == "superseded");
  CHECK(revocation.predecessor()->reference == ProviderReference("ref-0"));
  for (const Order& one : {enrolment, renewal, revocation}) CHECK(order_from(to_json(one)) == one);
  CHECK_THROWS_AS(read(R"("kind":"enroll","predecessor":null,"reason":"","urgent":true)"), Error);
  CHECK_THROWS_AS(read(R"("kind":"crl","predecessor":null,"reason":"")"), Error);
}

TEST_CASE("who asked besides is written where there is somebody, and is no part of the work") {
  Order order = samples::order();
  CHECK(to_json(order).dump().find("asked_by") == std::string::npos);
  const std::string before = work_of(order);
  order.asked_by = {"uid:alice"};
  CHECK(to_json(order).dump().find("\"asked_by\":[\"uid:alice\"]") != std::string::npos);
  CHECK(work_of(order) == before);
}

TEST_CASE("that a CRL follows one of the future is written where it does and nowhere else") {
  Order crl = samples::crl();
  CHECK(to_json(crl).dump().find("after_future") == std::string::npos);
  crl.what = IssueCrl{crl.created_at};
  CHECK(to_json(crl).dump().find("after_future") != std::string::npos);
  CHECK(order_from(Json::parse(to_json(crl).dump())) == crl);
  CHECK(work_of(crl) == work_of(samples::crl()));
}

TEST_CASE("the certificate that an order cross-signs is written where there is one and nowhere else") {
  CHECK(to_json(samples::order()).dump().find("cross_signs") == std::string::npos);
  Order order = samples::brought();
  const std::string before = work_of(order);
  std::get<Enroll>(order.what).cross_signs = Bytes{1, 2, 3};
  CHECK(to_json(order).dump().find("\"cross_signs\":\"AQID\"") != std::string::npos);
  CHECK(order_from(to_json(order)) == order);
  CHECK(work_of(order) != before);
}

TEST_CASE("the CSR of an order is written where one was brought and nowhere else") {
  CHECK(to_json(samples::order()).dump().find("\"csr\"") == std::string::npos);
  CHECK(to_json(samples::brought()).dump().find("\"csr\":\"AQID\"") != std::string::npos);
  // Either without the other is nothing that could be carried out.
  Json key = to_json(samples::brought()).at("key");
  key.set("source", "use");
  Json other = to_json(samples::brought());
  other.set("key", key);
  CHECK_THROWS_AS(order_from(other), Error);
  key.set("source", "brought");
  key.set("csr", "");
  other.set("key", key);
  CHECK_THROWS_AS(order_from(other), Error);
}

TEST_CASE("an order whose content cannot be read is corrupt") {
  Json json = to_json(samples::order());
  for (const char* content : {R"({"subject":"CN=www.example.com","vanity":true})", R"({"subject_der":"AAAA"})", "[]"}) {
    json.set("content", Json::parse(content));
    try {
      order_from(json);
      FAIL(content);
    } catch (const Error& error) {
      CHECK(error.kind() == ErrorKind::corrupt);
    }
  }
}

TEST_CASE("a result of the first schema is received by one event, whichever call brought it") {
  const std::string report =
      R"("report":{"standing":"handed_out","provider_status":"EXECUTED","message":"","by":"","reference":"ref-1",)"
      R"("provider_state":"","progress":{"approvers":[],"quorum":"","about_until":null,"note":""},"retry_after":null,)"
      R"("handout":)";
  const std::string result = R"({"content":"signature","result":"CQg=","raw":"Bw=="})";
  const auto read = [](const std::string& text) { return event_body_from(Json::parse(text)); };
  for (const auto& [head, attempt] :
       std::vector<std::pair<std::string, unsigned>>{{R"("event":"SubmissionAnswered","attempt":2)", 2},
                                                     {R"("event":"FoundAtProvider","attempt":3)", 3},
                                                     {R"("event":"Reported")", 0},
                                                     {R"("event":"CancelAnswered")", 0}}) {
    INFO(head);
    const EventBody body = read("{" + head + "," + report + result + "}}");
    const auto& received = std::get<ResultReceived>(body);
    CHECK(received.attempt == attempt);
    CHECK(received.report.provider_status == "EXECUTED");
    CHECK(received.report.reference == ProviderReference("ref-1"));
    CHECK(received.result == IssuedResult{IssuedSignature{Bytes{9, 8}}, Bytes{7}});
    // Without one it stays what it was.
    const EventBody bare = read("{" + head + "," + report + "null}}");
    CHECK(head.find(to_string(name_of(bare))) != std::string::npos);
    CHECK(report_of(bare)->provider_status == "EXECUTED");
  }
  const auto fetched =
      std::get<ResultReceived>(read(R"({"event":"HandedOut","provider_state":"{}","handout":)" + result + "}"));
  CHECK(fetched.attempt == 0);
  CHECK(fetched.report.status == RequestStatus::handed_out);
  CHECK(fetched.report.provider_state == "{}");
  CHECK(fetched.result == IssuedResult{IssuedSignature{Bytes{9, 8}}, Bytes{7}});
  CHECK(std::get<ResultUnreadable>(read(R"({"event":"HandoutUnreadable","why":"noise"})")).why == "noise");
}

TEST_CASE("a text of a newer schema is refused and says what to do") {
  const Json order = to_json(samples::order()).set("schema", 3);
  const Json state = to_json(State(samples::sample<Rejected>())).set("schema", 3);
  const Json event = to_json(EventBody(samples::sample<Reported>())).set("schema", 3);
  for (const auto& read : std::vector<std::function<void()>>{[&] { order_from(order); }, [&] { state_from(state); },
                                                             [&] { event_body_from(event); }}) {
    try {
      read();
      FAIL("it was read");
    } catch (const Error& error) {
      CHECK(error.kind() == ErrorKind::corrupt);
      CHECK(error.message().find("journal schema 3") != std::string::npos);
      CHECK(error.hint() == "a newer hsmbridge wrote it: use that one on this store");
    }
  }
  for (const char* schema : {"1", "0", "-1"}) {
    CHECK_THROWS_AS(state_from(Json(state).set("schema", Json::parse(schema))), Error);
  }
}

TEST_CASE("the draft of a state is kept once, by the digest that approvals are bound to") {
  class Shelf final : public DraftShelf {
   public:
    void keep(const std::string& digest, ByteView octets) override {
      kept[digest] = Bytes(octets.begin(), octets.end());
    }
    Bytes octets(const std::string& digest) override {
      const auto found = kept.find(digest);
      if (found == kept.end()) throw Error{ErrorKind::corrupt, "draft " + digest + " is not in the store"};
      return found->second;
    }
    std::map<std::string, Bytes> kept;
  };
  Shelf shelf;
  for (const State& state : samples::every_state()) {
    INFO(to_string(name_of(state)));
    const Json written = to_json(state, &shelf);
    CHECK(state_from(written, &shelf) == state);
    if (draft_of(state) == nullptr) continue;
    CHECK(written.dump().find(hex(sha256(draft_octets(samples::draft())))) != std::string::npos);
    CHECK(written.dump().find("\"to_be_signed\"") == std::string::npos);
    CHECK_THROWS_AS(state_from(written), Error);
  }
  CHECK(shelf.kept.size() == 2);  // the draft and its issuer
  const Json written = to_json(State(samples::sample<Prepared>()), &shelf);
  const std::string digest = hex(sha256(draft_octets(samples::draft())));
  shelf.kept[digest].back() ^= 1U;
  CHECK_THROWS_WITH(state_from(written, &shelf),
                    Catch::Contains("draft " + digest + " are not those that were frozen"));
  shelf.kept.erase(digest);
  CHECK_THROWS_WITH(state_from(written, &shelf), Catch::Contains("draft " + digest + " is not in the store"));
}

TEST_CASE("the octets of a draft are read back, and others are corrupt") {
  for (const Draft& draft : {samples::draft(), Draft{Bytes{1}, {}, "", {}, "", {}}, Draft{}}) {
    Draft back;
    set_draft_octets(back, draft_octets(draft));
    CHECK(back.csr == draft.csr);
    CHECK(back.to_be_signed == draft.to_be_signed);
  }
  Draft draft;
  Bytes octets = draft_octets(samples::draft());
  octets.pop_back();
  CHECK_THROWS_AS(set_draft_octets(draft, octets), Error);
  CHECK_THROWS_AS(set_draft_octets(draft, Bytes(15, 0)), Error);
  CHECK_THROWS_AS(set_draft_octets(draft, Bytes(16, 0xff)), Error);
}

TEST_CASE("what version 3 of the store did not write reads as what it meant then") {
  const State old = state_from(Json::parse(R"({"state":"Quarantined","certificate":"c0ffee","findings":[]})"));
  CHECK(old == State(Quarantined{"c0ffee", {}}));
  const State verifying = Verifying{samples::prepared(), samples::submission(), samples::issued()};
  const Json written = to_json(verifying);
  Json without = Json::object();
  for (const auto& [name, value] : written.as_object()) {
    if (name != "accepted" && name != "unreadable" && name != "not_yet") without.set(name, value);
  }
  CHECK(without.as_object().size() + 3 == written.as_object().size());
  CHECK(state_from(without) == verifying);
}

TEST_CASE("the words of a server and the findings about a certificate are cut before they are written") {
  const std::string long_word = std::string(5000, 'x') + "\xc3\xa4";
  const EventBody failed = PreparationFailed{{"unavailable", long_word, long_word}};
  const auto back = std::get<PreparationFailed>(event_body_from(to_json(failed)));
  CHECK(back.problem.message.size() <= 4096);
  CHECK(back.problem.message.ends_with("octets more)"));
  CHECK(to_json(EventBody(back)) == to_json(failed));
  // Never in the middle of a character.
  std::string umlauts;
  for (int i = 0; i < 5000; ++i) umlauts += "\xc3\xa4";
  CHECK(as_written(umlauts).size() <= 4096);
  CHECK(well_formed(as_written(umlauts)) == as_written(umlauts));

  Quarantined state = samples::sample<Quarantined>();
  state.findings.assign(1'000'000, Finding{"san-unrequested", true, "dns:x"});
  const Json written = to_json(State(state));
  CHECK(written.dump().size() < 10'000);
  const State once = state_from(written);
  CHECK(std::get<Quarantined>(once).findings.size() == 51);
  CHECK(std::get<Quarantined>(once).findings.back().explanation == "999950 more findings are not listed");
  CHECK(to_json(once) == written);

  AwaitingApproval waiting = samples::sample<AwaitingApproval>();
  waiting.progress.approvers.assign(1000, Approver{"alice", "k", "ops", Approver::Decision::pending});
  waiting.provider_status = long_word;
  StatusReport report = samples::report(RequestStatus::awaiting_approval);
  report.progress = waiting.progress;
  report.provider_status = long_word;
  report.provider_state = waiting.submission.provider_state;
  CHECK(std::get<AwaitingApproval>(state_from(to_json(State(waiting)))).progress.approvers.size() == 51);
  // What was cut is not news at every poll.
  CHECK_FALSE(changes_something(state_from(to_json(State(waiting))), report));
}
