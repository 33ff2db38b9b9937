#include "config/document.h"

#include <catch2/catch.hpp>
#include <string>
#include <utility>
#include <vector>

using namespace hsmbridge;
using namespace hsmbridge::config;
using namespace std::chrono_literals;

namespace {

Document document(std::string_view text) {
  return Document::parse(text, "c.yaml", "/etc/hsmbridge");
}

// The problems of a text that `read` reads, one line each; empty when there is none.
template <class Read>
std::string problems(std::string_view text, Read read) {
  Document file = document(text);
  Section root = file.root();
  read(root);
  root.finish();
  try {
    file.finish();
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::invalid_input);
    return error.message();
  }
  return "";
}

std::string problems(std::string_view text) {
  return problems(text, [](Section& root) {
    for (const std::string& key : root.keys()) root.optional_text(key);
  });
}

}  // namespace

TEST_CASE("every getter reads its kind of value") {
  Document file = document(R"(
text: some text
quoted: "true"
number: 4
negative: -12
time: 1d12h
yes: true
no: false
list: [a, "b", 3]
one: a
path: ca.pem
home: /absolute/../ca.pem
colour: green
names: {O: Example, C: NO}
sub: {a: 1}
)");
  Section root = file.root();
  CHECK(root.text("text") == "some text");
  CHECK(root.text("quoted") == "true");
  CHECK(root.integer("number", 1, 10) == 4);
  CHECK(root.optional_integer("negative", -20, 0) == -12);
  CHECK(root.optional_duration("time") == 36h);
  CHECK(root.optional_boolean("yes") == true);
  CHECK(root.optional_boolean("no") == false);
  CHECK(root.texts("list") == std::vector<std::string>{"a", "b", "3"});
  CHECK(root.texts("one") == std::vector<std::string>{"a"});
  CHECK(root.file("path") == "/etc/hsmbridge/ca.pem");
  CHECK(root.optional_file("home") == "/ca.pem");
  CHECK(root.choice<int>("colour", {{"red", 1}, {"green", 2}}) == 2);
  // Norway stays Norway.
  using Names = std::vector<std::pair<std::string, std::string>>;
  CHECK(root.named_texts("names") == Names{{"O", "Example"}, {"C", "NO"}});
  CHECK(root.section("sub")->path() == "sub");
  CHECK(root.section("sub")->integer("a", 0, 9) == 1);
  root.finish();
  CHECK_NOTHROW(file.finish());
}

TEST_CASE("a key that is left out gives nothing and is no problem") {
  Document file = document("");
  Section root = file.root();
  CHECK_FALSE(root.optional_text("a"));
  CHECK_FALSE(root.optional_integer("a", 0, 1));
  CHECK_FALSE(root.optional_duration("a"));
  CHECK_FALSE(root.optional_boolean("a"));
  CHECK_FALSE(root.optional_secret("a"));
  CHECK_FALSE(root.optional_file("a"));
  CHECK_FALSE(root.optional_choice<int>("a", {{"x", 1}}));
  CHECK(root.texts("a").empty());
  CHECK(root.files("a").empty());
  CHECK(root.secrets("a").empty());
  CHECK(root.named_texts("a").empty());
  CHECK_FALSE(root.section("a"));
  CHECK(root.sections("a").empty());
  root.finish();
  CHECK_NOTHROW(file.finish());
}

TEST_CASE("every problem of a file is reported at once in the order of the file") {
  const std::string said = problems(
      "number: many\n"
      "time: 90\n"
      "colour: blue\n"
      "flag: yes\n"
      "typo: 1\n"
      "sub:\n"
      "  depth: 3\n",
      [](Section& root) {
        auto sub = root.section("sub");
        sub->text("name");
        sub->integer("depth", 5, 9);
        sub->finish();
        root.optional_boolean("flag");
        root.optional_choice<int>("colour", {{"red", 1}, {"green", 2}});
        root.optional_duration("time");
        root.integer("number", 0, 9);
        root.optional_text("type");
      });
  CHECK(said ==
        "c.yaml:1:9: number: must be a whole number\n"
        "c.yaml:2:7: time: '90' is not a duration such as 90d, 12h, 30m or 45s\n"
        "c.yaml:3:9: colour: 'blue' is none of: red, green\n"
        "c.yaml:4:7: flag: must be true or false\n"
        "c.yaml:5:1: typo: unknown key (did you mean 'type'?)\n"
        "c.yaml:6:1: sub: name is missing\n"
        "c.yaml:7:10: sub.depth: must be between 5 and 9");
}

TEST_CASE("the error carries each problem as a detail") {
  Document file = document("a: 1\nb: 2\n");
  Section root = file.root();
  root.finish();
  try {
    file.finish();
    FAIL("nothing was thrown");
  } catch (const Error& error) {
    using Details = std::vector<std::pair<std::string, std::string>>;
    CHECK(error.details() ==
          Details{{"problem", "c.yaml:1:1: a: unknown key"}, {"problem", "c.yaml:2:1: b: unknown key"}});
  }
}

TEST_CASE("what YAML allows and nobody should write in a configuration is refused") {
  const std::vector<std::pair<std::string, std::string>> cases{
      {"a: 1\nb: 2\na: 3\n", "c.yaml:3:1: key 'a' appears twice, first in line 1"},
      {"a: 1\n\"a\": 3\n", "c.yaml:2:1: key 'a' appears twice, first in line 1"},
      {"a: 1\n---\nb: 2\n", "c.yaml:3:1: a second document starts here; the configuration is one document"},
      {"a: &x 1\n", "c.yaml:1:4: anchors (&name) are not used here"},
      {"a: &x 1\nb: *x\n",
       "c.yaml:1:4: anchors (&name) are not used here\n"
       "c.yaml:2:1: b: has no value; leave the key out instead\n"
       "c.yaml:2:4: aliases (*name) are not used here: write the value again"},
      {"<<: {a: 1}\nb: 2\n", "c.yaml:1:1: merge keys (<<) are not used here"},
      {"a: !!str 1\n", "c.yaml:1:4: tags (!type) are not used here"},
      {"a: !secret x\n", "c.yaml:1:4: tags (!type) are not used here"},
      {"? [a]\n: 1\n", "c.yaml:1:3: a key must be a plain text"},
      {"~: 1\n", "c.yaml:1:1: a key must be a plain text"},
      {"- a\n- b\n", "c.yaml:1:1: the file must be a mapping of names to values"},
      {"just text\n", "c.yaml:1:1: the file must be a mapping of names to values"},
      {"a:\nb: 1\n", "c.yaml:1:1: a: has no value; leave the key out instead"},
      {"a: ~\n", "c.yaml:1:1: a: has no value; leave the key out instead"},
      {"a: null\n", "c.yaml:1:1: a: has no value; leave the key out instead"},
      {"a: \"\"\n", "c.yaml:1:4: a: is empty; leave the key out instead"},
      {"a: [1]\n", "c.yaml:1:4: a: must be one text, found a list"},
      {"a: {b: 1}\n", "c.yaml:1:4: a: must be one text, found a section of its own"},
      {"a: \"x\\0y\"\n", "c.yaml:1:4: a: holds a NUL character"},
  };
  for (const auto& [text, said] : cases) {
    INFO(text);
    CHECK(problems(text) == said);
  }
}

TEST_CASE("a text that is no YAML is one problem with its place") {
  for (const char* text :
       {"a: [1\n", "a: \"x", "a: b: c\n", "\t- a\n", "a: 1\n b: 2\n", "%YAML 9\n---\na: {]}\n", "@a: 1\n"}) {
    INFO(text);
    const std::string said = problems(text);
    INFO(said);
    CHECK(said.find(": this is not YAML: ") != std::string::npos);
    CHECK(said.find('\n') == std::string::npos);
  }
  CHECK(problems(std::string(100'000, '[')).find("this is not YAML") != std::string::npos);
}

TEST_CASE("an empty file is an empty configuration") {
  for (const char* text : {"", "\n", "# nothing but a comment\n", "---\n", "--- {}\n", "~\n"}) {
    INFO(text);
    CHECK(problems(text) == "");
  }
}

TEST_CASE("a value of a wrong kind is named for what it is") {
  CHECK(problems("a: 1\n", [](Section& root) { root.section("a"); }) ==
        "c.yaml:1:4: a: must be a section of its own, found a text");
  CHECK(problems("a: [1, {b: 2}]\n", [](Section& root) {
          for (Section& one : root.sections("a")) one.optional_text("b");
        }) == "c.yaml:1:5: a[1]: must be a section of its own, found a text");
  CHECK(problems("a: [x, [y], ~]\n", [](Section& root) { root.texts("a"); }) ==
        "c.yaml:1:8: a: each entry must be a text\nc.yaml:1:13: a: each entry must be a text");
  CHECK(problems("a: \"4\"\n", [](Section& root) { root.integer("a", 0, 9); }) ==
        "c.yaml:1:4: a: must be a whole number");
  CHECK(problems("a: 0x10\n", [](Section& root) { root.integer("a", 0, 99); }) ==
        "c.yaml:1:4: a: must be a whole number");
  CHECK(problems("a: 99999999999999999999\n", [](Section& root) { root.integer("a", 0, 9); }) ==
        "c.yaml:1:4: a: must be a whole number");
  CHECK(problems("a: \"true\"\n", [](Section& root) { root.optional_boolean("a"); }) ==
        "c.yaml:1:4: a: must be true or false");
}

TEST_CASE("a secret that stands in the file is refused and not repeated") {
  const std::string said = problems("pin: hunter2\nkeys: [\"env:A\", hunter3]\nother: protected\n", [](Section& root) {
    root.secret("pin", SecretUse::pin);
    root.secrets("keys");
    root.optional_secret("other");
  });
  CHECK(said ==
        "c.yaml:1:6: pin: is not the source of a secret: write env:NAME, file:PATH, credential:NAME, protected or "
        "prompt; "
        "a secret is never written in a configuration\n"
        "c.yaml:2:17: keys: is not the source of a secret: write env:NAME, file:PATH, credential:NAME or prompt; "
        "a secret is never written in a configuration\n"
        "c.yaml:3:8: other: 'protected' is for the PIN of a token only, since its own keypad asks for it");
}

TEST_CASE("a key nobody asked for is unknown at every depth and its value is not shown") {
  const std::string said = problems("a:\n  b:\n    aip_key: hunter2\n", [](Section& root) {
    auto a = root.section("a");
    auto b = a->section("b");
    b->optional_secret("api_key");
    b->finish();
    a->finish();
  });
  CHECK(said == "c.yaml:3:5: a.b.aip_key: unknown key (did you mean 'api_key'?)");
}

TEST_CASE("an owner reports its own findings at the value") {
  const std::string said = problems("a:\n  x: bad\n", [](Section& root) {
    auto a = root.section("a");
    a->text("x");
    a->problem("x", "is bad");
    a->problem("y", "would be better");
    CHECK(a->error("x", "is bad").message() == "c.yaml:2:6: a.x: is bad");
    CHECK(a->where("x") == "c.yaml:2:6");
  });
  CHECK(said == "c.yaml:1:1: a.y: would be better\nc.yaml:2:6: a.x: is bad");
}

TEST_CASE("a section read after the document was finished throws by itself") {
  Document file = document("late:\n  typo: 1\n  count: x\n");
  Section root = file.root();
  auto late = root.section("late");
  root.finish();
  CHECK_NOTHROW(file.finish());
  late->optional_integer("count", 0, 1);
  CHECK_THROWS_WITH(late->finish(),
                    "c.yaml:2:3: late.typo: unknown key\nc.yaml:3:10: late.count: must be a whole number");
}

TEST_CASE("a default section is empty") {
  Section section;
  CHECK(section.keys().empty());
  CHECK_FALSE(section.has("a"));
  CHECK_NOTHROW(section.finish());
}
