// A CA of this bridge as a provider: what it takes, what it signs, and what its answers mean.
#include "ca/lint.h"
#include "place.h"
#include "x509/objects/signed_object.h"

#include <algorithm>
#include <filesystem>

using namespace hsmbridge;
using namespace hsmbridge::test;
using namespace hsmbridge::workflow;
using namespace std::chrono_literals;

TEST_CASE_METHOD(Place, "a frozen draft is signed once, and its certificate is what was frozen") {
  const Draft draft = drafted();
  CHECK(provider->check(call(draft)) == std::vector<std::string>{});
  CHECK(signed_bytes.empty());
  const SubmitAnswer answer = provider->submit(call(draft));
  const Report& report = as<Accepted>(answer).report;
  CHECK(signed_bytes == std::vector<Bytes>{draft.to_be_signed});
  REQUIRE(report.result);
  const Issued issued = provider->certificate_in(call(draft), *report.result);
  const auto certificate = x509::parse_certificate(issued.certificate);
  CHECK(certificate.tbs.der == draft.to_be_signed);
  CHECK(x509::signature_verifies(certificate, key.subject_public_key_info()));
  CHECK(issued.chain == std::vector<Bytes>{anchor});
  CHECK(report.reference.str() == x509::serial_text(certificate.serial()));
  REQUIRE(facts.size() == 1);
  CHECK(facts.front().at("serial").as_string() == x509::serial_text(certificate.serial()));
  CHECK(facts.front().at("request").as_string() == "REQUEST");
}

TEST_CASE_METHOD(Place, "a number is taken before anything is built, and one that was taken is not used") {
  const auto before_it = store.serials_taken(hex(sha256(x509::Name::parse("CN=Root").der())));
  const Draft draft = drafted();
  CHECK(store.serials_taken(hex(sha256(x509::Name::parse("CN=Root").der()))) == before_it + 1);
  const auto tbs = x509::parse_tbs_certificate(draft.to_be_signed);
  CHECK_FALSE(store.take_serial(
      {hex(sha256(x509::Name::parse("CN=Root").der())), x509::serial_text(tbs.serial), "", clock.now()}));

  // Whatever a broken source of random numbers gives: nothing is built with it.
  struct Taken final : SerialNumbers {
    unsigned asked = 0;
    bool take_serial(const TakenSerial&) override { return ++asked > 2; }
    bool is_taken(const std::string&, const std::string&) override { return false; }
    std::optional<std::string> taken_for(const std::string&, const std::string&) override { return {}; }
    std::uint64_t serials_taken(const std::string&) override { return 0; }
    std::optional<ca::OtherThanAuthority> other_than_authority(const std::string&, Instant) override { return {}; }
  } taken;
  serials = [&]() -> SerialNumbers& { return taken; };
  CHECK_NOTHROW(drafted());
  CHECK(taken.asked == 3);
  struct Never final : SerialNumbers {
    bool take_serial(const TakenSerial&) override { return false; }
    bool is_taken(const std::string&, const std::string&) override { return false; }
    std::optional<std::string> taken_for(const std::string&, const std::string&) override { return {}; }
    std::uint64_t serials_taken(const std::string&) override { return 0; }
    std::optional<ca::OtherThanAuthority> other_than_authority(const std::string&, Instant) override { return {}; }
  } never;
  serials = [&]() -> SerialNumbers& { return never; };
  CHECK(error_of([&] { drafted(); }).message().find("were taken before under CN=Root") != std::string::npos);
}

TEST_CASE_METHOD(Place, "a signature whose outcome is not known is made again over the same frozen bytes") {
  const Draft draft = drafted();
  before = [] { throw Error{ErrorKind::outcome_unknown, "the token did not answer in time"}; };
  CHECK(as<OutcomeUnknown>(provider->submit(call(draft))).why == "the token did not answer in time");
  CHECK(std::holds_alternative<Absent>(provider->look_up(call(draft))));
  before = nullptr;
  as<Accepted>(provider->submit(call(draft)));
  CHECK(signed_bytes == std::vector<Bytes>{draft.to_be_signed, draft.to_be_signed});
}

TEST_CASE_METHOD(Place, "an answer after the deadline of the call is dropped, and none is asked for after it") {
  const Draft draft = drafted();
  before = [this] { clock.advance(61s); };
  CHECK(as<OutcomeUnknown>(provider->submit(call(draft))).why.find("after the deadline") != std::string::npos);
  signed_bytes.clear();
  before = nullptr;
  opening = [this] { clock.advance(61s); };
  CHECK(as<NotAccepted>(provider->submit(call(draft))).error.kind() == ErrorKind::unavailable);
  CHECK(signed_bytes.empty());
}

TEST_CASE_METHOD(Place, "a key that cannot be opened or is not allowed to sign signed nothing") {
  const Draft draft = drafted();
  opening = [] { throw Error{ErrorKind::unavailable, "token ca is not in any slot"}.with("lane", "down"); };
  CHECK(as<NotAccepted>(provider->submit(call(draft))).error.detail("lane") == "down");
  opening = [] { throw Error{ErrorKind::conflict, "the key behind issuing-2026 is another one"}; };
  CHECK(as<NotAccepted>(provider->submit(call(draft))).error.kind() == ErrorKind::conflict);
  opening = nullptr;
  before = [] { throw Error{ErrorKind::refused, "the key is extractable"}; };
  CHECK(as<NotAccepted>(provider->submit(call(draft))).error.kind() == ErrorKind::refused);
}

TEST_CASE_METHOD(Place, "a request that the profile does not permit is refused before anything is signed") {
  std::get<Enroll>(order.what).content.content.extended_key_usage = {x509::parse_extended_key_usage("OCSPSigning")};
  const Error error = error_of([&] { drafted(); });
  CHECK(error.kind() == ErrorKind::refused);
  CHECK(error.message() ==
        "the CA does not certify what is requested:\n"
        "  - profile tls does not permit the extended key usage OCSPSigning");
  order.profile = "other";
  CHECK(error_of([&] { drafted(); }).message() == "provider issuing has no profile for requests of the profile other");
  CHECK(signed_bytes.empty());
}

TEST_CASE_METHOD(Place, "a certificate that the linter objects to is refused with the rule and its reference") {
  settings.profiles.front().rules.rules = {ca::Rules::cabf_tls};
  make();
  const Error error = error_of([&] { drafted(); });
  CHECK(error.kind() == ErrorKind::refused);
  CHECK(error.message().find("cabf-tls-policy (BR 7.1.2.7.9): ") != std::string::npos);
  CHECK(error.message().find("cabf-tls-status (BR 7.1.2.11.2): ") != std::string::npos);
}

TEST_CASE_METHOD(Place, "who linted a draft is kept with it, and a draft that was not linted by them is not signed") {
  const Draft draft = drafted();
  CHECK(draft.provider_state.find("\"linted_by\":\"built-in\"") != std::string::npos);
  Draft other = draft;
  other.provider_state.clear();
  CHECK(says_draft_is_outdated(as<NotAccepted>(provider->submit(call(other))).error));
  settings.linters = {ca::ZlintSettings{"zlint", {"RFC5280"}}};
  make();
  CHECK(says_draft_is_outdated(as<NotAccepted>(provider->submit(call(draft))).error));
  CHECK(says_draft_is_outdated(error_of([&] { provider->check(call(draft)); })));
  const Draft twice = drafted();
  CHECK(twice.provider_state.find(" of RFC5280\"") != std::string::npos);
  as<Accepted>(provider->submit(call(twice)));
}

TEST_CASE_METHOD(Place, "nothing is drafted while a linter gives no verdict, and nothing that it objects to") {
  settings.linters = {ca::ZlintSettings{"false"}};
  make();
  const Error silent = error_of([&] { drafted(); });
  CHECK(silent.kind() == ErrorKind::unavailable);
  CHECK(silent.message().find("zlint gave no verdict") == 0);

  const auto root = [&] { provider->certify_itself(key.subject_public_key_info(), clock.now()); };
  CHECK(error_of(root).message().find("zlint gave no verdict") == 0);
  CHECK(signed_bytes.empty());

  settings.linters = {ca::ZlintSettings{"zlint", {"RFC5280"}}};
  make();
  CHECK_NOTHROW(root());
  CHECK_NOTHROW(drafted());
  settings.linters = {ca::ZlintSettings{"zlint", {"RFC5280", "CABF_BR"}}};
  make();
  const Error refused = error_of([&] { drafted(); });
  CHECK(refused.kind() == ErrorKind::refused);
  CHECK(refused.message().find("zlint/e_sub_cert_aia_missing (zlint)") != std::string::npos);
}

namespace {

// A program that reads what it is given and writes this.
ca::LinterCommand linter_that_writes(const TempFolder& folder, const std::string& name, const std::string& text) {
  const auto program = folder / name;
  write_file(program, as_bytes("#!/bin/sh\ncat >/dev/null\nprintf '" + text + "'\n"), FileMode::public_0644,
             Existing::replace);
  std::filesystem::permissions(program, std::filesystem::perms::owner_all);
  ca::LinterCommand command;
  command.name = name;
  command.certificates = {program.string()};
  command.lines = {{"E: ", ca::LintSeverity::error}, {"W: ", ca::LintSeverity::warning}};
  command.exit_status = {{0, std::nullopt}};
  return command;
}

}  // namespace

TEST_CASE_METHOD(Place, "every linter that is configured is asked, and each may refuse") {
  settings.linters = {linter_that_writes(folder, "first", ""), linter_that_writes(folder, "second", "W: odd\\n")};
  make();
  const ProviderDraft warned = provider->draft(order, csr(), clock.now());
  CHECK(std::count(warned.notes.begin(), warned.notes.end(), "lint: second/W (second): odd") == 1);
  CHECK(warned.provider_state.find("\"linted_by\":\"built-in, first sha256:") != std::string::npos);
  CHECK(warned.provider_state.find(", second sha256:") != std::string::npos);
  CHECK(provider->test().at(2).find("certificates are linted by built-in, first sha256:") == 0);

  settings.linters.emplace_back(linter_that_writes(folder, "third", "E: bad\\n"));
  make();
  const Error refused = error_of([&] { drafted(); });
  CHECK(refused.kind() == ErrorKind::refused);
  CHECK(refused.message().find("third/E (third): bad") != std::string::npos);
  settings.linters.back() = linter_that_writes(folder, "third", "quite fine\\n");
  make();
  CHECK(error_of([&] { drafted(); }).message().find("third gave no verdict: `lines` does not say") == 0);
  // Another verdict rule of the same program is another linter.
  auto lenient = linter_that_writes(folder, "third", "quite fine\\n");
  lenient.lines.emplace("quite", std::nullopt);
  settings.linters.back() = lenient;
  make();
  const Draft let_pass = drafted();
  as<Accepted>(provider->submit(call(let_pass)));
  settings.linters.pop_back();
  make();
  CHECK(says_draft_is_outdated(as<NotAccepted>(provider->submit(call(let_pass))).error));
}

TEST_CASE_METHOD(Place, "a draft whose issuer, profile or day is another one now is built again") {
  const Draft draft = drafted();
  settings.profiles.front().rules.crl_urls = {"http://ca.example.com/issuing.crl"};
  make();
  CHECK(says_draft_is_outdated(error_of([&] { provider->check(call(draft)); })));
  CHECK(says_draft_is_outdated(as<NotAccepted>(provider->submit(call(draft))).error));
  const Draft waited = drafted();
  clock.advance(24h * 46);
  CHECK(says_draft_is_outdated(as<NotAccepted>(provider->submit(call(waited))).error));
  CHECK(signed_bytes.empty());
}

TEST_CASE_METHOD(Place, "a draft that the lost store may have signed is not signed again by the one in its place") {
  const Draft draft = drafted();
  const auto tbs = x509::parse_tbs_certificate(draft.to_be_signed);
  const std::string serial = x509::serial_text(tbs.serial);
  const bool is_revoked = GENERATE(false, true);
  CAPTURE(is_revoked);
  if (is_revoked) {
    store.revoke({issuer_id(tbs.issuer), serial, 4, clock.now(), tbs.validity.not_after, "OTHER"});
  } else {  // known from the serial log
    other_stores = issuer_id(tbs.issuer) + " " + serial;
  }
  CHECK(says_draft_is_outdated(error_of([&] { provider->check(call(draft)); })));
  CHECK(says_draft_is_outdated(as<NotAccepted>(provider->submit(call(draft))).error));
  CHECK(signed_bytes.empty());
  as<Accepted>(provider->submit(call(drafted())));
}

TEST_CASE_METHOD(Place, "nobody gets a CA of the name of this one") {
  ca::Profile& rules = settings.profiles.front().rules;
  rules.key_usage = x509::KeyUsages{x509::KeyUsage::key_cert_sign, x509::KeyUsage::crl_sign};
  rules.extended_key_usage.clear();
  rules.basic_constraints = x509::BasicConstraints{true, std::nullopt};
  make();
  x509::Content& content = std::get<Enroll>(order.what).content.content;
  content.subject_alternative_names.clear();
  content.key_usage = rules.key_usage;
  content.basic_constraints = rules.basic_constraints;
  content.subject = x509::Name::parse("CN=Below");
  CHECK(provider->check(call(drafted())).empty());
  content.subject = x509::Name::parse("CN=ROOT");
  const auto reasons = provider->check(call(drafted()));
  REQUIRE(reasons.size() == 1);
  CHECK(reasons.front().find("it has the name of the CA \"CN=Root\" and another key") == 0);
}

TEST_CASE_METHOD(Place, "whom a profile lets sign CRLs gets no other CA's name, whether it was asked for or is given") {
  SoftwareSigner elsewhere{"ec:P-256"};
  const auto& spki = elsewhere.subject_public_key_info();
  const Bytes tbs = ca::root_to_be_signed({x509::Name::parse("CN=Elsewhere"), 24h, {}, {}}, algorithm, spki,
                                          x509::random_serial(), clock.now());
  others = {x509::assemble_certificate(tbs, algorithm, elsewhere.sign(tbs, algorithm), spki)};
  ca::Profile& rules = settings.profiles.front().rules;
  rules.key_usage = x509::KeyUsages{x509::KeyUsage::digital_signature, x509::KeyUsage::crl_sign};
  rules.extended_key_usage.clear();
  make();
  x509::Content& content = std::get<Enroll>(order.what).content.content;
  if (GENERATE(true, false)) content.key_usage = rules.key_usage;
  content.subject = x509::Name::parse("CN=Nobody");
  CHECK(provider->check(call(drafted())) == std::vector<std::string>{});
  content.subject = x509::Name::parse("CN=ELSEWHERE");
  const auto reasons = provider->check(call(drafted()));
  REQUIRE(reasons.size() == 1);
  CHECK(reasons.front().find("it has the name of the CA \"CN=Elsewhere\" and another key") == 0);
}

TEST_CASE_METHOD(Place, "a draft that the profile does not permit any more is refused for good") {
  std::get<Enroll>(order.what).content.content.extended_key_usage = {x509::parse_extended_key_usage("serverAuth")};
  const Draft draft = drafted();
  settings.profiles.front().rules.extended_key_usage = {x509::parse_extended_key_usage("clientAuth")};
  make();
  CHECK(as<RefusedForGood>(provider->submit(call(draft))).error.message().find("serverAuth") != std::string::npos);
  CHECK(signed_bytes.empty());
}

TEST_CASE_METHOD(Place, "an issuer that has ended certifies nothing, and the request waits") {
  clock.advance(24h * 3651);
  const Error error = error_of([&] { drafted(); });
  CHECK(error.kind() == ErrorKind::unavailable);
  CHECK(error.message().find("provider issuing cannot issue now:\n  - the issuer \"CN=Root\" ended") == 0);
}

TEST_CASE_METHOD(Place, "a CA that was revoked here certifies nothing") {
  const Draft draft = drafted();
  const auto issuer = x509::parse_certificate(anchor);
  store.revoke({hex(sha256(issuer.issuer().der())), x509::serial_text(issuer.serial()), 1, clock.now(),
                issuer.tbs.validity.not_after, "REVOCATION"});
  CHECK(error_of([&] { drafted(); }).message().find("the certificate of \"CN=Root\" (serial number ") !=
        std::string::npos);
  CHECK(error_of([&] { provider->check(call(draft)); }).kind() == ErrorKind::unavailable);
  CHECK(as<NotAccepted>(provider->submit(call(draft))).error.message().find("was revoked") != std::string::npos);
  CHECK(signed_bytes.empty());
}

TEST_CASE_METHOD(Place, "a CA that was revoked is known where its certificate spells its issuer otherwise") {
  SoftwareSigner root{"ec:P-256"};
  const Bytes spki = root.subject_public_key_info();
  const auto root_named = [&](const std::string& name) {
    const Bytes tbs = ca::root_to_be_signed({x509::Name::parse(name), 24h * 3650, {}, {}}, algorithm, spki,
                                            x509::random_serial(), clock.now());
    return x509::parse_certificate(x509::assemble_certificate(tbs, algorithm, root.sign(tbs, algorithm), spki));
  };
  const x509::Certificate above = root_named("CN=Above");
  x509::Content content;
  content.subject = x509::Name::parse("CN=Between");
  content.basic_constraints = x509::BasicConstraints{true, std::nullopt};
  content.key_usage = x509::KeyUsages{x509::KeyUsage::key_cert_sign, x509::KeyUsage::crl_sign};
  const Bytes tbs = ca::draft_to_be_signed(ca::Terms{algorithm, 24h * 3000}, root_named("CN=ABOVE"), std::nullopt,
                                           x509::create_csr(key, content, algorithm), clock.now());
  const auto between =
      x509::parse_certificate(x509::assemble_certificate(tbs, algorithm, root.sign(tbs, algorithm), spki));
  REQUIRE(between.issuer().der() != above.subject().der());
  settings.chain = folder / "above.pem";
  write_file(*settings.chain, as_bytes(x509::certificate_to_pem(above.der)), FileMode::public_0644, Existing::refuse);
  make();
  write(between.der);
  const bool ends_there = GENERATE(false, true);
  if (!ends_there) anchor = above.der;
  CHECK_NOTHROW(drafted());
  store.revoke({issuer_id(above.subject()), x509::serial_text(between.serial()), 5, clock.now(),
                between.tbs.validity.not_after, "REVOCATION"});
  CHECK(error_of([&] { drafted(); }).message().find("the certificate of \"CN=Between\" (serial number ") !=
        std::string::npos);
}

TEST_CASE_METHOD(Place, "a CA whose key is recorded as compromised certifies nothing") {
  const Draft draft = drafted();
  spent = "compromised";
  CHECK(error_of([&] { drafted(); }).message().find("the key of \"CN=Root\" is recorded as compromised") !=
        std::string::npos);
  as<NotAccepted>(provider->submit(call(draft)));
  CHECK(signed_bytes.empty());
}

TEST_CASE_METHOD(Place, "a root whose making was interrupted is made of the same bytes, and of no others") {
  settings.certificate = folder / "other.pem";
  make();
  const auto root = [&] { return provider->certify_itself(key.subject_public_key_info(), clock.now()); };
  before = [] { throw Error{ErrorKind::outcome_unknown, "the token did not answer in time"}; };
  CHECK(error_of(root).kind() == ErrorKind::outcome_unknown);
  before = nullptr;
  clock.advance(1h);
  root();
  REQUIRE(signed_bytes.size() == 2);
  CHECK(signed_bytes[0] == signed_bytes[1]);
  settings.root->root.subject = x509::Name::parse("CN=Other");
  make();
  CHECK(error_of(root).kind() == ErrorKind::conflict);
  CHECK(signed_bytes.size() == 2);
}

TEST_CASE_METHOD(Place, "a CA without its certificate says what to type") {
  std::filesystem::remove(settings.certificate);
  const Error error = error_of([&] { drafted(); });
  CHECK(error.kind() == ErrorKind::not_found);
  CHECK(error.hint() == "make the CA: hsmbridge ca init issuing");
  CHECK(provider->view().obstacles.size() == 1);
  CHECK_FALSE(provider->view().certificate);
}

TEST_CASE_METHOD(Place,
                 "what is to be cross-signed is compared with the draft, and looked at again before the key signs") {
  // The CA that is there has the key `leaf`.
  ca::Profile& rules = settings.profiles.front().rules;
  rules.key_usage = x509::KeyUsages{x509::KeyUsage::key_cert_sign, x509::KeyUsage::crl_sign};
  rules.extended_key_usage.clear();
  rules.basic_constraints = x509::parse_basic_constraints("CA:TRUE");
  make();
  const ca::Root there{x509::Name::parse("CN=There"), 24h * 50, 3, x509::KeyIdentifierMethod::sha1};
  const auto& spki = leaf.subject_public_key_info();
  const Bytes tbs = ca::root_to_be_signed(there, algorithm, spki, x509::random_serial(), clock.now());
  const Bytes existing_der = x509::assemble_certificate(tbs, algorithm, leaf.sign(tbs, algorithm), spki);
  const auto existing = x509::parse_certificate(existing_der);
  x509::RequestedContent asked;
  asked.content = provider->cross_content("server", existing_der, clock.now());
  order.what = Enroll{"web", {}, asked, {}, existing_der};
  const Draft draft = drafted();
  const auto frozen = x509::parse_tbs_certificate(draft.to_be_signed);
  CHECK(frozen.content.subject_key_identifier == existing.content().subject_key_identifier);
  CHECK(frozen.validity.not_after == existing.tbs.validity.not_after);
  CHECK(frozen.content.basic_constraints->path_length == 3);
  CHECK(provider->check(call(draft)) == std::vector<std::string>{});

  const auto refused_with = [&](const std::string& why) {
    const SubmitAnswer answer = provider->submit(call(draft));
    const auto& refused = as<RefusedForGood>(answer);
    CAPTURE(refused.error.message());
    CHECK(refused.error.message().find(why) != std::string::npos);
    CHECK(signed_bytes.empty());
  };
  SECTION("its certificate was revoked meanwhile") {
    store.revoke({hex(sha256(existing.issuer().der())), x509::serial_text(existing.serial()), 1, clock.now(),
                  existing.tbs.validity.not_after, "ANOTHER"});
    refused_with("what is to be cross-signed: it was revoked ");
  }
  SECTION("its key was compromised meanwhile") {
    spent = "compromised";
    refused_with("what is to be cross-signed: its key is recorded as compromised");
  }
  SECTION("it is over") {
    clock.advance(24h * 51);
    refused_with("what is to be cross-signed: it ended ");
  }
  SECTION("it is another one than the draft was made for") {
    const ca::Root shorter{there.subject, there.validity, 1, there.key_identifier};
    const Bytes other = ca::root_to_be_signed(shorter, algorithm, spki, x509::random_serial(), clock.now());
    std::get<Enroll>(order.what).cross_signs =
        x509::assemble_certificate(other, algorithm, leaf.sign(other, algorithm), spki);
    refused_with("its path length (3) is more than that of the certificate that the CA has (1)");
  }
}

TEST_CASE_METHOD(Place, "a CSR of another key makes no draft of a cross-certificate") {
  ca::Profile& rules = settings.profiles.front().rules;
  rules.key_usage = x509::KeyUsages{x509::KeyUsage::key_cert_sign};
  rules.basic_constraints = x509::parse_basic_constraints("CA:TRUE");
  make();
  SoftwareSigner elsewhere{"ec:P-256"};
  const ca::Root there{x509::Name::parse("CN=There"), 24h * 100, {}, {}};
  const auto& spki = elsewhere.subject_public_key_info();
  const Bytes tbs = ca::root_to_be_signed(there, algorithm, spki, x509::random_serial(), clock.now());
  const Bytes existing = x509::assemble_certificate(tbs, algorithm, elsewhere.sign(tbs, algorithm), spki);
  x509::RequestedContent asked;
  asked.content = provider->cross_content("server", existing, clock.now());
  order.what = Enroll{"web", {}, asked, {}, existing};
  CHECK(error_of([&] { drafted(); }).message() ==
        "the certificate request is not of the key of the CA that is to be cross-signed");
}
