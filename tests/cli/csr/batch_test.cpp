#include "service/content/batch.h"

#include "base/error.h"
#include "support/cli/cli.h"

#include <catch2/catch.hpp>
#include <filesystem>
#include <set>
#include <string>

using hsmbridge::Error;
using hsmbridge::service::BatchRow;
using hsmbridge::service::read_batch;
using hsmbridge::test::Cli;

namespace {

const std::vector<std::string> kColumns = {"key", "san", "path-length", "ca"};

std::string refusal(const std::string& text) {
  try {
    read_batch(text, kColumns);
  } catch (const Error& error) {
    return error.message();
  }
  return "";
}

}  // namespace

TEST_CASE("a JSON row takes back what is typed beside it, in either spelling") {
  for (const auto* text : {R"({"key": "k", "ca": false})", R"({"key": "k", "ca": "false"})"}) {
    CHECK(read_batch(text, kColumns).at(0).text_or("ca", "") == "false");
  }
}

TEST_CASE("CSV rows keep their line and their values") {
  const auto rows =
      read_batch("\xEF\xBB\xBFkey,san,san\r\na,dns:x|dns:y,dns:z\r\n\r\n\"b \"\"q\"\",\nc\",,\n", kColumns);
  REQUIRE(rows.size() == 2);
  CHECK(rows[0].line == 2);
  CHECK(rows[0].text_or("key", "") == "a");
  CHECK(rows[0].all("san") == std::vector<std::string>{"dns:x", "dns:y", "dns:z"});
  CHECK(rows[1].line == 4);
  CHECK(rows[1].text_or("key", "") == "b \"q\",\nc");
  CHECK_FALSE(rows[1].has("san"));
  CHECK_THROWS_AS(rows[0].text_or("san", ""), Error);
}

TEST_CASE("JSON lines say the same as CSV") {
  const auto rows = read_batch(
      "{\"key\":\"a\",\"san\":[\"dns:x\",\"dns:y\"],\"path_length\":1,\"ca\":true}\n\n{\"key\":\"b\"}\n", kColumns);
  REQUIRE(rows.size() == 2);
  CHECK(rows[0].all("san") == std::vector<std::string>{"dns:x", "dns:y"});
  CHECK(rows[0].text_or("path-length", "") == "1");
  CHECK(rows[0].text_or("ca", "") == "true");
  CHECK(rows[1].line == 3);
}

TEST_CASE("a batch that is only half understood is refused with its line") {
  CHECK(refusal("") == "the file is empty");
  CHECK(refusal("key,san\n") == "the file has column names and no row");
  CHECK(refusal("key,colour\na,b\n") == "line 1: there is no column \"colour\"");
  CHECK(refusal("key,san\na\n") == "line 2: 1 cells under 2 columns");
  CHECK(refusal("key\n\"a\n") == "line 2: a quoted cell is not closed");
  CHECK(refusal("key\n\"a\"b\n") == "line 2: unexpected text after a closing quote");
  CHECK(refusal("key\na\"b\n") == "line 2: a quote stands inside a cell that does not begin with one");
  CHECK(refusal("{\"key\":\"a\"}\n{\"kee\":\"b\"}\n") == "line 2: there is no column \"kee\"");
  CHECK(refusal("{\"key\":{}}\n") == "line 1: \"key\" is neither a text, a number nor a list");
  CHECK(refusal("{\"key\":\"a\"}\nnonsense\n").rfind("line 2: ", 0) == 0);
}

TEST_CASE("each row of a batch gives one line and one bad row stops no other") {
  const Cli cli;
  cli.make_token("web");
  std::filesystem::create_directories(cli / "out");
  cli.write("rows.csv",
            "new-key,san,out\n"
            "a,dns:a.example.com,\n"
            "b,nonsense,\n"
            "c,dns:c.example.com|ip:192.0.2.1,named.csr\n"
            "d,dns:d.example.com,named.csr\n");
  const auto made = cli.run(
      cli.on("web", {"csr", "create", "--from", "rows.csv", "--out-directory", "out", "--subject", "O=Example, CN=x"}));
  INFO(made.err);
  CHECK(made.status == 1);
  CHECK(made.out ==
        "line 2: ok      out/a.csr: O=Example, CN=x (dns:a.example.com)\n"
        "line 3: failed  --san: \"nonsense\" is not a valid alternative name\n"
        "line 4: ok      out/named.csr: O=Example, CN=x (dns:c.example.com, ip:192.0.2.1)\n"
        "line 5: failed  out/named.csr is the file of an earlier row\n");
  for (const char* file : {"out/a.csr", "out/named.csr"}) {
    CHECK(cli.other({"openssl", "req", "-in", file, "-verify", "-noout"}).status == 0);
  }
  CHECK(cli.run(cli.on("web", {"key", "list", "--json"})).json().at("keys").as_array().size() == 2);
}

TEST_CASE("a row that is done is not done again and one whose file says something else fails") {
  const Cli cli;
  cli.make_token("web");
  cli.write("rows.csv",
            "new-key,key,san,out\n"
            "a,,dns:a.example.com,\n"
            ",a,dns:b.example.com,b.csr\n"
            ",a,dns:c.example.com,c.csr\n"
            "d,,dns:d.example.com,\n");
  const auto make = [&] { return cli.run(cli.on("web", {"csr", "create", "--from", "rows.csv"})); };
  const auto first = make();
  INFO(first.out << first.err);
  REQUIRE(first.status == 0);
  const auto a = cli.read("a.csr");
  const auto c = cli.read("c.csr");
  std::filesystem::remove(cli / "b.csr");
  cli.write("c.csr", cli.read("d.csr"));

  const auto second = make();
  INFO(second.out << second.err);
  CHECK(second.status == 1);
  CHECK(second.out ==
        "line 2: there   a.csr: dns:a.example.com\n"
        "line 3: ok      b.csr: dns:b.example.com\n"
        "line 4: failed  c.csr exists already, and is not the CSR that is asked for: public key: another one than "
        "asked\n"
        "line 5: there   d.csr: dns:d.example.com\n");
  CHECK(second.err.find("1 of 4 made, 2 were there already") != std::string::npos);
  CHECK(cli.read("a.csr") == a);
  CHECK(cli.run(cli.on("web", {"key", "list", "--json"})).json().at("keys").as_array().size() == 2);

  // What is not a file is not waited for.
  std::filesystem::remove(cli / "c.csr");
  REQUIRE(cli.other({"mkfifo", "c.csr"}).status == 0);
  CHECK(
      make().out.find("line 4: failed  c.csr exists already, and is not the CSR that is asked for: it is not a regular "
                      "file\n") != std::string::npos);
  std::filesystem::remove(cli / "c.csr");

  // A file that was changed, or that another key of the same label would have to have signed.
  cli.write("c.csr", c);
  std::string changed = cli.read("a.csr");
  changed[changed.find("\n") + 100] ^= 1;
  cli.write("a.csr", changed);
  REQUIRE(cli.run(cli.on("web", {"key", "delete", "d", "--yes"})).status == 0);
  const auto third = make();
  INFO(third.out);
  CHECK(third.out.find("line 2: failed  a.csr exists already, and is not the CSR that is asked for: ") == 0);
  CHECK(third.out.find("line 4: there   c.csr: ") != std::string::npos);
  CHECK(third.out.find("line 5: failed  d.csr exists already, and is not the CSR that is asked for: 0 keys match d") !=
        std::string::npos);
  CHECK(cli.read("a.csr") == changed);
}

TEST_CASE("a key that was made without its CSR signs where it is named, and is not taken for a new one") {
  const Cli cli;
  cli.make_token("web");
  cli.write("rows.csv", "new-key,san\na,dns:a.example.com\n");
  const auto make = [&](const char* folder) {
    return cli.run(cli.on("web", {"csr", "create", "--from", "rows.csv", "--out-directory", folder}));
  };
  // A file that could not be written is no reason to make a key.
  const auto nowhere = make("none");
  CHECK(nowhere.out.find("line 2: failed  cannot create a file in none: ") == 0);
  CHECK(cli.run(cli.on("web", {"key", "list", "--json"})).json().at("keys").as_array().empty());

  REQUIRE(make(".").status == 0);
  std::filesystem::remove(cli / "a.csr");
  const auto again = make(".");
  CHECK(again.status == 1);
  CHECK(again.out.find("if an earlier run made it for this row, name it under key\n") != std::string::npos);
  CHECK_FALSE(cli.exists("a.csr"));
  cli.write("rows.csv", "key,san\na,dns:a.example.com\n");
  CHECK(make(".").out == "line 2: ok      ./a.csr: dns:a.example.com\n");
}

TEST_CASE("a CSR that is there counts only while its key may sign") {
  const Cli cli;
  cli.make_token("web");
  cli.write("rows.csv", "new-key,san\na,dns:a.example.com\n");
  const auto make = [&] { return cli.run(cli.on("web", {"csr", "create", "--from", "rows.csv"})); };
  REQUIRE(make().status == 0);
  const auto removed = cli.other({"pkcs11-tool", "--module", Cli::module().string(), "--token-label", "web", "--login",
                                  "--pin", "1234", "--delete-object", "--type", "privkey", "--label", "a"});
  INFO(removed.out << removed.err);
  REQUIRE(removed.status == 0);
  const auto second = make();
  INFO(second.out);
  CHECK(second.status == 1);
  CHECK(second.out.find("line 2: failed  ") == 0);
}

TEST_CASE("rows that mean one file, or a key that only a later row makes, are refused whatever runs first") {
  const Cli cli;
  cli.make_token("web");
  cli.write("rows.csv",
            "key,new-key,san,out\n"
            "b,,dns:one.example.com,1.csr\n"
            ",a,dns:two.example.com,2.csr\n"
            "a,,dns:three.example.com,./2.csr\n"
            ",b,dns:four.example.com,4.csr\n");
  const auto made = cli.run(cli.on("web", {"csr", "create", "--from", "rows.csv"}));
  CHECK(made.out ==
        "line 2: failed  key b is made by a later row\n"
        "line 3: ok      2.csr: dns:two.example.com\n"
        "line 4: failed  ./2.csr is the file of an earlier row\n"
        "line 5: ok      4.csr: dns:four.example.com\n");
}

TEST_CASE("a row finds the key that a row before it made") {
  const Cli cli;
  cli.make_token("web");
  cli.write("rows.csv",
            "key,new-key,san,out\n"
            ",a,dns:two.example.com,2.csr\n"
            "a,,dns:three.example.com,3.csr\n"
            "pkcs11:object=a,,dns:four.example.com,4.csr\n"
            ",a,dns:five.example.com,5.csr\n");
  const auto made = cli.run(cli.on("web", {"csr", "create", "--from", "rows.csv"}));
  INFO(made.out << made.err);
  CHECK(made.status == 1);
  for (const char* line : {"line 2: ok ", "line 3: ok ", "line 4: ok ", "line 5: failed  "}) {
    CHECK(made.out.find(line) != std::string::npos);
  }
  CHECK(cli.run(cli.on("web", {"key", "list", "--json"})).json().at("keys").as_array().size() == 1);
}

TEST_CASE("many rows are told in their order and each CSR says and is signed by what its row names") {
  const Cli cli;
  cli.make_token("web");
  REQUIRE(cli.run(cli.on("web", {"key", "generate", "--label", "k", "--count", "3"})).status == 0);
  std::string csv = "key,san,out\n";
  std::string expected;
  for (unsigned i = 0; i < 120; ++i) {
    const std::string n = std::to_string(i);
    const bool bad = i % 10 == 7;
    csv +=
        "k-" + std::to_string(i % 3 + 1) + "," + (bad ? "nonsense" : "dns:h" + n + ".example.com") + "," + n + ".csr\n";
    expected += "line " + std::to_string(i + 2) +
                (bad ? ": failed  --san: \"nonsense\" is not a valid alternative name\n"
                     : ": ok      " + n + ".csr: dns:h" + n + ".example.com\n");
  }
  cli.write("rows.csv", csv);
  cli.configure("store: {path: \"" + (cli / "store.db").string() + "\"}\n");
  const auto made = cli.run({"csr", "create", "--from", "rows.csv"});
  INFO(made.err);
  CHECK(made.status == 1);
  CHECK(made.out == expected);
  CHECK(made.err.find("108 of 120 made") != std::string::npos);
  std::set<std::string> keys;
  for (unsigned i = 0; i < 120; ++i) {
    if (i % 10 == 7) continue;
    const auto said = cli.other({"openssl", "req", "-in", std::to_string(i) + ".csr", "-verify", "-noout", "-text"});
    INFO(i);
    CHECK(said.status == 0);
    CHECK(said.out.find("DNS:h" + std::to_string(i) + ".example.com\n") != std::string::npos);
    const auto key = cli.other({"openssl", "req", "-in", std::to_string(i) + ".csr", "-pubkey", "-noout"});
    if (i < 3) CHECK(keys.insert(key.out).second);
    CHECK(keys.contains(key.out));
  }
  // Each signature is in the audit log with what it was for.
  CHECK(cli.run({"audit", "verify"}).status == 0);
  const auto uses =
      cli.other({"sqlite3", "store.db",
                 "SELECT count(*), count(DISTINCT json_extract(CAST(data AS TEXT), '$.fact.signed_sha256')) "
                 "FROM leaves WHERE json_extract(CAST(data AS TEXT), '$.kind') = 'key-use'"});
  CHECK(uses.out == "108|108\n");
}

TEST_CASE("a batch in JSON gives one object a row") {
  const Cli cli;
  cli.make_token("web");
  cli.write("rows.jsonl",
            "{\"new_key\":\"a\",\"san\":[\"dns:a.example.com\"]}\n{\"key\":\"none\",\"san\":\"dns:b.example.com\"}\n");
  const auto made = cli.run(cli.on("web", {"csr", "create", "--from", "rows.jsonl", "--json"}));
  CHECK(made.status == 1);
  const auto second = made.out.substr(made.out.find('\n') + 1);
  CHECK(made.json().at("ok").as_bool());
  CHECK(made.json().at("file").as_string() == "a.csr");
  const auto failed = hsmbridge::Json::parse(second.substr(0, second.find('\n')));
  CHECK_FALSE(failed.at("ok").as_bool());
  CHECK(failed.at("line").as_integer() == 2);
  CHECK(failed.at("error").at("kind").as_string() == "not_found");
}

TEST_CASE("a wrong PIN ends a batch before its first row") {
  const Cli cli;
  cli.make_token("web");
  cli.write("web.pin", "9999\n");
  cli.write("rows.csv", "new-key,san\na,dns:a.example.com\nb,dns:b.example.com\n");
  const auto made = cli.run(cli.on("web", {"csr", "create", "--from", "rows.csv"}));
  CHECK(made.status == 4);
  CHECK(made.out.empty());
}
