#include "tools/rig/command/commands.h"

#include "tools/commandline/help.h"

#include <utility>

namespace hsmbridge::rig {
namespace {

using commandline::Command;
using commandline::Option;
using commandline::Times;

constexpr Option kDir{"--dir", "DIR", "the folder of the running simulator", Times::required};

constexpr Option kPort{"--port", "N", "port of 127.0.0.1 (default: that of the last run, or a free one)"};

const std::vector<Option> kTsbOptions{
    {"--generation", "2.0|2.2|2.5",
     "server generation: which certificate fields it knows (default 2.2); 2.0 has no "
     "filteredAllApprovalTask and no level6"},
    {"--certificates", "documented|complete",
     "serial 0, 90 days, CN only, no usages, as published (default of 2.2); or as asked (default of "
     "2.5)"},
    {"--api-keys", "default|none|FILE",
     "make one a role (default), ask for none, or take {\"keyOperationToken\": [...]}"},
    {"--bearer", "FILE", "demand the bearer token in this file (mode 0600)"},
    {"--allow-short-times", "", "timelock and timeout need not be whole minutes"},
    {"--fetch-once", "", "hand out each result once"},
    {"--cleanup-interval", "TIME", "how often requests are found expired (default 5m; 0s: at once)"},
    {"--task-reader", "FILE", "one more certificate (PEM) that may list everybody's tasks", Times::many},
    {"--request-signer", "FILE", "demand requests signed by this public key (PEM)", Times::many}};

const std::vector<Option> kDigicertOptions{
    {"--shape", "real|tutorial|both", "request bodies it understands (default both)"},
    {"--errors", "array|object", "{\"errors\": [...]} (default) or {\"error\": {...}}"},
    {"--wrong-key", "json|text", "how a refused API key is answered (default json)"},
    {"--certificates", "pem|base64", "form of `certificate` (default pem)"},
    {"--chain", "certificate|ca_certs", "where include_ca_chain puts the chain (default ca_certs)"},
    {"--formats", "ordered|reversed|without-root|missing|none",
     "what additional-formats gives (default ordered); none: nor does the profile show its issuers"},
    {"--rejection", "status|error", "a rejection is a status of the pick-up (default) or an HTTP 400"},
    {"--request-ids", "uuid|number", "what a request_id is (default uuid)"},
    {"--words", "usual|other", "letter case of enumerations (default usual)"},
    {"--connector-delay", "TIME", "how long the Microsoft CA takes (default 20s)"},
    {"--search-lag", "TIME", "how long a search does not show what was issued (default 0s)"},
    {"--retry-after", "TEXT", "Retry-After of a PENDING answer: seconds or an HTTP-date"},
    {"--more-profiles", "N", "so many more deleted profiles, for pages (default 0)"}};

const std::vector<Option> kVenafiDecision{
    kDir,
    {"--id", "ID", "of the request; for a revocation the certificate's SHA-1 fingerprint"},
    {"--by", "USER", "alice, bob or carol (default: the next who may)"},
    {"--reason", "TEXT", "why"}};

Command command(std::string_view noun, std::string_view verb, std::string_view help, ExitCode (*run)(Invocation&),
                std::vector<Option> options) {
  return {noun, verb, help, std::move(options), {}, run, {ExitCode::failed, ExitCode::refused, ExitCode::unavailable},
          ""};
}

// Of a simulator that serves: those of all, then its own.
std::vector<Option> serving(std::string_view dir, std::string_view client_ca, std::vector<Option> own) {
  std::vector<Option> options{{"--dir", "DIR", dir, Times::required}, kPort, {"--client-ca", "FILE", client_ca}};
  options.insert(options.end(), own.begin(), own.end());
  return options;
}

std::vector<Command> own_commands() {
  return {
      command("serve", "tsb", "run a simulated Securosys TSB until SIGTERM", serve_tsb,
              serving("its folder: state, keys, journal, CA; made when missing",
                      "demand TLS client certificates of this CA (PEM)", kTsbOptions)),
      command("serve", "digicert", "run a simulated DigiCert Trust Lifecycle Manager until SIGTERM", serve_digicert,
              serving("its folder: state (survives a restart), CA, API keys, journal; made when missing",
                      "demand TLS client certificates of this CA (PEM); no API key is needed then", kDigicertOptions)),
      command("serve", "venafi", "run a simulated Venafi TLS Protect Cloud until SIGTERM", serve_venafi,
              serving("its folder: credentials, CA, journal; made when missing",
                      "demand TLS client certificates of this CA (PEM)", {})),
      command(
          "serve", "files", "run the web server of a CA until SIGTERM: CRLs and certificates over HTTP", serve_files,
          {{"--dir", "DIR", "what is in its folder `public` is served; made when missing", Times::required}, kPort}),
      command("tsb", "create-ca", "make a CA key with a quorum policy and its certificate at the running TSB",
              create_ca,
              {kDir,
               {"--label", "LABEL", "name of the key; the certificate is written to DIR/LABEL.pem", Times::required},
               {"--algorithm", "EC|RSA|ED", "EC is P-256, RSA is 3072 bits (default EC)"},
               {"--curve", "P-256|P-384|P-521", "for EC"},
               {"--key-size", "BITS", "for RSA: 2048, 3072, 4096 or 8192"},
               {"--approver", "NAME=FILE", "public key or certificate (PEM) of one who may approve", Times::many},
               {"--quorum", "N", "how many of them must approve (default 1)", Times::many},
               {"--group", "NAME", "what follows (--quorum, --approver) is a group of this name; all groups must agree",
                Times::many},
               {"--no-approval", "", "instead: nobody need approve, what is asked is done at once"},
               {"--timelock", "SECONDS", "how long after the request it may be executed at the earliest (default 0)"},
               {"--timeout", "SECONDS", "how long after the request approvals count; 0: always (default 86400)"},
               {"--subject", "NAME", "subject of the certificate (default CN=LABEL)"},
               {"--days", "N", "its validity (default 3650)"},
               {"--password", "TEXT", "the password of the key (default none)"}}),
      command("digicert", "approve", "approve a request that waits at the running DigiCert", approve_request,
              {kDir,
               {"--id", "ID", "the request; may be left out when one waits"},
               {"--by", "NAME", "the administrator (default admin1, then admin2)"}}),
      command("digicert", "reject", "reject a request that waits at the running DigiCert", reject_request,
              {kDir,
               {"--id", "ID", "the request; may be left out when one waits"},
               {"--by", "NAME", "the administrator"},
               {"--reason", "TEXT", "why"}}),
      command("venafi", "approve", "approve a certificate request, or a revocation, at the running Venafi",
              approve_request, kVenafiDecision),
      command("venafi", "reject", "reject one of them", reject_request, kVenafiDecision),
      command("venafi", "set", "make the running Venafi behave as the real one has been seen to", set_venafi,
              {kDir,
               {"--knobs", "JSON",
                "object of inventory_lag_seconds, not_signed, nested_args, dates (+0000, +00:00), token_seconds, "
                "wrong_key, chain (as-asked, reversed, missing), validity (kept, clipped, ignored), without_ids, "
                "drops_tags, "
                "hides_requests"},
               {"--expire-tokens", "", "end every access token that was given"}}),
      command("venafi", "jwt", "write a JWT of the rig's own identity provider, for external_jwt with a token_url",
              write_jwt,
              {kDir,
               {"--out", "FILE", "where to; replaced when it is there", Times::required},
               {"--subject", "NAME", "of the federated account (default hsmbridge, the one there is)"}}),
      command("fault", "", "make the running simulator misbehave", set_fault,
              {kDir,
               {"--kind", "KIND",
                "status, html, delay, drop-before, drop-after, commit-late, truncate, huge, wrong-certificate, "
                "wrong-signature, set"},
               {"--method", "METHOD", "only this HTTP method"},
               {"--path", "PREFIX", "only paths that begin so"},
               {"--after", "N", "leave so many alone first (default 0)"},
               {"--times", "N", "hit so many; 0: all (default 1)"},
               {"--status", "N", "status of 'status' (default 500) and 'html' (default 502)"},
               {"--body", "JSON", "body of 'status'"},
               {"--retry-after", "TEXT", "Retry-After of 'status': seconds or an HTTP-date"},
               {"--wait", "TIME", "how long 'delay' and 'commit-late' wait (default 1s)"},
               {"--bytes", "N", "size of 'huge' (default 50 MB)"},
               {"--members", "JSON", "object whose members 'set' puts into the answer"},
               {"--clear", "", "forget all faults instead"}}),
      command("faults", "", "list the faults of the running simulator and how often each has hit", list_faults, {kDir}),
      command("clock", "", "move the running simulator's time, not that of its clients", move_clock,
              {kDir,
               {"--advance", "TIME", "forward by 2h, 3d, 90s"},
               {"--approver-skew", "SECONDS",
                "TSB: judge approvers' clocks by a server clock so many seconds ahead (may be negative)"}}),
      command("journal", "", "print what the simulator received, one JSON line a request", show_journal, {kDir}),
      command("requests", "", "print the requests the simulator holds, one JSON line each", show_requests, {kDir}),
      command("block", "", "block a key at the running TSB, or free it", block_key,
              {kDir, {"--label", "LABEL", "the key", Times::required}, {"--off", "", "free it"}}),
      command("reset", "", "empty the running simulator: what clients made, faults, journal", reset_simulator, {kDir}),
  };
}

// Those with verbs have a line of their own; the others speak for themselves.
std::vector<commandline::Noun> all_nouns() {
  std::vector<commandline::Noun> nouns{{"serve", "run a simulated provider, or the web server of a CA, until SIGTERM"},
                                       {"tsb", "the running TSB"},
                                       {"digicert", "the running DigiCert"},
                                       {"venafi", "the running Venafi"}};
  for (const Command& command : own_commands()) {
    if (command.verb.empty()) nouns.push_back({command.noun, command.help});
  }
  nouns.push_back(commandline::kHelpNoun);
  nouns.push_back(commandline::kCompletionNoun);
  return nouns;
}

std::vector<Command> all_commands() {
  std::vector<Command> commands = own_commands();
  for (Command& one : commandline::help_commands("hsmbridge-rig", {})) commands.push_back(std::move(one));
  return commands;
}

}  // namespace

commandline::Program whole_program() {
  return {"hsmbridge-rig",
          "simulated certificate providers on 127.0.0.1, for tests and rehearsals",
          "Simulated certificate providers for tests and rehearsals.",
          {{"--help", "", "this text (also -h)"}, {"--version", "", "the version"}},
          all_nouns(),
          all_commands()};
}

}  // namespace hsmbridge::rig
