#include "base/error.h"
#include "base/text.h"
#include "base/unicode.h"
#include "providers/digicert/certificates.h"
#include "providers/digicert/fields.h"
#include "providers/digicert/provider.h"
#include "providers/following.h"
#include "x509/objects/pem.h"

#include <fmt/core.h>

namespace hsmbridge::digicert {

using namespace workflow;

namespace {

// What a renewal window is when the profile does not tell (OpenAPI: default 30).
constexpr std::int64_t kUsualRenewalDays = 30;
// How long the service's word about who we are is taken for current.
constexpr Duration kAccountAge = std::chrono::minutes{1};

// An error before anything was sent, as the answer of an attempt. It is for good where the order itself cannot be sent,
// or the service says so in its own words; a proxy's page passes.
SubmitAnswer not_sent(const Error& error) {
  const bool by_us = error.detail("http").empty();
  const bool of_order = error.kind() == ErrorKind::invalid_input || error.kind() == ErrorKind::refused;
  const bool own_words = has_own_code(error) && error.kind() != ErrorKind::unavailable;
  // A refused key may have been renewed until the next attempt; a missing permission is not.
  if (by_us ? of_order : own_words && error.detail("http") != "401") return RefusedForGood{error};
  return NotAccepted{error, std::nullopt};
}

// An attempt that may have arrived was made before this one. `refused`: so many of them are known to have left nothing.
bool may_have_arrived(const ProviderCall& call, unsigned refused) {
  return call.attempt > 1 + refused;
}

// After an earlier attempt, whose certificate a search may not show yet, a refusal because something exists speaks of
// that certificate.
SubmitAnswer after_earlier(const ProviderCall& call, SubmitAnswer answer) {
  const auto* refused = std::get_if<RefusedForGood>(&answer);
  const bool alone = !may_have_arrived(call, remembered_from(call.remembered).refused);
  if (alone || refused == nullptr || !says_it_exists(*refused)) return answer;
  return OutcomeUnknown{refused->error.message() + ": an earlier attempt may have arrived"};
}

// Refused, and another way of sending it may be taken: by the next attempt, for this one has made its request.
SubmitAnswer another_way(const ProviderCall& call, const Error& refusal, std::string_view next, Remembered remembered) {
  if (!may_have_arrived(call, remembered.refused)) remembered.refused = call.attempt;
  return NotAccepted{
      refusal.restated(refusal.kind(), fmt::format("{}; the next attempt sends {}", refusal.message(), next)),
      std::nullopt, to_text(remembered)};
}

}  // namespace

CertificateOrder DigicertProvider::order_for(const ProviderCall& call, const Pinned& pinned,
                                             const Profile& profile) const {
  const x509::RequestedContent& ask = enrolment_of(call.order).content;
  CertificateOrder order;
  order.profile = pinned.profile;
  order.seat = pinned.seat;
  order.csr = x509::csr_to_pem(call.draft.csr);
  order.validity = term_for(profile, settings_, ask);
  order.delivery_format = settings_.delivery_format;
  order.include_ca_chain = settings_.include_ca_chain;
  order.subject = subject_values(ask.content.subject);
  order.names = name_values(ask.content.subject_alternative_names);
  order.tags = settings_.tags;
  return order;
}

DigicertProvider::RenewalPlan DigicertProvider::plan_renewal(const ProviderCall& call, const Pinned& now,
                                                             const Profile& profile) const {
  if (!call.order.predecessor() || call.order.predecessor()->der.empty()) {
    return {"", "", "the certificate it replaces is not known"};
  }
  if (const std::string refused = remembered_from(call.remembered).renewal; !refused.empty()) {
    return {"", "", "DigiCert refused the renewal: " + refused};
  }
  const Predecessor& old = *call.order.predecessor();
  const x509::Certificate certificate = x509::parse_certificate(old.der);
  const Pinned then = pinned_from(old.provider_state);
  // The renewal's body has no attributes: the service repeats what the old certificate says.
  if (!same_names(enrolment_of(call.order).content.content, certificate.content())) {
    return {"", "", "the new certificate is to have other names than the old one"};
  }
  if (lower(then.profile) != lower(now.profile)) {
    return {"", "",
            then.profile.empty() ? "it is not known under which profile the old one was issued"
                                 : "the old one was issued under another profile"};
  }
  // The service issues the new one to the old one's seat, where a look-up of this request would not see it.
  if (then.seat != now.seat) {
    return {"", "",
            then.seat.empty() ? "it is not known for which seat the old one was issued"
                              : "the old one was issued for another seat"};
  }
  if (!issues_at_once(profile))
    return {"", "", "the profile does not issue at once, and DigiCert renews only under profiles that do"};
  const Instant end = certificate.tbs.validity.not_after;
  const Instant begin = end - std::chrono::hours{24 * profile.renewal_days.value_or(kUsualRenewalDays)};
  if (call.now < begin) return {"", "", fmt::format("the renewal window opens on {}", rfc3339(begin))};
  if (call.now > end) return {"", "", fmt::format("the old one expired on {}", rfc3339(end))};
  return {known_serial(then, certificate), hex(sha256(old.der)), ""};
}

Report DigicertProvider::report_of(Taken taken, const CertificateOrder& order, const Profile& profile,
                                   const std::string& note) const {
  const CertificateAnswer& answer = taken.answer;
  Report report;
  report.provider_state = to_text(Pinned{order.profile, order.seat, answer.serial});
  report.message = note;
  if (answer.serial.empty()) {
    report.status = RequestStatus::awaiting_approval;
    report.provider_status = answer.status.empty() ? "PENDING" : printable(answer.status.substr(0, 100));
    report.reference = ProviderReference(answer.request_id);
    report.progress.note =
        fmt::format("it waits for {}{}{}", what_is_awaited(&profile), note.empty() ? "" : "; ", note);
    return report;
  }
  report.provider_status = "ISSUED";
  report.reference = ProviderReference("serial:" + answer.serial);
  // Issued, but the certificate is not in the answer: it is fetched by its serial number.
  report.status = RequestStatus::ready;
  if (!answer.certificate.empty()) {
    report.status = RequestStatus::handed_out;
    report.result = result_of(answer.certificate, taken.body);
  }
  return report;
}

SubmitAnswer DigicertProvider::renew(const ProviderCall& call, const CertificateOrder& order, const RenewalPlan& plan,
                                     const Profile& profile, const Once& once) {
  Verdict verdict = client_->renew(plan.serial, plan.thumbprint, renewal_text(order), once);
  if (auto* taken = std::get_if<Taken>(&verdict)) {
    return Accepted{report_of(std::move(*taken), order, profile, "renewal of " + plan.serial)};
  }
  Remembered remembered = remembered_from(call.remembered);
  const auto* refused = std::get_if<RefusedForGood>(&verdict);
  // No renewal was accepted (the window there may be another one), so that a fresh request is the first one. After an
  // earlier attempt the reason may be that attempt.
  const bool only_this =
      refused != nullptr && !may_have_arrived(call, remembered.refused) && refuses_only_the_renewal(*refused);
  if (!only_this) return after_earlier(call, *providers::passed_on(verdict));
  const Error refusal = refused->error;
  remembered.renewal = refusal.message();
  return another_way(call, refusal, "a fresh request", std::move(remembered));
}

// One request. Which of the two shapes is understood is remembered: from then on a refusal is about the content. Until
// then a complete 400 about the form, which proves that nothing was accepted, makes the next attempt send the other
// one.
SubmitAnswer DigicertProvider::request(const ProviderCall& call, const CertificateOrder& order, const Profile& profile,
                                       const std::string& note, const Once& once) {
  Remembered remembered = remembered_from(call.remembered);
  const std::optional<Shape> certain = settings_.shape ? settings_.shape : shape_.known();
  const bool other = !certain && !remembered.usual_form.empty();
  const Shape shape = certain.value_or(other ? Shape::nested : Shape::siblings);
  Verdict verdict =
      client_->request_certificate(shape == Shape::siblings ? siblings_text(order) : nested_text(order), once);
  const auto* refused = std::get_if<RefusedForGood>(&verdict);
  const bool about_form = !certain && refused != nullptr && refuses_the_form(*refused);
  if (about_form && !other) {
    const Error refusal = refused->error;
    remembered.usual_form = refusal.message();
    return another_way(call, refusal, "the other form of a request", std::move(remembered));
  }
  if (about_form) {
    // Neither form helps, so it was about something else: the complaint about the usual form is the useful one.
    const std::string& complaint = refused->error.message();
    return RefusedForGood{refused->error.restated(
        refused->error.kind(),
        remembered.usual_form + (complaint == remembered.usual_form
                                     ? std::string("; the other form of a request is refused in the same way")
                                     : "; the other form of a request: " + complaint))};
  }
  // A 403 may come before the body is looked at; a 400 about a value tells that the form was read.
  const bool read = refused != nullptr && refused->error.detail("http") == "400" && has_own_code(refused->error);
  if (read || std::holds_alternative<Taken>(verdict)) shape_.keep(shape);
  if (auto answer = providers::passed_on(verdict)) return after_earlier(call, std::move(*answer));
  return Accepted{report_of(std::move(std::get<Taken>(verdict)), order, profile, note)};
}

SubmitAnswer DigicertProvider::submit(const ProviderCall& call) {
  if (call.order.kind() == Kind::revoke) return revoke(call);
  const Duration end = clock_.since_boot() + call.time_limit;
  Profile now;
  CertificateOrder order;
  std::optional<RenewalPlan> plan;
  // Everything before the first POST: whatever fails here, nothing was sent.
  Pinned pinned;
  try {
    pinned = pinned_for(call);
    providers::expect_csr_alone(call.draft);
    now = profile(pinned.profile, Freshness::any, call.time_limit / 3);
    expect_as_drafted(call, now);
    order = order_for(call, pinned, now);
    if (call.order.kind() == Kind::renew) plan = plan_renewal(call, pinned, now);
    if (!pinned.account.empty()) {
      // A search under another account would not see what this attempt orders.
      if (const std::string here = client_->account(kAccountAge, call.time_limit / 3); here != pinned.account) {
        return providers::under_other_account(settings_.name, here, pinned.account);
      }
    }
  } catch (const Error& error) {
    return not_sent(error);
  }
  // From the POST on: what goes wrong now may have gone wrong after something was accepted.
  try {
    const Once once{end - clock_.since_boot(), call.call_until, pinned.account};
    if (plan && !plan->serial.empty()) return renew(call, order, *plan, now, once);
    return request(call, order, now, plan ? "a fresh request, since " + plan->why_not : std::string{}, once);
  } catch (const Error& error) {
    return OutcomeUnknown{error.message()};
  }
}

}  // namespace hsmbridge::digicert
