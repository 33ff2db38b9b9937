#pragma once

#include "pem_signer.h"
#include "providers/connection.h"
#include "providers/securosys/approver.h"
#include "providers/securosys/provider.h"
#include "providers/securosys/test_ca.h"
#include "support/running_rig.h"
#include "x509/judge/check.h"
#include "x509/objects/pem.h"

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace hsmbridge::test {

// One request against a running simulator: CA key with a policy, three approvers, our provider.
struct Flow {
  explicit Flow(const std::vector<std::string>& rig_words = {}) : rig(rig_words) {
    settings.name = "tsb";
    settings.url = rig.about().at("url").as_string();
    settings.ca = rig.about().at("ca").as_string();
    settings.sign_key = "ca-key";
    key_for(securosys::Role::key_operation, rig.api_key("keyOperationToken"));
    key_for(securosys::Role::service, rig.api_key("serviceToken"));
    key_for(securosys::Role::approver, rig.api_key("approverToken"));
    order.id = RequestId("0123456789ABCDEF");
    order.provider = "tsb";
    ask = server_ask();
  }

  // `hsmbridge-rig tsb create-ca` with 2 of alice (EC), bob (RSA) and carol (Ed25519).
  void make_ca(const std::string& more = "") {
    std::string words = "tsb create-ca --label ca-key --group ops --quorum 2";
    for (const auto& [name, signer] : people()) {
      const std::string file = rig.folder().path().string() + "/" + name + ".pem";
      write_file(file, to_bytes(x509::spki_to_pem(signer->subject_public_key_info())), FileMode::public_0644,
                 Existing::replace);
      words += " --approver " + name + "=" + file;
    }
    rig.command(words + " " + more);
    ca = x509::parse_certificate(x509::read_certificate(read_file(rig.dir() + "/ca-key.pem")));
  }
  std::map<std::string, SoftwareSigner*> people() { return {{"alice", &alice}, {"bob", &bob}, {"carol", &carol}}; }

  void key_for(securosys::Role role, const std::string& value) {
    options.api_keys[role].push_back({[value] { return Secret(value); }});
  }
  securosys::Client& client() {
    if (!made_client) {
      made_client = std::make_shared<securosys::Client>(providers::make_transport(settings, {}), options, clock);
    }
    return *made_client;
  }
  securosys::SecurosysProvider& provider() {
    client();
    if (!made) made = std::make_unique<securosys::SecurosysProvider>(settings, made_client, keys, clock);
    return *made;
  }
  void freeze() {
    order.ask = x509::to_json(ask).dump();
    draft.csr = csr_for(key, ask);
    const workflow::ProviderDraft drafted = provider().draft(order, draft.csr, clock.now());
    draft.to_be_signed = drafted.to_be_signed;
    draft.algorithm = drafted.algorithm;
    draft.issuer = drafted.issuer;
    draft.summary = "certificate for www.example.com";
  }
  workflow::ProviderCall call() {
    return {order, token_key, draft, 1, &submission, clock.now(), std::chrono::seconds{20}};
  }
  // Submits and remembers, as the engine does.
  workflow::Report submit() {
    const workflow::SubmitAnswer answer = provider().submit(call());
    const workflow::Report& report = std::get<workflow::Accepted>(answer).report;
    submission.reference = report.reference;
    submission.provider_state = report.provider_state;
    submission.submitted_at = clock.now();
    return report;
  }
  workflow::Report poll() { return provider().poll(call()); }

  securosys::Approver desk(SoftwareSigner& who) {
    return {client(), who, securosys::Identity::public_key(who), clock, std::chrono::seconds{20}};
  }
  // Looks at the only task and approves it.
  void approve(SoftwareSigner& who, const securosys::Expectation& expectation) {
    securosys::Approver at = desk(who);
    const std::vector<securosys::TaskView> tasks = at.list();
    if (tasks.size() != 1) throw std::runtime_error("there is not exactly one task");
    at.send(at.sign(at.show(tasks[0].id), expectation));
  }

  SystemClock clock;
  RunningRig rig;
  SoftwareSigner alice{"ec:P-256"}, bob{"rsa:2048"}, carol{"ed25519"};
  SoftwareSigner key{"ec:P-256"};
  securosys::Settings settings;
  securosys::ClientOptions options;
  securosys::Keys keys;
  x509::RequestedContent ask;
  workflow::Order order;
  workflow::Key token_key{"pkcs11:x", "web", "00", {}, true};
  workflow::Draft draft;
  workflow::Submission submission;
  std::optional<x509::Certificate> ca;
  std::shared_ptr<securosys::Client> made_client;
  std::unique_ptr<securosys::SecurosysProvider> made;
};

}  // namespace hsmbridge::test
