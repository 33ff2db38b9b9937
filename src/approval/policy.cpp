#include "approval/policy.h"

#include "base/error.h"
#include "base/text.h"

#include <fmt/core.h>

#include <algorithm>

namespace hsmbridge::approval {
namespace {

std::string group_title(const Group& group) {
  return group.name.empty() ? std::string("the group") : "group " + group.name;
}

struct Count {
  unsigned given = 0;
  unsigned possible = 0;  // given, plus everybody who has not refused
};

Count count(const Group& group, const Decisions& decisions) {
  Count result;
  for (const Person& person : group.members) {
    if (!person.key.empty() && decisions.rejected.count(person.key) != 0) continue;
    ++result.possible;
    if (!person.key.empty() && decisions.approved.count(person.key) != 0) ++result.given;
  }
  return result;
}

bool complete(const Alternative& alternative, const Decisions& decisions) {
  return std::all_of(alternative.groups.begin(), alternative.groups.end(),
                     [&](const Group& group) { return count(group, decisions).given >= group.quorum; });
}

bool completable(const Alternative& alternative, const Decisions& decisions) {
  return std::all_of(alternative.groups.begin(), alternative.groups.end(),
                     [&](const Group& group) { return count(group, decisions).possible >= group.quorum; });
}

bool over(const Alternative& alternative, Duration age) {
  return alternative.timeout > Duration::zero() && age >= alternative.timeout;
}

void check(const Alternative& alternative) {
  const std::string where = alternative.name.empty() ? "approval policy" : "approval policy " + alternative.name;
  if (alternative.timelock < Duration::zero() || alternative.timeout < Duration::zero()) {
    throw Error{ErrorKind::invalid_input, where + ": timelock and timeout cannot be negative"};
  }
  if (alternative.timeout > Duration::zero() && alternative.timeout <= alternative.timelock) {
    throw Error{ErrorKind::invalid_input,
                fmt::format("{}: its timeout {} does not lie after its timelock {}", where,
                            duration_text(alternative.timeout), duration_text(alternative.timelock))};
  }
  for (const Group& group : alternative.groups) {
    if (group.quorum == 0 || group.quorum > group.members.size()) {
      throw Error{ErrorKind::invalid_input, fmt::format("{}: {} wants {} approvals of {} members", where,
                                                        group_title(group), group.quorum, group.members.size())};
    }
    std::set<SpkiHash> seen;
    for (const Person& person : group.members) {
      if (!person.key.empty() && !seen.insert(person.key).second) {
        throw Error{ErrorKind::invalid_input,
                    fmt::format("{}: the key of {} is twice in {}", where,
                                person.name.empty() ? person.key.str() : person.name, group_title(group))};
      }
    }
  }
}

}  // namespace

void validate(const Policy& policy) {
  for (const Alternative& alternative : policy.alternatives) check(alternative);
}

Outcome judge(const Policy& policy, const Decisions& decisions, Duration age) {
  Outcome best = Outcome::impossible;
  for (const Alternative& alternative : policy.alternatives) {
    if (over(alternative, age) || !completable(alternative, decisions)) continue;
    if (complete(alternative, decisions)) {
      if (age >= alternative.timelock) return Outcome::met;
      best = Outcome::timelocked;
    } else if (best == Outcome::impossible) {
      best = Outcome::open;
    }
  }
  return best;
}

std::optional<Instant> ends_at(const Policy& policy, const Decisions& decisions, Instant created) {
  std::optional<Instant> last;
  for (const Alternative& alternative : policy.alternatives) {
    if (!completable(alternative, decisions)) continue;
    if (alternative.timeout == Duration::zero()) return std::nullopt;
    const Instant end = created + alternative.timeout;
    if (!last || end > *last) last = end;
  }
  return last;
}

std::optional<Instant> usable_from(const Policy& policy, const Decisions& decisions, Instant created, Instant now) {
  std::optional<Instant> first;
  for (const Alternative& alternative : policy.alternatives) {
    if (over(alternative, now - created) || !complete(alternative, decisions)) continue;
    const Instant from = created + alternative.timelock;
    if (!first || from < *first) first = from;
  }
  return first;
}

std::string quorum_text(const Policy& policy) {
  if (policy.alternatives.empty()) return "can never be met";
  return joined(policy.alternatives, ", or ", [](const Alternative& alternative) {
    if (alternative.groups.empty()) return std::string("no approval needed");
    return joined(alternative.groups, " and ", [](const Group& group) {
      return fmt::format("{} of {}{}", group.quorum, group.members.size(),
                         group.name.empty() ? "" : " in group " + group.name);
    });
  });
}

std::string progress_text(const Policy& policy, const Decisions& decisions) {
  return joined(policy.alternatives, ", or ", [&](const Alternative& alternative) {
    if (alternative.groups.empty()) return std::string("no approval needed");
    return joined(alternative.groups, "; ", [&](const Group& group) {
      const Count now = count(group, decisions);
      if (now.given >= group.quorum) return group_title(group) + ": complete";
      if (now.possible < group.quorum) return group_title(group) + ": cannot be reached any more";
      return fmt::format("{}: {} of {} approvals given", group_title(group), now.given, group.quorum);
    });
  });
}

std::vector<Member> members(const Policy& policy) {
  std::vector<Member> result;
  for (const Alternative& alternative : policy.alternatives) {
    for (const Group& group : alternative.groups) {
      for (const Person& person : group.members) {
        auto there = std::find_if(result.begin(), result.end(), [&](const Member& member) {
          return person.key.empty() ? member.person == person : member.person.key == person.key;
        });
        if (there == result.end()) there = result.insert(result.end(), Member{person, {}});
        if (there->person.name.empty()) there->person.name = person.name;
        if (!group.name.empty() && std::count(there->groups.begin(), there->groups.end(), group.name) == 0) {
          there->groups.push_back(group.name);
        }
      }
    }
  }
  return result;
}

Json to_json(const Policy& policy) {
  const auto person_json = [](const Person& person) {
    return Json::object({{"name", person.name}, {"key", person.key.str()}});
  };
  const auto group_json = [&](const Group& group) {
    return Json::object({{"name", group.name},
                         {"quorum", static_cast<std::int64_t>(group.quorum)},
                         {"members", Json::list(group.members, person_json)}});
  };
  return Json::object({{"alternatives", Json::list(policy.alternatives, [&](const Alternative& alternative) {
                          return Json::object({{"name", alternative.name},
                                               {"timelock", duration_text(alternative.timelock)},
                                               {"timeout", duration_text(alternative.timeout)},
                                               {"groups", Json::list(alternative.groups, group_json)}});
                        })}});
}

Policy policy_from(const Json& json) {
  Policy policy;
  for (const Json& alternative : json.at("alternatives").as_array()) {
    Alternative read{alternative.at("name").as_string(),
                     parse_duration(alternative.at("timelock").as_string()),
                     parse_duration(alternative.at("timeout").as_string()),
                     {}};
    for (const Json& group : alternative.at("groups").as_array()) {
      const std::int64_t quorum = group.at("quorum").as_integer();
      if (quorum < 1 || quorum > 1'000'000) {
        throw Error{ErrorKind::invalid_input, fmt::format("approval policy: {} is not a valid quorum", quorum)};
      }
      Group& to = read.groups.emplace_back(Group{group.at("name").as_string(), static_cast<unsigned>(quorum), {}});
      for (const Json& person : group.at("members").as_array()) {
        to.members.push_back(Person{person.at("name").as_string(), SpkiHash(person.at("key").as_string())});
      }
    }
    policy.alternatives.push_back(std::move(read));
  }
  validate(policy);
  return policy;
}

}  // namespace hsmbridge::approval
