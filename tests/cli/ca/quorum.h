#pragma once

#include "base/bytes.h"
#include "base/json.h"
#include "place.h"
#include "support/bench/bench.h"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

namespace hsmbridge::test {

// A CA whose key issuing-2026 is at the simulated TSB, under its own quorum of alice, bob and carol; `tsb` certifies by
// itself with another key.
struct Quorum {
  Bench bench;

  explicit Quorum(unsigned quorum = 2, const std::string& ca_lines = "", const Words& create = {})
      : bench(BenchOptions{}) {
    Words words{"tsb", "create-ca", "--label", "issuing-2026", "--subject", "C=CH, O=Example, CN=Example Issuing"};
    if (quorum == 0) {
      words.emplace_back("--no-approval");
    } else {
      words.insert(words.end(), {"--group", "ca operators", "--quorum", std::to_string(quorum)});
      for (const std::string name : {"alice", "bob", "carol"}) {
        words.insert(words.end(), {"--approver", name + "=" + name + ".pem"});
      }
    }
    words.insert(words.end(), create.begin(), create.end());
    const auto made = bench.rig(words);
    INFO(made.err);
    REQUIRE(made.status == 0);
    certificate = (bench / "rig/issuing-2026.pem").string();
    std::string text = bench.cli().read(kFile);
    insert(text, "profiles:\n",
           "  issuing:\n    type: local-ca\n    certificate: " + certificate +
               "\n    key: {provider: tsb, key: issuing-2026}\n"
               "    time_limit: 2s\n    settle: 1s\n    poll_first: 200ms\n"
               "    poll_longest: 500ms\n" +
               ca_lines +
               "    profiles:\n      tls:\n        for: [www]\n        validity: 90d\n"
               "        usage: [digitalSignature]\n        extended_usage: [serverAuth]\n");
    insert(text, "people:\n",
           "  www: {provider: issuing, token: web, key: \"ec:P-256\", anchors: [" + certificate +
               "], install: {token: true, file: " + (bench / "www.pem").string() + "}}\n");
    bench.cli().write(kFile, text);
  }

  static void insert(std::string& text, const std::string& before, const std::string& what) {
    REQUIRE(text.find(before) != std::string::npos);
    text.insert(text.find(before), what);
  }
  void change(const std::string& from, const std::string& to) {
    std::string text = bench.cli().read(kFile);
    REQUIRE(text.find(from) != std::string::npos);
    bench.cli().write(kFile, text.replace(text.find(from), from.size(), to));
  }
  CliResult enroll(const std::string& label, const Words& more = {}) const {
    Words words{"enroll",
                "--profile",
                "www",
                "--new-key",
                label,
                "--cn",
                label + ".example.com",
                "--san",
                "dns:" + label + ".example.com"};
    words.insert(words.end(), more.begin(), more.end());
    return bench.run(words);
  }
  CliResult wait(const std::string& id, const std::string& timeout = "30s") const {
    return bench.run({"request", "wait", id, "--timeout", timeout});
  }
  CliResult crl() const { return bench.run({"ca", "crl", "issuing"}); }
  unsigned submissions() const { return bench.count("POST /v1/sign"); }
  // openssl, strictly: the certificate chains to the CA; with its CRL where one is named.
  CliResult judged(const std::string& file, const std::string& crl = "") const {
    Words words{"openssl", "verify", "-x509_strict", "-CAfile", certificate};
    if (!crl.empty()) words.insert(words.end(), {"-crl_check", "-CRLfile", crl});
    words.push_back(file);
    return bench.cli().other(words);
  }
  std::string asked(const std::string& sql) const { return bench.cli().other({"sqlite3", "hsmbridge.db", sql}).out; }
  std::string audit() const { return asked("SELECT CAST(data AS TEXT) FROM leaves"); }
  // What the TSB itself holds of a request: its references, by the note that went along.
  Words references(const std::string& id) const {
    Words found;
    const auto held = bench.rig({"requests"});
    REQUIRE(held.status == 0);
    for (std::size_t begin = 0; begin < held.out.size();) {
      const auto end = held.out.find('\n', begin);
      const auto request = Json::parse(std::string_view(held.out).substr(begin, end - begin));
      const auto note = request.at("body").at("signRequest").string_or("metaData", "");
      if (!note.empty() && to_text(from_base64(note)).find(id) != std::string::npos) {
        found.push_back(request.at("id").as_string());
      }
      begin = end + 1;
    }
    return found;
  }
  // Goes on after a crash or a lost answer as a person would.
  void finish(const std::string& id) const {
    auto waited = wait(id);
    if (waited.status == 6) {
      const auto held = references(id);
      REQUIRE(held.size() <= 1);
      const auto resolved = held.empty() ? bench.run({"request", "resolve", id, "--not-there", "--reason", "not there"})
                                         : bench.run({"request", "resolve", id, "--reference", held.front()});
      INFO(resolved.err);
      REQUIRE(resolved.status == 3);
      waited = wait(id);
    }
    INFO(waited.out << waited.err << bench.run({"request", "history", id}).out);
    REQUIRE(waited.status == 0);
  }

  static constexpr const char* kFile = ".config/hsmbridge/hsmbridge.yaml";
  std::string certificate;
};

}  // namespace hsmbridge::test
