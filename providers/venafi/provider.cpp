#include "providers/venafi/provider.h"

#include "base/error.h"
#include "base/json.h"
#include "base/log.h"
#include "providers/venafi/look_up.h"
#include "providers/venafi/predecessor.h"
#include "providers/venafi/progress.h"
#include "providers/venafi/revocation.h"
#include "x509/certificate.h"
#include "x509/csr.h"
#include "x509/name.h"
#include "x509/pem.h"
#include "x509/render.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace hsmbridge::venafi {
namespace {

using namespace workflow;

// How long a zone that was read is taken for current: a batch of requests asks once.
constexpr Duration kPlaceAge = std::chrono::minutes{1};
// Of certificates that are asked for one by one; no authority has more above it.
constexpr std::size_t kLongestChain = 10;

x509::Ask ask_of(const Order& order) {
  try {
    return x509::ask_from(Json::parse(order.ask));
  } catch (const Error& error) {
    throw Error(ErrorKind::internal, "the order's ask cannot be read: " + error.message());
  }
}

const Submission& submission_of(const ProviderCall& call) {
  if (call.submission == nullptr || call.submission->reference.empty())
    throw Error(ErrorKind::internal, "the service was asked about a request without its id");
  return *call.submission;
}

void must_be_about(const CertificateRequest& request, const ProviderReference& reference) {
  if (!same_id(request.id, reference.str()))
    throw Error(ErrorKind::corrupt, fmt::format("the service was asked about request {} and answered about {}",
                                                reference.str(), x509::printable(request.id)));
}

// Whoever approves a request of ours must approve what we sent.
void must_ask_for(const CertificateRequest& request, ByteView csr) {
  const auto sent = [&] {
    try {
      return x509::read_csr(as_bytes(request.csr));
    } catch (const Error& error) {
      throw Error(ErrorKind::corrupt,
                  fmt::format("the service does not show the CSR of request {}: {}", request.id, error.message()));
    }
  }();
  if (!equal(sent, csr))
    throw Error(ErrorKind::corrupt, fmt::format("request {} at the service is for another CSR than ours", request.id));
}

// For whoever decides about it: what the CSR asks for, names and key included; else what the service says of it.
std::string asked_for(const CertificateRequest& request) {
  try {
    const x509::Csr csr = x509::parse_csr(x509::read_csr(as_bytes(request.csr)));
    std::string names;
    for (const x509::GeneralName& name : csr.content.subject_alternative_names)
      names += (names.empty() ? "" : ", ") + name.text;
    return fmt::format("{} ({}), {} key", csr.content.subject.to_string(), names.empty() ? "no names" : names,
                       x509::key_text(csr.spki));
  } catch (const Error&) {
    return x509::printable(request.subject);
  }
}

// Those that are there and not ours: a mark belongs to one request.
void keep_tags(const std::vector<std::string>& there, std::vector<std::string>& tags) {
  for (const std::string& tag : there)
    if (!tag.starts_with(kTagName) && std::find(tags.begin(), tags.end(), tag) == tags.end()) tags.push_back(tag);
}

State state_with(State state, const CertificateRequest& request) {
  state.request = request.id;
  if (!request.certificate_ids.empty()) state.certificates = request.certificate_ids;
  return state;
}

Report report_with(const CertificateRequest& request, State state) {
  Report report = venafi::report_of(request);
  report.reference = ProviderReference(request.id);
  report.provider_state = to_text(state_with(std::move(state), request));
  return report;
}

std::string aliases_text(const std::map<std::string, std::string>& templates) {
  std::string text;
  for (const auto& [alias, id] : templates) text += (text.empty() ? "" : ", ") + x509::printable(alias);
  return text.empty() ? "none" : text;
}

// The leaf, wherever it stands: the one with the key of our request; where none has it, whichever issued no other.
std::size_t leaf_of(const std::vector<x509::Certificate>& certificates, const Bytes& spki) {
  for (std::size_t i = 0; i < certificates.size(); ++i)
    if (certificates[i].spki() == spki) return i;
  for (std::size_t i = 0; i < certificates.size(); ++i) {
    const bool issues = std::any_of(certificates.begin(), certificates.end(), [&](const x509::Certificate& other) {
      return &other != &certificates[i] && other.issuer() == certificates[i].subject();
    });
    if (!issues) return i;
  }
  return 0;
}

}  // namespace

VenafiProvider::VenafiProvider(Settings settings, std::shared_ptr<Client> client, const Clock& clock)
    : settings_(std::move(settings)), client_(std::move(client)), clock_(clock) {}

Capabilities VenafiProvider::capabilities() const {
  Capabilities can;
  can.complete_look_up = true;
  can.shows_approvers = true;
  can.shows_quorum = true;
  can.renew = true;
  can.revoke = true;
  return can;
}

// ---- the zone -------------------------------------------------------------------------------------------------------

VenafiProvider::Place VenafiProvider::find_place(Duration limit) {
  const Zone& zone = settings_.zone;
  if (zone.application.empty()) {
    // An NGTS service: how its clients find a template by its alias is not published; the list and its names are.
    std::map<std::string, std::string> names;
    for (Template& rules : client_->issuing_templates(limit)) {
      if (rules.name == zone.alias) return {"", rules.id, std::move(rules)};
      names[rules.name] = rules.id;
    }
    throw Error(ErrorKind::invalid_input, fmt::format("the service has no issuing template \"{}\"; it has: {}",
                                                      x509::printable(zone.alias), aliases_text(names)))
        .hint(fmt::format("correct `zone` of provider {}", settings_.name));
  }
  ApplicationInfo application;
  try {
    application = client_->application(zone.application, limit / 2);
  } catch (const Error& error) {
    // The service answers 400 as well as 404 for a name that it does not know, and always with a code: a 404 without
    // one is a proxy's, and a refused credential may be a 400 too.
    const bool unknown = error.kind() == ErrorKind::not_found || error.detail("http") == "400";
    if (!unknown || error.kind() == ErrorKind::denied || error.detail("code").empty()) throw;
    throw Error(ErrorKind::invalid_input,
                fmt::format("the service has no application \"{}\" that these credentials may use ({})",
                            x509::printable(zone.application), error.message()))
        .hint(fmt::format("correct `zone` of provider {}: 'Application\\Template alias'", settings_.name));
  }
  const auto found = application.templates.find(zone.alias);
  if (found == application.templates.end())
    throw Error(ErrorKind::invalid_input,
                fmt::format("application \"{}\" has no issuing template with the alias \"{}\"; it has: {}",
                            x509::printable(zone.application), x509::printable(zone.alias),
                            aliases_text(application.templates)))
        .hint(fmt::format("correct `zone` of provider {}", settings_.name));
  return {application.id, found->second, client_->issuing_template(zone.application, zone.alias, limit / 2)};
}

VenafiProvider::Place VenafiProvider::place(Duration limit) {
  {
    const std::lock_guard lock(mutex_);
    if (place_ && clock_.since_boot() - place_read_at_ < kPlaceAge) return *place_;
  }
  Place read = find_place(limit);
  const std::lock_guard lock(mutex_);
  place_ = read;
  place_read_at_ = clock_.since_boot();
  return read;
}

// ---- draft and check ------------------------------------------------------------------------------------------------

ProviderDraft VenafiProvider::draft(const Order& order, ByteView, Instant) {
  if (order.kind != Kind::enroll && order.kind != Kind::renew && order.kind != Kind::revoke)
    throw Error(ErrorKind::refused, fmt::format("provider {} issues, renews and revokes certificates and does nothing "
                                                "else",
                                                settings_.name));
  return {};
}

Duration VenafiProvider::validity_of(const x509::Ask& ask) const {
  return ask.validity > Duration::zero() ? ask.validity : settings_.validity.value_or(Duration::zero());
}

std::string VenafiProvider::existing_certificate(const Predecessor& predecessor, Duration limit) {
  if (const State state = state_of(predecessor); !state.certificates.empty()) return state.certificates.front();
  const std::string fingerprint = fingerprint_of(predecessor.der);
  for (const CertificateDetails& details : client_->certificates_with(fingerprint, limit))
    if (same_id(details.fingerprint, fingerprint)) return details.id;
  return "";
}

VenafiProvider::InInventory VenafiProvider::in_inventory(const std::string& certificate, Duration limit) {
  try {
    return {true, client_->certificate(certificate, limit)};
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::denied || error.detail("http") != "403") throw;
    log::debug(
        fmt::format("provider {}: certificate {} is not shown: {}", settings_.name, certificate, error.message()));
    return {false, std::nullopt};
  }
}

void VenafiProvider::check_renewal(const ProviderCall& call, std::vector<std::string>& reasons) {
  const std::string id = existing_certificate(predecessor_of(call.order), call.time_limit / 4);
  if (id.empty()) return;  // unknown there: a request like any other
  const auto [readable, details] = in_inventory(id, call.time_limit / 4);
  if (!readable) return;
  if (!details) {
    reasons.push_back(
        fmt::format("the service does not know the certificate {} that is to be renewed any more: enroll "
                    "anew instead",
                    id));
    return;
  }
  if (details->version == "OLD")
    reasons.push_back(fmt::format("the certificate {} was renewed there before: only its current version can be", id));
  if (!details->status.empty() && details->status != "ACTIVE")
    reasons.push_back(fmt::format("the certificate {} is {} there: recover it, or enroll anew", id,
                                  x509::printable(details->status)));
}

std::vector<std::string> VenafiProvider::check(const ProviderCall& call) {
  if (call.order.kind == Kind::revoke) {
    predecessor_of(call.order);
    if (reason_word(call.order.reason)) return {};
    return {fmt::format("the service has no word for the revocation reason \"{}\"; it has: {}", call.order.reason,
                        known_reasons())};
  }
  const Place here = place(call.time_limit / 2);
  const x509::Ask ask = ask_of(call.order);
  const x509::Csr csr = x509::parse_csr(call.draft.csr);
  PolicyQuestion question{csr, ask, validity_of(ask)};
  if (call.order.kind == Kind::renew)
    question.predecessor_spki = x509::parse_certificate(predecessor_of(call.order).der).spki();
  std::vector<std::string> reasons = violations(here.rules, question);
  if (call.order.kind == Kind::renew) check_renewal(call, reasons);
  return reasons;
}

NewRequest VenafiProvider::new_request(const ProviderCall& call, const Place& here) {
  NewRequest request;
  request.csr = x509::csr_to_pem(call.draft.csr);
  request.application = here.application;
  request.issuing_template = here.issuing_template;
  if (const Duration validity = validity_of(ask_of(call.order)); validity > Duration::zero())
    request.validity = iso_duration(validity);
  request.tags = settings_.tags;
  request.client_identifier = mark_of(call);
  if (call.order.kind == Kind::renew) {
    request.existing_certificate = existing_certificate(predecessor_of(call.order), call.time_limit / 4);
    // On a renewal the tags of the request replace those of the certificate: what others wrote on it stays.
    if (!request.existing_certificate.empty())
      if (const auto there = in_inventory(request.existing_certificate, call.time_limit / 4); there.details)
        keep_tags(there.details->tags, request.tags);
  }
  // Without ours a lost answer could not be looked up.
  request.tags.push_back(tag_of(call));
  return request;
}

std::vector<std::string> VenafiProvider::dry_run(const ProviderCall& call) {
  const Place here = place(call.time_limit / 3);
  return client_->validate(text_of(new_request(call, here)), call.time_limit / 3);
}

Facts VenafiProvider::policy(Duration limit) {
  const Place here = place(limit);
  Facts facts;
  facts.emplace_back("Zone", settings_.zone.text());
  if (!here.application.empty()) facts.emplace_back("Application id", here.application);
  facts.emplace_back("Template id", here.issuing_template);
  for (auto& fact : policy_facts(here.rules)) facts.push_back(std::move(fact));
  return facts;
}

// ---- submit ---------------------------------------------------------------------------------------------------------

SubmitAnswer VenafiProvider::submit(const ProviderCall& call) {
  if (call.order.kind == Kind::revoke) return submit_revocation(call);
  // Everything before the one POST: whatever fails here, nothing was sent.
  std::string text;
  State state;
  const Duration begin = clock_.since_boot();
  try {
    const Place here = place(call.time_limit / 4);
    text = text_of(new_request(call, here));
    state.application = here.application;
    state.issuing_template = here.issuing_template;
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::unavailable || error.kind() == ErrorKind::internal)
      return NotAccepted{error, std::nullopt};
    return RefusedForGood{error};
  }
  const Duration left = call.time_limit - (clock_.since_boot() - begin);
  Verdict verdict = [&]() -> Verdict {
    try {
      return client_->submit(text, left, call.call_until);
    } catch (const Error& error) {
      // Credentials are fetched before a byte leaves; a transport reports its own trouble without throwing.
      if (error.kind() == ErrorKind::internal) return OutcomeUnknown{error.message()};
      if (error.kind() == ErrorKind::denied) return RefusedForGood{error};
      return NotAccepted{error, std::nullopt};
    }
  }();
  if (auto* refused = std::get_if<RefusedForGood>(&verdict)) return std::move(*refused);
  if (auto* again = std::get_if<NotAccepted>(&verdict)) return std::move(*again);
  if (auto* unknown = std::get_if<OutcomeUnknown>(&verdict)) return std::move(*unknown);
  return Accepted{report_with(std::get<Taken>(verdict).request, std::move(state))};
}

// ---- look up --------------------------------------------------------------------------------------------------------

LookUpAnswer VenafiProvider::look_up(const ProviderCall& call) {
  if (call.order.kind == Kind::revoke) return look_up_revocation(call);
  const Place here = [&]() -> Place {
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
  LookedUp looked = look_up_request(*client_, {rest, here.application});
  if (looked.absent) return Absent{};
  if (!looked.found)
    return CannotTell{
        fmt::format("{}; look for the tag {} among the service's certificate requests, then "
                    "`hsmbridge request resolve ID --reference REQUESTID` or --not-there",
                    looked.why, tag_of(call))};
  State state;
  state.application = here.application;
  state.issuing_template = here.issuing_template;
  return Found{report_with(*looked.found, std::move(state))};
}

// ---- poll, retrieve, cancel -----------------------------------------------------------------------------------------

void VenafiProvider::add_approvals(const std::string& id, Report& report, Duration limit) {
  try {
    const std::optional<ApprovalRequest> approval = client_->approval(id, limit);
    if (!approval) {
      report.progress.note = "the service does not say who must approve";
      return;
    }
    if (!approval->entity.empty() && !same_id(approval->entity, id))
      throw Error(ErrorKind::corrupt,
                  fmt::format("the service was asked about the approval of {} and answered about {}", id,
                              x509::printable(approval->entity)));
    report.progress = venafi::progress_of(*approval, settings_.people);
    if (report.standing == Standing::rejected) {
      const Refused refused = refused_by(*approval, settings_.people);
      report.by = refused.by;
      if (!refused.why.empty()) report.message = refused.why;
      if (refused.expired) report.standing = Standing::expired;
    }
  } catch (const Error& error) {
    // Who may order need not be somebody who may see the approvers: the status itself is what counts.
    log::debug(fmt::format("provider {}: the approvers of {} are not shown: {}", settings_.name, id, error.message()));
    report.progress.note = error.kind() == ErrorKind::denied || error.kind() == ErrorKind::refused
                               ? "who must approve is not shown to these credentials"
                               : "who must approve could not be read";
  }
}

Report VenafiProvider::status(const ProviderCall& call) {
  const Submission& submission = submission_of(call);
  const Status answer = client_->request(submission.reference.str(), call.time_limit / 2);
  if (!answer.request) {
    Report report;
    report.standing = Standing::gone;
    report.provider_status = "unknown there";
    report.message = answer.unknown_why;
    return report;
  }
  const CertificateRequest& now = *answer.request;
  must_be_about(now, submission.reference);
  Report report = report_with(now, state_from(submission.provider_state));
  report.reference = {};
  report.retry_after = answer.retry_after;
  if (is_approval_status(now.status)) add_approvals(now.id, report, call.time_limit / 2);
  return report;
}

Report VenafiProvider::poll(const ProviderCall& call) {
  return call.order.kind == Kind::revoke ? revocation(call.order, call.time_limit) : status(call);
}

// Issued, and not to be had: the inventory is some seconds behind. For a while that is waited for; then it is a fact
// that a person should look at.
Report VenafiProvider::not_there_yet(const ProviderCall& call, Report report, State state,
                                     const std::string& why) const {
  report.standing = Standing::ready;
  report.provider_status =
      state.certificates.empty() ? "ISSUED, but not which certificate" : "ISSUED, but not in the inventory yet";
  report.message = why;
  if (!state.missing_since) state.missing_since = call.now;
  if (call.now - *state.missing_since >= settings_.inventory_lag) {
    report.standing = Standing::gone;
    report.message = fmt::format("issued, and for {} not in the service's inventory: {}",
                                 hsmbridge::spoken(call.now - *state.missing_since), why);
  }
  report.provider_state = to_text(state);
  return report;
}

Report VenafiProvider::retrieve(const ProviderCall& call) {
  const Submission& submission = submission_of(call);
  State state = state_from(submission.provider_state);
  Report report;
  report.provider_status = "ISSUED";
  if (state.certificates.empty()) {
    report = status(call);
    if (report.standing != Standing::ready) return report;
    state = state_from(report.provider_state);
    if (state.certificates.empty()) {
      const std::string why = report.message;
      return not_there_yet(call, std::move(report), std::move(state), why);
    }
  }
  const Contents contents =
      client_->contents(state.certificates.front(), Client::ChainOrder::leaf_first, call.time_limit / 2);
  if (!contents.missing.empty()) return not_there_yet(call, std::move(report), std::move(state), contents.missing);
  if (contents.body.find("-----BEGIN CERTIFICATE-----") == std::string::npos) {
    if (is_html("", contents.body))
      throw Error(ErrorKind::unavailable, "an HTML page (of a proxy?) came in place of the certificate");
    return not_there_yet(call, std::move(report), std::move(state),
                         "an answer without a certificate came in place of the certificate");
  }
  state.missing_since.reset();
  report.standing = Standing::handed_out;
  report.message.clear();
  report.provider_state = to_text(state);
  report.handout = Handout{Handout::Content::certificate, to_bytes(contents.body), to_bytes(contents.body)};
  return report;
}

CancelAnswer VenafiProvider::cancel(const ProviderCall& call) {
  if (call.order.kind == Kind::revoke)
    return CancelNotPossible{"a revocation that was sent to the service cannot be taken back"};
  return CancelNotPossible{
      "the service has no call that cancels a request: an approver can reject it there; a certificate that still comes "
      "is checked and kept, and not installed"};
}

// ---- read -----------------------------------------------------------------------------------------------------------

Issued VenafiProvider::read(const ProviderCall& call, const Handout& handout) {
  std::vector<x509::Certificate> certificates;
  try {
    for (const Bytes& der : x509::read_certificates(handout.result))
      certificates.push_back(x509::parse_certificate(der));
  } catch (const Error& error) {
    throw Error(ErrorKind::corrupt, "what the service handed out is no certificate: " + error.message());
  }
  // Whatever order was asked for: root first was seen too.
  const std::size_t leaf = leaf_of(certificates, x509::parse_csr(call.draft.csr).spki);
  Issued issued;
  issued.certificate = certificates[leaf].der;
  for (std::size_t i = 0; i < certificates.size(); ++i)
    if (i != leaf) issued.chain.push_back(certificates[i].der);
  if (!issued.chain.empty() || call.submission == nullptr) return issued;
  // It came without its chain: the request told the ids of the authorities' certificates.
  const State state = state_from(call.submission->provider_state);
  const std::size_t end = std::min(state.certificates.size(), kLongestChain);
  for (std::size_t i = 1; i < end; ++i) {
    try {
      const Contents contents = client_->contents(state.certificates[i], Client::ChainOrder::leaf_only,
                                                  call.time_limit / static_cast<int>(end));
      if (!contents.missing.empty()) continue;
      for (Bytes& der : x509::read_certificates(as_bytes(contents.body))) issued.chain.push_back(std::move(der));
    } catch (const Error& error) {
      // Worth another try; anything else leaves the check of the chain to say what is missing.
      if (error.kind() == ErrorKind::unavailable) throw;
    }
  }
  return issued;
}

// ---- test and approvals ---------------------------------------------------------------------------------------------

std::vector<std::string> VenafiProvider::test() {
  std::vector<std::string> learnt;
  const Duration limit = settings_.time_limit;
  if (client_->has_user_account()) {
    const UserAccount account = client_->user_account(limit);
    if (account.company.empty())
      throw Error(ErrorKind::denied, "the API key belongs to an account without a company: nothing can be ordered");
    learnt.push_back(fmt::format("API key of {} at {}{}", account.username, account.company,
                                 account.valid_until ? ", valid until " + rfc3339(*account.valid_until) : ""));
  } else {
    // A token cannot be asked whose it is; that the zone is shown proves it.
    learnt.emplace_back("an access token is given");
  }
  const Place here = place(limit);
  learnt.push_back(fmt::format("zone {}: issuing template {}, authority {}", settings_.zone.text(), here.rules.name,
                               here.rules.authority));
  if (!here.rules.validity.empty()) learnt.push_back("longest validity: " + here.rules.validity);
  if (const auto unusable = obstacles(here.rules); !unusable.empty()) {
    Error error(ErrorKind::refused, "nothing can be ordered there: " + unusable.front());
    for (const std::string& line : learnt) error.with("learnt", line);
    throw error;
  }
  return learnt;
}

Report VenafiProvider::standing(const ProviderReference& reference, ByteView csr, Duration limit) {
  const Status answer = client_->request(reference.str(), limit / 2);
  if (!answer.request)
    throw Error(ErrorKind::not_found,
                fmt::format("the service has no certificate request {}: {}", reference.str(), answer.unknown_why));
  must_be_about(*answer.request, reference);
  if (!csr.empty()) must_ask_for(*answer.request, csr);
  Report report = venafi::report_of(*answer.request);
  report.reference = ProviderReference(answer.request->id);
  add_approvals(answer.request->id, report, limit / 2);
  if (report.message.empty()) report.message = asked_for(*answer.request);
  return report;
}

void VenafiProvider::decide(const ProviderReference& reference, Decision decision, const std::string& reason,
                            Duration limit) {
  // The service's own bound.
  if (reason.size() > 1024)
    throw Error(ErrorKind::invalid_input, "the reason is longer than the 1024 characters that the service takes");
  const CertificateRequest now = client_->decide(
      reference.str(), decision == Decision::approve ? Client::Decision::approve : Client::Decision::reject, reason,
      limit);
  if (!same_id(now.id, reference.str()))
    throw Error(ErrorKind::outcome_unknown, fmt::format("a decision about request {} was answered with request {}",
                                                        reference.str(), x509::printable(now.id)))
        .hint("look at both before deciding once more: a decision is final there");
}

}  // namespace hsmbridge::venafi
