#include "base/error.h"
#include "base/file.h"
#include "tools/rig/command/commands.h"
#include "tools/rig/command/running_simulator.h"
#include "tools/rig/pki/certificates.h"
#include "tools/rig/pki/software_key.h"

#include <fmt/core.h>

#include <charconv>
#include <limits>

namespace hsmbridge::rig {
namespace {

struct GroupArguments {
  std::string name;
  std::int64_t quorum = 0;  // 0: not given
  Json approvals = Json::array();

  bool untouched() const { return quorum == 0 && approvals.as_array().empty(); }
};

Json read_approver(const std::string& text) {
  const std::size_t equals = text.find('=');
  if (equals == 0 || equals == std::string::npos) {
    throw Error{ErrorKind::invalid_input, fmt::format("--approver is NAME=FILE, not '{}'", text)};
  }
  const std::string file = text.substr(equals + 1);
  const std::string pem = to_text(read_file(file));
  const bool certificate = pem.find("-----BEGIN CERTIFICATE-----") != std::string::npos;
  const Bytes value = certificate ? certificate_from_pem(pem) : public_key_from_pem(pem);
  return Json::object({{"type", certificate ? "certificate" : "public_key"},
                       {"name", text.substr(0, equals)},
                       {"value", base64(value)}});
}

std::int64_t whole_number(const std::string& flag, const std::string& text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc() && end == text.data() + text.size() && value > 0) return value;
  throw Error{ErrorKind::invalid_input, fmt::format("{} needs a whole number above 0, not '{}'", flag, text)};
}

// --group begins a group, except when nothing was said of the one before.
std::vector<GroupArguments> read_groups(const Arguments& arguments) {
  std::vector<GroupArguments> groups(1);
  for (const auto& [flag, value] : arguments.in_order()) {
    if (flag == "--group") {
      if (!groups.back().untouched() || !groups.back().name.empty()) groups.emplace_back();
      groups.back().name = value;
    } else if (flag == "--quorum") {
      groups.back().quorum = whole_number(flag, value);
    } else if (flag == "--approver") {
      groups.back().approvals.push(read_approver(value));
    }
  }
  // A name after everything else is the name of the only group.
  if (groups.size() == 2 && groups[0].name.empty() && groups[1].untouched()) {
    groups[0].name = groups[1].name;
    groups.pop_back();
  }
  for (std::size_t i = 0; i < groups.size(); ++i) {
    if (groups[i].name.empty()) groups[i].name = fmt::format("group {}", i + 1);
    if (groups[i].quorum == 0) groups[i].quorum = 1;
    if (groups[i].approvals.as_array().empty()) {
      throw Error{ErrorKind::invalid_input, fmt::format("the group '{}' has no --approver", groups[i].name)};
    }
  }
  return groups;
}

std::int64_t seconds_of(const Arguments& arguments, std::string_view flag, long otherwise) {
  return arguments.number(flag, 0, std::numeric_limits<int>::max()).value_or(otherwise);
}

Json policy_from(const Arguments& arguments) {
  Json groups = Json::array();
  if (arguments.has("--no-approval")) {
    if (arguments.has("--approver") || arguments.has("--quorum") || arguments.has("--group")) {
      throw Error{ErrorKind::invalid_input, "--no-approval contradicts --approver, --quorum and --group"};
    }
  } else {
    for (const GroupArguments& group : read_groups(arguments)) {
      groups.push(Json::object({{"name", group.name}, {"quorum", group.quorum}, {"approvals", group.approvals}}));
    }
  }
  const Json token = Json::object({{"name", "token 1"},
                                   {"timelock", seconds_of(arguments, "--timelock", 0)},
                                   {"timeout", seconds_of(arguments, "--timeout", 86400)},
                                   {"groups", groups}});
  const Json rule = Json::object({{"tokens", Json::array({token})}});
  // The same people decide about blocking and changing the key.
  return Json::object({{"ruleUse", rule},
                       {"ruleBlock", rule},
                       {"ruleUnblock", rule},
                       {"ruleModify", rule},
                       {"keyStatus", Json::object({{"blocked", false}})}});
}

void set_algorithm(Json& body, const Arguments& arguments) {
  const std::string algorithm = arguments.text_or("--algorithm", "EC");
  const std::string curve = arguments.text_or("--curve", "P-256");
  body.set("algorithm", algorithm);
  if (algorithm == "RSA") {
    body.set("keySize", static_cast<std::int64_t>(arguments.number("--key-size", 1, 1 << 20).value_or(3072)));
  } else if (algorithm == "ED") {
    body.set("curveOid", "1.3.101.112");
  } else if (algorithm != "EC") {
    throw Error{ErrorKind::invalid_input, fmt::format("--algorithm is EC, RSA or ED, not '{}'", algorithm)};
  } else if (curve != "P-256" && curve != "P-384" && curve != "P-521") {
    throw Error{ErrorKind::invalid_input, fmt::format("--curve is P-256, P-384 or P-521, not '{}'", curve)};
  } else {
    body.set("curveOid", curve == "P-256" ? "1.2.840.10045.3.1.7" : curve == "P-384" ? "1.3.132.0.34" : "1.3.132.0.35");
  }
}

}  // namespace

ExitCode create_ca(Invocation& invocation) {
  const Arguments& arguments = invocation.arguments;
  const std::string label = arguments.required("--label");
  // "ca" is the file of the rig's own CA.
  if (label.empty() || label == "ca" || label.find('/') != std::string::npos) {
    throw Error{ErrorKind::invalid_input, "--label must not be empty, 'ca' or hold a '/'"};
  }
  RunningSimulator tsb(arguments.required("--dir"));
  const std::filesystem::path file = tsb.dir() / (label + ".pem");

  Json password;
  for (const char c : arguments.text_or("--password", "")) password.push(std::string(1, c));
  Json body = Json::object({{"label", label}, {"password", password}});
  set_algorithm(body, arguments);
  body.set("attributes", Json::object({{"decrypt", false},
                                       {"sign", true},
                                       {"unwrap", false},
                                       {"extractable", false},
                                       {"modifiable", true},
                                       {"destroyable", true}}));
  body.set("policy", policy_from(arguments));
  const Answer made = tsb.api("keyManagementToken", "POST", "/v1/key", body);
  if (made.status != 201) {
    throw Error{ErrorKind::refused, fmt::format("the TSB did not create the key: HTTP {}, {}", made.status, made.body)};
  }

  const Json order =
      Json::object({{"label", label},
                    {"subject", arguments.text_or("--subject", "CN=" + label)},
                    {"days", static_cast<std::int64_t>(arguments.number("--days", 0, 1'000'000).value_or(3650))}});
  const std::string certificate = tsb.control("POST", "/rig/certify", order).at("certificate").as_string();
  write_file(file, as_bytes(certificate), FileMode::public_0644, Existing::replace);
  invocation.output.raw(fmt::format("key '{}' is at the TSB, its CA certificate in {}\n", label, file.string()));
  return ExitCode::done;
}

}  // namespace hsmbridge::rig
