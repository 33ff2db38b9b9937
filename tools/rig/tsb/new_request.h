#pragma once

#include "tools/rig/tsb/tsb.h"

#include <string>

namespace hsmbridge::rig {

// A request that was read and found good, before it becomes a record.
struct Tsb::NewRequest {
  RequestKind kind = RequestKind::sign;
  KeyRecord& key;
  Bytes payload;
  std::string algorithm;
  std::string signature_type;
  Json body;
  std::string original;
};

}  // namespace hsmbridge::rig
