// Keys that get no certificate, also where they are in a token of ours.
#include "place.h"

using namespace hsmbridge;
using namespace hsmbridge::test;

TEST_CASE_METHOD(Place, "a key in a token that is in a list of weak keys gets no certificate, and makes no root") {
  const std::string text = "weak_keys: [weak.txt]\n" + cli.read("hsmbridge.yaml");
  cli.write("weak.txt", "");
  cli.write("hsmbridge.yaml", text);
  const auto list = [&](const std::string& token, const std::string& label, const std::string& spec) {
    const auto made = cli.run({"key", "generate", "--token", token, "--label", label, "--spec", spec, "--json"});
    INFO(made.err);
    REQUIRE(made.status == 0);
    return made.json().at("keys").as_array().at(0).at("spki_sha256").as_string() + "\n";
  };
  const auto enroll_with = [&](const std::string& key, const Words& more = {}) {
    Words words{"enroll", "--profile",          "server", "--key", key, "--subject", "CN=www.example.com",
                "--san",  "dns:www.example.com"};
    words.insert(words.end(), more.begin(), more.end());
    return cli.run(words);
  };
  const std::string root = list("root", "root-2026", "ec:P-384");
  cli.write("weak.txt", root);
  const auto no_root = cli.run({"ca", "init", "root", "--yes"});
  CHECK(no_root.status == 4);
  has(flat(no_root.err), "key root-2026 in token root gets no certificate: - key-listed: its private key is known");
  CHECK_FALSE(cli.exists("root.pem"));
  cli.write("weak.txt", "");
  make_both();

  const std::string weak = list("web", "weak", "ec:P-256");
  const std::string late = list("web", "late", "ec:P-256");
  cli.write("weak.txt", weak);
  for (const Words& more : {Words{}, Words{"--check"}}) {
    const auto refused = enroll_with("weak", more);
    CHECK(refused.status == 4);
    has(flat(refused.out + refused.err), "key weak in token web gets no certificate: - key-listed: its private key is");
  }
  // One that is listed after it was ordered.
  const auto queued = enroll_with("late", {"--queue", "--json"});
  INFO(queued.out << queued.err);
  REQUIRE(queued.status == 3);
  cli.write("weak.txt", weak + late);
  const auto failed = cli.run({"request", "wait", queued.json().at("id").as_string()});
  CHECK(failed.status == 4);
  has(flat(failed.out + failed.err), "it is in the list of weak keys");
  CHECK_FALSE(cli.exists("www.pem"));
}
