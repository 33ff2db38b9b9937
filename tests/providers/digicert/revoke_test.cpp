#include "base/error.h"
#include "base/text.h"
#include "bench.h"
#include "support/orders.h"

#include <catch2/catch.hpp>

using namespace hsmbridge;
using namespace hsmbridge::digicert;
using namespace hsmbridge::workflow;
using test::TlmBench;

namespace {

struct Revocation : TlmBench {
  Revocation() {
    freeze();
    certificate = issue();
    draft = {};
    token_key = {};
    test::make_revocation(order,
                          {hex(sha256(certificate.der)), certificate.der, {}, "current", ProviderReference("r"), ""},
                          "keyCompromise");
    path = "/mpki/api/v1/certificate/" + serial(certificate);
    submission.reference = {};
  }
  std::string thumbprint() const { return "?thumbprint_sha256=" + upper(hex(sha256(certificate.der))); }
  x509::Certificate certificate;
  std::string path;
};

const std::string kCollision =
    test::tlm_error("invalid_request", "Collision occurred! Please specify additional parameter: thumbprint_sha256");

}  // namespace

TEST_CASE("a revocation is done when the service says 204, or that it was done before") {
  Revocation bench;
  CHECK(bench.provider().check(bench.call()).empty());
  bench.transport->then(204, "").then(400, test::tlm_error("invalid_state", "Certificate already has been revoked"));
  for (int i = 0; i < 2; ++i) {
    const SubmitAnswer answer = bench.submit();
    CHECK(std::get<Accepted>(answer).report.status == RequestStatus::done);
  }
  CHECK(bench.transport->lines().front() == "PUT " + bench.path + "/revoke" + bench.thumbprint());
  CHECK(bench.sent_json(0) == Json::parse(R"({"revocation_reason":"key_compromise"})"));
}

TEST_CASE("the service's own spelling of the serial number is used where it is known") {
  Revocation bench;
  test::predecessor_in(bench.order).provider_state =
      to_text(Pinned{"p", "s", "00" + TlmBench::serial(bench.certificate)});
  bench.transport->then(204, "");
  bench.submit();
  CHECK(bench.transport->lines().front() ==
        "PUT /mpki/api/v1/certificate/00" + TlmBench::serial(bench.certificate) + "/revoke" + bench.thumbprint());
  // A state that speaks of another certificate is not believed.
  test::predecessor_in(bench.order).provider_state = to_text(Pinned{"p", "s", "AB"});
  bench.transport->then(204, "");
  bench.submit();
  CHECK(bench.transport->lines().back() == "PUT " + bench.path + "/revoke" + bench.thumbprint());
}

TEST_CASE("a serial number that is there twice, and not told apart by the thumbprint, is revoked by nobody") {
  Revocation bench;
  bench.transport->then(400, kCollision);
  CHECK(std::holds_alternative<RefusedForGood>(bench.submit()));
  CHECK(bench.transport->sent.size() == 1);
}

TEST_CASE("a revocation that was only taken is not done until the certificate says so") {
  Revocation bench;
  bench.transport->then(202, "{}");
  const SubmitAnswer answer = bench.submit();
  const Report& report = std::get<Accepted>(answer).report;
  CHECK(report.status == RequestStatus::awaiting_issuance);
  CHECK_FALSE(report.provider_state.empty());
  bench.transport->then(200, TlmBench::details(bench.certificate).dump());
  CHECK(bench.provider().poll(bench.call()).status == RequestStatus::awaiting_issuance);
  bench.transport->then(200, TlmBench::details(bench.certificate, "REVOKED").dump());
  CHECK(bench.provider().poll(bench.call()).status == RequestStatus::done);
}

TEST_CASE("after a lost answer the certificate's own status tells") {
  Revocation bench;
  bench.transport->then(net::OutcomeUnknown{"cut"});
  CHECK(std::holds_alternative<OutcomeUnknown>(bench.submit()));
  bench.transport->then(200, TlmBench::details(bench.certificate, "revoked").dump());
  const LookUpAnswer done = bench.provider().look_up(bench.call());
  CHECK(std::get<Found>(done).report.status == RequestStatus::done);
  bench.transport->then(200, TlmBench::details(bench.certificate).dump());
  CHECK(std::holds_alternative<Absent>(bench.provider().look_up(bench.call())));
  bench.transport->then(404, test::tlm_error("resource_not_found", "no"));
  CHECK(std::holds_alternative<CannotTell>(bench.provider().look_up(bench.call())));
  bench.transport->then(400, kCollision).then(200, TlmBench::details(bench.certificate, "revoked").dump());
  CHECK(std::holds_alternative<Found>(bench.provider().look_up(bench.call())));
}

TEST_CASE("the status of another certificate of the same number says nothing") {
  Revocation bench;
  Json other = TlmBench::details(bench.certificate, "revoked");
  other.set("thumbprint", std::string(64, 'a'));
  bench.transport->then(200, other.dump());
  CHECK_THROWS_WITH(bench.provider().look_up(bench.call()), Catch::Contains("another one"));
}

TEST_CASE("a hold is done when the certificate is suspended") {
  Revocation bench;
  std::get<Revoke>(bench.order.what).reason = "certificateHold";
  bench.transport->then(200, TlmBench::details(bench.certificate, "suspended").dump());
  CHECK(std::holds_alternative<Found>(bench.provider().look_up(bench.call())));
  std::get<Revoke>(bench.order.what).reason = "superseded";
  bench.transport->then(200, TlmBench::details(bench.certificate, "suspended").dump());
  CHECK(std::holds_alternative<Absent>(bench.provider().look_up(bench.call())));
}

TEST_CASE("a reason that revokes nothing and a certificate that is not known are refused before anything is sent") {
  Revocation bench;
  std::get<Revoke>(bench.order.what).reason = "removeFromCRL";
  test::predecessor_in(bench.order).der.clear();
  CHECK(bench.provider().check(bench.call()).size() == 2);
  CHECK(std::holds_alternative<RefusedForGood>(bench.submit()));
  CHECK(bench.transport->sent.empty());
}

TEST_CASE("an unknown certificate is refused for good and a busy service is not") {
  Revocation bench;
  bench.transport->then(404, test::tlm_error("resource_not_found", "no"))
      .then(429, "")
      .then(401, test::tlm_error("AUTHORIZATION_ERROR", "no"));
  const SubmitAnswer unknown = bench.submit();
  CHECK(std::get<RefusedForGood>(unknown).error.kind() == ErrorKind::not_found);
  CHECK(std::holds_alternative<NotAccepted>(bench.submit()));
  CHECK(std::holds_alternative<NotAccepted>(bench.submit()));
}
