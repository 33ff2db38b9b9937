#pragma once

#include "base/json.h"
#include "support/bench/bench.h"
#include "support/running_rig.h"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

namespace hsmbridge::test {

// A user with a token and the simulated Venafi as the provider `cloud`.
struct CloudBench {
  explicit CloudBench(const std::string& alias = "Default", const std::string& credential = "") {
    cli.make_token("web");
    const auto key = cli.write("cloud.key", rig.api_key("ops") + "\n");
    configure(alias, credential.empty() ? "api_key: \"file:" + key.string() + "\"" : credential);
  }
  // `more`: lines of the profile, indented by four; `root`: where chains end.
  void configure(const std::string& alias, const std::string& credential, const std::string& zone = "",
                 const std::string& more = "", const std::string& root = "") {
    cli.configure(
        "store: {path: " + (cli / "hsmbridge.db").string() + "}\n" + "providers:\n  cloud:\n    type: " + type +
        "\n    url: " + rig.about().at("url").as_string() + "\n    ca: " + rig.about().at("ca").as_string() + "\n    " +
        credential + "\n    zone: '" + (zone.empty() ? "Payments\\" + alias : zone) +
        "'\n    poll_first: 200ms\n    poll_longest: 500ms\n    settle: 1s\n    search_lag: 2s\n"
        "profiles:\n  server:\n    provider: cloud\n    token: web\n    key: \"ec:P-256\"\n"
        "    subject: {C: CH, O: Example}\n    usage: [digitalSignature]\n    validity: 30d\n"
        "    anchors: [" +
        (root.empty() ? rig.about().at("issuing_root").as_string() : root) + "]\n    install: {token: true}\n" + more);
  }
  CliResult enroll(const std::vector<std::string>& more = {"--wait", "--timeout", "30s"}) {
    std::vector<std::string> words{"enroll",    "--provider", "cloud", "--profile",          "server",
                                   "--new-key", "web-1",      "--san", "dns:www.example.com"};
    words.insert(words.end(), more.begin(), more.end());
    return cli.run(words);
  }

  std::string key_of_ops() const { return "api_key: \"file:" + (cli / "cloud.key").string() + "\""; }
  std::size_t orders() const { return rig.count("POST /outagedetection/v1/certificaterequests "); }

  // The audit log, as its leaves were written.
  std::string leaves() { return cli.other({"sqlite3", "hsmbridge.db", "SELECT CAST(data AS TEXT) FROM leaves"}).out; }

  std::string type = "venafi-tls-protect-cloud";
  RunningRig rig{{}, "venafi"};
  Cli cli;
};

inline bool says(const CliResult& result, const std::string& words) {
  INFO(result.out << result.err);
  // Read as a person reads: a paragraph is wrapped.
  std::string text;
  for (const char c : result.out + result.err) {
    if (c != '\n' && c != ' ') {
      text += c;
    } else if (!text.empty() && text.back() != ' ') {
      text += ' ';
    }
  }
  return text.find(words) != std::string::npos;
}

}  // namespace hsmbridge::test
