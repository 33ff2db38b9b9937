#pragma once

#include "base/bytes.h"
#include "providers/securosys/wire/wire.h"

namespace hsmbridge::securosys {

// Whether a task's metaData carries a signature over it by that key (SubjectPublicKeyInfo of the application key).
// Anybody who may submit can write any metaData, and no approver's signature covers it: this is all that tells whose it
// is. False also for a key that no such signature can be of.
bool meta_data_signed_by(const SignedMetaData& meta_data, const Bytes& application_key);

}  // namespace hsmbridge::securosys
