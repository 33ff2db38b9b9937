#pragma once

#include <string>
#include <vector>

namespace hsmbridge::service {

// Who asks for something. Made once, where a process or a connection begins; every use case takes it.
struct Actor {
  std::string name;                // as journal and audit log have it: "uid:alice", "worker:host/17/4026-ab"
  std::string known_by;            // how it is known: "operating system"
  std::vector<std::string> roles;  // what it may do; nothing asks yet, since who may run this program may do everything
};

}  // namespace hsmbridge::service
