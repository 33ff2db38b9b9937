#include "../fuzzing.h"
#include "providers/digicert/certificates.h"
#include "providers/digicert/profile_rules.h"
#include "providers/digicert/refusal.h"

using namespace hsmbridge;
using namespace hsmbridge::digicert;

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
  read([&] {
    const Profile profile = profile_from(body);
    facts(profile);
    violations(profile, Settings{}, x509::RequestedContent{}, x509::KeySpec{});
  });
  read([&] { profiles_from(body); });
  read([&] { certificates_of(certificate_answer_from(body)); });
  read([&] { certificate_details_from(body); });
  read([&] { search_page_from(body); });
  read([&] { additional_formats_from(body); });
  read([&] { who_am_i_from(body); });
  read([&] { certificates_in(body); });
  refusals_text(refusals_from(body));
  for (const long status : {200L, 201L, 204L, 400L, 401L, 404L, 500L}) {
    const net::Response answer{status, {{"Content-Type", "application/json"}}, body};
    const Verdict verdict = submission_verdict({dialect(), "POST /c", answer, Instant{}});
    if (const auto* refused = std::get_if<workflow::RefusedForGood>(&verdict)) refuses_the_form(*refused);
    revocation_verdict({dialect(), "PUT /r", answer, Instant{}});
  }
  return 0;
}
