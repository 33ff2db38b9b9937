#include "base/error.h"
#include "base/file.h"
#include "service/certificates/renewal.h"
#include "service/content/csr.h"
#include "service/effects/install.h"
#include "service/requests/enroll.h"
#include "tools/hsmbridge/command/commands.h"
#include "tools/hsmbridge/command/request_wait.h"
#include "tools/hsmbridge/text/request.h"
#include "tools/hsmbridge/usecase/ask_options.h"
#include "tools/hsmbridge/usecase/enroll_check.h"
#include "tools/hsmbridge/wiring/wiring.h"
#include "x509/judge/advice.h"
#include "x509/objects/certificate.h"
#include "x509/objects/pem.h"

#include <fmt/core.h>

#include <algorithm>
#include <span>
#include <utility>

namespace hsmbridge::cli {

namespace {

using commandline::Option;
using commandline::Times;

// What one enrolment asks for; on the command line, or a row of a batch.
struct Wanted {
  std::optional<std::string> provider, profile, token;
  std::optional<std::string> new_key, spec, key;
  service::AskWishes wishes;
  std::optional<x509::Content> like;
  std::vector<std::string> install;
  std::optional<Duration> deadline;
};

// What names the key from here on: its id, so that another key of that label that appears later changes nothing; its
// URI, id and label together, where another key has that id too.
std::string lasting_selector(workflow::KeyRing& ring, const workflow::KeyInfo& key) {
  std::string by_id = "id=" + hex(key.id);
  return ring.match(by_id).size() == 1 ? by_id : key.uri;
}

// Ordered before by the same words, and its certificate is in use: whoever types them again learns that, and nothing is
// ordered twice.
void refuse_done(Wiring& wiring, workflow::Store& store, const service::NewRequest& request, const SpkiHash& spki) {
  const auto done = service::done_before(store, request, spki, wiring.clock().now());
  if (!done) return;
  throw Error{ErrorKind::conflict, fmt::format("request {} brought the certificate for exactly this", done->str())}
      .with("done-by", done->str())
      .hint("for another one: hsmbridge cert renew");
}

void use_key(Wiring& wiring, workflow::Store& store, const std::string& selector,
             const std::vector<std::string>& accept, service::NewRequest& request) {
  request.key = {};
  request.key.selector = selector;
  request.key.accept = accept;
  const auto ring = wiring.key_ring(request.token);
  auto key = ring->find(selector);
  if (key.spec) ring->expect_to_sign(service::algorithm_for(request.ask, *key.spec));
  // Refused now, not when the request is there.
  key = ring->signer(key, {workflow::Purpose::csr, "enroll", Json::object(), accept}, wiring.recorder()).key;
  if (key.name != key.label) request.key.selector = key.uri;  // the journal holds UTF-8
  if (!key.id.empty()) request.key.selector = lasting_selector(*ring, key);
  service::refuse_spent_key(store, request.token, key.spki_hash);
  service::refuse_duplicate(store, request);
  refuse_done(wiring, store, request, key.spki_hash);
}

void make_key(Wiring& wiring, workflow::Store& store, const std::string& label, const x509::KeySpec& spec,
              service::NewRequest& request) {
  request.key = {};
  request.key.source = workflow::KeyWish::Source::make;
  request.key.selector = label;
  request.key.spec = x509::to_string(spec);
  service::refuse_duplicate(store, request);
  for (const auto& key : store.keys({std::nullopt, request.token, label})) {
    refuse_done(wiring, store, request, key.spki);
  }
  const auto& algorithm = service::algorithm_for(request.ask, spec);
  const auto ring = wiring.key_ring(request.token);
  ring->expect_to_sign(algorithm);
  try {
    request.key.cka_id = hex(ring->plan(std::span(&label, 1), spec, {}).front().id);
  } catch (const Error& error) {
    const auto left = error.kind() == ErrorKind::conflict ? service::left_over_key(store, request) : std::nullopt;
    if (!left) throw;
    use_key(wiring, store, "id=" + left->cka_id, {}, request);
  }
}

// Everything that can be refused before anything is written: names, the key, the PIN.
service::NewRequest resolve(Wiring& wiring, workflow::Store& store, const Wanted& wanted) {
  const auto& settings = wiring.settings();
  const auto& profile = settings.profile(wanted.profile.value_or(""));
  service::NewRequest request;
  request.profile = profile.name;
  request.provider = settings.provider(wanted.provider ? *wanted.provider : profile.provider.value_or("")).name;
  request.token = settings.token(wanted.token ? *wanted.token : profile.token.value_or("")).name;
  request.ask = service::build_ask(wanted.like ? &*wanted.like : nullptr, &profile, wanted.wishes);
  request.targets = service::install_targets(profile, wanted.install);
  service::refuse_impossible_targets(request.targets, settings.token(request.token));
  request.deadline = wanted.deadline ? wanted.deadline : profile.deadline;
  request.max_age = profile.max_age;
  // Nobody could give them: the request would wait for ever.
  service::refuse_profile(profile);
  request.created_by = wiring.actor().name;
  workflow::Order order;
  order.profile = profile.name;
  wiring.anchors(order);  // unreadable ones are refused now, not when the certificate is there
  wiring.provider(request.provider);

  if (wanted.new_key.has_value() == wanted.key.has_value()) {
    throw Error{ErrorKind::invalid_input, "name the key: --new-key LABEL for one to be made, or --key SELECTOR"};
  }
  if (wanted.new_key) {
    make_key(wiring, store, *wanted.new_key,
             x509::parse_key_spec(wanted.spec ? *wanted.spec : profile.key.value_or("ec:P-256")), request);
  } else {
    if (wanted.spec) throw Error{ErrorKind::invalid_input, "--spec belongs to --new-key: the other key exists"};
    use_key(wiring, store, *wanted.key, service::accepted_of_key(&profile, wanted.wishes), request);
  }
  return request;
}

workflow::Order create(Wiring& wiring, workflow::Store& store, const service::NewRequest& request) {
  return service::create_request(store, request, service::timing_for(wiring.settings(), request.provider),
                                 wiring.clock().now(), random_bytes(8));
}

// Orders it; or finds the request that the same words ordered before: typing a command again goes on with an open one,
// and says that it is done where its certificate is in use.
RequestId order_once(Invocation& invocation, Wiring& wiring, workflow::Store& store, const Wanted& wanted) {
  try {
    const auto request = resolve(wiring, store, wanted);
    if (wanted.new_key && request.key.source == workflow::KeyWish::Source::use) {
      invocation.output.note(
          fmt::format("key {} was made for a request that ended without a certificate: using it", *wanted.new_key));
    }
    const auto id = create(wiring, store, request).id;
    for (const auto& sentence : x509::advice(request.ask.content)) invocation.output.warning(sentence);
    return id;
  } catch (const Error& error) {
    const std::string open(error.detail("same-order"));
    const std::string done(error.detail("done-by"));
    if (error.kind() != ErrorKind::conflict || (open.empty() && done.empty())) throw;
    invocation.output.note(open.empty() ? fmt::format("request {} did exactly this: nothing is ordered again", done)
                                        : fmt::format("request {} is open for exactly this: going on with it", open));
    return RequestId{open.empty() ? done : open};
  }
}

Wanted wanted_of(const Arguments& arguments) {
  Wanted wanted;
  wanted.provider = arguments.text("--provider");
  wanted.profile = arguments.text("--profile");
  wanted.token = arguments.text("--token");
  wanted.new_key = arguments.text("--new-key");
  wanted.spec = arguments.text("--spec");
  wanted.key = arguments.text("--key");
  wanted.wishes = order_wishes(arguments);
  if (const auto like = arguments.text("--like")) {
    wanted.like = like_content(*like);
  }
  wanted.install = arguments.all("--install");
  if (const auto deadline = arguments.text("--deadline")) wanted.deadline = parse_duration(*deadline);
  return wanted;
}

// How far one command takes its requests.
struct Pace {
  bool queue = false;  // written down only
  Until until = Until::at_rest;
  std::optional<Duration> timeout;
};

Wanted wanted_of(const service::BatchRow& row, Wanted wanted) {
  const auto text = [&](std::string_view column, std::optional<std::string>& to) {
    if (row.has(column)) to = row.text_or(column, "");
  };
  text("provider", wanted.provider);
  text("profile", wanted.profile);
  text("token", wanted.token);
  if (row.has("key")) wanted.new_key.reset();
  if (row.has("new-key")) wanted.key.reset();
  text("new-key", wanted.new_key);
  text("spec", wanted.spec);
  text("key", wanted.key);
  for (const auto& target : row.all("install")) wanted.install.push_back(target);
  wanted.wishes = service::wishes_of(row, std::move(wanted.wishes));
  return wanted;
}

// One result line a row. All rows are written down before any is worked on, and worked on together; a row that fails
// stops nobody else's, and one interruption ends the waiting for all.
ExitCode enroll_many(Invocation& invocation, Wiring& wiring, const Wanted& typed, const Pace& pace) {
  const auto file = invocation.arguments.required("--from");
  auto columns = service::ask_columns();
  columns.insert(columns.end(), {"provider", "profile", "token", "new-key", "spec", "key", "install"});
  const auto rows = service::rows_in(file, columns);
  const auto store = wiring.store();
  struct Made {
    unsigned line;
    RequestId id;
  };
  std::vector<Made> made;
  bool failed = false;
  for (const auto& row : rows) {
    try {
      made.push_back({row.line, order_once(invocation, wiring, *store, wanted_of(row, typed))});
    } catch (...) {
      const auto error = current_error();
      failed = true;
      invocation.output.result(
          "hsmbridge.enroll-row/1",
          Json::object({{"line", static_cast<std::int64_t>(row.line)},
                        {"error", Json::object({{"kind", to_string(error.kind())}, {"message", error.message()}})}}),
          fmt::format("line {}: failed  {}\n", row.line, commandline::safe(error.message())));
    }
  }
  std::vector<RequestId> ids;
  for (const auto& one : made) ids.push_back(one.id);
  if (!pace.queue) drive(invocation.output, wiring, ids, pace.until, pace.timeout);
  auto worst = ExitCode::done;
  for (const auto& one : made) {
    const auto view = service::view_request(*store, one.id, wiring.clock().now());
    const auto row = service::row_of(view.record);
    auto json = service::to_json(row);
    json.set("line", static_cast<std::int64_t>(one.line));
    invocation.output.result(
        "hsmbridge.enroll-row/1", json,
        fmt::format("line {}: {}  {}  {}\n", one.line, row.id.str(), row.state, commandline::safe(row.what)));
    const auto code = exit_code_of(view.record.state);
    if (code == ExitCode::pending) {
      worst = worst == ExitCode::done ? code : worst;
    } else if (code != ExitCode::done) {
      failed = true;
    }
  }
  invocation.output.note("next: hsmbridge request list --open");
  return failed ? ExitCode::failed : worst;
}

ExitCode enroll(Invocation& invocation) {
  const auto& arguments = invocation.arguments;
  if (arguments.has("--wait") && arguments.has("--queue")) {
    throw Error{ErrorKind::invalid_input, "--wait and --queue contradict each other"};
  }
  if (arguments.has("--timeout") && !arguments.has("--wait")) {
    throw Error{ErrorKind::invalid_input, "--timeout belongs to --wait"};
  }
  if (arguments.has("--check")) {
    for (const auto* other : {"--wait", "--queue", "--from"}) {
      if (arguments.has(other)) {
        throw Error{ErrorKind::invalid_input, fmt::format("--check creates nothing: it does not go with {}", other)};
      }
    }
    CommandContext context(invocation);
    if (context.wiring() == nullptr) Wiring::open(invocation.config);  // throws, and says where it looked
    const auto store = context.wiring()->store();
    return check_enrolment(invocation, context, resolve(*context.wiring(), *store, wanted_of(arguments)));
  }
  Pace pace;
  pace.queue = arguments.has("--queue");
  pace.until = arguments.has("--wait") ? Until::settled : Until::at_rest;
  if (const auto text = arguments.text("--timeout")) pace.timeout = parse_duration(*text);
  const auto wanted = wanted_of(arguments);
  const auto wiring = Wiring::open(invocation.config);
  if (arguments.has("--from")) return enroll_many(invocation, *wiring, wanted, pace);
  const auto store = wiring->store();
  const auto id = order_once(invocation, *wiring, *store, wanted);
  if (!pace.queue) drive(invocation.output, *wiring, {id}, pace.until, pace.timeout);
  const auto now = wiring->clock().now();
  const auto view = service::view_request(*store, id, now);
  invocation.output.result("hsmbridge.request/1", service::to_json(view), outcome_text(view, now));
  return exit_code_of(view.record.state);
}

std::vector<Option> options() {
  std::vector<Option> rows{
      {"--provider", "NAME", "who issues; else the profile's"},
      {"--profile", "NAME", "what the certificate shall be; may be left out when there is one"},
      {"--token", "NAME", "where the key is or shall be; else the profile's"},
      {"--new-key", "LABEL", "make this key in the token"},
      {"--spec", "KIND", "with --new-key: ec:P-256, ec:P-384, ec:P-521, rsa:3072, ed25519; else the profile's"},
      {"--key", "SELECTOR", "use this key: its label, id=HEX or a pkcs11: URI"},
      {"--like", "FILE", "ask for what this certificate says"},
      {"--install", "TARGET", "token, file:PATH, provider:import; in addition to the profile's", Times::many},
      {"--deadline", "DURATION", "give up when no certificate came within this time"},
      {"--wait", "", "work on it until the certificate is there"},
      {"--timeout", "DURATION", "with --wait: come back after this long"},
      {"--from", "FILE", "many: CSV or JSON lines with these options as columns"},
      {"--queue", "", "only write it down: `hsmbridge run` does all the work"},
      {"--check", "", "create nothing: say what the provider's rules, and its dry run, would object"},
  };
  for (const auto& more : {content_options(), order_options()}) rows.insert(rows.end(), more.begin(), more.end());
  return rows;
}

}  // namespace

std::vector<Command> enroll_commands() {
  return {{"enroll",
           "",
           "Get a certificate for a key in a token: key, CSR, submission, and with --wait the certificate",
           options(),
           {},
           enroll,
           {ExitCode::failed, ExitCode::pending, ExitCode::refused, ExitCode::unavailable, ExitCode::unresolved},
           "  hsmbridge enroll --provider tsb --profile server --new-key web-2026 \\\n"
           "      --san dns:www.example.com --wait\n"
           "Without --wait it comes back as soon as somebody else must act (exit 3, the\n"
           "request id on standard output); `request wait ID`, `run` or a later day carry\n"
           "on. Typing it again goes on with the open request, or says that it is done: nothing\n"
           "is ordered twice.\n"}};
}

}  // namespace hsmbridge::cli
