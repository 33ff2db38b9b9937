#include "base/json.h"
#include "providers/digicert/wire/wire.h"

namespace hsmbridge::digicert {
namespace {

Json attributes_json(const std::vector<AttributeValues>& attributes) {
  Json json = Json::object();
  for (const AttributeValues& one : attributes) {
    const bool single = one.form == AttributeValues::Form::single && one.values.size() == 1;
    json.set(one.name, single ? Json(one.values.front()) : Json(one.values));
  }
  return json;
}

void add_terms(Json& json, const CertificateOrder& order) {
  if (order.validity) {
    json.set("validity", Json::object({{"unit", order.validity->unit}, {"duration", order.validity->duration}}));
  }
  if (!order.delivery_format.empty()) json.set("delivery_format", order.delivery_format);
  if (order.include_ca_chain) json.set("include_ca_chain", true);
}

// Everything of a request but profile and seat, whose places differ.
void add_request(Json& json, const CertificateOrder& order) {
  json.set("csr", order.csr);
  add_terms(json, order);
  Json attributes = Json::object();
  if (!order.subject.empty()) attributes.set("subject", attributes_json(order.subject));
  if (!order.names.empty()) attributes.set("extensions", Json::object({{"san", attributes_json(order.names)}}));
  if (!attributes.as_object().empty()) json.set("attributes", attributes);
  if (!order.tags.empty()) json.set("tags", Json(order.tags));
}

}  // namespace

std::string siblings_text(const CertificateOrder& order) {
  Json json = Json::object(
      {{"profile", Json::object({{"id", order.profile}})}, {"seat", Json::object({{"seat_id", order.seat}})}});
  add_request(json, order);
  return json.dump();
}

std::string nested_text(const CertificateOrder& order) {
  Json profile = Json::object({{"id", order.profile}, {"seat", Json::object({{"id", order.seat}})}});
  add_request(profile, order);
  return Json::object({{"profile", profile}}).dump();
}

std::string renewal_text(const CertificateOrder& order) {
  Json json = Json::object({{"csr", order.csr}});
  add_terms(json, order);
  return json.dump();
}

std::string pickup_text(const std::string& profile) {
  return Json::object({{"profile", Json::object({{"id", profile}})}}).dump();
}

std::string revocation_text(std::string_view reason) {
  return Json::object({{"revocation_reason", reason}}).dump();
}

}  // namespace hsmbridge::digicert
