#include "flow.h"

#include <catch2/catch.hpp>

using namespace hsmbridge;
using namespace hsmbridge::securosys;
using namespace hsmbridge::workflow;
using test::Flow;

TEST_CASE("two of three approvals bring the certificate that was asked for") {
  Flow flow;
  flow.key_for(Role::key_management, flow.rig.api_key("keyManagementToken"));
  flow.make_ca();
  CHECK(flow.provider().test().size() == 5);
  flow.freeze();
  CHECK(flow.provider().check(flow.call()).empty());
  const Report taken = flow.submit();
  CHECK(taken.status == RequestStatus::awaiting_approval);

  Report report = flow.poll();
  CHECK(report.status == RequestStatus::awaiting_approval);
  CHECK(report.progress.quorum == "2 of 3 in group ops");
  REQUIRE(report.progress.approvers.size() == 3);
  CHECK(report.progress.about_until);

  const Expectation expected{"ca-key", flow.draft.to_be_signed, flow.order.id.str(), {}};
  flow.approve(flow.bob, expected);
  report = flow.poll();
  CHECK(report.status == RequestStatus::awaiting_approval);
  CHECK(report.progress.note == "group ops: 1 of 2 approvals given");
  for (const workflow::Approver& approver : report.progress.approvers) {
    CHECK(approver.group == "ops");
    CHECK((approver.decision == workflow::Approver::Decision::approved) == (approver.name == "bob"));
  }

  flow.approve(flow.carol, expected);
  report = flow.poll();
  CHECK(report.status == RequestStatus::handed_out);
  REQUIRE(report.result);
  const Issued issued = issued_by(flow.provider(), flow.call(), *report.result);

  x509::Expectation asked;
  asked.spki = flow.key.subject_public_key_info();
  asked.content = flow.ask.content;
  asked.validity = x509::parse_tbs_certificate(flow.draft.to_be_signed).validity;
  asked.anchors = {*flow.ca};
  CHECK(x509::check_answer(x509::parse_certificate(issued.certificate), asked, flow.clock.now()).findings.empty());
  // somebody else's opinion
  const auto leaf = flow.rig.folder() / "leaf.pem";
  write_file(leaf, to_bytes(x509::certificate_to_pem(issued.certificate)), FileMode::public_0644, Existing::refuse);
  CHECK(std::system(("openssl verify -x509_strict -CAfile " + flow.rig.dir() + "/ca-key.pem " + leaf.string() +
                     " >/dev/null 2>&1")
                        .c_str()) == 0);
  CHECK(flow.rig.count("POST /v1/sign") == 1);
}

TEST_CASE("an approver of the wrong request finds out before signing") {
  Flow flow;
  flow.make_ca();
  flow.freeze();
  flow.submit();
  Bytes other = flow.draft.to_be_signed;
  other.back() ^= 1;
  CHECK_THROWS_AS(flow.approve(flow.alice, {"ca-key", other, {}, {}}), Error);
  CHECK_THROWS_AS(flow.approve(flow.alice, {"other-key", {}, {}, {}}), Error);
  CHECK(flow.rig.count("POST /v1/approval") == 0);
}

TEST_CASE("a second approval by the same person finds the task gone") {
  Flow flow;
  flow.make_ca();
  flow.freeze();
  flow.submit();
  securosys::Approver desk = flow.desk(flow.alice);
  const TaskView task = desk.list().at(0);
  const Approval approval = desk.sign(task, {});
  desk.send(approval);
  CHECK(desk.list().empty());
  try {
    desk.send(approval);
    FAIL("it was taken twice");
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::not_found);
    CHECK(error.detail("errorCode") == "652");
  }
}

TEST_CASE("two of three rejections end the request and both are named") {
  Flow flow;
  flow.settings.names[x509::spki_hash(flow.alice.subject_public_key_info())] = "alice";
  flow.settings.names[x509::spki_hash(flow.bob.subject_public_key_info())] = "bob";
  flow.make_ca();
  flow.freeze();
  flow.submit();
  for (test::SoftwareSigner* who : {&flow.alice, &flow.bob}) {
    securosys::Approver desk = flow.desk(*who);
    desk.reject(desk.list().at(0).id);
  }
  const Report report = flow.poll();
  CHECK(report.status == RequestStatus::rejected);
  CHECK((report.by == "alice, bob" || report.by == "bob, alice"));
}

TEST_CASE("a cancelled request has no tasks any more") {
  Flow flow;
  flow.make_ca();
  flow.freeze();
  flow.submit();
  const CancelAnswer answer = flow.provider().cancel(flow.call());
  CHECK(std::get<Report>(answer).status == RequestStatus::cancelled);
  CHECK(flow.desk(flow.alice).list().empty());
}

TEST_CASE("a cancel that comes too late brings the result and deletes nothing") {
  Flow flow({"--fetch-once"});
  flow.make_ca();
  flow.freeze();
  flow.submit();
  flow.approve(flow.alice, {});
  flow.approve(flow.bob, {});
  const Report report = std::get<Report>(flow.provider().cancel(flow.call()));
  REQUIRE(report.result);
  CHECK_NOTHROW(issued_by(flow.provider(), flow.call(), *report.result));
  CHECK(flow.rig.count("DELETE /v1/request") == 0);
}

TEST_CASE("a cancel that a gateway refuses is tried again") {
  Flow flow;
  flow.make_ca();
  flow.freeze();
  flow.submit();
  flow.rig.command("fault --kind html --status 401 --method DELETE --path /v1/request");
  CHECK_THROWS_AS(flow.provider().cancel(flow.call()), Error);
  CHECK(std::get<Report>(flow.provider().cancel(flow.call())).status == RequestStatus::cancelled);
}

TEST_CASE("an approval window that closes ends the request") {
  Flow flow({"--cleanup-interval", "0s"});
  flow.make_ca("--timeout 600");
  flow.freeze();
  flow.submit();
  flow.rig.command("clock --advance 11m");
  CHECK(flow.poll().status == RequestStatus::expired);
}

TEST_CASE("enough approvals before the timelock ends wait for issuance") {
  Flow flow;
  flow.key_for(Role::key_management, flow.rig.api_key("keyManagementToken"));
  flow.make_ca("--timelock 600");
  flow.freeze();
  flow.submit();
  flow.approve(flow.alice, {});
  flow.approve(flow.bob, {});
  const Report report = flow.poll();
  CHECK(report.status == RequestStatus::awaiting_issuance);
  CHECK(report.progress.note.find("the timelock runs until") != std::string::npos);
  flow.rig.command("clock --advance 11m");
  CHECK(flow.poll().status == RequestStatus::handed_out);
}

TEST_CASE("each kind of key at the TSB signs what we assemble") {
  const auto algorithm = GENERATE(as<std::string>{}, "RSA", "ED", "EC --curve P-384");
  CAPTURE(algorithm);
  Flow flow;
  flow.make_ca("--algorithm " + algorithm);
  flow.freeze();
  flow.submit();
  flow.approve(flow.alice, {});
  flow.approve(flow.carol, {});
  const Report report = flow.poll();
  REQUIRE(report.result);
  const Issued issued = issued_by(flow.provider(), flow.call(), *report.result);
  CHECK(x509::signature_verifies(x509::parse_certificate(issued.certificate), flow.ca->spki()));
}

TEST_CASE("a wrong signature from the HSM is no certificate") {
  Flow flow;
  flow.make_ca();
  flow.freeze();
  flow.submit();
  flow.approve(flow.alice, {});
  flow.approve(flow.bob, {});
  flow.rig.command("fault --kind wrong-signature --method GET --path /v1/request");
  const Report report = flow.poll();
  REQUIRE(report.result);
  CHECK_THROWS_AS(issued_by(flow.provider(), flow.call(), *report.result), Error);
}
