// CAs whose keys are in tokens, as their operator makes and uses them; what they issue is judged by openssl and
// certtool.
#include "place.h"

using namespace hsmbridge;
using namespace hsmbridge::test;

TEST_CASE_METHOD(Place, "a root and a CA below it are made in tokens, and what they issue is trusted") {
  const auto none = cli.run({"ca", "list"});
  CHECK(none.status == 0);
  has(none.out, "root     -      no");
  make_both();
  trusted("issuing.pem");
  const std::string root = text_of("root.pem");
  has(root, "Issuer: C = CH, O = Example, CN = Example Root\n");
  has(root, "CA:TRUE, pathlen:1");
  has(root, "X509v3 Key Usage: critical\n                Certificate Sign, CRL Sign");
  has(root, "Signature Algorithm: ecdsa-with-SHA384");
  const std::string issuing = text_of("issuing.pem");
  has(issuing, "CA:TRUE, pathlen:0");
  has(issuing, "X509v3 Name Constraints: critical");
  has(issuing, "X509v3 Any Policy");

  const auto made = enroll("www", "www.example.com");
  INFO(made.out << made.err);
  REQUIRE(made.status == 0);
  trusted("www.pem");
  const std::string www = text_of("www.pem");
  has(www, "CPS: https://ca.example.com/cps");
  has(www, "URI:http://ca.example.com/issuing.crl");
  has(www, "CA Issuers - URI:http://ca.example.com/issuing.crt");

  const Json shown = cli.run({"ca", "show", "issuing", "--json"}).json();
  CHECK(shown.at("subject").as_string() == "C=CH, O=Example, CN=Example Issuing");
  CHECK(shown.at("serials_taken").as_integer() == 1);
  CHECK(shown.at("obstacles").as_array().size() == 0);
  const auto listed = cli.run({"ca", "list", "--json"}).json();
  CHECK(listed.at("cas").as_array().size() == 2);

  // Each signature of a CA's key is in the log before it was made, with the number and the digest of what was signed.
  const std::string leaves = audit();
  has(leaves, "ca-key-use");
  has(leaves, "ca-key-used");
  has(leaves, "ca-initialised");
  has(leaves, "to_be_signed_sha256");
  CHECK(cli.run({"audit", "verify"}).status == 0);
}

TEST_CASE_METHOD(Place, "a CA that has a certificate is not made again, and its file is not touched") {
  make_both();
  const std::string before = cli.read("root.pem") + cli.read("issuing.pem");
  for (const Words& words :
       {Words{"ca", "init", "root", "--yes"}, Words{"ca", "init", "issuing", "--parent", "root", "--yes"}}) {
    const auto again = cli.run(words);
    CHECK(again.status == 1);
    has(again.err, "is there, and was not touched");
  }
  CHECK(cli.read("root.pem") + cli.read("issuing.pem") == before);
  const auto unasked = cli.run({"ca", "init", "root"});
  CHECK(unasked.status != 0);
}

TEST_CASE_METHOD(Place, "processes that make one root at the same time make one certificate") {
  const std::string program = Cli::program().string();
  const auto held = cli.other({"flock", "root.pem.lock", program, "ca", "init", "root", "--yes"});
  CHECK(held.status == 5);
  has(flat(held.err), "another process makes");
  CHECK_FALSE(cli.exists("root.pem"));
  cli.other({"sh", "-c", "for i in 1 2 3 4 5 6; do '" + program + "' ca init root --yes >out.$i 2>&1 & done; wait"});
  CHECK(cli.exists("root.pem"));
  CHECK_FALSE(cli.exists("root.pem.tbs"));
  const auto count = cli.other({"sqlite3", "store.db",
                                "SELECT count(*) FROM leaves WHERE json_extract(CAST(data AS TEXT), '$.kind') = "
                                "'ca-initialised'"});
  CHECK(count.out == "1\n");
}

TEST_CASE_METHOD(Place, "a key of another kind than the configuration says makes no root") {
  REQUIRE(cli.run({"key", "generate", "--token", "root", "--label", "root-2026", "--spec", "ec:P-256"}).status == 0);
  const auto refused = cli.run({"ca", "init", "root", "--yes"});
  CHECK(refused.status == 1);
  has(flat(refused.err), "is ec:P-256, and the configuration says ec:P-384");
}

TEST_CASE_METHOD(Place, "without a terminal and without --yes no CA is made") {
  const auto made = cli.run({"ca", "init", "root"});
  CHECK(made.status == 4);
  has(made.err, "give --yes");
  CHECK_FALSE(cli.exists("root.pem"));
  CHECK(cli.pkcs11_tool("root", {"--list-objects"}).out.find("root-2026") == std::string::npos);
}

TEST_CASE_METHOD(Place, "a CA below another one may have no more CAs below it than those above permit") {
  REQUIRE(cli.run({"ca", "init", "root", "--yes"}).status == 0);
  const auto refused = cli.run({"ca", "init", "issuing", "--parent", "root", "--path-length", "2", "--yes"});
  CHECK(refused.status == 4);
  has(refused.out + refused.err, "limits the path length to 1, and 2 is asked for");
  CHECK_FALSE(cli.exists("issuing.pem"));
}

TEST_CASE_METHOD(Place, "what the CA's profile, its linter or the CAs above forbid is refused before its key is used") {
  make_both();
  struct Row {
    std::string name;
    Words more;
    std::string why;
  };
  const auto count = [&] {
    return cli
        .other({"sqlite3", "store.db", "SELECT count(*) FROM leaves WHERE CAST(data AS TEXT) LIKE '%\"ca-key-use\"%'"})
        .out;
  };
  const std::string before = count();
  int number = 0;
  for (const Row& row : {
           Row{"www.example.com",
               {"--extended-usage", "codeSigning"},
               "profile tls does not permit the extended key usage codeSigning"},
           Row{"www.example.com",
               {"--usage", "keyEncipherment"},
               "profile tls does not permit the key usage keyEncipherment"},
           Row{"www.example.com", {"--ca"}, "profile tls makes no CAs"},
           Row{"www.example.com", {"--validity", "300d"}, "profile tls gives certificates until"},
           Row{"www.example.com", {"--extension", "1.2.3.4=0500"}, "profile tls does not permit the extension 1.2.3.4"},
           Row{"www.example.com", {"--policy", "1.2.3.4"}, "profile tls does not have the policy 1.2.3.4"},
           Row{"server",
               {},
               "cabf-tls-names (BR 7.1.2.7.12, 7.1.4.3): dns:server is not a fully qualified domain name"},
           Row{"www.example.org", {}, "lies outside what \"C=CH, O=Example, CN=Example Issuing\" permits"},
       }) {
    CAPTURE(row.name, row.why);
    const auto made = enroll("key-" + std::to_string(++number), row.name, row.more);
    CHECK(made.status == 4);
    has(flat(made.out + made.err), row.why);
  }
  CHECK(count() == before);
  CHECK_FALSE(cli.exists("www.pem"));
}

TEST_CASE_METHOD(Place, "a CA whose key is another one than its certificate's signs nothing") {
  make_both();
  std::string why;
  SECTION("the configuration names another one") {
    REQUIRE(cli.run({"key", "generate", "--token", "ca", "--label", "issuing-2027"}).status == 0);
    const std::string file = "hsmbridge.yaml";
    std::string text = cli.read(file);
    const std::string named = "key: issuing-2026";
    REQUIRE(text.find(named) != std::string::npos);
    cli.write(file, text.replace(text.find(named), named.size(), "key: issuing-2027"));
    why = "another key";
  }
  SECTION("it was deleted, and another one has its name") {
    REQUIRE(
        cli.run({"key", "delete", "--token", "ca", "issuing-2026", "--yes", "--force", "--with-certificates"}).status ==
        0);
    REQUIRE(cli.run({"key", "generate", "--token", "ca", "--label", "issuing-2026"}).status == 0);
    why = "is recorded as destroyed";
  }
  const auto made = enroll("www", "www.example.com");
  CHECK(made.status == 3);
  has(flat(made.out + made.err), why);
  CHECK_FALSE(cli.exists("www.pem"));
}

TEST_CASE_METHOD(Place, "what is revoked is on the next CRL, and openssl refuses it from then on") {
  make_both();
  REQUIRE(enroll("www", "www.example.com").status == 0);
  const std::string revoked = cli.read("www.pem");
  cli.write("revoked.pem", revoked);
  const auto first = cli.run({"ca", "crl", "issuing"});
  INFO(first.out << first.err);
  REQUIRE(first.status == 0);
  has(first.out, "CRL 1 of issuing with 0 revoked");
  const auto judged = [&](const std::string& file) {
    return cli.other({"openssl", "verify", "-x509_strict", "-crl_check", "-CAfile", "root.pem", "-untrusted",
                      "issuing.pem", "-CRLfile", "issuing.crl", file});
  };
  CHECK(judged("revoked.pem").status == 0);

  const Json listed = cli.run({"cert", "list", "--json", "--name", "www.example.com"}).json();
  const std::string certificate = listed.at("certificates").as_array().at(0).at("sha256").as_string();
  const auto done = cli.run({"cert", "revoke", certificate, "--reason", "keyCompromise", "--yes"});
  INFO(done.out << done.err);
  CHECK(done.status == 0);
  const auto second = cli.run({"ca", "crl", "issuing", "--json"}).json();
  CHECK(second.at("number").as_integer() == 2);
  CHECK(second.at("entries").as_integer() == 1);
  const auto refused = judged("revoked.pem");
  CHECK(refused.status != 0);
  has(refused.out + refused.err, "certificate revoked");
  const auto text = cli.other({"openssl", "crl", "-in", "issuing.crl", "-noout", "-text", "-crlnumber"}).out;
  has(text, "crlNumber=0x02");
  has(text, "Key Compromise");
  has(cli.run({"ca", "show", "issuing"}).out, "number 2, until ");
  has(audit(), "ca-key-used-for-crl");
  has(audit(), "crl-published");

  const auto root = cli.run({"ca", "crl", "root"});
  CHECK(root.status == 2);
  has(flat(root.err), "provider root does not say where its CRL goes");
  cli.write("issuing.crl", "something else");
  CHECK(cli.run({"ca", "crl", "issuing"}).status == 1);
  CHECK(cli.read("issuing.crl") == "something else");
}

TEST_CASE_METHOD(Place, "the certificate of a CA is not renewed with a new key") {
  make_both();
  const Json listed = cli.run({"cert", "list", "--json", "--profile", "sub-ca"}).json();
  const auto certificate = listed.at("certificates").as_array().at(0).at("sha256").as_string();
  const auto refused = cli.run({"cert", "renew", certificate});
  CHECK(refused.status != 0);
  has(flat(refused.err), "is a CA's: with a new key it would be another CA's");
  has(flat(refused.err), "--same-key");
}

TEST_CASE_METHOD(Place, "the key of a CA gets no certificate but a CA's, and is not destroyed by mistake") {
  make_both();
  const auto leaf = cli.run({"enroll", "--profile", "server", "--token", "ca", "--key", "issuing-2026", "--subject",
                             "CN=www.example.com", "--san", "dns:www.example.com"});
  CHECK(leaf.status == 4);
  has(flat(leaf.err), "is the key of the CA issuing: it gets no certificate but a CA's");
  const Words csr{"csr", "create", "--token", "root", "--key", "root-2026", "--subject", "CN=Example Root"};
  const auto refused = cli.run(csr);
  CHECK(refused.status == 4);
  has(flat(refused.err), "is the key of the CA root");
  // Nor by a CSR that was made before it was a CA's, or is made for it elsewhere.
  const auto by_label = cli.run({"enroll", "--profile", "server", "--token", "ca", "--new-key", "issuing-2026",
                                 "--subject", "CN=www.example.com", "--san", "dns:www.example.com"});
  CHECK(by_label.status == 4);
  has(flat(by_label.err), "is the key of the CA issuing: it gets no certificate but a CA's");
  Words of_ca = csr;
  of_ca.push_back("--ca");  // for another CA that shall certify it too
  CHECK(cli.run(of_ca).status == 0);

  const auto kept = cli.run({"key", "delete", "--token", "root", "root-2026", "--yes"});
  CHECK(kept.status == 4);
  has(flat(kept.err), "is the key of the CA root");
  has(cli.pkcs11_tool("root", {"--list-objects"}).out, "root-2026");

  // One key is one CA's.
  std::string text = cli.read("hsmbridge.yaml");
  const std::string begin = "providers:\n";
  text.insert(text.find(begin) + begin.size(), R"(  other:
    type: local-ca
    certificate: other.pem
    key: {token: root, key: root-2026}
    root: {subject: {C: CH, O: Example, CN: Other Root}, key: "ec:P-384", validity: 7300d}
    profiles: {}
)");
  cli.write("hsmbridge.yaml", text);
  for (const Words& words :
       {Words{"ca", "init", "other", "--yes"}, Words{"ca", "init", "other", "--parent", "root", "--yes"}}) {
    const auto second = cli.run(words);
    CHECK(second.status == 1);
    has(flat(second.err), "is the key of the CA root too");
  }
  CHECK_FALSE(cli.exists("other.pem"));
}

TEST_CASE_METHOD(Place, "many are revoked as it was rehearsed, and nothing where it would be anything else") {
  // Each into the token alone.
  std::string text = cli.read("hsmbridge.yaml");
  const std::string file = ", file: " + (cli / "www.pem").string();
  text.erase(text.find(file), file.size());
  cli.write("hsmbridge.yaml", text);
  make_both();
  std::vector<std::string> all;
  for (const std::string host : {"one", "two", "three"}) {
    REQUIRE(enroll(host, host + ".example.com").status == 0);
    const Json listed = cli.run({"cert", "list", "--json", "--name", host + ".example.com"}).json();
    all.push_back(listed.at("certificates").as_array().at(0).at("sha256").as_string());
  }
  REQUIRE(cli.run({"cert", "revoke", all[0], "--reason", "superseded", "--yes"}).status == 0);
  cli.write("lost.csv", "certificate,reason\n" + all[0] + ",superseded\n" + all[1].substr(0, 12) + ",\n" + all[2] +
                            ",cessationOfOperation\ndeadbeef00,\n" + all[1] + ",\n");
  const Words rehearse{"cert", "revoke", "--from", "lost.csv", "--reason", "keyCompromise", "--rehearse"};
  const auto shown = cli.run(rehearse);
  INFO(shown.out << shown.err);
  CHECK(shown.status == 1);  // two rows are wrong
  has(shown.out, "2 to revoke, 0 under way already, 1 revoked already, 2 that cannot be");
  has(shown.out, "line 5: ");
  has(flat(shown.out), "line 6: certificate " + all[1].substr(0, 12) + " is named twice");
  has(shown.out, "at issuing: 2; its next CRL has 3 entries, about 159 bytes");
  has(shown.out, "in use: 2");
  Words json = rehearse;
  json.push_back("--json");
  const Json planned = cli.run(json).json();
  const std::string plan = planned.at("plan").as_string();
  has(shown.err, "--plan " + plan);
  CHECK(cli.run({"request", "list", "--json"}).json().at("requests").as_array().size() == 5);

  const Words real{"cert", "revoke", "--from", "lost.csv", "--reason", "keyCompromise", "--yes"};
  CHECK(cli.run(real).status == 2);
  Words carried_out = real;
  carried_out.insert(carried_out.end(), {"--plan", plan});
  Words other_plan = real;
  other_plan.insert(other_plan.end(), {"--plan", std::string(64, '0')});
  const auto differs = cli.run(other_plan);
  CHECK(differs.status == 1);
  has(flat(differs.err), "this is not what was rehearsed: it would revoke 2 certificates now");
  // Somebody has begun to revoke one: it is waited for.
  REQUIRE(cli.run({"cert", "revoke", all[2], "--reason", "superseded", "--queue", "--yes"}).status == 3);
  has(cli.run(rehearse).out, "1 to revoke, 1 under way already, 1 revoked already, 2 that cannot be");
  // Somebody revokes one of them meanwhile.
  has(flat(cli.run(carried_out).err), "this is not what was rehearsed: it would revoke 1 certificates now");
  carried_out.back() = cli.run(json).json().at("plan").as_string();
  const auto done = cli.run(carried_out);
  INFO(done.out << done.err);
  CHECK(done.status == 1);  // the wrong rows
  CHECK(cli.run({"cert", "list", "--status", "revoked", "--json"}).json().at("certificates").as_array().size() == 3);
  has(cli.run({"ca", "show", "issuing"}).out, "Revoked");
  has(cli.run({"ca", "crl", "issuing"}).out, "CRL 1 of issuing with 3 revoked");
  has(cli.other({"openssl", "crl", "-in", "issuing.crl", "-noout", "-text"}).out, "Key Compromise");
}

TEST_CASE_METHOD(Place, "a compromise that was before is on the CRL with its date") {
  make_both();
  REQUIRE(enroll("www", "www.example.com").status == 0);
  const Json listed = cli.run({"cert", "list", "--json", "--name", "www.example.com"}).json().at("certificates");
  const Json& one = listed.as_array().at(0);
  const std::string certificate = one.at("sha256").as_string();
  const std::string since = one.at("not_before").as_string();
  const auto revoke = [&](const Words& more) {
    Words words{"cert", "revoke", certificate, "--yes"};
    words.insert(words.end(), more.begin(), more.end());
    return cli.run(words);
  };
  CHECK(revoke({"--reason", "superseded", "--since", since}).status == 2);
  CHECK(revoke({"--reason", "keyCompromise", "--since", "2020-01-01T00:00:00Z"}).status == 2);
  const auto done = revoke({"--reason", "keyCompromise", "--since", since});
  INFO(done.out << done.err);
  REQUIRE(done.status == 0);
  REQUIRE(cli.run({"ca", "crl", "issuing"}).status == 0);
  // Its key is recorded as compromised: there is nothing more to say, and no other date.
  const auto again = revoke({"--reason", "keyCompromise", "--since", since});
  CHECK(again.status == 1);
  has(flat(again.err), "is revoked already");
  const auto begins = cli.other({"openssl", "x509", "-in", "www.pem", "-noout", "-startdate"}).out;
  const std::string date = begins.substr(begins.find('=') + 1);
  has(cli.other({"openssl", "crl", "-in", "issuing.crl", "-noout", "-text"}).out, "Revocation Date: " + date);
}

TEST_CASE_METHOD(Place, "a compromise that is learnt of after the revocation is recorded without a date") {
  make_both();
  REQUIRE(enroll("www", "www.example.com").status == 0);
  const Json listed = cli.run({"cert", "list", "--json", "--name", "www.example.com"}).json().at("certificates");
  const Json& one = listed.as_array().at(0);
  const auto revoke = [&](const Words& more) {
    Words words{"cert", "revoke", one.at("sha256").as_string(), "--yes"};
    words.insert(words.end(), more.begin(), more.end());
    return cli.run(words);
  };
  const auto status_of_key = [&] {
    return cli.other({"sqlite3", "store.db", "SELECT status FROM keys WHERE label = 'www'"}).out;
  };
  REQUIRE(revoke({"--reason", "superseded"}).status == 0);
  const auto dated = revoke({"--reason", "keyCompromise", "--since", one.at("not_before").as_string()});
  CHECK(dated.status == 2);
  has(flat(dated.err), "its entry gets no other date");
  CHECK(status_of_key() != "compromised\n");
  const auto recorded = revoke({"--reason", "keyCompromise"});
  INFO(recorded.out << recorded.err);
  CHECK(recorded.status == 0);
  CHECK(status_of_key() == "compromised\n");
}

TEST_CASE_METHOD(Place, "nobody vouches for a revocation that is in no book of the CA") {
  make_both();
  REQUIRE(enroll("www", "www.example.com").status == 0);
  const Json listed = cli.run({"cert", "list", "--json", "--name", "www.example.com"}).json().at("certificates");
  const std::string certificate = listed.as_array().at(0).at("sha256").as_string();
  const auto queued = cli.run({"cert", "revoke", certificate, "--reason", "superseded", "--yes", "--queue", "--json"});
  INFO(queued.out << queued.err);
  REQUIRE(queued.status == 3);
  const std::string id = queued.json().at("id").as_string();
  const auto vouched = cli.run({"request", "resolve", id, "--done", "--reason", "I did it"});
  CHECK(vouched.status == 4);
  has(flat(vouched.err), "the CA issuing has not revoked it: it is on none of its CRLs");
  has(flat(vouched.err), "hsmbridge request resolve " + id + " --look-up");
  CHECK(cli.run({"request", "wait", id}).status == 0);
  has(cli.run({"ca", "crl", "issuing"}).out, "CRL 1 of issuing with 1 revoked");
}
