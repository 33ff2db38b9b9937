// Every command that a message, the help or README tells a reader to type is one that the program has.
#include "base/file.h"
#include "support/cli/cli.h"

#include <catch2/catch.hpp>
#include <filesystem>
#include <map>
#include <regex>
#include <set>
#include <sstream>
#include <string>

namespace hsmbridge::test {
namespace {

// "request list" -> the options that are named with it, and where.
using Named = std::map<std::string, std::map<std::string, std::string>>;

void collect(const std::string& text, const std::regex& command, const std::string& file, Named& named) {
  static const std::set<std::string> nouns{"request",  "cert",   "key", "csr",    "token", "provider",
                                           "approval", "enroll", "run", "doctor", "store", "audit"};
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
      if (extension == ".cpp" || extension == ".h") collect(entry.path(), named);
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

}  // namespace hsmbridge::test
