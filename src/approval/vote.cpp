#include "approval/vote.h"

#include "base/error.h"
#include "base/json.h"
#include "base/json_text.h"
#include "x509/objects/algorithm.h"
#include "x509/objects/spki.h"
#include "x509/objects/verify.h"

#include <fmt/core.h>

#include <algorithm>
#include <initializer_list>
#include <utility>

namespace hsmbridge::approval {
namespace {

constexpr std::string_view kPrefix = "hsmbridge-approval-v1\n";
// A vote has 1 to 2 KiB.
constexpr std::size_t kLongestVote = 16U << 10U;
constexpr std::int64_t kMostRounds = 1'000'000;

Json to_json(const Vote& vote) {
  const Question& question = vote.question;
  return Json::object({{"store", question.store},
                       {"environment", question.environment},
                       {"request", question.request},
                       {"kind", question.kind},
                       {"round", static_cast<std::int64_t>(question.round)},
                       {"issuer_spki_sha256", question.issuer},
                       {"draft_sha256", question.draft},
                       {"policy_sha256", question.policy},
                       {"order_sha256", question.order},
                       {"person", vote.person},
                       {"decision", to_string(vote.decision)},
                       {"reason", vote.reason},
                       {"approved_at", rfc3339(vote.approved_at)},
                       {"valid_until", rfc3339(vote.valid_until)},
                       {"nonce", vote.nonce}});
}

void expect_members(const Json& json, std::string_view what, std::initializer_list<std::string_view> names) {
  for (const std::string_view name : names) json.at(name);
  for (const auto& [name, value] : json.as_object()) {
    if (std::find(names.begin(), names.end(), name) != names.end()) continue;
    throw Error{ErrorKind::invalid_input, fmt::format("{} has the unknown member '{}'", what, well_formed(name))};
  }
}

Decision decision_from(const std::string& word) {
  for (const Decision one : {Decision::approved, Decision::rejected}) {
    if (word == to_string(one)) return one;
  }
  throw Error{ErrorKind::invalid_input, fmt::format("'{}' is not a decision", word)};
}

// In the one form in which it was signed.
Instant time_from(const std::string& text) {
  const Instant time = parse_rfc3339(text);
  if (rfc3339(time) == text) return time;
  throw Error{ErrorKind::invalid_input, fmt::format("'{}' is not a time in UTC such as 2026-11-23T15:42:07Z", text)};
}

Vote vote_from(const Json& json) {
  expect_members(
      json, "the approval",
      {"store", "environment", "request", "kind", "round", "issuer_spki_sha256", "draft_sha256", "policy_sha256",
       "order_sha256", "person", "decision", "reason", "approved_at", "valid_until", "nonce"});
  const auto text = [&json](std::string_view name) { return json.at(name).as_string(); };
  const std::int64_t round = json.at("round").as_integer();
  if (round < 1 || round > kMostRounds) {
    throw Error{ErrorKind::invalid_input, fmt::format("{} is not a round of approvals", round)};
  }
  Vote vote;
  vote.question = {text("store"),        text("environment"),          text("request"),
                   text("kind"),         static_cast<unsigned>(round), text("issuer_spki_sha256"),
                   text("draft_sha256"), text("policy_sha256"),        text("order_sha256")};
  vote.person = text("person");
  vote.decision = decision_from(text("decision"));
  vote.reason = text("reason");
  vote.approved_at = time_from(text("approved_at"));
  vote.valid_until = time_from(text("valid_until"));
  vote.nonce = text("nonce");
  if (vote.nonce.size() != 32 || from_hex(vote.nonce).size() != 16) {
    throw Error{ErrorKind::invalid_input, "the nonce of a vote has 32 hex digits"};
  }
  return vote;
}

// Why it is for another question.
std::string other_question(const Question& is, const Question& asked) {
  if (is.store != asked.store) return "the vote is for a request in another store";
  if (is.environment != asked.environment) {
    return fmt::format("the vote is for a {} request, and this one is {}", is.environment, asked.environment);
  }
  if (is.request != asked.request) {
    return fmt::format("the vote is for request {}, not for {}", is.request, asked.request);
  }
  if (is.kind != asked.kind) return fmt::format("the vote is for another kind of request ({})", is.kind);
  if (is.draft != asked.draft) {
    return fmt::format("the vote is for other bytes: its draft has the SHA-256 {}, and {} waits", is.draft,
                       asked.draft);
  }
  if (is.round != asked.round) {
    return fmt::format("the vote is of round {} of the approvals of this request, and round {} is open", is.round,
                       asked.round);
  }
  if (is.order != asked.order) {
    return "the vote is for another order: another provider, profile, validity, requester or key, or other findings of "
           "its linter";
  }
  if (is.issuer != asked.issuer) return "the vote is for a certificate of another issuing key";
  if (is.policy != asked.policy) return "the vote was given under another approval policy";
  return {};
}

const Person* person_named(const Policy& policy, const std::string& name) {
  for (const Alternative& alternative : policy.alternatives) {
    for (const Group& group : alternative.groups) {
      for (const Person& person : group.members) {
        if (person.name == name) return &person;
      }
    }
  }
  return nullptr;
}

bool signature_verifies(const SignedVote& vote) {
  try {
    return x509::verify(vote.key, x509::signature_algorithm(vote.algorithm), to_be_signed(vote.vote), vote.signature);
  } catch (const Error&) {
    return false;  // a key or an algorithm that there is not
  }
}

}  // namespace

std::string_view to_string(Decision decision) {
  return decision == Decision::approved ? "approved" : "rejected";
}

Bytes to_be_signed(const Vote& vote) {
  if (vote.reason.size() > kLongestReason) {
    throw Error{ErrorKind::invalid_input, fmt::format("a reason has at most {} octets", kLongestReason)};
  }
  const Json json = to_json(vote);
  for (const auto& [name, value] : json.as_object()) {
    if (!value.is_string() || well_formed(value.as_string()) == value.as_string()) continue;
    throw Error{ErrorKind::invalid_input, fmt::format("the {} of a vote is not UTF-8", name)};
  }
  return to_bytes(std::string(kPrefix) + sorted(json).dump());
}

std::string to_text(const SignedVote& vote) {
  return Json::object({{"approval", sorted(to_json(vote.vote))},
                       {"key", base64(vote.key)},
                       {"algorithm", vote.algorithm},
                       {"signature", base64(vote.signature)}})
      .dump();
}

SignedVote read_vote(std::string_view text) {
  if (text.size() > kLongestVote) throw Error{ErrorKind::invalid_input, "a vote is not that long"};
  const Json json = Json::parse(text);
  expect_members(json, "the vote", {"approval", "key", "algorithm", "signature"});
  return {vote_from(json.at("approval")), from_base64(json.at("key").as_string()), json.at("algorithm").as_string(),
          from_base64(json.at("signature").as_string())};
}

std::string policy_digest(const Policy& policy) {
  return hex(sha256(as_bytes(sorted(to_json(policy)).dump())));
}

std::string fault_of(const SignedVote& vote, const Question& question, const Policy& policy) {
  if (std::string other = other_question(vote.vote.question, question); !other.empty()) return other;
  const std::string& name = vote.vote.person;
  const Person* const person = person_named(policy, name);
  if (person == nullptr) return fmt::format("{} is not among those who may approve it", name);
  if (person->key.empty() || x509::spki_hash(vote.key) != person->key) {
    return fmt::format("the key of the vote is not the one of {}", name);
  }
  if (!signature_verifies(vote)) return fmt::format("the signature of {} does not verify", name);
  return {};
}

}  // namespace hsmbridge::approval
