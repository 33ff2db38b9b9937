#include "audit/leaf.h"

#include "base/bytes.h"
#include "base/json_text.h"

namespace hsmbridge::audit {

std::string event_leaf(std::string_view request, std::uint64_t sequence, std::string_view event, std::string_view body,
                       std::string_view actor, Instant at) {
  return Json::object({{"actor", actor},
                       {"at", rfc3339(at)},
                       {"body_sha256", hex(sha256(as_bytes(body)))},
                       {"event", event},
                       {"request", request},
                       {"sequence", sequence}})
      .dump();
}

std::string fact_leaf(std::string_view kind, const Json& fact, std::string_view actor, Instant at) {
  return Json::object({{"actor", actor}, {"at", rfc3339(at)}, {"fact", sorted(fact)}, {"kind", kind}}).dump();
}

}  // namespace hsmbridge::audit
