#include "tools/rig/tsb_server.h"

#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "tools/rig/business_error.h"
#include "tools/rig/certificates.h"
#include "tools/rig/https_server.h"
#include "tools/rig/line_file.h"

#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <condition_variable>
#include <list>
#include <mutex>
#include <thread>

namespace hsmbridge::rig {
namespace {

constexpr std::string_view kHtml =
    "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<center><h1>502 Bad Gateway</h1></center>\r\n"
    "<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n";

// Passwords inside a body do not go to the journal.
Json without_passwords(const Json& json) {
  if (json.is_array()) {
    Json copy = Json::array();
    for (const Json& element : json.as_array()) copy.push(without_passwords(element));
    return copy;
  }
  if (!json.is_object()) return json;
  Json copy = Json::object();
  for (const auto& [name, value] : json.as_object()) {
    const bool secret = !value.is_null() && (name == "keyPassword" || name == "password");
    copy.set(name, secret ? Json("(left out)") : without_passwords(value));
  }
  return copy;
}

Json journal_body(const std::string& body) {
  if (body.empty()) return {};
  try {
    return without_passwords(Json::parse(body));
  } catch (const Error&) {
    return body.substr(0, 1000);
  }
}

Json to_json(const ApiKeys& keys) {
  Json json = Json::object();
  for (const auto& [role, values] : keys) json.set(role, Json(values));
  return json;
}

ApiKeys generated_api_keys(const std::filesystem::path& file) {
  if (std::filesystem::exists(file)) return read_api_keys(Json::parse(as_text(read_file(file))));
  ApiKeys keys;
  for (const std::string& role : api_key_roles()) keys[role] = {"tsb-x-token_" + hex(random_bytes(24))};
  write_file(file, as_bytes(to_json(keys).pretty() + "\n"), FileMode::private_0600, Existing::refuse);
  return keys;
}

}  // namespace

class TsbServer::Inside {
 public:
  explicit Inside(TsbServerOptions options)
      : dir_(std::filesystem::absolute(options.tsb.dir)), pki_(prepare(dir_)), journal_(dir_ / "tsb-journal.jsonl") {
    options.tsb.dir = dir_;
    if (options.api_key_use == ApiKeyUse::generated) {
      options.tsb.api_keys = generated_api_keys(dir_ / "tsb-api-keys.json");
    } else if (options.api_key_use == ApiKeyUse::none) {
      options.tsb.api_keys.reset();
    }
    if (options.tsb.api_keys) api_keys_ = *options.tsb.api_keys;
    options.tsb.timestamp_signers.push_back(certificate_from_pem(as_text(read_file(pki_.task_reader))));
    control_token_ = hex(random_bytes(24));
    generation_ = options.tsb.generation == Generation::v2_2 ? "2.2" : "2.5";
    tsb_ = std::make_unique<Tsb>(std::move(options.tsb), clock_);
    listen(options);
    describe();
  }

  ~Inside() {
    {
      const std::lock_guard lock(late_mutex_);
      stopping_ = true;
    }
    late_wake_.notify_all();
    server_.reset();
    for (std::thread& thread : late_) thread.join();
  }

  const std::string& url() const { return url_; }
  const TestPki& pki() const { return pki_; }
  const ApiKeys& api_keys() const { return api_keys_; }
  const Json& description() const { return description_; }
  Tsb& tsb() { return *tsb_; }
  Faults& faults() { return faults_; }
  Json::Array journal() const { return LineFile::read(journal_.path()); }

 private:
  static TestPki prepare(const std::filesystem::path& dir) {
    std::filesystem::create_directories(dir);
    return make_test_pki(dir);
  }

  void listen(const TsbServerOptions& options) {
    const std::filesystem::path file = dir_ / "tsb.json";
    HttpsSettings settings{pki_.server, pki_.server_key, pki_.ca, options.client_ca, options.port};
    const auto handler = [this](const Call& call) { return answer(call); };
    if (!options.port && std::filesystem::exists(file)) {
      // The address of the last run, so that a restart is no change for clients; if somebody else has it, any.
      try {
        settings.port = static_cast<int>(Json::parse(as_text(read_file(file))).at("port").as_integer());
        std::filesystem::remove(file);
        server_ = std::make_unique<HttpsServer>(settings, handler);
      } catch (const Error&) {
        settings.port.reset();
      }
    }
    std::filesystem::remove(file);
    if (server_ == nullptr) server_ = std::make_unique<HttpsServer>(settings, handler);
    url_ = fmt::format("https://127.0.0.1:{}", server_->port());
  }

  void describe() {
    description_ = Json::object({{"url", url_},
                                 {"ca", pki_.ca.string()},
                                 {"pid", static_cast<std::int64_t>(::getpid())},
                                 {"port", server_->port()},
                                 {"generation", generation_},
                                 {"api_keys", to_json(api_keys_)},
                                 {"control_token", control_token_},
                                 {"control_certificate", pki_.control.string()},
                                 {"control_key", pki_.control_key.string()},
                                 {"task_reader", Json::object({{"certificate", pki_.task_reader.string()},
                                                               {"key", pki_.task_reader_key.string()}})},
                                 {"journal", journal_.path().string()}});
    write_file(dir_ / "tsb.json", as_bytes(description_.pretty() + "\n"), FileMode::private_0600, Existing::replace);
  }

  Outcome answer(const Call& call) {
    const std::string path = call.path();
    if (path.substr(0, 5) == "/rig/") return {control(call, path)};
    const std::optional<Fault> fault = faults_.take(call.method, path);
    Outcome outcome = fault ? faulty(call, *fault) : Outcome{tsb_->handle(call)};
    note(call, outcome.delivery == Delivery::nothing ? 0 : outcome.answer.status,
         fault ? fault_kind_words()[static_cast<std::size_t>(fault->kind)] : "");
    return outcome;
  }

  void note(const Call& call, int status, const std::string& fault) {
    Json headers = Json::object();
    for (const auto& [name, value] : call.headers) {
      if (name == "authorization" || name == "x-api-key" || name == "cookie") continue;
      headers.set(name, value);
    }
    try {
      journal_.append(Json::object({{"time", rfc3339(clock_.now())},
                                    {"method", call.method},
                                    {"path", call.target},
                                    {"headers", headers},
                                    {"body", journal_body(call.body)},
                                    {"status", status},
                                    {"fault", fault.empty() ? Json() : Json(fault)}}));
    } catch (...) {
      log::error(fmt::format("the journal cannot be written: {}", current_error().message()));
    }
  }

  Outcome faulty(const Call& call, const Fault& fault) {
    switch (fault.kind) {
      case FaultKind::status:
      case FaultKind::html: {
        Outcome outcome;
        outcome.answer.status = fault.status;
        outcome.answer.body = !fault.body.empty() ? fault.body : business_body(701, "Error in the HSM");
        if (fault.kind == FaultKind::html) {
          outcome.answer.body = kHtml;
          outcome.answer.content_type = "text/html";
        }
        if (!fault.retry_after.empty()) outcome.answer.headers["Retry-After"] = fault.retry_after;
        return outcome;
      }
      case FaultKind::delay:
        wait(fault.wait);
        return {tsb_->handle(call)};
      case FaultKind::drop_before:
        return {{}, Delivery::nothing};
      case FaultKind::drop_after:
        return {tsb_->handle(call), Delivery::nothing};
      case FaultKind::commit_late: {
        const std::lock_guard lock(late_mutex_);
        late_.emplace_back([this, call, time = fault.wait] {
          wait(time);
          tsb_->handle(call);
        });
        return {{}, Delivery::nothing};
      }
      case FaultKind::truncate:
        return {tsb_->handle(call), Delivery::truncated};
      case FaultKind::huge: {
        Outcome outcome{tsb_->handle(call)};
        outcome.padding = fault.bytes - std::min(fault.bytes, outcome.answer.body.size());
        return outcome;
      }
      case FaultKind::wrong_certificate:
      case FaultKind::wrong_signature:
      case FaultKind::set:
        return {changed(tsb_->handle(call), fault)};
    }
    return {};
  }

  // The answer with another certificate, another signature, or other members. An answer that has nothing to change
  // stays as it is.
  Answer changed(Answer answer, const Fault& fault) {
    Json body;
    try {
      body = Json::parse(answer.body);
    } catch (const Error&) {
      return answer;
    }
    if (!body.is_object()) return answer;
    if (fault.kind == FaultKind::set) {
      for (const auto& [name, value] : fault.members.as_object()) body.set(name, value);
    } else {
      for (const char* name : {"result", "certificate", "rawCertificate", "signature"}) {
        const Json* member = body.find(name);
        if (member == nullptr || !member->is_string() || member->as_string() == "true") continue;
        const std::string value = member->as_string();
        if (fault.kind == FaultKind::wrong_certificate) {
          body.set(name, wrong_certificate(value));
        } else {
          body.set(name, wrong_signature(value));
        }
      }
    }
    answer.body = body.dump();
    return answer;
  }

  std::string wrong_certificate(const std::string& value) {
    const bool pem = value.substr(0, 27) == "-----BEGIN CERTIFICATE-----";
    try {
      const Bytes der = pem ? certificate_from_single_line(value) : from_base64(value);
      const std::optional<Bytes> other = tsb_->certificate_for_another_key(der);
      if (!other) return value;
      return pem ? to_pem("CERTIFICATE", *other, PemLayout::single_line) : base64(*other);
    } catch (const Error&) {
      return value;
    }
  }

  static Bytes certificate_from_single_line(const std::string& pem) {
    std::string text = pem.substr(27, pem.find("-----END") - 27);
    text.erase(std::remove(text.begin(), text.end(), '\n'), text.end());
    return from_base64(text);
  }

  static std::string wrong_signature(const std::string& value) {
    try {
      Bytes signature = from_base64(value);
      // The last octet belongs to s, or to the RSA block: the encoding stays well-formed.
      if (!signature.empty()) signature.back() = static_cast<std::uint8_t>(signature.back() ^ 1U);
      return base64(signature);
    } catch (const Error&) {
      return value;
    }
  }

  // Ends early when the server stops.
  void wait(std::chrono::milliseconds time) {
    std::unique_lock lock(late_mutex_);
    late_wake_.wait_for(lock, time, [this] { return stopping_; });
  }

  Answer control(const Call& call, const std::string& path) {
    if (call.header("x-rig-token") != control_token_) {
      return {403, R"({"message":"the header X-Rig-Token does not hold the control token of tsb.json"})"};
    }
    try {
      return control_action(call, path);
    } catch (...) {
      const Error error = current_error();
      const int status = error.kind() == ErrorKind::internal ? 500 : business_code(error) == 650 ? 404 : 400;
      return {status, Json::object({{"message", error.message()}}).dump()};
    }
  }

  Answer control_action(const Call& call, const std::string& path) {
    const std::string what = call.method + " " + path;
    const Json body = call.body.empty() ? Json::object() : Json::parse(call.body);
    if (what == "POST /rig/faults") return {201, Json::object({{"id", faults_.add(read_fault(body))}}).dump()};
    if (what == "GET /rig/faults") return {200, faults_.list().dump()};
    if (what == "DELETE /rig/faults") {
      faults_.clear();
      return {200, "{}"};
    }
    if (what == "POST /rig/clock") {
      tsb_->advance(std::chrono::seconds{body.integer_or("advance_seconds", 0)});
      if (body.find("approver_skew_seconds") != nullptr) {
        tsb_->skew(std::chrono::seconds{body.at("approver_skew_seconds").as_integer()});
      }
      return {200, Json::object({{"now", rfc3339(clock_.now() + tsb_->advanced())},
                                 {"advanced_seconds", static_cast<std::int64_t>(tsb_->advanced().count())}})
                       .dump()};
    }
    if (what == "GET /rig/journal") return {200, Json(journal()).dump()};
    if (what == "GET /rig/requests") return {200, tsb_->requests().dump()};
    if (what == "POST /rig/certify") {
      const Bytes certificate = tsb_->certify(body.at("label").as_string(), body.at("subject").as_string(),
                                              std::chrono::days{static_cast<int>(body.integer_or("days", 3650))});
      return {201, Json::object({{"certificate", to_pem("CERTIFICATE", certificate, PemLayout::lines)}}).dump()};
    }
    if (what == "POST /rig/block") {
      tsb_->set_blocked(body.at("label").as_string(), body.at("blocked").as_bool());
      return {200, "{}"};
    }
    if (what == "POST /rig/reset") {
      tsb_->reset();
      faults_.clear();
      journal_.rewrite({});
      return {200, "{}"};
    }
    return {404, R"({"message":"the rig has no such control"})"};
  }

  std::filesystem::path dir_;
  TestPki pki_;
  LineFile journal_;
  ApiKeys api_keys_;
  std::string control_token_;
  std::string generation_;
  SystemClock clock_;
  std::unique_ptr<Tsb> tsb_;
  Faults faults_;
  std::mutex late_mutex_;
  std::condition_variable late_wake_;
  bool stopping_ = false;
  std::list<std::thread> late_;
  std::unique_ptr<HttpsServer> server_;
  std::string url_;
  Json description_;
};

TsbServer::TsbServer(TsbServerOptions options) : inside_(std::make_unique<Inside>(std::move(options))) {}
TsbServer::~TsbServer() = default;
const std::string& TsbServer::url() const {
  return inside_->url();
}
const TestPki& TsbServer::pki() const {
  return inside_->pki();
}
const ApiKeys& TsbServer::api_keys() const {
  return inside_->api_keys();
}
const Json& TsbServer::description() const {
  return inside_->description();
}
Tsb& TsbServer::tsb() {
  return inside_->tsb();
}
Faults& TsbServer::faults() {
  return inside_->faults();
}
Json::Array TsbServer::journal() const {
  return inside_->journal();
}

}  // namespace hsmbridge::rig
