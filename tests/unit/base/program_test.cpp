// Other programs, for whoever reads how they ended and all that they wrote.
#include "base/program.h"

#include "base/error.h"
#include "support/temp_folder.h"

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <string>

using namespace hsmbridge;
using hsmbridge::test::TempFolder;
using namespace std::chrono_literals;

namespace {

constexpr std::size_t kMost = 1U << 20U;

Program shell(const std::string& script) {
  Program program{"the linter", "what it says is believed", {"/bin/sh", "-c", script}};
  program.time_limit = 20s;
  return program;
}

}  // namespace

TEST_CASE("a program that is run to its end says its status and all that it wrote") {
  for (const int status : {0, 1, 7, 255}) {
    CAPTURE(status);
    const ProgramEnd end = run_to_end(shell("echo one; echo two; exit " + std::to_string(status)), kMost);
    CHECK(end.status == status);
    CHECK(end.output == "one\ntwo\n");
    CHECK_FALSE(end.cut);
  }
  Program copies = shell("cat");
  copies.input = std::string(300'000, 'x');
  const ProgramEnd all = run_to_end(copies, kMost);
  CHECK(all.output == copies.input);
  CHECK_FALSE(all.cut);
}

TEST_CASE("of a program that writes too much the beginning is kept, and that it was cut is said") {
  const ProgramEnd end = run_to_end(shell("echo E: first; yes I: more | head -c 200000"), 1000);
  CHECK(end.status == 0);
  CHECK(end.output.size() == 1000);
  CHECK(end.output.starts_with("E: first\n"));
  CHECK(end.cut);
  CHECK_FALSE(run_to_end(shell("printf 12345"), 5).cut);
  CHECK(run_to_end(shell("printf 123456"), 5).cut);
  // A hook's last words are what is shown of it.
  CHECK(run(shell("echo first; yes more | head -c 200000; echo last")).ends_with("last\n"));
}

TEST_CASE("output that something else may go on writing is not all of it") {
  const TempFolder folder;
  const auto done = folder / "done";
  const ProgramEnd end =
      run_to_end(shell("echo one; (while [ ! -e " + done.string() + " ]; do sleep 0.05; done; echo two) &"), kMost);
  std::ofstream(done) << "";
  CHECK(end.status == 0);
  CHECK(end.output == "one\n");
  CHECK(end.cut);
}

TEST_CASE("a program that did not end by itself, or did not begin, has no end to tell") {
  CHECK_THROWS_WITH(run_to_end(shell("kill -TERM $$"), kMost), Catch::Contains("was ended by signal 15"));
  Program slow = shell("sleep 60");
  slow.time_limit = 100ms;
  CHECK_THROWS_WITH(run_to_end(slow, kMost), Catch::Contains("did not end within"));
  Program none = shell("");
  none.argv = {"/nonexistent/linter"};
  CHECK_THROWS_WITH(run_to_end(none, kMost), Catch::Contains("could not be started"));
  const TempFolder folder;
  const auto open = folder / "open";
  std::ofstream(open) << "#!/bin/sh\n";
  std::filesystem::permissions(open, std::filesystem::perms::all);
  none.argv = {open.string()};
  CHECK_THROWS_WITH(run_to_end(none, kMost), Catch::Contains("may be changed by everybody"));
}
