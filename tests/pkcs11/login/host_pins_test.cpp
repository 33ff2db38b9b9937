#include "pkcs11/login/host_pins.h"

#include "base/bytes.h"
#include "base/file.h"
#include "pkcs11/login/pin_attempt.h"
#include "pkcs11/private_token.h"
#include "support/variable.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

using namespace hsmbridge;
using namespace hsmbridge::pkcs11;
using namespace hsmbridge::test;

namespace {

// A folder of locks that all users share, and processes of several users in it. Needs to be root, as CI is.
class Host {
 public:
  Host() { REQUIRE(::chmod(folder_.path().c_str(), 01777) == 0); }
  Host(const Host&) = delete;
  Host& operator=(const Host&) = delete;

  template <class Work>
  static auto as(uid_t user, Work work) {
    struct Back {
      ~Back() { (void)::seteuid(0); }
    } back;
    REQUIRE(::seteuid(user) == 0);
    return work();
  }
  std::vector<std::filesystem::path> pages() const {
    std::vector<std::filesystem::path> found;
    for (const auto& entry : std::filesystem::directory_iterator(folder_.path())) found.push_back(entry.path());
    return found;
  }
  std::filesystem::path page(uid_t user) const {
    return folder_.path() /
           ("hsmbridge-pin-" + hex(sha256(as_bytes("ab12"))).substr(0, 32) + "-" + std::to_string(user) + ".json");
  }

 private:
  TempFolder folder_;
  const Variable variable_{"HSMBRIDGE_LOCK_FOLDER", folder_.path().string()};
};

const PinSubject kSubject{.token_serial = "ab12", .user_type = kUser};
const PinRefusal kRefusal{.subject = kSubject,
                          .at = parse_rfc3339("2026-11-23T15:42:07Z"),
                          .state = AttemptState::from_words("CKR_PIN_INCORRECT")};

HostPins pins() {
  return HostPins(std::make_shared<MemoryPinRefusals>());
}

constexpr uid_t kAnn = 1001;
constexpr uid_t kBob = 1002;
constexpr uid_t kEve = 1003;

const PinSubject kOfficer{.token_serial = "ab12", .user_type = kSecurityOfficer};

// Eve's page with that record of the user's PIN.
void forge(const Host& host, const std::string& id, const std::string& reason) {
  Host::as(kEve, [&] {
    write_file(
        host.page(kEve),
        as_bytes(R"({"token_serial": "ab12", "records": [{"user_type": 1, "distinction": "", "at": )"
                 R"("2026-11-23T15:42:08Z", "id": ")" +
                 id + R"(", "reason": ")" + reason + R"("}], "allowed": [], "cleared": [], "shows_wrong_pins": []})"),
        FileMode::public_0644, Existing::replace);
  });
}

PinAttempt attempt(HostPins& memory) {
  static const SystemClock clock;
  return PinAttempt(memory, clock, {kSubject},
                    {.token = "token web", .source = "file:web.pin", .uri = "pkcs11:token=web", .next = "retry"});
}

}  // namespace

TEST_CASE("a refusal that one user wrote down counts for every other and says whose it is") {
  const Host host;
  Host::as(kAnn, [] { pins().record(kRefusal); });
  const auto seen = Host::as(kBob, [] { return pins().refused(kSubject); });
  REQUIRE(seen.has_value());
  CHECK(seen->at == kRefusal.at);
  CHECK(seen->state.words() == "CKR_PIN_INCORRECT");
  CHECK(seen->recorded_by == kAnn);
  CHECK_FALSE(Host::as(kAnn, [] { return pins().refused(kSubject)->recorded_by; }).has_value());
  PinSubject other = kSubject;
  other.user_type = kSecurityOfficer;
  CHECK_FALSE(pins().refused(other).has_value());
  other = kSubject;
  other.token_serial = "ab13";
  CHECK_FALSE(pins().refused(other).has_value());
}

TEST_CASE("a user can forget a refusal for himself and root for all") {
  const Host host;
  Host::as(kAnn, [] { pins().record(kRefusal); });
  Host::as(kBob, [] { pins().clear(kSubject); });
  CHECK_FALSE(Host::as(kBob, [] { return pins().refused(kSubject); }).has_value());
  CHECK(Host::as(kAnn, [] { return pins().refused(kSubject); }).has_value());
  CHECK(pins().refused(kSubject).has_value());
  pins().clear(kSubject);
  CHECK_FALSE(Host::as(kAnn, [] { return pins().refused(kSubject); }).has_value());
  CHECK_FALSE(pins().refused(kSubject).has_value());
  // What comes after that counts again, for all of them.
  Host::as(kAnn, [] { pins().record(kRefusal); });
  CHECK(Host::as(kBob, [] { return pins().refused(kSubject); }).has_value());
  CHECK(pins().refused(kSubject).has_value());
}

TEST_CASE("what a user plants in another's name is not believed") {
  const Host host;
  Host::as(kAnn, [] { pins().record(kRefusal); });
  const std::string words = to_text(read_file(host.page(kAnn)));
  SECTION("a file that would allow it in the name of root") {
    Host::as(kBob, [&] {
      const auto id = words.substr(words.find("\"id\": \"") + 7, 16);
      write_file(host.page(0),
                 as_bytes(R"({"token_serial": "ab12", "records": [], "allowed": [")" + id +
                          R"("], "cleared": [], "shows_wrong_pins": [""]})"),
                 FileMode::public_0644, Existing::refuse);
    });
    CHECK(Host::as(kAnn, [] { return pins().refused(kSubject); }).has_value());
    CHECK_FALSE(Host::as(kAnn, [] { return pins().shows_wrong_pins(kSubject); }));
  }
  SECTION("a file whose name is only almost that of another's") {
    for (const std::string name : {"-01001", "-001001", "-1001 ", "-+1001"}) {
      Host::as(kBob, [&] {
        std::string path = host.page(kAnn).string();
        path.replace(path.rfind("-1001"), 5, name);
        write_file(path, as_bytes("{}"), FileMode::public_0644, Existing::refuse);
      });
    }
    CHECK(Host::as(kBob, [] { return pins().refused(kSubject); }).has_value());
    CHECK(Host::as(kAnn, [] { return pins().refused(kSubject); }).has_value());
    CHECK(pins().refused(kSubject).has_value());
    PinSubject other = kSubject;
    other.user_type = kSecurityOfficer;
    Host::as(kAnn, [&] { pins().clear(other); });
    CHECK(Host::as(kAnn, [] { return pins().refused(kSubject); }).has_value());
  }
  SECTION("what is there before root's first record does not become its owner's") {
    Host::as(kBob, [&] {
      if (GENERATE(true, false)) {
        write_file(host.page(0), as_bytes("{}"), FileMode::public_0644, Existing::refuse);
      } else {
        std::filesystem::create_symlink("/nonexistent/x", host.page(0));
      }
    });
    PinSubject other = kSubject;
    other.user_type = kSecurityOfficer;
    PinRefusal refusal = kRefusal;
    refusal.subject = other;
    pins().record(refusal);
    struct stat status {};
    REQUIRE(::lstat(host.page(0).c_str(), &status) == 0);
    CHECK(S_ISREG(status.st_mode));
    CHECK(status.st_uid == 0);
    CHECK(status.st_gid == 0);
    CHECK((status.st_mode & 07777) == 0644);
    CHECK(pins().refused(other).has_value());
    CHECK(Host::as(kAnn, [&] { return pins().refused(other); }).has_value());
  }
  SECTION("a link to a file of root's") {
    const TempFolder elsewhere;
    write_file(elsewhere.path() / "x", as_bytes(words), FileMode::public_0644, Existing::refuse);
    Host::as(kBob, [&] { std::filesystem::create_symlink(elsewhere.path() / "x", host.page(0)); });
    Host::as(kAnn, [] { pins().clear(kSubject); });
    CHECK_FALSE(Host::as(kAnn, [] { return pins().refused(kSubject); }).has_value());
  }
  SECTION("his own page cannot be put where another's is") {
    const Error error = error_of([&] {
      Host::as(kBob, [&] { write_file(host.page(kAnn), as_bytes("{}"), FileMode::public_0644, Existing::replace); });
    });
    CHECK(error.kind() == ErrorKind::denied);
  }
  SECTION("a page that is in the way of one's own is an error that names its owner") {
    Host::as(kAnn, [&] { write_file(host.page(kBob), as_bytes("{}"), FileMode::public_0644, Existing::refuse); });
    const Error error = error_of([&] { Host::as(kBob, [] { pins().record(kRefusal); }); });
    CHECK(error.kind() == ErrorKind::unavailable);
    CHECK(error.message().ends_with("; a file of uid 1001 is there"));
    CHECK(error.detail("owner_uid") == "1001");
  }
  SECTION("a pipe is not waited for") {
    Host::as(kBob, [&] { REQUIRE(::mkfifo(host.page(kBob).c_str(), 0666) == 0); });
    CHECK(Host::as(kAnn, [] { return pins().refused(kSubject); }).has_value());
  }
}

TEST_CASE("a page that cannot be read counts as a refusal until a person says otherwise") {
  const Host host;
  SECTION("its text is broken") {
    Host::as(kAnn, [&] { write_file(host.page(kAnn), as_bytes("{"), FileMode::public_0644, Existing::refuse); });
  }
  SECTION("its user hides it") {
    Host::as(kAnn, [&] { write_file(host.page(kAnn), as_bytes("{}"), FileMode::private_0600, Existing::refuse); });
  }
  for (const uid_t user : {kBob, kAnn}) {
    CHECK(Host::as(user, [] { return pins().refused(kSubject); }).has_value());
    Host::as(user, [] { pins().clear(kSubject); });
    CHECK_FALSE(Host::as(user, [] { return pins().refused(kSubject); }).has_value());
  }
}

TEST_CASE("an allowance is for one record of one user about one PIN") {
  const Host host;
  PinRefusal officer = kRefusal;
  officer.subject = kOfficer;
  Host::as(kAnn, [&] { pins().record(officer); });
  const std::string words = to_text(read_file(host.page(kAnn)));
  const std::string id = words.substr(words.find("\"id\": \"") + 7, 16);
  SECTION("another user's record with the id of that one") {
    forge(host, id, "CKR_PIN_INCORRECT");
  }
  SECTION("another PIN's record of the same user with the id of that one") {
    Host::as(kAnn, [&] {
      std::string both = words;
      const std::size_t begin = both.find('{', both.find("\"records\""));
      std::string copy = both.substr(begin, both.find('}', begin) - begin + 1);
      copy.replace(copy.find("\"user_type\": 0"), 14, "\"user_type\": 1");
      both.insert(begin, copy + ",");
      write_file(host.page(kAnn), as_bytes(both), FileMode::public_0644, Existing::replace);
    });
  }
  for (const uid_t user : {kBob, uid_t{0}}) {
    REQUIRE(Host::as(user, [] { return pins().refused(kSubject); }).has_value());
    Host::as(user, [] { pins().clear(kSubject); });
    CHECK_FALSE(Host::as(user, [] { return pins().refused(kSubject); }).has_value());
    CHECK(Host::as(user, [] { return pins().refused(kOfficer); }).has_value());
    CHECK(Host::as(kAnn, [] { return pins().refused(kOfficer); }).has_value());
  }
}

TEST_CASE("an allowance for a page that cannot be read is for one PIN and one user's page as it is") {
  const Host host;
  const auto mode = GENERATE(FileMode::private_0600, FileMode::public_0644);
  for (const uid_t user : {kAnn, kEve}) {
    Host::as(user, [&] { write_file(host.page(user), as_bytes("{"), mode, Existing::refuse); });
  }
  Host::as(kBob, [] { pins().clear(kSubject); });
  CHECK_FALSE(Host::as(kBob, [] { return pins().refused(kSubject); }).has_value());
  CHECK(Host::as(kBob, [] { return pins().refused(kOfficer); }).has_value());
  SECTION("it is written again") {
    Host::as(kEve, [&] { write_file(host.page(kEve), as_bytes("{ "), mode, Existing::replace); });
    CHECK(Host::as(kBob, [] { return pins().refused(kSubject); }).has_value());
  }
  SECTION("another user's page is as unreadable") {
    constexpr uid_t kDan = 1004;
    Host::as(kDan, [&] { write_file(host.page(kDan), as_bytes("{"), mode, Existing::refuse); });
    CHECK(Host::as(kBob, [] { return pins().refused(kSubject); }).has_value());
  }
}

TEST_CASE("nothing that another user writes makes one's own page longer than it can be read") {
  const Host host;
  SECTION("a long id and a long reason") {
    forge(host, std::string(69'350, 'a'), std::string(69'350, 'b'));
    CHECK(Host::as(kBob, [] { return pins().refused(kSubject); })->state.words() == std::string(200, 'b'));
  }
  SECTION("a reason that is cut within a character") {
    forge(host, "a", std::string(199, 'b') + "\u00fc");
    CHECK(Host::as(kBob, [] { return pins().refused(kSubject); })->state.words() == std::string(199, 'b'));
  }
  SECTION("many records") {
    Host::as(kEve, [&] {
      std::string records;
      for (int i = 0; i < 3000; ++i) {
        records += (i == 0 ? "" : ",") +
                   (R"({"user_type": 1, "distinction": "", "at": "2026-11-23T15:42:08Z", "reason": "x", "id": ")" +
                    std::to_string(i) + "\"}");
      }
      write_file(host.page(kEve),
                 as_bytes(R"({"token_serial": "ab12", "records": [)" + records +
                          R"(], "allowed": [], "cleared": [], "shows_wrong_pins": []})"),
                 FileMode::public_0644, Existing::refuse);
    });
    CHECK(Host::as(kBob, [] { return pins().refused(kSubject); })->state.words().starts_with("unreadable record "));
  }
  SECTION("a page without an end") {
    Host::as(kEve, [&] {
      write_file(host.page(kEve), as_bytes(std::string(2'000'000, ' ')), FileMode::public_0644, Existing::refuse);
    });
    CHECK(Host::as(kBob, [] { return pins().refused(kSubject); })->state.words().starts_with("unreadable record "));
  }
  REQUIRE(Host::as(kBob, [] { return pins().refused(kSubject); }).has_value());
  Host::as(kBob, [] { pins().clear(kSubject); });
  CHECK_FALSE(Host::as(kBob, [] { return pins().refused(kSubject); }).has_value());
  CHECK(std::filesystem::file_size(host.page(kBob)) < 1000);
}

TEST_CASE("another user's record never becomes one's own") {
  const Host host;
  SECTION("a second attempt that is said to have been cut short") {
    forge(host, "a", "open after CKR_DEVICE_ERROR");
    Host::as(kBob, [] {
      HostPins memory = pins();
      const Error error = error_of([&] { attempt(memory).begin(); });
      CHECK(error.kind() == ErrorKind::denied);
      CHECK(error.message().find("uid 1003 on this host tried it") != std::string::npos);
    });
  }
  SECTION("one that is said to have been cut short while the token counts a wrong PIN") {
    forge(host, "a", "open");
    Host::as(kBob, [] {
      HostPins memory = pins();
      CHECK(error_of([&] { attempt(memory).begin({.wrong_pin_counted = true}); }).kind() == ErrorKind::denied);
    });
  }
  SECTION("a refusal before a retry that was not judged") {
    forge(host, "a", "CKR_PIN_INCORRECT");
    Host::as(kBob, [] {
      HostPins memory = pins();
      PinAttempt again = attempt(memory);
      again.begin_again();
      again.not_judged();
      CHECK(memory.refused(kSubject).has_value());
      CHECK(memory.refused(kSubject)->recorded_by == kEve);
    });
  }
  CHECK_FALSE(std::filesystem::exists(host.page(kBob)));
  Host::as(kEve, [&] { std::filesystem::remove(host.page(kEve)); });
  CHECK_FALSE(Host::as(kBob, [] { return pins().refused(kSubject); }).has_value());
}

TEST_CASE("another user's record does not hide how one's own attempts stand") {
  const Host host;
  PinRefusal mine = kRefusal;
  mine.state = AttemptState::from_words("unclear: CKR_DEVICE_ERROR again");
  Host::as(kBob, [&] { pins().record(mine); });
  forge(host, "a", "unclear: CKR_DEVICE_ERROR");  // a second later
  CHECK(Host::as(kBob, [] { return pins().refused(kSubject); })->state.words() == mine.state.words());
}

TEST_CASE("what a retry replaced is there again when its PIN was not judged, unless root allowed it") {
  const Host host;
  Host::as(kBob, [] { pins().record(kRefusal); });
  const bool allowed = GENERATE(false, true);
  if (allowed) pins().clear(kSubject);
  Host::as(kBob, [&] {
    HostPins memory = pins();
    PinAttempt again = attempt(memory);
    again.begin_again();
    again.not_judged();
    CHECK(memory.refused(kSubject).has_value() == !allowed);
  });
}

TEST_CASE("a retry after three unclear answers says once that one of them came again") {
  const Host host;
  PinRefusal third = kRefusal;
  third.state = AttemptState::from_words("CKR_DEVICE_ERROR after CKR_GENERAL_ERROR again");
  Host::as(kBob, [&] {
    HostPins memory = pins();
    memory.record(third);
    PinAttempt again = attempt(memory);
    again.begin_again();
    CHECK(memory.refused(kSubject)->state.words() == "open after CKR_DEVICE_ERROR after CKR_GENERAL_ERROR again");
  });
}

TEST_CASE("a page that cannot be opened is not taken for one that is not there") {
  const Host host;
  Host::as(kAnn, [] { pins().record(kRefusal); });
  rlimit before{};
  REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
  const int next = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  REQUIRE(next >= 0);
  ::close(next);
  // The folder can be opened and the page in it cannot.
  const rlimit one_more{static_cast<rlim_t>(next) + 1, before.rlim_max};
  std::optional<Error> error;
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &one_more) == 0);
  try {
    (void)pins().refused(kSubject);
  } catch (const Error& thrown) {
    error = thrown;
  }
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &before) == 0);
  REQUIRE(error.has_value());
  CHECK(error->kind() == ErrorKind::unavailable);
  CHECK(error->message().ends_with(": Too many open files"));
}

TEST_CASE("what outlives a restart counts until a success that came after it") {
  const Host host;
  const auto lasting = std::make_shared<MemoryPinRefusals>();
  HostPins one(lasting);
  one.record(kRefusal);
  CHECK(lasting->refused(kSubject).has_value());
  std::filesystem::remove(host.page(0));  // a restart empties the folder
  CHECK(one.refused(kSubject).has_value());
  one.clear(kSubject);
  CHECK_FALSE(lasting->refused(kSubject).has_value());
  // Another store of the same user has its row still.
  const auto other = std::make_shared<MemoryPinRefusals>();
  other->record(kRefusal);
  CHECK_FALSE(HostPins(other).refused(kSubject).has_value());
  PinRefusal newer = kRefusal;
  newer.at = SystemClock().now() + Duration{1000};
  other->record(newer);
  CHECK(HostPins(other).refused(kSubject).has_value());
}

TEST_CASE("that a token shows wrong PINs says nothing about another of its serial number") {
  const Host host;
  PinSubject one = kSubject;
  one.distinction = "slot 1";
  PinSubject other = kSubject;
  other.distinction = "slot 2";
  pins().saw_wrong_pin(one);
  CHECK(pins().shows_wrong_pins(one));
  CHECK(Host::as(kAnn, [&] { return pins().shows_wrong_pins(one); }));
  CHECK_FALSE(pins().shows_wrong_pins(other));
  CHECK_FALSE(pins().shows_wrong_pins(kSubject));
}

TEST_CASE("a good login without anything to forget leaves no file") {
  const Host host;
  pins().clear(kSubject);
  CHECK(host.pages().empty());
}
