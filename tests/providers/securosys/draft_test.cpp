#include "provider_bench.h"
#include "providers/securosys/signing.h"

using namespace hsmbridge;
using namespace hsmbridge::securosys;
using namespace hsmbridge::test;
using namespace hsmbridge::workflow;
using namespace std::chrono_literals;

TEST_CASE("the draft says what the request asks and what the issuer is") {
  TsbBench bench;
  bench.freeze();
  const x509::TbsCertificate tbs = x509::parse_tbs_certificate(bench.draft.to_be_signed);
  CHECK(tbs.issuer == bench.ca.certificate.subject());
  CHECK(tbs.authority_key_identifier == bench.ca.certificate.content().subject_key_identifier);
  CHECK(tbs.spki == bench.key.subject_public_key_info());
  CHECK(tbs.validity.not_before == parse_rfc3339("2026-06-01T12:00:00Z"));
  CHECK(tbs.validity.not_after == parse_rfc3339("2026-07-01T12:00:00Z"));
  CHECK(tbs.content.subject == bench.ask.content.subject);
  CHECK(tbs.content.subject_alternative_names == bench.ask.content.subject_alternative_names);
  CHECK(tbs.content.key_usage == bench.ask.content.key_usage);
  CHECK(tbs.serial.size() <= 20);
  CHECK(x509::serial_sign(tbs.serial) == x509::SerialSign::positive);
  CHECK(bench.draft.algorithm == "ecdsa-sha256");
  bench.attached(bench.ca.certificate);
  CHECK(bench.check().empty());
}

TEST_CASE("a request that is not what the order asks is not drafted") {
  TsbBench bench;
  bench.freeze();
  x509::RequestedContent other = bench.ask;
  other.content.subject_alternative_names.push_back(x509::GeneralName::parse("dns:evil.example"));
  const Bytes csr = test::csr_for(bench.key, other);
  CHECK_THROWS_WITH(bench.provider().draft(bench.order, csr, bench.clock.now()),
                    Catch::Contains("is not what the order asks for"));
}

TEST_CASE("a revocation is not drafted") {
  TsbBench bench;
  test::make_revocation(bench.order, {}, "superseded");
  CHECK_THROWS_AS(bench.provider().draft(bench.order, {}, bench.clock.now()), Error);
}

TEST_CASE("a draft never begins before its issuer and always names its key") {
  TsbBench bench;
  bench.settings.backdate = 24h * 365 * 20;
  bench.ask.validity = 24h * 300;
  x509::Certificate without = bench.ca.certificate;
  bench.freeze();
  const x509::TbsCertificate clamped = x509::parse_tbs_certificate(bench.draft.to_be_signed);
  CHECK(clamped.validity.not_before == bench.ca.certificate.tbs.validity.not_before);
  without.tbs.content.subject_key_identifier.reset();
  const ProviderDraft drafted = raw_draft(bench.settings, without, bench.order, bench.draft.csr, bench.clock.now());
  const auto identifier = x509::parse_tbs_certificate(drafted.to_be_signed).authority_key_identifier;
  REQUIRE(identifier);
  CHECK(identifier->size() == 20);
}

TEST_CASE("a draft waits for the first day of its issuer and is not made before") {
  TsbBench bench;
  bench.clock.set_wall(bench.ca.certificate.tbs.validity.not_before - 36h);
  const std::string begin = rfc3339(bench.ca.certificate.tbs.validity.not_before);
  try {
    bench.freeze();
    FAIL("a draft was made below an issuer that is not valid yet");
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::unavailable);
    CHECK(error.detail("until") == begin);
    CHECK(error.message() ==
          "provider tsb cannot issue now:\n  - the issuer \"C=CH, O=Example, CN=Test CA\" is not valid before " +
              begin + "; if that is past, this machine's clock is slow");
  }
  bench.clock.advance(36h);
  bench.freeze();
  bench.attached(bench.ca.certificate);
  CHECK(bench.check().empty());
  // The clock is set back after the draft was made.
  bench.clock.set_wall(bench.ca.certificate.tbs.validity.not_before - 1h);
  CHECK(bench.waits_for().size() == 1);
}

TEST_CASE("nothing is drafted below an issuer that has ended") {
  TsbBench bench;
  bench.freeze();
  const x509::Certificate ended = renewed(bench.ca, "2026-05-01T00:00:00Z");
  write_file(*bench.settings.issuer, to_bytes(x509::certificate_to_pem(ended.der)), FileMode::public_0644,
             Existing::replace);
  bench.made.reset();
  bench.draft = {};
  CHECK_THROWS_WITH(bench.freeze(), Catch::Contains("ended 2026-05-01T00:00:00Z"));
}

TEST_CASE("a draft can be looked at before there is a key, and is not sent with a request nobody signed") {
  TsbBench bench;
  bench.freeze();
  // As `enroll --check --new-key` makes it: everything but the signature.
  x509::Csr csr = x509::parse_csr(bench.draft.csr);
  bench.draft.csr = x509::assemble(csr.parts.to_be_signed, x509::signature_algorithm("ecdsa-sha256"), Bytes(64, 0));
  const ProviderDraft drafted = bench.provider().draft(bench.order, bench.draft.csr, bench.clock.now());
  bench.draft.to_be_signed = drafted.to_be_signed;
  bench.attached(bench.ca.certificate);
  CHECK(bench.check().empty());
  bench.token_key.spki = x509::spki_hash(bench.key.subject_public_key_info());
  CHECK(bench.check() == std::vector<std::string>{"the certificate request is not signed by its own key"});
}

TEST_CASE("each fault of a draft is named at once") {
  TsbBench bench;
  bench.ask.validity = std::chrono::hours{24 * 365 * 20};
  bench.freeze();
  bench.attached(bench.ca.certificate);
  CHECK(bench.provider().check(bench.call()) ==
        std::vector<std::string>{"it would end 2046-05-27T12:00:00Z, after its issuer (2036-01-01T00:00:00Z)"});

  test::TestCa leaf("ec:P-256", "CN=No CA", "CA:FALSE");
  write_file(*bench.settings.issuer, to_bytes(x509::certificate_to_pem(leaf.certificate.der)), FileMode::public_0644,
             Existing::replace);
  bench.made.reset();
  bench.attached(leaf.certificate);
  // What another draft would mend is not the request's fault.
  CHECK(bench.provider().check(bench.call()).size() == 1);
}

TEST_CASE("a draft that waited for half of its life is built again and never sent") {
  TsbBench bench;
  bench.settings.backdate = 24h * 30;
  bench.ask.validity = 24h * 40;
  bench.freeze();
  // Three quarters of its life are before the draft: they do not count, or no draft would ever do.
  bench.attached(bench.ca.certificate);
  CHECK(bench.check().empty());
  bench.clock.advance(24h * 5 - 1s);
  bench.attached(bench.ca.certificate);
  CHECK(bench.check().empty());

  const auto not_sent = [&] {
    const std::size_t before = bench.transport->sent.size();
    const SubmitAnswer answer = bench.provider().submit(bench.call());
    CHECK(bench.transport->sent.size() == before);
    const auto* again = std::get_if<NotAccepted>(&answer);
    return again != nullptr && says_draft_is_outdated(again->error) ? again->error.message() : "not that";
  };
  bench.clock.advance(2s);
  std::string why = bench.outdated();
  CHECK(why ==
        "the draft has waited since 2026-06-01T12:00:00Z, and more than half of the time until its certificate ends "
        "(2026-06-11T12:00:00Z) is over");
  CHECK(not_sent() == why);
  bench.clock.advance(24h * 5);
  bench.attached(bench.ca.certificate);
  why = bench.outdated();
  CHECK(why == "the certificate in the draft ended 2026-06-11T12:00:00Z: nobody could use it");
  CHECK(not_sent() == why);

  bench.freeze();
  CHECK(bench.check().empty());
  bench.transport->then(201, R"({"signRequestId":")" + std::string(kId) + "\"}");
  CHECK(std::holds_alternative<Accepted>(bench.provider().submit(bench.call())));
}

TEST_CASE("no draft is made whose certificate has ended already") {
  TsbBench bench;
  bench.settings.backdate = 24h;
  bench.ask.validity = 24h;
  CHECK_THROWS_WITH(bench.freeze(), Catch::Contains("the certificate would have ended already"));
  bench.ask.validity = 25h;
  CHECK_NOTHROW(bench.freeze());
}

TEST_CASE("the issuer is fetched when no file names it, and again before a submission") {
  TsbBench bench;
  bench.settings.issuer.reset();
  bench.attached(bench.ca.certificate);
  bench.freeze();
  bench.attached(bench.ca.certificate);
  CHECK(bench.check().empty());
  // It has another key now.
  test::TestCa other;
  bench.attached(other.certificate);
  CHECK(bench.outdated() == "the issuer has another key now than when the draft was made");
  CHECK(bench.transport->lines() == std::vector<std::string>(3, "GET /v1/certificate/ca-key"));
}

TEST_CASE("a renewed certificate of the issuer replaces the drafted one only where both fit") {
  TsbBench bench;
  bench.settings.issuer.reset();
  bench.attached(renewed(bench.ca, "2030-01-01T00:00:00Z"));
  bench.freeze();
  bench.attached(renewed(bench.ca, "2036-01-01T00:00:00Z"));
  CHECK(bench.check().empty());
  bench.attached(renewed(bench.ca, "2036-01-01T00:00:00Z", Bytes(20, 7)));
  CHECK(bench.outdated() ==
        "the issuer's certificate has another key identifier now than the draft names: nobody could chain to it");

  // What comes back is verified with the certificate that was drafted for, whatever the key has now.
  TsbBench short_lived;
  short_lived.settings.issuer.reset();
  short_lived.attached(renewed(short_lived.ca, "2026-06-10T00:00:00Z"));
  short_lived.freeze();
  short_lived.attached(renewed(short_lived.ca, "2036-01-01T00:00:00Z"));
  CHECK_FALSE(short_lived.check().empty());
}
