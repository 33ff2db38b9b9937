#include "base/error.h"
#include "providers/digicert/certificates.h"
#include "providers/digicert/fields.h"
#include "providers/digicert/provider.h"
#include "x509/pem.h"

#include <fmt/format.h>

#include <algorithm>

namespace hsmbridge::digicert {

using namespace workflow;

namespace {

// What a renewal window is when the profile does not tell (OpenAPI: default 30).
constexpr std::int64_t kUsualRenewalDays = 30;

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

// After an earlier attempt, whose certificate a search may not show yet, a refusal because something exists speaks of
// that certificate.
SubmitAnswer after_earlier(const ProviderCall& call, SubmitAnswer answer) {
  const auto* refused = std::get_if<RefusedForGood>(&answer);
  if (call.attempt == 1 || refused == nullptr || !says_it_exists(*refused)) return answer;
  return OutcomeUnknown{refused->error.message() + ": an earlier attempt may have arrived"};
}

template <class Answer>
std::optional<SubmitAnswer> passed_on(Answer& verdict) {
  if (auto* refused = std::get_if<RefusedForGood>(&verdict)) return std::move(*refused);
  if (auto* again = std::get_if<NotAccepted>(&verdict)) return std::move(*again);
  if (auto* unknown = std::get_if<OutcomeUnknown>(&verdict)) return std::move(*unknown);
  return std::nullopt;
}

}  // namespace

CertificateOrder DigicertProvider::order_for(const ProviderCall& call, const Pinned& pinned,
                                             const Profile& profile) const {
  const x509::Ask ask = ask_of(call.order);
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

Verdict DigicertProvider::send_as(Shape shape, const CertificateOrder& order, const Once& once) {
  return client_->request_certificate(shape == Shape::siblings ? siblings_text(order) : nested_text(order), once);
}

// One request; a second one in the other shape only after a complete 400 about the first one's form, which proves that
// the first was not accepted. Which shape is understood is remembered: from then on a refusal is about the content.
Verdict DigicertProvider::send(const CertificateOrder& order, const Once& once) {
  const Duration end = clock_.since_boot() + once.limit;
  const std::optional<Shape> certain = [this] {
    const std::lock_guard lock(mutex_);
    return settings_.shape ? settings_.shape : shape_;
  }();
  const auto remember = [this](Shape shape) {
    const std::lock_guard lock(mutex_);
    shape_ = shape;
  };
  Verdict first = send_as(certain.value_or(Shape::siblings), order, once);
  if (certain) return first;
  const auto* refused = std::get_if<RefusedForGood>(&first);
  if (refused == nullptr || !refuses_the_form(*refused)) {
    // A 403 may come before the body is looked at; a 400 about a value tells that the form was read.
    const bool read = refused != nullptr && refused->error.detail("http") == "400" && has_own_code(refused->error);
    if (read || std::holds_alternative<Taken>(first)) remember(Shape::siblings);
    return first;
  }
  Verdict second = send_as(Shape::nested, order, {end - clock_.since_boot(), once.until});
  const auto* again = std::get_if<RefusedForGood>(&second);
  if (again != nullptr && refuses_the_form(*again)) {
    // Neither form helps, so it was about something else: the complaint about the usual form is the useful one.
    const std::string& complaint = again->error.message();
    Error error(refused->error.kind(),
                refused->error.message() + (complaint == refused->error.message()
                                                ? std::string("; the other form of a request is refused alike")
                                                : "; the other form of a request: " + complaint));
    for (const auto& [name, value] : refused->error.details()) error.with(name, value);
    return RefusedForGood{std::move(error.hint(refused->error.hint()))};
  }
  const bool read = again != nullptr && again->error.detail("http") == "400" && has_own_code(again->error);
  if (read || std::holds_alternative<Taken>(second)) remember(Shape::nested);
  return second;
}

DigicertProvider::RenewalPlan DigicertProvider::plan_renewal(const ProviderCall& call, const Pinned& now,
                                                             const Profile& profile) const {
  if (!call.order.predecessor || call.order.predecessor->der.empty())
    return {"", "", "the certificate it replaces is not at hand"};
  const Predecessor& old = *call.order.predecessor;
  const x509::Certificate certificate = x509::parse_certificate(old.der);
  const Pinned then = pinned_from(old.provider_state);
  // The renewal's body has no attributes: the service repeats what the old certificate says.
  if (!same_names(ask_of(call.order).content, certificate.content()))
    return {"", "", "the new certificate shall say something else than the old one"};
  if (lower(then.profile) != lower(now.profile))
    return {"", "",
            then.profile.empty() ? "it is not known under which profile the old one was issued"
                                 : "the old one was issued under another profile"};
  // The service issues the new one to the old one's seat, where a look-up of this request would not see it.
  if (then.seat != now.seat)
    return {"", "",
            then.seat.empty() ? "it is not known for which seat the old one was issued"
                              : "the old one was issued for another seat"};
  if (!issues_at_once(profile)) return {"", "", "the profile does not issue at once, and then DigiCert renews nothing"};
  const Instant end = certificate.tbs.validity.not_after;
  const Instant begin = end - std::chrono::hours{24 * profile.renewal_days.value_or(kUsualRenewalDays)};
  if (call.now < begin) return {"", "", fmt::format("the renewal window opens on {}", rfc3339(begin))};
  if (call.now > end) return {"", "", fmt::format("the old one expired on {}", rfc3339(end))};
  const std::string serial = serial_text(certificate.serial());
  return {same_serial(then.serial, serial) ? then.serial : serial, hex(sha256(old.der)), ""};
}

Report DigicertProvider::report_of(Taken taken, const CertificateOrder& order, const Profile& profile,
                                   const std::string& note) const {
  const CertificateAnswer& answer = taken.answer;
  Report report;
  report.provider_state = to_text(Pinned{order.profile, order.seat, answer.serial});
  report.message = note;
  if (answer.serial.empty()) {
    report.standing = Standing::awaiting_approval;
    report.provider_status = answer.status.empty() ? "PENDING" : x509::printable(answer.status.substr(0, 100));
    report.reference = ProviderReference(answer.request_id);
    report.progress.note =
        fmt::format("it waits for {}{}{}", what_is_awaited(&profile), note.empty() ? "" : "; ", note);
    return report;
  }
  report.provider_status = "ISSUED";
  report.reference = ProviderReference("serial:" + answer.serial);
  // Issued, but the certificate is not in the answer: it is fetched by its serial number.
  report.standing = Standing::ready;
  if (!answer.certificate.empty()) {
    report.standing = Standing::handed_out;
    report.handout = Handout{Handout::Content::certificate, to_bytes(answer.certificate), to_bytes(taken.body)};
  }
  return report;
}

// From the first POST on: what goes wrong now may have gone wrong after something was accepted.
SubmitAnswer DigicertProvider::send_order(const ProviderCall& call, const CertificateOrder& order,
                                          const std::optional<RenewalPlan>& plan, const Profile& profile,
                                          const Once& once) {
  const Duration end = clock_.since_boot() + once.limit;
  const auto left = [&] { return Once{end - clock_.since_boot(), once.until}; };
  const auto fresh_because = [](const std::string& why) { return "a fresh request, since " + why; };
  std::string note;
  if (plan && plan->serial.empty()) note = fresh_because(plan->why_not);
  if (plan && !plan->serial.empty()) {
    Verdict renewed = client_->renew(plan->serial, plan->thumbprint, renewal_text(order), left());
    if (auto* taken = std::get_if<Taken>(&renewed))
      return Accepted{report_of(std::move(*taken), order, profile, "renewal of " + plan->serial)};
    const auto* refused = std::get_if<RefusedForGood>(&renewed);
    // No renewal was accepted (the window there may be another one), so that a fresh request is the first one. After an
    // earlier attempt the reason may be that attempt.
    if (refused == nullptr || call.attempt > 1 || !refuses_only_the_renewal(*refused))
      return after_earlier(call, *passed_on(renewed));
    note = fresh_because("DigiCert refused the renewal: " + refused->error.message());
  }
  Verdict verdict = send(order, left());
  if (auto answer = passed_on(verdict)) return after_earlier(call, std::move(*answer));
  return Accepted{report_of(std::move(std::get<Taken>(verdict)), order, profile, note)};
}

SubmitAnswer DigicertProvider::submit(const ProviderCall& call) {
  if (call.order.kind == Kind::revoke) return revoke(call);
  const Duration end = clock_.since_boot() + call.time_limit;
  Profile now;
  CertificateOrder order;
  std::optional<RenewalPlan> plan;
  // Everything before the first POST, the key to send with it included: whatever fails here, nothing was sent.
  try {
    client_->fetch_key();
  } catch (const Error& error) {
    return NotAccepted{error, std::nullopt};
  }
  try {
    const Pinned pinned = pinned_for(call);
    now = profile(pinned.profile, Freshness::any, call.time_limit / 3);
    order = order_for(call, pinned, now);
    if (call.order.kind == Kind::renew) plan = plan_renewal(call, pinned, now);
    client_->fetch_key();  // again: the profile's call may have found it refused
  } catch (const Error& error) {
    return not_sent(error);
  }
  try {
    return send_order(call, order, plan, now, {end - clock_.since_boot(), call.call_until});
  } catch (const Error& error) {
    return OutcomeUnknown{error.message()};
  }
}

}  // namespace hsmbridge::digicert
