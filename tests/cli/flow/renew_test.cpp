// The life of a certificate as a user types it: list, show, renew, revoke, install, export, and the daemon's sweep.
#include "base/json.h"
#include "support/bench/bench.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <csignal>
#include <set>
#include <string>

namespace hsmbridge::test {
namespace {

BenchOptions nobody_approves(std::string profile = "") {
  BenchOptions options;
  options.quorum = 0;
  options.profile = std::move(profile);
  return options;
}

// The SHA-256 of the certificate that an enrolment brings.
std::string enrolled(const Bench& bench, const std::string& label, std::vector<std::string> more = {}) {
  std::vector<std::string> words{"--json", "enroll",    "--new-key", label, "--san", "dns:www.example.com",
                                 "--wait", "--timeout", "30s"};
  words.insert(words.end(), more.begin(), more.end());
  const auto done = bench.run(words);
  INFO(done.out << done.err);
  REQUIRE(done.status == 0);
  return done.json().at("certificate").at("sha256").as_string();
}

Json listed(const Bench& bench, std::vector<std::string> more = {}) {
  std::vector<std::string> words{"--json", "cert", "list"};
  words.insert(words.end(), more.begin(), more.end());
  const auto result = bench.run(words);
  INFO(result.err);
  REQUIRE(result.status == 0);
  return result.json();
}

Json row_of(const Json& list, const std::string& sha256) {
  for (const auto& row : list.at("certificates").as_array()) {
    if (row.at("sha256").as_string() == sha256) return row;
  }
  FAIL("not listed: " << sha256);
  throw 0;
}

std::string last_line(const std::string& text) {
  const auto end = text.find_last_not_of('\n');
  if (end == std::string::npos) return "";
  const auto begin = text.find_last_of('\n', end);
  return text.substr(begin == std::string::npos ? 0 : begin + 1,
                     end - (begin == std::string::npos ? 0 : begin + 1) + 1);
}

std::set<std::string> installed(const Json& row) {
  std::set<std::string> places;
  for (const auto& place : row.at("installed").as_array()) places.insert(place.as_string());
  return places;
}

// What `request explain` says, without its line breaks.
std::string explained(const Bench& bench, const std::string& id) {
  const auto result = bench.run({"request", "explain", id});
  std::string text;
  for (const char c : result.out) {
    if (c != ' ' && c != '\n') {
      text += c;
    } else if (!text.empty() && text.back() != ' ') {
      text += ' ';
    }
  }
  return text;
}

std::size_t widest(const std::string& text) {
  std::size_t most = 0;
  std::size_t begin = 0;
  while (begin < text.size()) {
    const auto end = std::min(text.find('\n', begin), text.size());
    most = std::max(most, end - begin);
    begin = end + 1;
  }
  return most;
}

}  // namespace

TEST_CASE("a renewal makes a new key, takes the places of the old certificate and supersedes it") {
  Bench bench(nobody_approves());
  const auto file = (bench / "web.pem").string();
  const auto old = enrolled(bench, "web", {"--install", "file:" + file});
  const auto before = listed(bench);
  CHECK(row_of(before, old).at("status").as_string() == "current");
  CHECK(row_of(before, old).at("key").as_string() == "web");
  CHECK(installed(row_of(before, old)) == std::set<std::string>{"token", "file:" + file});

  const auto renewed = bench.run({"cert", "renew", old.substr(0, 10), "--wait", "--timeout", "30s"});
  INFO(renewed.out << renewed.err);
  REQUIRE(renewed.status == 0);
  CHECK(renewed.out.find("renew www.example.com") != std::string::npos);
  const auto id = Bench::id_in(renewed);
  const auto now = listed(bench);
  REQUIRE(now.at("certificates").as_array().size() == 1);
  CHECK(now.at("left_out").as_integer() == 1);
  const auto& fresh = now.at("certificates").as_array().front();
  CHECK(fresh.at("renews").as_string() == old);
  const auto label = fresh.at("key").as_string();
  CHECK(label.starts_with("web-20"));
  CHECK(bench.objects(label).private_keys == 1);
  CHECK(bench.objects(label).certificates == 1);
  // The old key keeps its certificate for the overlap.
  CHECK(bench.objects("web").private_keys == 1);
  CHECK(bench.objects("web").certificates == 1);
  const auto superseded = row_of(listed(bench, {"--all"}), old);
  CHECK(superseded.at("status").as_string() == "superseded");
  CHECK(superseded.at("renewed_by").as_string() == id);
  CHECK(installed(superseded) == std::set<std::string>{"token"});
  CHECK(bench.cli().other({"openssl", "verify", "-CAfile", "rig/ca-key.pem", "web.pem"}).out == "web.pem: OK\n");

  CHECK(explained(bench, id).find("renewal of certificate " + old.substr(0, 12)) != std::string::npos);
  CHECK(explained(bench, id).find("It replaces " + old.substr(0, 12)) != std::string::npos);
  CHECK(bench.run({"request", "list"}).out.find("renew www.example.com") != std::string::npos);

  const auto again = bench.run({"cert", "renew", old.substr(0, 10)});
  CHECK(again.status == 1);
  CHECK(again.err.find("took its place") != std::string::npos);
  // Once more: the date of the first renewal is replaced and its label is taken.
  const auto second = bench.run({"--json", "cert", "renew", fresh.at("sha256").as_string(), "--wait"});
  REQUIRE(second.status == 0);
  CHECK(second.json().at("key").as_string() == "web/" + label + "-2");
  CHECK(bench.count("POST /v1/sign") == 3);
}

TEST_CASE("the same key may be kept, a label may be chosen, and a profile may forbid the first") {
  Bench bench(nobody_approves("    renew_key: always-new\n"));
  const auto old = enrolled(bench, "web");
  const auto refused = bench.run({"cert", "renew", old, "--same-key"});
  CHECK(refused.status == 4);
  CHECK(refused.err.find("wants a new key for each renewal") != std::string::npos);
  CHECK(bench.run({"cert", "renew", old, "--same-key", "--new-key", "x"}).status == 2);
  const auto named = bench.run({"--json", "cert", "renew", old, "--new-key", "next", "--wait"});
  INFO(named.err);
  REQUIRE(named.status == 0);
  CHECK(named.json().at("key").as_string() == "web/next");
  auto text = bench.cli().read(".config/hsmbridge/hsmbridge.yaml");
  text.replace(text.find("always-new"), 10, "new       ");
  bench.cli().write(".config/hsmbridge/hsmbridge.yaml", text);
  const auto same = bench.run(
      {"--json", "cert", "renew", named.json().at("certificate").at("sha256").as_string(), "--same-key", "--wait"});
  INFO(same.err);
  REQUIRE(same.status == 0);
  CHECK(same.json().at("key").as_string() == "web/next");
  // Beside the key the new certificate took the place of the old one.
  CHECK(bench.objects("next").private_keys == 1);
  CHECK(bench.objects("next").certificates == 1);
}

TEST_CASE("an older certificate of the same key stays where the profile says keep") {
  Bench bench(nobody_approves("    install: {token: true, on_renew: keep}\n"));
  const auto old = enrolled(bench, "web");
  const auto renewed = bench.run({"--json", "cert", "renew", old, "--same-key", "--wait"});
  REQUIRE(renewed.status == 0);
  CHECK(bench.objects("web").certificates == 2);
  // Again, with several certificates under one CKA_ID.
  const auto second = renewed.json().at("certificate").at("sha256").as_string();
  const auto again = bench.run({"--json", "cert", "renew", second, "--same-key", "--wait"});
  INFO(again.err);
  REQUIRE(again.status == 0);
  CHECK(bench.objects("web").certificates == 3);
  CHECK(bench.objects("web").private_keys == 1);
}

TEST_CASE("a renewal that waits for people is one, whoever asks again") {
  BenchOptions options;
  Bench bench(options);
  REQUIRE(bench.run({"enroll", "--new-key", "web", "--san", "dns:www.example.com"}).status == 3);
  bench.approve_all("alice");
  bench.approve_all("bob");
  REQUIRE(bench.run({"cert", "list"}).out == "no certificates\n");
  const auto open = bench.run({"--json", "request", "list", "--open"}).json();
  const auto first = open.at("requests").as_array().front().at("id").as_string();
  REQUIRE(bench.run({"request", "wait", first, "--timeout", "30s"}).status == 0);
  // By the request that brought it.
  const auto renewing = bench.run({"cert", "renew", first});
  INFO(renewing.out << renewing.err);
  REQUIRE(renewing.status == 3);
  const auto id = Bench::id_in(renewing);
  CHECK(last_line(renewing.out) == "next: hsmbridge request wait " + id);
  const auto twice = bench.run({"cert", "renew", first});
  CHECK(twice.status == 1);
  CHECK(twice.err.find("request " + id + " already renews") != std::string::npos);
  CHECK(bench.run({"cert", "renew", "--all"}).err.find("no certificate to renew") != std::string::npos);
  CHECK(bench.run({"cert", "list"}).out.find("by " + id.substr(0, 8)) != std::string::npos);
  const auto cancelled = bench.run({"request", "cancel", id, "--reason", "not now"});
  INFO(cancelled.out << cancelled.err);
  REQUIRE(bench.run({"request", "wait", id, "--timeout", "30s"}).status == 4);
  CHECK(explained(bench, id).find("was not replaced") != std::string::npos);
  CHECK(bench.run({"cert", "list"}).out.find("renewal " + id + " brought nothing") != std::string::npos);
  CHECK(bench.count("POST /v1/sign") == 2);
}

TEST_CASE("everything is renewed only by who says so") {
  Bench bench(nobody_approves());
  enrolled(bench, "web");
  const auto asked = bench.run({"cert", "renew", "--all"});
  CHECK(asked.status != 0);
  CHECK(asked.err.find("--yes") != std::string::npos);
  CHECK(bench.count("POST /v1/sign") == 1);
  CHECK(bench.run({"cert", "renew", "--due", "--yes"}).status == 2);
  const auto all = bench.run({"cert", "renew", "--all", "--yes", "--wait"});
  INFO(all.out << all.err);
  CHECK(all.status == 0);
  CHECK(bench.count("POST /v1/sign") == 2);
}

TEST_CASE("the list fits a terminal and filters") {
  Bench bench(nobody_approves("    renew_before: 30d\n"));
  const auto one = enrolled(bench, "web");
  const auto text = bench.run({"cert", "list"});
  INFO(text.out);
  CHECK(text.status == 0);
  CHECK(text.out.starts_with("CERT          STATUS   ENDS        RENEWAL     NAMES\n" + one.substr(0, 12)));
  CHECK(text.out.find("tsb  web/web  in token\n") != std::string::npos);
  CHECK(widest(text.out) <= 80);
  CHECK(last_line(text.err) == "next: hsmbridge cert show " + one.substr(0, 12));
  CHECK(listed(bench, {"--expiring", "89d"}).at("certificates").as_array().empty());
  CHECK(listed(bench, {"--expiring", "91d"}).at("certificates").as_array().size() == 1);
  CHECK(listed(bench, {"--expiring", "2999-12-31"}).at("certificates").as_array().size() == 1);
  CHECK(listed(bench, {"--status", "late"}).at("certificates").as_array().empty());
  CHECK(listed(bench, {"--status", "late", "--status", "current"}).at("certificates").as_array().size() == 1);
  CHECK(bench.run({"cert", "list", "--status", "lost"}).status == 2);
  CHECK(bench.run({"cert", "list", "--expiring", "soon"}).status == 2);
  CHECK(bench.run({"cert", "renew", "--due"}).err.find("no renewal is due") != std::string::npos);
  const auto shown = bench.run({"cert", "show", one.substr(0, 12)});
  CHECK(shown.status == 0);
  CHECK(shown.out.find("Status:") != std::string::npos);
  CHECK(shown.out.find("web/web") != std::string::npos);
  // By the request that brought it, too.
  const auto by = row_of(listed(bench), one).at("request").as_string();
  CHECK(bench.run({"cert", "show", by}).out == shown.out);
  CHECK(bench.run({"cert", "show", "no-such.pem"}).err.find("no-such.pem") != std::string::npos);
  CHECK(bench.run({"cert", "show", "ffffffffffff"}).err.find("there is no file ffffffffffff") != std::string::npos);
}

TEST_CASE("the daemon renews what is due, once, and says so") {
  Bench bench(nobody_approves("    renew_before: 66%\n"));
  const auto old = enrolled(bench, "web");
  // Of a life of 90 days that began a year ago less than 66% are left.
  REQUIRE(bench.cli()
              .other({"sqlite3", "hsmbridge.db", "UPDATE certificates SET not_before = not_before - 86400000 * 365"})
              .status == 0);
  CHECK(last_line(bench.run({"cert", "list"}).err) == "next: hsmbridge cert renew --due");
  Process daemon(bench.cli(), {HSMBRIDGE_PROGRAM, "run"}, {});
  bench.wait_for_words("renews certificate " + old.substr(0, 12));
  bench.wait_for_words("TargetInstalled");
  daemon.signal(SIGTERM);
  CHECK(daemon.wait() == 0);
  const auto now = listed(bench, {"--all"});
  CHECK(now.at("certificates").as_array().size() == 2);
  CHECK(row_of(now, old).at("status").as_string() == "superseded");
  CHECK(bench.count("POST /v1/sign") == 2);
}

TEST_CASE("a provider without revocation is told before anything is written") {
  Bench bench(nobody_approves());
  const auto one = enrolled(bench, "web");
  const auto refused = bench.run({"cert", "revoke", one.substr(0, 12), "--reason", "keyCompromise", "--yes"});
  CHECK(refused.status == 4);
  CHECK(refused.out.empty());
  CHECK(refused.err.find("provider tsb (securosys-tsb) revokes nothing") != std::string::npos);
  CHECK(refused.err.find("cert renew " + one.substr(0, 12)) != std::string::npos);
  CHECK(bench.run({"cert", "revoke", one}).status == 2);
  const auto short_one = bench.run({"cert", "revoke", one.substr(0, 7), "--reason", "superseded", "--yes"});
  CHECK(short_one.status == 2);
  CHECK(short_one.err.find("at least 8 digits") != std::string::npos);
  const auto wrong = bench.run({"cert", "revoke", one, "--reason", "boredom"});
  CHECK(wrong.status == 2);
  CHECK(wrong.err.find("keyCompromise") != std::string::npos);
  CHECK(listed(bench).at("certificates").as_array().front().at("status").as_string() == "current");
  CHECK(bench.run({"--json", "request", "list"}).json().at("requests").as_array().size() == 1);
}

TEST_CASE("a certificate is installed at any time, in every form of file") {
  Bench bench(nobody_approves());
  const auto one = enrolled(bench, "web");
  const auto path = [&](const std::string& name) { return (bench / name).string(); };
  const auto done =
      bench.run({"cert", "install", one.substr(0, 12), "--to", "file:" + path("full.pem"), "--to",
                 R"(file:{"path":")" + path("leaf.pem") + R"(","content":"leaf","mode":"0640"})", "--to",
                 R"(file:{"path":")" + path("all.p7b") + R"(","content":"pkcs7"})", "--to",
                 R"(file:{"path":")" + path("down.pem") + R"(","content":"chain","order":"root-first"})"});
  INFO(done.out << done.err);
  REQUIRE(done.status == 0);
  CHECK(last_line(done.out) == "next: hsmbridge cert show " + one.substr(0, 12));
  CHECK(bench.cli().other({"openssl", "verify", "-CAfile", "rig/ca-key.pem", "full.pem"}).out == "full.pem: OK\n");
  CHECK(bench.cli().other({"stat", "-c", "%a", "leaf.pem"}).out == "640\n");
  const auto bundle = bench.cli().other({"openssl", "pkcs7", "-in", "all.p7b", "-print_certs", "-noout"});
  CHECK(bundle.status == 0);
  CHECK(bundle.out.find("Test Issuing CA") != std::string::npos);
  CHECK(bench.cli().read("down.pem").find("BEGIN CERTIFICATE") != std::string::npos);
  CHECK(installed(row_of(listed(bench), one)).size() == 5);
  // Where its request wanted it, and again.
  CHECK(bench.run({"cert", "install", one}).status == 0);
  CHECK(bench.objects("web").certificates == 1);
  // A place that holds something else stays as it is, and the others are done all the same.
  bench.cli().write("notes.txt", "mine\n");
  const auto mixed = bench.run({"cert", "install", one, "--to", "file:" + path("notes.txt"), "--to", "token"});
  CHECK(mixed.status == 1);
  CHECK(mixed.out.find("failed     file:") != std::string::npos);
  CHECK(mixed.out.find("installed  token") != std::string::npos);
  CHECK(bench.cli().read("notes.txt") == "mine\n");
  CHECK(bench.run({"cert", "install", "ffffffffffff"}).status == 1);
  // An older one takes the place of the newer one only when that is said.
  REQUIRE(bench.run({"cert", "renew", one, "--same-key", "--wait", "--timeout", "30s"}).status == 0);
  const auto older = bench.run({"cert", "install", one, "--to", "file:" + path("full.pem")});
  CHECK(older.status == 4);
  CHECK(older.err.find("--force") != std::string::npos);
  CHECK(bench.run({"cert", "install", one, "--to", "file:" + path("full.pem"), "--force"}).status == 0);
}

TEST_CASE("from a store that is an older copy a certificate is installed only when that is forced") {
  Bench bench(nobody_approves());
  const auto one = enrolled(bench, "web");
  const std::filesystem::path store = bench / "hsmbridge.db";
  const auto copy = (bench / "copy.db").string();
  REQUIRE(bench.run({"store", "backup", copy}).status == 0);
  REQUIRE(bench.run({"cert", "install", one}).status == 0);
  for (const char* side : {"", "-wal", "-shm"}) std::filesystem::remove(store.string() + side);
  std::filesystem::copy_file(copy, store);
  const auto refused = bench.run({"cert", "install", one});
  INFO(refused.err);
  CHECK(refused.status == 4);
  CHECK(refused.err.find("the store is an older copy") != std::string::npos);
  CHECK(bench.run({"cert", "install", one, "--force"}).status == 0);
  REQUIRE(bench.run({"store", "accept-restored"}).status == 0);
  CHECK(bench.run({"cert", "install", one}).status == 0);
}

TEST_CASE("a late certificate becomes current in all its places only, and not where another one renewed meanwhile") {
  Bench bench(nobody_approves());
  const auto file = "file:" + (bench / "web.pem").string();
  const auto old = enrolled(bench, "web", {"--install", file});
  const auto renew = [&] {
    const auto renewed = bench.run({"cert", "renew", old, "--wait", "--timeout", "30s"});
    INFO(renewed.err);
    REQUIRE(renewed.status == 0);
    return Bench::id_in(renewed);
  };
  const auto sql = [&](const std::string& text) {
    const auto done = bench.cli().other({"sqlite3", "hsmbridge.db", text});
    INFO(text << done.err);
    REQUIRE(done.status == 0);
  };
  const auto status = [&](const std::string& sha256) {
    return row_of(listed(bench, {"--all"}), sha256).at("status").as_string();
  };
  // As after a request that was given up and then answered.
  const auto request = renew();
  const auto late = listed(bench).at("certificates").as_array().front().at("sha256").as_string();
  REQUIRE(late != old);
  const auto make_late = [&] {
    sql("UPDATE certificates SET status = 'late', installed = '[]' WHERE fingerprint = '" + late + "'");
    sql("UPDATE certificates SET status = 'current' WHERE fingerprint = '" + old + "'");
  };
  make_late();
  sql("UPDATE requests SET state_json = json_set(state_json, '$.late', json('true')) WHERE id = '" + request + "'");
  REQUIRE(bench.run({"cert", "install", late, "--to", "file:" + (bench / "look.pem").string()}).status == 0);
  CHECK(status(late) == "late");
  CHECK(status(old) == "current");
  REQUIRE(bench.run({"cert", "install", late}).status == 0);
  CHECK(status(late) == "current");
  CHECK(status(old) == "superseded");

  make_late();
  REQUIRE(bench.run({"cert", "install", old}).status == 0);
  const auto other = renew();
  const auto text = bench.cli().read("web.pem");
  const auto refused = bench.run({"cert", "install", late});
  CHECK(refused.status == 4);
  CHECK(refused.err.find("request " + other + " renewed its predecessor") != std::string::npos);
  CHECK(bench.cli().read("web.pem") == text);
  CHECK(status(late) == "late");
}

TEST_CASE("an older certificate is not put back in the place of the newer one") {
  Bench bench(nobody_approves());
  const auto file = "file:" + (bench / "web.pem").string();
  const auto old = enrolled(bench, "web", {"--install", file});
  REQUIRE(bench.run({"cert", "renew", old, "--wait", "--timeout", "30s"}).status == 0);
  // As while another of its places is still waited for.
  REQUIRE(bench.cli()
              .other({"sqlite3", "hsmbridge.db",
                      "UPDATE certificates SET status = 'current' WHERE fingerprint = '" + old + "'"})
              .status == 0);
  const auto newer = bench.cli().read("web.pem");
  const auto refused = bench.run({"cert", "install", old, "--to", file});
  CHECK(refused.status == 1);
  CHECK(refused.out.find("a certificate that renews it is there") != std::string::npos);
  CHECK(refused.err.find("--force") != std::string::npos);
  CHECK(bench.cli().read("web.pem") == newer);
  CHECK(bench.run({"cert", "install", old, "--to", file, "--force"}).status == 0);
  CHECK(bench.cli().read("web.pem") != newer);
}

TEST_CASE("a key that has a certificate in use is not destroyed unless that is said") {
  Bench bench(nobody_approves());
  const auto one = enrolled(bench, "web");
  const auto refused = bench.run({"key", "delete", "--token", "web", "web", "--yes"});
  INFO(refused.err);
  CHECK(refused.status == 4);
  CHECK(refused.err.find("certificate " + one.substr(0, 12) + ", which is current") != std::string::npos);
  CHECK(refused.err.find("--force") != std::string::npos);
  CHECK(bench.objects("web").private_keys == 1);
  // So is one that an open request is about to use.
  REQUIRE(bench.run({"cert", "renew", one, "--same-key", "--queue"}).status == 3);
  const auto set = bench.cli().other({"sqlite3", "hsmbridge.db", "UPDATE certificates SET status = 'superseded'"});
  REQUIRE(set.status == 0);
  CHECK(bench.run({"key", "delete", "--token", "web", "web", "--yes"}).err.find("request ") != std::string::npos);
  CHECK(bench.objects("web").private_keys == 1);
  CHECK(bench.run({"key", "delete", "--token", "web", "web", "--yes", "--force"}).status == 0);
  CHECK(bench.objects("web").private_keys == 0);
}

TEST_CASE("a certificate is exported as PEM, DER and PKCS7") {
  Bench bench(nobody_approves());
  const auto one = enrolled(bench, "web");
  const auto pem = bench.run({"cert", "export", one.substr(0, 12)});
  CHECK(pem.status == 0);
  CHECK(pem.out.starts_with("-----BEGIN CERTIFICATE-----\n"));
  REQUIRE(bench.run({"cert", "export", one, "--format", "der", "--out", "web.der"}).status == 0);
  CHECK(bench.cli().other({"openssl", "x509", "-inform", "DER", "-in", "web.der", "-noout", "-subject"}).status == 0);
  CHECK(bench.run({"cert", "export", one, "--format", "der", "--out", "web.der"}).status == 1);
  CHECK(bench.run({"cert", "export", one, "--format", "der", "--out", "web.der", "--force"}).status == 0);
  REQUIRE(bench.run({"cert", "export", one, "--format", "pkcs7", "--out", "web.p7b"}).status == 0);
  CHECK(bench.cli().other({"openssl", "pkcs7", "-in", "web.p7b", "-print_certs", "-noout"}).status == 0);
  CHECK(bench.run({"cert", "export", one, "--format", "p12"}).status == 2);
}

TEST_CASE("a token that stores no certificates refuses the profile before anything is submitted") {
  Bench bench(nobody_approves());
  auto text = bench.cli().read(".config/hsmbridge/hsmbridge.yaml");
  const auto at = text.find("  web: {module:");
  text.insert(at + 8, "certificates: false, ");
  bench.cli().write(".config/hsmbridge/hsmbridge.yaml", text);
  const auto refused = bench.run({"enroll", "--new-key", "web", "--san", "dns:www.example.com"});
  INFO(refused.err);
  CHECK(refused.status == 4);
  CHECK(refused.err.find("certificates: false") != std::string::npos);
  CHECK(bench.run({"request", "list"}).out == "no requests\n");
  CHECK(bench.objects("web").private_keys == 0);
  CHECK(bench.count("POST /v1/sign") == 0);
}

}  // namespace hsmbridge::test
