#include "support/cli/cli.h"
#include "tools/commandline/exit_code.h"
#include "tools/commandline/help.h"
#include "tools/commandline/output.h"
#include "tools/hsmbridge/command/commands.h"
#include "tools/hsmbridge/text/request.h"
#include "workflow/machine/state.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <filesystem>
#include <iterator>
#include <set>
#include <string>

using namespace hsmbridge;
using commandline::ExitCode;
using test::Cli;

namespace {

std::size_t widest_line(const std::string& text) {
  std::size_t widest = 0;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    widest = std::max(widest, commandline::columns(std::string_view(text).substr(at, end - at)));
    at = end + 1;
  }
  return widest;
}

}  // namespace

TEST_CASE("each kind of error has the exit code that the documentation gives it") {
  const std::pair<ErrorKind, int> rows[] = {
      {ErrorKind::invalid_input, 2}, {ErrorKind::not_found, 1},       {ErrorKind::ambiguous, 1},
      {ErrorKind::conflict, 1},      {ErrorKind::denied, 4},          {ErrorKind::refused, 4},
      {ErrorKind::unavailable, 5},   {ErrorKind::outcome_unknown, 6}, {ErrorKind::corrupt, 1},
      {ErrorKind::internal, 1},
  };
  for (const auto& [kind, code] : rows) {
    INFO(to_string(kind));
    CHECK(static_cast<int>(commandline::exit_code_of(kind)) == code);
  }
}

TEST_CASE("a request for a CRL that is signed and is not out ends with exit code 1") {
  workflow::Completed done;
  CHECK(hsmbridge::cli::exit_code_of(workflow::State(done)) == ExitCode::done);
  done.findings = {{std::string(workflow::kCrlNotPublished), false, ""}};
  CHECK(hsmbridge::cli::exit_code_of(workflow::State(done)) == ExitCode::failed);
}

TEST_CASE("every command of the table stands under a noun of the help and has a name of its own") {
  const commandline::Program program = hsmbridge::cli::whole_program();
  std::set<std::string> nouns;
  for (const auto& noun : program.nouns) nouns.emplace(noun.name);
  std::set<std::string> names;
  std::set<std::string> used;
  for (const auto& command : program.commands) {
    const std::string name = std::string(command.noun) + " " + std::string(command.verb);
    INFO(name);
    CHECK(nouns.count(std::string(command.noun)) == 1);
    CHECK(names.insert(name).second);
    used.emplace(command.noun);
    std::set<std::string> options = {"--config", "--json", "-q", "-v", "--help", "-h", "--version"};
    for (const auto& option : command.options) {
      INFO(option.name);
      CHECK(options.insert(std::string(option.name)).second);
      CHECK(option.help.size() > 3);
    }
  }
  CHECK(used == nouns);
}

TEST_CASE("help at every level fits 80 columns and goes to standard output") {
  const Cli cli;
  const commandline::Program program = hsmbridge::cli::whole_program();
  std::vector<std::vector<std::string>> calls = {{"--help"}};
  for (const auto& noun : program.nouns) calls.push_back({std::string(noun.name), "--help"});
  for (const auto& command : program.commands) {
    if (!command.verb.empty()) calls.push_back({std::string(command.noun), std::string(command.verb), "-h"});
  }
  for (const auto& call : calls) {
    const auto result = cli.run(call);
    INFO(call.front() << " " << (call.size() > 1 ? call[1] : ""));
    INFO(result.out);
    CHECK(result.status == 0);
    CHECK(result.err.empty());
    CHECK(!result.out.empty());
    CHECK(widest_line(result.out) <= 80);
  }
}

TEST_CASE("global options may stand anywhere") {
  const Cli cli;
  for (const std::vector<std::string>& call :
       std::vector<std::vector<std::string>>{{"--json", "key", "list", "--module", "/none.so"},
                                             {"key", "--json", "list", "--module", "/none.so"},
                                             {"key", "list", "--module", "/none.so", "--json"}}) {
    const auto result = cli.run(call);
    CHECK(result.status == 1);
    CHECK(result.out.empty());
    CHECK(result.error().at("schema").as_string() == "hsmbridge.error/1");
    CHECK(result.error().at("kind").as_string() == "not_found");
  }
}

TEST_CASE("a mistyped command is refused with what was probably meant") {
  const Cli cli;
  struct Row {
    std::vector<std::string> call;
    std::string message;
    std::string hint;
  };
  const std::vector<Row> rows = {
      {{"tokn"}, "there is no command \"tokn\"", "did you mean token?"},
      {{"frobnicate"}, "there is no command \"frobnicate\"", "hsmbridge --help lists them"},
      {{"csr", "creat"}, "there is no command \"csr creat\"", "did you mean csr create?"},
      {{"csr"}, "csr requires a verb", "hsmbridge csr --help lists what there is"},
      {{}, "no command was given", "hsmbridge --help lists them"},
      {{"csr", "create", "--keyy", "x"}, "csr create has no option --keyy", "did you mean --key?"},
      {{"csr", "create", "--key"}, "--key requires a value: KEY", "hsmbridge csr create [options]"},
      {{"csr", "create", "--key", "a", "--key", "b"}, "--key may be given once only", ""},
      {{"csr", "create", "--ca=maybe"}, "--ca takes no value", "hsmbridge csr create [options]"},
      {{"csr", "show"}, "FILE is missing: a CSR, PEM or DER", "hsmbridge csr show FILE"},
      {{"csr", "show", "a", "b"}, "csr show takes no argument \"b\"", "hsmbridge csr show FILE"},
      {{"key", "generate"}, "--label LABEL is missing", "hsmbridge key generate --label LABEL [options]"},
  };
  for (Row row : rows) {
    row.call.push_back("--json");
    const auto result = cli.run(row.call);
    INFO(row.message);
    CHECK(result.status == 2);
    CHECK(result.out.empty());
    CHECK(result.error().at("kind").as_string() == "invalid_input");
    CHECK(result.error().at("message").as_string() == row.message);
    CHECK(result.error().at("hint").as_string() == row.hint);
  }
}

TEST_CASE("an error for a person is one sentence with its details and a hint on standard error") {
  const Cli cli;
  const auto result = cli.run({"csr", "creat"});
  CHECK(result.status == 2);
  CHECK(result.out.empty());
  CHECK(result.err == "hsmbridge: there is no command \"csr creat\"\n  → did you mean csr create?\n");
}

TEST_CASE("what stands after two dashes is an argument whatever it looks like") {
  const Cli cli;
  const auto result = cli.run({"csr", "show", "--", "--json"});
  CHECK(result.status == 1);
  CHECK(result.err == "hsmbridge: cannot open --json: No such file or directory\n");
}

TEST_CASE("the version is printed alone") {
  const Cli cli;
  const auto result = cli.run({"--version"});
  CHECK(result.status == 0);
  CHECK(result.out == "hsmbridge " HSMBRIDGE_VERSION "\n");
}

TEST_CASE("groff formats every manual page without a complaint, and each command stands in the page of its noun") {
  const Cli cli;
  REQUIRE(cli.run({"help", "--man-pages", "man1"}).status == 0);
  const auto formatted = [&](const std::string& page) {
    const auto result = cli.other({"groff", "-man", "-Kutf8", "-Tutf8", "-ww", "-rLL=1000n", "-P-cbou"}, page);
    CHECK(result.status == 0);
    CHECK(result.err.empty());
    return result.out;
  };
  const commandline::Program program = hsmbridge::cli::whole_program();
  const auto whole = formatted(cli.read("man1/hsmbridge.1"));
  CHECK(cli.run({"help", "--man"}).out == cli.read("man1/hsmbridge.1"));
  std::size_t pages = 1;
  for (const auto& noun : program.nouns) {
    ++pages;
    const std::string name = "hsmbridge-" + std::string(noun.name);
    INFO(name);
    const auto page = formatted(cli.read("man1/" + name + ".1"));
    CHECK(cli.run({"help", "--man", std::string(noun.name)}).out == cli.read("man1/" + name + ".1"));
    CHECK(whole.find(name + "(1)") != std::string::npos);
    for (const auto& command : program.commands) {
      if (command.noun != noun.name) continue;
      INFO(commandline::name_of(command));
      CHECK(whole.find(commandline::name_of(command)) != std::string::npos);
      CHECK(page.find(std::string(command.help) + ".") != std::string::npos);
      for (const auto& option : command.options) CHECK(page.find(option.name) != std::string::npos);
    }
  }
  const std::filesystem::directory_iterator written(cli / "man1");
  CHECK(static_cast<std::size_t>(std::distance(begin(written), end(written))) == pages);
  CHECK(cli.run({"help", "--man", "nouns"}).status == 2);
}

TEST_CASE("control characters of others cannot drive the terminal") {
  CHECK(commandline::safe("a\x1B[31mb\n") == "a\\x1B[31mb\\x0A");
  CHECK(commandline::safe("\xC2\x9B"
                          "x") == "\\xC2\\x9Bx");
  CHECK(commandline::safe("M\xC3\xBCller \xFF") == "M\xC3\xBCller \\xFF");
  // U+202E turns the reading direction; U+200B has no width; U+E0041 is a tag; an emoji is none of these.
  CHECK(commandline::safe("a\u202Eb\u200B") == "a\\xE2\\x80\\xAEb\\xE2\\x80\\x8B");
  CHECK(commandline::safe("\U000E0041") == "\\xF3\\xA0\\x81\\x81");
  CHECK(commandline::safe("\U0001F600\u20AC") == "\U0001F600\u20AC");
}

TEST_CASE("a table is aligned by characters and ends no line with blanks") {
  commandline::Table table({"NAME", "KIND", "NOTE"});
  table.row({"M\xC3\xBCller", "ec", ""});
  table.row({"x", "ed25519", "last"});
  CHECK(table.text() == "NAME    KIND     NOTE\nM\xC3\xBCller  ec\nx       ed25519  last\n");
}

TEST_CASE("fields are aligned and go on below themselves") {
  commandline::Fields fields;
  fields.add("A", "1");
  fields.add("Long", "2\n3");
  fields.add("Empty", "");
  CHECK(fields.text() == "A:     1\nLong:  2\n       3\n");
}
