#include "providers/securosys/meta_data_proof.h"

#include "base/error.h"
#include "providers/securosys/timestamp_prover.h"
#include "x509/objects/verify.h"

namespace hsmbridge::securosys {

bool meta_data_signed_by(const SignedMetaData& meta_data, const Bytes& application_key) {
  if (!meta_data.signature) return false;
  try {
    return x509::verify(application_key, *approver_algorithm(application_key).algorithm, meta_data.octets,
                        *meta_data.signature);
  } catch (const Error&) {
    return false;
  }
}

}  // namespace hsmbridge::securosys
