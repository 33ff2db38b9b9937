#include "environment.h"

#include "base/error.h"
#include "support/variable.h"
#include "unit/x509/error_of.h"

#include <sys/wait.h>

#include <catch2/catch.hpp>
#include <cstdio>
#include <sstream>
#include <stdexcept>

using namespace hsmbridge;
using namespace hsmbridge::contract;
using hsmbridge::test::Variable;

namespace {

const Needs kNeeds{"NOWHERE", {"URL", "KEY_FILE"}, {"BEARER_FILE"}};

struct Finished {
  int status = -1;
  std::string output;
};

// This program again, with one of its cases against a service.
Finished run_case(const std::string& variables, const std::string& sentence) {
  const std::string line = "env -i " + variables + " " + HSMBRIDGE_CONTRACT + " 'service: " + sentence + "' 2>&1";
  FILE* pipe = ::popen(line.c_str(), "r");
  if (pipe == nullptr) throw std::runtime_error("cannot run " + line);
  Finished finished;
  char buffer[4096];
  for (std::size_t count = 0; (count = std::fread(buffer, 1, sizeof buffer, pipe)) > 0;) {
    finished.output.append(buffer, count);
  }
  const int code = ::pclose(pipe);
  finished.status = WIFEXITED(code) ? WEXITSTATUS(code) : -1;
  return finished;
}

}  // namespace

TEST_CASE("a service that the environment does not name is left out") {
  CHECK_FALSE(variables_of(kNeeds));
  const Variable empty("HSMBRIDGE_CONTRACT_NOWHERE_URL", "");
  CHECK_FALSE(variables_of(kNeeds));
}

TEST_CASE("a service that is named in part is an error that says what is missing") {
  const Variable url("HSMBRIDGE_CONTRACT_NOWHERE_URL", "https://nowhere.test");
  CHECK(test::refusal([] { variables_of(kNeeds); }) ==
        "the environment describes the service only in part: HSMBRIDGE_CONTRACT_NOWHERE_KEY_FILE missing");
}

TEST_CASE("an optional variable alone names a service in part") {
  const Variable bearer("HSMBRIDGE_CONTRACT_NOWHERE_BEARER_FILE", "/dev/null");
  CHECK(test::refusal([] { variables_of(kNeeds); }) ==
        "the environment describes the service only in part: HSMBRIDGE_CONTRACT_NOWHERE_URL, "
        "HSMBRIDGE_CONTRACT_NOWHERE_KEY_FILE missing");
}

TEST_CASE("a request is made at a service with permission only") {
  const Variable url("HSMBRIDGE_CONTRACT_NOWHERE_URL", "https://nowhere.test");
  const Variable key("HSMBRIDGE_CONTRACT_NOWHERE_KEY_FILE", "/nowhere");
  // Not to the output of this case: it would be taken for a skipped one.
  std::ostringstream out;
  CHECK(service_for(kNeeds, Ask::nothing_made, out)->at("URL") == "https://nowhere.test");
  CHECK(out.str().empty());
  CHECK_FALSE(service_for(kNeeds, Ask::makes_a_request, out));
  CHECK(out.str().find("set HSMBRIDGE_CONTRACT_NOWHERE_MAY_ORDER=yes") != std::string::npos);
  {
    const Variable may("HSMBRIDGE_CONTRACT_NOWHERE_MAY_ORDER", "yes");
    CHECK(service_for(kNeeds, Ask::makes_a_request, out));
  }
  const Variable may("HSMBRIDGE_CONTRACT_NOWHERE_MAY_ORDER", "1");
  CHECK(test::refusal([] { variables_of(kNeeds); }) == "HSMBRIDGE_CONTRACT_NOWHERE_MAY_ORDER is neither yes nor unset");
}

TEST_CASE("a case without a service says that it is skipped and one with half a service fails") {
  const std::string sentence = "a TSB tells its version";
  const Finished skipped = run_case("", sentence);
  CHECK(skipped.status == 0);
  CHECK(skipped.output.find("contract case skipped: no service is named: set HSMBRIDGE_CONTRACT_TSB_URL, "
                            "HSMBRIDGE_CONTRACT_TSB_KEY_FILE, HSMBRIDGE_CONTRACT_TSB_SIGN_KEY") != std::string::npos);
  const Finished half = run_case("HSMBRIDGE_CONTRACT_TSB_URL=https://127.0.0.1:1", sentence);
  CHECK(half.status != 0);
  CHECK(half.output.find("contract case skipped") == std::string::npos);
  CHECK(half.output.find("only in part") != std::string::npos);
}
