#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/text.h"
#include "tools/rig/command/commands.h"
#include "tools/rig/digicert/digicert.h"
#include "tools/rig/pki/certificates.h"
#include "tools/rig/pki/software_key.h"
#include "tools/rig/server/file_server.h"
#include "tools/rig/server/simulator_server.h"
#include "tools/rig/tsb/tsb.h"
#include "tools/rig/venafi/venafi.h"

#include <fmt/core.h>

#include <algorithm>
#include <csignal>

namespace hsmbridge::rig {
namespace {

std::string text_of(const std::string& path) {
  return to_text(read_file(path));
}

// Sets `value` to the word of the option, of those in the order of its enumeration; one that was left out changes
// nothing. Throws invalid_input.
template <class Value>
void choose(const Arguments& arguments, std::string_view option, Value& value,
            const std::vector<std::string_view>& words) {
  const auto word = arguments.text(option);
  if (!word) return;
  const auto found = std::find(words.begin(), words.end(), *word);
  if (found == words.end()) {
    const std::vector<std::string_view> but_last(words.begin(), words.end() - 1);
    throw Error{ErrorKind::invalid_input,
                fmt::format("{} is {} or {}, not '{}'", option, joined(but_last), words.back(), *word)};
  }
  value = static_cast<Value>(found - words.begin());
}

void set_time(const Arguments& arguments, std::string_view option, std::chrono::seconds& value) {
  const auto time = arguments.text(option);
  if (time) value = std::chrono::duration_cast<std::chrono::seconds>(parse_duration(*time));
}

std::optional<int> port_in(const Arguments& arguments) {
  const long port = arguments.number("--port", 0, 65535).value_or(0);
  return port == 0 ? std::nullopt : std::optional(static_cast<int>(port));
}

// Where it serves: NAME, --dir (made, with the test CA), --port, --client-ca.
SimulatorServerOptions server_options(std::string name, const Arguments& arguments) {
  SimulatorServerOptions options{std::move(name), std::filesystem::absolute(arguments.required("--dir")),
                                 port_in(arguments), std::nullopt};
  if (const auto file = arguments.text("--client-ca")) options.client_ca = *file;
  make_test_pki(options.dir);
  return options;
}

void wait_for_signal() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  int number = 0;
  sigwait(&signals, &number);
}

// Serves and says where, with what else `more` has to say, until a signal comes.
ExitCode serve(Invocation& invocation, const SimulatorServerOptions& options,
               const std::shared_ptr<Simulator>& simulator, const std::string& what, const std::string& more) {
  const SimulatorServer server(options, simulator);
  invocation.output.raw(fmt::format("simulated {} at {}, CA {}, {} in {}\n", what, server.url(),
                                    server.pki().ca.string(), more, (options.dir / (options.name + ".json")).string()));
  wait_for_signal();
  return ExitCode::done;
}

TsbOptions tsb_options(const Arguments& arguments, const std::filesystem::path& dir) {
  TsbOptions tsb;
  tsb.dir = dir;
  tsb.pki = make_test_pki(dir);
  choose(arguments, "--generation", tsb.generation, {kGenerations.begin(), kGenerations.end()});
  if (tsb.generation == Generation::v2_5) tsb.certificates = CertificateStyle::complete;
  choose(arguments, "--certificates", tsb.certificates, {"documented", "complete"});
  const std::string keys = arguments.text_or("--api-keys", "default");
  if (keys == "default") {
    tsb.api_keys = kept_api_keys(dir / "tsb-api-keys.json");
  } else if (keys != "none") {
    tsb.api_keys = read_api_keys(Json::parse(text_of(keys)));
  }
  if (const auto file = arguments.text("--bearer")) tsb.bearer = read_secret_file(*file);
  if (arguments.has("--allow-short-times")) tsb.times = TimeGranularity::seconds;
  if (arguments.has("--fetch-once")) tsb.hand_out = ResultHandOut::once;
  set_time(arguments, "--cleanup-interval", tsb.cleanup_interval);
  for (const std::string& file : arguments.all("--task-reader")) {
    tsb.timestamp_signers.push_back(certificate_from_pem(text_of(file)));
  }
  for (const std::string& file : arguments.all("--request-signer")) {
    tsb.request_signers.push_back(public_key_from_pem(text_of(file)));
  }
  return tsb;
}

DigicertOptions digicert_options(const Arguments& arguments, const SimulatorServerOptions& server) {
  DigicertOptions digicert;
  digicert.dir = server.dir;
  digicert.client_certificates = server.client_ca.has_value();
  choose(arguments, "--shape", digicert.shape, {"both", "real", "tutorial"});
  choose(arguments, "--errors", digicert.envelope, {"array", "object"});
  choose(arguments, "--wrong-key", digicert.wrong_key, {"json", "text"});
  choose(arguments, "--certificates", digicert.certificate_text, {"pem", "base64"});
  choose(arguments, "--chain", digicert.chain_in, {"ca_certs", "certificate"});
  choose(arguments, "--formats", digicert.formats, {"ordered", "reversed", "without-root", "missing", "none"});
  choose(arguments, "--rejection", digicert.rejection_as, {"status", "error"});
  choose(arguments, "--request-ids", digicert.request_ids, {"uuid", "number"});
  choose(arguments, "--words", digicert.words, {"usual", "other"});
  set_time(arguments, "--connector-delay", digicert.connector_delay);
  set_time(arguments, "--search-lag", digicert.search_lag);
  digicert.pending_retry_after = arguments.text_or("--retry-after", "");
  digicert.more_profiles = static_cast<std::size_t>(arguments.number("--more-profiles", 0, 10'000).value_or(0));
  return digicert;
}

}  // namespace

ExitCode serve_tsb(Invocation& invocation) {
  const SystemClock clock;
  const SimulatorServerOptions options = server_options("tsb", invocation.arguments);
  const auto tsb = std::make_shared<Tsb>(tsb_options(invocation.arguments, options.dir), clock);
  return serve(invocation, options, tsb, "Securosys TSB", "keys and tokens");
}

ExitCode serve_digicert(Invocation& invocation) {
  const SystemClock clock;
  const SimulatorServerOptions options = server_options("digicert", invocation.arguments);
  const auto digicert = std::make_shared<Digicert>(digicert_options(invocation.arguments, options), clock);
  return serve(invocation, options, digicert, "DigiCert Trust Lifecycle Manager", "API keys and root");
}

ExitCode serve_venafi(Invocation& invocation) {
  const SystemClock clock;
  const SimulatorServerOptions options = server_options("venafi", invocation.arguments);
  const auto venafi = std::make_shared<venafi::Venafi>(options.dir, clock);
  return serve(invocation, options, venafi, "Venafi TLS Protect Cloud",
               fmt::format("issuing root {}, API keys and zones", venafi->ca().root_file().string()));
}

ExitCode serve_files(Invocation& invocation) {
  const auto dir = std::filesystem::absolute(invocation.arguments.required("--dir"));
  const FileServer server(dir, port_in(invocation.arguments));
  invocation.output.raw(fmt::format("files of {} at {}\n", (dir / "public").string(), server.url()));
  wait_for_signal();
  return ExitCode::done;
}

}  // namespace hsmbridge::rig
