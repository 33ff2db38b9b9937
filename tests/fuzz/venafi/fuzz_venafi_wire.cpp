#include "../fuzzing.h"
#include "providers/jose.h"
#include "providers/venafi/client.h"
#include "providers/venafi/credentials.h"
#include "providers/venafi/error_code.h"
#include "providers/venafi/progress.h"
#include "providers/venafi/wire/wire.h"

using namespace hsmbridge;
using namespace hsmbridge::venafi;

namespace {

// An answer's reader may say `corrupt` or `unavailable` and nothing else.
template <class Read>
void read(Read reader) {
  try {
    reader();
  } catch (const Error& error) {
    fuzz::promise(error.kind() == ErrorKind::corrupt || error.kind() == ErrorKind::unavailable, error.what());
  }
}

}  // namespace

// Whatever a server answers: no crash, and a submission is always judged.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string body(reinterpret_cast<const char*>(data), size);
  read([&] { user_account_from(body); });
  read([&] { application_from(body); });
  read([&] { template_from(body); });
  read([&] { templates_from(body); });
  read([&] { report_of(certificate_request_from(body)); });
  read([&] { search_page_from(body); });
  read([&] { check_validated(body); });
  read([&] { progress_of(approval_request_from(body), {}); });
  read([&] { certificate_details_from(body); });
  read([&] { certificate_search_from(body); });
  read([&] { token_from(body); });
  read([&] { report_of(revocation_from(body, "certificate")); });
  for (const long status : {200L, 400L, 401L}) token_refusal_from(status, "application/json", body);
  providers::subject_of(body);
  longest_of_iso(body);
  for (const long status : {200L, 201L, 400L, 401L, 412L, 500L}) {
    const net::Response answer{status, {{"Content-Type", "application/json"}}, body};
    const Verdict verdict = submission_verdict({dialect(), "POST", answer, Instant{}});
    // A 4xx is never "unknown" when it is in a form that its reader takes for the service's own.
    if (status >= 400 && status < 500 && refusal_from(status, "application/json", body)) {
      fuzz::promise(!std::holds_alternative<workflow::OutcomeUnknown>(verdict), "a refusal is one");
    }
    if (status >= 500) fuzz::promise(std::holds_alternative<workflow::OutcomeUnknown>(verdict), "a 5xx is unknown");
    revocation_verdict({dialect(), "POST /graphql", answer, Instant{}});
  }
  return 0;
}
