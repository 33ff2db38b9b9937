// What the documents say is so: README, the pages of help, and what messages tell a reader to type.
#include "base/file.h"
#include "support/cli/cli.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <filesystem>
#include <map>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <vector>

namespace hsmbridge::test {
namespace {

// "request list" -> the options that are named with it, and where.
using Named = std::map<std::string, std::map<std::string, std::string>>;

void collect(const std::string& text, const std::regex& command, const std::string& file, Named& named) {
  static const std::set<std::string> nouns{"request", "cert", "key",    "csr",   "token", "provider", "approval",
                                           "enroll",  "run",  "doctor", "store", "audit", "ca"};
  for (auto at = std::sregex_iterator(text.begin(), text.end(), command); at != std::sregex_iterator(); ++at) {
    const std::string noun = (*at)[1];
    if (nouns.count(noun) == 0) continue;
    std::istringstream words((*at)[2]);
    std::string name = noun;
    std::string word;
    static const std::regex plain("[a-z][a-z-]*");
    const bool has_verbs = noun != "enroll" && noun != "run" && noun != "doctor";
    if (has_verbs) {
      if (!(words >> word) || !std::regex_match(word, plain)) continue;  // a noun in a sentence
      name += " " + word;
    }
    if (name == "key proof") continue;  // begins what a proof signs

    auto& options = named[name];
    static const std::regex option("(--[a-z][a-z-]*).*");
    for (std::smatch match; words >> word;) {
      if (std::regex_match(word, match, option)) options.emplace(match[1], file);
    }
  }
}

void collect(const std::filesystem::path& file, Named& named) {
  // A literal that goes on in the next line is one text.
  static const std::regex seam("\"\\s*\n\\s*\"");
  const std::string text = std::regex_replace(to_text(read_file(file)), seam, "");
  // Up to what ends a command within a sentence or a literal; and in quotes, where the program is not named.
  static const std::regex named_in_full(R"(hsmbridge ([a-z]+)((?: [^"'`;,)\n\\]*)?))");
  static const std::regex quoted(R"([`']([a-z]+)((?: [^"'`;,)\n\\]*)?)[`'])");
  for (const std::regex& command : {named_in_full, quoted}) collect(text, command, file.filename().string(), named);
}

}  // namespace

TEST_CASE("every command and option that a text tells the reader to type exists") {
  Named named;
  const std::filesystem::path source = HSMBRIDGE_SOURCE;
  for (const char* folder : {"src", "pkcs11", "providers", "tools/hsmbridge"}) {
    for (const auto& entry : std::filesystem::recursive_directory_iterator(source / folder)) {
      const auto extension = entry.path().extension();
      if (extension == ".cpp" || extension == ".h" || extension == ".md") collect(entry.path(), named);
    }
  }
  collect(source / "README.md", named);
  CHECK(named.size() > 30);
  CHECK(named["request resolve"].count("--abandon") == 1);
  for (const std::string noun : {"request", "cert", "key", "token", "provider"}) {
    INFO(noun);
    const auto from = named.lower_bound(noun + " ");
    CHECK((from != named.end() && from->first.starts_with(noun + " ")));
  }
  Cli cli;
  for (const auto& [name, options] : named) {
    std::istringstream words(name);
    std::vector<std::string> arguments;
    for (std::string word; words >> word;) arguments.push_back(word);
    arguments.emplace_back("--help");
    const auto help = cli.run(arguments);
    INFO(name);
    CHECK(help.status == 0);
    for (const auto& [option, where] : options) {
      INFO(option << " in " << where);
      CHECK(help.out.find(option) != std::string::npos);
    }
  }
}

TEST_CASE("the page on the states names each state of the diagram once, and no other") {
  const Cli cli;
  const auto printed = cli.run({"request", "diagram"});
  REQUIRE(printed.status == 0);
  CHECK(printed.out.starts_with("stateDiagram-v2\n"));
  const auto names = [](const std::string& text, const std::regex& one) {
    std::vector<std::string> found;
    for (auto at = std::sregex_iterator(text.begin(), text.end(), one); at != std::sregex_iterator(); ++at) {
      found.push_back((*at)[1]);
    }
    std::sort(found.begin(), found.end());
    return found;
  };
  auto drawn = names(printed.out, std::regex(R"((?:--> |\n    )([A-Z][A-Za-z]+)(?= -->|:))"));
  drawn.erase(std::unique(drawn.begin(), drawn.end()), drawn.end());
  CHECK(drawn.size() == 20);
  CHECK(names(cli.run({"help", "states"}).out, std::regex(R"(\n- ([A-Z][A-Za-z]+): )")) == drawn);
  CHECK(cli.run({"request", "diagram", "--format", "graphviz"}).out.starts_with("digraph"));
  CHECK(cli.run({"request", "diagram", "--format", "svg"}).status == 2);
}

TEST_CASE("the table of providers in README is the one the program prints") {
  const Cli cli;
  const auto printed = cli.run({"provider", "types", "--markdown"});
  REQUIRE(printed.status == 0);
  CHECK(printed.out.find("| securosys-tsb, mode raw-signature |") != std::string::npos);
  const auto readme = cli.other({"cat", std::string(HSMBRIDGE_SOURCE) + "/README.md"}).out;
  CHECK(readme.find("\n\n" + printed.out + "\n") != std::string::npos);
}

TEST_CASE("the configurations in README and in the page on it are ones the program takes") {
  const Cli cli;
  for (const std::string name : {"alice", "bob", "carol"}) {
    REQUIRE(cli.other({"openssl", "genpkey", "-algorithm", "ED25519", "-out", name + ".key"}).status == 0);
    REQUIRE(cli.other({"openssl", "pkey", "-in", name + ".key", "-pubout", "-out", name + ".pem"}).status == 0);
  }
  for (const std::string& text :
       {cli.other({"cat", std::string(HSMBRIDGE_SOURCE) + "/README.md"}).out, cli.run({"help", "configuration"}).out}) {
    const std::string fence = "```yaml\n";
    const auto begin = text.find(fence);
    REQUIRE(begin != std::string::npos);
    const auto end = text.find("```", begin + fence.size());
    cli.write("example.yaml", text.substr(begin + fence.size(), end - begin - fence.size()));
    const auto listed = cli.run({"--config", "example.yaml", "provider", "list"});
    INFO(listed.err);
    CHECK(listed.status == 0);
  }
}

TEST_CASE("the configuration that is installed is one the program takes, as it is and with its example") {
  const Cli cli;
  const auto installed = to_text(read_file(std::string(HSMBRIDGE_SOURCE) + "/scripts/package.d/hsmbridge.yaml"));
  const auto with_example = std::regex_replace(installed, std::regex("(^|\n)#(?=[a-z]|  )"), "$1");
  CHECK(with_example.find("\nprofiles:\n  server:\n") != std::string::npos);
  for (const std::string& text : {installed, with_example}) {
    cli.write("example.yaml", text);
    const auto listed = cli.run({"--config", "example.yaml", "provider", "list", "--json"});
    INFO(listed.err);
    CHECK(listed.status == 0);
    CHECK((listed.out.find("securosys-tsb") != std::string::npos) == (text == with_example));
  }
}

TEST_CASE("every page of help is listed and printed, at most 80 columns wide outside its examples") {
  const Cli cli;
  const std::string listed = cli.run({"help"}).out;
  std::size_t pages = 0;
  for (const auto& entry :
       std::filesystem::directory_iterator(std::string(HSMBRIDGE_SOURCE) + "/tools/hsmbridge/pages")) {
    ++pages;
    const std::string topic = entry.path().stem();
    INFO(topic);
    CHECK(listed.find("\n  " + topic + " ") != std::string::npos);
    const auto page = cli.run({"help", topic});
    CHECK(page.status == 0);
    CHECK(page.out == to_text(read_file(entry.path())));
    bool example = false;
    std::istringstream lines(page.out);
    for (std::string line; std::getline(lines, line);) {
      if (line.starts_with("```")) example = !example;
      const auto columns = std::count_if(line.begin(), line.end(), [](char c) { return (c & 0xc0) != 0x80; });
      if (!example) CHECK(columns <= 80);
    }
  }
  CHECK(pages > 5);
  const auto none = cli.run({"help", "no-such-topic"});
  CHECK(none.status == 2);
  CHECK(none.err.find("neither a command nor a help topic") != std::string::npos);
}

}  // namespace hsmbridge::test
