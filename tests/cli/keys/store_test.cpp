// Commands about the store and its audit log, and what is refused before they run.
#include "support/cli/cli.h"

#include <catch2/catch.hpp>
#include <filesystem>
#include <string>
#include <vector>

using hsmbridge::Json;
using hsmbridge::test::Cli;

namespace {

struct Bridge {
  Cli cli;
  std::string store = (cli / "store.db").string();
  Bridge() {
    cli.make_token("web");
    cli.configure("store: {path: " + store + "}\n");
    REQUIRE(cli.run({"key", "generate", "--token", "web", "--label", "a", "--spec", "ec:P-256"}).status == 0);
  }
  void sql(const std::string& text) const { REQUIRE(cli.other({"sqlite3", store, text}).status == 0); }
  void lose() const {
    for (const char* side : {"", "-wal", "-shm"}) std::filesystem::remove(store + side);
  }
};

}  // namespace

TEST_CASE_METHOD(Bridge, "audit verify prints the head, and names what was changed") {
  const auto good = cli.run({"audit", "verify", "--json"});
  INFO(good.out << good.err);
  CHECK(good.status == 0);
  CHECK(good.json().at("entries").as_integer() >= 2);
  CHECK(good.json().at("root_sha256").as_string().size() == 64);
  sql("DROP TRIGGER leaves_never_change; UPDATE leaves SET data = x'7b7d' WHERE position = 0");
  const auto bad = cli.run({"audit", "verify"});
  CHECK(bad.status == 1);
  CHECK(bad.out.find("leaf 0 was changed: its data does not have its hash") != std::string::npos);
  CHECK(bad.out.find("the trigger leaves_never_change is missing") != std::string::npos);
  CHECK(cli.run({"doctor"}).out.find("leaf 0 was changed") != std::string::npos);
}

TEST_CASE_METHOD(Bridge, "a store that is gone is not made again but by store init") {
  lose();
  const auto refused = cli.run({"request", "list"});
  CHECK(refused.status != 0);
  CHECK(refused.err.find("is missing, and a store with") != std::string::npos);
  CHECK(refused.err.find("hsmbridge store init --start-over") != std::string::npos);
  CHECK_FALSE(cli.exists("store.db"));
  CHECK(cli.run({"doctor"}).out.find("FAULT  store: " + store + " is gone") != std::string::npos);
  CHECK(cli.run({"store", "init"}).status != 0);
  CHECK(cli.run({"store", "init", "--start-over"}).status == 0);
  CHECK(cli.run({"request", "list"}).status == 0);
  CHECK(cli.run({"store", "init", "--start-over"}).err.find("exists already and was not touched") != std::string::npos);
}

TEST_CASE_METHOD(Bridge, "a backup that is put back says so until it is accepted") {
  const std::string copy = (cli / "copy.db").string();
  CHECK(cli.run({"store", "backup", copy}).status == 0);
  CHECK(cli.run({"store", "backup", copy}).err.find("File exists") != std::string::npos);
  REQUIRE(cli.run({"key", "generate", "--token", "web", "--label", "b", "--spec", "ec:P-256"}).status == 0);
  lose();
  std::filesystem::copy_file(copy, store);
  const auto doctor = cli.run({"doctor"});
  CHECK(doctor.status == 1);
  CHECK(doctor.out.find("is an older copy: it has") != std::string::npos);
  CHECK(cli.run({"request", "list"}).err.find("store accept-restored") != std::string::npos);
  CHECK(cli.run({"store", "accept-restored"}).out.find("accepted") == 0);
  CHECK(cli.run({"store", "accept-restored"}).out.find("not an older copy") != std::string::npos);
  CHECK(cli.run({"doctor"}).status == 0);
}

TEST_CASE_METHOD(Bridge, "store, configuration and PIN file are refused when others may write them") {
  using std::filesystem::perms;
  const auto refused = [&](const std::string& path) {
    std::filesystem::permissions(path, perms::group_write, std::filesystem::perm_options::add);
    const auto result = cli.run({"key", "generate", "--token", "web", "--label", "c", "--spec", "ec:P-256"});
    std::filesystem::permissions(path, perms::group_write, std::filesystem::perm_options::remove);
    INFO(result.err);
    CHECK(result.status == 4);
    return result.err.find("chmod go-w " + path) != std::string::npos;
  };
  CHECK(refused(store));
  CHECK(refused((cli / ".config/hsmbridge/hsmbridge.yaml").string()));
}

TEST_CASE("a store that must exist is made by store init alone") {
  Cli cli;
  cli.make_token("web");
  const std::string store = (cli / "disk/store.db").string();
  cli.configure("store: {path: " + store + ", must_exist: true}\n");
  for (const std::vector<std::string>& command : {std::vector<std::string>{"request", "list"},
                                                  {"run"},
                                                  {"store", "accept-restored"},
                                                  {"token", "login", "web"}}) {
    const auto refused = cli.run(command);
    INFO(refused.out << refused.err);
    CHECK(refused.status == 1);
    CHECK(refused.err.find("there is no store " + store) != std::string::npos);
    CHECK(refused.err.find("to begin a new one: hsmbridge store init") != std::string::npos);
  }
  CHECK(cli.run({"doctor"}).out.find("is not there, and the configuration says that it must be") != std::string::npos);
  CHECK_FALSE(cli.exists("disk"));
  CHECK(cli.run({"store", "init"}).status == 0);
  CHECK(cli.run({"request", "list"}).status == 0);
  CHECK(cli.run({"token", "login", "web"}).status == 0);
  // The disk is gone, with all that lay next to the store.
  std::filesystem::rename(cli / "disk", cli / "unmounted");
  CHECK(cli.run({"request", "list"}).status == 1);
  CHECK_FALSE(cli.exists("disk"));
}
