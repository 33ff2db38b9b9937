#include "store/sqlite_store.h"
#include "support/cli/cli.h"
#include "support/temp_folder.h"

#include <sys/types.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <filesystem>
#include <string>

using hsmbridge::test::Cli;
using hsmbridge::test::TempFolder;

TEST_CASE("token init makes a token that softhsm2-util and token list show") {
  const Cli cli;
  cli.write("web.pin", "1234\n");
  cli.write("so.pin", "87654321\n");
  const auto made = cli.run({"token", "init", "--module", Cli::module().string(), "--label", "web", "--so-pin",
                             "file:so.pin", "--pin", "file:web.pin", "--json"});
  REQUIRE(made.status == 0);
  CHECK(made.json().at("schema").as_string() == "hsmbridge.token/1");
  const std::string serial = made.json().at("serial").as_string();
  CHECK(cli.other({"softhsm2-util", "--show-slots"}).out.find("Serial number:    " + serial) != std::string::npos);

  const auto list = cli.run({"token", "list", "--module", Cli::module().string()});
  CHECK(list.status == 0);
  CHECK(list.out.find(serial) != std::string::npos);
  CHECK(cli.run(cli.on("web", {"token", "login"})).out == "logged in to token web: the PIN is right\n");
}

TEST_CASE("a token that is there is not initialised again without being told to destroy it") {
  const Cli cli;
  cli.make_token("web");
  cli.write("so.pin", "87654321\n");
  REQUIRE(cli.run(cli.on("web", {"key", "generate", "--label", "a"})).status == 0);
  const std::vector<std::string> again = {"token",   "init",        "--module", Cli::module().string(),
                                          "--label", "web",         "--so-pin", "file:so.pin",
                                          "--pin",   "file:web.pin"};
  CHECK(cli.run(again).status == 1);
  auto destroy = again;
  const auto listed = cli.run({"token", "list", "--module", Cli::module().string(), "--json"}).json();
  const auto slot = listed.at("tokens").as_array().front().at("slot").as_integer();
  destroy.insert(destroy.end(), {"--destroy-everything", "--slot", std::to_string(slot)});
  const auto refused = cli.run(destroy);
  CHECK(refused.status == 4);
  CHECK(refused.err.find("--yes") != std::string::npos);
  CHECK(cli.run(cli.on("web", {"key", "list", "--json"})).json().at("keys").as_array().size() == 1);
}

TEST_CASE("a wrong PIN is tried once and never again until a person says so") {
  const Cli cli;
  cli.make_token("web");
  cli.write("web.pin", "9999\n");
  const auto first = cli.run(cli.on("web", {"key", "list"}));
  CHECK(first.status == 4);
  CHECK(first.out.empty());
  CHECK(first.err.find("9999") == std::string::npos);
  // The right PIN in the same place: still refused, since nobody said that it was mended.
  cli.write("web.pin", "1234\n");
  const auto second = cli.run(cli.on("web", {"key", "list"}));
  CHECK(second.status == 4);
  CHECK(second.err.find("token login") != std::string::npos);
  CHECK(cli.run(cli.on("web", {"token", "login", "--retry"})).status == 0);
  CHECK(cli.run(cli.on("web", {"key", "list"})).status == 0);
}

TEST_CASE("a wrong PIN is sent once whatever its source is called and whichever store remembers it") {
  Cli cli;
  cli.make_token("web");
  cli.write("web.pin", "9999\n");
  cli.configure("store: {path: store.db}\n");
  const auto first = cli.run({"key", "list"});
  CHECK(first.status == 4);
  CHECK(first.err.find("CKR_PIN_INCORRECT from C_Login") != std::string::npos);
  const auto refused = [&](const std::vector<std::string>& arguments) {
    const auto result = cli.run(arguments);
    CHECK(result.status == 4);
    CHECK(result.err.find("was refused at") != std::string::npos);
    CHECK(result.err.find("from C_Login") == std::string::npos);
  };
  std::filesystem::create_symlink(cli / "web.pin", cli / "link.pin");
  cli.write("other.pin", "9999\n");
  cli.set("WRONG", "9999");
  const auto with = [](const std::string& source) {
    return std::vector<std::string>{"key",     "list", "--module", Cli::module().string(),
                                    "--token", "web",  "--pin",    source};
  };
  for (const char* const source : {"file:web.pin", "file:link.pin", "file:other.pin", "env:WRONG"}) {
    refused(with(source));
  }
  cli.configure("store: {path: another.db}\n");
  refused({"key", "list"});
  cli.set("HOME", (cli / "elsewhere").string());
  refused(with("file:web.pin"));
  cli.set("HOME", cli.folder().string());
  // The right PIN changes nothing before somebody says so; then it is right for all.
  cli.write("web.pin", "1234\n");
  refused({"key", "list"});
  CHECK(cli.run({"token", "login", "web", "--retry"}).status == 0);
  CHECK(cli.run({"key", "list"}).status == 0);
  CHECK(cli.run(with("file:web.pin")).status == 0);
  cli.configure("store: {path: store.db}\n");
  CHECK(cli.run({"key", "list"}).status == 0);
}

TEST_CASE("a PIN that is visibly a mistake spends no attempt and one line end is none") {
  Cli cli;
  cli.make_token("web");
  cli.configure();
  for (const char* const value : {"1234", "1234\n", "1234\r\n"}) {
    cli.set("WEB_PIN", value);
    cli.write("pin", value);
    for (const char* const source : {"env:WEB_PIN", "file:pin"}) {
      const auto result =
          cli.run({"token", "login", "--module", Cli::module().string(), "--token", "web", "--pin", source});
      INFO(result.err);
      CHECK(result.status == 0);
    }
  }
  for (const char* const value : {"\xEF\xBB\xBF"
                                  "1234\n",
                                  "1234\n\n", "12\t34"}) {
    cli.write("web.pin", value);
    const auto result = cli.run({"token", "login", "web"});
    CHECK(result.status == 4);
    CHECK(result.err.find("the PIN of token web from file:" + (cli / "web.pin").string()) != std::string::npos);
    CHECK(result.err.find("1234") == std::string::npos);
  }
  cli.write("web.pin", "1234\n");
  CHECK(cli.run({"token", "login", "web"}).status == 0);
}

TEST_CASE("a login killed before its refusal was written is refused once the token counts a wrong PIN") {
  Cli cli;
  cli.make_token("web");
  cli.configure("store: {path: store.db}\n");
  REQUIRE(cli.run({"token", "login", "web"}).status == 0);
  cli.write("web.pin", "9999\n");
  // The first commit writes the attempt down, the second one what became of it.
  cli.set("HSMBRIDGE_FAILPOINT", "store.before-commit:2");
  CHECK(cli.run({"token", "login", "web"}).status == 128 + 9);
  cli.unset("HSMBRIDGE_FAILPOINT");
  cli.write("web.pin", "1234\n");
  const auto refused = cli.run({"token", "login", "web"});
  CHECK(refused.status == 4);
  CHECK(refused.err.find("an attempt cut short; the token counts a wrong PIN") != std::string::npos);
  CHECK(refused.err.find("hsmbridge token login web --retry") != std::string::npos);
  CHECK(cli.run({"token", "login", "web", "--retry"}).status == 0);
  CHECK(cli.run({"key", "list"}).status == 0);
}

TEST_CASE("one login killed with the right PIN allows another and two do not") {
  Cli cli;
  cli.make_token("web");
  cli.configure("store: {path: store.db}\n");
  const auto killed = [&] {
    cli.set("HSMBRIDGE_FAILPOINT", "store.after-commit:1");
    CHECK(cli.run({"token", "login", "web"}).status == 128 + 9);
    cli.unset("HSMBRIDGE_FAILPOINT");
  };
  killed();
  CHECK(cli.run({"token", "login", "web"}).status == 0);
  killed();
  killed();
  const auto refused = cli.run({"token", "login", "web"});
  CHECK(refused.status == 4);
  CHECK(refused.err.find("hsmbridge token login web --retry") != std::string::npos);
  CHECK(cli.run({"key", "list"}).status == 4);
  CHECK(cli.run({"token", "login", "web", "--retry"}).status == 0);
  CHECK(cli.run({"key", "list"}).status == 0);
}

TEST_CASE("a token is named by its name in the configuration or is the only one") {
  const Cli cli;
  cli.make_token("web");
  cli.configure();
  CHECK(cli.run({"token", "show", "web", "--json"}).json().at("label").as_string() == "web");
  CHECK(cli.run({"token", "show", "--json"}).json().at("label").as_string() == "web");
  const auto list = cli.run({"token", "list", "--json"});
  REQUIRE(list.json().at("tokens").as_array().size() == 1);
  CHECK(list.json().at("tokens").as_array()[0].at("name").as_string() == "web");
  const auto unknown = cli.run({"token", "show", "other"});
  CHECK(unknown.status == 1);
}

TEST_CASE("token show counts no login and names what the token signs") {
  const Cli cli;
  cli.make_token("web");
  cli.write("web.pin", "9999\n");
  const auto shown = cli.run(cli.on("web", {"token", "show", "--mechanisms"}));
  CHECK(shown.status == 0);
  CHECK(shown.out.find("CKM_ECDSA ") != std::string::npos);
  const auto list = cli.run({"token", "list", "--module", Cli::module().string()});
  CHECK(list.status == 0);
  cli.write("web.pin", "1234\n");
  CHECK(cli.run(cli.on("web", {"key", "list"})).status == 0);
}

TEST_CASE("whoever may only read the store logs in to a token of his own and has a memory of his own") {
  constexpr uid_t kApprover = 1001;
  const Cli cli;
  cli.make_token("web");
  const std::string store = (cli / "store.db").string();
  cli.configure("store: {path: " + store + "}\n");
  REQUIRE(cli.run({"token", "login", "web"}).status == 0);
  // The store is root's and everybody reads it; token and PIN are the approver's.
  const TempFolder home;
  for (const auto& path : {home.path(), cli / "web.pin", cli / "tokens"}) {
    REQUIRE(cli.other({"chown", "-R", std::to_string(kApprover), path.string()}).status == 0);
  }
  REQUIRE(cli.other({"chmod", "755", cli.folder().string()}).status == 0);
  REQUIRE(cli.other({"chmod", "1777", (cli / ".locks").string()}).status == 0);
  REQUIRE(
      cli.other({"chmod", "-R", "go+rX", store, (cli / ".config").string(), (cli / "softhsm2.conf").string()}).status ==
      0);
  const auto log_in = [&](const std::vector<std::string>& more) {
    std::vector<std::string> words{"setpriv",
                                   "--reuid",
                                   std::to_string(kApprover),
                                   "--clear-groups",
                                   "env",
                                   "HOME=" + home.path().string(),
                                   Cli::program().string(),
                                   "--config",
                                   (cli / ".config/hsmbridge/hsmbridge.yaml").string(),
                                   "token",
                                   "login",
                                   "web"};
    words.insert(words.end(), more.begin(), more.end());
    return cli.other(words);
  };
  const auto good = log_in({});
  INFO(good.err);
  CHECK(good.status == 0);
  CHECK(good.out.find("the PIN is right") != std::string::npos);
  const auto pin = [&](const std::string& value) {
    cli.write("web.pin", value + "\n");
    REQUIRE(cli.other({"chown", std::to_string(kApprover), (cli / "web.pin").string()}).status == 0);
  };
  pin("0000");
  CHECK(log_in({}).err.find("CKR_PIN_INCORRECT") != std::string::npos);
  pin("1234");
  CHECK(log_in({}).err.find("it is not tried again") != std::string::npos);
  CHECK_FALSE(std::filesystem::is_empty(home.path() / ".local/state/hsmbridge/pin-refusals"));
  const auto again = log_in({"--retry"});
  CHECK(again.status == 0);
  CHECK(again.err.find("this is in no audit log") != std::string::npos);
  CHECK(log_in({}).status == 0);

  // What the store remembers counts for its readers too, while a process has it open.
  cli.write("web.pin", "0000\n");
  REQUIRE(cli.other({"chown", "0", (cli / "web.pin").string()}).status == 0);
  REQUIRE(cli.run({"token", "login", "web"}).err.find("CKR_PIN_INCORRECT") != std::string::npos);
  pin("1234");
  for (const auto& file : std::filesystem::directory_iterator(cli / ".locks")) std::filesystem::remove(file.path());
  const hsmbridge::SystemClock clock;
  const auto open = hsmbridge::store::SqliteStore::open(store, clock);
  CHECK(log_in({}).err.find("it is not tried again") != std::string::npos);
}
