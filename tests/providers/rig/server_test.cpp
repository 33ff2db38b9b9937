#include "base/error.h"
#include "providers/rig/bench.h"
#include "tools/rig/command/https_client.h"
#include "tools/rig/pki/certificates.h"
#include "tools/rig/server/https_server.h"
#include "tools/rig/server/simulator_server.h"
#include "tools/rig/tsb/tsb.h"

#include <signal.h>
#include <sys/stat.h>

#include <catch2/catch.hpp>
#include <chrono>

using namespace hsmbridge;
using namespace hsmbridge::test;

namespace {

// A simulated TSB on TLS, with an API key a role where no client certificate is demanded.
std::unique_ptr<rig::SimulatorServer> serve_tsb(const rig::SimulatorServerOptions& options) {
  static const SystemClock clock;
  rig::TsbOptions tsb;
  tsb.dir = options.dir;
  tsb.pki = rig::make_test_pki(options.dir);
  if (!options.client_ca) tsb.api_keys = rig::kept_api_keys(options.dir / "tsb-api-keys.json");
  return std::make_unique<rig::SimulatorServer>(options, std::make_shared<rig::Tsb>(std::move(tsb), clock));
}

// A server and a client for it.
class Served {
 public:
  explicit Served(const std::optional<std::filesystem::path>& client_ca = std::nullopt)
      : server_(serve_tsb({"tsb", folder_ / "rig", std::nullopt, client_ca})) {}

  rig::SimulatorServer& server() { return *server_; }
  const TempFolder& folder() const { return folder_; }

  std::string api_key(const std::string& role) const {
    return server_->description().at("api_keys").at(role).as_array().at(0).as_string();
  }
  rig::ClientSettings client(const std::string& role) {
    rig::ClientSettings settings{server_->url(), server_->pki().ca};
    if (role == "control") {
      settings.headers["X-Rig-Token"] = server_->description().at("control_token").as_string();
    } else if (!role.empty()) {
      settings.headers["X-API-KEY"] = api_key(role);
    }
    return settings;
  }
  rig::Answer control(const std::string& method, const std::string& path, const Json& body = {}) {
    return rig::call_server(client("control"), method, path, body.is_null() ? "" : body.dump());
  }
  rig::Answer sign() {
    return rig::call_server(client("keyOperationToken"), "POST", "/v1/sign",
                            Bench::sign_body("ca", "SHA256_WITH_ECDSA", as_bytes("m")).dump());
  }
  void make_key() {
    const rig::Answer made =
        rig::call_server(client("keyManagementToken"), "POST", "/v1/key", key_body("ca", "EC", Json()).dump());
    if (made.status != 201) throw std::runtime_error(made.body);
  }
  void fault(const Json& json) {
    const rig::Answer set = control("POST", "/rig/faults", json);
    if (set.status != 201) throw std::runtime_error(set.body);
  }
  std::size_t committed() { return Json::parse(control("GET", "/rig/requests").body).as_array().size(); }
  std::size_t received(const std::string& method, const std::string& path) {
    std::size_t count = 0;
    for (const Json& line : server_->journal()) {
      if (line.at("method").as_string() == method && line.at("path").as_string() == path) ++count;
    }
    return count;
  }

 private:
  TempFolder folder_;
  std::unique_ptr<rig::SimulatorServer> server_;
};

// True once it becomes so; false after ten seconds.
template <class Condition>
bool eventually(Condition condition) {
  for (int i = 0; i < 1000; ++i) {
    if (condition()) return true;
    const timespec pause{0, 10'000'000};
    ::nanosleep(&pause, nullptr);
  }
  return false;
}

}  // namespace

TEST_CASE("curl speaks to the simulator with the CA of its folder and not without") {
  Served served;
  const std::string url = served.server().url();
  const std::string ca = served.server().pki().ca.string();
  const std::string key = served.api_key("serviceToken");
  for (const std::string& host : {url, "https://localhost:" + url.substr(url.rfind(':') + 1)}) {
    CHECK(run_program("curl -sS --cacert " + ca + " -H 'X-API-KEY: " + key + "' " + host + "/v1/versionInfo").output ==
          R"({"Version":"2.2.0"})");
  }
  CHECK(run_program("curl -sS --capath /nonexistent " + url + "/v1/versionInfo").status == 60);
  CHECK(run_program("curl -sS --cacert " + ca + " --tls-max 1.1 " + url + "/v1/versionInfo").status == 35);
}

TEST_CASE("private files of the rig are readable by their owner only") {
  Served served;
  const std::filesystem::path dir = served.folder() / "rig";
  for (const char* name : {"tsb.json", "tsb-api-keys.json", "tsb-state.jsonl", "tsb-journal.jsonl", "tls/ca-key.pem",
                           "tls/server-key.pem", "tls/control-key.pem", "tls/task-reader-key.pem"}) {
    struct stat status {};
    REQUIRE(::stat((dir / name).c_str(), &status) == 0);
    CHECK((status.st_mode & 0777U) == 0600U);
  }
}

TEST_CASE("the journal holds every request without credentials and passwords") {
  Served served;
  rig::ClientSettings client = served.client("keyManagementToken");
  client.headers["Authorization"] = "Bearer secret-token";
  client.headers["X-Correlation"] = "R1";
  rig::call_server(client, "POST", "/v1/key/attributes", R"({"label":"k","password":["s","e"]})");
  rig::call_server(served.client(""), "GET", "/v1/versionInfo", "");
  const Json::Array journal = served.server().journal();
  REQUIRE(journal.size() == 2);
  CHECK(journal[0].at("method").as_string() == "POST");
  CHECK(journal[0].at("path").as_string() == "/v1/key/attributes");
  CHECK(journal[0].at("status").as_integer() == 404);
  CHECK(journal[0].at("body") == Json::object({{"label", "k"}, {"password", "(left out)"}}));
  CHECK(journal[0].at("headers").at("x-correlation").as_string() == "R1");
  CHECK(journal[0].at("headers").at("x-api-key").as_string() == "(left out)");
  CHECK(journal[0].at("headers").at("authorization").as_string() == "(left out)");
  CHECK(journal[1].at("status").as_integer() == 401);
}

TEST_CASE("the control plane needs its token") {
  Served served;
  rig::ClientSettings client = served.client("");
  CHECK(rig::call_server(client, "GET", "/rig/journal", "").status == 403);
  client.headers["X-Rig-Token"] = "wrong";
  CHECK(rig::call_server(client, "GET", "/rig/journal", "").status == 403);
  CHECK(served.control("GET", "/rig/journal").body == "[]");
  CHECK(served.control("POST", "/rig/faults", Json::object({{"kind", "explode"}})).status == 400);
  CHECK(served.control("POST", "/rig/faults", Json::object({{"kind", "delay"}, {"speed", 1}})).status == 400);
  CHECK(served.control("POST", "/rig/certify", Json::object({{"label", "x"}, {"subject", "CN=x"}})).status == 404);
}

TEST_CASE("a status fault answers instead of the TSB as often as it was told and nothing is done") {
  Served served;
  served.make_key();
  served.fault(Json::object({{"kind", "status"},
                             {"method", "POST"},
                             {"path", "/v1/sign"},
                             {"after", 1},
                             {"times", 2},
                             {"status", 503},
                             {"retry_after", "7"}}));
  CHECK(served.sign().status == 201);
  for (int i = 0; i < 2; ++i) {
    const rig::Answer answer = served.sign();
    CHECK(answer.status == 503);
    CHECK(answer.headers.at("Retry-After") == "7");
  }
  CHECK(served.sign().status == 201);
  CHECK(served.committed() == 2);
  CHECK(served.received("POST", "/v1/sign") == 4);
  CHECK(served.control("GET", "/rig/faults").body ==
        R"([{"id":1,"kind":"status","method":"POST","path":"/v1/sign","after":1,"times":2,"seen":4,"hit":2}])");
}

TEST_CASE("an HTML fault looks like a proxy") {
  Served served;
  served.fault(Json::object({{"kind", "html"}}));
  const rig::Answer answer = served.sign();
  CHECK(answer.status == 502);
  CHECK(answer.content_type == "text/html");
  CHECK(answer.body.substr(0, 6) == "<html>");
}

TEST_CASE("a connection dropped before leaves nothing and one dropped after leaves a request") {
  Served served;
  served.make_key();
  served.fault(Json::object({{"kind", "drop-before"}, {"path", "/v1/sign"}}));
  CHECK_THROWS_AS(served.sign(), Error);
  CHECK(served.committed() == 0);
  served.fault(Json::object({{"kind", "drop-after"}, {"path", "/v1/sign"}}));
  CHECK_THROWS_AS(served.sign(), Error);
  CHECK(served.committed() == 1);
  const Json::Array journal = served.server().journal();
  CHECK(journal.back().at("status").as_integer() == 0);
  CHECK(journal.back().at("fault").as_string() == "drop-after");
}

TEST_CASE("a submission can be committed after the connection has died") {
  Served served;
  served.make_key();
  served.fault(Json::object({{"kind", "commit-late"}, {"path", "/v1/sign"}, {"ms", 300}}));
  CHECK_THROWS_AS(served.sign(), Error);
  CHECK(served.committed() == 0);
  CHECK(eventually([&] { return served.committed() == 1; }));
}

TEST_CASE("a delayed answer comes late and whole") {
  Served served;
  served.make_key();
  served.fault(Json::object({{"kind", "delay"}, {"path", "/v1/sign"}, {"ms", 200}}));
  const auto begin = std::chrono::steady_clock::now();
  CHECK(served.sign().status == 201);
  CHECK(std::chrono::steady_clock::now() - begin >= std::chrono::milliseconds{200});
}

TEST_CASE("a truncated answer announces more than it sends") {
  Served served;
  served.make_key();
  served.fault(Json::object({{"kind", "truncate"}, {"path", "/v1/sign"}}));
  const std::string body = (served.folder() / "body.json").string();
  write_text(body, Bench::sign_body("ca", "SHA256_WITH_ECDSA", as_bytes("m")).dump());
  const Finished curl =
      run_program("curl -s -i --cacert " + served.server().pki().ca.string() +
                  " -H 'Content-Type: application/json' -H 'X-API-KEY: " + served.api_key("keyOperationToken") +
                  "' -d @" + body + " " + served.server().url() + "/v1/sign");
  CHECK((curl.status == 18 || curl.status == 56));
  CHECK(curl.output.substr(0, 12) == "HTTP/1.1 201");
  CHECK(curl.output.substr(curl.output.find("\r\n\r\n") + 4, 18) == R"({"signRequestId":")");
  CHECK(served.committed() == 1);
}

TEST_CASE("a huge answer is as long as it was told") {
  Served served;
  served.make_key();
  served.fault(Json::object({{"kind", "huge"}, {"path", "/v1/sign"}, {"bytes", 3'000'000}}));
  CHECK(served.sign().body.size() == 3'000'000);
}

TEST_CASE("a wrong certificate is for another key and from the same CA") {
  Served served;
  served.make_key();
  CHECK(served.control("POST", "/rig/certify", Json::object({{"label", "ca"}, {"subject", "CN=CA"}})).status == 200);
  const std::string dir = served.folder().path().string();
  REQUIRE(run_program("openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout " + dir +
                      "/k -subj /CN=leaf -out " + dir + "/csr")
              .status == 0);
  const Json order = Json::object({{"signKeyName", "ca"},
                                   {"signatureAlgorithm", "SHA256_WITH_ECDSA"},
                                   {"commonName", "leaf"},
                                   {"certificateAuthority", false},
                                   {"certificateSigningRequest", to_text(read_file(served.folder() / "csr"))}});
  const rig::Answer asked = rig::call_server(served.client("keyOperationToken"), "POST", "/v1/certificate/sign",
                                             Json::object({{"signCertificateRequest", order}}).dump());
  REQUIRE(asked.status == 201);
  const std::string path = "/v1/request/" + Json::parse(asked.body).at("signRequestId").as_string();
  const auto result = [&] {
    return Json::parse(rig::call_server(served.client("keyOperationToken"), "GET", path, "").body)
        .at("result")
        .as_string();
  };
  const std::string right = result();
  served.fault(Json::object({{"kind", "wrong-certificate"}, {"path", "/v1/request/"}}));
  write_text(served.folder() / "wrong.pem", result());
  CHECK(result() == right);
  const rig::Answer ca = rig::call_server(served.client("keyOperationToken"), "GET", "/v1/certificate/ca", "");
  write_text(served.folder() / "ca.pem", Json::parse(ca.body).at("certificate").as_string());
  CHECK(run_program("openssl verify -CAfile " + dir + "/ca.pem " + dir + "/wrong.pem").output ==
        dir + "/wrong.pem: OK\n");
  CHECK(run_program("openssl x509 -noout -pubkey -in " + dir + "/wrong.pem").output !=
        run_program("openssl pkey -pubout -in " + dir + "/k").output);
}

TEST_CASE("a wrong signature does not verify and a set fault changes the members it names") {
  Served served;
  served.make_key();
  const Json key = Json::parse(
      rig::call_server(served.client("keyManagementToken"), "POST", "/v1/key/attributes", R"({"label":"ca"})").body);
  const Bytes public_key = from_base64(key.at("json").at("publicKey").as_string());
  const std::string path = "/v1/request/" + Json::parse(served.sign().body).at("signRequestId").as_string();
  const auto get = [&] {
    return Json::parse(rig::call_server(served.client("keyOperationToken"), "GET", path, "").body);
  };
  const auto good = [&](const Json& answer) {
    return rig::verify_signature(public_key, "SHA256", as_bytes("m"), from_base64(answer.at("result").as_string()));
  };
  served.fault(Json::object({{"kind", "wrong-signature"}}));
  CHECK(!good(get()));
  CHECK(good(get()));
  served.fault(Json::object(
      {{"kind", "set"}, {"members", Json::object({{"result", Json()}, {"status", "WEIRD"}, {"new", 1}})}}));
  const Json changed = get();
  CHECK(changed.at("result").is_null());
  CHECK(changed.at("status").as_string() == "WEIRD");
  CHECK(changed.at("new").as_integer() == 1);
}

TEST_CASE("a server that demands client certificates lets in none without one") {
  const TempFolder pki;
  const std::string dir = pki.path().string();
  for (const char* who : {"good", "bad"}) {
    REQUIRE(run_program("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout " + dir + "/" +
                        who + ".key -subj /CN=" + who + " -out " + dir + "/" + who + ".pem")
                .status == 0);
  }
  Served served(pki / "good.pem");
  const auto curl = [&](const std::string& more) {
    return run_program("curl -s --cacert " + served.server().pki().ca.string() + " " + more + " " +
                       served.server().url() + "/v1/versionInfo");
  };
  CHECK(curl("").status != 0);
  CHECK(curl("--cert " + dir + "/bad.pem --key " + dir + "/bad.key").status != 0);
  CHECK(curl("--cert " + dir + "/good.pem --key " + dir + "/good.key").output == R"({"Version":"2.2.0"})");
  CHECK(
      curl("--cert " + served.server().pki().control.string() + " --key " + served.server().pki().control_key.string())
          .status == 0);
}

TEST_CASE("a body arrives with PATCH and DELETE and a DELETE without one does not wait for it") {
  Served served;
  const Person alice("alice");
  const std::string time = rfc3339(SystemClock().now() - std::chrono::seconds{5});
  const Json body = Json::object({{"id", "87e59ccb-9100-4b03-a279-1b4fa4c45b80"},
                                  {"timestamp", time},
                                  {"timestampSignature", alice.sign(as_bytes(time))},
                                  {"timestampDigestAlgorithm", "SHA-256"},
                                  {"approverPublicKey", alice.public_key()}});
  for (const char* method : {"PATCH", "DELETE"}) {
    const rig::Answer answer = rig::call_server(served.client("approverToken"), method, "/v1/task", body.dump());
    CHECK(answer.status == 404);
    CHECK(Json::parse(answer.body).at("errorCode").as_integer() == 652);
  }
  const auto begin = std::chrono::steady_clock::now();
  CHECK(run_program("curl -s -o /dev/null -w '%{http_code}' -X DELETE --cacert " + served.server().pki().ca.string() +
                    " -H 'X-API-KEY: " + served.api_key("keyManagementToken") + "' " + served.server().url() +
                    "/v1/key/none")
            .output == "404");
  CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds{5});
}

TEST_CASE("a restarted server keeps its address and its CA and its keys") {
  const TempFolder folder;
  const rig::SimulatorServerOptions options{"tsb", folder.path(), std::nullopt, std::nullopt};
  std::string url;
  std::string keys;
  Bytes ca;
  {
    const auto server = serve_tsb(options);
    url = server->url();
    keys = server->description().at("api_keys").dump();
    ca = read_file(server->pki().ca);
  }
  const auto server = serve_tsb(options);
  CHECK(server->url() == url);
  CHECK(server->description().at("api_keys").dump() == keys);
  CHECK(read_file(server->pki().ca) == ca);
}

TEST_CASE("a port that is taken is an error and not another port") {
  Served served;
  const TempFolder folder;
  const auto port = static_cast<int>(served.server().description().at("port").as_integer());
  CHECK_THROWS_AS(serve_tsb({"tsb", folder.path(), port, std::nullopt}), Error);
}

TEST_CASE("many requests on one connection are answered") {
  Served served;
  const std::string url = served.server().url() + "/v1/nothing";
  std::string urls;
  for (int i = 0; i < 50; ++i) urls += " -o /dev/null " + url;
  const Finished curl =
      run_program("curl -s -w '%{num_connects} ' --cacert " + served.server().pki().ca.string() + urls);
  std::string expected = "1 ";
  for (int i = 1; i < 50; ++i) expected += "0 ";
  CHECK(curl.output == expected);
}

TEST_CASE("a server with an idle connection stops without waiting for it") {
  auto served = std::make_unique<Served>();
  const std::string address = served->server().url().substr(8);
  FILE* client = ::popen(("openssl s_client -quiet -connect " + address + " >/dev/null 2>&1").c_str(), "w");
  REQUIRE(client != nullptr);
  std::fputs("GET /v1/a HTTP/1.1\r\nHost: localhost\r\n\r\n", client);
  std::fflush(client);
  REQUIRE(eventually([&] { return served->received("GET", "/v1/a") == 1; }));
  const auto begin = std::chrono::steady_clock::now();
  served.reset();
  CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds{5});
  ::pclose(client);
}
