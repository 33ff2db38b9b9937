#include "workflow/machine/explain.h"

#include "base/error.h"
#include "base/text.h"
#include "workflow/machine/local_approval.h"
#include "workflow/machine/rules.h"
#include "x509/judge/check.h"

#include <fmt/core.h>

#include <algorithm>

namespace hsmbridge::workflow {
namespace {

std::string command(const RequestId& id, std::string_view verb, std::string_view rest = {}) {
  return fmt::format("hsmbridge request {} {}{}{}", verb, id.str(), rest.empty() ? "" : " ", rest);
}

std::string approver_line(const Approver& one) {
  const std::string who = one.name.empty() ? fmt::format("key {}", one.key.substr(0, 16)) : one.name;
  const std::string_view word = one.decision == Approver::Decision::approved   ? "has approved"
                                : one.decision == Approver::Decision::rejected ? "has refused"
                                                                               : "has not decided yet";
  return one.group.empty() ? fmt::format("{} {}", who, word) : fmt::format("{} ({}) {}", who, one.group, word);
}

std::string on_the(Instant when, Instant now) {
  if (when <= now) return "now";
  // Up to whole seconds: nobody waits for milliseconds, and "0 seconds" would be now.
  return fmt::format("in {}, at {}", spoken(std::chrono::ceil<std::chrono::seconds>(when - now)),
                     rfc3339(std::chrono::time_point_cast<std::chrono::seconds>(when)));
}

const Effect* effect_named(const std::vector<Effect>& effects, EffectName name) {
  for (const Effect& effect : effects) {
    if (effect.name == name) return &effect;
  }
  return nullptr;
}

// When the state now in force began: the first entry of the unbroken run at the end of the history.
std::optional<Instant> since(StateName state, const std::vector<JournalEntry>& history) {
  std::optional<Instant> begin;
  for (auto entry = history.rbegin(); entry != history.rend() && entry->after == state; ++entry) {
    begin = entry->event.at;
  }
  return begin;
}

// A difference that says something about a clock, and nothing about the time that an answer took.
constexpr Duration kClocksDiffer = std::chrono::minutes{1};

bool is_acceptable(std::string_view finding) {
  try {
    return x509::finding_kind(finding).acceptable;
  } catch (const Error&) {
    return false;  // ours, not x509's: "other-than-frozen"
  }
}

class Explainer {
 public:
  Explainer(const Record& record, const std::vector<JournalEntry>& history, const std::vector<Effect>& effects,
            Instant now)
      : record_(record), history_(history), effects_(effects), now_(now) {}

  Explanation explain() {
    const StateName name = name_of(record_.state);
    text_.awaited = fmt::format("{}", waits_for(name));
    text_.since = since(name, history_);
    if (heeds_deadline(name)) text_.until = record_.order.deadline;
    std::visit([this](const auto& here) { tell(here); }, record_.state);
    return std::move(text_);
  }

 private:
  const RequestId& id() const { return record_.order.id; }
  bool revokes() const { return record_.order.revocation() != nullptr; }
  bool is_crl() const { return record_.order.issues_crl(); }
  std::string predecessor() const {
    const Predecessor* predecessor = record_.order.predecessor();
    return predecessor == nullptr ? std::string{} : predecessor->certificate.substr(0, 12);
  }
  // "hsmbridge cert revoke ID --reason REASON", as this request did.
  void offer_revocation() {
    const Revoke& revocation = *record_.order.revocation();
    offer(fmt::format("hsmbridge cert revoke {} --reason {}{}", predecessor(), revocation.reason,
                      revocation.since ? " --since " + rfc3339(*revocation.since) : ""));
  }
  std::string provider() const { return fmt::format("provider '{}'", record_.order.provider); }

  void say(std::string what) { text_.what_happened = std::move(what); }
  void offer(std::string line) { text_.commands.push_back(std::move(line)); }
  void ended(std::string what) {
    say(std::move(what));
    text_.next = "Nothing: this request is over.";
  }
  // What an end without a result means for the certificate that is there.
  void still_valid() {
    if (is_crl()) return offer(fmt::format("hsmbridge ca crl {}", record_.order.provider));
    if (predecessor().empty()) return;
    text_.what_happened +=
        fmt::format(" Certificate {} was not {}.", predecessor(), revokes() ? "revoked" : "replaced");
    if (revokes()) return offer_revocation();
    offer(fmt::format("hsmbridge cert renew {}", predecessor()));
  }
  // "asks the provider again in 5 minutes, at …", or that no worker has it in hand.
  void next_by(EffectName name, std::string_view what) {
    const Effect* effect = effect_named(effects_, name);
    text_.next = effect == nullptr
                     ? fmt::format("The bridge {}; a worker is doing it now.", what)
                     : fmt::format("The bridge {} {}, provided that a worker is running ('hsmbridge run').", what,
                                   on_the(effect->due, now_));
  }
  void waiting_commands() {
    offer(command(id(), "wait"));
    offer(command(id(), "cancel", "--reason TEXT"));
  }
  // While the provider has it in hand.
  void waiting_there_commands() {
    waiting_commands();
    if (!revokes()) return;
    offer(command(id(), "resolve", "--done --reason TEXT"));
    offer(command(id(), "resolve", "--abandon --reason TEXT"));
  }
  // What a person may bring instead of the provider's answer.
  void offer_word_of_its_end() {
    if (!is_crl()) offer(command(id(), "resolve", revokes() ? "--done --reason TEXT" : "--certificate FILE"));
  }
  // Where only the provider can end it, and where a person can when it never does.
  void stuck_commands() {
    offer(command(id(), "wait"));
    offer_word_of_its_end();
    offer(command(id(), "resolve", "--abandon --reason TEXT"));
  }
  void show(const Progress& progress) {
    for (const Approver& one : progress.approvers) text_.approvers.push_back(approver_line(one));
    if (!progress.quorum.empty()) text_.awaited += fmt::format(" ({})", progress.quorum);
    if (progress.about_until) {
      text_.until = text_.until ? std::min(*text_.until, *progress.about_until) : progress.about_until;
    }
    if (progress.note.empty()) return;
    // A note begins in the middle of a sentence.
    if (text_.what_happened.ends_with('.')) text_.what_happened.pop_back();
    text_.what_happened += fmt::format("; {}.", progress.note);
  }

  void tell(const Preparing& state) {
    say(state.again.empty() ? "The request was created; nothing has left this machine."
                            : fmt::format("It is being prepared again: {}.", state.again));
    if (is_crl()) {
      next_by(EffectName::build_draft, "takes the next number, builds the CRL and freezes it");
    } else if (revokes()) {
      next_by(EffectName::build_draft, fmt::format("writes down what is requested from {}", provider()));
    } else if (state.key && state.csr.empty()) {
      next_by(EffectName::sign_csr, "signs the CSR in the token");
    } else if (state.key) {
      next_by(EffectName::build_draft, fmt::format("builds the draft for {} and freezes it", provider()));
    } else {
      const bool makes = enrolment_of(record_.order).key.source == KeyWish::Source::make;
      next_by(EffectName::ensure_key, makes ? "generates the key in the token" : "finds the key in the token");
    }
    waiting_commands();
  }
  void tell(const Prepared&) {
    say(is_crl()                              ? "The CRL is frozen; nothing has left this machine."
        : revokes()                           ? "What is requested is written down; nothing has left this machine."
        : record_.order.brought_csr().empty() ? "Key and draft are ready and verified; nothing has left this machine."
                                              : "CSR and draft are ready and verified; nothing has left this machine.");
    next_by(EffectName::check_draft, "checks the draft against the policy and against what the provider can carry");
    waiting_commands();
  }
  void tell(const AwaitingLocalApproval& state) {
    say(fmt::format("The draft is frozen (SHA-256 {}).", draft_digest(state.prepared.draft)));
    show(approval_progress(record_.order, state.prepared, now_));
    text_.next = record_.order.wants_command ? "Once enough people have approved, an operator's command is awaited."
                                             : "Once enough people have approved, the draft is submitted.";
    draft_age();
    offer(fmt::format("hsmbridge approval show {} --as NAME", id().str()));
    offer(command(id(), "cancel", "--reason TEXT"));
  }
  void tell(const AwaitingCommand& state) {
    const std::string before =
        state.last_refusal.empty() ? "" : fmt::format(" The one before led to nothing: {}.", state.last_refusal);
    say("The draft is frozen; an operator's direct command is required before anything is signed." + before);
    text_.next = "Nothing until that command is given.";
    draft_age();
    offer(command(id(), "command"));
    offer(command(id(), "cancel", "--reason TEXT"));
  }
  void draft_age() {
    if (const Effect* effect = effect_named(effects_, EffectName::draft_age)) {
      text_.next += fmt::format(" The draft becomes too old {}; it is then built again, and every approval is void.",
                                on_the(effect->due, now_));
    }
  }
  void tell(const Submitting& state) {
    if (state.phase == Submitting::Phase::started) {
      say(fmt::format("Attempt {} was started and its answer is not known yet.", state.attempt));
      text_.next =
          fmt::format("If no answer comes, the bridge asks {} about it {}; it is never sent again automatically.",
                      provider(), on_the(state.answer_by, now_));
      if (state.wish) text_.next += " As soon as the answer is known, it is withdrawn.";
      offer(command(id(), "wait"));
      return;
    }
    say(state.last_refusal.empty()
            ? fmt::format("The draft is released; attempt {} has not been sent.", state.attempt)
            : fmt::format("Attempt {} was not accepted: {}.", state.attempt - 1, state.last_refusal));
    next_by(EffectName::submit, fmt::format("submits it to {} (attempt {})", provider(), state.attempt));
    waiting_commands();
  }
  void tell(const LookingUp& state) {
    say(fmt::format("Attempt {} was sent or may have been sent, and its answer was lost: {}.", state.submission.attempt,
                    state.why));
    next_by(EffectName::look_up, fmt::format("looks it up at {}", provider()));
    if (state.first_absent) {
      text_.next +=
          " It has not been found so far; it is sent again only if it is still not found once the provider's search "
          "can "
          "no longer lag behind.";
    }
    offer(command(id(), "wait"));
    offer(command(id(), "resolve", "--reference REFERENCE"));
    offer_word_of_its_end();
    offer(command(id(), "resolve", "--not-there --reason TEXT"));
    offer(command(id(), "resolve", "--abandon --reason TEXT"));
  }
  void where(const Submission& submission, const std::string& status) {
    say(fmt::format("{} accepted it as {}{}.", provider(), submission.reference.str(),
                    status.empty() ? "" : fmt::format(" and reports {}", status)));
    text_.what_happened[0] = 'P';
  }
  static std::string given_up(const WithdrawWish& wish) {
    switch (wish.cause) {
      case WithdrawWish::Cause::deadline:
        return " The request's deadline passed.";
      case WithdrawWish::Cause::draft_age:
        return fmt::format(" It is being withdrawn: {}.", wish.reason);
      case WithdrawWish::Cause::cancel:
        break;
    }
    return fmt::format(" {} asked to cancel it{}.", wish.actor, wish.reason.empty() ? "" : ": " + wish.reason);
  }
  void gone(const std::optional<Instant>& gone_since) {
    if (!gone_since) return;
    text_.what_happened += fmt::format(
        " Since {} the provider has said that it does not know it; it is asked once more.", rfc3339(*gone_since));
  }
  // A draft is frozen with its dates: signed too late it would be another certificate than the one that was approved.
  void signed_in_time() {
    const Effect* effect = effect_named(effects_, EffectName::draft_age);
    if (effect == nullptr) return;
    text_.until = text_.until ? std::min(*text_.until, effect->due) : effect->due;
    text_.next += fmt::format(
        " The draft becomes too old {}: unless it is known here to be signed by then, it is withdrawn. A result that "
        "the provider has by then is still checked; it is recorded as late and not installed.",
        on_the(effect->due, now_));
  }
  void tell(const AwaitingProvider& state) {
    where(state.submission, state.provider_status);
    gone(state.gone_since);
    show(state.progress);
    next_by(EffectName::poll, "asks again");
    signed_in_time();
    waiting_there_commands();
  }
  void tell(const Withdrawing& state) {
    where(state.submission, state.provider_status);
    gone(state.gone_since);
    stuck_commands();
    text_.what_happened += given_up(state.wish);
    if (state.cancel == Withdrawing::Cancel::wanted) {
      return next_by(EffectName::withdraw, "asks the provider to cancel it");
    }
    if (state.cancel == Withdrawing::Cancel::impossible) {
      text_.what_happened += fmt::format(" The provider cannot cancel it: {}.", state.cancel_note);
    }
    next_by(EffectName::poll, "asks for the final status");
    text_.next += is_crl()    ? " A signature that arrives late is recorded, and that CRL is not published."
                  : revokes() ? " A revocation that takes effect anyway is recorded."
                              : " A certificate that arrives late is recorded, not installed.";
  }
  void tell(const Retrieving& state) {
    if (state.unreadable > 0) {
      say(fmt::format("The result from {} does not hold a readable {}: {}.", provider(),
                      is_crl() ? "signature" : "certificate", state.provider_status));
      next_by(EffectName::retrieve, "asks for it again");
    } else {
      where(state.submission, state.provider_status);
      next_by(EffectName::retrieve, is_crl() ? "fetches the signature" : "fetches the certificate");
    }
    stuck_commands();
  }
  void tell(const Verifying& state) {
    say(state.late ? "A result arrived after the request had been given up; it is stored."
                   : "The result has arrived and is stored.");
    if (state.not_yet) return not_yet(*state.not_yet);
    next_by(EffectName::verify, is_crl() ? "verifies and publishes the CRL" : "checks it against the request");
    stuck_commands();
  }
  void not_yet(const NotYet& early) {
    say(fmt::format("Certificate {} matches the request, but it is not valid before {}{}.",
                    early.certificate.substr(0, 16), rfc3339(early.not_before),
                    early.not_before > now_ ? fmt::format(" (in {})", spoken(early.not_before - now_)) : ""));
    const Duration ahead = early.clock_ahead.value_or(Duration::zero());
    text_.what_happened +=
        ahead >= kClocksDiffer
            ? fmt::format(" This machine's clock is slow: the provider's was {} ahead of it.", spoken(ahead))
            : " If this machine's clock is slow, set it.";
    text_.awaited = "the time from which it is valid";
    next_by(EffectName::verify, "checks it again");
    stuck_commands();
    offer(command(id(), "resolve", "--judge-again"));
  }
  void tell(const Installing& state) {
    say(fmt::format("Certificate {} was issued and checked.", state.certificate.substr(0, 16)));
    std::vector<std::string> open;
    for (const TargetState& target : state.targets) {
      if (is_over(target.stage)) continue;
      open.push_back(target.target.name);
      if (target.stage == TargetState::Stage::failed) {
        open.back() +=
            fmt::format(" (failed {} time{}: {})", target.failures, target.failures == 1 ? "" : "s", target.last_error);
      }
    }
    text_.awaited = "installation at " + joined(open);
    next_by(EffectName::install, "installs it");
    offer(command(id(), "wait"));
    offer(command(id(), "resolve", "--skip-target NAME --reason TEXT"));
    offer("hsmbridge cert show " + state.certificate.substr(0, 16));
  }
  void tell(const Unresolved& state) {
    say(fmt::format("{}: {}.", state.result ? "The result cannot be used" : "What happened cannot be known from here",
                    state.why));
    text_.awaited = fmt::format("a person who looks it up at {}", provider());
    if (!state.submission.reference.empty()) {
      text_.awaited += fmt::format(" for {}", state.submission.reference.str());
    }
    text_.next = "Nothing until a person decides. Nothing is sent again automatically.";
    if (state.wish) text_.what_happened += given_up(*state.wish) + " If it is found, it is withdrawn.";
    if (!state.result) offer(command(id(), "resolve", "--reference REFERENCE"));
    offer_word_of_its_end();
    offer(command(id(), "resolve", "--look-up"));
    if (state.result) {
      text_.what_happened += " It is stored; another look checks it again.";
      offer(command(id(), "resolve", "--reference REFERENCE"));
    } else {
      offer(command(id(), "resolve", "--not-there --reason TEXT"));
    }
    offer(command(id(), "resolve", "--abandon --reason TEXT"));
  }
  void findings(const std::vector<Finding>& all) {
    for (const Finding& one : all) text_.what_happened += fmt::format("\n  {}: {}", one.name, one.explanation);
  }
  void tell(const Completed& state) {
    if (revokes()) {
      ended(fmt::format("Certificate {} is revoked at {}, reason {}.", predecessor(), provider(),
                        record_.order.revocation()->reason));
      return offer("hsmbridge cert list --status revoked");
    }
    if (is_crl()) {
      const bool is_published = std::none_of(state.findings.begin(), state.findings.end(),
                                             [](const Finding& one) { return one.name == kCrlNotPublished; });
      ended(state.late     ? "The CRL was signed after the request had been given up."
            : is_published ? "The CRL is signed and published."
                           : "The CRL is signed, and no use any more.");
      for (const Finding& one : state.findings) text_.what_happened += fmt::format("\n  {}", one.explanation);
      return offer(fmt::format("hsmbridge ca show {}", record_.order.provider));
    }
    // Who brought a CSR waits for the certificate, which is in no place then.
    const bool nowhere = !record_.order.brought_csr().empty() && enrolment_of(record_.order).targets.empty();
    ended(state.late
              ? fmt::format("Certificate {} arrived after the request had been given up. It was checked and recorded, "
                            "not installed; revoke it if it is not wanted.",
                            state.certificate.substr(0, 16))
              : fmt::format("Certificate {} was issued, checked and {}.", state.certificate.substr(0, 16),
                            nowhere ? "stored" : "installed"));
    for (const std::string& target : state.skipped) {
      text_.what_happened += fmt::format(" It was not installed at {}: that target was skipped.", target);
    }
    if (!state.findings.empty()) text_.what_happened += " It differs from what was requested, as the profile allows:";
    if (record_.order.kind() == Kind::renew) {
      text_.what_happened +=
          state.late ? fmt::format(" The certificate that it was meant to replace, {}, is still in use.", predecessor())
                     : fmt::format(" It replaces {}.", predecessor());
    }
    findings(state.findings);
    if (state.late) {
      offer(fmt::format("hsmbridge cert revoke {} --reason cessationOfOperation", state.certificate.substr(0, 12)));
    }
    offer((nowhere ? "hsmbridge cert export " : "hsmbridge cert show ") + state.certificate.substr(0, 12));
  }
  void tell(const Rejected& state) {
    ended(fmt::format("{} rejected it{}.", state.by.empty() ? "Somebody at the provider" : state.by,
                      state.reason.empty() ? "" : ": " + state.reason));
    still_valid();
  }
  void tell(const Expired& state) {
    ended(fmt::format("A deadline passed: {}.", state.what));
    still_valid();
  }
  void tell(const Cancelled& state) {
    ended(fmt::format("It was cancelled by {}{}.", state.by, state.reason.empty() ? "" : ": " + state.reason));
    still_valid();
  }
  void tell(const Failed& state) {
    ended(fmt::format("It failed and {}: {}.",
                      is_crl()    ? "no CRL was published"
                      : revokes() ? "nothing was revoked"
                                  : "no certificate exists",
                      state.message));
    if (!state.hint.empty()) text_.next = state.hint;
    still_valid();
  }
  void tell(const Quarantined& state) {
    const std::string certificate = state.certificate.substr(0, 12);
    say(fmt::format("Certificate {} does not match the request. It is kept and was not installed:",
                    state.certificate.substr(0, 16)));
    std::string accept;
    std::string never;
    for (const Finding& one : state.findings) {
      text_.what_happened +=
          fmt::format("\n  {}: {}{}", one.name, one.explanation, one.fatal ? "" : " (this alone would not stop it)");
      if (!one.fatal) continue;
      std::string& list = is_acceptable(one.name) ? accept : never;
      const std::string word = &list == &accept ? "--accept " + one.name + " " : one.name;
      if (list.find(word) == std::string::npos) list += (&list == &accept || list.empty() ? "" : ", ") + word;
    }
    text_.awaited = fmt::format("a person who decides about certificate {}", certificate);
    text_.next = "Nothing until a person decides; nothing is ordered again.";
    if (never.empty()) {
      text_.next += " If these are accepted by name, it is used as it is.";
      offer(command(id(), "resolve", accept + "--reason TEXT"));
    } else {
      text_.next += fmt::format(" It can never be used with: {}.", never);
    }
    text_.next +=
        " Once a chain or anchors file or this machine's clock is corrected, or the profile's accept list extended, "
        "have "
        "it checked again.";
    offer(command(id(), "resolve", "--judge-again"));
    offer(command(id(), "resolve", "--certificate FILE"));
    offer(command(id(), "resolve", "--abandon --reason TEXT"));
    offer(fmt::format("hsmbridge cert revoke {} --reason REASON", certificate));
    offer("hsmbridge cert show " + certificate);
  }
  void tell(const Abandoned& state) {
    ended(fmt::format("{} abandoned it{}.", state.by, state.reason.empty() ? "" : ": " + state.reason));
    if (!revokes() || predecessor().empty()) return still_valid();
    text_.what_happened += fmt::format(
        " It may have taken effect: certificate {} keeps the status 'revoking' until another revocation is done.",
        predecessor());
    offer_revocation();
  }

  const Record& record_;
  const std::vector<JournalEntry>& history_;
  const std::vector<Effect>& effects_;
  Instant now_;
  Explanation text_;
};

}  // namespace

Explanation explain(const Record& record, const std::vector<JournalEntry>& history, const std::vector<Effect>& effects,
                    Instant now) {
  return Explainer(record, history, effects, now).explain();
}

}  // namespace hsmbridge::workflow
