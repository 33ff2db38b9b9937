#include "tools/rig/digicert/digicert.h"

#include <algorithm>
#include <utility>

// What the simulated DigiCert keeps over a restart: one JSON line a change, the last of a thing counts.
namespace hsmbridge::rig {
namespace {

template <class Record>
void put(std::vector<Record>& list, const Json& json, std::string Record::*id) {
  Record record;
  restore(json, record);
  const auto same = std::find_if(list.begin(), list.end(), [&](const Record& one) { return one.*id == record.*id; });
  if (same == list.end()) {
    list.push_back(std::move(record));
  } else {
    *same = std::move(record);
  }
}

}  // namespace

void Digicert::keep(const Certificate& certificate) {
  state_.append(Json::object({{"certificate", kept(certificate)}}));
}

void Digicert::keep(const Request& request) {
  state_.append(Json::object({{"request", kept(request)}}));
}

void Digicert::keep_advanced() {
  state_.append(Json::object({{"advanced", kept(advanced_)}}));
}

void Digicert::load() {
  for (const Json& line : LineFile::read(state_.path())) {
    if (const Json* moved = line.find("advanced")) restore(*moved, advanced_);
    if (const Json* json = line.find("certificate")) put(certificates_, *json, &Certificate::serial);
    if (const Json* json = line.find("request")) put(requests_, *json, &Request::id);
  }
  issued_ = certificates_.size();
}

}  // namespace hsmbridge::rig
