#include "base/error.h"
#include "base/file.h"
#include "contract_case.h"
#include "providers/securosys/request.h"
#include "support/running_rig.h"
#include "x509/objects/spki.h"

using namespace hsmbridge;
using namespace hsmbridge::contract;
using namespace hsmbridge::workflow;

namespace {

constexpr Duration kLimit = std::chrono::seconds{20};

// A TSB with a CA key that people must approve, and a request that nobody has made there yet.
struct Tsb : test::TsbRequest {
  static Needs needs() { return {"TSB", {"URL", "KEY_FILE", "SIGN_KEY"}, {"BEARER_FILE"}}; }
  static std::unique_ptr<Tsb> rig() {
    auto place = std::make_unique<Tsb>();
    place->running = std::make_unique<test::RunningRig>();
    const test::RunningRig& running = *place->running;
    place->settings.url = running.about().at("url").as_string();
    place->settings.ca = running.about().at("ca").as_string();
    place->speak_with(running.api_key("keyOperationToken"), running.api_key("serviceToken"));
    const test::SoftwareSigner approver("ec:P-256");
    const std::string file = running.folder().path().string() + "/alice.pem";
    write_file(file, to_bytes(x509::spki_to_pem(approver.subject_public_key_info())), FileMode::public_0644,
               Existing::replace);
    running.command("tsb create-ca --label ca-key --approver alice=" + file);
    return place;
  }
  static std::unique_ptr<Tsb> service(const Variables& variables) {
    auto place = std::make_unique<Tsb>();
    place->settings.url = variables.at("URL");
    if (const auto ca = variables.find("CA"); ca != variables.end()) place->settings.ca = ca->second;
    place->settings.sign_key = variables.at("SIGN_KEY");
    const std::string key(read_secret_file(variables.at("KEY_FILE")).reveal());
    place->speak_with(key, key);
    if (const auto bearer = variables.find("BEARER_FILE"); bearer != variables.end()) {
      place->options.bearer_token = {[file = bearer->second] { return read_secret_file(file); }};
    }
    return place;
  }
  void speak_with(const std::string& operation, const std::string& service) {
    options.api_keys.clear();
    key_for(securosys::Role::key_operation, operation);
    key_for(securosys::Role::service, service);
    made_client.reset();
    made.reset();
  }

  std::unique_ptr<test::RunningRig> running;
};

std::string code_of(Tsb& place, const std::string& label) {
  try {
    place.client().certificate(label, kLimit);
  } catch (const Error& error) {
    return std::string(error.detail("errorCode"));
  }
  return "no error";
}

}  // namespace

CONTRACT_CASE(Tsb, Ask::nothing_made, "a TSB tells its version") {
  CHECK_FALSE(place.client().version_info(kLimit).version.empty());
}

CONTRACT_CASE(Tsb, Ask::nothing_made, "a TSB denies an API key that is not one") {
  place.speak_with("tsb-x-token_0123456789abcdef", "tsb-x-token_0123456789abcdef");
  try {
    place.client().certificate(place.settings.sign_key, kLimit);
    FAIL("it was let in");
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::denied);
  }
}

CONTRACT_CASE(Tsb, Ask::nothing_made, "a TSB says 650 of a key that it does not have") {
  CHECK(code_of(place, "no-such-key-of-hsmbridge") == "650");
}

CONTRACT_CASE(Tsb, Ask::nothing_made, "a TSB gives the certificate that a draft is made below") {
  REQUIRE_NOTHROW(place.freeze());
  CHECK_FALSE(place.draft.issuer.empty());
}

CONTRACT_CASE(Tsb, Ask::nothing_made, "a TSB does not know a request that nobody made") {
  place.submission.reference = ProviderReference("4e8731d8-0ae6-4444-8a8c-b73ab5f0ba18");
  CHECK(place.poll().status == RequestStatus::gone);
}

CONTRACT_CASE(Tsb, Ask::makes_a_request, "a TSB keeps a signature waiting for approvers until it is cancelled") {
  place.freeze();
  CHECK(place.submit().status == RequestStatus::awaiting_approval);
  CHECK(place.poll().status == RequestStatus::awaiting_approval);
  const CancelAnswer answer = place.provider().cancel(place.call());
  REQUIRE(std::holds_alternative<Report>(answer));
  CHECK(std::get<Report>(answer).status == RequestStatus::cancelled);
}

CONTRACT_CASE(Tsb, Ask::makes_a_request, "a TSB takes the same bytes twice as two requests") {
  place.freeze();
  place.submit();
  const ProviderReference first = place.submission.reference;
  place.submit();
  CHECK(place.submission.reference != first);
  place.provider().cancel(place.call());
  place.submission.reference = first;
  place.provider().cancel(place.call());
}
