#include "base/error.h"
#include "base/file.h"
#include "service/certificates/certificates.h"
#include "service/certificates/placing.h"
#include "tools/hsmbridge/command/cert_life.h"
#include "tools/hsmbridge/wiring/wiring.h"
#include "views/certificates.h"

#include <fmt/core.h>

#include <utility>

namespace hsmbridge::cli {

namespace {

using commandline::Positional;
using commandline::safe;
using commandline::Times;

const Positional kPlaced{"CERT", "the beginning of its SHA-256, or the request that brought it"};

// ---- install --------------------------------------------------------------------------------------------------------

ExitCode install(Invocation& invocation) {
  const auto& arguments = invocation.arguments;
  const auto wiring = Wiring::open(invocation.config);
  const auto store = wiring->store();
  const auto record = service::find_certificate(*store, arguments.required("CERT"));
  const auto placed = service::place_certificate(wiring->actor(), *wiring, *store, record, arguments.all("--to"),
                                                 arguments.has("--force") ? service::Force::yes : service::Force::no);
  std::string text;
  const Error* trouble = nullptr;
  for (const auto& [target, why] : placed) {
    text += why ? fmt::format("failed     {}: {}\n", safe(target.name), safe(why->message()))
                : fmt::format("installed  {}\n", safe(target.name));
    if (why) trouble = &*why;
  }
  text += fmt::format("next: hsmbridge cert {} {}\n", trouble != nullptr ? "install" : "show",
                      record.fingerprint.substr(0, 12));
  invocation.output.result("hsmbridge.cert-install/1", views::placed(record.fingerprint, placed), text);
  if (trouble == nullptr) return ExitCode::done;
  if (!trouble->hint().empty()) invocation.output.note(trouble->hint());
  return trouble->kind() == ErrorKind::unavailable ? ExitCode::unavailable : ExitCode::failed;
}

// ---- export ---------------------------------------------------------------------------------------------------------

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

ExitCode export_certificate(Invocation& invocation) {
  using service::Selection;
  using Form = service::CertificateForm;
  const auto& arguments = invocation.arguments;
  const auto format = choose<Form>(arguments.text_or("--format", "pem"), "--format",
                                   {{"pem", Form::pem}, {"der", Form::der}, {"pkcs7", Form::pkcs7}});
  const auto selection =
      choose<Selection>(arguments.text_or("--chain", format == Form::der ? "leaf" : "full"), "--chain",
                        {{"leaf", Selection::leaf},
                         {"full", format == Form::pkcs7 ? Selection::everything : Selection::full},
                         {"chain", Selection::chain}});
  const auto wiring = Wiring::open(invocation.config);
  const auto store = wiring->store();
  const auto record = service::find_certificate(*store, arguments.required("CERT"));
  const Bytes content = service::exported(record, format, selection);
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
       {kPlaced},
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
       {kPlaced},
       export_certificate,
       {ExitCode::failed},
       ""},
  };
}

}  // namespace hsmbridge::cli
