// CRLs that are put on a web server over HTTPS by compare-and-swap: nothing of anybody else is replaced, and nothing is
// signed for it.
#include "net/http_client.h"
#include "own_ca.h"
#include "support/put_server.h"

using namespace hsmbridge;
using namespace hsmbridge::test;

namespace {

using Fault = PutServer::Fault;

class Slow final : public net::Transport {
 public:
  explicit Slow(std::function<net::Exchange()> given) : answer_(std::move(given)) {}

 private:
  net::Exchange carry(const net::Request&) override { return answer_(); }
  const std::function<net::Exchange()> answer_;
};

struct Put : Ca {
  PutServer server;

  Put() {
    settings.crl->put = server.url() + "/pki/root.crl";
    make();
  }
  void make(std::vector<providers::CredentialHeader> credentials = {}) {
    net::ClientOptions options;
    options.ca_file = server.ca();
    put = std::make_shared<local::CrlPut>(
        server.url(), std::make_shared<net::HttpClient>(net::Url::parse(server.url()), std::move(options)),
        std::move(credentials), clock);
    Ca::make();
  }
  // A server that does something else before it answers.
  void answer_by(std::function<net::Exchange()> answer) {
    put = std::make_shared<local::CrlPut>(server.url(), std::make_shared<Slow>(std::move(answer)),
                                          std::vector<providers::CredentialHeader>{}, clock);
    Ca::make();
  }
  std::uint64_t publish() { return provider->publish_crl("", clock.now()).crl.number; }
  void put_it() { provider->put_crl("", 20s); }
  Error refusal() {
    try {
      put_it();
    } catch (const Error& error) {
      return error;
    }
    FAIL("it was put");
    return Error{ErrorKind::internal, ""};
  }
  std::string not_put() { return provider->crl_standing().crls.at(0).not_put; }
  std::string there() { return server.file("/pki/root.crl").value_or("nothing"); }
  std::string file() const { return to_text(read_file(settings.crl->file)); }
  std::size_t puts() { return server.count("PUT /pki/root.crl"); }
};

}  // namespace

TEST_CASE_METHOD(Put, "a CRL is put where nothing is, then in the place of the one before, and read back") {
  CHECK(not_put().empty());
  CHECK(publish() == 1);
  CHECK(not_put() == "CRL number 1 is not at " + server.url() + "/pki/root.crl yet");
  put_it();
  CHECK(there() == file());
  CHECK(not_put().empty());
  CHECK(server.lines() ==
        std::vector<std::string>{"GET /pki/root.crl", "GET /pki/root.crl", "PUT /pki/root.crl", "GET /pki/root.crl"});
  put_it();
  CHECK(puts() == 1);
  CHECK(publish() == 2);
  CHECK(not_put() == "CRL number 2 is not at " + server.url() + "/pki/root.crl yet");
  put_it();
  CHECK(there() == file());
  // One that was never put there is no obstacle, nor a server that went back to an older one of ours.
  const std::string second = file();
  CHECK(publish() == 3);
  CHECK(publish() == 4);
  put_it();
  CHECK(there() == file());
  server.set("/pki/root.crl", second);
  put_it();
  CHECK(there() == file());
  CHECK(signatures == 4);
}

TEST_CASE_METHOD(Put, "what is somebody else's is not replaced") {
  publish();
  std::string theirs = "<html>";
  std::string why = "holds something that is not a CRL of CN=Root";
  SECTION("a page") {
    CHECK(puts() == 0);
  }
  SECTION("a CRL of this CA that another copy of the store has published") {
    const auto root = x509::parse_certificate(anchor);
    const auto& algorithm = ca::issuing_algorithm("", root);
    const std::uint64_t number = GENERATE(1U, 7U);
    const ca::CrlFields fields{number, clock.now(), clock.now() + 24h, {{Bytes{0x44}, clock.now(), 1}}};
    theirs = to_text(ca::signed_crl(ca::crl_to_be_signed(fields, root, algorithm), root, key, algorithm, clock.now()));
    why = "holds a CRL with the number " + std::to_string(number) + " that this store did not publish";
    CHECK(puts() == 0);
  }
  server.set("/pki/root.crl", theirs);
  const Error error = refusal();
  CHECK(error.kind() == ErrorKind::conflict);
  INFO(error.message());
  CHECK(error.message().find(why) != std::string::npos);
  CHECK(there() == theirs);
  CHECK(puts() == 0);
  CHECK_FALSE(not_put().empty());
}

TEST_CASE_METHOD(Put, "an older one of a lost store is replaced where nothing that it revokes is forgotten") {
  publish();
  const auto root = x509::parse_certificate(anchor);
  REQUIRE(store.take_crl_number(hex(sha256(root.subject().der())), 0, clock.now()) == 2);
  REQUIRE(publish() == 3);
  const auto& algorithm = ca::issuing_algorithm("", root);
  ca::CrlFields fields{2, clock.now(), clock.now() + 24h, {}};
  const bool forgotten = GENERATE(false, true);
  if (forgotten) fields.entries.push_back({Bytes{0x44}, clock.now(), 1});
  const std::string theirs =
      to_text(ca::signed_crl(ca::crl_to_be_signed(fields, root, algorithm), root, key, algorithm, clock.now()));
  server.set("/pki/root.crl", theirs);
  if (forgotten) {
    CHECK(refusal().message().find("revokes the serial number 44, and this store knows nothing of that") !=
          std::string::npos);
    CHECK(there() == theirs);
  } else {
    put_it();
    CHECK(there() == file());
  }
}

TEST_CASE_METHOD(Put, "the last CRL that was lost, and of which the number alone was taken over, is replaced") {
  const auto root = x509::parse_certificate(anchor);
  Takeover told;
  told.issuer = hex(sha256(root.subject().der()));
  told.next_crl_number = 5;
  store.take_over(told, "ca-adopted", Json::object(), "uid:7", clock.now());
  REQUIRE(publish() == 5);
  const auto& algorithm = ca::issuing_algorithm("", root);
  ca::CrlFields fields{4, clock.now(), clock.now() + 24h, {}};
  const bool forgotten = GENERATE(false, true);
  if (forgotten) fields.entries.push_back({Bytes{0x44}, clock.now(), 1});
  server.set("/pki/root.crl",
             to_text(ca::signed_crl(ca::crl_to_be_signed(fields, root, algorithm), root, key, algorithm, clock.now())));
  if (forgotten) {
    CHECK(refusal().message().find("revokes the serial number 44") != std::string::npos);
  } else {
    put_it();
    CHECK(there() == file());
  }
}

TEST_CASE_METHOD(Put, "no number is taken while a newer CRL than the store knows is where it is put") {
  publish();
  put_it();
  server.set("/pki/root.crl", to_text(foreign_crl(9)));
  try {
    publish();
    FAIL("a number was taken");
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::conflict);
    CHECK(error.message().find("gives CRL number 9") != std::string::npos);
  }
  CHECK(signatures == 1);
  // Whoever does not answer holds up nothing.
  server.fail(Fault::no_etag);
  CHECK(publish() == 2);
}

TEST_CASE_METHOD(Put, "nothing is put while the URL gives a newer CRL than the store knows") {
  settings.crl->url = "http://ca.example.com/root.crl";
  make();
  publish();
  answers.insert_or_assign(settings.crl->url, net::Response{200, {}, to_text(foreign_crl(9))});
  const Error error = refusal();
  CHECK(error.kind() == ErrorKind::conflict);
  CHECK(error.message().find("gives CRL number 9") != std::string::npos);
  CHECK(puts() == 0);
  answers.clear();
  put_it();
  CHECK(there() == file());
}

TEST_CASE_METHOD(Put, "while a CRL is put the next one is published, and put before it, it stays") {
  publish();
  put_it();
  publish();
  // What a server answers that lets another process be quicker: number 3 is there when it is looked.
  bool asked = false;
  answer_by([&]() -> net::Exchange {
    if (!std::exchange(asked, true)) provider->publish_crl("", clock.now());
    return net::Response{200, {{"ETag", "\"3\""}}, file()};
  });
  const Error error = refusal();
  CHECK(error.kind() == ErrorKind::unavailable);
  CHECK(error.message().find("CRL number 3 was put at ") == 0);
  CHECK(store.last_crl(issuer, "")->number == 3);
}

TEST_CASE_METHOD(Put, "while one process puts a CRL no other one does") {
  publish();
  std::optional<Error> other;
  answer_by([&]() -> net::Exchange {
    if (!other) other = refusal();
    return net::Response{200, {{"ETag", "\"1\""}}, file()};
  });
  put_it();
  REQUIRE(other);
  CHECK(other->kind() == ErrorKind::unavailable);
  INFO(other->message());
  CHECK(other->message().find("root.crl.put") != std::string::npos);
}

TEST_CASE_METHOD(Put, "whoever puts something in between keeps it") {
  publish();
  const bool is_first = GENERATE(true, false);
  if (!is_first) {
    put_it();
    publish();
  }
  server.fail(Fault::overtaken);
  const Error error = refusal();
  CHECK(error.kind() == ErrorKind::conflict);
  CHECK(error.message() ==
        "somebody else put something at " + server.url() + "/pki/root.crl this moment: nothing was replaced");
  CHECK(there() == "somebody else's");
  CHECK_FALSE(not_put().empty());
}

TEST_CASE_METHOD(Put, "a server by whose ETags nobody can tell what is there is refused") {
  publish();
  put_it();
  const std::string before = there();
  publish();
  SECTION("none") {
    server.fail(Fault::no_etag);
    const Error error = refusal();
    CHECK(error.kind() == ErrorKind::refused);
    CHECK(error.message().find("the server gives no ETag with what is there") != std::string::npos);
    CHECK(there() == before);
    CHECK(puts() == 1);
  }
  SECTION("a weak one") {
    server.fail(Fault::weak_etag);
    const Error error = refusal();
    CHECK(error.kind() == ErrorKind::refused);
    CHECK(error.message().find("the server gives a weak ETag (W/\"1\")") != std::string::npos);
    CHECK(there() == before);
    CHECK(puts() == 1);
  }
  SECTION("the same for everything") {
    server.fail(Fault::same_etag);
    const Error error = refusal();
    CHECK(error.kind() == ErrorKind::refused);
    CHECK(error.message().find("the same ETag with other octets") != std::string::npos);
  }
}

TEST_CASE_METHOD(Put, "a server that fails is tried again, and a lost answer is looked for") {
  publish();
  put_it();
  const std::string before = there();
  publish();
  SECTION("500") {
    server.fail(Fault::error);
    CHECK(refusal().kind() == ErrorKind::unavailable);
    CHECK(refusal().message().find("the server answers with status 500 when this program puts it") !=
          std::string::npos);
    CHECK(there() == before);
  }
  SECTION("no answer, and nothing done") {
    server.fail(Fault::lost_undone);
    CHECK(refusal().kind() == ErrorKind::unavailable);
    CHECK(refusal().message().find("it is not there") != std::string::npos);
    CHECK(there() == before);
  }
  SECTION("200, and nothing done") {
    server.fail(Fault::keeps_old);
    CHECK(refusal().kind() == ErrorKind::corrupt);
    CHECK(there() == before);
  }
  SECTION("no answer, and done") {
    server.fail(Fault::lost);
    put_it();
    CHECK(not_put().empty());
    CHECK(puts() == 2);
  }
  SECTION("nobody answers at all") {
    server.fail(Fault::hangs);
    CHECK_THROWS_AS(provider->put_crl("", 300ms), Error);
    CHECK(there() == before);
  }
  server.fail(Fault::none);
  put_it();
  CHECK(there() == file());
  CHECK(signatures == 2);
}

TEST_CASE_METHOD(Put, "the server may want a password or a token, and one that is refused is read again") {
  publish();
  std::string secret = "old";
  const providers::Source source{[&] { return Secret(secret); }};
  SECTION("a bearer token") {
    make({{"Authorization", "Bearer ", providers::stored_credentials({source})}});
    server.expect("Bearer new");
    CHECK(there() == "nothing");
  }
  SECTION("user and password") {
    make({local::basic_credentials("ann", source)});
    server.expect("Basic " + base64(as_bytes("ann:new")));
    CHECK(there() == "nothing");
  }
  const Error error = refusal();
  CHECK(error.kind() == ErrorKind::denied);
  CHECK(error.message().find("old") == std::string::npos);
  secret = "new";
  put_it();
  CHECK(there() == file());
}

TEST_CASE_METHOD(Put, "a process that died before it wrote its CRL down goes on with that one") {
  publish();
  put_it();
  // Number 2 as it was signed and put in its file.
  const auto root = x509::parse_certificate(anchor);
  const auto& algorithm = ca::issuing_algorithm("", root);
  const auto number = store.take_crl_number(issuer, 1, clock.now());
  REQUIRE(number == 2U);
  const ca::CrlFields fields{2, clock.now(), clock.now() + 24h, {}};
  const Bytes left = ca::signed_crl(ca::crl_to_be_signed(fields, root, algorithm), root, key, algorithm, clock.now());
  write_file(settings.crl->file, left, FileMode::public_0644, Existing::replace);
  signatures = 0;
  SECTION("nothing was revoked since") {
    CHECK(publish() == 2);
    CHECK(signatures == 0);
    CHECK(store.last_crl(issuer, "")->sha256 == hex(sha256(left)));
  }
  SECTION("something was") {
    revoke("4000");
    CHECK(publish() == 3);
    CHECK(signatures == 1);
  }
  put_it();
  CHECK(there() == file());
}

TEST_CASE_METHOD(Put, "the file must hold what was published, and a CA that may not sign puts nothing") {
  CHECK(refusal().kind() == ErrorKind::conflict);
  publish();
  const std::string published = file();
  write_file(settings.crl->file, as_bytes("something"), FileMode::public_0644, Existing::replace);
  CHECK(refusal().message().find("does not hold CRL number 1") != std::string::npos);
  write_file(settings.crl->file, as_bytes(published), FileMode::public_0644, Existing::replace);
  suspended = "the store was an older copy of itself";
  CHECK(refusal().kind() == ErrorKind::refused);
  CHECK(puts() == 0);
  suspended.reset();
  settings.crl->put.clear();
  make();
  CHECK(refusal().kind() == ErrorKind::invalid_input);
}

TEST_CASE_METHOD(Put, "run puts what is not there yet, later and later, and signs nothing for it") {
  settings.crl->every.reset();
  make();
  publish();
  auto rounds = schedule();
  server.fail(Fault::error);
  rounds.round();
  rounds.round();
  CHECK(puts() == 1);
  clock.advance(61s);
  rounds.round();
  CHECK(puts() == 2);
  clock.advance(61s);
  rounds.round();
  CHECK(puts() == 2);
  server.fail(Fault::none);
  clock.advance(61s);
  rounds.round();
  CHECK(there() == file());
  CHECK(signatures == 1);
  REQUIRE(leaves.size() == 1);
  CHECK(leaves[0].find("crl-put{") == 0);
  CHECK(leaves[0].find("/pki/root.crl") != std::string::npos);
  rounds.round();
  CHECK(leaves.size() == 1);
}

TEST_CASE_METHOD(Put, "each shard is put where it belongs, and not in the place of another one") {
  shard(2);
  for (CrlPlace& place : settings.crl->shards) place.put = server.url() + "/" + place.shard + ".crl";
  settings.crl->file.clear();
  settings.crl->put.clear();
  make();
  for (const char* one : {"0", "1"}) {
    provider->publish_crl(one, clock.now());
    provider->put_crl(one, 20s);
  }
  const auto places = provider->crl_places();
  CHECK(server.file("/0.crl") == to_text(read_file(places[0].file)));
  CHECK(server.file("/1.crl") == to_text(read_file(places[1].file)));
  server.set("/0.crl", *server.file("/1.crl"));
  CHECK_THROWS_WITH(provider->put_crl("0", 20s), Catch::Contains("holds the CRL of " + url_of(1)));
}

TEST_CASE_METHOD(Put, "a shard whose URL denies it keeps no other one from being put") {
  shard(3);
  for (CrlPlace& place : settings.crl->shards) place.put = server.url() + "/" + place.shard + ".crl";
  settings.crl->file.clear();
  settings.crl->put.clear();
  settings.crl->every.reset();
  make();
  for (const char* one : {"0", "1", "2"}) provider->publish_crl(one, clock.now());
  server.deny("/0.crl");
  auto rounds = schedule();
  rounds.round();
  CHECK_FALSE(server.file("/0.crl"));
  CHECK(server.file("/1.crl"));
  CHECK(server.file("/2.crl"));
}
