#include "approval_sample.h"
#include "provider_bench.h"

#include <thread>

using namespace hsmbridge;
using namespace hsmbridge::securosys;
using namespace hsmbridge::test;
using namespace hsmbridge::workflow;
using namespace std::chrono_literals;

namespace {

// A request whose answer was lost, a task reader, and an approver who is somebody else.
struct Lost : TsbBench {
  explicit Lost(Mode mode = Mode::raw_signature) : TsbBench(mode) {
    settings.task_reader = Settings::TaskReader{folder / "reader.pem", {"web", "reader"}};
    write_file(settings.task_reader->certificate, to_bytes(x509::certificate_to_pem(reader->certificate.der)),
               FileMode::public_0644, Existing::refuse);
    keys.task_reader = std::shared_ptr<x509::Signer>(reader, &reader->signer);
    settings.names[x509::spki_hash(anna.subject_public_key_info())] = "anna";
    freeze();
  }
  // What the TSB's own certificate would say, for the key.
  Bytes built_there(SoftwareSigner& for_key) {
    x509::CertificateFields fields = x509::fields_for_issuer(ca.certificate);
    fields.serial = x509::random_serial();
    fields.validity = {clock.now(), clock.now() + 24h};
    fields.spki = for_key.subject_public_key_info();
    fields.content.subject = x509::Name::parse("CN=www.example.com");
    fields.algorithm = &x509::signature_algorithm("ecdsa-sha256");
    return x509::build_tbs_certificate(fields);
  }
  std::string task(const std::string& id, const std::string& request, unsigned attempt, const Bytes& payload,
                   const std::string& more = "") {
    const MetaData meta{"s", "", hex(sha256(draft.csr)), request, attempt};
    const Bytes octets = meta_data_octets(meta);
    std::string signature;
    if (signer != nullptr) {
      signature =
          R"(,"metaDataSignature":")" + base64(signer->sign(octets, *approver_algorithm(*signer).algorithm)) + "\"";
    }
    return R"({"id":")" + id + R"(","approvalToBeSigned":")" + base64(to_be_approved("ca-key", payload)) +
           R"(","metaData":")" + base64(octets) + "\"" + signature + more + "}";
  }
  std::string mine(const std::string& id, const std::string& more = "") {
    return task(id, order.id.str(), 1, draft.to_be_signed, more);
  }
  void tasks(const std::string& all) { transport->then(200, R"({"tasks":[)" + all + "]}"); }
  std::string cannot_tell() { return std::get<CannotTell>(provider().look_up(call())).why; }

  std::shared_ptr<TestCa> reader = std::make_shared<TestCa>("ec:P-256", "CN=Reader", "CA:FALSE");
  SoftwareSigner anna{"ec:P-256"};
  SoftwareSigner* signer = nullptr;  // of metaData
};

const char* const kStatus = R"(,"requestStatus":{"id":"r9","status":"PENDING"})";

}  // namespace

TEST_CASE("without a task reader a lost submission cannot be told and nothing is asked") {
  TsbBench bench;
  bench.freeze();
  CHECK(std::holds_alternative<CannotTell>(bench.provider().look_up(bench.call())));
  CHECK(bench.transport->sent.empty());
}

TEST_CASE("a submission whose tasks are there is found by its mark") {
  Lost lost;
  const std::string mine = lost.order.id.str();
  const Bytes& ours = lost.draft.to_be_signed;
  SECTION("found") {
    lost.tasks(lost.task("t1", "OTHER", 1, to_bytes("x")) + "," + lost.task("t2", mine, 2, ours) + "," +
               lost.task("t3", mine, 1, to_bytes("x")) + "," + lost.mine("t4"));
    lost.tasks(lost.task("t2", mine, 2, ours, kStatus));
    lost.tasks(lost.mine("t4", kStatus));
    const LookUpAnswer answer = lost.provider().look_up(lost.call());
    CHECK(std::get<Found>(answer).report.reference == ProviderReference("r9"));
    // others' tasks are only listed; no request is ever asked for
    CHECK(lost.transport->lines() == std::vector<std::string>(3, "POST /v1/filteredAllApprovalTask"));
    CHECK(sent_json(lost, 0).at("detailLevel").as_string() == "level1");
    CHECK(sent_json(lost, 0).find("timestampSigningCertificate") != nullptr);
    CHECK(sent_json(lost, 2).at("id").as_string() == "t4");
    CHECK(sent_json(lost, 2).at("detailLevel").as_string() == "level6");
  }
  SECTION("not found proves nothing") {
    lost.tasks("");
    CHECK(std::holds_alternative<CannotTell>(lost.provider().look_up(lost.call())));
  }
  SECTION("found without the request's id") {
    lost.tasks(lost.mine("t4"));
    lost.tasks(lost.mine("t4"));
    CHECK(lost.cannot_tell().find("t4") != std::string::npos);
  }
  SECTION("found on a server that has no such level") {
    lost.tasks(lost.mine("t4"));
    lost.transport->then(tsb_refusal(400, 600));
    lost.tasks(lost.mine("t4"));
    CHECK(lost.cannot_tell().find("the submission arrived") != std::string::npos);
    CHECK(sent_json(lost, 2).at("detailLevel").as_string() == "level2");
  }
  SECTION("a task that was decided meanwhile leaves those of other approvers") {
    lost.tasks(lost.mine("t4") + "," + lost.mine("t5"));
    lost.transport->then(tsb_refusal(404, 652));
    lost.tasks(lost.mine("t5", kStatus));
    CHECK(std::holds_alternative<Found>(lost.provider().look_up(lost.call())));
  }
}

TEST_CASE("bytes that a CA froze are found by them and by the mark, whatever they are") {
  Lost lost;
  lost.settings = for_key_of_ca(lost.settings, "issuing", "issuing-2026", std::nullopt);
  lost.made.reset();
  lost.order.what = IssueCrl{};
  lost.draft.csr.clear();
  lost.draft.to_be_signed = Bytes{0x30, 0x03, 0x02, 0x01, 0x07};
  lost.tasks(lost.task("t3", lost.order.id.str(), 1, to_bytes("x")) + "," + lost.mine("t4"));
  lost.tasks(lost.mine("t4", kStatus));
  const LookUpAnswer answer = lost.provider().look_up(lost.call());
  REQUIRE(std::holds_alternative<Found>(answer));
  CHECK(std::get<Found>(answer).report.reference == ProviderReference("r9"));
}

TEST_CASE("a look-up that is refused ends with a person and trouble on the way is tried again") {
  for (const auto& refusal : {tsb_refusal(400, 405), tsb_refusal(400, 403), tsb_refusal(403, 451),
                              tsb_refusal(401, 416), tsb_refusal(401, 631)}) {
    Lost lost;
    lost.transport->then(refusal);
    CHECK(lost.cannot_tell().find("looking for it failed") != std::string::npos);
  }
  Lost lost;
  lost.transport->then(200, R"({"tasks":7})");
  CHECK(lost.cannot_tell().find("cannot be read") != std::string::npos);
  lost.transport->then(502, "<html>", "text/html");
  CHECK_THROWS_AS(lost.provider().look_up(lost.call()), Error);
}

TEST_CASE("a look-up that waits for another one gives up in time") {
  Lost lost;
  std::optional<ErrorKind> second;
  lost.transport->answers.push_back([&](const net::Request&) {
    // Another thread looks for its own request meanwhile.
    std::thread other([&] {
      ProviderCall call = lost.call();
      call.time_limit = 20ms;
      try {
        lost.provider().look_up(call);
      } catch (const Error& error) {
        second = error.kind();
      }
    });
    other.join();
    return test::response(200, R"({"tasks":[]})");
  });
  CHECK(std::holds_alternative<CannotTell>(lost.provider().look_up(lost.call())));
  CHECK(second == ErrorKind::unavailable);
  CHECK(lost.transport->sent.size() == 1);
}

TEST_CASE("a look-up has one time limit for everything it asks") {
  Lost lost;
  lost.options.api_keys[Role::key_management].push_back({[] { return Secret("km"); }});
  lost.made.reset();
  const auto slow = [&lost](Duration takes, long status, const std::string& body) {
    lost.transport->answers.push_back([&lost, takes, status, body](const net::Request&) {
      lost.clock.advance(takes);
      return test::response(status, body);
    });
  };
  // the key's attributes, which cannot be read and are asked for twice, then a page of tasks
  slow(2s, 500, "");
  slow(2s, 500, "");
  slow(7s, 200, R"({"tasks":[)" + lost.mine("t4") + "]}");
  try {
    lost.provider().look_up(lost.call());
    FAIL("it went on");
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::unavailable);
  }
  REQUIRE(lost.transport->sent.size() == 3);
  CHECK(lost.transport->sent[2].time_limit == Duration(6s));
}

TEST_CASE("a look-up says when not all tasks could be listed") {
  Lost lost;
  std::string page;
  for (int i = 0; i < 25; ++i) {
    page += (i == 0 ? "" : ",") + lost.task("t" + std::to_string(i), "OTHER", 1, to_bytes("x"));
  }
  lost.tasks(page);
  lost.tasks(page);
  CHECK(lost.cannot_tell().find("not all tasks could be listed") != std::string::npos);
}

TEST_CASE("an approver's key is not used for looking") {
  Lost lost;
  const SpkiHash key = x509::spki_hash(lost.reader->certificate.spki());
  const std::string known = GENERATE("by the approval policy", "by the names of approvers", "by the people");
  INFO(known);
  if (known == "by the approval policy") lost.settings.policy = {{{"", 0s, 0s, {{"ops", 1, {{"anna", key}}}}}}};
  if (known == "by the names of approvers") lost.settings.names[key] = "anna";
  if (known == "by the people") lost.keys.people = {key};
  lost.made.reset();
  CHECK(lost.cannot_tell().find("key of an approver") != std::string::npos);
  CHECK(lost.transport->sent.empty());
  lost.attached(lost.ca.certificate);
  lost.options.api_keys[Role::service].push_back({[] { return Secret("sv"); }});
  lost.made.reset();
  lost.transport->answers.clear();
  lost.transport->then(200, R"({"Version":"2.5.1"})").then(200, R"({"clientFlags":[]})");
  lost.attached(lost.ca.certificate);
  CHECK_THROWS_WITH(lost.provider().test(), Catch::Contains("key of an approver"));
}

TEST_CASE("where no approver is known the task reader is not used") {
  Lost lost;
  lost.settings.names.clear();
  lost.made.reset();
  CHECK(lost.cannot_tell().find("no approver's key is known") != std::string::npos);
  CHECK(lost.transport->sent.empty());
}

TEST_CASE("a mark that the application key did not sign is not ours") {
  const Mode mode = GENERATE(Mode::raw_signature, Mode::certificate);
  Lost lost(mode);
  const auto application = std::make_shared<test::SoftwareSigner>("ec:P-256");
  lost.keys.application = application;
  lost.made.reset();
  if (mode == Mode::certificate) lost.draft.to_be_signed.clear();
  const Bytes payload = mode == Mode::certificate ? lost.built_there(lost.key) : lost.draft.to_be_signed;
  const auto look = [&] {
    const std::string task = lost.task("t4", lost.order.id.str(), 1, payload, kStatus);
    lost.tasks(task);
    lost.tasks(task);
    return lost.provider().look_up(lost.call());
  };
  CHECK(std::holds_alternative<CannotTell>(look()));
  test::SoftwareSigner somebody("ec:P-256");
  lost.signer = &somebody;
  CHECK(std::holds_alternative<CannotTell>(look()));
  lost.signer = application.get();
  CHECK(std::holds_alternative<Found>(look()));
}

TEST_CASE("in certificate mode a mark on a certificate for another key is not ours") {
  Lost lost(Mode::certificate);
  lost.draft.to_be_signed.clear();
  test::SoftwareSigner other("ec:P-256");
  lost.tasks(lost.task("t4", lost.order.id.str(), 1, lost.built_there(other), kStatus));
  CHECK(lost.cannot_tell().find("no open approval task") != std::string::npos);
  CHECK(lost.transport->sent.size() == 1);
}
