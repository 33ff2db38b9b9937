#include "base/error.h"
#include "base/file.h"
#include "contract_case.h"
#include "providers/venafi/request.h"
#include "support/running_rig.h"

using namespace hsmbridge;
using namespace hsmbridge::contract;
using namespace hsmbridge::workflow;

namespace {

// Venafi, and a request that nobody has made there yet.
struct Cloud : test::CloudRequest {
  static Needs needs() { return {"VENAFI", {"URL", "KEY_FILE", "ZONE"}, {}}; }
  static std::unique_ptr<Cloud> rig() {
    auto place = std::make_unique<Cloud>();
    place->running = std::make_unique<test::RunningRig>(std::vector<std::string>{}, "venafi");
    place->settings.url = place->running->about().at("url").as_string();
    place->settings.ca = place->running->about().at("ca").as_string();
    place->settings.zone = {"Payments", "Default"};
    place->speak_with(place->running->api_key("ops"));
    return place;
  }
  static std::unique_ptr<Cloud> service(const Variables& variables) {
    auto place = std::make_unique<Cloud>();
    place->settings.url = variables.at("URL");
    if (const auto ca = variables.find("CA"); ca != variables.end()) place->settings.ca = ca->second;
    const std::string& zone = variables.at("ZONE");
    const std::size_t mark = zone.find('\\');
    if (mark == std::string::npos) throw Error{ErrorKind::invalid_input, "the zone is Application\\Alias, not " + zone};
    place->settings.zone = {zone.substr(0, mark), zone.substr(mark + 1)};
    place->speak_with(std::string(read_secret_file(variables.at("KEY_FILE")).reveal()));
    return place;
  }
  void speak_with(const std::string& value) {
    use(venafi::stored_access(venafi::Access::Kind::api_key, {[value] { return Secret(value); }, true}));
  }

  std::unique_ptr<test::RunningRig> running;
};

}  // namespace

CONTRACT_CASE(Cloud, Ask::nothing_made, "Venafi tells the account and the zone of an API key") {
  CHECK_FALSE(place.provider().test().empty());
}

CONTRACT_CASE(Cloud, Ask::nothing_made, "Venafi denies an API key that is not one") {
  place.speak_with("00000000-0000-4000-8000-000000000000");
  try {
    place.provider().test();
    FAIL("it was let in");
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::denied);
  }
}

CONTRACT_CASE(Cloud, Ask::nothing_made, "Venafi does not know a request that nobody made") {
  place.freeze();
  place.submission.reference = ProviderReference("0e0e0e0e-0000-4000-8000-000000000000");
  CHECK(place.poll().status == RequestStatus::gone);
}

CONTRACT_CASE(Cloud, Ask::nothing_made, "Venafi judges a request without making it") {
  place.freeze();
  CHECK(place.provider().check(place.call()) == place.provider().dry_run(place.call()));
  CHECK_FALSE(std::holds_alternative<Found>(place.provider().look_up(place.call())));
}

CONTRACT_CASE(Cloud, Ask::makes_a_request, "Venafi finds a request by the tag that was sent with it") {
  place.freeze();
  place.submit();
  const ProviderReference ours = place.submission.reference;
  place.submission = {};
  const LookUpAnswer answer = place.provider().look_up(place.call());
  REQUIRE(std::holds_alternative<Found>(answer));
  CHECK(std::get<Found>(answer).report.reference == ours);
}
