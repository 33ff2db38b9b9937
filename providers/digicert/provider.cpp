#include "providers/digicert/provider.h"

#include "base/error.h"
#include "base/log.h"
#include "base/text.h"
#include "base/unicode.h"
#include "providers/bundle.h"
#include "providers/digicert/fields.h"
#include "providers/following.h"
#include "x509/names/name.h"
#include "x509/objects/csr.h"
#include "x509/objects/spki.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

namespace hsmbridge::digicert {

using namespace workflow;

namespace {

// How long a profile that was read is taken for current while a request is submitted.
constexpr Duration kProfileAge = std::chrono::minutes{10};

}  // namespace

std::string to_text(const Pinned& pinned) {
  return providers::stored({{"profile", pinned.profile},
                            {"seat", pinned.seat},
                            {"validity", pinned.validity},
                            {"tags", pinned.tags},
                            {"serial", pinned.serial},
                            {"issued_at_once", pinned.issued_at_once},
                            {"missing_since", providers::stored(pinned.missing_since)},
                            {"account", pinned.account}});
}

Pinned pinned_from(const std::string& provider_state) {
  return providers::stored_state<Pinned>(provider_state, [](const providers::Members& in) {
    return Pinned{
        in.text("profile"),       in.text("seat"),    in.text("serial"),   in.truth("issued_at_once").value_or(false),
        in.date("missing_since"), in.text("account"), in.text("validity"), in.texts("tags")};
  });
}

std::string known_serial(const Pinned& pinned, const x509::Certificate& certificate) {
  std::string serial = serial_text(certificate.serial());
  return same_serial(pinned.serial, serial) ? pinned.serial : serial;
}

std::string to_text(const Remembered& remembered) {
  return providers::stored({{"usual_form", remembered.usual_form},
                            {"renewal", remembered.renewal},
                            {"refused", static_cast<std::int64_t>(remembered.refused)}});
}

Remembered remembered_from(const std::string& text) {
  try {
    return providers::stored_state<Remembered>(text, [](const providers::Members& in) {
      const std::int64_t refused = in.json().at("refused").as_integer();
      return Remembered{in.text("usual_form"), in.text("renewal"),
                        static_cast<unsigned>(std::clamp<std::int64_t>(refused, 0, 1'000))};
    });
  } catch (const Error& error) {
    // The order is sent as if for the first time: at worst it is refused once more.
    log::debug("what was remembered of a refused attempt cannot be read: " + error.message());
    return {};
  }
}

std::string common_name_of(const x509::Content& content) {
  return content.subject.find(x509::oids::kCommonName).value_or("");
}

DigicertProvider::DigicertProvider(Settings settings, std::shared_ptr<Client> client, const Clock& clock)
    : settings_(std::move(settings)),
      client_(std::move(client)),
      clock_(clock),
      profile_(kProfileAge, clock),
      shape_(kProfileAge, clock) {
  if (settings_.chain) chain_ = providers::parsed(providers::chain_in_file(settings_.name, *settings_.chain));
}

Capabilities capabilities_of(Issues issues) {
  // revoke_hold stays false: the service suspends, and our store has no record that could be resumed or revoked later.
  return {.complete_look_up = issues == Issues::at_once, .renew = true, .revoke = true};
}

Capabilities DigicertProvider::capabilities() const {
  const std::optional<Profile> known = known_profile(settings_.profile);
  return capabilities_of(known && issues_at_once(*known) ? Issues::at_once : Issues::later);
}

Profile DigicertProvider::profile(const std::string& id, Freshness freshness, Duration limit) {
  if (auto known = profile_.recent(); known && freshness == Freshness::any && lower(known->id) == lower(id)) {
    return *known;
  }
  if (id.empty()) {
    throw Error{ErrorKind::invalid_input, fmt::format("provider {} names no `profile` to order under", settings_.name)}
        .hint(fmt::format("`hsmbridge provider show {} --profiles` lists them", settings_.name));
  }
  Profile read = client_->profile(id, limit);
  if (lower(read.id) != lower(id)) {
    throw Error{ErrorKind::corrupt, fmt::format("DigiCert was asked for profile {} and answered with {}", id, read.id)};
  }
  profile_.keep(read);
  return read;
}

void DigicertProvider::expect_usable(const Profile& profile) const {
  if (settings_.check == Settings::LocalCheck::none) return;
  const std::string why = joined(obstacles(profile), ", and ");
  if (why.empty()) return;
  throw Error{ErrorKind::unavailable, fmt::format("the profile \"{}\" ({}) cannot be used now: {}",
                                                  printable(profile.name), printable(profile.id), why)}
      .hint(fmt::format("have it changed at DigiCert, or order under another one: `hsmbridge provider show {} "
                        "--profiles` lists those that can be used",
                        settings_.name));
}

std::optional<Profile> DigicertProvider::known_profile(const std::string& id) const {
  std::optional<Profile> known = profile_.known();
  return known && lower(known->id) == lower(id) ? known : std::nullopt;
}

Pinned DigicertProvider::pinned_for(const ProviderCall& call) const {
  const Pinned drafted = pinned_from(call.draft.provider_state);
  Pinned pinned = call.submission != nullptr ? pinned_from(call.submission->provider_state) : Pinned{};
  if (pinned.profile.empty()) pinned.profile = drafted.profile;
  if (pinned.seat.empty()) pinned.seat = drafted.seat;
  pinned.issued_at_once = drafted.issued_at_once;
  pinned.account = drafted.account;
  // Nothing was fixed: the configuration as it is now must do.
  if (pinned.profile.empty()) pinned.profile = settings_.profile;
  if (pinned.seat.empty() && !call.draft.csr.empty()) {
    pinned.seat = seat_for(settings_, common_name_of(x509::parse_csr(call.draft.csr).content));
  }
  return pinned;
}

void DigicertProvider::expect_as_drafted(const ProviderCall& call, const Profile& profile) const {
  const Pinned drafted = pinned_from(call.draft.provider_state);
  if (drafted.validity.empty()) return;
  const std::string now = validity_text(term_for(profile, settings_, enrolment_of(call.order).content));
  if (now != drafted.validity) {
    throw outdated_draft(fmt::format("the draft asks for the validity \"{}\", and now it would be \"{}\"",
                                     printable(drafted.validity), now));
  }
  if (settings_.tags != drafted.tags) {
    throw outdated_draft(fmt::format("the draft has the tags \"{}\", and provider {} has \"{}\" now",
                                     printable(joined(drafted.tags)), settings_.name,
                                     printable(joined(settings_.tags))));
  }
}

// ---- draft and check ------------------------------------------------------------------------------------------------

ProviderDraft DigicertProvider::draft(const Order& order, ByteView csr, Instant) {
  if (order.kind() == Kind::revoke) return {};
  // The service builds the certificate: nothing is frozen beyond the CSR but under what and for whom it is ordered.
  const x509::Content asked = x509::parse_csr(csr).content;
  const std::string common_name = common_name_of(asked);
  // A seat that wants a common name where there is none is a complaint of check(), together with all the others.
  const bool has_seat = !common_name.empty() || !wants_common_name(settings_);
  ProviderDraft draft;
  Pinned pinned{settings_.profile, has_seat ? seat_for(settings_, common_name) : "", ""};
  const Profile now = profile(pinned.profile, Freshness::read_now, settings_.time_limit);
  expect_usable(now);
  pinned.issued_at_once = issues_at_once(now);
  pinned.validity = validity_text(term_for(now, settings_, enrolment_of(order).content));
  pinned.tags = settings_.tags;
  draft.notes = notes(now, asked);
  pinned.account = client_->account(Duration::zero(), settings_.time_limit);
  draft.provider_state = to_text(pinned);
  return draft;
}

std::vector<std::string> DigicertProvider::check(const ProviderCall& call) {
  if (call.order.kind() == Kind::revoke) return check_revocation(call);
  const x509::RequestedContent& ask = enrolment_of(call.order).content;
  std::vector<std::string> problems = what_cannot_be_carried(ask);
  Pinned pinned{settings_.profile, "", ""};
  try {
    pinned = pinned_for(call);
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::refused) throw;
    problems.push_back(error.message());
  }
  const Profile now = profile(pinned.profile, Freshness::read_now, call.time_limit);
  if (problems.empty()) expect_as_drafted(call, now);
  if (settings_.check == Settings::LocalCheck::none) return problems;
  const x509::Csr csr = x509::parse_csr(call.draft.csr);
  for (std::string& problem : violations(now, settings_, ask, x509::key_spec_of(csr.spki))) {
    problems.push_back(std::move(problem));
  }
  if (problems.empty()) expect_usable(now);
  return problems;
}

// ---- cancel, confirm ------------------------------------------------------------------------------------------------

CancelAnswer DigicertProvider::cancel(const ProviderCall& call) {
  const std::string what = call.order.kind() == Kind::revoke ? std::string("a revocation that was requested")
                           : call.submission != nullptr && !call.submission->reference.empty()
                               ? "request " + call.submission->reference.str()
                               : std::string("a pending request");
  return CancelNotPossible{
      fmt::format("DigiCert has no call that takes {} back; an administrator can reject it in the console of Trust "
                  "Lifecycle Manager. It is asked about until it says how it ended; a certificate that comes all the "
                  "same is kept and not installed",
                  what)};
}

void DigicertProvider::confirm(const ProviderCall&, const Issued&) {
  // Nothing is imported anywhere, and a pick-up needs no confirmation.
}

// ---- test and catalogue ---------------------------------------------------------------------------------------------

std::vector<std::string> DigicertProvider::test() {
  std::vector<std::string> learnt;
  const Duration limit = settings_.time_limit;
  learnt.push_back(printable(client_->hello(limit).substr(0, 100)));
  try {
    const WhoAmI who = client_->who_am_i(limit);
    const std::string roles = joined(who.roles);
    learnt.push_back(
        printable(fmt::format("we are {}; roles: {}", who.name.empty() ? "a user without a name" : who.name,
                              roles.empty() ? "not told" : roles)
                      .substr(0, 1000)));
  } catch (const Error& error) {
    // Another part of DigiCert ONE, which a service user of this part alone may not see. A refused key is another
    // thing.
    if (error.detail("http") == "401" || error.kind() == ErrorKind::unavailable) throw;
    learnt.push_back("who we are there: not shown to us");
  }
  if (settings_.profile.empty()) {
    learnt.push_back(
        fmt::format("no `profile` is configured: `hsmbridge provider show {} --profiles` lists them", settings_.name));
    return learnt;
  }
  const Profile now = profile(settings_.profile, Freshness::read_now, limit);
  const std::vector<std::string> why_not = obstacles(now);
  if (!why_not.empty()) {
    Error error(ErrorKind::conflict, fmt::format("profile \"{}\" ({}) cannot be used", now.name, now.id));
    for (const std::string& one : why_not) error.with("because", one);
    throw error.hint(fmt::format("`hsmbridge provider show {} --profiles` lists the ones that can", settings_.name));
  }
  learnt.push_back(fmt::format("profile \"{}\" is active and issues {}", now.name,
                               issues_at_once(now) ? std::string("at once") : "after " + what_is_awaited(&now)));
  return learnt;
}

std::vector<ProfileCatalogue::Entry> DigicertProvider::profiles(Duration limit) {
  std::vector<Entry> entries;
  for (const Profile& one : client_->profiles(limit)) entries.push_back({one.id, one.name, facts(one), obstacles(one)});
  return entries;
}

}  // namespace hsmbridge::digicert
