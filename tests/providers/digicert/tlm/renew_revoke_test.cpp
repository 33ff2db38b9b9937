#include "base/text.h"
#include "flow.h"
#include "support/orders.h"

#include <catch2/catch.hpp>

using namespace hsmbridge;
using namespace hsmbridge::digicert;
using namespace hsmbridge::workflow;
using namespace std::chrono_literals;
using test::Seeded;
using test::TlmFlow;

using Words = std::vector<std::string>;

namespace {

// Enrols, and makes the next order of that kind about the certificate.
x509::Certificate then(TlmFlow& flow, Kind kind) {
  flow.freeze();
  const Report report = flow.submit();
  const x509::Certificate certificate =
      x509::parse_certificate(issued_by(flow.provider(), flow.call(), *report.result).certificate);
  const Predecessor old{hex(sha256(certificate.der)), certificate.der, {}, "current", report.reference,
                        report.provider_state};
  if (kind == Kind::renew) {
    test::make_renewal(flow.order, old);
  } else {
    test::make_revocation(flow.order, old, "");
  }
  flow.submission = {};
  return certificate;
}

void then_revoke(TlmFlow& flow, const std::string& reason) {
  then(flow, Kind::revoke);
  std::get<Revoke>(flow.order.what).reason = reason;
  flow.draft = {};
  flow.token_key = {};
}

std::string path_of(const TlmFlow& flow) {
  return "/mpki/api/v1/certificate/" + pinned_from(flow.order.predecessor()->provider_state).serial;
}

std::string thumbprint_of(const TlmFlow& flow) {
  return "?thumbprint_sha256=" + upper(hex(sha256(flow.order.predecessor()->der)));
}

}  // namespace

TEST_CASE("a certificate inside its window is renewed with a new key") {
  TlmFlow flow;
  flow.ask.validity = 20 * 24h;  // shorter than the window
  then(flow, Kind::renew);
  flow.key = test::SoftwareSigner("ec:P-256");
  CHECK(flow.freeze() == Words{});
  const Report report = flow.submit();
  CHECK(report.message.find("renewal of") == 0);
  REQUIRE(report.result);
  CHECK(flow.fatal_findings(*report.result) == Words{});
  CHECK(flow.rig.count("POST " + path_of(flow) + "/renew" + thumbprint_of(flow) + " 200") == 1);
  CHECK(flow.posts() == 1);
}

TEST_CASE("a certificate outside its window is ordered anew and the request says so") {
  TlmFlow flow;
  flow.ask.validity = 60 * 24h;
  then(flow, Kind::renew);
  CHECK(flow.freeze() == Words{});
  const Report report = flow.submit();
  CHECK(report.message.find("a fresh request, since the renewal window opens on") == 0);
  REQUIRE(report.result);
  CHECK(flow.fatal_findings(*report.result) == Words{});
  CHECK(flow.posts() == 2);
}

TEST_CASE("a renewal whose answer was lost is found, and the certificate it replaces is not mistaken for it") {
  TlmFlow flow;
  flow.ask.validity = 20 * 24h;
  const x509::Certificate old = then(flow, Kind::renew);
  flow.freeze();
  flow.rig.command("fault --kind drop-after --method POST --path " + path_of(flow));
  CHECK(std::holds_alternative<OutcomeUnknown>(flow.provider().submit(flow.call())));
  const LookUpAnswer answer = flow.provider().look_up(flow.lost_call());
  REQUIRE(std::holds_alternative<Found>(answer));
  CHECK(issued_by(flow.provider(), flow.call(), *std::get<Found>(answer).report.result).certificate != old.der);
}

TEST_CASE("a revocation takes effect, and a second one finds it done") {
  TlmFlow flow;
  then_revoke(flow, "keyCompromise");
  CHECK(flow.provider().check(flow.call()) == Words{});
  CHECK(flow.submit().status == RequestStatus::done);
  CHECK(flow.submit().message == "Certificate already has been revoked");
  CHECK(flow.poll().message == "key_compromise");
  CHECK(flow.rig.count("PUT " + path_of(flow) + "/revoke" + thumbprint_of(flow) + " 204") == 1);
  CHECK(flow.rig.count("PUT " + path_of(flow) + "/revoke" + thumbprint_of(flow) + " 400") == 1);
}

TEST_CASE("every reason is understood there") {
  for (const char* reason : {"unspecified", "keyCompromise", "cACompromise", "affiliationChanged", "superseded",
                             "cessationOfOperation", "certificateHold", "privilegeWithdrawn", "aACompromise"}) {
    CAPTURE(reason);
    TlmFlow flow;
    then_revoke(flow, reason);
    CHECK(flow.submit().status == RequestStatus::done);
  }
}

TEST_CASE("after a lost answer the status says whether the revocation took effect") {
  TlmFlow flow;
  then_revoke(flow, "superseded");
  flow.rig.command("fault --kind drop-before --method PUT");
  CHECK(std::holds_alternative<OutcomeUnknown>(flow.provider().submit(flow.call())));
  CHECK(std::holds_alternative<Absent>(flow.provider().look_up(flow.lost_call())));
  flow.rig.command("fault --kind drop-after --method PUT");
  CHECK(std::holds_alternative<OutcomeUnknown>(flow.provider().submit(flow.call())));
  const LookUpAnswer answer = flow.provider().look_up(flow.lost_call());
  CHECK(std::get<Found>(answer).report.status == RequestStatus::done);
}

TEST_CASE("a revocation of a certificate that is not there is refused for good") {
  TlmFlow flow;
  then_revoke(flow, "superseded");
  flow.rig.command("reset");
  CHECK(std::holds_alternative<RefusedForGood>(flow.provider().submit(flow.call())));
}
