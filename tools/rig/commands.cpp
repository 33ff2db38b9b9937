#include "tools/rig/commands.h"

namespace hsmbridge::rig {
namespace {

constexpr Flag kDir{"--dir", "DIR", "the folder of the running simulator"};

}  // namespace

const std::vector<Command>& commands() {
  static const std::vector<Command> table{
      {"serve tsb",
       "run a simulated Securosys TSB until SIGTERM",
       {{"--dir", "DIR", "its folder: state, keys, journal, CA; made when missing"},
        {"--port", "N", "port of 127.0.0.1 (default: that of the last run, or a free one)"},
        {"--generation", "2.0|2.2|2.5",
         "server generation: which certificate fields it knows (default 2.2); 2.0 has no filteredAllApprovalTask and "
         "no "
         "level6"},
        {"--certificates", "documented|complete",
         "serial 0, 90 days, CN only, no usages, as published (default of 2.2); or as asked (default of 2.5)"},
        {"--client-ca", "FILE", "demand TLS client certificates of this CA (PEM)"},
        {"--api-keys", "default|none|FILE",
         "make one a role (default), ask for none, or take {\"keyOperationToken\": [...]}"},
        {"--bearer", "FILE", "demand the bearer token in this file (mode 0600)"},
        {"--allow-short-times", "", "timelock and timeout need not be whole minutes"},
        {"--fetch-once", "", "hand out each result once"},
        {"--cleanup-interval", "TIME", "how often requests are found expired (default 5m; 0s: at once)"},
        {"--task-reader", "FILE", "one more certificate (PEM) that may list everybody's tasks; may repeat"},
        {"--request-signer", "FILE", "demand requests signed by this public key (PEM); may repeat"}},
       serve_tsb},
      {"serve blackhole",
       "run a server that reads a POST and closes without an answer",
       {{"--dir", "DIR", "its folder: journal, CA; made when missing"},
        {"--port", "N", "port of 127.0.0.1 (default: a free one)"},
        {"--mode", "reads-post-then-closes", "the one mode there is"}},
       serve_blackhole},
      {"tsb create-ca",
       "make a CA key with a quorum policy and its certificate at the running TSB",
       {kDir,
        {"--label", "LABEL", "name of the key; the certificate is written to DIR/LABEL.pem"},
        {"--algorithm", "EC|RSA|ED", "EC is P-256, RSA is 3072 bits (default EC)"},
        {"--curve", "P-256|P-384|P-521", "for EC"},
        {"--key-size", "BITS", "for RSA: 2048, 3072, 4096 or 8192"},
        {"--approver", "NAME=FILE", "public key or certificate (PEM) of one who may approve; may repeat"},
        {"--quorum", "N", "how many of them must approve (default 1)"},
        {"--group", "NAME",
         "what follows (--quorum, --approver) is a group of this name; may repeat: all groups must agree"},
        {"--no-approval", "", "instead: nobody need approve, what is asked is done at once"},
        {"--timelock", "SECONDS", "how long after the request it may be executed at the earliest (default 0)"},
        {"--timeout", "SECONDS", "how long after the request approvals count; 0: always (default 86400)"},
        {"--subject", "NAME", "subject of the certificate (default CN=LABEL)"},
        {"--days", "N", "its validity (default 3650)"}},
       create_ca},
      {"fault",
       "make the running simulator misbehave",
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
        {"--clear", "", "forget all faults instead"}},
       set_fault},
      {"faults", "list the faults of the running simulator and how often each has hit", {kDir}, list_faults},
      {"clock",
       "move the running simulator's time, not that of its clients",
       {kDir,
        {"--advance", "TIME", "forward by 2h, 3d, 90s"},
        {"--approver-skew", "SECONDS",
         "TSB: judge approvers' clocks by a server clock so many seconds ahead (may be negative)"}},
       move_clock},
      {"journal", "print what the simulator received, one JSON line a request", {kDir}, show_journal},
      {"requests", "print the requests the simulator holds, one JSON line each", {kDir}, show_requests},
      {"block",
       "block a key at the running TSB, or free it",
       {kDir, {"--label", "LABEL", "the key"}, {"--off", "", "free it"}},
       block_key},
      {"reset", "empty the running simulator: what clients made, faults, journal", {kDir}, reset_simulator},
  };
  return table;
}

}  // namespace hsmbridge::rig
