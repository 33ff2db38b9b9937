#include "tools/hsmbridge/command/cert_life.h"

#include "base/error.h"
#include "service/certificates/certificates.h"
#include "service/certificates/renewal.h"
#include "tools/hsmbridge/command/list_options.h"
#include "tools/hsmbridge/command/request_wait.h"
#include "tools/hsmbridge/text/request.h"
#include "tools/hsmbridge/wiring/wiring.h"
#include "views/certificates.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

namespace hsmbridge::cli {

namespace {

using commandline::safe;
using commandline::Times;

constexpr std::size_t kCursorDigits = 20;  // enough for a million

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

// "web/web-2026"; of a CSR that was brought "csr:1a2b3c4d5e6f".
std::string key_of(const service::CertificateRow& row) {
  return row.token.empty() ? row.key : row.token + "/" + row.key;
}

std::string rows_text(commandline::Table& table, bool first, const std::vector<service::CertificateRow>& rows,
                      Instant now) {
  constexpr std::size_t kWidth = 80;
  const std::string below_row(kShownDigits + 2, ' ');
  for (const auto& row : rows) {
    table.row({short_name(row.record), row.record.status, end_text(row.record, now), renewal_text(row, now),
               one_of(row.names)});
  }
  // Below each row what would make it too wide.
  std::string text;
  const std::string lines = table.more();
  std::size_t begin = 0;
  for (std::size_t line = first ? 0 : 1; begin < lines.size(); ++line) {
    const auto end = lines.find('\n', begin);
    text += lines.substr(begin, end - begin + 1);
    begin = end + 1;
    if (line == 0) continue;
    const auto& row = rows[line - 1];
    const auto below = fmt::format("{}  {}  {}{}", row.provider, key_of(row), row.record.installed.empty() ? "" : "in ",
                                   places_text(row.record));
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
    // Then it is a time.
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

ExitCode list_certificates(Invocation& invocation) {
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
  if (const auto text = arguments.text("--since")) filter.since = time_before(*text, now);
  filter.provider = arguments.text("--provider");
  filter.profile = arguments.text("--profile");
  filter.name = arguments.text("--name");
  filter.after = arguments.text("--after");
  filter.limit = limit_of(invocation);
  commandline::ResultRows result(invocation.output, "hsmbridge.cert-list/1", "certificates");
  commandline::Table table({"CERT", "STATUS", "ENDS", "RENEWAL", "NAMES"});
  std::string first;
  bool any_due = false;
  const auto end = service::list_certificates(
      *store, wiring->settings(), filter, now, [&](const std::vector<service::CertificateRow>& rows) {
        result.add([&] { return views::certificates(rows); },
                   [&] { return rows_text(table, first.empty(), rows, now); });
        if (first.empty()) first = short_name(rows.front().record);
        any_due = any_due || std::any_of(rows.begin(), rows.end(),
                                         [&](const auto& row) { return row.renewal.due && *row.renewal.due <= now; });
      });
  const std::size_t past = service::past_ones(*store, filter);
  result.finish(views::end_of_certificates(end, past), "no certificates\n");
  note_more(invocation, filter.all ? "hsmbridge cert list --all" : "hsmbridge cert list", end, kCursorDigits);
  if (past > 0) {
    invocation.output.note(
        fmt::format("and {} that are superseded, revoked or expired: hsmbridge cert list --all", counted(past)));
  }
  if (any_due) {
    invocation.output.note("next: hsmbridge cert renew --due");
  } else if (!first.empty()) {
    invocation.output.note("next: hsmbridge cert show " + first);
  }
  return ExitCode::done;
}

// ---- renew ----------------------------------------------------------------------------------------------------------

// A person learns now what would hold the request up: the provider is opened, and the token looked at.
service::RenewalNeeds needs_of(Wiring& wiring) {
  return {wiring.settings(), random_bytes,
          [&wiring](const workflow::Order& old) {
            wiring.provider(old.provider);
            wiring.anchors(old);
          },
          [&wiring](const std::string& token) { return wiring.key_ring(token); }};
}

ExitCode renew_many(Invocation& invocation, Wiring& wiring, workflow::Store& store, const service::RenewalKey& key,
                    const Pace& pace, service::Which which) {
  const auto [certificates, by_hand] = service::to_renew(store, wiring.settings(), which, wiring.clock().now());
  // Those that are due were asked for by their profile; all of them only by who types it.
  if (which == service::Which::all && !certificates.empty() && !invocation.arguments.has("--yes")) {
    const auto question = fmt::format("Order {} certificate{}, one for each that is in use?", certificates.size(),
                                      certificates.size() == 1 ? "" : "s");
    if (!commandline::confirm(invocation.output, question, "give --yes to renew all without being asked")) {
      throw Error{ErrorKind::refused, "nothing was renewed"};
    }
  }
  ManyRequests many(invocation.output, "hsmbridge.cert-renew-row/1", certificates.size());
  auto needs = needs_of(wiring);
  for (const auto& fingerprint : certificates) {
    many.make(fingerprint.substr(0, kShownDigits), "certificate", fingerprint, [&] {
      const auto record = service::still_to_renew(store, fingerprint);
      return service::renew(wiring.actor(), store, record, needs, key, wiring.clock().now()).order.id;
    });
  }
  auto code = many.finish(wiring, store, pace, false);
  for (const auto& [fingerprint, why] : by_hand) {
    invocation.output.warning(fmt::format("certificate {}: {}", fingerprint.substr(0, kShownDigits), why));
    if (code == ExitCode::done) code = ExitCode::pending;
  }
  if (!certificates.empty()) {
    invocation.output.note("next: hsmbridge request list --open");
  } else if (by_hand.empty()) {
    invocation.output.note(which == service::Which::due
                               ? "no renewal is due: hsmbridge cert list says when one is"
                               : "there is no certificate to renew: hsmbridge cert list --all");
  }
  return code;
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
  if (arguments.has("--csr") && (arguments.has("--same-key") || arguments.has("--new-key") || !certificate)) {
    throw Error{ErrorKind::invalid_input, "--csr is the new CSR of one certificate, and says which key it is for"};
  }
  if (arguments.has("--new-key") && (arguments.has("--same-key") || !certificate)) {
    throw Error{ErrorKind::invalid_input, "--new-key names the one new key of one certificate"};
  }
  const auto wiring = Wiring::open(invocation.config);
  const auto store = wiring->store();
  service::RenewalKey key{arguments.has("--same-key"), arguments.text("--new-key")};
  if (!certificate) {
    return renew_many(invocation, *wiring, *store, key, pace, due ? service::Which::due : service::Which::all);
  }
  const auto record = service::find_certificate(*store, *certificate);
  if (const auto csr = arguments.text("--csr")) {
    key.brought = service::key_of_new_csr(*wiring, *store, record, *csr);
  } else if (service::is_of_brought_csr(*store, record)) {
    service::refuse_renewal(*store, record);
    const Error error = service::needs_new_csr(record);
    invocation.output.result("hsmbridge.cert-renew/1",
                             Json::object({{"certificate", record.fingerprint}, {"needs", "csr"}}),
                             error.message() + "\n");
    invocation.output.note("next: " + error.hint());
    return ExitCode::pending;
  }
  auto needs = needs_of(*wiring);
  const auto renewal = service::renew(wiring->actor(), *store, record, needs, key, wiring->clock().now());
  return finish(invocation.output, *wiring, *store, renewal.order.id, pace);
}

}  // namespace

std::string record_text(const service::CertificateRow& row, Instant now) {
  const auto& record = row.record;
  commandline::Fields fields;
  fields.add("Status", record.status);
  fields.add("Brought by",
             fmt::format("request {} at {}, profile {}", record.request.str(), safe(row.provider), safe(row.profile)));
  fields.add("Reference", safe(record.reference.str()));
  fields.add("Key", safe(key_of(row) + (row.key_status.empty() ? "" : ", " + row.key_status)));
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
  return {
      {"cert",
       "list",
       "List the certificates in the store: what, where, until when, renewed when",
       with_list_options({{"--expiring", "TIME", "only those that end by then: 30d, 2027-03-31, or an RFC 3339 time"},
                          {"--status", "STATUS", kStatusHelp, Times::many},
                          {"--all", "", "superseded, revoked and expired ones too"}},
                         "only those stored since, the newest first: 7d, 2026-11-01, or an RFC 3339 time", "CERT"),
       {},
       list_certificates,
       {ExitCode::failed},
       "What ends first comes first. RENEWAL says when `hsmbridge run` renews it automatically\n"
       "(`renew_before` of its profile), `by ID` while a request does, `again` after one that\n"
       "brought nothing, `by hand` where the profile leaves it to `cert renew`, `no profile`\n"
       "where the profile of its request is not in the configuration any more.\n"},
      {"cert",
       "renew",
       "Renew certificates: the same request again, by default with a new key",
       {{"--due", "", "every certificate whose renewal is due"},
        {"--all", "", "every current certificate"},
        {"--same-key", "", "for the key that it has"},
        {"--yes", "", "with --all: without asking"},
        {"--new-key", "LABEL", "the label of the new key; else LABEL-YYYYMMDD of the old one"},
        {"--csr", "FILE", "the new CSR, for a certificate that was requested with `enroll --csr`"},
        kWait,
        kTimeout,
        kQueue},
       {{"CERT", "the beginning of its SHA-256, or the request that brought it; or --due, --all", Times::once}},
       renew,
       outcomes_of_requests(),
       "Names, targets, provider, profile and token are those of the request that brought\n"
       "the certificate. A certificate has one open renewal. After one that brought\n"
       "nothing, the next one uses the key that it made. Once the new certificate is\n"
       "installed everywhere the old one is superseded; it stays valid until its end.\n"
       "A certificate for somebody else's CSR waits for a new CSR (exit 3 without --csr),\n"
       "which must ask for the same. --due also names what is due and only a person can\n"
       "renew, and exits with 3 then.\n"},
      certificate_revoke_command(),
  };
}

}  // namespace hsmbridge::cli
