#include "service/effects/expectation.h"

#include "base/json.h"
#include "x509/content/requested_content.h"
#include "x509/objects/certificate.h"
#include "x509/objects/csr.h"

namespace hsmbridge::service {

x509::Expectation expectation_of(const workflow::Order& order, const workflow::Draft& draft) {
  const auto ask = x509::requested_content_from(Json::parse(order.ask));
  x509::Expectation expected;
  expected.spki = x509::parse_csr(draft.csr).spki;
  expected.content = ask.content;
  expected.accept = ask.accept;
  if (!draft.to_be_signed.empty()) {
    expected.validity = x509::parse_tbs_certificate(draft.to_be_signed).validity;
  } else if (ask.validity > Duration::zero()) {
    expected.lifetime = ask.validity;
  }
  return expected;
}

}  // namespace hsmbridge::service
