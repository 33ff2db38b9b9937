#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "tools/rig/command/commands.h"
#include "tools/rig/command/serving.h"
#include "tools/rig/pki/certificates.h"
#include "tools/rig/pki/software_key.h"
#include "tools/rig/tsb/tsb.h"
#include "tools/rig/venafi/venafi.h"

#include <fmt/core.h>

namespace hsmbridge::rig {
namespace {

std::string text_of(const std::string& path) {
  return to_text(read_file(path));
}

TsbOptions tsb_options(const Arguments& arguments, const std::filesystem::path& dir) {
  TsbOptions tsb;
  tsb.dir = dir;
  tsb.pki = make_test_pki(dir);
  choose(arguments, "--generation", tsb.generation);
  if (tsb.generation == Generation::v2_5) tsb.certificates = CertificateStyle::complete;
  choose(arguments, "--certificates", tsb.certificates);

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

}  // namespace

ExitCode serve_tsb(Invocation& invocation) {
  const SystemClock clock;
  const SimulatorServerOptions options = server_options("tsb", invocation.arguments);
  const auto tsb = std::make_shared<Tsb>(tsb_options(invocation.arguments, options.dir), clock);
  return serve(invocation, options, tsb, "Securosys TSB", "keys and tokens");
}

ExitCode serve_venafi(Invocation& invocation) {
  const SystemClock clock;
  const SimulatorServerOptions options = server_options("venafi", invocation.arguments);
  const auto venafi = std::make_shared<venafi::Venafi>(options.dir, clock);
  return serve(invocation, options, venafi, "Venafi TLS Protect Cloud",
               fmt::format("issuing root {}, API keys and zones", venafi->ca().root_file().string()));
}

}  // namespace hsmbridge::rig
