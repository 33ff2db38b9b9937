#include "service/worker/crl_requests.h"

#include "base/error.h"
#include "base/log.h"
#include "base/unicode.h"
#include "service/authorities/crl_request.h"

#include <fmt/core.h>

#include <set>
#include <utility>

namespace hsmbridge::service {

CrlRequests::CrlRequests(Workplace& place, Actor actor) : place_(place), actor_(std::move(actor)) {
  std::set<std::string> left_out;
  for (const auto& one : place.left_out()) left_out.insert(one.lane);
  for (const auto& settings : place.settings().providers) {
    if (settings.key_at && left_out.count("provider:" + settings.name) == 0) cas_.push_back(settings.name);
  }
}

void CrlRequests::round(workflow::Store& store) {
  for (const std::string& name : cas_) {
    std::string trouble;
    try {
      const auto made =
          request_due_crl(actor_, place_.settings(), *place_.provider(name), store, name, place_.clock().now());
      if (made) log::info(fmt::format("CA {}: its next CRL is due, and is request {}", name, made->str()));
    } catch (...) {
      const Error error = current_error();
      // One that is not made yet has nothing to publish.
      if (error.kind() != ErrorKind::not_found) trouble = error.message();
    }
    if (std::exchange(told_[name], trouble) != trouble && !trouble.empty()) {
      log::error(fmt::format("CA {}: no CRL is asked for: {}", name, printable(trouble)));
    }
  }
}

}  // namespace hsmbridge::service
