// The smallest provider, through its whole life.
#include "orchard.h"

#include "support/fake_clock.h"
#include "support/fake_transport.h"
#include "support/software_signer.h"
#include "x509/objects/csr.h"

#include <catch2/catch.hpp>

using namespace hsmbridge;
using namespace hsmbridge::workflow;
using namespace std::chrono_literals;
using hsmbridge::test::FakeTransport;
using hsmbridge::test::response;

namespace {

struct Bench {
  Bench() {
    order.id = RequestId("0123456789ABCDEF");
    x509::Content content;
    content.subject = x509::Name::parse("CN=www.example.com");
    draft.csr = x509::create_csr(key, content, x509::signature_algorithm("ecdsa-sha256"));
    submission.reference = ProviderReference("o-1");
  }
  ProviderCall call() { return {order, named, draft, 1, &submission, clock.now(), 5s}; }

  std::shared_ptr<FakeTransport> transport = std::make_shared<FakeTransport>();
  test::FakeClock clock;
  test::SoftwareSigner key{"ec:P-256"};
  Order order;
  Key named;
  Draft draft;
  Submission submission;
  orchard::Orchard provider{transport, {[] { return Secret("the-token"); }}, clock};
};

}  // namespace

TEST_CASE("a provider that is a table and a client submits and looks up and polls and retrieves") {
  Bench bench;
  bench.transport->then(201, R"({"order":"o-1","state":"waiting"})");
  const SubmitAnswer taken = bench.provider.submit(bench.call());
  CHECK(std::get<Accepted>(taken).report.status == RequestStatus::awaiting_approval);
  CHECK(std::get<Accepted>(taken).report.reference.str() == "o-1");
  CHECK(bench.transport->sent.back().repeat == net::Repeat::never);

  bench.transport->then(200, R"({"orders":[{"order":"o-1","state":"waiting"}]})").then(200, R"({"orders":[]})");
  CHECK(std::get<Found>(bench.provider.look_up(bench.call())).report.reference.str() == "o-1");
  CHECK(std::holds_alternative<Absent>(bench.provider.look_up(bench.call())));

  bench.transport->then(response(200, R"({"order":"o-1","state":"grown"})", "", {{"Retry-After", "3"}}));
  const Report ready = bench.provider.poll(bench.call());
  CHECK(ready.status == RequestStatus::ready);
  CHECK(ready.retry_after == Duration(3s));
  bench.transport->then(200, "-----BEGIN", "application/x-pem-file");
  CHECK(bench.provider.retrieve(bench.call()).handout->raw == to_bytes("-----BEGIN"));
  CHECK(bench.transport->lines() == std::vector<std::string>{"POST /orders", "GET /orders?tag=0123456789ABCDEF-1",
                                                             "GET /orders?tag=0123456789ABCDEF-1", "GET /orders/o-1",
                                                             "GET /orders/o-1/certificate"});
}

TEST_CASE("what the smallest provider is told is what the frame makes of it") {
  Bench bench;
  const auto submitted = [&](net::Exchange exchange) {
    bench.transport->then(std::move(exchange));
    return bench.provider.submit(bench.call()).index();
  };
  CHECK(submitted(response(400, R"({"fault":"bad-csr","text":"no"})")) == 2);
  CHECK(submitted(response(400, R"({"fault":"full"})")) == 1);
  CHECK(submitted(response(201, "{}")) == 3);
  CHECK(submitted(net::OutcomeUnknown{"cut"}) == 3);
  bench.transport->then(404, R"({"fault":"unknown"})").then(502, "<html>", "text/html").then(200, "{}");
  CHECK_THROWS_AS(bench.provider.poll(bench.call()), Error);
  CHECK_THROWS_AS(bench.provider.look_up(bench.call()), Error);
  CHECK_THROWS_AS(bench.provider.poll(bench.call()), Error);
}
