#include "service/requests/approval_terms.h"

#include "base/bytes.h"
#include "base/error.h"
#include "base/text.h"
#include "base/trust.h"
#include "x509/objects/pem_file.h"
#include "x509/objects/spki.h"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <map>
#include <string_view>
#include <utility>

namespace hsmbridge::service {

namespace {

SpkiHash key_of_person(const config::PersonSettings& person) {
  if (person.spki) return x509::spki_hash(from_base64(*person.spki));
  if (person.public_key) {
    return x509::spki_hash(x509::key_of_person_in_file(*person.public_key, x509::Given::to_be_believed));
  }
  throw Error{ErrorKind::invalid_input, fmt::format("{} has no public_key in the configuration", person.name)};
}

std::optional<approval::Policy> policy_of(const config::Settings& settings, const config::ProfileSettings& profile) {
  if (profile.approval.empty()) return std::nullopt;
  std::map<std::string, SpkiHash> keys;
  const auto person = [&](const std::string& name) {
    const auto [known, is_new] = keys.try_emplace(name);
    if (is_new) {
      const auto key = key_of_person(settings.person(name));
      for (const auto& [other, its] : keys) {
        if (its != key) continue;
        throw Error{ErrorKind::invalid_input,
                    fmt::format("{} and {} have the same key: they would count as two people", other, name)};
      }
      known->second = key;
    }
    return approval::Person{name, known->second};
  };
  approval::Policy policy;
  for (const auto& alternative : profile.approval) {
    auto& to = policy.alternatives.emplace_back(
        approval::Alternative{alternative.name, alternative.timelock, alternative.timeout, {}});
    for (const auto& group : alternative.groups) {
      auto& members = to.groups.emplace_back(approval::Group{group.name, group.quorum, {}}).members;
      for (const auto& name : group.of) members.push_back(person(name));
    }
  }
  approval::validate(policy);
  return policy;
}

bool is_for(const config::Settings& settings, const config::ProfileSettings& profile, const std::string& provider) {
  return (!profile.provider && settings.providers.size() == 1) || profile.provider == provider;
}

}  // namespace

ReleaseTerms release_terms_of(const config::Settings& settings, const config::ProfileSettings& profile,
                              const std::string& provider) {
  if (!is_for(settings, profile, provider)) {
    for (const auto& other : settings.profiles) {
      if (!is_for(settings, other, provider)) continue;
      const bool others = !other.approval.empty() && policy_of(settings, profile) != policy_of(settings, other);
      if (!others && (profile.wants_command || !other.wants_command)) continue;
      throw Error{
          ErrorKind::refused,
          fmt::format("profile {} is not for provider {}, and profile {}, which is, wants {} that {} does not",
                      profile.name, provider, other.name, others ? "approvals" : "an operator's command", profile.name)}
          .hint(fmt::format("request it with profile {}", other.name));
    }
  }
  return {policy_of(settings, profile), settings.store.rehearsal ? "rehearsal" : "real", profile.wants_command, {}};
}

std::string store_identity(workflow::AuditLog& log, const std::string& actor, Instant at) {
  if (log.leaves(0, 1).empty()) {
    log.append_audit("store-named", Json::object({{"nonce", hex(random_bytes(16))}}).dump(), actor, at);
  }
  const auto first = log.leaves(0, 1);
  if (first.empty()) throw Error{ErrorKind::corrupt, "the audit log has no first entry"};
  return hex(first.front().hash);
}

namespace {

constexpr std::string_view kAccount = "uid:";
constexpr std::uint32_t kNobody = 0xFFFFFFFF;  // what the kernel says where nobody logged in

// Who logged in, whoever he has become since (sudo): "uid:alice"; "" for a service, which nobody logged in for.
std::string login_account() {
  std::uint32_t uid = kNobody;
  if (std::ifstream file("/proc/self/loginuid"); !(file >> uid)) return {};
  return uid == kNobody ? std::string{} : std::string(kAccount) + user_name(uid);
}

// What a service manager starts for somebody (hsmbridge-as-service) has no login of its own, and is told whose it is.
// Nobody vouches for that: it may take a vote away, and must never give anybody one back.
std::string told_account() {
  const char* const told = std::getenv("HSMBRIDGE_ASKED_BY");
  if (told == nullptr || !login_account().empty()) return {};
  std::uint32_t uid = kNobody;
  const std::string_view text = told;
  const auto end = text.data() + text.size();
  const auto read = std::from_chars(text.data(), end, uid);
  if (read.ec != std::errc{} || read.ptr != end || uid == kNobody) {
    throw Error{ErrorKind::invalid_input, fmt::format("HSMBRIDGE_ASKED_BY is '{}', not the number of a user", text)}
        .hint("hsmbridge-as-service sets it; unset it elsewhere");
  }
  return std::string(kAccount) + user_name(uid);
}

bool is_any_account_of(const std::vector<std::string>& accounts, const config::PersonSettings& person) {
  return std::any_of(accounts.begin(), accounts.end(), [&](const auto& one) { return is_account_of(one, person); });
}

// Who asks: their accounts, and who of the people was known to ask for the order before, by the accounts of then.
struct Askers {
  std::vector<std::string> accounts;
  std::vector<std::string> people = {};

  // Once, and only what may be a person's: a worker's name is another one after each start.
  void add(const std::string& account) {
    const bool is_new = std::find(accounts.begin(), accounts.end(), account) == accounts.end();
    if (is_new && account.starts_with(kAccount)) accounts.push_back(account);
  }
};
Askers askers_of(const config::Settings& settings, const Asking& asking) {
  Askers askers;
  // A process that goes on by itself is nobody's, from whichever login it was started.
  const bool is_somebodys = asking.actor.starts_with(kAccount);
  if (is_somebodys) askers.add(asking.actor);
  if (is_somebodys) askers.add(login_account());
  const bool is_known = std::any_of(settings.people.begin(), settings.people.end(),
                                    [&](const auto& person) { return is_any_account_of(askers.accounts, person); });
  if (is_somebodys) askers.add(told_account());
  if (const auto* const order = asking.before; order != nullptr && !is_known) {
    askers.add(order->created_by);
    for (const auto& account : order->asked_by) askers.add(account);
    if (order->approval) askers.people = order->approval->requesters;
  }
  return askers;
}

}  // namespace

bool is_account_of(const std::string& actor, const config::PersonSettings& person) {
  if (!actor.starts_with(kAccount)) return false;
  const std::string_view account = std::string_view(actor).substr(kAccount.size());
  return std::find(person.accounts.begin(), person.accounts.end(), account) != person.accounts.end();
}

std::string against_account(const std::string& actor, const config::PersonSettings& person,
                            const std::vector<config::PersonSettings>& people) {
  for (const std::string& account : {actor, login_account(), told_account()}) {
    if (is_account_of(account, person)) continue;
    for (const auto& other : people) {
      if (is_account_of(account, other)) {
        return fmt::format("this account ({}) is that of {}, not of {}", account, other.name, person.name);
      }
    }
  }
  return {};
}

std::vector<std::string> asked_by(const config::Settings& settings, const Asking& asking) {
  auto accounts = askers_of(settings, asking).accounts;
  std::erase(accounts, asking.actor);
  return accounts;
}

std::vector<std::string> requesters_of(const config::Settings& settings, const workflow::Order& order) {
  std::vector<std::string> people;
  for (const auto& person : settings.people) {
    if (is_account_of(order.created_by, person) || is_any_account_of(order.asked_by, person)) {
      people.push_back(person.name);
    }
  }
  return people;
}

std::optional<workflow::ApprovalTerms> approval_terms_of(const config::Settings& settings, const ReleaseTerms& wanted,
                                                         workflow::AuditLog& log, const Asking& asking, Instant at) {
  if (!wanted.approval) return std::nullopt;
  workflow::ApprovalTerms terms{*wanted.approval, {}, store_identity(log, asking.actor, at), wanted.environment};
  const auto [accounts, before] = askers_of(settings, asking);
  approval::Decisions without;
  for (const auto& member : approval::members(terms.policy)) {
    const auto& person = settings.person(member.person.name);
    const bool asks =
        std::find(before.begin(), before.end(), person.name) != before.end() || is_any_account_of(accounts, person);
    if (!asks) continue;
    terms.requesters.push_back(member.person.name);
    without.rejected.insert(member.person.key);
  }
  if (judge(terms.policy, without, Duration::zero()) == approval::Outcome::impossible) {
    throw Error{
        ErrorKind::refused,
        fmt::format("{} is wanted, and {}, who asks for it, cannot approve: there could not be enough approvals",
                    quorum_text(terms.policy), joined(terms.requesters, " and "))}
        .hint("let somebody else ask for it, or name more people in the profile's approval");
  }
  return terms;
}

}  // namespace hsmbridge::service
