#pragma once

#include <map>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

// The same cases against the simulator and against the service that it imitates. The service's are skipped unless the
// environment says where it is and as whom to speak; a set of variables that is not whole is an error. Secrets are in
// files (mode 0600), not in variables, which others can see.
//
//   DigiCert   HSMBRIDGE_CONTRACT_TLM_URL        https://one.digicert.com
//              HSMBRIDGE_CONTRACT_TLM_KEY_FILE   the API key
//              HSMBRIDGE_CONTRACT_TLM_PROFILE    id of a profile for servers
//              HSMBRIDGE_CONTRACT_TLM_SEAT       seat id
//   Securosys  HSMBRIDGE_CONTRACT_TSB_URL        https://primusdev.cloudshsm.com
//              HSMBRIDGE_CONTRACT_TSB_KEY_FILE   an API key for key operations and the service
//              HSMBRIDGE_CONTRACT_TSB_SIGN_KEY   label of a CA key with a certificate
//              HSMBRIDGE_CONTRACT_TSB_BEARER_FILE  the access token, where one is wanted (may be missing)
//   Venafi     HSMBRIDGE_CONTRACT_VENAFI_URL     https://api.venafi.cloud
//              HSMBRIDGE_CONTRACT_VENAFI_KEY_FILE  the API key of a user
//              HSMBRIDGE_CONTRACT_VENAFI_ZONE    Application\Alias
//   each       HSMBRIDGE_CONTRACT_…_CA           PEM file with the server's CA, in place of the system's (may be missing)
//              HSMBRIDGE_CONTRACT_…_MAY_ORDER    yes: the cases that make a request there run too. It may cost money,
//                                                and people are asked to approve it
namespace hsmbridge::contract {

struct Needs {
  std::string service;  // "TLM": in the variables' names
  std::vector<std::string> needed;
  std::vector<std::string> optional;
};

// The values by the last part of their names ("URL"); nothing where none of them is set. Throws invalid_input that names
// what is missing where only some are.
using Variables = std::map<std::string, std::string>;
std::optional<Variables> variables_of(const Needs& needs);

enum class Ask { nothing_made, makes_a_request };
// The variables, or nothing where the case is to be skipped; then it has said so, in the line that ctest knows. A case
// that makes a request is skipped without MAY_ORDER too.
std::optional<Variables> service_for(const Needs& needs, Ask ask, std::ostream& out);

}  // namespace hsmbridge::contract
