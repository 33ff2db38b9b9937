#pragma once

#include "store/database.h"
#include "workflow/ports/audit_log.h"

// Whether the store still says what it was told. The program and its triggers only ever append; somebody with another
// program can write anything. Each leaf's data is compared with its hash, and the tree over the hashes with the root
// stored in each leaf and with the stored head; every event with its leaf, octet by octet; every request's order with
// its first event, and the name of its state with its last one; the triggers with those that this version makes.
// Not checked here: what a state says beside its name (it follows from the events by the rules and the times that were
// configured then), what is planned, and the records of certificates and keys. Nor a store that was replaced whole, or
// whose head was computed again to fit: only a head that is kept elsewhere tells that (`run` logs it).
namespace hsmbridge::store {

using workflow::AuditDepth;
using workflow::AuditReport;

// Reads only, within one transaction.
AuditReport verify_audit(Database& database, AuditDepth depth);

}  // namespace hsmbridge::store
