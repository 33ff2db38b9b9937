#include "base/clock.h"
#include "tools/rig/command/commands.h"
#include "tools/rig/command/serving.h"
#include "tools/rig/digicert/digicert.h"

namespace hsmbridge::rig {
namespace {

// The word of a flag as the value of an enumeration; the first choice is the default.
template <class Value>
Value choice(const Arguments& arguments, std::string_view flag,
             const std::vector<std::pair<std::string_view, Value>>& choices) {
  const std::string word = arguments.text_or(flag, choices.front().first);
  std::string words;
  for (const auto& [name, value] : choices) {
    if (name == word) return value;
    words += (words.empty() ? "" : " or ") + std::string(name);
  }
  throw not_one_of(flag, word, words);
}

DigicertOptions digicert_options(const Arguments& arguments, const SimulatorServerOptions& server) {
  using Options = DigicertOptions;
  Options digicert;
  digicert.dir = server.dir;
  digicert.client_certificates = server.client_ca.has_value();
  digicert.shape = choice<Options::Shape>(
      arguments, "--shape",
      {{"both", Options::Shape::both}, {"real", Options::Shape::real}, {"tutorial", Options::Shape::tutorial}});
  digicert.envelope = choice<DigicertEnvelope>(
      arguments, "--errors", {{"array", DigicertEnvelope::array}, {"object", DigicertEnvelope::object}});
  digicert.wrong_key = choice<Options::WrongKey>(
      arguments, "--wrong-key", {{"json", Options::WrongKey::json}, {"text", Options::WrongKey::text}});
  digicert.certificate_text = choice<Options::CertificateText>(
      arguments, "--certificates",
      {{"pem", Options::CertificateText::pem}, {"base64", Options::CertificateText::base64}});
  digicert.chain_in = choice<Options::ChainIn>(
      arguments, "--chain", {{"ca_certs", Options::ChainIn::ca_certs}, {"certificate", Options::ChainIn::certificate}});
  digicert.formats = choice<Options::Formats>(arguments, "--formats",
                                              {{"ordered", Options::Formats::ordered},
                                               {"reversed", Options::Formats::reversed},
                                               {"without-root", Options::Formats::without_root},
                                               {"missing", Options::Formats::missing},
                                               {"none", Options::Formats::none}});
  digicert.rejection_as = choice<Options::RejectionAs>(
      arguments, "--rejection", {{"status", Options::RejectionAs::status}, {"error", Options::RejectionAs::error}});
  digicert.request_ids = choice<Options::RequestIds>(
      arguments, "--request-ids", {{"uuid", Options::RequestIds::uuid}, {"number", Options::RequestIds::number}});
  digicert.words = choice<Options::Words>(arguments, "--words",
                                          {{"usual", Options::Words::usual}, {"other", Options::Words::other}});
  if (const auto time = arguments.text("--connector-delay")) {
    digicert.connector_delay = std::chrono::duration_cast<std::chrono::seconds>(parse_duration(*time));
  }
  if (const auto time = arguments.text("--search-lag")) {
    digicert.search_lag = std::chrono::duration_cast<std::chrono::seconds>(parse_duration(*time));
  }
  digicert.pending_retry_after = arguments.text_or("--retry-after", "");
  digicert.more_profiles = static_cast<std::size_t>(arguments.number("--more-profiles", 0, 10'000).value_or(0));
  return digicert;
}

}  // namespace

ExitCode serve_digicert(Invocation& invocation) {
  const SystemClock clock;
  const SimulatorServerOptions options = server_options("digicert", invocation.arguments);
  const auto digicert = std::make_shared<Digicert>(digicert_options(invocation.arguments, options), clock);
  return serve(invocation, options, digicert, "DigiCert Trust Lifecycle Manager", "API keys and root");
}

}  // namespace hsmbridge::rig
