#include "tools/commandline/progress.h"

#include "support/cli/cli.h"

#include <catch2/catch.hpp>
#include <chrono>
#include <string>

using hsmbridge::commandline::progress_text;
using hsmbridge::test::Cli;
using namespace std::chrono_literals;

TEST_CASE("progress says how many are done how fast and what time is left") {
  CHECK(progress_text(0, 1000, 0ms) == "0 of 1000");
  CHECK(progress_text(0, 1000, 5s) == "0 of 1000");
  CHECK(progress_text(250, 1000, 1s) == "250 of 1000, 250/s, 3 seconds left");
  CHECK(progress_text(3, 63, 2s) == "3 of 63, 1.5/s, 40 seconds left");
  CHECK(progress_text(10, 7210, 10s) == "10 of 7210, 1.0/s, 2 hours left");
  CHECK(progress_text(1000, 1000, 10s) == "1000 of 1000, 100/s");
}

TEST_CASE("where standard error is not a terminal no progress is shown") {
  Cli cli;
  cli.set("TERM", "xterm");
  cli.make_token("web");
  cli.write("rows.csv", "new-key,san\na,dns:a.example.com\nb,dns:b.example.com\n");
  const auto made = cli.run(cli.on("web", {"csr", "create", "--from", "rows.csv"}));
  CHECK(made.status == 0);
  for (const std::string& text : {made.out, made.err}) {
    CHECK(text.find('\r') == std::string::npos);
    CHECK(text.find('\x1b') == std::string::npos);
  }
}
