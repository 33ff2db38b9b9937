// What a process wants before it submits a request, by the configuration that it read.
#include "base/error.h"
#include "support/cli/cli.h"
#include "support/said.h"
#include "tools/hsmbridge/wiring/wiring.h"
#include "workflow/machine/order.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <filesystem>
#include <string>
#include <vector>

using namespace hsmbridge;
using test::Cli;

namespace {

struct Configured {
  Cli place;
  workflow::Order order;

  Configured() {
    place.write("key", "secret\n");
    order.provider = "tsb";
    order.profile = "server";
    order.created_by = "uid:hsmbridge";
    order.asked_by = {"uid:asmith"};
  }
  // `more`: of the profile.
  std::filesystem::path write(const std::string& more = "") const {
    return place.write(
        "c.yaml", "store: {path: " + (place / "s.db").string() + "}\ntokens:\n  web: {module: " +
                      Cli::module().string() + ", uri: \"pkcs11:token=web\", pin: \"file:web.pin\"}\nproviders:\n" +
                      "  tsb: {type: securosys-tsb, url: \"https://127.0.0.1:1\", ca: ca.pem, api_keys: " +
                      "{key_operation: \"file:key\"}, sign_key: ca}\npeople:\n" +
                      "  alice: {public_key: alice.pub, accounts: [alice, asmith]}\n" +
                      "profiles:\n  server: {provider: tsb, token: web" + more + ", anchors: [ca.pem]}\n");
  }
};

}  // namespace

TEST_CASE_METHOD(Configured, "nothing is released by a configuration that is not the one that is there") {
  const auto wiring = cli::Wiring::open(write());
  const auto terms = wiring->release_terms(order);
  CHECK_FALSE(terms.approval);
  CHECK_FALSE(terms.command);
  CHECK(terms.requesters == std::vector<std::string>{"alice"});
  write(", operator_command: true");
  const auto refused = [&] {
    try {
      wiring->release_terms(order);
    } catch (const Error& error) {
      CHECK(error.kind() == ErrorKind::unavailable);
      return error.message();
    }
    return std::string("released");
  };
  CHECK(refused().find("was changed since this process read it") != std::string::npos);
  CHECK(cli::Wiring::open(place / "c.yaml")->release_terms(order).command);
  write();  // as it was
  CHECK(refused() == "released");
  // Nor is a pipe waited for that was put there instead.
  std::filesystem::remove(place / "c.yaml");
  REQUIRE(::mkfifo((place / "c.yaml").c_str(), 0600) == 0);
  ::alarm(20);
  CHECK_THROWS_WITH(wiring->release_terms(order), Catch::EndsWith(" is a named pipe, not a file"));
  ::alarm(0);
}

TEST_CASE_METHOD(Configured, "what a configuration that came through a pipe says is released") {
  const std::string text = place.read(write().filename());
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  REQUIRE(::write(ends[1], text.data(), text.size()) == static_cast<ssize_t>(text.size()));
  ::close(ends[1]);
  const auto wiring = cli::Wiring::open("/dev/fd/" + std::to_string(ends[0]));
  CHECK_FALSE(wiring->release_terms(order).command);
  ::close(ends[0]);
  CHECK_FALSE(wiring->release_terms(order).command);
}

TEST_CASE_METHOD(Configured, "the log says once that a configuration waits to be read") {
  const auto wiring = cli::Wiring::open(write());
  const auto said = [&] {
    return test::said_meanwhile([&] {
      for (int times = 0; times < 3; ++times) CHECK_THROWS_AS(wiring->release_terms(order), Error);
    });
  };
  const std::string words = (place / "c.yaml").string() +
                            " was changed since it was read: no certificate is submitted before it is read again "
                            "(systemctl reload hsmbridge)";
  write(", validity: 30d");
  const std::string first = said();
  CHECK(first.find(words) != std::string::npos);
  CHECK(std::count(first.begin(), first.end(), '\n') == 1);
  CHECK(said().empty());
  write(", validity: 60d");  // changed once more
  CHECK(said().find(words) != std::string::npos);
  write();
  CHECK(test::said_meanwhile([&] { wiring->release_terms(order); }).empty());
}
