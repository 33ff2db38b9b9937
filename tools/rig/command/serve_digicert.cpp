#include "base/clock.h"
#include "tools/rig/command/commands.h"
#include "tools/rig/command/serving.h"
#include "tools/rig/digicert/digicert.h"

namespace hsmbridge::rig {
namespace {

DigicertOptions digicert_options(const Arguments& arguments, const SimulatorServerOptions& server) {
  DigicertOptions digicert;
  digicert.dir = server.dir;
  digicert.client_certificates = server.client_ca.has_value();
  choose(arguments, "--shape", digicert.shape);
  choose(arguments, "--errors", digicert.envelope);
  choose(arguments, "--wrong-key", digicert.wrong_key);
  choose(arguments, "--certificates", digicert.certificate_text);
  choose(arguments, "--chain", digicert.chain_in);
  choose(arguments, "--formats", digicert.formats);
  choose(arguments, "--rejection", digicert.rejection_as);
  choose(arguments, "--request-ids", digicert.request_ids);
  choose(arguments, "--words", digicert.words);
  set_time(arguments, "--connector-delay", digicert.connector_delay);
  set_time(arguments, "--search-lag", digicert.search_lag);
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
