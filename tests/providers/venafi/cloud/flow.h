#pragma once

#include "base/error.h"
#include "providers/venafi/request.h"
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
struct Flow : CloudRequest {
  explicit Flow(const std::string& alias = "Default") {
    settings.url = rig.about().at("url").as_string();
    settings.ca = rig.about().at("ca").as_string();
    settings.zone = {"Payments", alias};
    credentials = key_of("ops");
  }

  // ops orders; alice, bob and carol approve.
  venafi::Access key_of(const std::string& user) {
    return venafi::stored_access(venafi::Access::Kind::api_key,
                                 {[key = rig.api_key(user)] { return Secret(key); }, true});
  }
  // What the engine does with a certificate that was handed out.
  x509::Answer judged(const workflow::IssuedResult& result) {
    const workflow::Issued issued = issued_by(provider(), call(), result);
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
    if (!report.result) throw std::runtime_error("nothing was handed out: " + report.message);
    return judged(*report.result);
  }
  // The next order, about the certificate that came last.
  void follow_up(workflow::Kind kind, const std::string& reason = "") {
    order.id = RequestId(kind == workflow::Kind::renew ? "0123456789RENEWX" : "0123456789REVOKE");
    const workflow::Predecessor old{"f",       last->certificate,    {},
                                    "current", submission.reference, submission.provider_state};
    if (kind == workflow::Kind::renew) {
      make_renewal(order, old);
    } else {
      make_revocation(order, old, reason);
    }
    submission = {};
    draft = {};
  }
  void knobs(const std::string& json) { rig.command("venafi set --knobs '" + json + "'"); }

  RunningRig rig{{}, "venafi"};
  std::optional<workflow::Issued> last;
};

}  // namespace hsmbridge::test
