#include "flow.h"

#include <catch2/catch.hpp>

using namespace hsmbridge;
using namespace hsmbridge::securosys;
using namespace hsmbridge::workflow;
using test::Flow;

namespace {

void use_task_reader(Flow& flow) {
  const Json& reader = flow.rig.about().at("task_reader");
  flow.settings.task_reader = Settings::TaskReader{reader.at("certificate").as_string(), {"rig", "task-reader"}};
  flow.keys.task_reader = std::make_shared<test::PemSigner>(reader.at("key").as_string());
  flow.settings.names[x509::spki_hash(flow.alice.subject_public_key_info())] = "alice";
}

}  // namespace

TEST_CASE("a refused API key makes room for the next, and each attempt is one request") {
  Flow flow;
  auto& keys = flow.options.api_keys[Role::key_operation];
  keys.insert(keys.begin(), providers::Source{[] { return Secret("tsb-x-token_old"); }});
  flow.make_ca();
  flow.settings.issuer = flow.rig.dir() + "/ca-key.pem";
  flow.freeze();
  const SubmitAnswer refused = flow.provider().submit(flow.call());
  CHECK(std::get<NotAccepted>(refused).error.hint() == "the next attempt uses another configured credential");
  CHECK(flow.rig.count("POST /v1/sign") == 1);
  flow.submit();
  std::vector<std::string> posts;
  for (const std::string& line : flow.rig.journal()) {
    if (line.starts_with("POST /v1/sign")) posts.push_back(line);
  }
  CHECK(posts == std::vector<std::string>{"POST /v1/sign 401", "POST /v1/sign 201"});
  CHECK(flow.poll().status == RequestStatus::awaiting_approval);
}

TEST_CASE("with no good API key the submission is denied and another attempt may follow") {
  Flow flow;
  flow.make_ca();
  flow.settings.issuer = flow.rig.dir() + "/ca-key.pem";
  flow.options.api_keys[Role::key_operation] = {providers::Source{[] { return Secret("wrong"); }}};
  flow.freeze();
  const SubmitAnswer answer = flow.provider().submit(flow.call());
  CHECK(std::get<NotAccepted>(answer).error.kind() == ErrorKind::denied);
}

TEST_CASE("an answer lost after the commit is found by the task reader and nothing is sent twice") {
  Flow flow;
  flow.make_ca();
  use_task_reader(flow);
  flow.freeze();
  CHECK(flow.provider().test().back() == "task_reader: may list approval tasks");
  const auto kind = GENERATE(as<std::string>{}, "drop-after", "truncate");
  CAPTURE(kind);
  flow.rig.command("fault --kind " + kind + " --method POST --path /v1/sign");
  CHECK(std::holds_alternative<OutcomeUnknown>(flow.provider().submit(flow.call())));
  CHECK(flow.rig.count("POST /v1/sign") == 1);

  const LookUpAnswer answer = flow.provider().look_up(flow.call());
  REQUIRE(std::holds_alternative<Found>(answer));
  flow.submission.reference = std::get<Found>(answer).report.reference;
  flow.approve(flow.alice, {"ca-key", flow.draft.to_be_signed, flow.order.id.str(), {}});
  flow.approve(flow.bob, {});
  const Report report = flow.poll();
  REQUIRE(report.result);
  CHECK_NOTHROW(issued_by(flow.provider(), flow.call(), *report.result));
}

TEST_CASE("a server before 2.0.1 lists its tasks and a lost answer there ends with a person") {
  Flow flow({"--generation", "2.0"});
  flow.make_ca();
  use_task_reader(flow);
  flow.freeze();
  flow.rig.command("fault --kind drop-after --method POST --path /v1/sign");
  CHECK(std::holds_alternative<OutcomeUnknown>(flow.provider().submit(flow.call())));
  // It has no level 6, which alone shows the request's id.
  const LookUpAnswer answer = flow.provider().look_up(flow.call());
  CHECK(std::get<CannotTell>(answer).why.find("the submission arrived") != std::string::npos);
  flow.approve(flow.alice, {"ca-key", flow.draft.to_be_signed, {}, {}});
  CHECK(flow.rig.count("POST /v1/filteredAllApprovalTask 404") > 0);
  CHECK(flow.rig.count("POST /v1/filteredUnblockKeyApprovalTask 200") > 0);
}

TEST_CASE("a task reader that the server does not allow ends with a person") {
  Flow flow;
  flow.make_ca();
  test::TestCa stranger("ec:P-256", "CN=Reader", "CA:FALSE");
  const test::TempFolder folder;
  write_file(folder / "reader.pem", to_bytes(x509::certificate_to_pem(stranger.certificate.der)), FileMode::public_0644,
             Existing::refuse);
  flow.settings.task_reader = Settings::TaskReader{folder / "reader.pem", {"rig", "task-reader"}};
  flow.settings.names[x509::spki_hash(flow.alice.subject_public_key_info())] = "alice";
  flow.keys.task_reader = std::shared_ptr<x509::Signer>(std::shared_ptr<void>(), &stranger.signer);
  flow.freeze();
  flow.rig.command("fault --kind drop-after --method POST --path /v1/sign");
  CHECK(std::holds_alternative<OutcomeUnknown>(flow.provider().submit(flow.call())));
  CHECK(std::get<CannotTell>(flow.provider().look_up(flow.call())).why.find("405") != std::string::npos);
}

TEST_CASE("a submission that never arrived is not called absent") {
  Flow flow;
  flow.make_ca();
  use_task_reader(flow);
  flow.freeze();
  flow.rig.command("fault --kind drop-before --method POST --path /v1/sign");
  CHECK(std::holds_alternative<OutcomeUnknown>(flow.provider().submit(flow.call())));
  CHECK(std::holds_alternative<CannotTell>(flow.provider().look_up(flow.call())));
}

TEST_CASE("a proxy's page is an unknown outcome for a submission and trouble for a poll") {
  Flow flow;
  flow.make_ca();
  flow.freeze();
  flow.rig.command("fault --kind html --method POST --path /v1/sign");
  CHECK(std::holds_alternative<OutcomeUnknown>(flow.provider().submit(flow.call())));
  flow.submit();
  for (const char* fault : {"html", "html --status 200", "truncate", "drop-before", "huge", "status --status 503"}) {
    CAPTURE(fault);
    flow.rig.command(std::string("fault --kind ") + fault + " --method GET --path /v1/request");
    try {
      flow.poll();
      FAIL("it was read");
    } catch (const Error& error) {
      CHECK(error.kind() == ErrorKind::unavailable);
    }
  }
  CHECK(flow.poll().status == RequestStatus::awaiting_approval);
}

TEST_CASE("too many requests are not accepted and patience is asked") {
  Flow flow;
  flow.make_ca();
  flow.freeze();
  flow.rig.command("fault --kind status --status 429 --retry-after 7 --method POST --path /v1/sign");
  const SubmitAnswer answer = flow.provider().submit(flow.call());
  CHECK(std::get<NotAccepted>(answer).retry_after == Duration(std::chrono::seconds{7}));
}

TEST_CASE("nobody listening is not accepted") {
  Flow flow;
  flow.make_ca();
  flow.settings.issuer = flow.rig.dir() + "/ca-key.pem";
  flow.settings.url = "https://127.0.0.1:1";
  flow.freeze();
  CHECK(std::holds_alternative<NotAccepted>(flow.provider().submit(flow.call())));
}

TEST_CASE("a server of another CA is not spoken to") {
  Flow flow;
  flow.make_ca();
  flow.settings.issuer = flow.rig.dir() + "/ca-key.pem";
  flow.settings.ca = flow.rig.dir() + "/ca-key.pem";
  flow.freeze();
  CHECK(std::holds_alternative<NotAccepted>(flow.provider().submit(flow.call())));
  CHECK(flow.rig.count("POST /v1/sign") == 0);
}

TEST_CASE("a result given once is taken at the first look and its loss is told") {
  Flow flow({"--fetch-once"});
  flow.settings.result_once = true;
  flow.make_ca();
  flow.freeze();
  flow.submit();
  flow.approve(flow.alice, {});
  flow.approve(flow.bob, {});
  const Report first = flow.poll();
  REQUIRE(first.result);
  CHECK_NOTHROW(issued_by(flow.provider(), flow.call(), *first.result));
  for (const Report& lost : {flow.poll(), flow.provider().retrieve(flow.call())}) {
    CHECK(lost.status == RequestStatus::handed_out);
    CHECK_FALSE(lost.result);
    CHECK(lost.message.find("hands out no result") != std::string::npos);
  }
}

TEST_CASE("unknown keys and passwords are refused for good with their codes") {
  Flow flow;
  flow.make_ca();
  flow.settings.issuer = flow.rig.dir() + "/ca-key.pem";
  flow.settings.sign_key = "no-such-key";
  flow.freeze();
  const SubmitAnswer answer = flow.provider().submit(flow.call());
  const Error& error = std::get<RefusedForGood>(answer).error;
  CHECK(error.detail("errorCode") == "650");
  CHECK(error.kind() == ErrorKind::not_found);
}

TEST_CASE("a request of ours that the TSB forgot is gone") {
  Flow flow;
  flow.make_ca();
  flow.submission.reference = ProviderReference("4e8731d8-0ae6-4444-8a8c-b73ab5f0ba18");
  CHECK(flow.poll().status == RequestStatus::gone);
}

TEST_CASE("a server that demands a client certificate gets ours") {
  const test::TempFolder folder;
  const std::string dir = folder.path().string();
  REQUIRE(std::system(("cd " + dir +
                       " && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key -out "
                       "ca.pem -subj /CN=clients -days 30 >/dev/null 2>&1"
                       " && openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout me.key -out me.csr "
                       "-subj /CN=me >/dev/null 2>&1"
                       " && openssl x509 -req -in me.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 30 -out me.pem "
                       ">/dev/null 2>&1 && chmod 600 me.key")
                          .c_str()) == 0);
  Flow flow({"--client-ca", dir + "/ca.pem"});
  flow.make_ca();
  flow.settings.issuer = flow.rig.dir() + "/ca-key.pem";
  flow.freeze();
  const SubmitAnswer without = flow.provider().submit(flow.call());
  CHECK_FALSE(std::holds_alternative<Accepted>(without));
  CHECK(flow.rig.count("POST /v1/sign") == 0);

  flow.settings.client_cert = dir + "/me.pem";
  flow.settings.client_key_file = dir + "/me.key";
  flow.made.reset();
  flow.made_client.reset();
  flow.submit();
  CHECK(flow.rig.count("POST /v1/sign 201") == 1);
}

TEST_CASE("a bearer token is demanded and given") {
  const test::TempFolder folder;
  write_file(folder / "token", to_bytes("some.jwt.token\n"), FileMode::private_0600, Existing::refuse);
  Flow flow({"--bearer", (folder / "token").string()});
  test::TestCa ca;
  flow.settings.issuer = folder / "issuer.pem";
  write_file(*flow.settings.issuer, to_bytes(x509::certificate_to_pem(ca.certificate.der)), FileMode::public_0644,
             Existing::refuse);
  flow.freeze();
  const SubmitAnswer without = flow.provider().submit(flow.call());
  CHECK(std::get<NotAccepted>(without).error.detail("errorCode") == "406");
  flow.options.bearer_token = providers::Source{[] { return Secret("some.jwt.token"); }};
  flow.made.reset();
  flow.made_client.reset();
  // The token is taken: what is missing now is the key.
  const SubmitAnswer with = flow.provider().submit(flow.call());
  CHECK(std::get<RefusedForGood>(with).error.detail("errorCode") == "650");
}

TEST_CASE("a blocked key is told before anything is submitted") {
  Flow flow;
  flow.make_ca();
  flow.key_for(Role::key_management, flow.rig.api_key("keyManagementToken"));
  flow.freeze();
  CHECK(flow.provider().check(flow.call()).empty());
  flow.rig.command("block --label ca-key");
  flow.made.reset();
  try {
    flow.provider().check(flow.call());
    FAIL("a blocked key is taken for one that signs");
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::unavailable);  // it waits: somebody may unblock it
    CHECK(error.message().find("blocked at the TSB") != std::string::npos);
  }
}

TEST_CASE("a blocked key fails the request after the approvals") {
  Flow flow;
  flow.make_ca();
  flow.freeze();
  flow.submit();
  flow.rig.command("block --label ca-key");
  flow.approve(flow.alice, {});
  try {
    flow.approve(flow.bob, {});
  } catch (const Error&) {
    // the server may tell it to the last approver too
  }
  CHECK(flow.poll().status == RequestStatus::failed);
}
