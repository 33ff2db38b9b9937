#include "base/error.h"
#include "base/file.h"
#include "service/certificates/certificates.h"
#include "service/certificates/renewal.h"
#include "service/effects/effects.h"
#include "service/effects/install.h"
#include "service/requests/requests.h"
#include "tools/hsmbridge/command/cert_life.h"
#include "tools/hsmbridge/wiring/wiring.h"
#include "workflow/machine/lifecycle.h"
#include "x509/objects/pem.h"
#include "x509/objects/pkcs7.h"

#include <fmt/core.h>

#include <utility>

namespace hsmbridge::cli {

namespace {

using commandline::Positional;
using commandline::safe;
using commandline::Times;

constexpr Duration kTimeLimit = std::chrono::seconds{60};
const Positional kCertificate{"CERT", "the beginning of its SHA-256, or the request that brought it"};

// ---- install --------------------------------------------------------------------------------------------------------

enum class Force { no, yes };

// The request that renewed it in the place of this late one, if any.
std::optional<RequestId> renewed_otherwise(workflow::Store& store, const workflow::CertificateRecord& late) {
  if (late.predecessor.empty()) return std::nullopt;
  for (const auto& other : store.requests_about(late.predecessor)) {
    const auto* completed = std::get_if<workflow::Completed>(&other.state);
    if (completed == nullptr || completed->late || other.order.kind != workflow::Kind::renew) continue;
    if (completed->certificate != late.fingerprint) return other.order.id;
  }
  return std::nullopt;
}

void refuse_unfit(workflow::Store& store, const workflow::CertificateRecord& record, Force force) {
  const std::string name = record.fingerprint.substr(0, 12);
  if (record.status == workflow::status::kQuarantined) {
    throw Error{ErrorKind::refused,
                fmt::format("certificate {} is quarantined: it does not answer its request and is not installed", name)}
        .hint("`hsmbridge cert export` gives the bytes to who wants to look at them");
  }
  namespace status = workflow::status;
  if (record.status == status::kRevoked || record.status == status::kRevoking || record.status == status::kHeld) {
    throw Error{ErrorKind::refused, fmt::format("certificate {} is {}: it is not installed", name, record.status)}.hint(
        fmt::format("hsmbridge cert renew {}", name));
  }
  // It would take the place of the newer one.
  if ((record.status == status::kSuperseded || record.status == status::kExpired) && force == Force::no) {
    throw Error{ErrorKind::refused, fmt::format("certificate {} is {}", name, record.status)}.hint(
        "give --force to put it in its places anyway; or install the one that renewed it");
  }
  if (record.status != status::kLate || force == Force::yes) return;
  if (const auto other = renewed_otherwise(store, record)) {
    throw Error{ErrorKind::refused, fmt::format("certificate {} came late, and request {} renewed its predecessor "
                                                "{} meanwhile",
                                                name, other->str(), record.predecessor.substr(0, 12))}
        .hint("give --force to put it in its places anyway");
  }
}

workflow::Key key_for(workflow::Store& store, const workflow::CertificateRecord& record,
                      const workflow::Record& request) {
  if (const auto* key = workflow::key_of(request.state)) return *key;
  const auto known = service::key_of(store, record, request.order);
  return {"", known.label, known.cka_id, record.spki, false};
}

struct Placing {
  Wiring& wiring;
  workflow::Store& store;
  const workflow::CertificateRecord& record;
  const workflow::Record& request;
  Force force;
  bool typed = false;  // the places were named on the command line
};

// A hook tells its runs apart by this number: those by hand have the second in which they began, far above what the
// workflow counts to.
unsigned attempt_by_hand(Instant now) {
  return static_cast<unsigned>(std::chrono::duration_cast<std::chrono::seconds>(now.time_since_epoch()).count());
}

void place_at(const Placing& placing, const workflow::InstallTarget& target) {
  const auto now = placing.wiring.clock().now();
  // What a person types is that person's to run; what the store says is not.
  if (!placing.typed) {
    const auto& profile = placing.request.order.profile;
    service::refuse_foreign_hook(target, profile, placing.wiring.hook_of(profile));
  }
  if (placing.force == Force::no && placing.store.replaced_at(placing.record.fingerprint, target.name)) {
    throw Error{ErrorKind::refused, "a certificate that renews it is there"}.hint(
        "give --force to put the older one back");
  }
  const auto key = key_for(placing.store, placing.record, placing.request);
  const workflow::Draft none;
  const workflow::Submission submission{1, placing.record.reference, placing.record.provider_state,
                                        placing.record.stored_at};
  // On record before it is done: a hook that never comes back was begun by somebody.
  placing.wiring.record("certificate-install-begun",
                        Json::object({{"certificate", placing.record.fingerprint}, {"target", target.name}}));
  service::install_certificate(placing.wiring, {placing.request.order, key, none, &submission, attempt_by_hand(now)},
                               target, placing.record, now, kTimeLimit);
  placing.store.note_installed(placing.record.fingerprint, target, placing.wiring.actor().name, now);
}

std::vector<workflow::InstallTarget> targets_of(const Arguments& arguments, const workflow::Order& order) {
  std::vector<workflow::InstallTarget> targets;
  for (const auto& text : arguments.all("--to")) targets.push_back(service::install_target(text));
  if (targets.empty()) targets = order.targets;
  if (targets.empty()) {
    throw Error{ErrorKind::invalid_input, "the request that brought it named no place: say where, with --to TARGET"};
  }
  return targets;
}

ExitCode install(Invocation& invocation) {
  const auto wiring = Wiring::open(invocation.config);
  const auto store = wiring->store();
  const auto record = service::find_certificate(*store, invocation.arguments.required("CERT"));
  const auto force = invocation.arguments.has("--force") ? Force::yes : Force::no;
  refuse_unfit(*store, record, force);
  if (const auto why = force == Force::no ? store->restored() : std::nullopt) {
    throw Error{ErrorKind::refused, fmt::format("nothing was installed: the store is an older copy ({}), and a newer "
                                                "certificate may be in the places of this one",
                                                *why)}
        .hint("look at them; then `hsmbridge store accept-restored`, or give --force");
  }
  const auto request = service::request_of(*store, record);
  const auto targets = targets_of(invocation.arguments, request.order);
  const bool typed = !invocation.arguments.all("--to").empty();
  for (const auto& target : targets) {
    // A token that is not configured any more can still have its files installed.
    if (service::kind_of(target) == "token") {
      service::refuse_impossible_targets({target}, wiring->settings().token(request.order.token));
    }
  }
  Json rows = Json::array();
  std::string text;
  std::optional<Error> trouble;
  for (const auto& target : targets) {
    Json row = Json::object({{"target", target.name}});
    try {
      place_at({*wiring, *store, record, request, force, typed}, target);
      row.set("installed", true);
      text += fmt::format("installed  {}\n", safe(target.name));
    } catch (...) {
      trouble = current_error();
      row.set("installed", false);
      row.set("error", trouble->message());
      text += fmt::format("failed     {}: {}\n", safe(target.name), safe(trouble->message()));
    }
    rows.push(std::move(row));
  }
  // Who puts a late certificate in all its places wants it after all, instead of the one that it was to renew. One
  // place that was typed may be for a look only, and the other one serves on.
  const bool everywhere = !typed && !trouble;
  if (everywhere && record.status == workflow::status::kLate) {
    using workflow::StatusChange;
    namespace status = workflow::status;
    store->change_records(
        {{StatusChange::Of::certificate, record.fingerprint, {status::kLate}, status::kCurrent},
         {StatusChange::Of::certificate, record.predecessor, {status::kCurrent}, status::kSuperseded}},
        wiring->actor().name, wiring->clock().now());
  }
  const auto name = record.fingerprint.substr(0, 12);
  text += trouble ? fmt::format("next: hsmbridge cert install {}\n", name)
                  : fmt::format("next: hsmbridge cert show {}\n", name);
  invocation.output.result("hsmbridge.cert-install/1",
                           Json::object({{"certificate", record.fingerprint}, {"targets", rows}}), text);
  if (!trouble) return ExitCode::done;
  if (!trouble->hint().empty()) invocation.output.note(trouble->hint());
  return trouble->kind() == ErrorKind::unavailable ? ExitCode::unavailable : ExitCode::failed;
}

// ---- export ---------------------------------------------------------------------------------------------------------

enum class Format { pem, der, pkcs7 };

template <class Value>
Value choose(const std::string& text, std::string_view option,
             const std::vector<std::pair<std::string_view, Value>>& choices) {
  std::string words;
  for (const auto& [word, value] : choices) {
    if (word == text) return value;
    words += (words.empty() ? "" : ", ") + std::string(word);
  }
  throw Error{ErrorKind::invalid_input, fmt::format("{} is one of {}, not '{}'", option, words, text)};
}

Bytes exported(const workflow::CertificateRecord& record, Format format, service::Selection selection) {
  const auto certificates = service::select(record, selection);
  if (certificates.empty()) {
    throw Error{ErrorKind::not_found,
                fmt::format("certificate {} came without its issuers", record.fingerprint.substr(0, 12))}
        .hint("give --chain leaf");
  }
  if (format == Format::pem) return to_bytes(service::pem_of(certificates));
  if (format == Format::pkcs7) return to_bytes(x509::write_pem("PKCS7", x509::pkcs7_bundle(certificates)));
  if (certificates.size() == 1) return certificates.front();
  throw Error{ErrorKind::invalid_input, fmt::format("DER holds one certificate, and these are {}", certificates.size())}
      .hint("give --chain leaf, or --format pkcs7");
}

ExitCode export_certificate(Invocation& invocation) {
  using service::Selection;
  const auto& arguments = invocation.arguments;
  const auto format = choose<Format>(arguments.text_or("--format", "pem"), "--format",
                                     {{"pem", Format::pem}, {"der", Format::der}, {"pkcs7", Format::pkcs7}});
  const auto selection =
      choose<Selection>(arguments.text_or("--chain", format == Format::der ? "leaf" : "full"), "--chain",
                        {{"leaf", Selection::leaf},
                         {"full", format == Format::pkcs7 ? Selection::everything : Selection::full},
                         {"chain", Selection::chain}});
  const auto wiring = Wiring::open(invocation.config);
  const auto store = wiring->store();
  const auto record = service::find_certificate(*store, arguments.required("CERT"));
  const Bytes content = exported(record, format, selection);
  if (record.status != workflow::status::kCurrent) {
    invocation.output.warning(fmt::format("certificate {} is {}", record.fingerprint.substr(0, 12), record.status));
  }
  const auto file = arguments.text("--out");
  if (!file) {
    invocation.output.raw(as_text(content));
    return ExitCode::done;
  }
  write_file(*file, content, FileMode::public_0644, arguments.has("--force") ? Existing::replace : Existing::refuse);
  invocation.output.result("hsmbridge.cert-export/1",
                           Json::object({{"certificate", record.fingerprint}, {"file", *file}}),
                           fmt::format("wrote {}\n", safe(*file)));
  return ExitCode::done;
}

}  // namespace

std::vector<Command> certificate_place_commands() {
  return {
      {"cert",
       "install",
       "Put a certificate in its places, at any time",
       {{"--to", "TARGET", "token, file:PATH, hook:[\"PROGRAM\"], provider:import; else where its request wanted it",
         Times::many},
        {"--force", "",
         "a superseded or expired one too, in the place of a newer one, and from a store that is an older copy"}},
       {kCertificate},
       install,
       {ExitCode::failed, ExitCode::refused, ExitCode::unavailable},
       "Done at once, by this process; each place is an entry of the audit log. A hook runs\n"
       "again. A file is replaced only when it holds nothing but issuers and a certificate of\n"
       "the same key (unless it is unknown and valid from a later time on), or one of this bridge\n"
       "that the new one renews or that is over. A late certificate becomes current when it is in\n"
       "all places of its request, without --to.\n"},
      {"cert",
       "export",
       "Write a certificate out of the store",
       {{"--format", "FORMAT", "pem (default), der, or pkcs7 (PEM)"},
        {"--chain", "PART", "full (default: certificate and issuers, the root only in pkcs7), leaf, or chain"},
        {"--out", "FILE", "where to; else standard output"},
        {"--force", "", "replace the file"}},
       {kCertificate},
       export_certificate,
       {ExitCode::failed},
       ""},
  };
}

}  // namespace hsmbridge::cli
