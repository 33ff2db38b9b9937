// Completion in real shells, with the program itself.
#include "support/cli/cli.h"
#include "tools/commandline/help.h"
#include "tools/hsmbridge/command/commands.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <string>
#include <vector>

using namespace hsmbridge;
using test::Cli;

namespace {

// A user whose PATH has the program, and whose configuration has names.
struct User : Cli {
  User() {
    set("PATH", program().parent_path().string() + ":/usr/bin:/bin");
    configure(
        "  web-old: {module: /nowhere.so, uri: \"pkcs11:token=old\"}\n"
        "providers:\n  tsb: {type: securosys-tsb, url: \"https://127.0.0.1:1\", sign_key: ca}\n"
        "profiles:\n  server: {subject: {O: Example}}\n  mail: {subject: {O: Example}}\n"
        "people:\n  alice: {token: web, key: approver}\n");
  }
};

// The words that bash offers for the last of `words`, which are as bash takes them apart.
std::string bash(const Cli& cli, const std::string& words, int index) {
  cli.write("completion.bash", cli.run({"completion", "bash"}).out);
  const auto result =
      cli.other({"bash", "-c",
                 "source ./completion.bash; COMP_WORDS=(" + words + "); COMP_CWORD=" + std::to_string(index) +
                     "; _hsmbridge; echo \"${COMPREPLY[*]}\""});
  CHECK(result.err.empty());
  return result.out;
}

std::string fish(const Cli& cli, const std::string& line) {
  cli.write("hsmbridge.fish", cli.run({"completion", "fish"}).out);
  const auto result = cli.other({"fish", "--no-config", "-c", "source ./hsmbridge.fish; complete -C '" + line + "'"});
  CHECK(result.err.empty());
  return result.out;
}

// Whether zsh shows `word` in a terminal when Tab is typed after `line`. Nothing else is typed before it does: zsh leaves
// out the list when more keys wait.
bool zsh_shows(const Cli& cli, const std::string& line, const std::string& word) {
  cli.write("functions/_hsmbridge", cli.run({"completion", "zsh"}).out);
  cli.write("drive.zsh", R"(
zmodload zsh/zpty
zpty shell zsh -f -i
say() { zpty -w shell "$1" }
say "PS1= PROMPT_EOL_MARK= ; stty -echo; fpath=($PWD/functions \$fpath); autoload -Uz compinit; compinit -u -D"
say "zstyle ':completion:*' list-colors ''; zstyle ':completion:*' verbose no; LISTMAX=1000; bindkey '^I' list-choices"
say "print READY"
zpty -r shell shown $'*READY\r*'
zpty -w -n shell "$LINE"$'\t'
shown=
until [[ $shown == *$WORD* ]] || (( SECONDS > 30 )); do zpty -rt shell part && shown+=$part || sleep 0.02; done
print -r -- "$shown"
)");
  const auto result = cli.other({"env", "LINE=" + line, "WORD=" + word, "TERM=dumb", "zsh", "-f", "drive.zsh"});
  INFO(result.out);
  CHECK(result.status == 0);
  return result.out.find(word) != std::string::npos;
}

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("bash completes nouns and verbs and options and the names in the configuration") {
  const User user;
  CHECK(bash(user, "hsmbridge to", 1) == "token\n");
  CHECK(bash(user, "hsmbridge key ''", 2) == "generate list show public delete\n");
  CHECK(bash(user, "hsmbridge --config x.yaml key s", 4) == "show\n");
  CHECK(bash(user, "hsmbridge key generate --la", 3) == "--label\n");
  CHECK(bash(user, "hsmbridge csr show compl", 3) == "completion.bash\n");
  CHECK(bash(user, "hsmbridge csr create --like compl", 4) == "completion.bash\n");
  user.write("a[b]x", "");
  user.write("abx", "");
  CHECK(bash(user, "hsmbridge csr show a[", 3) == "a[b]x\n");  // a name, not a pattern that has another file
  CHECK(bash(user, "hsmbridge csr create --san ''", 4) == "\n");
  CHECK(bash(user, "hsmbridge csr create --san dns : x --lik", 7) == "--like\n");
  CHECK(bash(user, "hsmbridge token show w", 3) == "web web-old\n");
  CHECK(bash(user, "hsmbridge key list --token = web-", 5) == "web-old\n");
  user.write("elsewhere/c.yaml", user.read(".config/hsmbridge/hsmbridge.yaml"));
  CHECK(bash(user, "hsmbridge --config '~/elsewhere/c.yaml' key list --token web-", 6) == "web-old\n");
  CHECK(bash(user, "hsmbridge enroll --profile ''", 3) == "server mail\n");
  CHECK(bash(user, "hsmbridge enroll --provider t", 3) == "tsb\n");
  CHECK(bash(user, "hsmbridge approval list --as a", 4) == "alice\n");
  CHECK(bash(user, "hsmbridge help con", 2) == "configuration\n");
  CHECK(bash(user, "hsmbridge kye ''", 2) == "\n");
}

TEST_CASE("fish completes the same and says what each word means") {
  const User user;
  CHECK(fish(user, "hsmbridge to") == "token\tPKCS#11 tokens\n");
  CHECK(fish(user, "hsmbridge token show w") == "web\nweb-old\n");
  CHECK(has(fish(user, "hsmbridge csr show hsmbr"), "hsmbridge.fish"));
  CHECK(fish(user, "hsmbridge enroll --profile=m") == "--profile=mail\n");
}

TEST_CASE("zsh completes the same") {
  const User user;
  CHECK(zsh_shows(user, "hsmbridge key ", "generate"));
  CHECK(zsh_shows(user, "hsmbridge token show w", "web-old"));
  CHECK(zsh_shows(user, "hsmbridge csr show drive", "drive.zsh"));
}

TEST_CASE("completion says nothing of a configuration that cannot be read") {
  const User user;
  user.write("broken.yaml", "tokens: [\n");
  for (const std::string config : {"broken.yaml", "none.yaml"}) {
    const auto asked = user.run({"completion", "words", "--", "--config", config, "token", "show", ""});
    CHECK(asked.status == 0);
    CHECK(asked.out == "words\n");
    CHECK(asked.err.empty());
  }
}

TEST_CASE("completion offers every word of the command table and no option twice") {
  const auto program = hsmbridge::cli::whole_program();
  const auto words = [&](const std::vector<std::string>& typed) {
    std::vector<std::string> all;
    for (const auto& word : commandline::complete(program, typed).words) all.push_back(word.text);
    return all;
  };
  std::vector<std::string> nouns;
  for (const auto& noun : program.nouns) nouns.emplace_back(noun.name);
  CHECK(words({""}) == nouns);
  for (const auto& command : program.commands) {
    std::vector<std::string> typed{std::string(command.noun)};
    if (!command.verb.empty()) typed.emplace_back(command.verb);
    typed.emplace_back("--");
    INFO(commandline::name_of(command));
    std::vector<std::string> options;
    for (const auto* list : {&command.options, &program.options}) {
      for (const auto& option : *list) {
        if (option.name.starts_with("--")) options.emplace_back(option.name);
      }
    }
    CHECK(words(typed) == options);
  }
  const auto again = words({"key", "generate", "--label", "x", "--"});
  CHECK(std::count(again.begin(), again.end(), "--label") == 0);
  const auto many = words({"enroll", "--san", "dns:x", "--san"});
  CHECK(many == std::vector<std::string>{"--san"});
  CHECK(words({"--config", ""}).empty());
  CHECK(commandline::complete(program, {"--config", ""}).files);
}
