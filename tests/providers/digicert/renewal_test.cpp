#include "base/text.h"
#include "bench.h"
#include "support/orders.h"

#include <catch2/catch.hpp>

using namespace hsmbridge;
using namespace hsmbridge::digicert;
using namespace hsmbridge::workflow;
using namespace std::chrono_literals;
using test::accepted;
using test::kWrongForm;
using test::TlmBench;

namespace {

// The certificate that a renewal replaces, ending `left` from now.
Predecessor old_certificate(TlmBench& bench, Duration left) {
  Predecessor old;
  x509::CertificateFields fields = bench.issuing.fields_for(bench.ask.content);
  fields.spki = bench.key.subject_public_key_info();
  const Instant end = std::chrono::floor<std::chrono::seconds>(bench.clock.now()) + left;
  fields.validity = {end - 90 * 24h, end};
  old.der = bench.issuing.sign(x509::build_tbs_certificate(fields));
  old.provider_state =
      to_text(Pinned{test::kTlmProfileId, "ops@example.com", serial_text(x509::parse_certificate(old.der).serial())});
  return old;
}

}  // namespace

TEST_CASE("inside its window a certificate is renewed by its own call") {
  TlmBench bench;
  test::make_renewal(bench.order, old_certificate(bench, 10 * 24h));
  bench.ask.validity = 90 * 24h;
  bench.freeze();
  bench.then_profile();
  bench.transport->then(200, TlmBench::issued_body(bench.issue()));
  const Report report = accepted(bench.submit());
  CHECK(report.status == RequestStatus::handed_out);
  const std::string serial = pinned_from(test::predecessor_in(bench.order).provider_state).serial;
  CHECK(report.message == "renewal of " + serial);
  CHECK(bench.transport->lines().back() == "POST /mpki/api/v1/certificate/" + serial + "/renew?thumbprint_sha256=" +
                                               upper(hex(sha256(test::predecessor_in(bench.order).der))));
  CHECK(bench.sent_json(1) == Json::object({{"csr", x509::csr_to_pem(bench.draft.csr)},
                                            {"validity", Json::parse(R"({"unit":"days","duration":90})")}}));
}

TEST_CASE("where no renewal is possible a fresh request is made and says why") {
  TlmBench bench;
  test::make_renewal(bench.order, old_certificate(bench, 10 * 24h));
  Json profile = test::tlm_profile();
  const auto is_fresh = [&](const std::string& why) {
    bench.freeze();
    bench.then_profile(profile);
    bench.transport->then(201, TlmBench::issued_body(bench.issue()));
    const Report report = accepted(bench.submit());
    CHECK(report.message == "a fresh request, since " + why);
    CHECK(bench.transport->lines().back() == "POST /mpki/api/v1/certificate");
  };
  SECTION("before the window") {
    test::predecessor_in(bench.order) = old_certificate(bench, 60 * 24h);
    is_fresh("the renewal window opens on 2026-07-01T12:00:00Z");
  }
  SECTION("after the end") {
    test::predecessor_in(bench.order) = old_certificate(bench, -24h);
    is_fresh("the old one expired on 2026-05-31T12:00:00Z");
  }
  SECTION("other names") {
    bench.ask.content.subject_alternative_names.push_back(x509::GeneralName::parse("dns:more.example.com"));
    is_fresh("the new certificate is to have other names than the old one");
  }
  SECTION("another profile") {
    test::predecessor_in(bench.order).provider_state = to_text(Pinned{"other", "s", ""});
    is_fresh("the old one was issued under another profile");
  }
  SECTION("another seat") {
    test::predecessor_in(bench.order).provider_state = to_text(Pinned{test::kTlmProfileId, "former@example.com", ""});
    is_fresh("the old one was issued for another seat");
  }
  SECTION("no state") {
    test::predecessor_in(bench.order).provider_state.clear();
    is_fresh("it is not known under which profile the old one was issued");
  }
  SECTION("an approval is wanted") {
    profile.set("enable_dual_admin_approval", true);
    is_fresh("the profile does not issue at once, and DigiCert renews only under profiles that do");
  }
  SECTION("nothing to renew") {
    test::predecessor_in(bench.order) = {};
    is_fresh("the certificate it replaces is not known");
  }
}

TEST_CASE(
    "a renewal that is completely refused is followed by an attempt with a fresh request, an unclear one is not") {
  TlmBench bench;
  test::make_renewal(bench.order, old_certificate(bench, 10 * 24h));
  bench.freeze();
  bench.then_profile();
  bench.transport->then(400, test::tlm_error("invalid_state", "not within its window"));
  ProviderCall call = bench.call();
  const SubmitAnswer first = bench.provider().submit(call);
  CHECK(std::get<NotAccepted>(first).error.message().find("the next attempt sends a fresh request") !=
        std::string::npos);
  CHECK(bench.transport->sent.size() == 2);

  bench.made.reset();
  call.attempt = 2;
  call.remembered = std::get<NotAccepted>(first).remember;
  bench.then_profile();
  bench.transport->then(201, TlmBench::issued_body(bench.issue()));
  CHECK(accepted(bench.provider().submit(call)).message.find("not within its window") != std::string::npos);
  CHECK(bench.transport->lines().back() == "POST /mpki/api/v1/certificate");
  CHECK(bench.transport->sent.size() == 4);

  call.attempt = 1;
  call.remembered.clear();
  bench.transport->then(502, "<html>", "text/html");
  CHECK(std::holds_alternative<OutcomeUnknown>(bench.provider().submit(call)));
  CHECK(bench.transport->sent.size() == 5);
}

TEST_CASE("a renewal whose fresh request is refused for its form makes three attempts, each with one request") {
  TlmBench bench;
  test::make_renewal(bench.order, old_certificate(bench, 10 * 24h));
  bench.freeze();
  bench.then_profile();
  bench.transport->then(400, test::tlm_error("invalid_state", "not within its window"))
      .then(400, kWrongForm)
      .then(201, TlmBench::issued_body(bench.issue()));
  ProviderCall call = bench.call();
  for (call.attempt = 1; call.attempt < 3; ++call.attempt) {
    call.remembered = std::get<NotAccepted>(bench.provider().submit(call)).remember;
    CHECK(bench.transport->sent.size() == 1 + call.attempt);
    CHECK(remembered_from(call.remembered).refused == call.attempt);
  }
  CHECK(accepted(bench.provider().submit(call)).status == RequestStatus::handed_out);
  CHECK(bench.transport->sent.size() == 4);
}

TEST_CASE("a refused renewal after an earlier attempt, or one that tells of an earlier one, is no fresh request") {
  TlmBench bench;
  test::make_renewal(bench.order, old_certificate(bench, 10 * 24h));
  bench.freeze();
  bench.then_profile();
  ProviderCall call = bench.call();
  bench.transport->then(400, test::tlm_error("invalid_state", "Certificate already renewed"));
  CHECK(std::holds_alternative<RefusedForGood>(bench.provider().submit(call)));
  bench.transport->then(400, R"({"error":{"message":"Bad Request"}})");
  CHECK(std::holds_alternative<RefusedForGood>(bench.provider().submit(call)));
  call.attempt = 2;
  bench.transport->then(400, test::tlm_error("invalid_state", "Certificate already renewed"));
  CHECK(std::holds_alternative<OutcomeUnknown>(bench.provider().submit(call)));
  bench.transport->then(400, test::tlm_error("invalid_state", "not within its window"));
  CHECK(std::holds_alternative<RefusedForGood>(bench.provider().submit(call)));
  CHECK(bench.transport->sent.size() == 5);
}
