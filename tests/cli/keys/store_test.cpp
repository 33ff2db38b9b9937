// Commands about the store and its audit log, and what is refused before they run.
#include "support/cli/cli.h"

#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
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
  CHECK(cli.run({"doctor"}).out.find("is missing, and the configuration says that it must be there") !=
        std::string::npos);
  CHECK_FALSE(cli.exists("disk"));
  std::filesystem::create_directory(cli / "disk");
  std::ofstream{store};
  const auto empty = cli.run({"request", "list"});
  CHECK(empty.status == 1);
  CHECK(empty.err.find("the store " + store + " is empty") != std::string::npos);
  CHECK(cli.run({"doctor"}).out.find("is empty, and the configuration says that it must be there") !=
        std::string::npos);
  CHECK(std::filesystem::file_size(store) == 0);
  CHECK(cli.run({"store", "init"}).status == 0);
  CHECK(cli.run({"request", "list"}).status == 0);
  CHECK(cli.run({"token", "login", "web"}).status == 0);
  // The disk is gone, with all that lay next to the store.
  std::filesystem::rename(cli / "disk", cli / "unmounted");
  CHECK(cli.run({"request", "list"}).status == 1);
  CHECK_FALSE(cli.exists("disk"));
}

TEST_CASE("doctor changes nothing at a store of an older version") {
  Cli cli;
  cli.make_token("web");
  const std::string store = (cli / "store.db").string();
  cli.configure("store: {path: " + store + "}\n");
  REQUIRE(cli.other({"sqlite3", store, ".read " HSMBRIDGE_TEST_DATA "/store/version3.sql"}).status == 0);
  const auto before = cli.listing();
  const auto doctor = cli.run({"doctor"});
  INFO(doctor.out << doctor.err);
  CHECK(doctor.status == 0);
  CHECK(doctor.out.find("is of version 3: the next command brings it up to date") != std::string::npos);
  CHECK(cli.other({"sqlite3", store, "PRAGMA user_version"}).out == "3\n");
  CHECK(cli.listing() == before);
}

TEST_CASE_METHOD(Bridge, "who may only read the store lists and shows what is in it") {
  const auto as_reader = [&](std::vector<std::string> words) {
    words.insert(words.begin(), {"setpriv", "--reuid=1001", "--regid=1002", "--clear-groups"});
    return cli.other(words);
  };
  if (::geteuid() != 0) return;  // root alone may become another user
  if (as_reader({"test", "-x", Cli::program().string()}).status != 0) {
    return;  // and another user may not run this build
  }
  for (const char* folder : {"", ".config", ".config/hsmbridge"}) REQUIRE(::chmod((cli / folder).c_str(), 0755) == 0);
  REQUIRE(::chmod((cli / ".config/hsmbridge/hsmbridge.yaml").c_str(), 0644) == 0);
  REQUIRE(::chmod(store.c_str(), 0640) == 0);
  REQUIRE(::chown(store.c_str(), 0, 1002) == 0);
  // As `run` has it open.
  sqlite3* holder = nullptr;
  REQUIRE(sqlite3_open(store.c_str(), &holder) == SQLITE_OK);
  REQUIRE(sqlite3_exec(holder, "SELECT count(*) FROM requests", nullptr, nullptr, nullptr) == SQLITE_OK);
  const std::string program = Cli::program().string();
  for (const std::vector<std::string>& looks : {std::vector<std::string>{program, "request", "list"},
                                                {program, "cert", "list"},
                                                {program, "audit", "verify"}}) {
    const auto looked = as_reader(looks);
    INFO(looked.out << looked.err);
    CHECK(looked.status == 0);
  }
  const auto shown = as_reader({program, "request", "show", "ABCD"});
  INFO(shown.err);
  CHECK(shown.err.find("may not be") == std::string::npos);
  const auto writes = as_reader({program, "store", "accept-restored"});
  INFO(writes.err);
  CHECK(writes.status == 4);
  sqlite3_close(holder);
}
