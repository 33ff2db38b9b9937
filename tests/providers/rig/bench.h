#pragma once

#include "base/bytes.h"
#include "base/file.h"
#include "base/json.h"
#include "support/fake_clock.h"
#include "support/temp_folder.h"
#include "tools/rig/pki/software_key.h"
#include "tools/rig/tsb/tsb.h"

#include <cstdio>
#include <fstream>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace hsmbridge::test {

// What a program printed, and how it ended.
struct Finished {
  int status = -1;
  std::string output;
};

inline Finished run_program(const std::string& command) {
  FILE* pipe = ::popen((command + " 2>&1").c_str(), "r");
  if (pipe == nullptr) throw std::runtime_error("cannot run " + command);
  Finished finished;
  char buffer[4096];
  for (std::size_t count = 0; (count = std::fread(buffer, 1, sizeof buffer, pipe)) > 0;) {
    finished.output.append(buffer, count);
  }
  const int code = ::pclose(pipe);
  finished.status = WIFEXITED(code) ? WEXITSTATUS(code) : -1;
  return finished;
}

inline void write_text(const std::filesystem::path& path, std::string_view text) {
  write_file(path, as_bytes(text), FileMode::private_0600, Existing::replace);
}

// Somebody who may approve, with a key of any kind.
class Person {
 public:
  explicit Person(std::string name, std::string_view algorithm = "EC", int bits = 256)
      : name_(std::move(name)), key_(rig::SoftwareKey::generate(algorithm, bits)), ed25519_(algorithm == "ED") {}

  std::string public_key() const { return base64(key_.public_key()); }
  std::string digest() const { return ed25519_ ? "EdDSA" : "SHA-256"; }
  std::string sign(ByteView message) const {
    return base64(key_.sign({ed25519_ ? "" : "SHA256", rig::SignatureScheme::Padding::pkcs1}, message));
  }
  Json in_policy() const { return Json::object({{"type", "public_key"}, {"name", name_}, {"value", public_key()}}); }
  const rig::SoftwareKey& key() const { return key_; }

 private:
  std::string name_;
  rig::SoftwareKey key_;
  bool ed25519_;
};

using People = std::vector<const Person*>;

inline Json group(std::string name, int quorum, const People& people) {
  Json approvals = Json::array();
  for (const Person* person : people) approvals.push(person->in_policy());
  return Json::object({{"name", std::move(name)}, {"quorum", quorum}, {"approvals", approvals}});
}

inline Json token(int timelock, int timeout, Json::Array groups) {
  return Json::object(
      {{"name", "t"}, {"timelock", timelock}, {"timeout", timeout}, {"groups", Json(std::move(groups))}});
}

inline Json policy(Json::Array tokens) {
  return Json::object({{"ruleUse", Json::object({{"tokens", Json(std::move(tokens))}})},
                       {"ruleBlock", Json()},
                       {"ruleUnblock", Json()},
                       {"ruleModify", Json()},
                       {"keyStatus", Json::object({{"blocked", false}})}});
}

inline Json key_body(const std::string& label, const std::string& algorithm, Json policy_json) {
  Json body = Json::object(
      {{"label", label},
       {"algorithm", algorithm},
       {"attributes", Json::object({{"decrypt", false}, {"sign", true}, {"unwrap", false}, {"destroyable", true}})},
       {"policy", std::move(policy_json)}});
  if (algorithm == "RSA") body.set("keySize", 2048);
  if (algorithm == "EC") body.set("curveOid", "1.2.840.10045.3.1.7");
  if (algorithm == "ED") body.set("curveOid", "1.3.101.112");
  return body;
}

// A simulated TSB without a network, with a clock that tests move.
class Bench {
 public:
  Bench() { options_.dir = folder_.path(); }
  explicit Bench(rig::TsbOptions options) : options_(std::move(options)) { options_.dir = folder_.path(); }

  rig::Tsb& tsb() {
    if (tsb_ == nullptr) tsb_ = std::make_unique<rig::Tsb>(options_, clock_);
    return *tsb_;
  }
  void restart() { tsb_.reset(); }
  FakeClock& clock() { return clock_; }
  const TempFolder& folder() const { return folder_; }

  rig::Answer send(const std::string& method, const std::string& target, const std::string& body = "") {
    rig::Call call;
    call.method = method;
    call.target = target;
    call.body = body;
    call.headers["content-type"] = "application/json";
    if (!api_key_.empty()) call.headers["x-api-key"] = api_key_;
    return tsb().handle(call);
  }
  rig::Answer post(const std::string& target, const Json& body) { return send("POST", target, body.dump()); }
  void use_api_key(std::string key) { api_key_ = std::move(key); }

  void make_key(const std::string& label, const std::string& algorithm, Json policy_json) {
    const rig::Answer answer = post("/v1/key", key_body(label, algorithm, std::move(policy_json)));
    if (answer.status != 201) throw std::runtime_error("no key: " + answer.body);
  }
  // The signRequestId.
  std::string ask(const std::string& target, const Json& body) {
    const rig::Answer answer = post(target, body);
    if (answer.status != 201) throw std::runtime_error("not accepted: " + answer.body);
    return Json::parse(answer.body).at("signRequestId").as_string();
  }
  static Json sign_body(const std::string& key, const std::string& algorithm, ByteView payload) {
    return Json::object({{"signRequest", Json::object({{"payload", base64(payload)},
                                                       {"payloadType", "UNSPECIFIED"},
                                                       {"signKeyName", key},
                                                       {"keyPassword", Json()},
                                                       {"metaData", Json()},
                                                       {"metaDataSignature", Json()},
                                                       {"signatureAlgorithm", algorithm},
                                                       {"signatureType", "DER"}})},
                         {"requestSignature", Json()}});
  }
  std::string ask_signature(const std::string& key, ByteView payload = as_bytes("payload")) {
    return ask("/v1/sign", sign_body(key, "SHA256_WITH_ECDSA", payload));
  }
  Json request(const std::string& id) { return Json::parse(send("GET", "/v1/request/" + id).body); }
  std::string status(const std::string& id) { return request(id).at("status").as_string(); }

  // The proof of who speaks, back-dated as clients must.
  Json proof(const Person& person, int seconds_ago = 5) {
    const std::string time = rfc3339(clock_.now() - std::chrono::seconds{seconds_ago});
    return Json::object({{"timestamp", time},
                         {"timestampSignature", person.sign(as_bytes(time))},
                         {"timestampDigestAlgorithm", person.digest()},
                         {"approverPublicKey", person.public_key()}});
  }
  Json tasks(const Person& person, const std::string& level = "level1", const std::string& request_id = "") {
    Json body = proof(person);
    body.set("detailLevel", level);
    if (!request_id.empty()) body.set("requestId", request_id);
    return Json::parse(post("/v1/filteredAllApprovalTask", body).body).at("tasks");
  }
  Json approval(const Person& person, const Json& task) {
    const Bytes bytes = from_base64(task.at("approvalToBeSigned").as_string());
    return Json::object({{"id", task.at("id")},
                         {"approvalToBeSigned", task.at("approvalToBeSigned")},
                         {"signature", person.sign(bytes)},
                         {"approvalDigestAlgorithm", person.digest()},
                         {"approverPublicKey", person.public_key()}});
  }
  // Approves the only task this person has.
  rig::Answer approve(const Person& person, const std::string& request_id = "") {
    const Json open = tasks(person, "level1", request_id);
    if (open.as_array().size() != 1) throw std::runtime_error("not exactly one task: " + open.dump());
    return post("/v1/approval", approval(person, open.as_array()[0]));
  }
  rig::Answer reject(const Person& person, const std::string& method = "PATCH") {
    const Json open = tasks(person);
    Json body = proof(person);
    body.set("id", open.as_array().at(0).at("id"));
    return send(method, "/v1/task", body.dump());
  }

 private:
  TempFolder folder_;
  FakeClock clock_;
  rig::TsbOptions options_;
  std::unique_ptr<rig::Tsb> tsb_;
  std::string api_key_;
};

inline Json keys_of(const People& people) {
  Json list = Json::array();
  for (const Person* person : people) list.push(person->public_key());
  return list;
}

}  // namespace hsmbridge::test
