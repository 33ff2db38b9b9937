#include "tools/rig/digicert/digicert.h"

#include <fmt/core.h>

#include <algorithm>

// Enrolments of the simulated DigiCert: somebody is given a code, and whoever has it redeems it with a CSR. Their
// states and bodies are the OpenAPI's; after how many wrong codes one is locked is written down nowhere.
namespace hsmbridge::rig {
namespace {

constexpr std::int64_t kMostBadAttempts = 5;
constexpr std::chrono::seconds kDay = std::chrono::hours{24};

std::string upper_case(std::string text) {
  for (char& c : text) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  }
  return text;
}

std::string value_of(const std::map<std::string, std::string, std::less<>>& query, std::string_view name) {
  const auto found = query.find(name);
  return found == query.end() ? "" : found->second;
}

// "yyyy-MM-dd" or "yyyy-MM-dd HH:mm:ss".
std::optional<Instant> date_of(std::string text) {
  if (text.size() == 10) text += " 00:00:00";
  if (text.size() != 19 || text[10] != ' ') return std::nullopt;
  text[10] = 'T';
  try {
    return parse_rfc3339(text + "Z");
  } catch (const Error&) {
    return std::nullopt;
  }
}

}  // namespace

std::string Digicert::state_of(const Enrollment& enrollment) const {
  return enrollment.status == "created" && now() > enrollment.expires ? "expired" : enrollment.status;
}

Answer Digicert::enroll(const Asked& asked) {
  DigicertFields top(asked.body, "");
  const auto inside = [&](std::string_view name) {
    const Json* found = top.member(name);
    if (found == nullptr) throw wrong_input(name);
    return DigicertFields(*found, std::string(name));
  };
  DigicertFields whose = inside("profile");
  const DigicertProfile& profile = visible_profile(whose.text("id"), asked.token);
  whose.done();
  if (profile.status != "Active" || profile.authentication_method != "enrollment_code") {
    throw digicert_error(400, "invalid_input_field", "The profile does not use enrollment codes", "profile.id");
  }
  Enrollment one;
  one.profile = profile.id;
  DigicertFields seat = inside("seat");
  one.seat = seat.text("seat_id");
  one.email = seat.text_or_null("email").value_or("");
  seat.done();
  if (const Json* attributes = top.member("attributes")) {
    DigicertFields fields(*attributes, "attributes");
    if (const auto csr = fields.text_or_null("csr")) checked_csr(*csr, profile, "attributes.csr");
    if (const Json* subject = fields.member("subject")) {
      Ordered order;
      read_attributes(Json::object({{"subject", *subject}}), "attributes", order);
      one.subject = order.subject;
    }
    fields.member("validity");
    fields.done();
  }
  one.code = top.text_or_null("enrollment_code").value_or(hex(random_bytes(8)));
  one.created = now();
  one.expires = one.created + kDay * profile.enrollment_days;
  if (const auto date = top.text_or_null("expiry_date")) {
    const auto expires = date_of(*date);
    if (!expires || *expires <= one.created) throw wrong_input("expiry_date");
    one.expires = *expires;
  }
  top.done();
  one.id = new_id();
  enrollments_.push_back(one);
  keep(enrollments_.back());
  return {201, Json::object({{"seat_id", one.seat},
                             {"profile_id", profile.id},
                             {"profile_name", profile.name},
                             {"enrollment_code", one.code},
                             {"creation_date_time", rfc3339(one.created)},
                             {"expiry_date_time", rfc3339(one.expires)},
                             {"status", "created"},
                             {"number_of_bad_attempts", std::int64_t{0}}})
                   .dump()};
}

Answer Digicert::redeem(const Asked& asked) {
  DigicertFields top(asked.body, "");
  const auto id_in = [&](std::string_view name) {
    const Json* found = top.member(name);
    if (found == nullptr) throw wrong_input(name);
    DigicertFields inner(*found, std::string(name));
    std::string id = inner.text("id");
    inner.done();
    return id;
  };
  Ordered order;
  order.shape = "redemption";
  order.seat = id_in("seat");
  order.profile = id_in("profile");
  const std::string code = top.text("enrollment_code");
  order.csr = top.text("csr");
  read_terms(top, order);
  if (const Json* attributes = top.member("attributes")) read_attributes(*attributes, "attributes", order);
  top.done();
  const DigicertProfile& profile = visible_profile(order.profile, asked.token);
  Enrollment* found = nullptr;
  for (Enrollment& one : enrollments_) {
    if (one.profile == profile.id && one.seat == order.seat && state_of(one) == "created") found = &one;
  }
  if (found == nullptr) throw digicert_error(400, "invalid_state", "There is no enrollment to redeem");
  if (found->code != code) {
    if (++found->bad_attempts >= kMostBadAttempts) found->status = "locked";
    keep(*found);
    throw digicert_error(400, "invalid_input_field", "Wrong enrollment code", "enrollment_code");
  }
  order.profile = profile.id;
  if (order.subject.as_object().empty()) order.subject = found->subject;
  const Bytes csr = checked_csr(order.csr, profile, "csr");
  check_attributes(order, profile);
  Answer answer = issued_answer(200, issue(order, profile, csr), order);
  found->status = "redeemed";
  keep(*found);
  return answer;
}

Json Digicert::details_json(const Enrollment& enrollment) const {
  const auto profile = std::find_if(profiles_.begin(), profiles_.end(),
                                    [&](const DigicertProfile& one) { return one.id == enrollment.profile; });
  return Json::object(
      {{"id", enrollment.id},
       {"status", state_of(enrollment)},
       {"email", enrollment.email},
       {"created_at", rfc3339(enrollment.created)},
       {"expires_at", rfc3339(enrollment.expires)},
       {"profile", Json::object({{"id", enrollment.profile}, {"name", profile->name}})},
       {"business_unit", Json::object({{"id", "e5bf49f0-a77b-4301-85e9-c15eb12df70f"}, {"name", "Test BU"}})},
       {"message_to_user", ""},
       {"seat_id_mapping_value", enrollment.seat},
       {"approved_by_current_user", false},
       {"seat", Json::object({{"seat_id", enrollment.seat}})},
       {"comments", ""}});
}

// Whether pending certificate requests stand among them at the service is written down nowhere; here they do not.
Answer Digicert::list_enrollments(const Asked& asked) {
  for (const auto& [name, value] : asked.query) {
    if (name != "status") throw wrong_input(name);
  }
  const std::string status = upper_case(value_of(asked.query, "status"));
  Json list = Json::array();
  for (const Enrollment& one : enrollments_) {
    // The filter's word for it is shorter than the state's.
    const std::string word = state_of(one) == "redeemed" ? "REDEEM" : upper_case(state_of(one));
    if (status.empty() || status == word) list.push(details_json(one));
  }
  return {200, list.dump()};
}

Answer Digicert::show_enrollment(const Asked& asked) {
  for (const Enrollment& one : enrollments_) {
    if (one.id == asked.captured.at(0)) return {200, details_json(one).dump()};
  }
  throw digicert_error(404, "resource_not_found", "There is no such enrollment");
}

Answer Digicert::enrollment_of_code(const Asked& asked) {
  for (const Enrollment& one : enrollments_) {
    if (one.code == asked.captured.at(0) && one.seat == value_of(asked.query, "seat_id")) {
      return {200, details_json(one).dump()};
    }
  }
  throw digicert_error(404, "resource_not_found", "There is no such enrollment");
}

// ---- what the rig's user may not, or what no profile of it has ------------------------------------------------------

// Auditors and importers have roles of their own; the bodies of these calls are shown nowhere.
Answer Digicert::not_permitted(const Asked&) {
  throw digicert_error(403, "no_access", "Not enough permissions");
}

// No profile escrows keys: there is nothing to approve for a certificate that exists, and nothing to recover.
Answer Digicert::approve_recovery(const Asked& asked) {
  find_certificate(asked);
  throw digicert_error(422, "invalid_request", "Can't process request entity");
}
Answer Digicert::recover(const Asked&) {
  throw digicert_error(404, "resource_not_found", "There is no escrowed key");
}

}  // namespace hsmbridge::rig
