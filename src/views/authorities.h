#pragma once

#include "base/json.h"
#include "service/authorities/authorities.h"
#include "service/authorities/takeover.h"

#include <optional>
#include <string>
#include <vector>

// The CAs of this bridge as a program reads them.
namespace hsmbridge::views {

// hsmbridge.ca/1; an element of `cas` in hsmbridge.ca-list/1. `at_urls`: of its CRLs, or empty.
Json authority(const service::Authority& authority, const std::vector<std::optional<service::CrlAtUrl>>& at_urls);
// hsmbridge.ca-crl/1
Json made_crls(const std::string& name, const service::PublishedCrls& published);
// hsmbridge.ca-crl-check/1
Json crl_check(const service::CrlCheck& check);
// hsmbridge.ca-takeover/1
Json takeover(const service::PlannedTakeover& planned, const service::DoneTakeover& done);
// hsmbridge.ca-list/1
Json authorities(const std::vector<service::Authority>& all);

}  // namespace hsmbridge::views
