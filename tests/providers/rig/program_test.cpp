#include "providers/rig/bench.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>

using namespace hsmbridge;
using namespace hsmbridge::test;

extern char** environ;

namespace {

// hsmbridge-rig serve tsb in a process of its own.
class ServingProcess {
 public:
  ServingProcess(const std::filesystem::path& dir, std::vector<std::string> more = {}) {
    std::vector<std::string> words{HSMBRIDGE_RIG, "serve", "tsb", "--dir", dir.string()};
    words.insert(words.end(), more.begin(), more.end());
    std::vector<char*> arguments;
    for (std::string& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    std::filesystem::remove(dir / "tsb.json");
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
    const int code = ::posix_spawn(&pid_, HSMBRIDGE_RIG, &actions, nullptr, arguments.data(), environ);
    ::posix_spawn_file_actions_destroy(&actions);
    if (code != 0) throw std::runtime_error("cannot start the rig");
    for (int i = 0; i < 1000 && !std::filesystem::exists(dir / "tsb.json"); ++i) {
      const timespec pause{0, 10'000'000};
      ::nanosleep(&pause, nullptr);
    }
  }
  ~ServingProcess() {
    if (pid_ > 0) stop(SIGKILL);
  }
  ServingProcess(const ServingProcess&) = delete;
  ServingProcess& operator=(const ServingProcess&) = delete;

  // The raw wait status.
  int stop(int signal_number) {
    ::kill(pid_, signal_number);
    int status = 0;
    ::waitpid(pid_, &status, 0);
    pid_ = -1;
    return status;
  }

 private:
  pid_t pid_ = -1;
};

Finished rig_command(const std::string& words) {
  return run_program(std::string(HSMBRIDGE_RIG) + " " + words);
}

}  // namespace

TEST_CASE("the commands set up a CA and break and journal a running simulator") {
  const TempFolder folder;
  const std::string dir = folder.path().string();
  for (const char* who : {"alice", "bob"}) {
    REQUIRE(
        run_program("openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out " + dir + "/" + who + ".key")
            .status == 0);
    REQUIRE(
        run_program("openssl pkey -in " + dir + "/" + who + ".key -pubout -out " + dir + "/" + who + ".pem").status ==
        0);
  }
  REQUIRE(
      run_program("openssl req -x509 -key " + dir + "/bob.key -subj /CN=bob -out " + dir + "/bob-cert.pem").status ==
      0);
  ServingProcess serving(folder.path());

  const Finished made = rig_command(
      "tsb create-ca --dir " + dir +
      " --label ca-key --subject 'CN=Rig CA,O=Example' --group security --quorum 1 --approver alice=" + dir +
      "/alice.pem --group audit --approver bob=" + dir + "/bob-cert.pem --timelock 60");
  CHECK(made.output == "key 'ca-key' is at the TSB, its CA certificate in " + dir + "/ca-key.pem\n");
  CHECK(run_program("openssl verify -CAfile " + dir + "/ca-key.pem " + dir + "/ca-key.pem").output ==
        dir + "/ca-key.pem: OK\n");

  const Json description = Json::parse(as_text(read_file(folder / "tsb.json")));
  const std::string url = description.at("url").as_string();
  const auto key = [&](const char* role) { return description.at("api_keys").at(role).as_array()[0].as_string(); };
  const std::string curl = "curl -s --cacert " + dir + "/ca.pem -H 'Content-Type: application/json' -H 'X-API-KEY: ";
  const Json attributes = Json::parse(
      run_program(curl + key("keyManagementToken") + "' -d '{\"label\":\"ca-key\"}' " + url + "/v1/key/attributes")
          .output);
  const Json token_json = attributes.at("json").at("policy").at("ruleUse").at("tokens").as_array().at(0);
  CHECK(token_json.at("timelock").as_integer() == 60);
  CHECK(token_json.at("timeout").as_integer() == 86400);
  const Json::Array groups = token_json.at("groups").as_array();
  REQUIRE(groups.size() == 2);
  CHECK(groups[0].at("name").as_string() == "security");
  CHECK(groups[1].at("approvals").as_array().at(0).at("type").as_string() == "certificate");

  CHECK(rig_command("fault --dir " + dir + " --kind status --status 503 --method POST --path /v1/sign").output ==
        "{\"id\":1}\n");
  write_text(folder / "sign.json", Bench::sign_body("ca-key", "SHA256_WITH_ECDSA", as_bytes("m")).dump());
  const std::string submit =
      curl + key("keyOperationToken") + "' -w '%{http_code}' -d @" + dir + "/sign.json " + url + "/v1/sign";
  CHECK(run_program(submit).output ==
        R"({"errorCode":701,"reason":"res.error.in.hsm","message":"Error in the HSM"}503)");
  const Finished submitted = run_program(submit);
  CHECK(submitted.output.substr(submitted.output.size() - 3) == "201");
  const Finished journal = rig_command("journal --dir " + dir);
  CHECK(journal.output.find(R"("path":"/v1/sign")") != std::string::npos);

  CHECK(rig_command("clock --dir " + dir + " --advance 2d").output.find(R"("advanced_seconds":172800)") !=
        std::string::npos);
  const std::string id = submitted.output.substr(18, 36);
  CHECK(Json::parse(run_program(curl + key("keyOperationToken") + "' " + url + "/v1/request/" + id).output)
            .at("status")
            .as_string() == "EXPIRED");

  CHECK(serving.stop(SIGTERM) == 0);
  CHECK(rig_command("faults --dir " + dir).status == 5);
}

TEST_CASE("a killed simulator starts again with everything it had answered") {
  const TempFolder folder;
  const std::string dir = folder.path().string();
  REQUIRE(run_program("openssl genpkey -algorithm ED25519 -out " + dir + "/alice.key").status == 0);
  REQUIRE(run_program("openssl pkey -in " + dir + "/alice.key -pubout -out " + dir + "/alice.pem").status == 0);
  {
    ServingProcess serving(folder.path());
    REQUIRE(rig_command("tsb create-ca --dir " + dir + " --label one --approver alice=" + dir + "/alice.pem").status ==
            0);
    serving.stop(SIGKILL);
  }
  ServingProcess again(folder.path());
  const Finished taken =
      rig_command("tsb create-ca --dir " + dir + " --label one --approver alice=" + dir + "/alice.pem");
  CHECK(taken.status == 4);
  CHECK(taken.output.find("\"errorCode\":608") != std::string::npos);
  CHECK(rig_command("reset --dir " + dir).status == 0);
  CHECK(rig_command("tsb create-ca --dir " + dir + " --label one --approver alice=" + dir + "/alice.pem").status == 0);
}

TEST_CASE("what is wrong on the command line is said in one sentence with exit code 2") {
  const TempFolder folder;
  const std::string dir = folder.path().string();
  const auto fails = [](const std::string& words, const std::string& sentence) {
    const Finished finished = rig_command(words);
    CHECK(finished.status == 2);
    CHECK(finished.output.substr(0, finished.output.find('\n')) == "hsmbridge-rig: " + sentence);
  };
  fails("dance", "there is no command \"dance\"");
  fails("serve tsb", "--dir DIR is missing");
  fails("serve tsb --dirt x", "serve tsb has no option --dirt");
  fails("serve tsb --dir", "--dir requires a value: DIR");
  fails("serve tsb --dir " + dir + " --generation 9", "--generation is 2.0, 2.2 or 2.5, not '9'");
  fails("serve tsb --dir " + dir + " --port x", "--port must be a whole number from 0 to 65535, not \"x\"");
  CHECK(rig_command("clock --dir " + dir + "/none --advance 1h").status == 1);
  CHECK(rig_command("--help").status == 0);
  CHECK(rig_command("serve tsb --help").output.find("--allow-short-times") != std::string::npos);
}
