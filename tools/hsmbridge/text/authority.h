#pragma once

#include "service/authorities/authorities.h"
#include "service/authorities/takeover.h"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

// The CAs of this bridge as people read them.
namespace hsmbridge::cli {

std::string authorities_text(const std::vector<service::Authority>& all);
// `at_urls`: of its CRLs.
std::string authority_text(const service::Authority& authority,
                           const std::vector<std::optional<service::CrlAtUrl>>& at_urls);
std::string crl_check_text(const service::CrlCheck& check);
std::string made_crls_text(const std::string& name, const service::PublishedCrls& published);
// "Take over CN=… with 1000 certificates, 50 of them revoked, and CRL number 8".
std::string takeover_question(std::string_view what, const service::PlannedTakeover& planned);
std::string takeover_text(const service::PlannedTakeover& planned, const service::DoneTakeover& done);

}  // namespace hsmbridge::cli
