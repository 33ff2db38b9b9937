#include "flow.h"
#include "support/orders.h"

#include <catch2/catch.hpp>

using namespace hsmbridge;
using namespace hsmbridge::venafi;
using namespace hsmbridge::workflow;
using test::Flow;

TEST_CASE("a renewal with a new key replaces the certificate there") {
  Flow flow;
  flow.issue();
  const std::string old = state_from(flow.submission.provider_state).certificates.front();
  flow.follow_up(Kind::renew);
  flow.key = test::SoftwareSigner("ec:P-256");
  flow.freeze();
  CHECK(flow.provider().check(flow.call()).empty());
  CHECK(flow.issue().findings.empty());
  const auto client = flow.client(flow.key_of("ops"));
  CHECK(client->certificate(old, std::chrono::seconds{20})->version == "OLD");
  // A second renewal of the same one is refused before it is sent.
  test::predecessor_in(flow.order).provider_state = to_text(State{"", {old}, "", "", {}});
  const auto reasons = flow.provider().check(flow.call());
  REQUIRE(reasons.size() == 1);
  CHECK(reasons[0].find("was renewed there before") != std::string::npos);
}

TEST_CASE("a renewal with the same key is refused where the template wants a new one, here and there") {
  Flow flow("Strict");
  flow.ask.content.subject = x509::Name::parse("C=CH, ST=Zurich, O=Example, CN=www.example.com");
  flow.ask.content.subject_alternative_names = {x509::GeneralName::parse("dns:www.example.com")};
  flow.issue();
  flow.follow_up(Kind::renew);
  flow.freeze();
  const auto reasons = flow.provider().check(flow.call());
  REQUIRE(reasons.size() == 1);
  CHECK(reasons[0].find("requires a new key") != std::string::npos);
  CHECK(std::holds_alternative<RefusedForGood>(flow.try_submit()));
}

TEST_CASE("a renewal of a certificate without a record is found by its fingerprint") {
  Flow flow;
  flow.issue();
  const std::string old = state_from(flow.submission.provider_state).certificates.front();
  flow.follow_up(Kind::renew);
  test::predecessor_in(flow.order).provider_state.clear();
  CHECK(flow.issue().findings.empty());
  CHECK(flow.client(flow.key_of("ops"))->certificate(old, std::chrono::seconds{20})->version == "OLD");
}

TEST_CASE("a revocation is done when the service says revoked, and not before") {
  Flow flow("SlowRevoke");
  flow.issue();
  flow.follow_up(Kind::revoke, "superseded");
  CHECK(flow.provider().check(flow.call()).empty());
  Report report = flow.submit();
  CHECK(report.status == RequestStatus::awaiting_issuance);
  CHECK(report.provider_status == "SUBMITTED");
  int polls = 0;
  while (report.status != RequestStatus::done && ++polls < 20) {
    report = flow.poll();
    if (report.status != RequestStatus::done) CHECK(report.status == RequestStatus::awaiting_issuance);
  }
  CHECK(report.status == RequestStatus::done);
  CHECK(polls > 2);
  // Again: the service refuses, and that is its clear word.
  CHECK(std::holds_alternative<RefusedForGood>(flow.try_submit()));
}

TEST_CASE("a revocation may wait for approvers, be refused by one, or fail") {
  Flow waiting("RevokeApproval");
  waiting.issue();
  waiting.follow_up(Kind::revoke, "keyCompromise");
  CHECK(waiting.submit().status == RequestStatus::awaiting_approval);
  CHECK(waiting.poll().status == RequestStatus::awaiting_approval);
  waiting.rig.command("venafi approve --id " + waiting.submission.reference.str());
  CHECK(waiting.poll().status == RequestStatus::awaiting_issuance);
  CHECK(waiting.poll().status == RequestStatus::done);

  Flow refused("RevokeApproval");
  refused.issue();
  refused.follow_up(Kind::revoke, "keyCompromise");
  refused.submit();
  refused.rig.command("venafi reject --id " + refused.submission.reference.str() + " --reason 'still in use'");
  const Report report = refused.poll();
  CHECK(report.status == RequestStatus::rejected);
  CHECK(report.message == "still in use");

  Flow failing("RevokeFailing");
  failing.issue();
  failing.follow_up(Kind::revoke, "");
  const Report failed = failing.submit();
  CHECK(failed.status == RequestStatus::failed);
  CHECK(failed.message.find("the CA does not revoke it") == 0);
}

TEST_CASE("a revocation whose answer was lost is looked up") {
  Flow arrived;
  arrived.issue();
  arrived.follow_up(Kind::revoke, "superseded");
  arrived.rig.command("fault --kind drop-after --method POST --path /graphql");
  CHECK(std::holds_alternative<OutcomeUnknown>(arrived.try_submit()));
  const LookUpAnswer found = arrived.provider().look_up(arrived.call());
  CHECK(std::holds_alternative<Found>(found));

  Flow lost;
  lost.issue();
  lost.follow_up(Kind::revoke, "superseded");
  lost.rig.command("fault --kind drop-before --method POST --path /graphql");
  CHECK(std::holds_alternative<OutcomeUnknown>(lost.try_submit()));
  CHECK(std::holds_alternative<Absent>(lost.provider().look_up(lost.call())));
}

TEST_CASE("a certificate that the service does not know cannot be revoked there") {
  Flow flow;
  flow.issue();
  flow.follow_up(Kind::revoke, "superseded");
  test::predecessor_in(flow.order).der = test::TestCa().certificate.der;
  const SubmitAnswer answer = flow.try_submit();
  CHECK(std::get<RefusedForGood>(answer).error.message().find("Certificate not found") != std::string::npos);
}
