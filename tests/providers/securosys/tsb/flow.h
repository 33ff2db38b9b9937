#pragma once

#include "pem_signer.h"
#include "providers/securosys/approver.h"
#include "providers/securosys/request.h"
#include "support/running_rig.h"
#include "x509/judge/check.h"
#include "x509/objects/pem.h"

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace hsmbridge::test {

// One request against a running simulator: CA key with a policy, three approvers, our provider.
struct Flow : TsbRequest {
  explicit Flow(const std::vector<std::string>& rig_words = {}) : rig(rig_words) {
    settings.url = rig.about().at("url").as_string();
    settings.ca = rig.about().at("ca").as_string();
    key_for(securosys::Role::key_operation, rig.api_key("keyOperationToken"));
    key_for(securosys::Role::service, rig.api_key("serviceToken"));
    key_for(securosys::Role::approver, rig.api_key("approverToken"));
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

  RunningRig rig;
  SoftwareSigner alice{"ec:P-256"}, bob{"rsa:2048"}, carol{"ed25519"};
  std::optional<x509::Certificate> ca;
};

}  // namespace hsmbridge::test
