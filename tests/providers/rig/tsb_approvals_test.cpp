#include "providers/rig/bench.h"
#include "providers/securosys/approval_bytes.h"
#include "tools/rig/pki/certificates.h"
#include "tools/rig/tsb/approval_bytes.h"

#include <catch2/catch.hpp>

using namespace hsmbridge;
using namespace hsmbridge::test;

namespace {

int error_code(const rig::Answer& answer) {
  return static_cast<int>(Json::parse(answer.body).at("errorCode").as_integer());
}

// alice, bob and carol in one group, dora in another.
struct Board {
  Person alice{"alice"};
  Person bob{"bob", "EC", 521};
  Person carol{"carol", "ED", 255};
  Person dora{"dora", "EC", 384};
};

}  // namespace

TEST_CASE("two of three in one group and one of one in another execute a signature") {
  Bench bench;
  const Board board;
  bench.make_key("ca", "EC",
                 policy({token(0, 3600,
                               {group("security", 2, {&board.alice, &board.bob, &board.carol}),
                                group("audit", 1, {&board.dora})})}));
  const std::string id = bench.ask_signature("ca", as_bytes("to be signed"));
  Json request = bench.request(id);
  CHECK(request.at("status").as_string() == "PENDING");
  CHECK(request.at("approvedBy") == Json::array());
  CHECK(request.at("notYetApprovedBy") == keys_of({&board.alice, &board.bob, &board.carol, &board.dora}));
  CHECK(request.at("executionTime").is_null());

  CHECK(bench.approve(board.bob).status == 200);
  CHECK(bench.approve(board.dora).status == 200);
  request = bench.request(id);
  CHECK(request.at("status").as_string() == "PENDING");
  CHECK(request.at("approvedBy") == keys_of({&board.bob, &board.dora}));
  CHECK(request.at("notYetApprovedBy") == keys_of({&board.alice, &board.carol}));
  CHECK(request.at("result").is_null());

  CHECK(bench.approve(board.carol).status == 200);
  request = bench.request(id);
  CHECK(request.at("status").as_string() == "EXECUTED");
  CHECK(request.at("approvedBy") == keys_of({&board.bob, &board.dora, &board.carol}));
  CHECK(request.at("notYetApprovedBy") == Json::array());
  CHECK(request.at("executionTime").as_string() == rfc3339(bench.clock().now()));
  CHECK(bench.tasks(board.alice) == Json::array());

  const Json key =
      Json::parse(bench.post("/v1/key/attributes", Json::object({{"label", "ca"}, {"password", Json()}})).body);
  CHECK(rig::verify_signature(from_base64(key.at("json").at("publicKey").as_string()), "SHA256",
                              as_bytes("to be signed"), from_base64(request.at("result").as_string())));
}

TEST_CASE("approvers with RSA and Ed25519 keys approve as well") {
  Bench bench;
  const Person rachel("rachel", "RSA", 2048);
  const Person eddy("eddy", "ED", 255);
  bench.make_key("ca", "EC", policy({token(0, 3600, {group("g", 2, {&rachel, &eddy})})}));
  const std::string id = bench.ask_signature("ca");
  CHECK(bench.approve(rachel).status == 200);
  CHECK(bench.approve(eddy).status == 200);
  CHECK(bench.status(id) == "EXECUTED");
}

TEST_CASE("one rejection leaves the quorum reachable and a second one rejects the request") {
  Bench bench;
  const Board board;
  bench.make_key("ca", "EC", policy({token(0, 0, {group("g", 2, {&board.alice, &board.bob, &board.carol})})}));
  const std::string id = bench.ask_signature("ca");
  CHECK(bench.reject(board.alice, "PATCH").status == 200);
  CHECK(bench.status(id) == "PENDING");
  CHECK(bench.request(id).at("notYetApprovedBy") == keys_of({&board.bob, &board.carol}));
  CHECK(bench.reject(board.bob, "DELETE").status == 200);
  const Json request = bench.request(id);
  CHECK(request.at("status").as_string() == "REJECTED");
  CHECK(request.at("rejectedBy") == keys_of({&board.alice, &board.bob}));
  CHECK(bench.tasks(board.carol) == Json::array());
}

TEST_CASE("any of two tokens is enough") {
  Bench bench;
  const Board board;
  bench.make_key("ca", "EC",
                 policy({token(0, 0, {group("many", 2, {&board.alice, &board.bob})}),
                         token(0, 0, {group("one", 1, {&board.dora})})}));
  const std::string id = bench.ask_signature("ca");
  CHECK(bench.approve(board.dora).status == 200);
  CHECK(bench.status(id) == "EXECUTED");
}

TEST_CASE("an approved request waits for its timelock and a GET executes it") {
  Bench bench;
  const Board board;
  bench.make_key("ca", "EC", policy({token(120, 3600, {group("g", 1, {&board.alice})})}));
  const std::string id = bench.ask_signature("ca");
  CHECK(bench.approve(board.alice).status == 200);
  CHECK(bench.status(id) == "APPROVED");
  bench.clock().advance(std::chrono::seconds{119});
  CHECK(bench.status(id) == "APPROVED");
  CHECK(bench.request(id).at("result").is_null());
  bench.clock().advance(std::chrono::seconds{1});
  CHECK(bench.status(id) == "EXECUTED");
}

TEST_CASE("a request is past its time but pending until the clean-up job runs") {
  Bench bench;
  const Board board;
  bench.make_key("ca", "EC", policy({token(0, 60, {group("g", 1, {&board.alice})})}));
  const std::string id = bench.ask_signature("ca");
  bench.clock().advance(std::chrono::seconds{90});
  CHECK(bench.status(id) == "PENDING");
  CHECK(bench.request(id).at("notYetApprovedBy") == Json::array());
  bench.clock().advance(std::chrono::seconds{300});
  CHECK(bench.status(id) == "EXPIRED");
  CHECK(bench.tasks(board.alice) == Json::array());
}

TEST_CASE("an approval after the time is over executes nothing") {
  Bench bench;
  const Board board;
  bench.make_key("ca", "EC", policy({token(0, 60, {group("g", 1, {&board.alice})})}));
  const std::string id = bench.ask_signature("ca");
  bench.clock().advance(std::chrono::seconds{61});
  CHECK(bench.approve(board.alice).status == 200);
  CHECK(bench.status(id) == "PENDING");
}

TEST_CASE("the clock of the rig moves policies and not the approvers' timestamps") {
  rig::TsbOptions options;
  options.cleanup_interval = std::chrono::seconds{0};
  Bench bench(options);
  const Board board;
  bench.make_key("ca", "EC", policy({token(0, 3600, {group("g", 1, {&board.alice})})}));
  const std::string id = bench.ask_signature("ca");
  bench.tsb().advance(std::chrono::hours{1});
  CHECK(bench.tasks(board.alice).as_array().size() == 1);
  bench.tsb().advance(std::chrono::seconds{1});
  CHECK(bench.status(id) == "EXPIRED");
}

TEST_CASE("an approval over other bytes is refused and stays open") {
  Bench bench;
  const Board board;
  bench.make_key("ca", "EC", policy({token(0, 3600, {group("g", 1, {&board.alice})})}));
  const std::string id = bench.ask_signature("ca");
  const Json task = bench.tasks(board.alice).as_array().at(0);
  // As an approver's own client reads it, written again by the simulator's encoder.
  const securosys::ApprovalBytes read =
      securosys::parse_approval_to_be_signed(from_base64(task.at("approvalToBeSigned").as_string()));
  rig::ApprovalBytes original;
  original.label = read.key_label;
  original.payload = read.payload;
  original.timestamp = rig::ApprovalTimestamp{
      read.payload, static_cast<std::uint64_t>(read.stamp->at.time_since_epoch() / std::chrono::seconds{1}),
      read.stamp->clock_key, read.stamp->signature};

  const auto send = [&](const rig::ApprovalBytes& approval) {
    Json changed = task;
    changed.set("approvalToBeSigned", base64(rig::encode(approval)));
    return bench.post("/v1/approval", bench.approval(board.alice, changed));
  };
  rig::ApprovalBytes other = original;
  other.payload = to_bytes("another payload");
  CHECK(error_code(send(other)) == 612);
  other = original;
  other.label = "another key";
  CHECK(error_code(send(other)) == 612);
  other = original;
  other.operation = 2;
  CHECK(error_code(send(other)) == 612);
  other = original;
  other.timestamp->seconds += 60;
  CHECK(error_code(send(other)) == 612);
  other = original;
  other.timestamp.reset();
  CHECK(error_code(send(other)) == 612);

  Json wrong = bench.approval(board.alice, task);
  wrong.set("signature", board.alice.sign(as_bytes("something else")));
  CHECK(error_code(bench.post("/v1/approval", wrong)) == 403);
  CHECK(error_code(bench.post("/v1/approval", bench.approval(board.bob, task))) == 403);
  CHECK(bench.status(id) == "PENDING");
  CHECK(send(original).status == 200);
  CHECK(bench.status(id) == "EXECUTED");
}

TEST_CASE("a second approval by the same person finds no task") {
  Bench bench;
  const Board board;
  bench.make_key("ca", "EC", policy({token(0, 0, {group("g", 2, {&board.alice, &board.bob})})}));
  bench.ask_signature("ca");
  const Json task = bench.tasks(board.alice).as_array().at(0);
  CHECK(bench.post("/v1/approval", bench.approval(board.alice, task)).status == 200);
  const rig::Answer again = bench.post("/v1/approval", bench.approval(board.alice, task));
  CHECK(again.status == 404);
  CHECK(error_code(again) == 652);
}

TEST_CASE("an approver known by certificate must show the certificate and appears by public key") {
  Bench bench;
  const Person erin("erin");
  rig::CertificateContent content;
  content.subject = rig::parse_name("CN=erin");
  content.subject_public_key = erin.key().public_key();
  content.not_before = bench.clock().now();
  content.not_after = bench.clock().now() + std::chrono::days{1};
  const std::string certificate =
      base64(rig::issue(content, erin.key(), {"SHA256", rig::SignatureScheme::Padding::pkcs1}));
  const Json approver = Json::object({{"type", "certificate"}, {"name", "erin"}, {"value", certificate}});
  const Json only = Json::object({{"name", "g"}, {"quorum", 1}, {"approvals", Json::array({approver})}});
  bench.make_key("ca", "EC", policy({token(0, 0, {only})}));
  const std::string id = bench.ask_signature("ca");
  CHECK(bench.request(id).at("notYetApprovedBy") == keys_of({&erin}));
  CHECK(bench.tasks(erin) == Json::array());

  Json ask = bench.proof(erin);
  ask.set("approverPublicKey", Json());
  ask.set("approverCertificate", certificate);
  const Json tasks = Json::parse(bench.post("/v1/filteredAllApprovalTask", ask).body).at("tasks");
  REQUIRE(tasks.as_array().size() == 1);
  CHECK(tasks.as_array()[0].find("approverPublicKey") == nullptr);
  Json approval = bench.approval(erin, tasks.as_array()[0]);
  CHECK(error_code(bench.post("/v1/approval", approval)) == 403);
  approval.set("approverPublicKey", Json());
  approval.set("approverCertificate", certificate);
  CHECK(bench.post("/v1/approval", approval).status == 200);
  CHECK(bench.request(id).at("approvedBy") == keys_of({&erin}));
}

TEST_CASE("a timestamp counts for ten minutes back and not one second ahead") {
  Bench bench;
  const Person alice("alice");
  const auto ask = [&](int seconds_ago) {
    return bench.post("/v1/filteredAllApprovalTask", bench.proof(alice, seconds_ago));
  };
  CHECK(ask(600).status == 200);
  CHECK(ask(0).status == 200);
  for (const int bad : {601, -1}) {
    const rig::Answer answer = ask(bad);
    CHECK(answer.status == 400);
    CHECK(Json::parse(answer.body).at("reason").as_string() == "res.error.input.timestamp.off");
    CHECK(error_code(answer) == 404);
  }
  bench.tsb().skew(std::chrono::seconds{-30});
  CHECK(error_code(ask(5)) == 404);
  CHECK(ask(31).status == 200);
}

TEST_CASE("a timestamp signed by somebody else or without seconds is refused") {
  Bench bench;
  const Person alice("alice");
  const Person mallory("mallory");
  Json body = bench.proof(alice);
  body.set("timestampSignature", mallory.sign(as_bytes(body.at("timestamp").as_string())));
  CHECK(error_code(bench.post("/v1/filteredAllApprovalTask", body)) == 403);
  for (const char* text : {"2026-11-23T15:42Z", "2026-11-23 15:42:00Z", "2026-11-23T15:42:00+0000", "yesterday"}) {
    body.set("timestamp", text);
    body.set("timestampSignature", alice.sign(as_bytes(text)));
    CHECK(Json::parse(bench.post("/v1/filteredAllApprovalTask", body).body).at("message").as_string() ==
          "'timestamp' is not a valid ISO-8601 timestamp");
  }
}

TEST_CASE("a whitelisted timestamp signer lists everybody's tasks and can neither approve nor reject") {
  const Person reader("reader");
  const Person stranger("stranger");
  const auto certificate_for = [](const Person& person) {
    rig::CertificateContent content;
    content.subject = rig::parse_name("CN=reader");
    content.subject_public_key = person.key().public_key();
    content.not_before = Instant{std::chrono::seconds{1'700'000'000}};
    content.not_after = Instant{std::chrono::seconds{1'900'000'000}};
    return rig::issue(content, person.key(), {"SHA256", rig::SignatureScheme::Padding::pkcs1});
  };
  const Bytes certificate = certificate_for(reader);
  rig::TsbOptions options;
  options.timestamp_signers.push_back(certificate);
  Bench bench(options);
  const Board board;
  bench.make_key("ca", "EC", policy({token(0, 0, {group("g", 2, {&board.alice, &board.bob})})}));
  Json order = Bench::sign_body("ca", "SHA256_WITH_ECDSA", as_bytes("p"));
  Json inner = order.at("signRequest");
  inner.set("metaData", base64(as_bytes("{\"id\":\"R1\"}")));
  order.set("signRequest", inner);
  bench.ask("/v1/sign", order);

  const auto ask = [&](const Person& person, const Bytes& shown) {
    Json body = bench.proof(person);
    body.set("approverPublicKey", Json());
    body.set("timestampSigningCertificate", base64(shown));
    body.set("detailLevel", "level2");
    return bench.post("/v1/filteredAllApprovalTask", body);
  };
  const rig::Answer answer = ask(reader, certificate);
  REQUIRE(answer.status == 200);
  const Json tasks = Json::parse(answer.body).at("tasks");
  REQUIRE(tasks.as_array().size() == 2);
  CHECK(tasks.as_array()[0].at("metaData").as_string() == base64(as_bytes("{\"id\":\"R1\"}")));
  CHECK(error_code(ask(stranger, certificate_for(stranger))) == 405);

  Json reject = bench.proof(reader);
  reject.set("approverPublicKey", Json());
  reject.set("timestampSigningCertificate", base64(certificate));
  reject.set("id", tasks.as_array()[0].at("id"));
  CHECK(error_code(bench.send("PATCH", "/v1/task", reject.dump())) == 403);
}

TEST_CASE("each detail level adds its fields to those below") {
  Bench bench;
  const Board board;
  bench.make_key("ca", "EC", policy({token(0, 3600, {group("g", 1, {&board.alice})})}));
  const std::string id = bench.ask_signature("ca");
  const std::vector<std::string> all{"detailLevel",
                                     "id",
                                     "approvalToBeSigned",
                                     "approverPublicKey",  // 1
                                     "metaData",
                                     "metaDataSignature",
                                     "payload",
                                     "payloadType",  // 2
                                     "requestBase64",
                                     "signedSignRequest",  // 3
                                     "timestamp",
                                     "timestampSignature",
                                     "timestampSignatureAlgorithm",      // 4
                                     "timestampSignatureWithAlgorithm",  //
                                     "keyAttributes",
                                     "keyAttributesSignature",  // 5
                                     "requestStatus"};          // 6
  const std::vector<std::size_t> counts{4, 8, 10, 14, 16, 17};
  for (std::size_t level = 1; level <= 6; ++level) {
    const std::string word = "level" + std::to_string(level);
    const Json task = bench.tasks(board.alice, word).as_array().at(0);
    std::vector<std::string> names;
    for (const Json::Member& member : task.as_object()) names.push_back(member.first);
    CHECK(names == std::vector<std::string>(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(counts[level - 1])));
    CHECK(task.at("detailLevel").as_string() == word);
  }
  const Json full = bench.tasks(board.alice, "level6").as_array().at(0);
  CHECK(full.at("requestStatus").at("id").as_string() == id);
  const Json inner = Json::parse(as_text(from_base64(full.at("requestBase64").as_string())));
  CHECK(inner == full.at("signedSignRequest").at("signRequest"));
}

TEST_CASE("tasks are paged in the order asked for and filtered by request") {
  Bench bench;
  const Board board;
  bench.make_key("ca", "EC", policy({token(0, 0, {group("g", 1, {&board.alice})})}));
  std::vector<std::string> ids;
  for (int i = 0; i < 5; ++i) ids.push_back(bench.ask_signature("ca"));
  const auto page = [&](int number, int size, const char* order) {
    Json body = bench.proof(board.alice);
    body.set("detailLevel", "level6");
    body.set("paging", Json::object({{"pageNumber", number}, {"pageSize", size}, {"sortOrder", order}}));
    std::vector<std::string> found;
    const Json answer = Json::parse(bench.post("/v1/filteredSignApprovalTask", body).body);
    for (const Json& task : answer.at("tasks").as_array()) {
      found.push_back(task.at("requestStatus").at("id").as_string());
    }
    return found;
  };
  CHECK(page(0, 2, "CREATION_DATE_ASC") == std::vector<std::string>{ids[0], ids[1]});
  CHECK(page(2, 2, "CREATION_DATE_ASC") == std::vector<std::string>{ids[4]});
  CHECK(page(0, 2, "CREATION_DATE_DESC") == std::vector<std::string>{ids[4], ids[3]});
  CHECK(page(3, 2, "CREATION_DATE_ASC").empty());
  CHECK(bench.tasks(board.alice, "level1", ids[3]).as_array().size() == 1);
}

TEST_CASE("a policy whose rule is null executes an asynchronous request at once") {
  Bench bench;
  Json free = policy({});
  free.set("ruleUse", Json());
  bench.make_key("ca", "EC", free);
  CHECK(bench.status(bench.ask_signature("ca")) == "EXECUTED");
}

TEST_CASE("a rule without tokens is never met") {
  Bench bench;
  Json closed = policy({});
  closed.set("ruleUse", Json::object({{"tokens", Json()}}));
  bench.make_key("ca", "EC", closed);
  const std::string id = bench.ask_signature("ca");
  bench.clock().advance(std::chrono::hours{100});
  CHECK(bench.status(id) == "PENDING");
}

TEST_CASE("a request whose key was blocked meanwhile fails when it is executed") {
  Bench bench;
  const Board board;
  bench.make_key("ca", "EC", policy({token(0, 0, {group("g", 1, {&board.alice})})}));
  const std::string id = bench.ask_signature("ca");
  bench.tsb().set_blocked("ca", true);
  CHECK(bench.approve(board.alice).status == 200);
  CHECK(bench.status(id) == "FAILED");
  const rig::Answer another = bench.post("/v1/sign", Bench::sign_body("ca", "SHA256_WITH_ECDSA", as_bytes("x")));
  CHECK(another.status == 500);
  CHECK(another.body ==
        R"({"errorCode":701,"reason":"res.error.in.hsm","message":"The key operation failed as the key is blocked"})");
}
