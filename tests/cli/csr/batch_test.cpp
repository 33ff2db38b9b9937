#include "service/content/batch.h"

#include "base/error.h"
#include "support/cli/cli.h"

#include <catch2/catch.hpp>
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
