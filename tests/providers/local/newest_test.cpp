// What is out of a CA that its store knows nothing of: looked for at the URL of the CRL before a number is taken.
#include "own_ca.h"
#include "providers/local/crl_place.h"
#include "support/said.h"

#include <chrono>

using namespace hsmbridge;
using namespace hsmbridge::test;

namespace {

constexpr const char* kUrl = "http://ca.example.com/root.crl";

struct WithUrl : Ca {
  WithUrl() {
    settings.crl->url = kUrl;
    make();
  }
  void give(const Bytes& body) { answers.insert_or_assign(kUrl, net::Response{200, {}, to_text(body)}); }
  Error refusal() {
    const unsigned before = signatures;
    try {
      provider->publish_crl("", clock.now());
    } catch (const Error& error) {
      CHECK(signatures == before);
      return error;
    }
    FAIL("it was published");
    return Error{ErrorKind::internal, ""};
  }
  std::uint64_t next_number() { return store.take_crl_number(issuer, 0, clock.now()).value(); }
};

bool says(const Error& error, const std::string& words) {
  INFO("looking for: " << words << "\nin: " << error.message() << "\n" << error.hint());
  CHECK((error.message() + "\n" + error.hint()).find(words) != std::string::npos);
  return true;
}

}  // namespace

TEST_CASE_METHOD(WithUrl, "a CRL at the URL that this store has not published is refused before a number is taken") {
  provider->publish_crl("", clock.now());
  provider->publish_crl("", clock.now());
  const Bytes file = read_file(settings.crl->file);
  SECTION("a newer one: the whole machine was set back") {
    give(foreign_crl(9));
    const Error error = refusal();
    CHECK(error.kind() == ErrorKind::conflict);
    says(error, std::string(kUrl) + " gives CRL number 9 of ");
    says(error, "and the last one that this store knows is number 2: this store is an older copy of itself");
    says(error, "hsmbridge ca resume root --crl FILE");
  }
  SECTION("another one with the number of the last") {
    give(foreign_crl(2));
    says(refusal(), "and this store has given that number to another one");
  }
  SECTION("another one with the number of one before") {
    give(foreign_crl(1));
    says(refusal(), "and this store has given that number to another one");
  }
  CHECK(read_file(settings.crl->file) == file);
  CHECK(next_number() == 3);
}

TEST_CASE_METHOD(WithUrl, "what the URL gives of this store, or of before it came here, holds nothing up") {
  const Bytes first = [&] {
    provider->publish_crl("", clock.now());
    return read_file(settings.crl->file);
  }();
  provider->publish_crl("", clock.now());
  SECTION("an older one that a cache keeps") {
    give(first);
    CHECK(provider->publish_crl("", clock.now()).crl.number == 3);
  }
  SECTION("one of another program, before it was taken over") {
    Takeover takeover;
    takeover.issuer = issuer;
    takeover.crl = PublishedCrl{42, clock.now(), clock.now() + 24h, hex(sha256(read_file(settings.crl->file)))};
    store.take_over(takeover, "ca-adopted", Json::object(), "ann", clock.now());
    give(foreign_crl(41));
    CHECK(provider->publish_crl("", clock.now()).crl.number == 43);
  }
  SECTION("a page, another CA's, and what is too large") {
    for (const net::Exchange& answer : std::vector<net::Exchange>{
             net::Response{200, {}, "<html>"}, net::Response{404, {}, to_text(foreign_crl(9))},
             net::Response{302, {}, ""}, net::OutcomeUnknown{"it sent an answer larger than that", true}}) {
      answers.insert_or_assign(kUrl, answer);
      CHECK_NOTHROW(provider->publish_crl("", clock.now()));
    }
    CHECK(looked.size() == 6);
  }
  SECTION("one that was put in its place by a process that died before it wrote that down") {
    REQUIRE(next_number() == 3);
    store.revoke({issuer, "44", 1, clock.now(), clock.now() + 24h, ""});
    write_file(settings.crl->file, foreign_crl(3), FileMode::public_0644, Existing::replace);
    CHECK(provider->publish_crl("", clock.now()).crl.number == 4);
  }
  SECTION("a URL that is not read back") {
    settings.crl->read_back = CrlPlace::ReadBack::no;
    make();
    give(foreign_crl(9));
    CHECK(provider->publish_crl("", clock.now()).crl.number == 3);
  }
}

TEST_CASE_METHOD(WithUrl,
                 "a server that does not answer holds no revocation up, is said, and not asked for each shard") {
  settings.crl->file.clear();
  settings.crl->url.clear();
  shard();
  for (const char* name : {"0", "1", "2", "3"}) provider->publish_crl(name, clock.now());
  looked.clear();
  const net::Exchange silence = GENERATE(as<net::Exchange>{}, net::NotSent{"takes no connection"},
                                         net::OutcomeUnknown{"no answer in 5 s"}, net::Response{503, {}, ""});
  answers.insert_or_assign(url_of(0), silence);
  const std::string said = said_meanwhile([&] {
    for (const char* name : {"0", "1", "2"}) provider->publish_crl(name, clock.now());
  });
  CHECK(said.find("whether a newer CRL than its last one is at " + url_of(0) + " is not known: ") != std::string::npos);
  CHECK(looked == std::vector<std::string>{url_of(0)});
  CHECK(signatures == 7);
  clock.advance(1min);
  answers.insert_or_assign(url_of(3), net::Response{200, {}, to_text(foreign_crl(99, "44", url_of(3)))});
  CHECK_THROWS_WITH(provider->publish_crl("3", clock.now()), Catch::Contains("gives CRL number 99"));
}

TEST_CASE_METHOD(WithUrl, "run signs nothing while the URL gives a newer CRL, and says it") {
  provider->publish_crl("", clock.now());
  revoke("4000");
  give(foreign_crl(9));
  auto rounds = schedule();
  const std::string said = said_meanwhile([&] { rounds.round(); });
  CHECK(said.find("CA root: no CRL is published: http://ca.example.com/root.crl gives CRL number 9") !=
        std::string::npos);
  CHECK(signatures == 1);
  answers.clear();
  clock.advance(1min);
  rounds.round();
  CHECK(store.last_crl(issuer, "")->number == 2);
}

TEST_CASE_METHOD(WithUrl, "a CA that was elsewhere publishes nothing before it is taken over") {
  SECTION("its CRL is at the URL") {
    give(foreign_crl(41));
    const Error error = refusal();
    CHECK(error.kind() == ErrorKind::conflict);
    says(error, "and this store knows of no CRL there: the CA root was elsewhere before");
    says(error, "hsmbridge ca adopt root");
  }
  SECTION("its CRL is in the file") {
    ca::CrlFields fields{41, clock.now(), clock.now() + 24h, {}};
    const auto root = x509::parse_certificate(anchor);
    const auto& algorithm = ca::issuing_algorithm("", root);
    write_file(settings.crl->file,
               ca::signed_crl(ca::crl_to_be_signed(fields, root, algorithm), root, key, algorithm, clock.now()),
               FileMode::public_0644, Existing::refuse);
    says(refusal(), "hsmbridge ca adopt root");
  }
  CHECK(next_number() == 1);
}

TEST_CASE_METHOD(WithUrl, "whoever publishes looks again, in its turn, whether a CRL is due") {
  provider->publish_crl("", clock.now());
  revoke("4000");
  // Another process has it in between.
  meanwhile = [this] { provider->publish_crl("", clock.now()); };
  CHECK_FALSE(provider->publish_due_crl("", clock.now()));
  CHECK(store.last_crl(issuer, "")->number == 2);
  revoke("4001");
  meanwhile = [this] { provider->publish_crl("", clock.now()); };
  auto rounds = schedule();
  rounds.round();
  rounds.round();
  CHECK(store.last_crl(issuer, "")->number == 3);
  CHECK(signatures == 3);
  CHECK(leaves.empty());
  revoke("4002");
  CHECK(provider->publish_due_crl("", clock.now())->crl.number == 4);
}

TEST_CASE("a turn to publish is waited for, and not for good") {
  TempFolder folder;
  const local::PublishingTurn held(folder / "root.crl");
  const auto begin = std::chrono::steady_clock::now();
  CHECK_THROWS_WITH(local::PublishingTurn(folder / "root.crl", 50ms), Catch::Contains("another process publishes"));
  CHECK(std::chrono::steady_clock::now() - begin >= 50ms);
  CHECK_NOTHROW(local::PublishingTurn(folder / "other.crl", 0ms));
}

TEST_CASE_METHOD(Ca, "run says that the certificate of a CA which has published is gone, and nothing of a new one") {
  auto rounds = schedule();
  const Bytes certificate = read_file(settings.certificate);
  std::filesystem::remove(settings.certificate);
  CHECK(said_meanwhile([&] { rounds.round(); }).empty());
  write_file(settings.certificate, certificate, FileMode::public_0644, Existing::refuse);
  provider->publish_crl("", clock.now());
  std::filesystem::remove(settings.certificate);
  const std::string said = said_meanwhile([&] { rounds.round(); });
  CHECK(said.find("CA root: no CRL is published: ") != std::string::npos);
  CHECK(said.find("root.pem") != std::string::npos);
}
