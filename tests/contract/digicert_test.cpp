#include "base/error.h"
#include "base/file.h"
#include "contract_case.h"
#include "providers/digicert/request.h"
#include "support/running_rig.h"
#include "x509/objects/certificate.h"

using namespace hsmbridge;
using namespace hsmbridge::contract;
using namespace hsmbridge::workflow;

namespace {

// DigiCert, and a request that nobody has made there yet.
struct Tlm : test::TlmRequest {
  static Needs needs() { return {"TLM", {"URL", "KEY_FILE", "PROFILE", "SEAT"}, {}}; }
  static std::unique_ptr<Tlm> rig() {
    auto place = std::make_unique<Tlm>();
    place->running = std::make_unique<test::RunningRig>(std::vector<std::string>{}, "digicert");
    const Json& about = place->running->about();
    place->settings.url = about.at("url").as_string();
    place->settings.ca = about.at("ca").as_string();
    place->settings.profile = about.at("profiles").as_array().at(0).at("id").as_string();
    place->settings.seat = "ops@example.com";
    place->speak_with(place->running->api_key("service"));
    return place;
  }
  static std::unique_ptr<Tlm> service(const Variables& variables) {
    auto place = std::make_unique<Tlm>();
    place->settings.url = variables.at("URL");
    if (const auto ca = variables.find("CA"); ca != variables.end()) place->settings.ca = ca->second;
    place->settings.profile = variables.at("PROFILE");
    place->settings.seat = variables.at("SEAT");
    place->speak_with(std::string(read_secret_file(variables.at("KEY_FILE")).reveal()));
    return place;
  }
  void speak_with(const std::string& value) {
    options.get = [value] { return Secret(value); };
    made.reset();
  }

  std::unique_ptr<test::RunningRig> running;
};

}  // namespace

CONTRACT_CASE(Tlm, Ask::nothing_made, "DigiCert tells an API key's user and its profile") {
  CHECK_FALSE(place.provider().test().empty());
}

CONTRACT_CASE(Tlm, Ask::nothing_made, "DigiCert denies an API key that is not one") {
  place.speak_with("0123456789abcdef_0123456789abcdef");
  try {
    place.freeze();
    FAIL("it was let in");
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::denied);
  }
}

CONTRACT_CASE(Tlm, Ask::nothing_made, "DigiCert shows a profile that a request can be drafted and checked for") {
  CHECK(place.freeze().empty());
  CHECK_FALSE(place.draft.provider_state.empty());
}

CONTRACT_CASE(Tlm, Ask::nothing_made, "DigiCert does not know a reference that it never gave") {
  place.freeze();
  place.submission.reference = ProviderReference("0e0e0e0e-0000-4000-8000-000000000000");
  CHECK(place.poll().status == RequestStatus::gone);
}

CONTRACT_CASE(Tlm, Ask::nothing_made, "DigiCert finds nothing for a key that nobody ordered with") {
  place.freeze();
  CHECK_FALSE(std::holds_alternative<Found>(place.provider().look_up(place.lost_call())));
}

CONTRACT_CASE(Tlm, Ask::makes_a_request, "DigiCert hands out a certificate for our key, or a reference that it knows") {
  REQUIRE(place.freeze().empty());
  Report report = place.submit();
  if (!report.result) report = place.poll();
  CHECK(report.status != RequestStatus::gone);
  if (report.result) {
    const Issued issued = issued_by(place.provider(), place.call(), *report.result);
    CHECK(x509::parse_certificate(issued.certificate).spki() == place.key.subject_public_key_info());
  } else {
    CHECK_FALSE(place.submission.reference.empty());
  }
}
