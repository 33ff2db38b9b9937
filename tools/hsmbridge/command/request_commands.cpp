#include "base/error.h"
#include "service/approvals/operator_command.h"
#include "service/requests/resolve.h"
#include "tools/hsmbridge/command/commands.h"
#include "tools/hsmbridge/command/list_options.h"
#include "tools/hsmbridge/command/request_wait.h"
#include "tools/hsmbridge/text/approval.h"
#include "tools/hsmbridge/text/request.h"
#include "tools/hsmbridge/wiring/providers.h"
#include "tools/hsmbridge/wiring/run_signals.h"
#include "tools/hsmbridge/wiring/wiring.h"
#include "views/requests.h"

#include <fmt/core.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <chrono>
#include <csignal>

namespace hsmbridge::cli {

namespace {

using commandline::Option;
using commandline::Positional;
using commandline::Times;

const Positional kRequest{"ID", "the request, or the beginning of its id"};

// A request named on the command line, with the store it is in.
struct Named {
  std::unique_ptr<Wiring> wiring;
  std::unique_ptr<workflow::Store> store;
  RequestId id;
};

enum class Use { look, work };

Named named_request(Invocation& invocation, Use use) {
  Named named;
  named.wiring = Wiring::open(invocation.config);
  named.store = use == Use::look ? named.wiring->stores().open_to_look() : named.wiring->store();
  named.id = service::find_request(*named.store, invocation.arguments.required("ID"));
  return named;
}

ExitCode list_requests(Invocation& invocation) {
  const auto& arguments = invocation.arguments;
  const auto wiring = Wiring::open(invocation.config);
  const auto now = wiring->clock().now();
  service::RequestFilter filter;
  filter.open_only = arguments.has("--open");
  filter.states = arguments.all("--state");
  filter.provider = arguments.text("--provider");
  filter.profile = arguments.text("--profile");
  filter.name = arguments.text("--name");
  if (const auto text = arguments.text("--since")) filter.since = time_before(*text, now);
  filter.after = arguments.text("--after");
  filter.limit = limit_of(invocation);
  commandline::ResultRows result(invocation.output, "hsmbridge.request-list/1", "requests");
  RequestTable table;
  const auto end = service::list_requests(
      *wiring->stores().open_to_look(), filter, [&](const std::vector<service::RequestRow>& rows) {
        result.add([&] { return views::requests(rows); }, [&] { return table.more(rows, now); });
      });
  result.finish(views::end_of_requests(end), "no requests\n");
  note_more(invocation, filter.open_only ? "hsmbridge request list --open" : "hsmbridge request list", end,
            end.last.size());
  return ExitCode::done;
}

ExitCode show_request(Invocation& invocation) {
  const auto named = named_request(invocation, Use::look);
  const auto now = named.wiring->clock().now();
  const auto view = service::view_request(*named.store, named.id, now);
  invocation.output.result("hsmbridge.request/1", views::request(view), show_text(view, now));
  return ExitCode::done;
}

// How the provider's approvers decide from here, where they can.
void offer_decision(service::RequestView& view, const config::Settings& settings) {
  if (!std::holds_alternative<workflow::AwaitingApproval>(view.record.state)) return;
  const auto& order = view.record.order;
  for (const auto& provider : settings.providers) {
    const auto approvers = provider_type(provider).approvers;
    if (provider.name != order.provider || approvers == Approvers::there) continue;
    view.explanation.commands.push_back(
        approvers == Approvers::with_a_key
            ? "hsmbridge approval list --as NAME"
            : fmt::format("hsmbridge approval accept --provider {} {}", order.provider, order.id.str()));
  }
}

ExitCode explain(Invocation& invocation) {
  const auto named = named_request(invocation, Use::look);
  const auto now = named.wiring->clock().now();
  auto view = service::view_request(*named.store, named.id, now);
  offer_decision(view, named.wiring->settings());
  invocation.output.result("hsmbridge.request-explanation/1", views::explanation(view), explain_text(view, now));
  return ExitCode::done;
}

ExitCode history(Invocation& invocation) {
  const auto named = named_request(invocation, Use::look);
  const auto history = service::history_of(*named.store, named.id);
  invocation.output.result("hsmbridge.request-history/1", views::history(history),
                           history_text(history.events, history.late));
  return ExitCode::done;
}

// The end of every command that changed a request or waited for it.
ExitCode finish(Invocation& invocation, Named& named) {
  const auto now = named.wiring->clock().now();
  const auto view = service::view_request(*named.store, named.id, now);
  invocation.output.result("hsmbridge.request/1", views::request(view), outcome_text(view, now));
  return exit_code_of(view.record.state);
}

ExitCode wait(Invocation& invocation) {
  auto named = named_request(invocation, Use::work);
  Pace pace;
  pace.until = service::Until::settled;
  if (const auto text = invocation.arguments.text("--timeout")) pace.timeout = parse_duration(*text);
  drive(invocation.output, *named.wiring, {named.id}, pace);
  return finish(invocation, named);
}

// Redraws on a terminal; in a pipe one line an event.
struct WindowSize {
  std::size_t rows = 24;
  std::size_t columns = 80;
};
WindowSize window_size() {
  winsize size{};
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_row == 0 || size.ws_col == 0) return {};
  return {size.ws_row, size.ws_col};
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines(1);
  for (const char c : text) {
    if (c == '\n') {
      lines.emplace_back();
    } else {
      lines.back() += c;
    }
  }
  if (lines.back().empty()) lines.pop_back();
  return lines;
}

// The first `width` columns of a line.
std::string cut(std::string line, std::size_t width) {
  while (commandline::columns(line) > width) {
    // A whole UTF-8 character goes: its continuation octets, then its first one.
    while (!line.empty() && (static_cast<unsigned char>(line.back()) & 0xc0U) == 0x80U) line.pop_back();
    if (!line.empty()) line.pop_back();
  }
  return line;
}

class View {
 public:
  View(Invocation& invocation, Named& named) : output_(invocation.output), named_(named) {}

  void draw() {
    const auto now = named_.wiring->clock().now();
    const auto view = service::view_request(*named_.store, named_.id, now);
    state_ = view.record.state;
    if (output_.stdout_is_terminal() && !output_.json()) {
      redraw(view, now);
    } else {
      lines(view);
    }
  }
  const workflow::State& state() const { return state_; }
  bool live() const { return output_.stdout_is_terminal() && !output_.json(); }

 private:
  // The whole story fits the window: long lines are cut, and as many of the newest events follow as there is room for.
  void redraw(service::RequestView view, Instant now) {
    const WindowSize window = window_size();
    view.explanation.commands.clear();
    std::vector<std::string> lines = lines_of(explain_text(view, now));
    lines.emplace_back();
    const std::size_t room = window.rows > lines.size() + 1 ? window.rows - lines.size() - 1 : 0;
    const std::size_t first = view.history.size() > room ? view.history.size() - room : 0;
    for (std::size_t i = first; i < view.history.size(); ++i) lines.push_back(history_line(view.history[i]));
    // Home, then clear to the end of each line and of the screen: no flicker, and no scrollback is eaten.
    std::string screen = "\x1b[H";
    for (std::size_t i = 0; i < lines.size() && i + 1 < window.rows; ++i) {
      screen += cut(lines[i], window.columns) + "\x1b[K\n";
    }
    output_.raw(screen + "\x1b[J");
  }
  void lines(const service::RequestView& view) {
    for (const auto& entry : view.history) {
      if (entry.sequence <= shown_ && shown_any_) continue;
      output_.result("hsmbridge.request-event/1", views::event(entry), history_line(entry) + "\n");
      shown_ = entry.sequence;
      shown_any_ = true;
    }
  }
  Output& output_;
  Named& named_;
  workflow::State state_;
  std::uint64_t shown_ = 0;
  bool shown_any_ = false;
};

ExitCode watch(Invocation& invocation) {
  auto named = named_request(invocation, Use::look);
  constexpr auto kLook = std::chrono::milliseconds(250);
  StopSignals signals({SIGINT, SIGTERM});
  View view(invocation, named);
  if (view.live()) invocation.output.raw("\x1b[2J");
  view.draw();
  auto drawn = std::chrono::steady_clock::now();
  workflow::Wakeup nobody;
  while (!service::reached(view.state(), service::Until::settled) && signals.received() == 0) {
    const bool changed = named.store->wait_for_change(nobody, kLook);
    // On a terminal once a second as well: it shows how long ago.
    const bool old = view.live() && std::chrono::steady_clock::now() - drawn > std::chrono::seconds(1);
    if (!changed && !old) continue;
    drawn = std::chrono::steady_clock::now();
    view.draw();
  }
  return exit_code_of(view.state());
}

ExitCode cancel(Invocation& invocation) {
  auto named = named_request(invocation, Use::work);
  service::cancel_request(named.wiring->actor(), *named.wiring, *named.store, named.id,
                          invocation.arguments.text_or("--reason", ""));
  const auto code = finish(invocation, named);
  // Cancelling is what was asked: it is done when it is final, and pending while the provider's word is awaited.
  return code == ExitCode::refused ? ExitCode::done : code;
}

ExitCode give_command(Invocation& invocation) {
  const auto sha256 = invocation.arguments.text("--sha256");
  const bool asks = !invocation.arguments.has("--yes");
  if (!asks && !sha256) {
    throw Error{ErrorKind::invalid_input, "with --yes nobody is shown what is commanded"}.hint(
        "look at it without --yes first; with --yes give --sha256, the SHA-256 of the draft that was looked at");
  }
  auto named = named_request(invocation, Use::work);
  const auto awaited = service::awaited_command(*named.store, named.id, named.wiring->clock().now());
  if (sha256 && *sha256 != awaited.draft.sha256) {
    throw Error{ErrorKind::refused, fmt::format("the draft has the SHA-256 {}, not {}", awaited.draft.sha256, *sha256)};
  }
  const auto question = fmt::format("{}Let provider {} {} it?", command_text(named.id.str(), awaited.draft),
                                    awaited.record.order.provider,
                                    workflow::draft_of(awaited.record.state)->to_be_signed.empty() ? "submit" : "sign");
  if (asks && !commandline::confirm(invocation.output, question, "look at it, then give --yes and --sha256")) {
    throw Error{ErrorKind::refused, "not confirmed, nothing was signed"};
  }
  service::command_request(named.wiring->actor(), *named.wiring, *named.store, awaited);
  drive(invocation.output, *named.wiring, {named.id}, Pace{});
  return finish(invocation, named);
}

ExitCode resolve(Invocation& invocation) {
  const auto& arguments = invocation.arguments;
  service::Resolution resolution;
  resolution.accept = arguments.all("--accept");
  resolution.judge_again = arguments.has("--judge-again");
  resolution.reference = arguments.text("--reference");
  resolution.serial = arguments.text("--serial");
  resolution.certificate = arguments.text("--certificate");
  resolution.not_there = arguments.has("--not-there");
  resolution.abandon = arguments.has("--abandon");
  resolution.look_up = arguments.has("--look-up");
  resolution.skip_target = arguments.text("--skip-target");
  resolution.done = arguments.has("--done");
  resolution.reason = arguments.text_or("--reason", "");
  service::refuse_resolution(resolution);
  auto named = named_request(invocation, Use::work);
  service::resolve_request(named.wiring->actor(), *named.wiring, *named.store, named.id, resolution);
  const auto code = finish(invocation, named);
  return code == ExitCode::refused ? ExitCode::done : code;
}

ExitCode diagram(Invocation& invocation) {
  const auto format = invocation.arguments.text_or("--format", "mermaid");
  const auto text = service::state_diagram(format);
  invocation.output.result("hsmbridge.diagram/1", Json::object({{"format", format}, {"text", text}}), text);
  return ExitCode::done;
}

const std::vector<ExitCode> kRequestOutcomes{ExitCode::failed, ExitCode::pending, ExitCode::refused,
                                             ExitCode::unavailable, ExitCode::unresolved};

}  // namespace

std::vector<Command> request_commands() {
  return {
      {"request",
       "list",
       "List requests, newest first",
       with_list_options({{"--open", "", "only those that are not final"},
                          {"--state", "STATE", "only those in this state, for example AwaitingApproval", Times::many}},
                         "only those made since: 7d, 2026-11-01, or an RFC 3339 time", "ID"),
       {},
       list_requests,
       {ExitCode::failed},
       "With --json the list is written while it is read; `next` is there when --limit left some out, and is what\n"
       "--after takes.\n"},
      {"request",
       "show",
       "Show one request with its key, draft, reference and certificate",
       {},
       {kRequest},
       show_request,
       {ExitCode::failed},
       ""},
      {"request",
       "explain",
       "Say in plain words what is awaited, from whom, until when, and what comes next",
       {},
       {kRequest},
       explain,
       {ExitCode::failed},
       ""},
      {"request", "history", "Show every event of one request", {}, {kRequest}, history, {ExitCode::failed}, ""},
      {"request",
       "wait",
       "Work on one request until it is final or a person must decide",
       {{"--timeout", "DURATION", "come back after this long, for example 30m"}},
       {kRequest},
       wait,
       kRequestOutcomes,
       "Runs the same engine as `hsmbridge run`, for this request alone. Ctrl-C ends the waiting, not the request.\n"
       "A daemon may work on it at the same time.\n"},
      {"request", "watch", "Show one request live, without working on it", {}, {kRequest}, watch, kRequestOutcomes, ""},
      {"request",
       "cancel",
       "Give a request up, at the provider too when it is there",
       {{"--reason", "TEXT", "why; kept in the journal"}},
       {kRequest},
       cancel,
       {ExitCode::failed, ExitCode::pending},
       ""},
      {"request",
       "command",
       "Let a provider sign what waits for an operator's direct command",
       {{"--yes", "", "without asking; with --sha256"}, {"--sha256", "HEX", "only that draft"}},
       {kRequest},
       give_command,
       kRequestOutcomes,
       "For a CA with `operator_command: true`, a root for example, and for profiles with it: what is\n"
       "frozen is shown, decoded, and signed once you say so. A command is for one attempt and for now:\n"
       "what was not begun in a quarter of an hour, or led to nothing, waits for another one.\n"},
      {"request",
       "resolve",
       "Decide about a request that the bridge cannot decide alone",
       {{"--accept", "FINDING", "accept its quarantined certificate despite this deviation; name each one",
         Times::many},
        {"--judge-again", "", "judge the stored certificate again: a file, the clock or the profile was corrected"},
        {"--reference", "REFERENCE", "it is at the provider, under this reference"},
        {"--serial", "HEX", "its certificate is at the provider, under this serial number"},
        {"--certificate", "FILE", "this is its certificate: PEM with or without its chain, DER, or PKCS#7"},
        {"--not-there", "", "it is provably not at the provider: submit again"},
        {"--abandon", "", "give it up"},
        {"--look-up", "", "look it up at the provider again; where a result is stored, check it again"},
        {"--done", "", "a revocation: it took effect, the provider's list or page says so"},
        {"--skip-target", "NAME", "give up one place where its certificate goes, for example file:/path"},
        {"--reason", "TEXT", "why; demanded with --accept, --not-there, --abandon, --skip-target and --done"}},
       {kRequest},
       resolve,
       kRequestOutcomes,
       "With --serial and --certificate the certificate's key is compared with the request's before anything is\n"
       "written down. --not-there makes another submission. Look at the provider first: two submissions\n"
       "are two certificates. --accept and --judge-again order nothing: the certificate that is here is judged\n"
       "again, with what the profile's `accept:` says now.\n"},
      {"request",
       "diagram",
       "Print the state machine of requests",
       {{"--format", "FORMAT", "mermaid (default) or graphviz"}},
       {},
       diagram,
       {},
       ""},
  };
}

}  // namespace hsmbridge::cli
