#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "tools/rig/command/commands.h"
#include "tools/rig/command/serving.h"
#include "tools/rig/pki/certificates.h"
#include "tools/rig/pki/software_key.h"
#include "tools/rig/server/blackhole.h"
#include "tools/rig/tsb/server.h"
#include "tools/rig/venafi/venafi.h"

#include <fmt/core.h>

namespace hsmbridge::rig {
namespace {

std::string text_of(const std::string& path) {
  return to_text(read_file(path));
}

TsbServerOptions tsb_options(const Arguments& arguments) {
  TsbServerOptions options;
  TsbOptions& tsb = options.tsb;
  tsb.dir = arguments.required("--dir");
  options.port = port_of(arguments);
  if (const auto file = arguments.text("--client-ca")) options.client_ca = *file;

  const std::string generation = arguments.text_or("--generation", "2.2");
  const std::optional<Generation> known = generation_from(generation);
  if (!known) throw not_one_of("--generation", generation, "2.0, 2.2 or 2.5");
  tsb.generation = *known;
  const std::string style =
      arguments.text_or("--certificates", tsb.generation == Generation::v2_5 ? "complete" : "documented");
  if (style != "documented" && style != "complete") {
    throw not_one_of("--certificates", style, "documented or complete");
  }
  tsb.certificates = style == "documented" ? CertificateStyle::as_documented : CertificateStyle::complete;

  const std::string keys = arguments.text_or("--api-keys", "default");
  options.api_key_use = keys == "default" ? ApiKeyUse::generated : keys == "none" ? ApiKeyUse::none : ApiKeyUse::given;
  if (options.api_key_use == ApiKeyUse::given) tsb.api_keys = read_api_keys(Json::parse(text_of(keys)));
  if (const auto file = arguments.text("--bearer")) tsb.bearer = read_secret_file(*file);

  if (arguments.has("--allow-short-times")) tsb.times = TimeGranularity::seconds;
  if (arguments.has("--fetch-once")) tsb.hand_out = ResultHandOut::once;
  if (const auto time = arguments.text("--cleanup-interval")) {
    tsb.cleanup_interval = std::chrono::duration_cast<std::chrono::seconds>(parse_duration(*time));
  }
  for (const std::string& file : arguments.all("--task-reader")) {
    tsb.timestamp_signers.push_back(certificate_from_pem(text_of(file)));
  }
  for (const std::string& file : arguments.all("--request-signer")) {
    tsb.request_signers.push_back(public_key_from_pem(text_of(file)));
  }
  return options;
}

}  // namespace

ExitCode serve_tsb(Invocation& invocation) {
  const TsbServer server(tsb_options(invocation.arguments));
  invocation.output.raw(fmt::format("simulated Securosys TSB at {}, CA {}, keys and tokens in {}\n", server.url(),
                                    server.pki().ca.string(), (server.pki().ca.parent_path() / "tsb.json").string()));
  wait_for_signal();
  return ExitCode::done;
}

ExitCode serve_venafi(Invocation& invocation) {
  const Arguments& arguments = invocation.arguments;
  SimulatorServerOptions options{"venafi", arguments.required("--dir"), port_of(arguments), std::nullopt};
  if (const auto file = arguments.text("--client-ca")) options.client_ca = *file;
  SimulatorServer::prepare(options.dir);
  const SystemClock clock;
  const auto simulator = std::make_shared<venafi::Venafi>(std::filesystem::absolute(options.dir), clock);
  const SimulatorServer server(options, simulator);
  invocation.output.raw(
      fmt::format("simulated Venafi TLS Protect Cloud at {}, CA {}, issuing root {}, API keys and zones in {}\n",
                  server.url(), server.pki().ca.string(), simulator->ca().root_file().string(),
                  (server.pki().ca.parent_path() / "venafi.json").string()));
  wait_for_signal();
  return ExitCode::done;
}

ExitCode serve_blackhole(Invocation& invocation) {
  const Arguments& arguments = invocation.arguments;
  const std::string mode = arguments.text_or("--mode", "reads-post-then-closes");
  if (mode != "reads-post-then-closes") throw not_one_of("--mode", mode, "reads-post-then-closes");
  const Blackhole server({arguments.required("--dir"), port_of(arguments)});
  invocation.output.raw(fmt::format("server that swallows POSTs at {}, CA {}\n", server.url(), server.ca().string()));
  wait_for_signal();
  return ExitCode::done;
}

}  // namespace hsmbridge::rig
