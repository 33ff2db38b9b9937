#pragma once

#include "base/clock.h"
#include "base/json.h"
#include "base/strong.h"

#include <optional>
#include <set>
#include <string>
#include <vector>

// Who must agree before a key may be used: alternatives of groups of m of n. Provider-neutral; the shape is that of a
// Securosys SKA rule (tokens are ORed, the groups of a token are ANDed, a group wants `quorum` distinct people).
namespace hsmbridge::approval {

// A person is known by a public key. The key may be unknown ("" hash) where a provider names people without showing
// their keys; such a person can never be matched with a decision.
struct Person {
  std::string name;  // "" when unknown
  SpkiHash key;

  bool operator==(const Person&) const = default;
};

struct Group {
  std::string name;  // "" when it has none
  unsigned quorum = 1;
  std::vector<Person> members;

  bool operator==(const Group&) const = default;
};

// One way to satisfy the policy. Usable from `timelock` to `timeout` after the request was created; a timeout of zero
// never ends. Without groups no approval is needed.
struct Alternative {
  std::string name;
  Duration timelock{};
  Duration timeout{};
  std::vector<Group> groups;  // all of them

  bool operator==(const Alternative&) const = default;
};

// Any one of the alternatives. None at all: it can never be satisfied.
struct Policy {
  std::vector<Alternative> alternatives;

  bool operator==(const Policy&) const = default;
};

// Throws invalid_input naming the first fault: a quorum of zero or above the number of members, a person twice in one
// group, a negative time, a timeout that does not lie after the timelock.
void validate(const Policy& policy);

// What people have decided, by the hash of their key. Somebody who refused does not count as approving.
struct Decisions {
  std::set<SpkiHash> approved;
  std::set<SpkiHash> rejected;
};

enum class Outcome {
  open,        // more approvals are needed and can still come
  timelocked,  // enough people approved; a timelock still runs
  met,
  impossible,  // no alternative can be satisfied any more
};

// `age` is the time since the request was created.
Outcome judge(const Policy& policy, const Decisions& decisions, Duration age);

// When the last alternative that can still be satisfied ends. Nothing when one of them never ends or none is left.
std::optional<Instant> ends_at(const Policy& policy, const Decisions& decisions, Instant created);
// When the first alternative that has enough approvals, and is not over now, may be used. Nothing when there is none.
std::optional<Instant> usable_from(const Policy& policy, const Decisions& decisions, Instant created, Instant now);

// "2 of 3 in group ops and 1 of 2 in group audit, or 3 of 3 in group board"; "no approval needed"; "can never be met".
std::string quorum_text(const Policy& policy);
// How far it has come: "group ops: 1 of 2 approvals given; group audit: complete", alternatives joined by ", or ".
std::string progress_text(const Policy& policy, const Decisions& decisions);

// Every distinct person in the order of the policy, with the names of the groups they are in.
struct Member {
  Person person;
  std::vector<std::string> groups;
};
std::vector<Member> members(const Policy& policy);

// {"alternatives":[{"name","timelock","timeout","groups":[{"name","quorum","members":[{"name","key"}]}]}]}, times as
// duration texts. policy_from throws invalid_input.
Json to_json(const Policy& policy);
Policy policy_from(const Json& json);

}  // namespace hsmbridge::approval
