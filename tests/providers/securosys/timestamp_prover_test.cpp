#include "providers/securosys/timestamp_prover.h"

#include "base/error.h"
#include "support/fake_clock.h"
#include "support/software_signer.h"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

using namespace hsmbridge;
using namespace hsmbridge::securosys;

namespace {

// The time stamps that a server saw which refuses the first `refusals` of them and tells its time.
std::vector<std::string> stamps(const std::string& server_date, unsigned refusals = 1) {
  const test::FakeClock clock{parse_rfc3339("2026-06-01T12:00:00Z")};
  test::SoftwareSigner signer("ec:P-256");
  TimestampProver prover(signer, Identity::public_key(signer), clock);
  std::vector<std::string> seen;
  const auto ask = [&](const TimestampProof& proof) {
    seen.push_back(proof.timestamp);
    if (seen.size() > refusals) return;
    throw Error{ErrorKind::unavailable, "the time stamp is refused"}.with("server-date", server_date);
  };
  try {
    prover.with_proof(ask);
  } catch (const Error&) {
    seen.emplace_back("refused");
  }
  return seen;
}

using Stamps = std::vector<std::string>;

}  // namespace

TEST_CASE("a server whose clock differs by at most a day gets a time stamp of its own time") {
  CHECK(stamps("2026-06-01T11:00:00Z") == Stamps{"2026-06-01T11:59:55Z", "2026-06-01T10:59:55Z"});
  CHECK(stamps("2026-06-02T12:00:00Z") == Stamps{"2026-06-01T11:59:55Z", "2026-06-02T11:59:55Z"});
  CHECK(stamps("2026-06-01T11:00:00Z", 2) == Stamps{"2026-06-01T11:59:55Z", "2026-06-01T10:59:55Z", "refused"});
}

TEST_CASE("nothing is signed for the time of a server whose clock is more than a day away") {
  for (const char* date : {"2026-06-02T12:00:01Z", "2026-05-31T11:59:59Z", "2036-06-01T12:00:00Z"}) {
    CHECK(stamps(date) == Stamps{"2026-06-01T11:59:55Z", "refused"});
  }
}
