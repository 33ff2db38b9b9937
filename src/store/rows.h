#pragma once

#include "base/error.h"
#include "store/database.h"
#include "workflow/ports/store.h"

#include <string>
#include <vector>

namespace hsmbridge::store {

// Runs `read`; what a row of ours does not let itself be read as is corrupt, whatever the reader called it.
template <class Read>
auto in_row(const char* what, Read&& read) {
  try {
    return read();
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::invalid_input && error.kind() != ErrorKind::internal) throw;
    throw Error{ErrorKind::corrupt, std::string("a stored ") + what + " cannot be read: " + error.message()};
  }
}

// The columns order_json, state_json, sequence, changed_at, from `first` on, with the drafts that the state names.
workflow::Record read_record(const Query& row, int first, Database& database);

// Throws corrupt when an event cannot be read.
std::vector<workflow::JournalEntry> read_history(Database& database, const RequestId& id,
                                                 std::optional<workflow::StateName> unknown_state = {});
// The key of a request, as far as it is known in that state; else empty.
const SpkiHash& key_in(const workflow::Order& order, const workflow::State& state);
// Its name for lists, as far as it is known in that state; "" for a request that uses none.
std::string key_name_in(const workflow::Order& order, const workflow::State& state);
// The row of a new request and its names; `state_json` names drafts that are in the store.
void put_request(Database& database, const workflow::Order& order, const workflow::State& state,
                 const std::string& state_json, std::uint64_t sequence, Instant changed_at);
// By what a request is found.
void put_names(Database& database, const workflow::Order& order);
// The references by which the provider knows a request, as an event tells them.
void put_references(Database& database, const workflow::Order& order, const workflow::EventBody& body);
// That this certificate (DER) is in the chain of a stored one.
void put_issuer(Database& database, ByteView der);
// The row of an attempt with a PIN, in place of the one of its subject.
void put_pin(Database& database, const workflow::PinRefusal& refusal);

// Every row, the id in the column after those; one that is damaged is logged and left out.
std::vector<workflow::Record> read_records(Query& row, Database& database);

}  // namespace hsmbridge::store
