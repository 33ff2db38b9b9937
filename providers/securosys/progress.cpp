#include "providers/securosys/progress.h"

#include "base/error.h"
#include "base/text.h"
#include "providers/following.h"
#include "x509/objects/spki.h"

#include <algorithm>
#include <array>

namespace hsmbridge::securosys {
namespace {

using workflow::RequestStatus;

struct StatusRow {
  std::string_view status;
  RequestStatus standing;
};
// The server's SignRequestStatus enum. EXECUTED is `ready` until its result is seen.
constexpr auto kStatuses = std::to_array<StatusRow>({
    {"PENDING", RequestStatus::awaiting_approval},
    {"APPROVED", RequestStatus::awaiting_issuance},
    {"EXECUTED", RequestStatus::ready},
    {"FAILED", RequestStatus::failed},
    {"EXPIRED", RequestStatus::expired},
    {"REJECTED", RequestStatus::rejected},
    {"CANCELLED", RequestStatus::cancelled},
});

// base64 SPKI -> its hash; "" for a text that is not base64.
SpkiHash hash_of(const std::string& key) {
  try {
    return x509::spki_hash(from_base64(key));
  } catch (const Error&) {
    return {};
  }
}

// Collects approvers: those of the policy first and in its order, then whoever else is named.
class Roll {
 public:
  explicit Roll(const ProgressContext& context) : context_(context) {
    if (!context.policy) return;
    for (const approval::Member& member : approval::members(*context.policy)) {
      workflow::Approver approver{member.person.name, member.person.key.str(), joined(member.groups),
                                  workflow::Approver::Decision::pending};
      if (approver.name.empty()) approver.name = name_of(member.person.key);
      result_.push_back(std::move(approver));
    }
  }

  void note(const std::vector<std::string>& keys, workflow::Approver::Decision decision) {
    for (const std::string& key : keys) {
      const SpkiHash hash = hash_of(key);
      const auto there = std::find_if(result_.begin(), result_.end(), [&](const workflow::Approver& approver) {
        return !hash.empty() && approver.key == hash.str();
      });
      if (there != result_.end()) {
        there->decision = decision;
      } else {
        result_.push_back({hash.empty() ? "(unreadable key)" : name_of(hash), hash.str(), "", decision});
      }
      if (!hash.empty() && decision == workflow::Approver::Decision::approved) decisions_.approved.insert(hash);
      if (!hash.empty() && decision == workflow::Approver::Decision::rejected) decisions_.rejected.insert(hash);
    }
  }

  std::vector<workflow::Approver> take() { return std::move(result_); }
  const approval::Decisions& decisions() const { return decisions_; }

 private:
  std::string name_of(const SpkiHash& hash) const {
    const auto name = context_.names.find(hash);
    return name == context_.names.end() ? "" : name->second;
  }

  const ProgressContext& context_;
  std::vector<workflow::Approver> result_;
  approval::Decisions decisions_;
};

workflow::Progress progress_from(Roll& roll, RequestStatus standing, const ProgressContext& context) {
  workflow::Progress progress;
  progress.approvers = roll.take();
  if (!context.policy) {
    progress.quorum = "quorum unknown";
    return progress;
  }
  progress.quorum = approval::quorum_text(*context.policy);
  if (standing == RequestStatus::awaiting_approval) {
    progress.note = approval::progress_text(*context.policy, roll.decisions());
    if (approval::judge(*context.policy, roll.decisions(), Duration::zero()) == approval::Outcome::impossible) {
      progress.note += "; so many refused that it cannot be reached any more";
    }
    if (context.created) progress.about_until = approval::ends_at(*context.policy, roll.decisions(), *context.created);
  } else if (standing == RequestStatus::awaiting_issuance) {
    progress.note = "enough people approved";
    if (context.created) {
      progress.about_until = approval::ends_at(*context.policy, roll.decisions(), *context.created);
      if (const auto from = approval::usable_from(*context.policy, roll.decisions(), *context.created, context.now);
          from && *from > *context.created) {
        progress.note += "; the timelock runs until about " + rfc3339(*from);
      }
    }
  }
  return progress;
}

}  // namespace

RequestStatus standing_of(std::string_view status) {
  const StatusRow* row = providers::row_with(kStatuses, &StatusRow::status, status);
  return row == nullptr ? RequestStatus::unrecognised : row->standing;
}

workflow::Progress progress_of(const SignRequestStatus& status, const ProgressContext& context) {
  Roll roll(context);
  // A key in two lists counts as the later one: a refusal weighs more than an approval.
  roll.note(status.not_yet_approved_by, workflow::Approver::Decision::pending);
  roll.note(status.approved_by, workflow::Approver::Decision::approved);
  roll.note(status.rejected_by, workflow::Approver::Decision::rejected);
  return progress_from(roll, standing_of(status.status), context);
}

workflow::Progress progress_at_start(const ProgressContext& context) {
  Roll roll(context);
  return progress_from(roll, RequestStatus::awaiting_approval, context);
}

std::string rejected_by(const workflow::Progress& progress) {
  std::vector<std::string> who;
  for (const workflow::Approver& approver : progress.approvers) {
    if (approver.decision == workflow::Approver::Decision::rejected) {
      who.push_back(approver.name.empty() ? approver.key.substr(0, 16) + "…" : approver.name);
    }
  }
  return joined(who);
}

}  // namespace hsmbridge::securosys
