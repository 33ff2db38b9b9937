#pragma once

#include "audit/merkle.h"
#include "store/database.h"

#include <cstdint>
#include <string>
#include <vector>

// Whether the store still says what it was told. The program and its triggers only ever append; somebody with another
// program can write anything. Each leaf's data is compared with its hash, and the tree over the hashes with the root
// stored in each leaf and with the stored head; every event with its leaf, octet by octet; every request's order with
// its first event, and the name of its state with its last one; the triggers with those that this version makes.
// Not checked here: what a state says beside its name (it follows from the events by the rules and the times that were
// configured then), what is planned, and the records of certificates and keys. Nor a store that was replaced whole, or
// whose head was computed again to fit: only a head that is kept elsewhere tells that (`run` logs it).
namespace hsmbridge::store {

enum class Depth {
  whole,
  news,  // the leaves since the last check that found nothing wrong: what a start can afford
};

struct AuditReport {
  audit::TreeHead head;             // of the leaves as they are
  std::uint64_t checked = 0;        // leaves
  std::vector<std::string> faults;  // a sentence each, the first ones
  std::uint64_t faults_left_out = 0;
};

// Reads only, within one transaction.
AuditReport verify_audit(Database& database, Depth depth);

}  // namespace hsmbridge::store
