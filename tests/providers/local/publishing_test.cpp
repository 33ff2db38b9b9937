// A CA of this bridge as a provider: what it revokes, and the CRLs that it publishes.
#include "ca/crl.h"
#include "place.h"

#include <filesystem>

using namespace hsmbridge;
using namespace hsmbridge::test;
using namespace hsmbridge::workflow;
using namespace std::chrono_literals;

namespace {

struct Publishing : Place {
  Publishing() {
    settings.crl = local::Settings::Crl{folder / "issuing.crl", "http://ca.example.com/issuing.crl", 24h * 4};
    make();
  }
  Bytes issued() {
    const Draft draft = drafted();
    const SubmitAnswer answer = provider->submit(call(draft));
    return provider->certificate_in(call(draft), *as<Accepted>(answer).report.result).certificate;
  }
  // What a revocation of it says to the provider.
  SubmitAnswer revoke(const Bytes& der, const std::string& reason = "keyCompromise") {
    revocation.id = RequestId{"REVOCATION"};
    revocation.provider = "issuing";
    revocation.what = Revoke{{hex(sha256(der)), der, {}, "", ProviderReference("ref"), ""}, reason};
    return provider->submit(revocation_call());
  }
  ProviderCall revocation_call() { return {revocation, no_key, no_draft, 1, nullptr, clock.now(), 1min}; }
  x509::CertificateList crl() const { return x509::parse_crl(read_file(settings.crl->file)); }

  Order revocation;
  Key no_key;
  Draft no_draft;
};

}  // namespace

TEST_CASE_METHOD(Publishing,
                 "what is revoked is on the next CRL with its reason, and stays until one CRL after its end") {
  const Bytes der = issued();
  const auto certificate = x509::parse_certificate(der);
  CHECK(provider->publish_crl("", clock.now()).entries == 0);
  CHECK(as<Accepted>(revoke(der)).report.status == RequestStatus::done);
  clock.advance(1h);
  const MadeCrl second = provider->publish_crl("", clock.now());
  CHECK(second.crl.number == 2);
  REQUIRE(crl().tbs.revoked.size() == 1);
  CHECK(crl().tbs.revoked.front().serial == certificate.serial());
  CHECK(crl().tbs.revoked.front().reason == 1U);
  CHECK(crl().tbs.next_update == second.crl.next_update);
  clock.advance(certificate.tbs.validity.not_after - clock.now() + 1s);
  CHECK(provider->publish_crl("", clock.now()).entries == 1);
  clock.advance(1h);
  CHECK(provider->publish_crl("", clock.now()).entries == 0);
  CHECK(ca::crl_number_of(read_file(settings.crl->file), x509::parse_certificate(anchor)) == 4);
}

TEST_CASE_METHOD(Publishing, "what ended before the last CRL is said to be on none, and is on none") {
  const Bytes der = issued();
  const Instant end = x509::parse_certificate(der).tbs.validity.not_after;
  clock.advance(end - clock.now() + 1s);
  const auto word = [&] { return as<Accepted>(revoke(der)).report.message; };
  SECTION("no CRL is out yet") {
    CHECK(word() == "it is on the next CRL: hsmbridge ca crl issuing");
  }
  SECTION("the last one is later than its end") {
    provider->publish_crl("", clock.now());
    CHECK(word() == "it ended " + rfc3339(end) + ", before the last CRL, and is on no CRL");
    clock.advance(1h);
    CHECK(provider->publish_crl("", clock.now()).entries == 0);
  }
}

TEST_CASE_METHOD(Publishing,
                 "a revocation is found again after a lost answer, and another CA's certificate is refused") {
  const Bytes der = issued();
  revocation.what = Revoke{{hex(sha256(der)), der, {}, "", {}, ""}, "superseded"};
  CHECK(std::holds_alternative<Absent>(provider->look_up(revocation_call())));
  as<Accepted>(revoke(der, "superseded"));
  CHECK(std::holds_alternative<Found>(provider->look_up(revocation_call())));
  CHECK(provider->check(revocation_call()).empty());
  Publishing other;
  const Bytes foreign = other.issued();
  CHECK(as<RefusedForGood>(revoke(foreign)).error.kind() == ErrorKind::refused);
  CHECK(provider->check(revocation_call()).size() == 1);
  // With a key that the CA had before, and a number that it took: its own.
  const auto certificate = x509::parse_certificate(foreign);
  REQUIRE(store.take_serial(
      {hex(sha256(certificate.issuer().der())), x509::serial_text(certificate.serial()), "", clock.now()}));
  CHECK(provider->check(revocation_call()).empty());
  CHECK(as<Accepted>(revoke(foreign)).report.status == RequestStatus::done);
}

TEST_CASE_METHOD(Publishing, "what was revoked before stays as it was written down, and that is said") {
  const Bytes der = issued();
  as<Accepted>(revoke(der, "superseded"));
  as<Accepted>(revoke(der, "superseded"));  // the same order again, whose answer was lost
  revocation.id = RequestId{"ANOTHER"};
  revocation.what = Revoke{{hex(sha256(der)), der, {}, "", ProviderReference("ref"), ""}, "keyCompromise"};
  const SubmitAnswer again = provider->submit(revocation_call());
  CHECK(as<Accepted>(again).report.message.find("it was revoked before: ") == 0);
  CHECK(as<Accepted>(again).report.message.find("reason superseded, and that stays") != std::string::npos);
  const auto certificate = x509::parse_certificate(der);
  CHECK(store.revocation(hex(sha256(certificate.issuer().der())), x509::serial_text(certificate.serial()))
            .value()
            .reason == 4);
}

TEST_CASE_METHOD(Publishing, "where a newer CRL is out no number is taken") {
  provider->publish_crl("", clock.now());
  const Instant now = clock.now();
  const auto issuer = x509::parse_certificate(anchor);
  const ca::CrlFields fields{7, now, now + 24h, {}};
  const Bytes newer = ca::signed_crl(ca::crl_to_be_signed(fields, issuer, algorithm), issuer, key, algorithm, now);
  write_file(settings.crl->file, newer, FileMode::public_0644, Existing::replace);
  for (int tries = 0; tries < 10; ++tries) {
    const Error error = error_of([&] { provider->publish_crl("", now); });
    CHECK(error.kind() == ErrorKind::conflict);
    CHECK(error.message().find("has the CRL number 7") != std::string::npos);
  }
  CHECK(read_file(settings.crl->file) == newer);
  CHECK(store.take_crl_number(hex(sha256(issuer.subject().der())), 0, now) == 2);
}

TEST_CASE_METHOD(Publishing, "a CRL never goes back: neither its number, nor its time, nor the file of somebody else") {
  provider->publish_crl("", clock.now());
  const Bytes first = read_file(settings.crl->file);
  const Instant now = clock.now();
  CHECK(error_of([&] { provider->publish_crl("", now - 1h); }).kind() == ErrorKind::conflict);
  // A newer one that another store published.
  const auto issuer = x509::parse_certificate(anchor);
  const Bytes newer =
      ca::signed_crl(ca::crl_to_be_signed({99, now, now + 24h, {}}, issuer, algorithm), issuer, key, algorithm, now);
  write_file(settings.crl->file, newer, FileMode::public_0644, Existing::replace);
  const Error conflict = error_of([&] { provider->publish_crl("", now); });
  CHECK(conflict.kind() == ErrorKind::conflict);
  CHECK(conflict.message().find("has the CRL number 99") != std::string::npos);
  CHECK(read_file(settings.crl->file) == newer);
  write_file(settings.crl->file, as_bytes("<html>"), FileMode::public_0644, Existing::replace);
  CHECK(error_of([&] { provider->publish_crl("", now); }).message().find("is not a CRL of CN=Root") !=
        std::string::npos);
  CHECK(read_file(settings.crl->file) == Bytes(as_bytes("<html>").begin(), as_bytes("<html>").end()));
  // A number that was taken for nothing is not given again.
  write_file(settings.crl->file, first, FileMode::public_0644, Existing::replace);
  const auto lost = store.take_crl_number(hex(sha256(issuer.subject().der())), 1, now);
  CHECK(provider->publish_crl("", now).crl.number == lost.value() + 1);
}

TEST_CASE_METHOD(Publishing,
                 "a CRL that revokes what the store does not know is not replaced, however often it is tried") {
  provider->publish_crl("", clock.now());
  const Instant now = clock.now();
  const auto issuer = x509::parse_certificate(anchor);
  const ca::CrlFields fields{3, now, now + 24h, {{Bytes{0x11, 0x22}, now, 1}}};
  const Bytes newer = ca::signed_crl(ca::crl_to_be_signed(fields, issuer, algorithm), issuer, key, algorithm, now);
  write_file(settings.crl->file, newer, FileMode::public_0644, Existing::replace);
  for (int tries = 0; tries < 5; ++tries) {
    const Error error = error_of([&] { provider->publish_crl("", now); });
    CHECK(error.kind() == ErrorKind::conflict);
    CHECK(error.message().find("this store knows nothing of that") != std::string::npos);
  }
  CHECK(read_file(settings.crl->file) == newer);
  CHECK(store.take_crl_number(hex(sha256(issuer.subject().der())), 0, now) == 2);
}

TEST_CASE_METHOD(Publishing, "where the last CRL is gone none is published before it is put back") {
  provider->publish_crl("", clock.now());
  const Bytes last = read_file(settings.crl->file);
  std::filesystem::remove(settings.crl->file);
  const Error error = error_of([&] { provider->publish_crl("", clock.now()); });
  CHECK(error.kind() == ErrorKind::conflict);
  CHECK(error.hint().find("put the last CRL (DER) back at ") == 0);
  write_file(settings.crl->file, last, FileMode::public_0644, Existing::replace);
  CHECK(provider->publish_crl("", clock.now()).crl.number == 2);
}

TEST_CASE_METHOD(Publishing, "while one process publishes no other one does") {
  before = [this] {
    before = nullptr;
    CHECK(error_of([&] { provider->publish_crl("", clock.now()); }).kind() == ErrorKind::unavailable);
  };
  CHECK(provider->publish_crl("", clock.now()).crl.number == 1);
  CHECK_FALSE(before);
}

TEST_CASE_METHOD(Publishing, "a CRL that is due is told") {
  CHECK(provider->view().crls.at(0).overdue);
  provider->publish_crl("", clock.now());
  CHECK_FALSE(provider->view().crls.at(0).overdue);
  clock.advance(24h * 4);
  CHECK(provider->view().crls.at(0).overdue);
}
