#include "tools/rig/digicert/server.h"

#include "base/file.h"

#include <fmt/core.h>

#include <utility>

namespace hsmbridge::rig {
namespace {

constexpr const char* kNames[] = {"service", "other"};

std::string uuid() {
  const std::string digits = hex(random_bytes(16));
  return fmt::format("{}-{}-4{}-8{}-{}", digits.substr(0, 8), digits.substr(8, 4), digits.substr(13, 3),
                     digits.substr(17, 3), digits.substr(20));
}

std::vector<DigicertApiKey> generated_api_keys(const std::filesystem::path& file) {
  if (!std::filesystem::exists(file)) {
    Json json = Json::object();
    for (const char* name : kNames) {
      json.set(name, Json::object({{"id", uuid()}, {"key", hex(random_bytes(16)) + "_" + hex(random_bytes(32))}}));
    }
    write_file(file, as_bytes(json.pretty() + "\n"), FileMode::private_0600, Existing::refuse);
  }
  const Json json = Json::parse(as_text(read_file(file)));
  std::vector<DigicertApiKey> keys;
  for (const char* name : kNames) {
    keys.push_back({json.at(name).at("id").as_string(), json.at(name).at("key").as_string()});
  }
  return keys;
}

// The service as a simulator server carries it.
class DigicertSimulator final : public Simulator {
 public:
  explicit DigicertSimulator(DigicertOptions options) : digicert_(std::move(options), clock_) {}

  Answer handle(const Call& call) override { return digicert_.handle(call); }
  std::optional<Answer> control(const std::string& what, const Json& body) override {
    return digicert_.control(what, body);
  }
  Json requests() const override { return digicert_.requests(); }
  Json about() const override {
    Json keys = Json::object();
    const auto& known = digicert_.options().api_keys;
    for (std::size_t i = 0; i < known.size() && i < std::size(kNames); ++i) {
      keys.set(kNames[i], Json::array({known[i].key}));
    }
    Json profiles = Json::array();
    for (const DigicertProfile& profile : digicert_.profiles()) {
      profiles.push(Json::object({{"id", profile.id}, {"name", profile.name}}));
    }
    return Json::object({{"api_keys", keys}, {"root", digicert_.ca().root_file().string()}, {"profiles", profiles}});
  }
  std::string trouble() const override {
    return digicert_error_body("InternalServerError", "Something went wrong", "", digicert_.options().envelope);
  }
  std::optional<Bytes> certificate_for_another_key(ByteView certificate) override {
    return digicert_.certificate_for_another_key(certificate);
  }
  void advance(std::chrono::seconds by) override { digicert_.advance(by); }
  std::chrono::seconds advanced() const override { return digicert_.advanced(); }
  void reset() override { digicert_.reset(); }

  Digicert& digicert() { return digicert_; }

 private:
  SystemClock clock_;
  Digicert digicert_;
};

}  // namespace

class DigicertServer::Inside {
 public:
  explicit Inside(DigicertServerOptions options) {
    options.digicert.dir = std::filesystem::absolute(options.digicert.dir);
    SimulatorServer::prepare(options.digicert.dir);
    if (options.digicert.api_keys.empty()) {
      options.digicert.api_keys = generated_api_keys(options.digicert.dir / "digicert-api-keys.json");
    }
    options.digicert.client_certificates = options.client_ca.has_value();
    const SimulatorServerOptions carried{"digicert", options.digicert.dir, options.port, options.client_ca};
    simulator = std::make_shared<DigicertSimulator>(std::move(options.digicert));
    server = std::make_unique<SimulatorServer>(carried, simulator);
  }

  std::shared_ptr<DigicertSimulator> simulator;
  std::unique_ptr<SimulatorServer> server;
};

DigicertServer::DigicertServer(DigicertServerOptions options) : inside_(std::make_unique<Inside>(std::move(options))) {}
DigicertServer::~DigicertServer() = default;
SimulatorServer& DigicertServer::server() {
  return *inside_->server;
}
Digicert& DigicertServer::digicert() {
  return inside_->simulator->digicert();
}

}  // namespace hsmbridge::rig
