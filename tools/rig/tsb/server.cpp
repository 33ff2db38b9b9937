#include "tools/rig/tsb/server.h"

#include "base/error.h"
#include "base/file.h"
#include "tools/rig/pki/certificates.h"
#include "tools/rig/tsb/business_error.h"

#include <filesystem>
#include <utility>

namespace hsmbridge::rig {
namespace {

Json to_json(const ApiKeys& keys) {
  Json json = Json::object();
  for (const auto& [role, values] : keys) json.set(role, Json(values));
  return json;
}

constexpr int kNoSuchKey = 650;

ApiKeys generated_api_keys(const std::filesystem::path& file) {
  if (std::filesystem::exists(file)) return read_api_keys(Json::parse(as_text(read_file(file))));
  ApiKeys keys;
  for (const std::string& role : api_key_roles()) keys[role] = {"tsb-x-token_" + hex(random_bytes(24))};
  write_file(file, as_bytes(to_json(keys).pretty() + "\n"), FileMode::private_0600, Existing::refuse);
  return keys;
}

// The TSB as a simulator server carries it.
class TsbSimulator final : public Simulator {
 public:
  TsbSimulator(TsbOptions options, const TestPki& pki)
      : api_keys_(options.api_keys.value_or(ApiKeys{})),
        generation_(to_string(options.generation)),
        task_reader_(Json::object({{"certificate", pki.task_reader.string()}, {"key", pki.task_reader_key.string()}})),
        tsb_(std::move(options), clock_) {}

  Answer handle(const Call& call) override { return tsb_.handle(call); }
  std::optional<Answer> control(const std::string& what, const Json& body) override {
    try {
      return own_control(what, body);
    } catch (const Error& error) {
      if (business_code(error) != kNoSuchKey) throw;
      throw Error{ErrorKind::not_found, error.message()};
    }
  }
  Json requests() const override { return tsb_.requests(); }
  Json about() const override {
    return Json::object({{"generation", generation_}, {"api_keys", to_json(api_keys_)}, {"task_reader", task_reader_}});
  }
  std::string trouble() const override { return business_body(701, "Error in the HSM"); }
  std::optional<Bytes> certificate_for_another_key(ByteView certificate) override {
    return tsb_.certificate_for_another_key(certificate);
  }
  void advance(std::chrono::seconds by) override { tsb_.advance(by); }
  std::chrono::seconds advanced() const override { return tsb_.advanced(); }
  void reset() override { tsb_.reset(); }

  Tsb& tsb() { return tsb_; }

 private:
  std::optional<Answer> own_control(const std::string& what, const Json& body) {
    if (what == "POST /rig/clock") {
      if (body.find("approver_skew_seconds") != nullptr) {
        tsb_.skew(std::chrono::seconds{body.at("approver_skew_seconds").as_integer()});
      }
      return Answer{200, "{}"};
    }
    if (what == "POST /rig/certify") {
      const Bytes certificate = tsb_.certify(body.at("label").as_string(), body.at("subject").as_string(),
                                             std::chrono::days{static_cast<int>(body.integer_or("days", 3650))});
      return Answer{201, Json::object({{"certificate", to_pem("CERTIFICATE", certificate, PemLayout::lines)}}).dump()};
    }
    if (what == "POST /rig/block") {
      tsb_.set_blocked(body.at("label").as_string(), body.at("blocked").as_bool());
      return Answer{200, "{}"};
    }
    return std::nullopt;
  }

  const ApiKeys api_keys_;
  const std::string generation_;
  const Json task_reader_;
  SystemClock clock_;
  Tsb tsb_;
};

}  // namespace

class TsbServer::Inside {
 public:
  explicit Inside(TsbServerOptions options) {
    options.tsb.dir = std::filesystem::absolute(options.tsb.dir);
    const TestPki pki = SimulatorServer::prepare(options.tsb.dir);
    if (options.api_key_use == ApiKeyUse::generated) {
      options.tsb.api_keys = generated_api_keys(options.tsb.dir / "tsb-api-keys.json");
    } else if (options.api_key_use == ApiKeyUse::none) {
      options.tsb.api_keys.reset();
    }
    if (options.tsb.api_keys) api_keys = *options.tsb.api_keys;
    options.tsb.timestamp_signers.push_back(certificate_from_pem(as_text(read_file(pki.task_reader))));
    const SimulatorServerOptions carried{"tsb", options.tsb.dir, options.port, options.client_ca};
    simulator = std::make_shared<TsbSimulator>(std::move(options.tsb), pki);
    server = std::make_unique<SimulatorServer>(carried, simulator);
  }

  ApiKeys api_keys;
  std::shared_ptr<TsbSimulator> simulator;
  std::unique_ptr<SimulatorServer> server;
};

TsbServer::TsbServer(TsbServerOptions options) : inside_(std::make_unique<Inside>(std::move(options))) {}
TsbServer::~TsbServer() = default;
const std::string& TsbServer::url() const {
  return inside_->server->url();
}
const TestPki& TsbServer::pki() const {
  return inside_->server->pki();
}
const ApiKeys& TsbServer::api_keys() const {
  return inside_->api_keys;
}
const Json& TsbServer::description() const {
  return inside_->server->description();
}
Tsb& TsbServer::tsb() {
  return inside_->simulator->tsb();
}
Faults& TsbServer::faults() {
  return inside_->server->faults();
}
Json::Array TsbServer::journal() const {
  return inside_->server->journal();
}

}  // namespace hsmbridge::rig
