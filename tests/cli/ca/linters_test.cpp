// Linters of somebody else in front of the signature of a CA: a program of one's own, and pkimetal behind a socket.
#include "place.h"
#include "support/tls_server.h"

#include <atomic>
#include <mutex>
#include <string>

using namespace hsmbridge;
using namespace hsmbridge::test;

namespace {

// Plays certlint: what it finds is in the subject that openssl reads in the certificate.
constexpr const char* kCertlint = R"(#!/bin/sh
[ "$1" = --version ] && { echo certlint 1.5; exit 0; }
case $(openssl x509 -inform DER -in "$1" -noout -subject) in
  *odd*) echo "E: the name is odd" ;;
  *warm*) echo "W: the name is warm" ;;
  *broken*) echo "certlint.rb:12: undefined method" ;;
esac
echo "I: looked at it"
)";
constexpr const char* kCrlint = R"(#!/bin/sh
openssl crl -noout -crlnumber | grep -q =0x01 && exit 0
echo "only the first is fine"
exit 1
)";
constexpr const char* kDeclared = R"(    lint: [built-in, certlint, crlint]
    linters:
      certlint:
        certificates: [./certlint, /dev/stdin]
        version: [./certlint, --version]
        lines: {"E: ": error, "W: ": warning, "I: ": none}
      crlint: {crls: [./crlint], input: pem, exit_status: {0: none, 1: error}}
)";

}  // namespace

TEST_CASE_METHOD(Place, "a program of one's own lints what is issued by the rule that is declared") {
  cli.write("certlint", kCertlint, 0700);
  cli.write("crlint", kCrlint, 0700);
  configure("        validity: tls-br\n" + std::string(kDeclared));
  make_both();
  const auto made = enroll("www", "www.example.com");
  INFO(made.out << made.err);
  REQUIRE(made.status == 0);
  trusted("www.pem");
  const std::string tested = flat(cli.run({"provider", "test", "issuing"}).out);
  has(tested,
      "certificates are linted by built-in, certlint certlint 1.5 (./certlint /dev/stdin; DER; 'E: ' error; "
      "'I: ' none; 'W: ' warning; 0 none)");
  has(tested, "CRLs are linted by built-in, crlint sha256:");
  const auto warned = enroll("warm", "warm.example.com", {"--check"});
  CHECK(warned.status == 0);
  has(flat(warned.out + warned.err), "lint: certlint/W (certlint): the name is warm");
  const auto refused = enroll("odd", "odd.example.com");
  CHECK(refused.status == 4);
  has(flat(refused.out + refused.err), "certlint/E (certlint): the name is odd");
  const auto none = enroll("broken", "broken.example.com");
  CHECK(none.status != 0);
  has(flat(none.out + none.err),
      "certlint gave no verdict: `lines` does not say what a line is that begins so: certlint.rb:12");

  // Only the one that reads CRLs is asked about one.
  REQUIRE(cli.run({"ca", "crl", "issuing"}).status == 0);
  const std::string leaves = audit();
  has(leaves, "\"linted_by\":\"built-in, crlint sha256:");
  CHECK(leaves.find("\"linted_by\":\"built-in, certlint") == std::string::npos);
  const auto second = cli.run({"ca", "crl", "issuing"});
  CHECK(second.status == 4);
  has(flat(second.err), "crlint/exit-status (crlint): only the first is fine");
  cli.write("crlint", "#!/bin/sh\nexit 7\n", 0700);
  const auto third = cli.run({"ca", "crl", "issuing"});
  CHECK(third.status == 5);
  has(flat(third.err), "crlint gave no verdict: it exited with status 7, which `exit_status` does not name");
  has(cli.other({"openssl", "crl", "-in", "issuing.crl", "-noout", "-crlnumber"}).out, "0x01");
}

TEST_CASE_METHOD(Place, "a linter that is badly described is refused with its line") {
  configure("        validity: tls-br\n" + std::string(R"(    lint: [built-in, certlint, pkimetal]
    linters: {certlint: {certificates: [./certlint, /dev/stdin]}}
    pkimetal: {url: "http://127.0.0.1:8080"}
)"));
  const auto checked = cli.run({"ca", "list"});
  CHECK(checked.status == 2);
  const std::string said = flat(checked.out + checked.err);
  has(said, "providers.issuing.linters.certlint.lines: or exit_status, or both, must say what its verdict is");
  has(said, "providers.issuing.pkimetal.url: must start with https://: whoever has an account on that machine could");
}

namespace {

// Answers as pkimetal documents it (doc/REST_API.md), without its linters.
struct Pkimetal {
  std::mutex mutex;
  std::string lines;  // more of the answer
  bool zlint_is_late = false;
  TlsServer server;

  explicit Pkimetal(const std::filesystem::path& socket)
      : server(at(socket), [this](ServerConnection& connection) {
          while (const auto request = connection.read_request()) {
            const std::lock_guard lock(mutex);
            connection.answer(200, request->starts_with("GET /linters ") ? linters() : answer());
          }
        }) {}
  static TlsServerOptions at(const std::filesystem::path& socket) {
    TlsServerOptions options;
    options.socket = socket;
    return options;
  }
  static std::string linters() {
    return R"([{"Name":"certlint","Instances":0,"Version":"v1.2.3","Url":""},)"
           R"({"Name":"zlint","Instances":1,"Version":"v3.7.1","Url":""}])";
  }
  std::string answer() const {
    return R"([{"Linter":"pkimetal","Finding":"Profile: rfc5280_leaf; Version: v1.36.0","Severity":"meta"})" + lines +
           (zlint_is_late ? ""
                          : R"(,{"Linter":"zlint","Finding":"Queued: 1µs; Runtime: 2ms; Version: v3.7.1",)"
                            R"("Severity":"meta"})") +
           "]";
  }
  void say(const std::string& more, bool late = false) {
    const std::lock_guard lock(mutex);
    lines = more;
    zlint_is_late = late;
  }
};

}  // namespace

TEST_CASE_METHOD(Place, "pkimetal behind its socket lints what is issued") {
  configure("        validity: tls-br\n    lint: [built-in, pkimetal]\n    pkimetal: {socket: web.sock}\n");
  make_both();
  const auto alone = cli.run({"ca", "crl", "issuing"});
  CHECK(alone.status == 5);
  has(flat(alone.err), "pkimetal gave no verdict: GET /linters: ");

  Pkimetal pkimetal(cli / "web.sock");
  REQUIRE(cli.run({"ca", "crl", "issuing"}).status == 0);
  has(audit(), "built-in, pkimetal v1.36.0 (zlint v3.7.1) by the profile autodetect");
  const auto made = enroll("www", "www.example.com");
  INFO(made.out << made.err);
  CHECK(made.status == 0);

  pkimetal.say(R"(,{"Linter":"zlint","Finding":"e_bad","Field":"","Code":"e_bad","Severity":"error"})");
  const auto refused = enroll("odd", "odd.example.com");
  CHECK(refused.status == 4);
  has(flat(refused.out + refused.err), "pkimetal/zlint/e_bad (pkimetal): e_bad");
  pkimetal.say("", true);
  const auto late = cli.run({"ca", "crl", "issuing"});
  CHECK(late.status == 5);
  has(flat(late.err), "pkimetal gave no verdict: its linter zlint did not answer in time");
  CHECK(cli.run({"provider", "test", "issuing"}).status == 0);
}
