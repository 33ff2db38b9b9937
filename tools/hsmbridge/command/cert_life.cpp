#include "tools/hsmbridge/command/cert_life.h"

#include "base/error.h"
#include "service/certificates/certificates.h"
#include "service/certificates/renewal.h"
#include "service/effects/install.h"
#include "tools/hsmbridge/command/request_wait.h"
#include "tools/hsmbridge/text/request.h"
#include "tools/hsmbridge/wiring/wiring.h"
#include "workflow/machine/lifecycle.h"
#include "x509/objects/certificate.h"
#include "x509/objects/spki.h"

#include <fmt/core.h>

#include <algorithm>
#include <map>
#include <set>
#include <span>
#include <utility>

namespace hsmbridge::cli {

namespace {

using commandline::Option;
using commandline::Positional;
using commandline::safe;
using commandline::Times;

constexpr std::size_t kShownDigits = 12;
constexpr std::size_t kLeastWithYes = 8;
constexpr std::size_t kKeyIdOctets = 16;
constexpr std::size_t kRequestRandomness = 8;

const Positional kCertificate{"CERT", "the beginning of its SHA-256, or the request that brought it"};

std::string short_name(const workflow::CertificateRecord& record) {
  return record.fingerprint.substr(0, kShownDigits);
}

// ---- list -----------------------------------------------------------------------------------------------------------

// A day, or how long from now where a day says too little.
std::string when_text(Instant instant, Instant now) {
  constexpr Duration kNear = std::chrono::hours{48};
  if (instant <= now) return "now";
  if (instant - now > kNear) return rfc3339(instant).substr(0, 10);
  return "in " + duration_text(std::chrono::ceil<std::chrono::minutes>(instant - now));
}

std::string end_text(const workflow::CertificateRecord& record, Instant now) {
  return record.not_after < now ? rfc3339(record.not_after).substr(0, 10) : when_text(record.not_after, now);
}

std::string renewal_text(const service::CertificateRow& row, Instant now) {
  const auto& plan = row.renewal;
  if (plan.done) return "done";
  if (plan.open) return "by " + plan.open->str().substr(0, 8);
  if (row.record.status != workflow::status::kCurrent) return "-";
  if (!plan.due) return plan.has_profile ? "by hand" : "no profile";
  return (plan.failed ? "again " : "") + when_text(*plan.due, now);
}

std::string one_of(const std::string& names) {
  const auto comma = names.find(", ");
  if (comma == std::string::npos) return names;
  // A subject has commas of its own; names do not.
  if (names.find('=') != std::string::npos) return names;
  return fmt::format("{} +{}", names.substr(0, comma), std::count(names.begin(), names.end(), ','));
}

std::string places_text(const workflow::CertificateRecord& record) {
  std::string text;
  for (const auto& target : record.installed) text += (text.empty() ? "" : ", ") + target;
  return text.empty() ? "not installed" : text;
}

std::string list_text(const service::CertificateList& list, Instant now) {
  constexpr std::size_t kWidth = 80;
  const std::string below_row(kShownDigits + 2, ' ');
  if (list.rows.empty()) return "no certificates\n";
  commandline::Table table({"CERT", "STATUS", "ENDS", "RENEWAL", "NAMES"});
  for (const auto& row : list.rows) {
    table.row({short_name(row.record), row.record.status, end_text(row.record, now), renewal_text(row, now),
               one_of(row.names)});
  }
  // Below each row what would make it too wide.
  std::string text;
  const std::string lines = table.text();
  std::size_t begin = 0;
  for (std::size_t line = 0; begin < lines.size(); ++line) {
    const auto end = lines.find('\n', begin);
    text += lines.substr(begin, end - begin + 1);
    begin = end + 1;
    if (line == 0) continue;
    const auto& row = list.rows[line - 1];
    const auto below = fmt::format("{}  {}/{}  {}{}", row.provider, row.token, row.key,
                                   row.record.installed.empty() ? "" : "in ", places_text(row.record));
    text += below_row + commandline::wrapped(safe(below), kWidth - below_row.size(), below_row.size()) + "\n";
    if (row.renewal.failed) {
      text += fmt::format("{}renewal {} brought nothing: request explain {}\n", below_row, row.renewal.failed->str(),
                          row.renewal.failed->str().substr(0, 8));
    }
    if (!row.renewal.trouble.empty()) {
      text += below_row + commandline::wrapped(safe(row.renewal.trouble), kWidth - below_row.size(), below_row.size()) +
              "\n";
    }
  }
  return text;
}

// "30d" from now, or a day or a time.
Instant time_from(const std::string& text, Instant now) {
  try {
    return now + parse_duration(text);
  } catch (const Error&) {
    // Retry it is a time.
  }
  try {
    return parse_rfc3339(text.size() == 10 ? text + "T23:59:59Z" : text);
  } catch (const Error&) {
    throw Error{ErrorKind::invalid_input,
                fmt::format("'{}' is neither a time from now (30d) nor a day (2027-03-31) nor a time", text)};
  }
}

std::string status_words() {
  std::string words;
  for (const auto one : workflow::certificate_statuses()) words += (words.empty() ? "" : ", ") + std::string(one);
  return words;
}

ExitCode list(Invocation& invocation) {
  const auto& arguments = invocation.arguments;
  const auto wiring = Wiring::open(invocation.config);
  const auto store = wiring->stores().open_to_look();
  const auto now = wiring->clock().now();
  service::CertificateFilter filter;
  filter.all = arguments.has("--all");
  filter.statuses = arguments.all("--status");
  const auto known = workflow::certificate_statuses();
  for (const auto& word : filter.statuses) {
    if (std::find(known.begin(), known.end(), word) != known.end()) continue;
    throw Error{ErrorKind::invalid_input, fmt::format("there is no status '{}'", word)}.hint("there are: " +
                                                                                             status_words());
  }
  if (const auto text = arguments.text("--expiring")) filter.ends_by = time_from(*text, now);
  const auto list = service::list_certificates(*store, wiring->settings(), filter, now);
  Json rows = Json::array();
  bool any_due = false;
  for (const auto& row : list.rows) {
    rows.push(service::to_json(row));
    any_due = any_due || (row.renewal.due && *row.renewal.due <= now);
  }
  invocation.output.result(
      "hsmbridge.cert-list/1",
      Json::object({{"certificates", rows}, {"left_out", static_cast<std::int64_t>(list.left_out)}}),
      list_text(list, now));
  if (list.left_out > 0) {
    invocation.output.note(
        fmt::format("and {} that are superseded, revoked or expired: hsmbridge cert list --all", list.left_out));
  }
  if (any_due) {
    invocation.output.note("next: hsmbridge cert renew --due");
  } else if (!list.rows.empty()) {
    invocation.output.note("next: hsmbridge cert show " + short_name(list.rows.front().record));
  }
  return ExitCode::done;
}

// ---- renew ----------------------------------------------------------------------------------------------------------

// The labels that are taken in each token: those on it, and those that the records know.
class Labels {
 public:
  Labels(Wiring& wiring, workflow::Store& store) : wiring_(wiring), store_(store) {}

  std::string successor(const std::string& token, const std::string& label, Instant now) {
    auto& on_token = by_token_[token];
    if (!on_token) {
      on_token.emplace();
      for (const auto& key : wiring_.key_ring(token)->list()) on_token->insert(key.label);
    }
    return service::successor_label(label, now, [&](const std::string& candidate) {
      return on_token->count(candidate) != 0 || !store_.keys({std::nullopt, token, candidate}).empty();
    });
  }

 private:
  Wiring& wiring_;
  workflow::Store& store_;
  std::map<std::string, std::optional<std::set<std::string>>> by_token_;
};

struct Renewing {
  Wiring& wiring;
  workflow::Store& store;
  Labels labels;
  bool same_key = false;
  std::optional<std::string> new_label;
};

config::RenewKey renew_key_of(const config::Settings& settings, const std::string& profile) {
  const auto* found = service::profile_named(settings, profile);
  return found == nullptr ? config::RenewKey::make : found->renew_key;
}

workflow::KeyWish renewal_key(Renewing& how, const workflow::CertificateRecord& record, const workflow::Order& old) {
  const auto rule = renew_key_of(how.wiring.settings(), old.profile);
  if (how.same_key && rule == config::RenewKey::always_make) {
    throw Error{ErrorKind::refused, fmt::format("profile {} wants a new key for each renewal", old.profile)}.hint(
        "leave --same-key out, or change renew_key: always-new in the profile");
  }
  const auto key = service::key_of(how.store, record, old);
  if (how.same_key || (rule == config::RenewKey::same && !how.new_label)) return service::same_key(key);
  const auto now = how.wiring.clock().now();
  if (how.new_label) {
    const auto spec = x509::key_spec_of(x509::parse_certificate(record.der).spki());
    const auto plan = how.wiring.key_ring(old.token)->plan(std::span(&*how.new_label, 1), spec, {}).front();
    return service::new_key(record, plan.label, plan.id);
  }
  if (const auto unused = service::unused_key(how.store, record)) return service::same_key(*unused);
  const std::string label = key.label.empty() ? old.profile : key.label;
  return service::new_key(record, how.labels.successor(old.token, label, now), random_bytes(kKeyIdOctets));
}

// Everything that can be refused is refused before anything is written.
workflow::Order renew_one(Renewing& how, const workflow::CertificateRecord& record) {
  const auto& settings = how.wiring.settings();
  service::refuse_renewal(how.store, record);
  const auto old = service::request_of(how.store, record).order;
  how.wiring.provider(old.provider);
  how.wiring.anchors(old);
  service::refuse_profile(settings.profile(old.profile));
  service::refuse_impossible_targets(old.targets, settings.token(old.token));
  service::RenewalWish wish;
  wish.created_by = how.wiring.actor().name;
  wish.key = renewal_key(how, record, old);
  wish.key.accept = settings.profile(old.profile).accept_key;
  return service::create_renewal(how.store, record, wish, service::timing_for(settings, old.provider),
                                 how.wiring.clock().now(), random_bytes(kRequestRandomness));
}

// Those that are in use; with `only_due` those whose renewal is due.
std::vector<workflow::CertificateRecord> many(Renewing& how, bool only_due) {
  service::CertificateFilter filter;
  filter.statuses = {workflow::status::kCurrent};
  const auto now = how.wiring.clock().now();
  std::vector<workflow::CertificateRecord> records;
  for (auto& row : service::list_certificates(how.store, how.wiring.settings(), filter, now).rows) {
    if (row.renewal.open || row.renewal.done) continue;
    // Who types it does not wait for the pause after a failure.
    const auto* profile = service::profile_named(how.wiring.settings(), row.profile);
    const bool due = profile != nullptr && profile->renew_before &&
                     service::renewal_start(row.record, *profile->renew_before) <= now;
    if (!only_due || (due && !row.renewal.by_hand)) records.push_back(std::move(row.record));
  }
  return records;
}

struct Pace {
  bool queue = false;
  Until until = Until::at_rest;
  std::optional<Duration> timeout;
};

Pace pace_of(const Arguments& arguments) {
  if (arguments.has("--timeout") && !arguments.has("--wait")) {
    throw Error{ErrorKind::invalid_input, "--timeout belongs to --wait"};
  }
  if (arguments.has("--wait") && arguments.has("--queue")) {
    throw Error{ErrorKind::invalid_input, "--wait and --queue contradict each other"};
  }
  Pace pace;
  pace.queue = arguments.has("--queue");
  pace.until = arguments.has("--wait") ? Until::settled : Until::at_rest;
  if (const auto text = arguments.text("--timeout")) pace.timeout = parse_duration(*text);
  return pace;
}

// One result line a certificate; one that fails stops nobody else's.
ExitCode renew_many(Invocation& invocation, Renewing& how, const Pace& pace, bool only_due) {
  struct Made {
    std::string certificate;
    RequestId id;
  };
  std::vector<Made> made;
  bool failed = false;
  const auto records = many(how, only_due);
  // Those that are due were asked for by their profile; all of them only by who types it.
  if (!only_due && !records.empty() && !invocation.arguments.has("--yes")) {
    const auto question = fmt::format("Order {} certificate{}, one for each that is in use?", records.size(),
                                      records.size() == 1 ? "" : "s");
    if (!commandline::confirm(invocation.output, question, "give --yes to renew all without being asked")) {
      throw Error{ErrorKind::refused, "nothing was renewed"};
    }
  }
  for (const auto& record : records) {
    try {
      made.push_back({short_name(record), renew_one(how, record).id});
    } catch (...) {
      const auto error = current_error();
      failed = true;
      invocation.output.result(
          "hsmbridge.cert-renew-row/1",
          Json::object({{"certificate", record.fingerprint},
                        {"error", Json::object({{"kind", to_string(error.kind())}, {"message", error.message()}})}}),
          fmt::format("{}: failed  {}\n", short_name(record), safe(error.message())));
    }
  }
  std::vector<RequestId> ids;
  for (const auto& one : made) ids.push_back(one.id);
  if (!pace.queue && !ids.empty()) drive(invocation.output, how.wiring, ids, pace.until, pace.timeout);
  auto worst = ExitCode::done;
  for (const auto& one : made) {
    const auto view = service::view_request(how.store, one.id, how.wiring.clock().now());
    auto json = service::to_json(service::row_of(view.record));
    invocation.output.result("hsmbridge.cert-renew-row/1", json,
                             fmt::format("{}: {}  {}  {}\n", one.certificate, one.id.str(),
                                         workflow::to_string(workflow::name_of(view.record.state)),
                                         safe(service::row_of(view.record).what)));
    const auto code = exit_code_of(view.record.state);
    if (code == ExitCode::pending) {
      worst = worst == ExitCode::done ? code : worst;
    } else if (code != ExitCode::done) {
      failed = true;
    }
  }
  if (records.empty()) {
    invocation.output.note(only_due ? "no renewal is due: hsmbridge cert list says when one is"
                                    : "there is no certificate to renew: hsmbridge cert list --all");
  } else {
    invocation.output.note("next: hsmbridge request list --open");
  }
  return failed ? ExitCode::failed : worst;
}

// The end of every command that made a request.
ExitCode finish(Invocation& invocation, Wiring& wiring, workflow::Store& store, const RequestId& id, const Pace& pace) {
  if (!pace.queue) drive(invocation.output, wiring, {id}, pace.until, pace.timeout);
  const auto now = wiring.clock().now();
  const auto view = service::view_request(store, id, now);
  invocation.output.result("hsmbridge.request/1", service::to_json(view), outcome_text(view, now));
  return exit_code_of(view.record.state);
}

ExitCode renew(Invocation& invocation) {
  const auto& arguments = invocation.arguments;
  const auto pace = pace_of(arguments);
  const auto certificate = arguments.text("CERT");
  const bool all = arguments.has("--all");
  const bool due = arguments.has("--due");
  if (int{certificate.has_value()} + int{all} + int{due} != 1) {
    throw Error{ErrorKind::invalid_input, "say which certificate: CERT, or --due, or --all"};
  }
  if (arguments.has("--yes") && !all) throw Error{ErrorKind::invalid_input, "--yes belongs to --all"};
  if (arguments.has("--new-key") && (arguments.has("--same-key") || !certificate)) {
    throw Error{ErrorKind::invalid_input, "--new-key names the one new key of one certificate"};
  }
  const auto wiring = Wiring::open(invocation.config);
  const auto store = wiring->store();
  Renewing how{*wiring, *store, Labels(*wiring, *store), arguments.has("--same-key"), arguments.text("--new-key")};
  if (!certificate) return renew_many(invocation, how, pace, due);
  const auto order = renew_one(how, service::find_certificate(*store, *certificate));
  return finish(invocation, *wiring, *store, order.id, pace);
}

// ---- revoke ---------------------------------------------------------------------------------------------------------

std::string reasons_text() {
  std::string text;
  for (const auto& row : workflow::revocation_reasons()) text += fmt::format("  {:<22}{}\n", row.name, row.meaning);
  return text;
}

const workflow::RevocationReason& reason_of(const Arguments& arguments) {
  std::string names;
  for (const auto& row : workflow::revocation_reasons()) names += (names.empty() ? "" : ", ") + std::string(row.name);
  const auto text = arguments.text("--reason");
  if (!text) throw Error{ErrorKind::invalid_input, "say why: --reason REASON"}.hint("there are: " + names);
  const auto* row = workflow::revocation_reason(*text);
  if (row == nullptr) {
    throw Error{ErrorKind::invalid_input, fmt::format("there is no reason '{}'", *text)}.hint("there are: " + names);
  }
  return *row;
}

void refuse_unable(Wiring& wiring, const workflow::CertificateRecord& record, const std::string& provider,
                   const workflow::RevocationReason& reason) {
  const auto& settings = wiring.settings().provider(provider);
  const auto capabilities = wiring.provider(settings.name)->capabilities();
  if (!capabilities.revoke) {
    throw Error{ErrorKind::refused, fmt::format("provider {} ({}) revokes nothing: certificate {} stays as it is",
                                                settings.name, settings.type, short_name(record))}
        .hint(fmt::format("have serial {} of '{}' revoked where that CA takes revocations{}", record.serial,
                          record.issuer,
                          record.status == workflow::status::kCurrent
                              ? fmt::format("; `hsmbridge cert renew {}` replaces it here", short_name(record))
                              : ""));
  }
  if (reason.name == workflow::kCertificateHold && !capabilities.revoke_hold) {
    throw Error{ErrorKind::refused, fmt::format("provider {} ({}) puts nothing on hold", settings.name, settings.type)}
        .hint("choose another reason, or do nothing: a revocation is for ever");
  }
}

ExitCode revoke(Invocation& invocation) {
  const auto& arguments = invocation.arguments;
  const auto pace = pace_of(arguments);
  const auto& reason = reason_of(arguments);
  const auto wiring = Wiring::open(invocation.config);
  const auto store = wiring->store();
  const auto& typed = arguments.required("CERT");
  const auto record = service::find_certificate(*store, typed, service::Meaning::brought);
  if (record.status == workflow::status::kRevoked) {
    throw Error{ErrorKind::conflict, fmt::format("certificate {} is revoked already", short_name(record))};
  }
  // Nobody looks at what is named, and a slip of the finger may name another one.
  if (arguments.has("--yes") && typed.size() < kLeastWithYes) {
    throw Error{ErrorKind::invalid_input,
                fmt::format("with --yes at least {} digits name a certificate", kLeastWithYes)}
        .hint("`hsmbridge cert list` shows 12; or leave --yes out and be asked");
  }
  const auto old = service::request_of(*store, record).order;
  refuse_unable(*wiring, record, old.provider, reason);
  if (reason.name == workflow::kKeyCompromise) {
    for (const auto& words : service::shares_key(*store, record)) invocation.output.warning(safe(words));
  }
  if (!arguments.has("--yes")) {
    const auto question = fmt::format("Revoke certificate {} ({}, serial {}) at {} for {} ({})?", short_name(record),
                                      safe(record.subject), record.serial, old.provider, reason.name, reason.meaning);
    if (!commandline::confirm(invocation.output, question, "give --yes to revoke without being asked")) {
      throw Error{ErrorKind::refused, "nothing was revoked"};
    }
  }
  const auto order = service::create_revocation(*store, record, std::string(reason.name), wiring->actor().name,
                                                service::timing_for(wiring->settings(), old.provider),
                                                wiring->clock().now(), random_bytes(kRequestRandomness));
  return finish(invocation, *wiring, *store, order.id, pace);
}

const std::vector<ExitCode> kOutcomes{ExitCode::failed, ExitCode::pending, ExitCode::refused, ExitCode::unavailable,
                                      ExitCode::unresolved};
const Option kWait{"--wait", "", "work on it until it is done"};
const Option kTimeout{"--timeout", "DURATION", "with --wait: come back after this long"};
const Option kQueue{"--queue", "", "only write it down: `hsmbridge run` does all the work"};

}  // namespace

std::string record_text(Invocation& invocation, const workflow::CertificateRecord& record) {
  const auto wiring = Wiring::open(invocation.config);
  const auto store = wiring->store();
  const auto now = wiring->clock().now();
  const auto row = service::row_of(*store, record, wiring->settings(), now);
  commandline::Fields fields;
  fields.add("Status", record.status);
  fields.add("Brought by",
             fmt::format("request {} at {}, profile {}", record.request.str(), safe(row.provider), safe(row.profile)));
  fields.add("Reference", safe(record.reference.str()));
  fields.add("Key", safe(row.token + "/" + row.key + (row.key_status.empty() ? "" : ", " + row.key_status)));
  fields.add("Places", safe(places_text(record)));
  fields.add("Renews", record.predecessor);
  const auto& renewal = row.renewal;
  fields.add("Renewal", renewal.done   ? "done by request " + renewal.done->str()
                        : renewal.open ? "under way: request " + renewal.open->str()
                                       : renewal_text(row, now));
  if (!renewal.trouble.empty()) fields.add("Trouble", safe(renewal.trouble));
  if (renewal.failed) fields.add("Failed renewal", "request " + renewal.failed->str());
  return fields.text();
}

std::vector<Command> certificate_life_commands() {
  // The rows keep views.
  static const std::string kStatusHelp = "only these: " + status_words();
  static const std::string kReasons = "Reasons (RFC 5280, 5.3.1):\n" + reasons_text() +
                                      "A provider without revocation is told before anything is written. A revocation\n"
                                      "that the provider has only taken note of is pending (exit 3), not done.\n";
  return {
      {"cert",
       "list",
       "List the certificates in the store: what, where, until when, renewed when",
       {{"--expiring", "TIME", "only those that end by then: 30d, 2027-03-31, or an RFC 3339 time"},
        {"--status", "STATUS", kStatusHelp, Times::many},
        {"--all", "", "superseded, revoked and expired ones too"}},
       {},
       list,
       {ExitCode::failed},
       "What ends first comes first. RENEWAL says when `hsmbridge run` renews it by itself\n"
       "(`renew_before` of its profile), `by ID` while a request does, `again` after one that\n"
       "brought nothing, `by hand` where the profile leaves it to `cert renew`, `no profile`\n"
       "where the profile of its request is not in the configuration any more.\n"},
      {"cert",
       "renew",
       "Renew certificates: the same request once more, by default for a new key",
       {{"--due", "", "every certificate whose renewal is due"},
        {"--all", "", "every current certificate"},
        {"--same-key", "", "for the key that it has"},
        {"--yes", "", "with --all: without asking"},
        {"--new-key", "LABEL", "the label of the new key; else LABEL-YYYYMMDD of the old one"},
        kWait,
        kTimeout,
        kQueue},
       {{"CERT", "the beginning of its SHA-256, or the request that brought it; or --due, --all", Times::once}},
       renew,
       kOutcomes,
       "Names, targets, provider, profile and token are those of the request that brought\n"
       "the certificate. A certificate has one open renewal. After one that brought\n"
       "nothing, the next one uses the key that it made. Once the new certificate is\n"
       "installed everywhere the old one is superseded; it stays valid until its end.\n"},
      {"cert",
       "revoke",
       "Have a certificate revoked by its provider",
       {{"--reason", "REASON", "why; see below"}, {"--yes", "", "without asking"}, kWait, kTimeout, kQueue},
       {kCertificate},
       revoke,
       kOutcomes,
       kReasons},
  };
}

}  // namespace hsmbridge::cli
