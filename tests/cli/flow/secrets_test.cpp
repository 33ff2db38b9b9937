#include "base/bytes.h"
#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "support/bench/bench.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <string>
#include <vector>

namespace hsmbridge::test {
namespace {

const std::string kPassword = "KeyPassw0rd/of the \"CA\"";
const std::string kBearer = "eyJhbGciOiJub25lIn0.bearer-SECRET.signature";

// A TSB that is told every kind of secret, and the words with which it repeats them.
class Echo {
 public:
  explicit Echo(unsigned quorum) : bench_(options(quorum)) {
    bench_.cli().set("TSB_PASSWORD", kPassword);
    bench_.cli().set("TSB_BEARER", kBearer);
    // The one that goes with every call here: what was not sent in a call is not repeated in its answer.
    key_ = bench_.cli().read("keyOperation.key");
    key_.pop_back();
  }

  Bench& bench() { return bench_; }

  Json words() const {
    std::string text = "API key '" + key_ + "' or %2B" + key_ + " is not known; ";
    text += "Bearer " + kBearer + "; password '" + kPassword + "', KeyPassw0rd%2Fof%20the%20%22CA%22, ";
    text += base64(as_bytes("user:" + kPassword)) + ", " + Json(kPassword).dump() + ", " + characters().dump();
    return text;
  }
  Json refusal() const {
    return Json::object({{"errorCode", 620},
                         {"reason", "res.error.echo"},
                         {"message", words()},
                         {"body", Json::object({{"keyPassword", characters()}})}});
  }

  // The first secret that this text holds, or "".
  std::string found_in(std::string_view text) const {
    std::vector<std::string> pieces{"KeyPassw",       "bearer-SECRET",
                                    "eyJhbGci",       R"("K","e","y")",
                                    R"(\"K\",\"e\")", base64(as_bytes("user:" + kPassword)).substr(8, 16)};
    pieces.push_back(key_.substr(key_.size() - 20));
    for (const std::string& piece : pieces) {
      if (text.find(piece) != std::string_view::npos) return piece;
    }
    return "";
  }
  // Everything of the folder but what holds the secrets themselves: the configured files and the server's own.
  std::string found_in_files() const {
    for (const auto& entry : std::filesystem::directory_iterator(bench_ / "")) {
      if (!entry.is_regular_file() || entry.path().extension() == ".key") continue;
      const std::string found = found_in(as_text(read_file(entry.path())));
      if (!found.empty()) return entry.path().filename().string() + ": " + found;
    }
    return "";
  }
  // What the journal holds, what is base64 there decoded.
  std::string stored() const {
    const auto rows = bench_.cli().other({"sqlite3", "hsmbridge.db", "SELECT body FROM events"});
    REQUIRE(rows.status == 0);
    std::string all = rows.out;
    for (std::size_t at = 0; (at = rows.out.find('"', at)) != std::string::npos; ++at) {
      const std::size_t end = rows.out.find('"', at + 1);
      if (end == std::string::npos) break;
      try {
        all += to_text(from_base64(std::string_view(rows.out).substr(at + 1, end - at - 1)));
      } catch (const Error&) {
        continue;  // not base64
      }
    }
    return all;
  }
  // What the program says, in either form, about a request or about all.
  void look_at(const CliResult& result) const {
    INFO(result.out << result.err);
    CHECK(found_in(result.out) == "");
    CHECK(found_in(result.err) == "");
  }
  void look_at_request(const std::string& id) const {
    for (const std::string verb : {"show", "explain", "history"}) {
      look_at(bench_.run({"request", verb, id}));
      look_at(bench_.run({"--json", "request", verb, id}));
    }
  }

 private:
  static Json characters() {
    Json array = Json::array();
    for (const char c : kPassword) array.push(std::string(1, c));
    return array;
  }
  static BenchOptions options(unsigned quorum) {
    BenchOptions options;
    options.quorum = quorum;
    options.create = {"--password", kPassword};
    options.provider = "    key_password: \"env:TSB_PASSWORD\"\n    bearer_token: \"env:TSB_BEARER\"\n";
    return options;
  }

  mutable Bench bench_;
  std::string key_;
};

const std::vector<std::string> kStatuses{"200", "201", "302", "400", "401", "403", "404",
                                         "408", "409", "429", "500", "502", "503"};

}  // namespace

TEST_CASE("what a TSB repeats of our secrets when it is asked to sign is written nowhere") {
  Echo echo(0);
  Bench& bench = echo.bench();
  for (const std::string& status : kStatuses) {
    CAPTURE(status);
    REQUIRE(bench
                .rig({"fault", "--kind", "status", "--status", status, "--body", echo.refusal().dump(), "--method",
                      "POST", "--path", "/v1/sign"})
                .status == 0);
    const auto asked = bench.run({"-v", "-v", "enroll", "--new-key", "k" + status, "--san", "dns:www.example.com",
                                  "--wait", "--timeout", "1500ms"});
    CHECK(asked.status != 0);
    // It was asked, and its answer is told.
    INFO(asked.err);
    echo.look_at(asked);
    REQUIRE(bench.rig({"fault", "--clear"}).status == 0);
  }
  CHECK(bench.count("POST /v1/sign") >= kStatuses.size());
  const auto listed = bench.run({"--json", "request", "list"});
  echo.look_at(listed);
  const Json requests = listed.json();
  CHECK(requests.at("requests").as_array().size() == kStatuses.size());
  for (const Json& request : requests.at("requests").as_array()) echo.look_at_request(request.at("id").as_string());
  CHECK(echo.found_in_files() == "");
  CHECK(echo.found_in(echo.stored()) == "");
  CHECK(echo.stored().find("(left out)") != std::string::npos);
}

TEST_CASE("what a TSB repeats of our secrets about an open request is written nowhere") {
  Echo echo(2);
  Bench& bench = echo.bench();
  const auto asked = bench.run({"enroll", "--new-key", "k", "--san", "dns:www.example.com"});
  INFO(asked.out << asked.err);
  REQUIRE(asked.status == 3);
  const auto id = Bench::id_in(asked);
  for (const std::string& status : kStatuses) {
    CAPTURE(status);
    REQUIRE(bench
                .rig({"fault", "--kind", "status", "--status", status, "--body", echo.refusal().dump(), "--path",
                      "/v1/request", "--times", "0"})
                .status == 0);
    echo.look_at(bench.run({"-v", "-v", "request", "wait", id, "--timeout", "700ms"}));
    echo.look_at_request(id);
    echo.look_at(bench.run({"-v", "-v", "provider", "test", "tsb"}));
    REQUIRE(bench.rig({"fault", "--clear"}).status == 0);
  }
  // Its own answers too, with the password in a status that it has no word for.
  REQUIRE(bench
              .rig({"fault", "--kind", "set", "--path", "/v1/request", "--members",
                    Json::object({{"status", echo.words()}, {"note", echo.words()}}).dump(), "--times", "0"})
              .status == 0);
  echo.look_at(bench.run({"-v", "-v", "request", "wait", id, "--timeout", "700ms"}));
  echo.look_at_request(id);
  CHECK(echo.found_in_files() == "");
  CHECK(echo.found_in(echo.stored()) == "");
}

TEST_CASE("a result that came with our secrets is stored without them and is a certificate") {
  Echo echo(0);
  Bench& bench = echo.bench();
  REQUIRE(bench
              .rig({"fault", "--kind", "set", "--path", "/v1/request", "--members",
                    Json::object({{"note", echo.words()}, {"keyPassword", echo.refusal()}}).dump(), "--times", "0"})
              .status == 0);
  const auto done = bench.run({"-v", "-v", "enroll", "--new-key", "k", "--san", "dns:www.example.com", "--wait"});
  INFO(done.out << done.err);
  CHECK(done.status == 0);
  echo.look_at(done);
  echo.look_at_request(Bench::id_in(done));
  CHECK(echo.found_in_files() == "");
  CHECK(echo.found_in(echo.stored()) == "");
  // The answer itself is kept, as it came but for them.
  CHECK(echo.stored().find(R"x("keyPassword":{"errorCode":620,)x") != std::string::npos);
}

}  // namespace hsmbridge::test
