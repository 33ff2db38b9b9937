#pragma once

#include "base/error.h"
#include "providers/connection.h"
#include "providers/securosys/test_ca.h"
#include "providers/venafi/provider.h"
#include "support/running_rig.h"
#include "x509/judge/check.h"
#include "x509/objects/pem.h"

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace hsmbridge::test {

// One request against a running simulator of Venafi, through our provider.
struct Flow {
  explicit Flow(const std::string& alias = "Default") {
    settings.name = "cloud";
    settings.url = rig.about().at("url").as_string();
    settings.ca = rig.about().at("ca").as_string();
    settings.zone = {"Payments", alias};
    order.id = RequestId("0123456789ABCDEF");
    order.provider = "cloud";
    order.created_at = clock.now();
    ask.content.extended_key_usage.clear();
  }

  // ops orders; alice, bob and carol approve.
  venafi::Access key_of(const std::string& user) {
    return venafi::stored_access(venafi::Access::Kind::api_key,
                                 {[key = rig.api_key(user)] { return Secret(key); }, true});
  }
  std::shared_ptr<venafi::Client> client(venafi::Access with) {
    return std::make_shared<venafi::Client>(transport(), std::move(with), clock);
  }
  std::shared_ptr<net::Transport> transport() { return providers::make_transport(settings, {}); }
  venafi::VenafiProvider& provider() {
    if (!made) {
      made = std::make_unique<venafi::VenafiProvider>(
          settings, client(credentials.credentials ? credentials : key_of("ops")), clock);
    }
    return *made;
  }
  void use(venafi::Access other) {
    credentials = std::move(other);
    made.reset();
  }

  workflow::ProviderCall call() {
    return {order, token_key, draft, attempt, &submission, clock.now(), std::chrono::seconds{20}};
  }
  void freeze() {
    order.ask = x509::to_json(ask).dump();
    draft.csr = csr_for(key, ask);
    draft.built_at = clock.now();
    draft.provider_state.clear();
  }
  // What the engine has drafted beside the CSR: who orders.
  void draft_there() { draft.provider_state = provider().draft(order, draft.csr, clock.now()).provider_state; }
  // Checks and submits, and remembers, as the engine does.
  workflow::SubmitAnswer try_submit() {
    if (workflow::needs_key(order) && draft.csr.empty()) freeze();
    return provider().submit(call());
  }
  workflow::Report submit() {
    const workflow::SubmitAnswer answer = try_submit();
    const workflow::Report& report = std::get<workflow::Accepted>(answer).report;
    remember(report);
    submission.submitted_at = clock.now();
    return report;
  }
  void remember(const workflow::Report& report) {
    if (!report.reference.empty()) submission.reference = report.reference;
    if (!report.provider_state.empty()) submission.provider_state = report.provider_state;
  }
  workflow::Report poll() {
    workflow::Report report = provider().poll(call());
    remember(report);
    return report;
  }
  workflow::Report retrieve() {
    workflow::Report report = provider().retrieve(call());
    remember(report);
    return report;
  }
  // What the engine does with a certificate that was handed out.
  x509::Answer judged(const workflow::Handout& handout) {
    const workflow::Issued issued = provider().read(call(), handout);
    x509::Expectation expected;
    expected.spki = key.subject_public_key_info();
    expected.content = ask.content;
    expected.lifetime = ask.validity;
    for (const Bytes& der : issued.chain) expected.intermediates.push_back(x509::parse_certificate(der));
    expected.anchors.push_back(
        x509::parse_certificate(x509::read_certificate(read_file(rig.about().at("issuing_root").as_string()))));
    last = issued;
    return x509::check_answer(x509::parse_certificate(issued.certificate), expected, clock.now());
  }
  // The whole way of a request that needs nobody.
  x509::Answer issue() {
    submit();
    const workflow::Report report = retrieve();
    if (!report.handout) throw std::runtime_error("nothing was handed out: " + report.message);
    return judged(*report.handout);
  }
  // The next order, about the certificate that came last.
  void follow_up(workflow::Kind kind, const std::string& reason = "") {
    order.kind = kind;
    order.id = RequestId(kind == workflow::Kind::renew ? "0123456789RENEWX" : "0123456789REVOKE");
    order.reason = reason;
    order.predecessor =
        workflow::Predecessor{"f", last->certificate, {}, "current", submission.reference, submission.provider_state};
    submission = {};
    draft = {};
  }
  void knobs(const std::string& json) { rig.command("venafi set --knobs '" + json + "'"); }

  SystemClock clock;
  RunningRig rig{{}, "venafi"};
  SoftwareSigner key{"ec:P-256"};
  venafi::Settings settings;
  x509::RequestedContent ask = server_ask();
  workflow::Order order;
  workflow::Key token_key{"pkcs11:x", "web", "00", {}, true};
  workflow::Draft draft;
  workflow::Submission submission;
  unsigned attempt = 1;
  venafi::Access credentials;
  std::unique_ptr<venafi::VenafiProvider> made;
  std::optional<workflow::Issued> last;
};

}  // namespace hsmbridge::test
