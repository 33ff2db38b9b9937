#pragma once

#include "support/cli/cli.h"
#include "support/running_rig.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <stdexcept>
#include <string>
#include <vector>

namespace hsmbridge::test {

// A user who has no token, CSRs of others, and one simulated provider, `ca`.
struct CsrDesk {
  // `kind`: raw-signature or certificate (Securosys), digicert, venafi.
  explicit CsrDesk(const std::string& which) : kind(which), rig(flags(which), service(which)) {
    if (service(kind) == "tsb")
      rig.command("tsb create-ca --label ca-key --subject 'CN=Test Issuing CA' --no-approval");
    configure();
  }
  static std::string service(const std::string& which) {
    return which == "digicert" || which == "venafi" ? which : std::string("tsb");
  }
  static std::vector<std::string> flags(const std::string& which) {
    if (service(which) == "tsb") return {"--allow-short-times", "--generation", "2.5"};
    return {};
  }

  std::string secret(const std::string& name, const std::string& role) const {
    return "\"file:" + cli.write(name + ".key", rig.api_key(role) + "\n").string() + "\"";
  }
  std::string provider() const {
    const std::string begin = "  ca:\n    url: " + rig.about().at("url").as_string() + "\n    settle: 1s\n" +
                              "    poll_first: 200ms\n    poll_longest: 500ms\n    time_limit: 5s\n    ca: ";
    if (kind == "digicert") {
      return begin + rig.about().at("ca").as_string() +
             "\n    type: digicert-tlm\n    api_key: " + secret("service", "service") +
             "\n    profile: 36f011b7-5fa1-4c6d-83f3-000000000001\n" +
             "    seat: ops@example.com\n    search_lag: 2s\n";
    }
    if (kind == "venafi") {
      return begin + rig.about().at("ca").as_string() +
             "\n    type: venafi-tls-protect-cloud\n    api_key: " + secret("ops", "ops") +
             "\n    zone: 'Payments\\Default'\n    search_lag: 2s\n";
    }
    return begin + rig.dir() + "/ca.pem\n    type: securosys-tsb\n    api_keys: {key_operation: " +
           secret("operation", "keyOperationToken") +
           ", key_management: " + secret("management", "keyManagementToken") +
           ", service: " + secret("service", "serviceToken") + "}\n    sign_key: ca-key\n    issuer: " + rig.dir() +
           "/ca-key.pem\n    mode: " + kind + "\n";
  }
  std::string root() const {
    if (kind == "digicert") return rig.about().at("root").as_string();
    if (kind == "venafi") return rig.about().at("issuing_root").as_string();
    return rig.dir() + "/ca-key.pem";
  }
  // `more`: lines of the profile `appliance`, indented by four; `head`: of the file.
  void configure(std::string more = "    copy: [subject, san]\n    install: {file: web.pem}\n",
                 const std::string& head = "") const {
    // A file of the user's folder, not of the configuration's.
    if (const auto at = more.find("{file: "); at != std::string::npos) more.insert(at + 7, cli.folder().string() + "/");
    cli.write(".config/hsmbridge/hsmbridge.yaml",
              head + "store: {path: " + (cli / "hsmbridge.db").string() + "}\nproviders:\n" + provider() +
                  "profiles:\n  appliance:\n    provider: ca\n    usage: [digitalSignature]\n" +
                  "    extended_usage: [serverAuth]\n    validity: 20d\n    anchors: [" + root() + "]\n" + more);
  }

  // A CSR by openssl, PEM, in NAME.csr; its new key in NAME.key.
  std::string openssl_csr(const std::string& name, const std::vector<std::string>& more = {},
                          const std::string& subject = "/C=CH/O=Example/CN=www.example.com",
                          const std::string& san = "DNS:www.example.com") const {
    std::vector<std::string> words{
        "openssl", "req",   "-new",  "-newkey", "ec",          "-pkeyopt", "ec_paramgen_curve:P-256",
        "-nodes",  "-subj", subject, "-keyout", name + ".key", "-out",     name + ".csr"};
    if (!san.empty()) words.insert(words.end(), {"-addext", "subjectAltName=" + san});
    words.insert(words.end(), more.begin(), more.end());
    // Venafi reads the usages from the CSR alone.
    const auto has = [&](const std::string& extension) {
      return std::any_of(more.begin(), more.end(), [&](const auto& word) { return word.starts_with(extension); });
    };
    if (kind == "venafi" && !has("keyUsage")) words.insert(words.end(), {"-addext", "keyUsage=digitalSignature"});
    if (kind == "venafi" && !has("extended") && !has("2.5.29.37"))
      words.insert(words.end(), {"-addext", "extendedKeyUsage=serverAuth"});
    const auto made = cli.other(words);
    if (made.status != 0) throw std::runtime_error("openssl req: " + made.err);
    return name + ".csr";
  }
  // The same by certtool, DER.
  std::string certtool_csr(const std::string& name) const {
    cli.write(name + ".tmpl",
              "country = CH\norganization = Example\ncn = www.example.com\ndns_name = www.example.com\n"
              "tls_www_server\nsigning_key\n");
    const auto key = cli.other(
        {"certtool", "--generate-privkey", "--key-type", "ecdsa", "--curve", "secp256r1", "--outfile", name + ".key"});
    const auto made = cli.other({"certtool", "--generate-request", "--load-privkey", name + ".key", "--template",
                                 name + ".tmpl", "--outder", "--outfile", name + ".csr"});
    if (key.status != 0 || made.status != 0) throw std::runtime_error("certtool: " + key.err + made.err);
    return name + ".csr";
  }

  CliResult enroll(const std::string& csr,
                   const std::vector<std::string>& more = {"--wait", "--timeout", "30s"}) const {
    std::vector<std::string> words{"enroll", "--profile", "appliance", "--csr", csr};
    words.insert(words.end(), more.begin(), more.end());
    return cli.run(words);
  }
  // What the provider was asked to issue.
  std::size_t orders() const {
    if (kind == "digicert") return rig.count("POST /mpki/api/v1/certificate 201");
    if (kind == "venafi") return rig.count("POST /outagedetection/v1/certificaterequests 201");
    return rig.count(kind == "certificate" ? "POST /v1/certificate/" : "POST /v1/sign ");
  }
  std::string public_key(const std::vector<std::string>& words) const { return cli.other(words).out; }
  std::string requests() const { return cli.run({"request", "list"}).out; }

  std::string kind;
  RunningRig rig;
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
