#pragma once

#include "base/strong.h"
#include "service/bridge.h"
#include "service/requests/enrolment.h"

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

// Cross-signing a CA that is there already (ca/cross.h): what can be refused before anything is written, and the request.
namespace hsmbridge::service {

struct NewCrossSigning {
  std::string name;                   // of the CA that signs, a provider
  std::string profile;                // of the request
  std::filesystem::path certificate;  // the one that the other CA has
  // The certificate of the CA that issued that one, where it is neither of its own issuer nor of a CA of this bridge.
  std::optional<std::filesystem::path> issuer;
  std::optional<std::string> csr;            // the file of a CSR of its key, where that is in no token of ours
  std::optional<std::filesystem::path> out;  // where the new one goes; else beside the other one, as NAME-by-NAME.pem
};

struct CrossSigning {
  NewEnrolment enrolment;
  std::filesystem::path file;
  std::string subject;                   // of the CA that is cross-signed
  std::string key;                       // where its key is, in words
  std::optional<RequestId> open;         // the same was asked before, and is open
  std::optional<RequestId> done;         // or brought a certificate that is in use
  std::vector<std::string> differences;  // ca::cross_differences
};
// Throws refused with every reason why that CA does not cross-sign the other one, and for a certificate of which nothing
// shows who issued it, not_found where the key of that is in
// no token that is known here and no CSR was brought, conflict for a file that is there, another open request for the
// same, or a certificate of that profile that is in use and was put somewhere else.
CrossSigning plan_cross_signing(Bridge& bridge, workflow::Store& store, const NewCrossSigning& wanted);

}  // namespace hsmbridge::service
