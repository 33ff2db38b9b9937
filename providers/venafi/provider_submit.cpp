// Submission and its look-up by VenafiProvider.
#include "base/error.h"
#include "providers/following.h"
#include "providers/venafi/look_up.h"
#include "providers/venafi/progress.h"
#include "providers/venafi/provider.h"

#include <fmt/core.h>

#include <utility>

namespace hsmbridge::venafi {

using namespace workflow;

namespace {

// How long the service's word about whose an API key is is taken for current.
constexpr Duration kAccountAge = std::chrono::minutes{1};

}  // namespace

SubmitAnswer VenafiProvider::submit(const ProviderCall& call) {
  if (call.order.kind() == Kind::revoke) return submit_revocation(call);
  // Everything before the one POST: whatever fails here, nothing was sent. Only what is wrong with the order
  // stays wrong: a credential in the middle of a rotation, a page of a proxy, an answer that cannot be read may
  // not.
  std::string text;
  std::string drafted;  // the account
  State state;
  const Duration begin = clock_.since_boot();
  try {
    request_of(call);
  } catch (const Error& error) {
    return RefusedForGood{error};
  }
  try {
    const State draft = state_from(call.draft.provider_state);
    drafted = draft.account;
    providers::expect_csr_alone(call.draft);
    expect_drafted_zone(draft);
    const Place here = place(call.time_limit / 4);
    expect_as_drafted(draft, call.order, here);
    text = text_of(new_request(call, here));
    state.application = here.application;
    state.issuing_template = here.issuing_template;
    if (!drafted.empty()) {
      // A search under another account would not see what this attempt orders.
      if (const std::string now = client_->account(kAccountAge, call.time_limit / 4); now != drafted) {
        return providers::under_other_account(settings_.name, now, drafted);
      }
    }
  } catch (const ZoneUnknown& error) {
    // Another zone may be configured, or this one made there.
    return NotAccepted{Error{ErrorKind::unavailable, error.message()}.hint(error.hint()), std::nullopt};
  } catch (const Error& error) {
    return NotAccepted{error, std::nullopt};
  }
  const Duration left = call.time_limit - (clock_.since_boot() - begin);
  Verdict verdict = client_->submit(text, drafted, left, call.call_until);
  if (auto ended = providers::passed_on(verdict)) return std::move(*ended);
  return Accepted{report_with(std::get<Taken>(verdict).request, std::move(state))};
}

LookUpAnswer VenafiProvider::look_up(const ProviderCall& call) {
  if (call.order.kind() == Kind::revoke) return look_up_revocation(call);
  const State draft = state_from(call.draft.provider_state);
  const Place here = [&]() -> Place {
    // It was sent there, whatever the zone is now.
    if (!draft.zone.empty()) return {draft.application, draft.issuing_template, {}};
    try {
      return place(call.time_limit / 4);
    } catch (const Error& error) {
      // The zone may be gone since it was sent: it would narrow the search, and no more.
      if (error.kind() == ErrorKind::unavailable || error.kind() == ErrorKind::denied) throw;
      return {};
    }
  }();
  ProviderCall rest = call;
  rest.time_limit = call.time_limit * 3 / 4;
  const std::string& drafted = draft.account;
  // A token that tells whose it is may be replaced by another account's at any time, and back.
  const bool tells = !drafted.empty() && !client_->has_user_account();
  const std::string before = tells ? client_->account(Duration::zero(), call.time_limit / 4) : drafted;
  LookedUp looked = look_up_request(*client_, {rest, here.application});
  if (looked.absent) {
    std::string now = drafted.empty() ? "" : client_->account(Duration::zero(), call.time_limit / 4);
    if (before != drafted) now = before;
    const std::string why = providers::seen_by_another("the service", now, drafted);
    if (why.empty()) return Absent{};
    looked.why = "it is not found, which proves nothing: " + why;
  }
  if (!looked.found) {
    return CannotTell{
        fmt::format("{}; look for the tag {} among the service's certificate requests, then "
                    "`hsmbridge request resolve ID --reference REQUESTID` or --not-there",
                    looked.why, tag_of(call))};
  }
  State state;
  state.application = here.application;
  state.issuing_template = here.issuing_template;
  return Found{report_with(*looked.found, std::move(state))};
}

}  // namespace hsmbridge::venafi
