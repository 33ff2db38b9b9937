#include "base/json.h"
#include "support/bench/bench.h"

#include <catch2/catch.hpp>
#include <csignal>
#include <filesystem>
#include <string>

namespace hsmbridge::test {
namespace {

std::vector<std::string> enroll(const std::string& label, std::vector<std::string> more = {}) {
  std::vector<std::string> words{"enroll",    "--provider", "tsb",   "--profile",          "server",
                                 "--new-key", label,        "--san", "dns:www.example.com"};
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

std::string last_line(const std::string& text) {
  const auto end = text.find_last_not_of('\n');
  if (end == std::string::npos) return "";
  const auto begin = text.find_last_of('\n', end);
  return text.substr(begin == std::string::npos ? 0 : begin + 1,
                     end - (begin == std::string::npos ? 0 : begin + 1) + 1);
}

}  // namespace

TEST_CASE("the main job ends with a certificate next to its key that other programs accept") {
  BenchOptions options;
  Bench bench(options);
  const auto file = (bench / "web.pem").string();
  const auto asked = bench.run(enroll("web-2026", {"--install", "file:" + file}));
  INFO(asked.out << asked.err);
  REQUIRE(asked.status == 3);
  const auto id = Bench::id_in(asked);
  CHECK(last_line(asked.out) == "next: hsmbridge request wait " + id);
  CHECK(bench.state_of(id) == "AwaitingApproval");

  const auto explained = bench.run({"request", "explain", id});
  CHECK(explained.status == 0);
  CHECK(explained.out.find("alice (operators) has not decided yet") != std::string::npos);
  CHECK(explained.out.find("2 of 3 in group operators") != std::string::npos);

  CHECK(bench.approve_all("alice") == 1);
  const auto waiting = bench.run({"request", "wait", id, "--timeout", "2s"});
  CHECK(waiting.status == 3);
  CHECK(waiting.out.find("alice (operators) has approved") != std::string::npos);
  CHECK(bench.approve_all("bob") == 1);
  const auto done = bench.run({"request", "wait", id, "--timeout", "30s"});
  INFO(done.out << done.err << bench.run({"request", "history", id}).out);
  REQUIRE(done.status == 0);

  CHECK(bench.cli().other({"openssl", "verify", "-CAfile", "rig/ca-key.pem", "web.pem"}).out == "web.pem: OK\n");
  const auto text = bench.cli().other({"openssl", "x509", "-in", "web.pem", "-noout", "-text"}).out;
  CHECK(text.find("DNS:www.example.com") != std::string::npos);
  CHECK(text.find("TLS Web Server Authentication") != std::string::npos);
  const auto objects = bench.objects("web-2026");
  CHECK(objects.private_keys == 1);
  CHECK(objects.certificates == 1);
  // The certificate in the token is the one in the file.
  CHECK(bench.cli()
            .pkcs11_tool("web", {"--read-object", "--type", "cert", "--label", "web-2026", "--output-file", "web.der"})
            .status == 0);
  CHECK(bench.cli().other({"openssl", "x509", "-inform", "DER", "-in", "web.der", "-noout", "-fingerprint"}).out ==
        bench.cli().other({"openssl", "x509", "-in", "web.pem", "-noout", "-fingerprint"}).out);
  // Again and again: nothing is ordered twice.
  CHECK(bench.run({"request", "wait", id}).status == 0);
  CHECK(bench.count("POST /v1/sign") == 1);
}

TEST_CASE("a key that exists gets its certificate and stays the only one") {
  BenchOptions options;
  options.quorum = 0;
  Bench bench(options);
  REQUIRE(bench.run({"key", "generate", "--token", "web", "--label", "old", "--spec", "rsa:2048"}).status == 0);
  const auto done = bench.run({"enroll", "--key", "old", "--san", "dns:www.example.com", "--wait", "--timeout", "30s"});
  INFO(done.out << done.err);
  CHECK(done.status == 0);
  const auto objects = bench.objects("old");
  CHECK(objects.private_keys == 1);
  CHECK(objects.certificates == 1);
}

TEST_CASE("each of two keys of one id gets its certificate") {
  BenchOptions options;
  options.quorum = 0;
  Bench bench(options);
  for (const std::string label : {"first", "second"}) {
    REQUIRE(bench.cli()
                .pkcs11_tool("web", {"--keypairgen", "--key-type", "EC:prime256v1", "--label", label, "--id", "0a"})
                .status == 0);
  }
  for (const std::string label : {"first", "second"}) {
    const std::vector<std::string> words{"enroll", "--key", label, "--san", "dns:www.example.com", "--wait"};
    // Another program made them, and SoftHSM takes what it left out for allowed.
    const auto refused = bench.run(words);
    CHECK(refused.status == 4);
    CHECK(refused.err.find("key-may-decrypt, key-may-unwrap, key-may-derive, key-may-sign-recover") !=
          std::string::npos);
    auto accepting = words;
    for (const char* const flaw : {"decrypt", "unwrap", "derive", "sign-recover"}) {
      accepting.insert(accepting.end(), {"--accept", std::string("key-may-") + flaw});
    }
    const auto done = bench.run(accepting);
    INFO(done.out << done.err);
    CHECK(done.status == 0);
  }
  CHECK(bench.objects("first").certificates == 1);
  CHECK(bench.objects("second").certificates == 1);
}

TEST_CASE("trust anchors that are no certificates are refused before anything is asked") {
  BenchOptions options;
  options.quorum = 0;
  Bench bench(options);
  const std::string file = ".config/hsmbridge/hsmbridge.yaml";
  const std::string good = bench.cli().read(file);
  const auto at = good.find("anchors: [");
  REQUIRE(at != std::string::npos);
  REQUIRE(
      bench.cli().other({"openssl", "genpkey", "-algorithm", "ED25519", "-outform", "DER", "-out", "key.der"}).status ==
      0);
  const auto end = good.find(']', at);
  bench.cli().write(file, good.substr(0, at) + "anchors: [" + (bench / "key.der").string() + good.substr(end));
  const auto refused = bench.run(enroll("web-2026"));
  CHECK(refused.status == 2);
  CHECK(refused.err.find((bench / "key.der").string()) != std::string::npos);
  CHECK(bench.objects("web-2026").private_keys == 0);
  CHECK(bench.run({"request", "list"}).out == "no requests\n");
  const auto doctor = bench.run({"doctor"});
  CHECK(doctor.status == 1);
  CHECK(doctor.out.find("key.der") != std::string::npos);
}

TEST_CASE("trust anchors and a CA file that others may write are refused before anything is asked") {
  BenchOptions options;
  options.quorum = 0;
  Bench bench(options);
  const std::string text = bench.cli().read(".config/hsmbridge/hsmbridge.yaml");
  const auto file_of = [&](const std::string& before) {
    const auto at = text.find(before);
    REQUIRE(at != std::string::npos);
    return text.substr(at + before.size(), text.find_first_of("]\n", at) - at - before.size());
  };
  for (const std::string& file : {file_of("anchors: ["), file_of("ca: ")}) {
    INFO(file);
    const auto before = std::filesystem::status(file).permissions();
    std::filesystem::permissions(file, std::filesystem::perms(0666));
    const auto refused = bench.run(enroll("web-2026"));
    INFO(refused.err);
    CHECK(refused.status == 4);
    CHECK(refused.err.find(file + " may be changed by everybody") != std::string::npos);
    CHECK(refused.err.find("chmod go-w " + file) != std::string::npos);
    std::filesystem::permissions(file, before);
  }
  CHECK(bench.objects("web-2026").private_keys == 0);
}

TEST_CASE("the same enroll typed again goes on with the open request") {
  BenchOptions options;
  Bench bench(options);
  const auto first = bench.run(enroll("web-2026"));
  REQUIRE(first.status == 3);
  const auto id = Bench::id_in(first);
  const auto second = bench.run(enroll("web-2026"));
  INFO(second.out << second.err);
  CHECK(second.status == 3);
  CHECK(Bench::id_in(second) == id);
  CHECK(second.err.find("request " + id + " is open for exactly this: going on with it") != std::string::npos);
  bench.approve_all("alice");
  bench.approve_all("bob");
  const auto third = bench.run(enroll("web-2026", {"--wait", "--timeout", "30s"}));
  INFO(third.out << third.err);
  CHECK(third.status == 0);
  CHECK(Bench::id_in(third) == id);
  CHECK(bench.count("POST /v1/sign") == 1);
  CHECK(bench.objects("web-2026").private_keys == 1);
}

TEST_CASE("an enroll for the key of an open request that asks for something else is refused and names it") {
  BenchOptions options;
  Bench bench(options);
  const auto id = Bench::id_in(bench.run(enroll("web-2026")));
  const auto other = bench.run(enroll("web-2026", {"--san", "dns:other.example.com"}));
  CHECK(other.status == 1);
  CHECK(other.err.find("request " + id +
                       " already makes the key web-2026 in token web, and what it asks for is "
                       "something else") != std::string::npos);
  CHECK(bench.count("POST /v1/sign") == 1);
}

TEST_CASE("bad input to enroll gets one sentence and changes nothing") {
  BenchOptions options;
  options.quorum = 0;
  Bench bench(options);
  REQUIRE(bench.run({"key", "generate", "--token", "web", "--label", "taken", "--spec", "ec:P-256"}).status == 0);
  struct Row {
    std::vector<std::string> words;
    int status;
    std::string says;
  };
  const std::vector<Row> rows{
      {{"enroll", "--san", "dns:x.example.com"}, 2, "name the key"},
      {{"enroll", "--new-key", "a", "--key", "b", "--san", "dns:x.example.com"}, 2, "name the key"},
      {{"enroll", "--new-key", "a", "--san", "x.example.com"}, 2, "x.example.com"},
      {{"enroll", "--new-key", "a", "--san", "dns:x.example.com", "--profile", "none"}, 1, "no profile 'none'"},
      {{"enroll", "--new-key", "a", "--san", "dns:x.example.com", "--provider", "none"}, 1, "no provider 'none'"},
      {{"enroll", "--new-key", "a", "--san", "dns:x.example.com", "--token", "none"}, 1, "no token 'none'"},
      {{"enroll", "--new-key", "taken", "--san", "dns:x.example.com"}, 1, "taken"},
      {{"enroll", "--key", "missing", "--san", "dns:x.example.com"}, 1, "missing"},
      {{"enroll", "--new-key", "a", "--spec", "ec:P-1", "--san", "dns:x.example.com"}, 2, "ec:P-1"},
      {{"enroll", "--new-key", "a", "--san", "dns:x.example.com", "--install", "file:relative.pem"}, 2, "absolute"},
      {{"enroll", "--new-key", "a", "--san", "dns:x.example.com", "--wait", "--queue"}, 2, "contradict"},
      {{"enroll", "--new-key", "a", "--san", "dns:x.example.com", "--algorithm", "md5"}, 2, "md5"},
      {{"enroll", "--new-key", "a", "--san", "dns:x.example.com", "--algorithm", "rsa-sha256"},
       2,
       "rsa-sha256 is not for a key of type ec:P-256"},
      {{"enroll", "--key", "taken", "--san", "dns:x.example.com", "--algorithm", "rsa-sha256"},
       2,
       "rsa-sha256 is not for a key of type ec:P-256"},
  };
  for (const auto& row : rows) {
    const auto result = bench.run(row.words);
    INFO(row.says << " | " << result.err);
    CHECK(result.status == row.status);
    CHECK(result.out.empty());
    CHECK(result.err.find(row.says) != std::string::npos);
  }
  CHECK(bench.run({"request", "list"}).out == "no requests\n");
  CHECK(bench.count("POST /v1/sign") == 0);
}

TEST_CASE("a wrong PIN is tried once and no request is made") {
  BenchOptions options;
  options.quorum = 0;
  Bench bench(options);
  bench.cli().write("web.pin", "9999\n");
  const auto refused = bench.run(enroll("a"));
  INFO(refused.err);
  CHECK(refused.status == 4);
  // The right PIN in the same source is not tried by itself either: a person says so.
  bench.cli().write("web.pin", "1234\n");
  const auto remembered = bench.run(enroll("a"));
  INFO(remembered.err);
  CHECK(remembered.status == 4);
  CHECK(remembered.err.find("token login") != std::string::npos);
  CHECK(bench.run({"request", "list"}).out == "no requests\n");
  CHECK(bench.run({"token", "login", "web", "--retry"}).status == 0);
  CHECK(bench.run(enroll("a", {"--wait", "--timeout", "30s"})).status == 0);
}

TEST_CASE("a provider that cannot be reached leaves the request pending and it goes on later") {
  BenchOptions options;
  options.quorum = 0;
  Bench bench(options);
  bench.stop_rig();
  const auto pending = bench.run(enroll("a"));
  INFO(pending.out << pending.err);
  CHECK(pending.status == 3);
  const auto id = Bench::id_in(pending);
  CHECK(pending.out.find("takes no connection") != std::string::npos);
  bench.restart_rig();
  const auto done = bench.run({"request", "wait", id, "--timeout", "30s"});
  INFO(done.out << done.err << bench.run({"request", "history", id}).out);
  CHECK(done.status == 0);
  CHECK(bench.count("POST /v1/sign") == 1);
}

TEST_CASE("a batch makes one request a row and a bad row stops nobody else") {
  BenchOptions options;
  options.quorum = 0;
  Bench bench(options);
  bench.cli().write("rows.csv",
                    "new-key,san\nfirst,dns:first.example.com\nsecond,nonsense\nthird,dns:third.example.com\n");
  const auto result = bench.run({"--json", "enroll", "--from", "rows.csv", "--wait", "--timeout", "30s"});
  INFO(result.out << result.err);
  CHECK(result.status == 1);
  CHECK(bench.objects("first").certificates == 1);
  CHECK(bench.objects("second").private_keys == 0);
  CHECK(bench.objects("third").certificates == 1);

  const unsigned ordered = bench.count("POST /v1/sign");
  const auto again = bench.run({"enroll", "--from", "rows.csv", "--wait", "--timeout", "30s"});
  INFO(again.out << again.err);
  CHECK(again.status == 1);
  CHECK(again.err.find("2 of 3 were ordered before\n") != std::string::npos);
  CHECK(bench.count("POST /v1/sign") == ordered);
  CHECK(bench.objects("first").certificates == 1);
}

TEST_CASE("one Ctrl-C ends the waiting for a whole batch") {
  Bench bench;
  bench.cli().write("rows.csv", "new-key,san\nfirst,dns:first.example.com\nsecond,dns:second.example.com\n");
  Process waiting(bench.cli(), {HSMBRIDGE_PROGRAM, "enroll", "--from", "rows.csv", "--wait"}, {});
  // Both are worked on although nobody has decided about the first.
  while (bench.count("POST /v1/sign") < 2) REQUIRE(waiting.running());
  waiting.signal(SIGINT);
  CHECK(waiting.wait(std::chrono::seconds{20}) == 3);
}

TEST_CASE("a queued request is only written down and a daemon does the rest") {
  BenchOptions options;
  options.quorum = 0;
  Bench bench(options);
  const auto queued = bench.run(enroll("a", {"--queue"}));
  CHECK(queued.status == 3);
  const auto id = Bench::id_in(queued);
  CHECK(bench.state_of(id) == "Preparing");
  CHECK(bench.objects("a").private_keys == 0);
  Process daemon(bench.cli(), {HSMBRIDGE_PROGRAM, "run"}, {});
  const auto watched = bench.run({"request", "watch", id});
  INFO(watched.out << watched.err);
  CHECK(watched.status == 0);
  CHECK(watched.out.find("TargetInstalled") != std::string::npos);
  daemon.signal(SIGTERM);
  CHECK(daemon.wait() == 0);
  CHECK(bench.state_of(id) == "Completed");
}

TEST_CASE("a hook gets the certificate without a shell and without our secrets") {
  BenchOptions options;
  options.quorum = 0;
  options.profile = "    install: {token: true, hook: [./hook.sh, \"; touch pwned $(id)\"]}\n";
  Bench bench(options);
  bench.cli().write("hook.sh", "#!/bin/sh\nenv > hook.env\ncat > hook.pem\necho \"$1\" > hook.arg\n", 0700);
  bench.cli().set("SECRET_OF_OURS", "hunter2");
  const auto done = bench.run(enroll("a", {"--wait", "--timeout", "30s"}));
  INFO(done.out << done.err);
  REQUIRE(done.status == 0);
  const auto id = Bench::id_in(done);
  CHECK(bench.cli().read("hook.arg") == "; touch pwned $(id)\n");
  const auto environment = bench.cli().read("hook.env");
  CHECK(environment.find("HSMBRIDGE_REQUEST=" + id) != std::string::npos);
  CHECK(environment.find("hunter2") == std::string::npos);
  CHECK(bench.cli().other({"openssl", "x509", "-in", "hook.pem", "-noout"}).status == 0);
  CHECK(!bench.cli().exists("pwned"));
}

TEST_CASE("a hook that is not in the configuration is refused before anything is made") {
  Bench bench;
  const auto refused = bench.run(enroll("a", {"--install", "hook:/bin/true", "--queue"}));
  INFO(refused.err);
  CHECK(refused.status == 4);
  CHECK(refused.err.find("does not name this program as the hook of profile server") != std::string::npos);
  CHECK(bench.run({"request", "list"}).out.find("Preparing") == std::string::npos);
}

TEST_CASE("a hook of an order is not run by a process whose configuration does not name it") {
  BenchOptions options;
  options.quorum = 0;
  options.profile = "    install: {hook: [./evil.sh]}\n";
  Bench bench(options);
  bench.cli().write("evil.sh", "#!/bin/sh\ntouch ran\n", 0700);
  const auto id = Bench::id_in(bench.run(enroll("a", {"--queue"})));
  auto configuration = bench.cli().read(".config/hsmbridge/hsmbridge.yaml");
  const auto at = configuration.find("[./evil.sh]");
  REQUIRE(at != std::string::npos);
  configuration.replace(at, std::string("[./evil.sh]").size(), "[./own.sh]");
  bench.cli().write(".config/hsmbridge/hsmbridge.yaml", configuration);
  bench.run({"request", "wait", id, "--timeout", "5s"});
  CHECK(bench.state_of(id) == "Installing");
  CHECK(!bench.cli().exists("ran"));
  CHECK(bench.run({"cert", "install", id}).status != 0);
  CHECK(!bench.cli().exists("ran"));
  CHECK(bench.run({"request", "explain", id}).out.find("does not name this program") != std::string::npos);
}

TEST_CASE("a hook that fails does not burn the certificate and is tried again") {
  BenchOptions options;
  options.quorum = 0;
  options.profile = "    install: {token: true, hook: [./hook.sh]}\n";
  Bench bench(options);
  bench.cli().write("hook.sh", "#!/bin/sh\necho no database >&2\nexit 7\n", 0700);
  const auto asked = bench.run(enroll("a", {"--wait", "--timeout", "5s"}));
  INFO(asked.out << asked.err);
  CHECK(asked.status == 3);
  const auto id = Bench::id_in(asked);
  CHECK(bench.state_of(id) == "Installing");
  CHECK(bench.objects("a").certificates == 1);
  CHECK(bench.run({"request", "explain", id}).out.find("no database") != std::string::npos);
  bench.cli().write("hook.sh", "#!/bin/sh\nexit 0\n", 0700);
  const auto done = bench.run({"request", "wait", id, "--timeout", "30s"});
  INFO(done.out << done.err);
  CHECK(done.status == 0);
  CHECK(bench.count("POST /v1/sign") == 1);
}

TEST_CASE("a target that can never succeed is given up by a named person and the request completes") {
  BenchOptions options;
  options.quorum = 0;
  Bench bench(options);
  const auto target = "file:" + (bench / "no/such/folder/web.pem").string();
  const auto asked = bench.run(enroll("a", {"--install", target, "--wait", "--timeout", "5s"}));
  INFO(asked.out << asked.err);
  REQUIRE(asked.status == 3);
  const auto id = Bench::id_in(asked);
  CHECK(bench.run({"request", "explain", id}).out.find("--skip-target") != std::string::npos);
  CHECK(bench.run({"request", "resolve", id, "--skip-target", target}).status == 2);
  CHECK(bench.run({"request", "resolve", id, "--skip-target", "file:/elsewhere", "--reason", "x"}).status == 1);
  const auto given_up =
      bench.run({"request", "resolve", id, "--skip-target", target, "--reason", "that machine is gone"});
  INFO(given_up.out << given_up.err);
  CHECK(given_up.status == 0);
  CHECK(bench.state_of(id) == "Completed");
  CHECK(bench.objects("a").certificates == 1);
  CHECK(bench.run({"request", "show", id}).out.find(target + ": given up") != std::string::npos);
  CHECK(bench.run({"request", "history", id}).out.find("that machine is gone") != std::string::npos);
}

}  // namespace hsmbridge::test
