#pragma once

#include "base/json.h"
#include "service/authorities/authorities.h"
#include "service/authorities/takeover.h"

#include <string>
#include <vector>

// The CAs of this bridge as a program reads them.
namespace hsmbridge::views {

// hsmbridge.ca/1; an element of `cas` in hsmbridge.ca-list/1
Json authority(const service::Authority& authority);
// hsmbridge.ca-crl/1
Json made_crl(const std::string& name, const workflow::MadeCrl& made);
// hsmbridge.ca-crl-check/1
Json crl_check(const service::CrlCheck& check);
// hsmbridge.ca-takeover/1
Json takeover(const service::PlannedTakeover& planned, const service::DoneTakeover& done);
// hsmbridge.ca-list/1
Json authorities(const std::vector<service::Authority>& all);

}  // namespace hsmbridge::views
