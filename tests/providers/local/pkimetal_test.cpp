// pkimetal as another linter: its documented answers, what is none, and how it is reached.
#include "providers/local/pkimetal.h"

#include "base/error.h"
#include "base/json.h"
#include "ca/crl.h"
#include "net/url.h"
#include "support/fake_clock.h"
#include "support/fake_transport.h"
#include "support/tls_server.h"
#include "unit/ca/hierarchy.h"

#include <catch2/catch.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

using namespace hsmbridge;
using namespace hsmbridge::test;
using namespace std::chrono_literals;
using ca::Artefact;
using ca::LintFinding;
using ca::LintSeverity;

namespace {

// As request/linters.go and request/post.go write them.
const std::string kLinters =
    R"([{"Name":"certlint","Instances":0,"Version":"v1.2.3","Url":"https://github.com/certlint/certlint"},)"
    R"({"Name":"pkilint","Instances":2,"Version":"v0.13.3","Url":"https://github.com/digicert/pkilint"},)"
    R"({"Name":"zlint","Instances":1,"Version":"v3.7.1","Url":"https://github.com/zmap/zlint"}])";
const std::string kOwn =
    R"({"Linter":"pkimetal","Finding":"Profile: tbr_leaf_tlsserver_dv; Version: v1.36.0","Severity":"meta"})";
const std::string kCertlint =
    R"({"Linter":"certlint","Finding":"certlint: Not used [Available:false, Applicable:true]","Severity":"meta"})";
const std::string kPkilint =
    R"({"Linter":"pkilint","Finding":"Queued: 12.3µs; Runtime: 45.6ms; Version: v0.13.3","Severity":"meta"})";
const std::string kZlint =
    R"({"Linter":"zlint","Finding":"Queued: 1.2µs; Runtime: 3.4ms; Version: v3.7.1","Severity":"meta"})";
const std::string kZlintPassedOver =
    R"({"Linter":"zlint","Finding":"zlint: Not used [Available:true, Applicable:false]","Severity":"meta"})";

std::string line(const std::string& severity, const std::string& linter = "zlint") {
  return R"({"Linter":")" + linter + R"(","Finding":"w_two","Severity":")" + severity + R"("})";
}
std::string list(const std::vector<std::string>& lines) {
  std::string all;
  for (const std::string& one : lines) all += (all.empty() ? "" : ",") + one;
  return "[" + all + "]\n";
}
const std::string kClean = list({kOwn, kCertlint, kPkilint, kZlint});

std::vector<LintFinding> verdict(const std::string& answer, const std::string& linters = kLinters) {
  return local::pkimetal_verdict(answer, local::pkimetal_backends(linters)).findings;
}
std::string trouble(const std::function<void()>& work) {
  try {
    work();
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::unavailable);
    CHECK(error.message().starts_with("pkimetal gave no verdict: "));
    return error.message();
  }
  return "";
}
std::string trouble(const std::string& answer, const std::string& linters = kLinters) {
  return trouble([&] { verdict(answer, linters); });
}
bool says(const std::string& text, const std::string& part) {
  INFO(text);
  return text.find(part) != std::string::npos;
}

// Its answers are given in order.
struct Asked {
  FakeClock clock;
  std::shared_ptr<FakeTransport> transport = std::make_shared<FakeTransport>();
  std::optional<local::Pkimetal> linter;
  Bytes tbs = Entity(server()).tbs;

  explicit Asked(local::PkimetalSettings settings = {}) { linter.emplace(std::move(settings), transport, clock, 10s); }
};

}  // namespace

TEST_CASE("errors and warnings that pkimetal passes on are findings with their linter and place") {
  CHECK(verdict(kClean).empty());
  CHECK(verdict(list({kOwn, kCertlint, kPkilint, line("notice"), line("info"), line("debug"), kZlint})).empty());
  CHECK(verdict(list({kOwn, kPkilint,
                      R"({"Linter":"pkilint","Finding":"pkix.one","Field":"a.b","Code":"pkix.one","Severity":"error"})",
                      line("warning"), line("bug"), line("fatal"), kZlint})) ==
        std::vector<LintFinding>{
            {"pkimetal/pkilint/pkix.one", "pkimetal", LintSeverity::error, "pkix.one at a.b"},
            {"pkimetal/zlint", "pkimetal", LintSeverity::warning, "w_two"},
            {"pkimetal/zlint", "pkimetal", LintSeverity::error, "w_two"},
            {"pkimetal/zlint", "pkimetal", LintSeverity::error, "w_two"},
        });
}

TEST_CASE("a linter of pkimetal that did not say that it was done gave no verdict") {
  CHECK(says(trouble(list({kOwn, kCertlint, kPkilint})), "its linter zlint did not answer in time"));
  CHECK(says(trouble(list({kOwn, kCertlint, kPkilint, line("error")})), "its linter zlint did not answer in time"));
  CHECK(trouble(list({kOwn, kCertlint, kPkilint, kZlintPassedOver})).empty());
  // One that does not run need not.
  CHECK(trouble(list({kOwn, kPkilint, kZlint})).empty());
  const std::string alone = R"([{"Name":"zlint","Instances":1,"Version":"v3.7.1","Url":""}])";
  CHECK(trouble(list({kOwn, kZlint}), alone).empty());
  CHECK(says(trouble(list({kOwn, kZlintPassedOver}), alone), "none of its linters is for this"));
  // A finding that looks like it is none.
  CHECK(says(trouble(list({kOwn, kPkilint, R"({"Linter":"zlint","Finding":"Queued: x","Severity":"info"})"})),
             "zlint did not answer"));
}

TEST_CASE("whatever else pkimetal says is no verdict") {
  CHECK(says(trouble(list({kPkilint, kZlint})), "does not begin with its own profile and version"));
  CHECK(says(trouble(list({R"({"Linter":"pkimetal","Finding":"Unrecognised profile","Severity":"fatal"})"})),
             "it says: Unrecognised profile"));
  CHECK(
      says(trouble(list({kOwn, kPkilint, kZlint,
                         R"({"Linter":"pkimetal","Finding":"zlint: linting backend timed out","Severity":"fatal"})"})),
           "it says: zlint: linting backend timed out"));
  CHECK(says(trouble(list({kOwn, kPkilint, line("severe"), kZlint})), "its result of zlint is 'severe'"));
  CHECK(says(trouble(list({kOwn, kPkilint, line("ERROR"), kZlint})), "its result of zlint is 'ERROR'"));
  CHECK(says(trouble("[]"), "does not begin with"));
  CHECK(says(trouble(""), "cannot be read"));
  CHECK(says(trouble("{}"), "cannot be read"));
  CHECK(says(trouble(R"([{"Linter":"zlint"}])"), "cannot be read"));
  CHECK(says(trouble(kClean.substr(0, kClean.size() - 3)), "cannot be read"));
  CHECK(says(trouble(kClean, "[]"), "it runs no linter"));
  CHECK(says(trouble(kClean, R"([{"Name":"zlint","Instances":0,"Version":"v3.7.1"}])"), "it runs no linter"));
  CHECK(says(trouble(kClean, R"([{"Name":"zlint","Version":"v3.7.1"}])"), "cannot be read"));
  CHECK(says(trouble(kClean, "not found"), "cannot be read"));
}

TEST_CASE("pkimetal is asked about the very bytes, by the profile of their kind") {
  Asked asked({{}, "tbr_leaf_tlsserver_dv", "tbr_crl"});
  asked.transport->then(200, kLinters).then(200, kClean).then(200, kLinters).then(200, kClean);
  CHECK(asked.linter->lint(Artefact::certificate, asked.tbs).empty());
  CHECK(asked.linter->lint(Artefact::crl, asked.tbs).empty());
  CHECK(asked.transport->lines() ==
        std::vector<std::string>{"GET /linters", "POST /linttbscert", "GET /linters", "POST /linttbscrl"});
  const std::string input = "b64input=" + net::percent_encode(base64(asked.tbs));
  CHECK(asked.transport->sent[1].body == input + "&profile=tbr_leaf_tlsserver_dv&format=json&severity=meta");
  CHECK(asked.transport->sent[3].body == input + "&profile=tbr_crl&format=json&severity=meta");
  CHECK(FakeTransport::header(asked.transport->sent[1], "Content-Type") == "application/x-www-form-urlencoded");
}

TEST_CASE("an answer of pkimetal that is not a complete 200 is no verdict") {
  const auto lint = [](const net::Exchange& linters, const net::Exchange& answer) {
    Asked asked;
    asked.transport->then(linters).then(answer);
    return trouble([&] { asked.linter->lint(Artefact::certificate, asked.tbs); });
  };
  const net::Exchange known = response(200, kLinters);
  CHECK(lint(known, response(200, kClean)).empty());
  CHECK(says(lint(known, response(503, "", "text/plain")), "HTTP 503 without a body"));
  CHECK(says(lint(known, response(204, "")), "HTTP 204"));
  CHECK(says(lint(known, response(201, kClean)), "HTTP 201"));
  CHECK(says(lint(known, response(404, "404 Page not found", "text/plain")), "HTTP 404"));
  CHECK(says(lint(known, response(200, "<HTML>", "text/html")), "cannot be read"));
  CHECK(says(lint(known, net::OutcomeUnknown{"it was cut"}), "it was cut"));
  CHECK(says(lint(net::NotSent{"nobody is there", "start it"}, known), "nobody is there"));
  CHECK(says(lint(response(500, ""), known), "HTTP 500"));
}

TEST_CASE("who lints is pkimetal's version with those of the linters that run, asked again when they change") {
  Asked asked;
  // Its own version is told with a verdict alone.
  asked.transport->then(200, kLinters).then(200, list({kOwn, kZlintPassedOver}));
  const std::string who = "pkimetal v1.36.0 (pkilint v0.13.3, zlint v3.7.1) by the profile autodetect";
  CHECK(asked.linter->said_by(Artefact::certificate) == who);
  CHECK(asked.transport->lines() == std::vector<std::string>{"GET /linters", "POST /linttbscrl"});
  CHECK(asked.transport->sent[1].body.starts_with("b64input=MEMCAQEw"));
  asked.transport->then(200, kLinters);
  CHECK(asked.linter->said_by(Artefact::certificate) == who);

  // A verdict tells of a newer one.
  std::string newer = kClean;
  newer.replace(newer.find("v1.36.0"), 7, "v1.37.0");
  asked.transport->then(200, kLinters).then(200, newer).then(200, kLinters);
  CHECK(asked.linter->lint(Artefact::certificate, asked.tbs).empty());
  CHECK(asked.linter->said_by(Artefact::certificate).starts_with("pkimetal v1.37.0 ("));

  std::string others = kLinters;
  others.replace(others.find("v3.7.1"), 6, "v3.8.0");
  asked.transport->then(200, others).then(200, kClean);
  CHECK(asked.linter->said_by(Artefact::certificate).starts_with("pkimetal v1.36.0 (pkilint v0.13.3, zlint v3.8.0)"));
  asked.transport->then(200, others);
  CHECK(asked.linter->said_by(Artefact::certificate).starts_with("pkimetal v1.36.0 (pkilint v0.13.3, zlint v3.8.0)"));

  Asked mute;
  mute.transport->then(200, kLinters)
      .then(200, list({R"({"Linter":"pkimetal","Finding":"Unrecognised input","Severity":"fatal"})"}));
  CHECK(says(trouble([&] { mute.linter->said_by(Artefact::certificate); }), "it says: Unrecognised input"));
}

TEST_CASE("pkimetal is reached by a Unix socket, and asked about a certificate and a CRL") {
  const TempFolder folder;
  const FakeClock clock;
  local::PkimetalSettings settings;
  settings.connection.name = "pkimetal";
  settings.connection.socket = folder / "web.sock";
  local::Pkimetal linter(settings, clock, 10s);
  const Bytes tbs = Entity(server()).tbs;
  CHECK(says(trouble([&] { linter.lint(Artefact::certificate, tbs); }), (folder / "web.sock").string()));

  TlsServerOptions options;
  options.socket = settings.connection.socket;
  std::string answer = kClean;
  std::vector<std::string> seen;
  const TlsServer pkimetal(std::move(options), [&](ServerConnection& connection) {
    while (const auto request = connection.read_request()) {
      seen.push_back(request->substr(0, request->find(" HTTP")));
      connection.answer(200, seen.back() == "GET /linters" ? kLinters : answer);
    }
  });
  CHECK(linter.said_by(Artefact::certificate).starts_with("pkimetal v1.36.0 (pkilint v0.13.3, zlint v3.7.1)"));
  CHECK(linter.lint(Artefact::certificate, tbs).empty());
  answer = list({kOwn, kPkilint, line("error"), kZlint});
  CHECK(linter.lint(Artefact::crl, tbs) ==
        std::vector<LintFinding>{{"pkimetal/zlint", "pkimetal", LintSeverity::error, "w_two"}});
  answer = list({kOwn, kPkilint});
  CHECK(says(trouble([&] { linter.lint(Artefact::crl, tbs); }), "its linter zlint did not answer in time"));
  CHECK(seen == std::vector<std::string>{"GET /linters", "POST /linttbscrl", "GET /linters", "POST /linttbscert",
                                         "GET /linters", "POST /linttbscrl", "GET /linters", "POST /linttbscrl"});
}

TEST_CASE("pkimetal on another machine is reached by https, whose certificate is verified") {
  const TestAuthority authority;
  const FakeClock clock;
  TlsServerOptions options;
  options.identity = authority.issue("server", "IP:127.0.0.1");
  const TlsServer pkimetal(std::move(options), [&](ServerConnection& connection) {
    while (const auto request = connection.read_request()) {
      connection.answer(200, request->starts_with("GET /lint/linters ") ? kLinters : kClean);
    }
  });
  local::PkimetalSettings settings;
  settings.connection.name = "pkimetal";
  settings.connection.url = pkimetal.url() + "/lint";
  const Bytes tbs = Entity(server()).tbs;
  CHECK(
      says(trouble([&] { local::Pkimetal(settings, clock, 10s).lint(Artefact::certificate, tbs); }), "is not trusted"));
  settings.connection.ca = authority.ca().certificate_file;
  CHECK(local::Pkimetal(settings, clock, 10s).lint(Artefact::certificate, tbs).empty());
}
