// The key of a CA of this bridge at a TSB: bytes that the CA froze are signed, whatever they are.
#include "provider_bench.h"
#include "providers/securosys/signing.h"

using namespace hsmbridge;
using namespace hsmbridge::securosys;
using namespace hsmbridge::test;
using namespace hsmbridge::workflow;

namespace {

struct Keeper : TsbBench {
  Keeper() {
    settings = for_key_of_ca(settings, "issuing", "issuing-2026", std::nullopt);
    order.provider = "issuing";
    order.profile.clear();
    order.what = IssueCrl{};
    draft.to_be_signed = Bytes{0x30, 0x03, 0x02, 0x01, 0x07};
    draft.algorithm = "ecdsa-sha256";
    draft.issuer = ca.certificate.der;
  }
};

}  // namespace

TEST_CASE("the frozen bytes are what the CA's key is asked to sign, and the request's id goes with them") {
  Keeper bench;
  bench.transport->then(201, std::string(R"({"signRequestId":")") + kId + "\"}");
  const SubmitAnswer answer = bench.provider().submit(bench.call());
  REQUIRE(std::holds_alternative<Accepted>(answer));
  CHECK(std::get<Accepted>(answer).report.reference == ProviderReference(kId));
  REQUIRE(bench.transport->sent.size() == 1);
  const Json sent = sent_json(bench, 0).at("signRequest");
  CHECK(sent.at("signKeyName").as_string() == "issuing-2026");
  CHECK(from_base64(sent.at("payload").as_string()) == bench.draft.to_be_signed);
  CHECK(sent.at("signatureAlgorithm").as_string() == "SHA256_WITH_ECDSA");
  CHECK(to_text(from_base64(sent.at("metaData").as_string())).find("0123456789ABCDEF") != std::string::npos);
}

TEST_CASE("bytes that the HSM's approval format does not hold are refused before they are sent") {
  Keeper bench;
  bench.draft.to_be_signed = Bytes(kLongestPayload, 0x30);
  CHECK(bench.check().empty());
  bench.draft.to_be_signed.push_back(0x30);
  CHECK(bench.check() == std::vector<std::string>{"what is to be signed has 60001 bytes; the HSM's approval format "
                                                  "holds 60000"});
  CHECK(bench.transport->sent.empty());
}

TEST_CASE("what the TSB has no word for waits for another algorithm") {
  Keeper bench;
  bench.draft.algorithm = "ml-dsa-65";
  CHECK(bench.waits_for() == std::vector<std::string>{"the TSB cannot sign with ml-dsa-65: change `algorithm`"});
}

TEST_CASE("the public key of a CA's key is told as far as the TSB shows it") {
  Keeper bench;
  const Bytes key = bench.ca.certificate.spki();
  SECTION("by the certificate that is attached there") {
    bench.attached(bench.ca.certificate);
    CHECK(bench.provider().public_key(std::chrono::seconds{2}) == key);
  }
  SECTION("by nothing where none is attached") {
    bench.transport->then(400, R"({"errorCode":402,"reason":"res.error.no.certificate","message":"none"})");
    CHECK_FALSE(bench.provider().public_key(std::chrono::seconds{2}));
  }
  SECTION("and a key that is not there is an error") {
    bench.transport->then(404, R"({"errorCode":650,"reason":"res.error.key.not.existent","message":"no key"})");
    CHECK_THROWS_AS(bench.provider().public_key(std::chrono::seconds{2}), Error);
  }
}

TEST_CASE("a provider without a key of its own drafts nothing") {
  TsbBench bench;
  bench.settings.sign_key.clear();
  bench.settings.issuer.reset();
  wanted(bench.order).content = bench.ask;
  try {
    bench.provider().draft(bench.order, csr_for(bench.key, bench.ask), bench.clock.now());
    FAIL("it drafted something");
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::refused);
    CHECK(error.message().find("provider tsb has no sign_key: it certifies nothing itself") == 0);
  }
  CHECK(bench.transport->sent.empty());
}
