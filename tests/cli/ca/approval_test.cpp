// Approvals at this bridge, as approvers give them: with keys of their own, here and by file. Votes are judged by openssl.
#include "base/bytes.h"
#include "place.h"
#include "support/bench/bench.h"

#include <chrono>
#include <csignal>
#include <filesystem>

using namespace hsmbridge;
using namespace hsmbridge::test;
using namespace std::chrono_literals;

namespace {

// Two of alice, bob and carol approve what the issuing CA signs. Alice and bob have keys here; carol's is elsewhere.
struct Approved : Place {
  const Words people{"alice", "bob", "carol"};

  Approved() {
    make_both();
    for (const std::string& name : people) {
      cli.make_token(name);
      const auto made = cli.run(cli.on(name, {"key", "generate", "--label", "approver", "--spec", "ec:P-256"}));
      INFO(made.err);
      REQUIRE(made.status == 0);
      REQUIRE(cli.run(cli.on(name, {"key", "public", "approver", "--out", name + ".pub"})).status == 0);
    }
    want("{quorum: 2, of: [alice, bob, carol]}");
  }
  std::string token_line(const std::string& name) const {
    return "  " + name + ": {module: " + Cli::module().string() + ", uri: 'pkcs11:token=" + name +
           "', pin: 'file:" + name + ".pin'}\n";
  }
  // `accounts`: of alice.
  void want(const std::string& approval, const std::string& accounts = "[]") const {
    configure();
    std::string text = cli.read("hsmbridge.yaml");
    text.insert(text.find("tokens:\n") + 8, token_line("alice") + token_line("bob"));
    text.insert(text.find("\nprofiles:\n"),
                "\npeople:\n  alice: {public_key: alice.pub, token: alice, key: approver, accounts: " + accounts +
                    "}\n  bob: {public_key: bob.pub, token: bob, key: approver, accounts: []}\n"
                    "  carol: {public_key: carol.pub, accounts: []}\n");
    const std::string profile = "  server: {provider: issuing";
    text.replace(text.find(profile), profile.size(), "  server: {approval: " + approval + ", provider: issuing");
    cli.write("hsmbridge.yaml", text);
    cli.write("carol.yaml", "tokens:\n" + token_line("carol") +
                                "people: {carol: {public_key: carol.pub, token: carol, key: approver}}\n");
  }
  std::string pending(const std::string& key, const std::string& name = "www.example.com") const {
    const auto asked = enroll(key, name);
    INFO(asked.out << asked.err);
    REQUIRE(asked.status == 3);
    has(asked.out, "AwaitingLocalApproval");
    const auto listed = cli.run({"request", "list", "--json", "--open"}).json();
    return listed.at("requests").as_array().front().at("id").as_string();
  }
  CliResult approval(const std::string& verb, const std::string& person, const std::string& id,
                     const Words& more = {}) const {
    Words words{"approval", verb, id, "--as", person};
    if (verb != "show") words.push_back("--yes");
    words.insert(words.end(), more.begin(), more.end());
    return cli.run(words);
  }
  std::string state(const std::string& id) const {
    return cli.run({"request", "show", id, "--json"}).json().at("state").as_string();
  }
  std::string signatures() const {
    return cli
        .other({"sqlite3", "store.db", "SELECT count(*) FROM leaves WHERE CAST(data AS TEXT) LIKE '%\"ca-key-use\"%'"})
        .out;
  }
  CliResult as_carol(Words words) const {
    words.insert(words.begin(), {"--config", "carol.yaml"});
    return cli.run(words);
  }
  // Whatever bytes are in the file.
  CliResult sign_as_carol(const std::string& file, const std::string& out, const Words& more = {}) const {
    const auto shown = as_carol({"approval", "sign", file});
    CHECK(shown.status == 4);
    Words words{"approval", "sign", file, "--yes", "--sha256", sha256_in(shown.err), "--out", out};
    words.insert(words.end(), more.begin(), more.end());
    return as_carol(words);
  }
};

}  // namespace

TEST_CASE_METHOD(Approved, "a CA's key signs once two of three have approved the very bytes") {
  const std::string before = signatures();
  const auto id = pending("www");
  const auto explained = cli.run({"request", "explain", id}).out;
  has(flat(explained), "signed approvals at this bridge (2 of 3)");
  has(explained, "alice has not decided yet");

  const auto listed = cli.run({"approval", "list", "--as", "alice"});
  INFO(listed.out << listed.err);
  CHECK(listed.status == 0);
  has(listed.out, id);
  const auto shown = approval("show", "alice", id);
  INFO(shown.out << shown.err);
  CHECK(shown.status == 0);
  has(shown.out, "Alternative name: dns:www.example.com");
  has(shown.out, "Issuer: ");
  has(shown.out, "approval accept --as alice " + id);
  const auto sha = approval("show", "alice", id, {"--json"}).json().at("payload_sha256").as_string();

  CHECK(approval("accept", "alice", id, {"--sha256", std::string(64, 'a')}).status == 4);
  const auto one = approval("accept", "alice", id, {"--sha256", sha, "--reason", "as agreed"});
  INFO(one.out << one.err);
  REQUIRE(one.status == 0);
  CHECK(state(id) == "AwaitingLocalApproval");
  has(cli.run({"request", "explain", id}).out, "alice has approved");
  CHECK(cli.run({"approval", "list", "--as", "alice"}).out.find(id) == std::string::npos);
  const auto again = approval("accept", "alice", id);
  CHECK(again.status == 4);
  has(again.err, "irrevocable");
  CHECK(signatures() == before);

  REQUIRE(approval("accept", "bob", id).status == 0);
  CHECK(signatures() == before);
  const auto done = cli.run({"request", "wait", id, "--timeout", "50s"});
  INFO(done.out << done.err);
  REQUIRE(done.status == 0);
  trusted("www.pem");
  CHECK(signatures() != before);
  CHECK(cli.run({"audit", "verify"}).status == 0);
  has(audit(), "approver-key-use");
  const auto late = approval("accept", "alice", id);
  CHECK(late.status == 1);
  has(flat(late.err), "does not wait for approvals: it is Completed");
  const auto history = cli.run({"request", "history", id}).out;
  has(history, "by alice");
  has(history, "by bob");
}

TEST_CASE_METHOD(Approved,
                 "an approver elsewhere decides about a file, without the store, and openssl verifies the vote") {
  const auto id = pending("www");
  REQUIRE(cli.run({"approval", "export", id, "--out", "ask.json"}).status == 0);
  const auto blind = as_carol({"approval", "sign", "ask.json", "--yes", "--out", "carol.vote"});
  CHECK(blind.status == 2);
  has(blind.err, "--sha256");
  CHECK_FALSE(cli.exists("carol.vote"));
  const auto other = as_carol({"approval", "sign", "ask.json", "--yes", "--sha256", std::string(64, 'a')});
  CHECK(other.status == 4);
  const auto vote = sign_as_carol("ask.json", "carol.vote", {"--reason", "by file"});
  INFO(vote.out << vote.err);
  REQUIRE(vote.status == 0);
  // What openssl says of it.
  const Json made = Json::parse(cli.read("carol.vote"));
  cli.write("signed", "hsmbridge-approval-v1\n" + made.at("approval").dump());
  const auto signature = from_base64(made.at("signature").as_string());
  cli.write("signature", as_text(signature));
  const auto verified =
      cli.other({"openssl", "dgst", "-sha256", "-verify", "carol.pub", "-signature", "signature", "signed"});
  INFO(verified.out << verified.err);
  CHECK(verified.status == 0);

  const auto taken = cli.run({"approval", "import", "carol.vote"});
  INFO(taken.out << taken.err);
  REQUIRE(taken.status == 0);
  const auto replayed = cli.run({"approval", "import", "carol.vote"});
  CHECK(replayed.status == 4);
  has(replayed.err, "carol has approved it already");
  REQUIRE(approval("accept", "alice", id).status == 0);
  REQUIRE(cli.run({"request", "wait", id, "--timeout", "50s"}).status == 0);
  trusted("www.pem");
}

TEST_CASE_METHOD(Approved, "a vote in a file that does not count is refused with one sentence and a leaf") {
  const auto id = pending("www");
  REQUIRE(cli.run({"approval", "export", id, "--out", "ask.json"}).status == 0);
  REQUIRE(sign_as_carol("ask.json", "carol.vote").status == 0);
  const Json good = Json::parse(cli.read("carol.vote"));
  const auto refused = [&](const Json& vote, const std::string& why) {
    CAPTURE(why);
    cli.write("bad.vote", vote.dump());
    const auto result = cli.run({"approval", "import", "bad.vote"});
    CHECK(result.status == 4);
    has(flat(result.err), why);
    has(audit(), "approval-refused");
    CHECK(state(id) == "AwaitingLocalApproval");
  };
  const auto with = [&good](const char* name, Json value) {
    Json inner = good.at("approval");
    Json outer = good;
    return outer.set("approval", inner.set(name, std::move(value)));
  };
  refused(Json::parse("{}"), "member 'approval' is missing");
  refused(with("urgent", Json(true)), "unknown member 'urgent'");
  refused(with("person", Json("alice")), "not the one of alice");
  refused(with("reason", Json("because")), "the signature of carol does not verify");
  refused(with("draft_sha256", Json(std::string(64, '0'))), "other bytes");
  refused(with("request", Json("0000000000000000")), "there is no request");

  // A file that says something else beside the draft, whose SHA-256 it leaves, is signed for that, and does not count.
  const auto shown = as_carol({"approval", "sign", "ask.json"});
  Json ask = Json::parse(cli.read("ask.json"));
  Json state_there = ask.at("state");
  Json dossier = state_there.at("dossier");
  Json its_draft = dossier.at("draft");
  Json its_key = dossier.at("key");
  const auto beside = [&](const Json& instead) {
    Json whole = state_there;
    cli.write("beside.json", ask.set("state", whole.set("dossier", instead)).dump());
    const auto mistaken = as_carol({"approval", "sign", "beside.json", "--yes", "--sha256", sha256_in(shown.err)});
    CHECK(mistaken.status == 4);
    has(flat(mistaken.err), "what is asked here has the SHA-256");
    const auto made = sign_as_carol("beside.json", "beside.vote");
    INFO(made.out << made.err);
    REQUIRE(made.status == 0);
    const auto result = cli.run({"approval", "import", "beside.vote"});
    CHECK(result.status == 4);
    has(flat(result.err), "the vote is for another order");
    std::filesystem::remove(cli / "beside.vote");
  };
  beside(Json(dossier).set("draft", its_draft.set("summary", "nothing was found")));
  beside(Json(dossier).set("key", its_key.set("label", "another")));

  // A file whose draft says something else is signed for that, and does not count.
  std::string changed = cli.read("ask.json");
  const Json draft = Json::parse(changed).at("state").at("dossier").at("draft");
  const std::string tbs = draft.at("to_be_signed").as_string();
  Bytes octets = from_base64(tbs);
  octets[20] = static_cast<std::uint8_t>(octets[20] ^ 1U);  // in the serial number
  changed.replace(changed.find(tbs), tbs.size(), base64(octets));
  cli.write("changed.json", changed);
  const auto other = sign_as_carol("changed.json", "other.vote");
  if (other.status == 0) {
    const auto result = cli.run({"approval", "import", "other.vote"});
    CHECK(result.status == 4);
    has(result.err, "other bytes");
  } else {
    CHECK(other.status == 4);
  }
}

TEST_CASE_METHOD(Approved, "who asks cannot approve, and an account is not another person's") {
  const auto whoami = cli.other({"id", "-un"}).out;
  const std::string account = whoami.substr(0, whoami.find('\n'));
  want("{quorum: 2, of: [alice, bob, carol]}", "['" + account + "']");
  const auto id = pending("www");
  const auto own = approval("accept", "alice", id);
  CHECK(own.status == 4);
  has(own.err, "alice asked for it");
  const auto other = approval("accept", "bob", id);
  CHECK(other.status == 4);
  has(flat(other.err), "is that of alice, not of bob");
  has(audit(), "approval-refused");

  // Also where that is found out when she has approved it.
  want("{quorum: 2, of: [alice, bob, carol]}");
  const std::string before = signatures();
  const auto later = pending("later", "later.example.com");
  REQUIRE(approval("accept", "alice", later).status == 0);
  REQUIRE(approval("accept", "bob", later).status == 0);
  want("{quorum: 2, of: [alice, bob, carol]}", "['" + account + "']");
  const auto end = std::chrono::steady_clock::now() + 60s;
  const auto is_asked_again = [&] {
    return state(later) == "AwaitingLocalApproval" &&
           flat(cli.run({"request", "history", later}).out).find("alice asked for it") != std::string::npos;
  };
  while (!is_asked_again()) {
    REQUIRE(std::chrono::steady_clock::now() < end);
    CHECK(cli.run({"request", "wait", later, "--timeout", "2s"}).status == 3);
  }
  CHECK(signatures() == before);

  want("{quorum: 3, of: [alice, bob, carol]}", "['" + account + "']");
  const auto impossible = enroll("other", "other.example.com");
  CHECK(impossible.status == 4);
  has(flat(impossible.err), "alice, who asks for it, cannot approve");
}

TEST_CASE_METHOD(Approved, "whose account it was that asked is seen when it is configured, and may end the request") {
  const auto whoami = cli.other({"id", "-un"}).out;
  const std::string account = whoami.substr(0, whoami.find('\n'));
  const auto id = pending("www");
  const auto listed = [&] { return cli.run({"approval", "list", "--as", "alice"}).out; };
  has(listed(), id);
  want("{quorum: 2, of: [alice, bob, carol]}", "['" + account + "']");
  CHECK(listed().find(id) == std::string::npos);
  const auto shown = approval("show", "alice", id);
  CHECK(shown.status == 4);
  has(shown.out, "alice (asked for it): not decided");
  has(flat(shown.out), "OBJECTION: alice asked for it, and cannot decide about it");
  REQUIRE(cli.run({"approval", "export", id, "--out", "ask.json"}).status == 0);
  REQUIRE(sign_as_carol("ask.json", "carol.vote").status == 0);
  REQUIRE(cli.run({"approval", "import", "carol.vote"}).status == 0);
  CHECK(state(id) == "AwaitingLocalApproval");

  // Where not enough are left.
  want("{quorum: 3, of: [alice, bob, carol]}");
  const auto all = pending("all", "all.example.com");
  want("{quorum: 3, of: [alice, bob, carol]}", "['" + account + "']");
  const std::string why = "alice asked for it, as the accounts of people are now: there could not be enough approvals";
  const auto over = approval("show", "alice", all);
  CHECK(over.status == 4);
  has(flat(over.out), why);
  CHECK(state(all) == "AwaitingLocalApproval");
  REQUIRE(cli.run({"approval", "export", all, "--out", "all.json"}).status == 0);
  REQUIRE(sign_as_carol("all.json", "all.vote").status == 0);
  const auto late = cli.run({"approval", "import", "all.vote"});
  CHECK(late.status == 4);
  has(flat(late.err), why);
  CHECK(state(all) == "Failed");
}

TEST_CASE_METHOD(Approved, "a configuration that says something else ends a request by a signed vote alone") {
  const auto id = pending("www");
  want("{quorum: 1, of: [alice, bob]}");
  // Whoever is not asked, has not seen it or has not said yes ends nothing.
  for (const Words& words :
       {Words{"accept", id, "--as", "carol", "--yes"}, Words{"reject", id, "--as", "carol", "--yes"},
        Words{"accept", id, "--as", "alice", "--yes", "--sha256", "00"}, Words{"accept", id, "--as", "alice"},
        Words{"reject", id, "--as", "alice"}}) {
    Words whole{"approval"};
    whole.insert(whole.end(), words.begin(), words.end());
    CHECK(cli.run(whole).status != 0);
    CHECK(state(id) == "AwaitingLocalApproval");
  }
  has(flat(approval("show", "alice", id).out), "wants other approvals now");
  const std::string verb = GENERATE("accept", "reject");
  const auto vote = approval(verb, "alice", id);
  CHECK(vote.status == 4);
  has(flat(vote.err), "wants other approvals now");
  CHECK(state(id) == "Failed");
}

TEST_CASE_METHOD(Approved, "a request whose profile is gone is shown and exported, and not decided") {
  const auto id = pending("www");
  std::string text = cli.read("hsmbridge.yaml");
  const std::string profile = "  server: {approval: ";
  cli.write("hsmbridge.yaml", text.replace(text.find(profile), 9, "  renamed:"));
  const auto shown = approval("show", "alice", id);
  CHECK(shown.status == 4);
  has(flat(shown.out), "OBJECTION: the configuration has no profile 'server'");
  has(flat(shown.out), "www.example.com");
  CHECK(cli.run({"approval", "export", id, "--out", "ask.json"}).status == 0);
  for (const auto* verb : {"accept", "reject"}) {
    const auto decided = approval(verb, "alice", id);
    CHECK(decided.status == 4);
    has(flat(decided.err), "hsmbridge request cancel " + id);
  }
  CHECK(state(id) == "AwaitingLocalApproval");
}

TEST_CASE_METHOD(Approved, "the login that asked through another account is kept, and may be known later") {
  // Where the machine records who logged in that counts, and nobody is told.
  const auto login = cli.other({"cat", "/proc/self/loginuid"}).out;
  const bool has_login = !login.empty() && login != "4294967295";
  const std::string uid = has_login ? cli.other({"id", "-un", login}).out : "3000000001";
  const std::string account = uid.substr(0, uid.find('\n'));
  cli.set("HSMBRIDGE_ASKED_BY", "3000000001");
  const auto id = pending("www");
  cli.unset("HSMBRIDGE_ASKED_BY");
  has(cli.run({"request", "show", id}).out, "uid:" + account);
  has(flat(approval("show", "alice", id).out), "uid:" + account);
  const std::string before = signatures();
  REQUIRE(approval("accept", "alice", id).status == 0);
  want("{quorum: 2, of: [alice, bob, carol]}", "['" + account + "']");
  REQUIRE(cli.run({"approval", "export", id, "--out", "ask.json"}).status == 0);
  REQUIRE(sign_as_carol("ask.json", "carol.vote").status == 0);
  REQUIRE(cli.run({"approval", "import", "carol.vote"}).status == 0);
  const auto end = std::chrono::steady_clock::now() + 60s;
  while (flat(cli.run({"request", "history", id}).out).find("alice asked for it") == std::string::npos) {
    REQUIRE(std::chrono::steady_clock::now() < end);
    CHECK(cli.run({"request", "wait", id, "--timeout", "2s"}).status == 3);
  }
  CHECK(signatures() == before);
}

TEST_CASE_METHOD(Approved, "a rejection that leaves too few, and a policy that changed, end the request") {
  auto id = pending("www");
  REQUIRE(approval("reject", "alice", id, {"--reason", "wrong name"}).status == 0);
  CHECK(state(id) == "AwaitingLocalApproval");
  REQUIRE(approval("reject", "bob", id, {"--reason", "wrong name"}).status == 0);
  CHECK(state(id) == "Rejected");

  id = pending("next");
  REQUIRE(approval("accept", "alice", id).status == 0);
  want("{quorum: 1, of: [alice, bob, carol]}");
  const auto late = approval("accept", "bob", id);
  CHECK(late.status == 4);
  has(flat(late.err), "wants other approvals now");
  CHECK(state(id) == "Failed");

  id = pending("real");
  std::string rehearsed = cli.read("hsmbridge.yaml");
  rehearsed.replace(rehearsed.find("store: {"), 8, "store: {rehearsal: true, ");
  cli.write("hsmbridge.yaml", rehearsed);
  const auto elsewhere = approval("accept", "alice", id);
  CHECK(elsewhere.status == 4);
  has(flat(elsewhere.err), "requested when this store was real, and now it is rehearsal");
  CHECK(state(id) == "Failed");

  // Also when enough had approved before.
  want("{quorum: 1, of: [alice, bob, carol]}");
  const std::string before = signatures();
  id = pending("last");
  REQUIRE(approval("accept", "alice", id).status == 0);
  CHECK(state(id) == "Submitting");
  want("{quorum: 2, of: [alice, bob]}");
  CHECK(cli.run({"request", "wait", id, "--timeout", "50s"}).status == 1);
  CHECK(state(id) == "Failed");
  CHECK(signatures() == before);
}

TEST_CASE_METHOD(Approved,
                 "where a vote does not count any more all are asked again, and no other vote is lost in vain") {
  const auto id = pending("www");
  REQUIRE(approval("accept", "alice", id).status == 0);
  // As another hsmbridge wrote it.
  REQUIRE(cli.other({"sqlite3", "store.db",
                     "UPDATE requests SET state_json = replace(state_json, 'order_sha256', 'order_sha1') WHERE id = '" +
                         id + "'"})
              .status == 0);
  has(flat(cli.run({"request", "explain", id}).out), "no vote counts: ");
  const auto refused = approval("accept", "bob", id);
  INFO(refused.out << refused.err);
  CHECK(refused.status == 4);
  has(flat(refused.err), "all are asked again");
  REQUIRE(cli.run({"request", "wait", id, "--timeout", "50s"}).status == 3);
  REQUIRE(approval("accept", "bob", id).status == 0);
  REQUIRE(approval("accept", "alice", id).status == 0);
  REQUIRE(cli.run({"request", "wait", id, "--timeout", "50s"}).status == 0);
  trusted("www.pem");
}

TEST_CASE_METHOD(Approved, "nobody gets around a quorum by naming the provider of another one") {
  std::string text = cli.read("hsmbridge.yaml");
  const auto insert = [&](const std::string& before, const std::string& what) {
    REQUIRE(text.find(before) != std::string::npos);
    text.insert(text.find(before), what);
  };
  insert(
      "\npeople:\n",
      "  other:\n    type: local-ca\n    certificate: other.pem\n    key: {token: ca, key: other-2026}\n    profiles:\n"
      "      tls: {for: [server, two], validity: 30d, usage: [digitalSignature], extended_usage: [serverAuth]}\n");
  insert("  server: {approval:",
         "  two: {approval: {quorum: 3, of: [alice, bob, carol]}, provider: other, token: web, key: \"ec:P-256\", "
         "anchors: [root.pem]}\n");
  cli.write("hsmbridge.yaml", text);
  const auto refused = enroll("www", "www.example.com", {"--provider", "other"});
  CHECK(refused.status == 4);
  has(flat(refused.err),
      "profile server is not for provider other, and profile two, which is, wants approvals that server does not");
  has(flat(refused.err), "request it with profile two");
  // Nor the other way round.
  const auto back = cli.run({"enroll", "--profile", "two", "--provider", "issuing", "--new-key", "www", "--subject",
                             "CN=www.example.com", "--san", "dns:www.example.com"});
  CHECK(back.status == 4);
  has(flat(back.err), "profile two is not for provider issuing, and profile server, which is, wants approvals");
  CHECK(cli.run({"request", "list", "--open", "--json"}).json().at("requests").as_array().empty());
}

TEST_CASE_METHOD(Approved, "a clock that was set back by more than ten minutes signs nothing that was approved") {
  const std::string before = signatures();
  const auto id = pending("www");
  REQUIRE(approval("accept", "alice", id).status == 0);
  REQUIRE(approval("accept", "bob", id).status == 0);
  const auto behind = [&](Words words) {
    words.insert(words.begin(), {"faketime", "-m", "--exclude-monotonic", "-f", "-15m", Cli::program().string()});
    return cli.other(words);
  };
  const auto held = behind({"request", "wait", id, "--timeout", "3s"});
  INFO(held.out << held.err);
  CHECK(held.status == 3);
  CHECK(signatures() == before);
  has(flat(behind({"request", "explain", id}).out), "behind what was approved at");
  const auto doctor = behind({"doctor"});
  has(flat(doctor.out + doctor.err), "this clock was set back, or was ahead");
  const auto done = cli.run({"request", "wait", id, "--timeout", "50s"});
  INFO(done.out << done.err);
  CHECK(done.status == 0);
}

TEST_CASE_METHOD(Approved, "a process that read another configuration than is there now releases nothing") {
  const std::string before = signatures();
  const auto id = pending("www");
  Process daemon(cli, {"sh", "-c", std::string("exec ") + HSMBRIDGE_PROGRAM + " run 2> said"}, {});
  while (!cli.exists("said") || cli.read("said").find(" works with ") == std::string::npos) {
    REQUIRE(daemon.running());
    daemon.run_for(20ms);
  }
  cli.write("hsmbridge.yaml", cli.read("hsmbridge.yaml") + "# carol has left\n");
  REQUIRE(approval("accept", "alice", id).status == 0);
  REQUIRE(approval("accept", "bob", id).status == 0);
  const auto end = std::chrono::steady_clock::now() + 60s;
  while (flat(cli.run({"request", "explain", id}).out).find("was changed since this process read it") ==
         std::string::npos) {
    REQUIRE(std::chrono::steady_clock::now() < end);
    daemon.run_for(100ms);
  }
  CHECK(signatures() == before);
  has(flat(cli.run({"doctor"}).out), "was changed since `run` read it at ");
  daemon.signal(SIGTERM);
  CHECK(daemon.wait() == 0);
  const auto done = cli.run({"request", "wait", id, "--timeout", "50s"});
  INFO(done.out << done.err);
  CHECK(done.status == 0);
}

TEST_CASE_METHOD(Approved, "in a store that was taken back to a copy it is approved again, also by a wrong clock") {
  const std::string before = signatures();
  const auto id = pending("www");
  REQUIRE(cli.run({"approval", "export", id, "--out", "ask.json"}).status == 0);
  REQUIRE(sign_as_carol("ask.json", "carol.vote").status == 0);
  REQUIRE(approval("accept", "alice", id).status == 0);
  REQUIRE(cli.run({"store", "backup", "backup.db"}).status == 0);
  REQUIRE(approval("reject", "bob", id, {"--reason", "wrong name"}).status == 0);
  for (const char* side : {"store.db-wal", "store.db-shm"}) std::filesystem::remove(cli / side);
  std::filesystem::copy(cli / "backup.db", cli / "store.db", std::filesystem::copy_options::overwrite_existing);

  const auto accepted = cli.other(
      {"faketime", "-m", "--exclude-monotonic", "-f", "-2d", Cli::program().string(), "store", "accept-restored"});
  INFO(accepted.out << accepted.err);
  REQUIRE(accepted.status == 0);
  CHECK(state(id) == "Preparing");
  has(flat(cli.run({"request", "history", id}).out), "what was said since of the approvals is not known");
  const auto late = cli.run({"approval", "import", "carol.vote"});
  INFO(late.out << late.err);
  CHECK(late.status == 4);
  CHECK(signatures() == before);
}

TEST_CASE_METHOD(Approved,
                 "nothing that was approved is lost, and nothing signed unapproved, when the program is killed") {
  constexpr int kKilled = 128 + SIGKILL;
  for (const std::string place : {"store.before-commit", "store.after-commit"}) {
    CAPTURE(place);
    std::filesystem::remove(cli / "www.pem");  // of the request before, which is in use
    const auto id = pending(place, place.substr(6, 5) + ".example.com");
    const std::string before = signatures();
    REQUIRE(approval("accept", "alice", id).status == 0);
    for (int passing = 1;; ++passing) {
      REQUIRE(passing < 20);
      // A login that was cut short twice is not tried again by itself.
      REQUIRE(cli.run({"token", "login", "bob", "--retry"}).status == 0);
      cli.set("HSMBRIDGE_FAILPOINT", place + ":" + std::to_string(passing));
      const auto died = approval("accept", "bob", id);
      cli.unset("HSMBRIDGE_FAILPOINT");
      INFO(died.out << died.err);
      CHECK(signatures() == before);
      if (died.status == 0) break;
      REQUIRE(died.status == kKilled);
      if (state(id) != "AwaitingLocalApproval") break;  // it was stored before
    }
    const auto done = cli.run({"request", "wait", id, "--timeout", "50s"});
    INFO(done.out << done.err);
    REQUIRE(done.status == 0);
    trusted("www.pem");
  }
}
