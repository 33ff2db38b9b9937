#include "flow.h"
#include "x509/objects/spki.h"

#include <catch2/catch.hpp>
#include <map>
#include <set>

using namespace hsmbridge;
using namespace hsmbridge::venafi;
using namespace hsmbridge::workflow;
using test::Flow;

// tests/data/venafi/*.json: what a client sends, written from the vendor's reference, section by section ("from"), not
// from what our provider happens to send. "{{name}}" stands for one value, the same wherever the name comes again.
namespace {

using Names = std::map<std::string, std::string>;

bool same_text(const std::string& expected, const std::string& actual, Names& names) {
  const std::size_t begin = expected.find("{{");
  if (begin == std::string::npos) return expected == actual;
  const std::size_t end = expected.find("}}", begin);
  const std::string after = expected.substr(end + 2);
  if (actual.size() <= begin + after.size() || actual.substr(0, begin) != expected.substr(0, begin) ||
      actual.substr(actual.size() - after.size()) != after) {
    return false;
  }
  const std::string value = actual.substr(begin, actual.size() - begin - after.size());
  const auto [bound, fresh] = names.emplace(expected.substr(begin + 2, end - begin - 2), value);
  return fresh || bound->second == value;
}

// Every member of both, in any order; lists in theirs.
bool same(const Json& expected, const Json& actual, Names& names) {
  if (expected.is_string() && actual.is_string()) return same_text(expected.as_string(), actual.as_string(), names);
  if (expected.is_object() && actual.is_object()) {
    if (expected.as_object().size() != actual.as_object().size()) return false;
    for (const auto& [name, value] : expected.as_object()) {
      const Json* member = actual.find(name);
      if (member == nullptr || !same(value, *member, names)) return false;
    }
    return true;
  }
  if (expected.is_array() && actual.is_array()) {
    const auto& left = expected.as_array();
    const auto& right = actual.as_array();
    if (left.size() != right.size()) return false;
    for (std::size_t i = 0; i < left.size(); ++i) {
      if (!same(left[i], right[i], names)) return false;
    }
    return true;
  }
  return expected == actual;
}

Json::Array journal(const Flow& flow) {
  Json::Array lines;
  const Bytes content = read_file(flow.rig.about().at("journal").as_string());
  std::string_view rest = as_text(content);
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    if (end > 0) lines.push_back(Json::parse(rest.substr(0, end)));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return lines;
}

// What reached the service from line `first` on is what the transcript says, and nothing else.
Names check_transcript(const Flow& flow, const std::string& name, std::size_t first = 0) {
  const Json transcript =
      Json::parse(as_text(read_file(std::string(HSMBRIDGE_TEST_DATA) + "/venafi/" + name + ".json")));
  const Json::Array sent = journal(flow);
  Names names;
  REQUIRE(sent.size() >= first);
  CHECK(sent.size() - first == transcript.as_array().size());
  for (std::size_t i = 0; i < transcript.as_array().size() && first + i < sent.size(); ++i) {
    const Json& expected = transcript.as_array()[i];
    const Json& actual = sent[first + i];
    INFO(expected.pretty());
    INFO(actual.pretty());
    CHECK(actual.at("method") == expected.at("method"));
    CHECK(same_text(expected.at("path").as_string(), actual.at("path").as_string(), names));
    CHECK(actual.at("status") == expected.at("status"));
    const Json& headers = actual.at("headers");
    CHECK(headers.at("accept") == expected.at("accept"));
    CHECK(headers.string_or("content-type", "") == expected.string_or("content-type", ""));
    CHECK(headers.at("user-agent").as_string().starts_with("hsmbridge/"));
    const Json* body = expected.find("body");
    CHECK(same(body == nullptr ? Json() : *body, actual.at("body"), names));
  }
  return names;
}

}  // namespace

TEST_CASE("an enrolment sends what the reference says, field by field") {
  Flow flow("Slow");
  flow.settings.tags = {"team:web"};
  flow.provider().test();
  flow.freeze();
  CHECK(flow.provider().check(flow.call()).empty());
  CHECK(flow.provider().dry_run(flow.call()).empty());
  flow.submit();
  while (flow.poll().status != RequestStatus::ready) REQUIRE(flow.rig.journal().size() < 12);
  flow.retrieve();
  const Names names = check_transcript(flow, "enroll");
  CHECK(names.at("csr") == x509::csr_to_pem(flow.draft.csr));
  CHECK(names.at("request") == flow.submission.reference.str());
  CHECK(names.at("certificate") == state_from(flow.submission.provider_state).certificates.front());
}

TEST_CASE("an approval is asked after and decided as the reference says") {
  Flow flow("Approval");
  flow.submit();
  const std::size_t first = flow.rig.journal().size();
  flow.poll();
  VenafiProvider desk(flow.settings, flow.client(flow.key_of("alice")), flow.clock);
  desk.decide(flow.submission.reference, ApprovalAuthority::Decision::reject, "not ours", std::chrono::seconds{20});
  CHECK(check_transcript(flow, "approval", first).at("request") == flow.submission.reference.str());
}

TEST_CASE("a lost submission is searched for as the reference says") {
  Flow flow;
  flow.submit();
  const std::size_t first = flow.rig.journal().size();
  CHECK(std::holds_alternative<Found>(flow.provider().look_up(flow.call())));
  const Names names = check_transcript(flow, "look-up", first);
  CHECK(names.at("request") == flow.submission.reference.str());
  CHECK(parse_rfc3339(names.at("from")) < flow.draft.built_at);
}

TEST_CASE("a renewal and a revocation send what the reference says") {
  Flow flow;
  flow.issue();
  const std::string old = state_from(flow.submission.provider_state).certificates.front();
  const std::string request = flow.submission.reference.str();
  std::size_t first = flow.rig.journal().size();
  flow.follow_up(Kind::renew);
  flow.order.predecessor->provider_state.clear();
  flow.key = test::SoftwareSigner("ec:P-256");
  flow.freeze();
  CHECK(flow.provider().check(flow.call()).empty());
  flow.submit();
  CHECK(check_transcript(flow, "renewal", first).at("certificate") == old);

  flow.follow_up(Kind::revoke, "superseded");
  first = flow.rig.journal().size();
  flow.order.predecessor->reference = ProviderReference(request);
  flow.order.predecessor->provider_state.clear();
  flow.submit();
  flow.poll();
  CHECK(check_transcript(flow, "revocation", first).at("request") == request);
}

TEST_CASE("access tokens are asked for as the reference says") {
  Flow built_in;
  auto signer = std::make_shared<test::SoftwareSigner>("ec:P-521");
  const Json body = Json::object({{"name", "hsmbridge"},
                                  {"authenticationType", "rsaKey"},
                                  {"publicKey", x509::spki_to_pem(signer->subject_public_key_info())}});
  net::Request made{"POST", "/v1/serviceaccounts", {}, body.dump(), {}, std::chrono::seconds{20}};
  made.headers = {{"tppl-api-key", built_in.rig.api_key("ops")}, {"Content-Type", "application/json"}};
  const auto answer = std::get<net::Response>(built_in.transport()->send(made));
  const std::string id = Json::parse(answer.body).at("id").as_string();
  built_in.use(token_access(built_in.transport(), service_account_order(signer, id, built_in.clock), built_in.clock));
  built_in.freeze();
  CHECK(built_in.provider().check(built_in.call()).empty());
  check_transcript(built_in, "service-account", 1);

  Flow federated;
  const std::string company = federated.rig.about().at("company").as_string();
  const std::string jwt = federated.rig.folder().path().string() + "/jwt";
  federated.rig.command("venafi jwt --out " + jwt);
  federated.use(token_access(federated.transport(),
                             federated_order("/v1/oauth2/v2.0/" + company + "/token",
                                             [jwt] {
                                               std::string text = to_text(read_file(jwt));
                                               while (text.back() == '\n') text.pop_back();
                                               return Secret(text);
                                             }),
                             federated.clock));
  federated.freeze();
  CHECK(federated.provider().check(federated.call()).empty());
  CHECK(check_transcript(federated, "federated").at("company") == company);
}
