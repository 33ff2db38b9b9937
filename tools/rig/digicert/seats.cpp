#include "tools/rig/digicert/digicert.h"

#include <algorithm>

// Seats of the simulated DigiCert: what a certificate is counted under.
namespace hsmbridge::rig {
namespace {

constexpr const char* kTypes[] = {"USER_SEAT", "DEVICE_SEAT", "SERVER_SEAT"};

bool has_id(const Json& seat, const std::string& id) {
  return seat.at("seat_id").as_string() == id;
}

// A seat as a body describes it; `id` where the path names it.
Json seat_in(const Json& body, const std::string& id) {
  DigicertFields fields(body, "");
  Json seat = Json::object({{"seat_id", id.empty() ? fields.text("seat_id") : id}});
  if (!id.empty()) fields.text_or_null("seat_id");
  std::string type = kTypes[0];
  if (const Json* wanted = fields.member("seat_type")) {
    DigicertFields inner(*wanted, "seat_type");
    type = inner.text("id");
    inner.done();
    if (std::find(std::begin(kTypes), std::end(kTypes), type) == std::end(kTypes)) throw wrong_input("seat_type.id");
  }
  seat.set("seat_type", Json::object({{"id", type}}));
  for (const char* name : {"business_unit_id", "email", "seat_name", "phone"}) {
    if (const auto value = fields.text_or_null(name)) seat.set(name, *value);
  }
  fields.done();
  return seat;
}

}  // namespace

Answer Digicert::make_seat(const Asked& asked) {
  const Json seat = seat_in(asked.body, "");
  const std::string id = seat.at("seat_id").as_string();
  if (std::any_of(seats_.begin(), seats_.end(), [&](const Json& one) { return has_id(one, id); })) {
    throw digicert_error(400, "duplicate_error", "The seat already exists", "seat_id");
  }
  seats_.push_back(seat);
  state_.append(Json::object({{"seat", seat}}));
  return {201, seat.dump()};
}

Answer Digicert::change_seat(const Asked& asked) {
  const std::string& id = asked.captured.at(0);
  const auto found = std::find_if(seats_.begin(), seats_.end(), [&](const Json& one) { return has_id(one, id); });
  if (found == seats_.end()) throw digicert_error(404, "resource_not_found", "There is no such seat");
  *found = seat_in(asked.body, id);
  state_.append(Json::object({{"seat", *found}}));
  return {204, ""};
}

Answer Digicert::show_seat(const Asked& asked) {
  for (const Json& seat : seats_) {
    if (has_id(seat, asked.captured.at(0))) return {200, seat.dump()};
  }
  // A certificate makes the seat that it names.
  for (const Certificate& certificate : certificates_) {
    if (certificate.seat != asked.captured.at(0)) continue;
    return {200,
            Json::object({{"seat_id", certificate.seat}, {"seat_type", Json::object({{"id", kTypes[0]}})}}).dump()};
  }
  throw digicert_error(404, "resource_not_found", "There is no such seat");
}

Answer Digicert::remove_seat(const Asked& asked) {
  const auto found =
      std::find_if(seats_.begin(), seats_.end(), [&](const Json& one) { return has_id(one, asked.captured.at(0)); });
  if (found == seats_.end()) throw digicert_error(404, "resource_not_found", "There is no such seat");
  state_.append(Json::object({{"seat_removed", asked.captured.at(0)}}));
  seats_.erase(found);
  return {204, ""};
}

Answer Digicert::seat_types(const Asked&) {
  Json list = Json::array();
  for (const char* type : kTypes) list.push(Json::object({{"id", type}, {"name", type}}));
  return {200, list.dump()};
}

}  // namespace hsmbridge::rig
