#include "store/sqlite_store.h"

namespace hsmbridge::store {

bool SqliteStore::take_serial(const workflow::TakenSerial& serial) {
  Database::Write write(*database_);
  if (is_taken(serial.issuer, serial.serial)) return false;
  database_->run("INSERT INTO serial_numbers (issuer, serial, request, taken_at) VALUES (?, ?, ?, ?)", serial.issuer,
                 serial.serial, serial.request, serial.at);
  write.commit();
  return true;
}

bool SqliteStore::is_taken(const std::string& issuer, const std::string& serial) {
  return database_->query("SELECT 1 FROM serial_numbers WHERE issuer = ? AND serial = ?", issuer, serial).row();
}

std::uint64_t SqliteStore::serials_taken(const std::string& issuer) {
  Query row = database_->query("SELECT count(*) FROM serial_numbers WHERE issuer = ?", issuer);
  return row.row() ? row.count(0) : 0;
}

}  // namespace hsmbridge::store
