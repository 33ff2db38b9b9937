#include "base/error.h"
#include "support/memory/content.h"

namespace hsmbridge::test {

namespace {

template <class Value>
bool fits(const std::optional<Value>& wanted, const Value& value) {
  return !wanted || *wanted == value;
}

bool has_name(const std::optional<std::string>& wanted, const Order& order) {
  return !wanted || is_of(search_names(order), *wanted);
}

// Those behind the one named `after`, at most `most`.
template <class Line, class Id>
std::vector<Line> behind(std::vector<Line> lines, const std::optional<Id>& after, unsigned most, const char* what,
                         const Id& (*id_of)(const Line&)) {
  if (after) {
    const auto found =
        std::find_if(lines.begin(), lines.end(), [&](const Line& line) { return id_of(line) == *after; });
    if (found == lines.end()) throw Error{ErrorKind::not_found, std::string("there is no ") + what};
    lines.erase(lines.begin(), found + 1);
  }
  if (lines.size() > most) lines.resize(most);
  return lines;
}

}  // namespace

std::vector<RequestLine> MemoryStore::page(const RequestQuery& query) {
  return read([&](Content& all) {
    const auto wanted = [&](const Content::Request& request) {
      const Order& order = request.record.order;
      const StateName state = name_of(request.record.state);
      return (query.states.empty() ||
              std::find(query.states.begin(), query.states.end(), state) != query.states.end()) &&
             (!query.open_only || !request.final()) && fits(query.provider, order.provider) &&
             fits(query.profile, order.profile) && has_name(query.name, order) &&
             (!query.since || order.created_at >= *query.since);
    };
    std::vector<RequestLine> lines;
    for (const Record& record : all.records([&](const Content::Request& request) {
           return wanted(request) || (query.after && request.record.order.id == *query.after);
         })) {
      lines.push_back(line_of(record));
    }
    return behind<RequestLine, RequestId>(std::move(lines), query.after, query.most, "request",
                                          [](const RequestLine& line) -> const RequestId& { return line.id; });
  });
}

std::size_t MemoryStore::count(const RequestQuery& query) {
  return page(query).size();
}

std::vector<CertificateLine> MemoryStore::page(const CertificateListQuery& query) {
  return read([&](Content& all) {
    std::vector<CertificateLine> lines;
    for (const Content::Certificate& one : all.certificates) {
      const auto request = all.requests.find(one.record.request.str());
      if (request == all.requests.end()) continue;
      const Order& order = request->second.record.order;
      const bool wanted = (query.statuses.empty() || is_of(query.statuses, one.record.status)) &&
                          fits(query.provider, order.provider) && fits(query.profile, one.profile) &&
                          has_name(query.name, order) && (!query.ends_by || one.record.not_after <= *query.ends_by) &&
                          (!query.since || one.record.stored_at >= *query.since);
      if (!wanted && query.after != one.record.fingerprint) continue;
      const RequestLine of = line_of(request->second.record);
      lines.push_back({one.record, order.provider, one.profile, of.names, of.token, of.key});
      lines.back().record.der.clear();
      lines.back().record.chain.clear();
    }
    std::sort(lines.begin(), lines.end(), [&](const CertificateLine& first, const CertificateLine& second) {
      const auto& one = query.since ? second.record : first.record;
      const auto& other = query.since ? first.record : second.record;
      return query.since ? std::tie(one.stored_at, one.fingerprint) < std::tie(other.stored_at, other.fingerprint)
                         : std::tie(one.not_after, one.fingerprint) < std::tie(other.not_after, other.fingerprint);
    });
    return behind<CertificateLine, std::string>(
        std::move(lines), query.after, query.most, "certificate",
        [](const CertificateLine& line) -> const std::string& { return line.record.fingerprint; });
  });
}

std::size_t MemoryStore::count(const CertificateListQuery& query) {
  return page(query).size();
}

}  // namespace hsmbridge::test
