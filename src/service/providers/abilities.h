#pragma once

#include "workflow/ports/provider.h"

#include <string>
#include <string_view>

// What providers can do, in words.
namespace hsmbridge::service {

// What a type of provider can do in one of its ways of working.
struct ProviderWay {
  std::string name;  // "securosys-tsb, mode raw-signature"
  workflow::Capabilities can;
  bool lists_profiles = false;  // provider show --profiles
  bool tells_policy = false;    // provider show --policy
  bool dry_run = false;         // enroll --check asks it too
  bool decides_here = false;    // approvers decide with `approval accept` and `reject`
};

struct CapabilityRow {
  std::string_view name;
  bool workflow::Capabilities::*member;
  std::string_view title;  // in README's table
  std::string_view yes;
  std::string_view no;  // empty: nothing that a user has to know
};
inline constexpr CapabilityRow kCapabilities[] = {
    {"full_profile", &workflow::Capabilities::full_profile, "what the certificate says is ours, to the last extension",
     "names, usages, validity and serial are ours",
     "the provider decides what the certificate says: see `accept:` in `hsmbridge help configuration`"},
    {"cancel", &workflow::Capabilities::cancel, "a request can be cancelled there", "a request can be cancelled there",
     "a request cannot be cancelled there"},
    {"shows_approvers", &workflow::Capabilities::shows_approvers, "who has approved and who has not is shown",
     "it tells who has approved and who has not", "it does not tell who approves"},
    {"shows_quorum", &workflow::Capabilities::shows_quorum, "how many must approve is shown",
     "it tells how many must approve", "how many must approve is not known"},
    {"complete_look_up", &workflow::Capabilities::complete_look_up,
     "after a lost answer two searches, `search_lag` apart and under the account that ordered, tell that nothing "
     "arrived "
     "(else a person decides)",
     "after a lost answer two searches, search_lag apart and under the account that ordered, tell that nothing arrived",
     "after a lost answer it cannot tell that nothing arrived: a person decides"},
    {"revoke", &workflow::Capabilities::revoke, "certificates can be revoked (`cert revoke`)",
     "a certificate can be revoked there", "a certificate cannot be revoked there"},
    {"revoke_hold", &workflow::Capabilities::revoke_hold, "certificates can be put on hold (`certificateHold`)",
     "a certificate can be put on hold (certificateHold)", ""},
    {"renew", &workflow::Capabilities::renew,
     "a renewal is linked to the certificate that it replaces (else a new order)",
     "a renewal is linked to the certificate that it replaces", "a renewal is a request like any other"},
    {"result_once", &workflow::Capabilities::result_once, "a result is handed out once only",
     "a result is handed out once", "a result can be fetched again"},
};

// What only some providers have, and the command for it.
struct ExtraRow {
  std::string_view name;
  bool ProviderWay::*member;
  std::string_view title;
};
inline constexpr ExtraRow kExtras[] = {
    {"decides_here", &ProviderWay::decides_here,
     "its approvers can decide here (`approval accept`, `approval reject`)"},
    {"lists_profiles", &ProviderWay::lists_profiles, "what can be ordered is listed (`provider show --profiles`)"},
    {"tells_policy", &ProviderWay::tells_policy, "its rules are shown (`provider show --policy`)"},
    {"dry_run", &ProviderWay::dry_run, "it judges a request without making one (`enroll --check`)"},
};

}  // namespace hsmbridge::service
