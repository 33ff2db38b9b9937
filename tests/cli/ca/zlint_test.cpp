// Another linter in front of the signature of a CA: the real program.
#include "place.h"

#include <array>
#include <cstdlib>
#include <filesystem>
#include <string>

using namespace hsmbridge;
using namespace hsmbridge::test;

TEST_CASE_METHOD(Place, "zlint finds no error in what is issued, and is asked before the signature") {
  cli.set("PATH", "/usr/local/bin:" + cli.environment().at("PATH"));
  configure(R"(        validity: tls-br
        ocsp_url: "http://ocsp.example.com/"
    lint: [built-in, zlint]
)");
  make_both();
  const auto made = enroll("www", "www.example.com");
  INFO(made.out << made.err);
  REQUIRE(made.status == 0);
  trusted("www.pem");
  const auto zlint = cli.other({"zlint", "www.pem"});
  CHECK(zlint.status == 0);
  CHECK(zlint.out.find("\"result\":\"error\"") == std::string::npos);
  has(cli.other({"zlint", "issuing.pem"}).out, "\"result\":\"pass\"");
  CHECK(cli.other({"zlint", "issuing.pem"}).out.find("\"result\":\"error\"") == std::string::npos);
  // A CRL too; another program than zlint gives no verdict, and none is signed.
  const auto crl = cli.run({"ca", "crl", "issuing"});
  INFO(crl.err);
  REQUIRE(crl.status == 0);
  has(audit(), "built-in, zlint ");
  std::filesystem::create_directory(cli / "bin");
  cli.write("bin/zlint", "#!/bin/sh\nexec /bin/false\n");
  std::filesystem::permissions(cli / "bin/zlint", std::filesystem::perms::owner_all);
  const std::string path = cli.environment().at("PATH");
  cli.set("PATH", (cli / "bin").string() + ":" + path);
  const auto none = cli.run({"ca", "crl", "issuing"});
  CHECK(none.status == 5);
  has(flat(none.err), "zlint gave no verdict");
  has(cli.other({"openssl", "crl", "-in", "issuing.crl", "-noout", "-crlnumber"}).out, "0x01");
  cli.set("PATH", path);
  // A name that the built-in rules know nothing of, and zlint does.
  const auto refused = enroll("odd", "www.example.nosuchtld");
  CHECK(refused.status == 4);
  has(flat(refused.out + refused.err), "zlint/e_dnsname_not_valid_tld");
}

TEST_CASE_METHOD(Place, "a root is made with zlint in its linters, which judges it as a root") {
  cli.set("PATH", "/usr/local/bin:" + cli.environment().at("PATH"));
  const std::string text = cli.read("hsmbridge.yaml");
  const std::string file = "    certificate: root.pem\n";
  const auto lint = [&](const std::string& more) {
    std::string with = text;
    cli.write("hsmbridge.yaml",
              with.replace(with.find(file), file.size(), file + "    lint: [built-in, zlint]\n" + more));
  };
  // A rule that it breaks keeps it from being made: a common name of 64 letters is the longest.
  const std::string name = "CN: Example Root";
  lint("");
  std::string odd = cli.read("hsmbridge.yaml");
  odd.replace(odd.find(", " + name + "}"), name.size() + 2, "");
  cli.write("hsmbridge.yaml", odd);
  const auto refused = cli.run({"ca", "init", "root", "--yes"});
  CHECK(refused.status == 4);
  has(flat(refused.err), "zlint/e_ca_common_name_missing");
  CHECK_FALSE(cli.exists("root.pem"));
  lint("");
  const auto made = cli.run({"ca", "init", "root", "--yes"});
  INFO(made.out << made.err);
  REQUIRE(made.status == 0);
  CHECK(cli.other({"openssl", "verify", "-x509_strict", "-check_ss_sig", "-CAfile", "root.pem", "root.pem"}).status ==
        0);
  const auto zlint = cli.other({"zlint", "root.pem"});
  CHECK(zlint.status == 0);
  CHECK(zlint.out.find("\"result\":\"error\"") == std::string::npos);
  has(zlint.out, "\"e_root_ca_key_usage_present\":{\"result\":\"pass\"}");
  // Its sub CA by the rules for those.
  const auto issuing = cli.run({"ca", "init", "issuing", "--parent", "root", "--path-length", "0", "--yes"});
  INFO(issuing.out << issuing.err);
  CHECK(issuing.status == 0);
}

namespace {

// How many certificates are issued and linted: a few here, HSMBRIDGE_ZLINT_CERTIFICATES in a long run.
int how_many() {
  const char* const number = std::getenv("HSMBRIDGE_ZLINT_CERTIFICATES");
  return number != nullptr ? std::stoi(number) : 32;
}

// Keys of openssl, of the kinds that the CA/Browser Forum allows.
constexpr std::array kKinds{"RSA -pkeyopt rsa_keygen_bits:2048", "RSA -pkeyopt rsa_keygen_bits:3072",
                            "EC -pkeyopt ec_paramgen_curve:P-256", "EC -pkeyopt ec_paramgen_curve:P-384"};

struct Many : Place {
  Many() {
    configure(R"(        validity: tls-br
        ocsp_url: "http://ocsp.example.com/"
)");
    std::string text = cli.read("hsmbridge.yaml");
    const auto replace = [&](const std::string& from, const std::string& to) {
      REQUIRE(text.find(from) != std::string::npos);
      text.replace(text.find(from), from.size(), to);
    };
    replace("for: [server]", "for: [server, appliance]");
    replace("      sub-ca:\n", "      sub-ca:\n        for: [sub-ca, other-ca]\n");
    text += R"(  appliance: {provider: issuing, anchors: [root.pem], copy: [subject, san]}
  other-ca: {provider: root, anchors: [root.pem], copy: [subject], usage: [keyCertSign, cRLSign], extended_usage: [serverAuth]}
)";
    cli.write("hsmbridge.yaml", text);
    make_both();
    for (std::size_t i = 0; i < kKinds.size(); ++i) {
      Words words{"openssl", "genpkey", "-out", "key-" + std::to_string(i), "-algorithm"};
      std::string word;
      for (const char* c = kKinds[i];; ++c) {
        if (*c != ' ' && *c != '\0') {
          word += *c;
          continue;
        }
        words.push_back(std::move(word));
        word.clear();
        if (*c == '\0') break;
      }
      REQUIRE(cli.other(words).status == 0);
    }
  }
  // Its CSR; nothing where `sans` is empty.
  std::string csr(int number, const std::string& subject, const std::string& sans) const {
    const std::string name = "csr-" + std::to_string(number);
    Words words{"openssl", "req", "-new",  "-key", "key-" + std::to_string(number % int{kKinds.size()}),
                "-out",    name,  "-subj", subject};
    if (!sans.empty()) words.insert(words.end(), {"-addext", "subjectAltName=" + sans});
    const auto made = cli.other(words);
    INFO(made.err);
    REQUIRE(made.status == 0);
    return name;
  }
  void issue(const std::string& profile, const std::string& rows, const Words& more = {}) const {
    cli.write("rows.csv", rows);
    Words words{"enroll", "--profile", profile, "--from", "rows.csv", "--wait"};
    words.insert(words.end(), more.begin(), more.end());
    const auto done = cli.run(words);
    INFO(done.out.substr(0, 4000) << done.err);
    REQUIRE(done.status == 0);
  }
  std::string errors_in(const std::string& file) const {
    const auto found = cli.other({"zlint", file});
    if (found.status != 0) return found.err;
    std::string errors;
    const Json verdict = Json::parse(found.out);
    for (const auto& [name, lint] : verdict.as_object()) {
      const std::string& result = lint.at("result").as_string();
      if (result == "error" || result == "fatal") errors += name + " ";
    }
    return errors;
  }
};

}  // namespace

TEST_CASE_METHOD(Many, "zlint finds no error in certificates of many kinds for servers and CAs") {
  const int all = how_many();
  const int cas = all / 8;
  const auto row = [&](const std::string& csr, int number) {
    return csr + ",file:leaf:" + (cli / (std::to_string(number) + ".pem")).string() + "\n";
  };
  const std::string head = "csr,install\n";
  constexpr int kAtOnce = 100;
  std::string rows = head;
  int number = 0;
  for (; number < all - cas; ++number) {
    if (number > 0 && number % kAtOnce == 0) {
      issue("appliance", rows);
      rows = head;
    }
    const std::string host = "host-" + std::to_string(number) + ".example.com";
    std::string sans = "DNS:" + host;
    if (number % 3 == 1) sans += ",DNS:*." + host;
    if (number % 5 == 2) sans += ",DNS:xn--bcher-kva.example.com";
    for (int more = 0; more < number % 7; ++more) sans += ",DNS:" + std::to_string(more) + "." + host;
    rows += row(csr(number, number % 2 == 0 ? "/CN=" + host : std::string("/"), sans), number);
  }
  issue("appliance", rows);
  rows = head;
  for (; number < all; ++number) {
    rows += row(csr(number, "/C=CH/O=Example/CN=Other CA " + std::to_string(number), ""), number);
  }
  issue("other-ca", rows, {"--ca", "--path-length", "0"});
  for (int i = 0; i < all; ++i) {
    const std::string errors = errors_in(std::to_string(i) + ".pem");
    INFO("certificate " << i);
    CHECK(errors == "");
  }
  CHECK(cli.run({"audit", "verify"}).status == 0);
}
