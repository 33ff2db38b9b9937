#pragma once

#include "service/actor.h"
#include "service/worker/workplace.h"

#include <map>
#include <string>
#include <vector>

namespace hsmbridge::service {

// Asks for the CRLs of the CAs whose keys services keep when they are due (`crl: every`, and after a revocation): each is
// a request, which the engine carries out. Those whose keys are in tokens are CrlSchedule's. Thread rule: one thread.
class CrlRequests {
 public:
  // Of the CAs whose provider this process can use. `place` must outlive it.
  CrlRequests(Workplace& place, Actor actor);

  // What fails is logged, once until it is something else. Throws nothing but bad_alloc.
  void round(workflow::Store& store);

 private:
  Workplace& place_;
  const Actor actor_;
  std::vector<std::string> cas_;
  std::map<std::string, std::string> told_;  // the last trouble of each
};

}  // namespace hsmbridge::service
