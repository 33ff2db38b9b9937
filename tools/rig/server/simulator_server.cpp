#include "tools/rig/server/simulator_server.h"

#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "tools/rig/pki/certificates.h"

#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>

namespace hsmbridge::rig {
namespace {

constexpr std::string_view kHtml =
    "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<center><h1>502 Bad Gateway</h1></center>\r\n"
    "<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n";

constexpr std::string_view kBegin = "-----BEGIN CERTIFICATE-----";
constexpr std::string_view kEnd = "-----END CERTIFICATE-----";

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
    const bool secret = !value.is_null() && (name == "keyPassword" || name == "password" || name == "enrollment_code");
    copy.set(name, secret ? Json("(left out)") : without_passwords(value));
  }
  return copy;
}

// A JWT in a form opens as much as a password does.
std::string without_assertion(const std::string& form) {
  const std::size_t name = form.find("assertion=");
  if (name == std::string::npos) return form;
  const std::size_t begin = form.find("=", name) + 1;
  return form.substr(0, begin) + "(left out)" + form.substr(std::min(form.find('&', begin), form.size()));
}

Json journal_body(const std::string& body) {
  if (body.empty()) return {};
  try {
    return without_passwords(Json::parse(body));
  } catch (const Error&) {
    return without_assertion(body).substr(0, 1000);
  }
}

std::string wrong_signature(const std::string& value) {
  try {
    Bytes signature = from_base64(value);
    // The last octet belongs to s, or to the RSA block: the encoding stays well-formed.
    if (!signature.empty()) signature.back() = static_cast<std::uint8_t>(signature.back() ^ 1U);
    return base64(signature);
  } catch (const Error&) {
    return value;
  }
}

}  // namespace

SimulatorServer::SimulatorServer(const SimulatorServerOptions& options, std::shared_ptr<Simulator> simulator)
    : name_(options.name),
      dir_(std::filesystem::absolute(options.dir)),
      pki_(make_test_pki(dir_)),
      journal_(dir_ / (name_ + "-journal.jsonl")),
      simulator_(std::move(simulator)),
      control_token_(hex(random_bytes(24))) {
  listen(options);
  describe();
}

SimulatorServer::~SimulatorServer() {
  {
    const std::lock_guard lock(late_mutex_);
    stopping_ = true;
  }
  late_wake_.notify_all();
  server_.reset();
  for (std::thread& thread : late_) thread.join();
}

void SimulatorServer::listen(const SimulatorServerOptions& options) {
  const std::filesystem::path file = dir_ / (name_ + ".json");
  HttpsSettings settings{pki_.server, pki_.server_key, pki_.ca, options.client_ca, options.port};
  const auto handler = [this](const Call& call) { return answer(call); };
  if (!options.port && std::filesystem::exists(file)) {
    // The address of the last run, so that clients notice no restart; any other if that one is taken.
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

void SimulatorServer::describe() {
  description_ = Json::object({{"url", url_},
                               {"ca", pki_.ca.string()},
                               {"pid", static_cast<std::int64_t>(::getpid())},
                               {"port", server_->port()},
                               {"control_token", control_token_},
                               {"control_certificate", pki_.control.string()},
                               {"control_key", pki_.control_key.string()},
                               {"journal", journal_.path().string()}});
  const Json own = simulator_->about();
  for (const auto& [member, value] : own.as_object()) description_.set(member, value);
  write_file(dir_ / (name_ + ".json"), as_bytes(description_.pretty() + "\n"), FileMode::private_0600,
             Existing::replace);
}

Outcome SimulatorServer::answer(const Call& call) {
  const std::string path = call.path();
  if (path.substr(0, 5) == "/rig/") return {control(call, path)};
  const std::optional<Fault> fault = faults_.take(call.method, path);
  Outcome outcome = fault ? faulty(call, *fault) : Outcome{simulator_->handle(call)};
  note(call, outcome.delivery == Delivery::nothing ? 0 : outcome.answer.status, fault ? kept(fault->kind) : Json());
  return outcome;
}

void SimulatorServer::note(const Call& call, int status, const Json& fault) {
  Json headers = Json::object();
  for (const auto& [name, value] : call.headers) {
    const bool opens = name == "authorization" || name == "x-api-key" || name == "tppl-api-key" || name == "cookie";
    headers.set(name, opens ? "(left out)" : value);
  }
  try {
    journal_.append(Json::object({{"time", rfc3339(clock_.now())},
                                  {"method", call.method},
                                  {"path", call.target},
                                  {"headers", headers},
                                  {"body", journal_body(call.body)},
                                  {"status", status},
                                  {"fault", fault}}));
  } catch (...) {
    log::error(fmt::format("cannot write the journal: {}", current_error().message()));
  }
}

Outcome SimulatorServer::faulty(const Call& call, const Fault& fault) {
  switch (fault.kind) {
    case FaultKind::status:
    case FaultKind::html: {
      Outcome outcome;
      outcome.answer.status = fault.status;
      outcome.answer.body = fault.body.is_null() ? simulator_->trouble() : fault.body.dump();
      if (fault.kind == FaultKind::html) {
        outcome.answer.body = kHtml;
        outcome.answer.content_type = "text/html";
      }
      if (!fault.retry_after.empty()) outcome.answer.headers["Retry-After"] = fault.retry_after;
      return outcome;
    }
    case FaultKind::delay:
      wait(std::chrono::milliseconds{fault.ms});
      return {simulator_->handle(call)};
    case FaultKind::drop_before:
      return {{}, Delivery::nothing};
    case FaultKind::drop_after:
      return {simulator_->handle(call), Delivery::nothing};
    case FaultKind::commit_late: {
      const std::lock_guard lock(late_mutex_);
      late_.emplace_back([this, call, time = std::chrono::milliseconds{fault.ms}] {
        wait(time);
        simulator_->handle(call);
      });
      return {{}, Delivery::nothing};
    }
    case FaultKind::truncate:
      return {simulator_->handle(call), Delivery::truncated};
    case FaultKind::huge: {
      Outcome outcome{simulator_->handle(call)};
      outcome.padding = fault.bytes - std::min(fault.bytes, outcome.answer.body.size());
      return outcome;
    }
    case FaultKind::wrong_certificate:
    case FaultKind::wrong_signature:
    case FaultKind::set:
      return {changed(simulator_->handle(call), fault)};
  }
  return {};
}

// The answer with another certificate, another signature, or other members. An answer that has nothing to change
// stays as it is.
Answer SimulatorServer::changed(Answer answer, const Fault& fault) {
  if (fault.kind == FaultKind::wrong_certificate && answer.body.substr(0, kBegin.size()) == kBegin) {
    answer.body = wrong_certificate(answer.body);
    return answer;
  }
  Json body;
  try {
    body = Json::parse(answer.body);
  } catch (const Error&) {
    return answer;
  }
  if (!body.is_object()) return answer;
  if (fault.kind == FaultKind::set) {
    for (const auto& [name, value] : fault.answer_members.as_object()) body.set(name, value);
  } else {
    for (const char* name : {"result", "certificate", "rawCertificate", "signature"}) {
      const Json* member = body.find(name);
      if (member == nullptr || !member->is_string() || member->as_string() == "true") continue;
      const std::string value = member->as_string();
      body.set(name, fault.kind == FaultKind::wrong_certificate ? wrong_certificate(value) : wrong_signature(value));
    }
  }
  answer.body = body.dump();
  return answer;
}

// Base64, or PEM of which the first block counts, on lines as they were.
std::string SimulatorServer::wrong_certificate(const std::string& text) {
  const bool pem = text.substr(0, kBegin.size()) == kBegin;
  const std::size_t end = pem ? text.find(kEnd) : text.size();
  try {
    std::string der = pem ? text.substr(kBegin.size(), end - kBegin.size()) : text;
    const bool lines = std::count(der.begin(), der.end(), '\n') > 2;
    der.erase(std::remove(der.begin(), der.end(), '\n'), der.end());
    const std::optional<Bytes> other = simulator_->certificate_for_another_key(from_base64(der));
    if (!other) return text;
    if (!pem) return base64(*other);
    const std::string rest = text.substr(std::min(end + kEnd.size() + (lines ? 1 : 0), text.size()));
    return to_pem("CERTIFICATE", *other, lines ? PemLayout::lines : PemLayout::single_line) + rest;
  } catch (const Error&) {
    return text;
  }
}

void SimulatorServer::wait(std::chrono::milliseconds time) {
  std::unique_lock lock(late_mutex_);
  late_wake_.wait_for(lock, time, [this] { return stopping_; });
}

Answer SimulatorServer::control(const Call& call, const std::string& path) {
  if (call.header("x-rig-token") != control_token_) {
    return {403, R"({"message":"the header X-Rig-Token does not hold the control token"})"};
  }
  try {
    return control_action(call, path);
  } catch (...) {
    const Error error = current_error();
    const std::optional<Answer> refused = answer_in(error);
    const int status = refused                                ? refused->status
                       : error.kind() == ErrorKind::internal  ? 500
                       : error.kind() == ErrorKind::not_found ? 404
                                                              : 400;
    return {status, Json::object({{"message", error.message()}, {"hint", error.hint()}})};
  }
}

Answer SimulatorServer::control_action(const Call& call, const std::string& path) {
  const std::string what = call.method + " " + path;
  const Json body = call.body.empty() ? Json::object() : Json::parse(call.body);
  if (what == "POST /rig/faults") return {201, Json::object({{"id", faults_.add(read_fault(body))}})};
  if (what == "GET /rig/faults") return {200, faults_.list()};
  if (what == "DELETE /rig/faults") {
    faults_.clear();
    return {200, "{}"};
  }
  if (what == "POST /rig/clock") {
    if (const auto seconds = body.integer_or("advance_seconds", 0); seconds != 0) {
      simulator_->advance(std::chrono::seconds{seconds});
    }
    simulator_->control(what, body);
    return {200, Json::object({{"now", rfc3339(clock_.now() + simulator_->advanced())},
                               {"advanced_seconds", static_cast<std::int64_t>(simulator_->advanced().count())}})};
  }
  if (what == "GET /rig/journal") return {200, Json(journal())};
  if (what == "GET /rig/requests") return {200, simulator_->requests()};
  if (what == "POST /rig/reset") {
    simulator_->reset();
    faults_.clear();
    journal_.rewrite({});
    return {200, "{}"};
  }
  if (const auto own = simulator_->control(what, body)) return {200, *own};
  throw Error{ErrorKind::not_found, fmt::format("the {} simulator does not support {}", name_, what)};
}

}  // namespace hsmbridge::rig
