#include "tools/rig/digicert/digicert.h"

#include <algorithm>
#include <utility>

// What the simulated DigiCert keeps over a restart: one JSON line a change, the last of a thing counts.
namespace hsmbridge::rig {

void Digicert::keep(const Certificate& certificate) {
  state_.append(Json::object(
      {{"certificate", Json::object({{"serial", certificate.serial},
                                     {"der", base64(certificate.der)},
                                     {"profile", certificate.profile},
                                     {"seat", certificate.seat},
                                     {"status", certificate.status},
                                     {"reason", certificate.reason},
                                     {"created", rfc3339(certificate.created)},
                                     {"revoked", certificate.revoked ? Json(rfc3339(*certificate.revoked)) : Json()},
                                     {"subject", certificate.subject},
                                     {"names", certificate.names}})}}));
}

void Digicert::keep(const Request& request) {
  const Ordered& order = request.order;
  state_.append(Json::object(
      {{"request",
        Json::object({{"id", request.id},
                      {"csr", base64(request.csr)},
                      {"created", rfc3339(request.created)},
                      {"state", request.state},
                      {"approved_by", Json(request.approved_by)},
                      {"message", request.message},
                      {"serial", request.serial},
                      {"shape", order.shape},
                      {"profile", order.profile},
                      {"seat", order.seat},
                      {"validity", order.validity ? Json(static_cast<std::int64_t>(order.validity->count())) : Json()},
                      {"delivery_format", order.delivery_format},
                      {"include_ca_chain", order.include_ca_chain},
                      {"subject", order.subject},
                      {"names", order.names}})}}));
}

void Digicert::load() {
  for (const Json& line : LineFile::read(state_.path())) load(line);
  issued_ = certificates_.size();
}

void Digicert::load(const Json& line) {
  const auto put = [](auto& list, auto entry, auto key) {
    for (auto& one : list) {
      if (one.*key == entry.*key) {
        one = std::move(entry);
        return;
      }
    }
    list.push_back(std::move(entry));
  };
  if (const Json* moved = line.find("advanced")) advanced_ = std::chrono::seconds{moved->as_integer()};
  if (const Json* json = line.find("certificate")) {
    Certificate one;
    one.serial = json->at("serial").as_string();
    one.der = from_base64(json->at("der").as_string());
    one.profile = json->at("profile").as_string();
    one.seat = json->at("seat").as_string();
    one.status = json->at("status").as_string();
    one.reason = json->at("reason").as_string();
    one.created = parse_rfc3339(json->at("created").as_string());
    if (!json->at("revoked").is_null()) one.revoked = parse_rfc3339(json->at("revoked").as_string());
    one.subject = json->at("subject");
    one.names = json->at("names");
    put(certificates_, std::move(one), &Certificate::serial);
  }
  if (const Json* json = line.find("request")) {
    Request one;
    one.id = json->at("id").as_string();
    one.csr = from_base64(json->at("csr").as_string());
    one.created = parse_rfc3339(json->at("created").as_string());
    one.state = json->at("state").as_string();
    for (const Json& name : json->at("approved_by").as_array()) one.approved_by.push_back(name.as_string());
    one.message = json->at("message").as_string();
    one.serial = json->at("serial").as_string();
    one.order.shape = json->at("shape").as_string();
    one.order.profile = json->at("profile").as_string();
    one.order.seat = json->at("seat").as_string();
    if (!json->at("validity").is_null()) one.order.validity = std::chrono::seconds{json->at("validity").as_integer()};
    one.order.delivery_format = json->at("delivery_format").as_string();
    one.order.include_ca_chain = json->at("include_ca_chain").as_bool();
    one.order.subject = json->at("subject");
    one.order.names = json->at("names");
    put(requests_, std::move(one), &Request::id);
  }
}

}  // namespace hsmbridge::rig
